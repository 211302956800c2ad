"""The command line: `python -m jaxconv certify package.module:function --shape 1,32,32,3`."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jax
import numpy as np

from jaxconv.account.summary import summary
from jaxconv.verify.certify import certify
from jaxconv.verify.numeric import InsensitiveWarning, check, layer_bars, layerwise, position_map, shift_map

HELD, VIOLATED, UNDECIDED, USAGE = 0, 1, 2, 3
STATUS = {"PROVED": HELD, "HELD": HELD, "REFUTED": VIOLATED, "VIOLATED": VIOLATED, "UNDECIDED": UNDECIDED}

DESCRIPTION = """\
By which shifts of its input is a JAX function equivariant, which line breaks it, and what do its layers hold?

  certify   prove it, for all inputs and parameters, without running the function once
  check     run the function on one input and all shifts of it, and measure the error
  summary   count parameters, reuse and multiply-adds, layer by layer, without running the function
"""

EXAMPLES = """\
The function is named as package.module:name, and found from the current directory. It takes arrays; bind parameters
beforehand, for example with functools.partial. --shape is given once for each of its arguments.

examples:
  python -m jaxconv certify models.resnet:features --shape 1,224,224,3
  python -m jaxconv certify models.unet:apply_pretrained --shape 1,512,384,1 --axes 1 --interior
  python -m jaxconv certify mine:fuse --shape 1,64,48,3 --shape 1,64,48,1 --axes 0:1,2 --axes 1:1,2
  python -m jaxconv check models.resnet:features --shape 1,64,48,3 --seed 7
  python -m jaxconv summary models.resnet:features --shape 1,224,224,3

exit status:
  0  proved (certify), held (check), counted (summary)
  1  refuted by an executed counterexample, or violated
  2  undecided
  3  bad usage: no such function, or one that does not take these shapes
"""


class UsageError(Exception):
    """A request that cannot be carried out; its message is all that the user sees."""


class Parser(argparse.ArgumentParser):
    """Bad usage ends with status 3 rather than argparse's 2, which means undecided here."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, on one line, and where help is."""
        self.exit(USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: its words, `sys.argv[1:]` if None.

    Returns:
        The exit status: 0 proved, held or counted, 1 refuted or violated, 2 undecided, 3 bad usage.

    >>> main(["certify", "jax.nn:relu", "--shape", "1,8,6,1", "--axes", "1"])  # doctest: +ELLIPSIS
    relu: cyclic shifts PROVED, interior PROVED
    ...
    0
    """
    try:
        options = parser().parse_args(argv)
        return options.run(options)
    except SystemExit as stop:  # argparse has said everything
        return int(stop.code or 0)
    except UsageError as error:
        sys.stderr.write(f"python -m jaxconv: {error}\n")
        return USAGE


def parser() -> Parser:
    """The commands and their options."""
    raw = argparse.RawDescriptionHelpFormatter
    top = Parser("python -m jaxconv", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=raw)
    commands = top.add_subparsers(required=True, metavar="command", dest="command")
    one = commands.add_parser("certify", help="prove it", epilog=EXAMPLES, formatter_class=raw)
    two = commands.add_parser("check", help="measure it", epilog=EXAMPLES, formatter_class=raw)
    three = commands.add_parser("summary", help="count it", epilog=EXAMPLES, formatter_class=raw)
    for command in (one, two, three):
        _shared(command)
    for command in (one, two):
        command.add_argument("--seed", type=int, default=0, help="of random inputs and searches (0)")
    one.add_argument("--no-search", action="store_true", help="look for no counterexamples: run nothing")
    one.add_argument("--cyclic", action="store_true", help="only the claim about cyclic shifts decides the status")
    one.add_argument("--interior", action="store_true", help="only the claim about the interior decides the status")
    one.set_defaults(run=_certify)
    two.add_argument(
        "--interior", action="store_true", help="shifts at which new content enters, instead of cyclic ones"
    )
    two.add_argument("--cyclic", action="store_true", help="shifts that wrap around (the default)")
    two.add_argument(
        "--integers", action="store_true", help="small whole numbers, compared exactly, without a tolerance"
    )
    two.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="draw the error there: by position, by shift and by layer (PNG)"
    )
    two.set_defaults(run=_check)
    three.set_defaults(run=_summary)
    return top


def _shared(command: argparse.ArgumentParser) -> None:
    command.add_argument("function", help="package.module:name, found from the current directory")
    command.add_argument(
        "--shape",
        action="append",
        required=True,
        type=_integers,
        metavar="N,H,W,C",
        help="of an argument; once for each",
    )
    command.add_argument(
        "--dtype", action="append", help="of the arguments, once for all or once for each; float32 if left out"
    )
    command.add_argument(
        "--axes",
        action="append",
        type=_axes,
        metavar="[ARGUMENT:]AXES",
        help="shifted axes, 1,2 or 1:1,2 for argument 1; all but the first and the last if left out",
    )
    command.add_argument("--json", action="store_true", help="print JSON instead of a report")


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers like 1,32,32,3") from error


def _axes(text: str) -> tuple[int | None, tuple[int, ...]]:
    """The argument, None where it is left out, and its axes."""
    argument, colon, axes = text.rpartition(":")
    found = _integers(axes)
    if not found or (colon and not argument.strip().isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of axes like 1,2 or, for argument 1, like 1:1,2")
    return (int(argument) if colon else None), found


def _certify(options: argparse.Namespace) -> int:
    shapes, axes = _shapes(options), _shifted(options)
    fn = _function(options.function)
    with_seed = {"search": not options.no_search, "seed": options.seed}
    certificate = _guarded(fn, shapes, lambda: certify(fn, *shapes, axes=axes, **with_seed))
    both = options.cyclic == options.interior
    verdicts = [certificate.cyclic] * (both or options.cyclic) + [certificate.interior] * (both or options.interior)
    _say(certificate, options.json)
    return max((STATUS[verdict] for verdict in verdicts), key=(HELD, UNDECIDED, VIOLATED).index)


def _check(options: argparse.Namespace) -> int:
    if options.cyclic and options.interior:
        raise UsageError("check runs one kind of shifts at a time: leave out --cyclic or --interior")
    shapes, axes = _shapes(options), _shifted(options)
    fn = _function(options.function)

    def run() -> Any:
        settings = {"model": "interior" if options.interior else "cyclic", "integers": options.integers}
        claims = certify(fn, *shapes, axes=axes, search=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsensitiveWarning)  # the report says it
            inputs = _inputs(shapes, options.seed)
            return check(fn, *inputs, axes=axes, certificate=claims, seed=options.seed, **settings)

    found = _guarded(fn, shapes, run)
    if options.pictures is not None:
        _guarded(fn, shapes, lambda: _draw(found, fn, _inputs(shapes, options.seed), axes, options.pictures))
    _say(found, options.json)
    return STATUS[found.finding]


def _summary(options: argparse.Namespace) -> int:
    shapes = _shapes(options)
    axes = None if options.axes is None and len(shapes) == 1 else _shifted(options)
    fn = _function(options.function)
    _say(_guarded(fn, shapes, lambda: summary(fn, *shapes, axes=axes)), options.json)
    return HELD


def _draw(found: Any, fn: Callable[..., Any], inputs: Sequence[Any], axes: Any, folder: Path) -> None:
    """Save what a check found as pictures, and where in the function the error arises."""
    folder.mkdir(parents=True, exist_ok=True)
    for leaf in range(len(found.leaves)):
        position_map(found, leaf=leaf).savefig(folder / f"output-{leaf}-by-position.png")
        shift_map(found, leaf=leaf).savefig(folder / f"output-{leaf}-by-shift.png")
    layer_bars(layerwise(fn, *inputs, axes=axes)).savefig(folder / "by-layer.png", bbox_inches="tight")


def _say(result: Any, as_json: bool) -> None:
    sys.stdout.write((json.dumps(json.loads(result.to_json()), indent=2) if as_json else str(result)) + "\n")


def _function(name: str) -> Callable[..., Any]:
    """The function of that name; the current directory is searched first, as `python -m pytest` does."""
    module, colon, path = name.partition(":")
    if not module or not colon or not path:
        raise UsageError(f"{name!r} does not name a function: write package.module:function")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UsageError(f"there is no module {error.name!r} here or installed: looking for {name}") from error
    except Exception as error:  # whatever the user's module raises
        raise UsageError(f"{module} cannot be imported: {_one_line(error)}") from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise UsageError(f"{module} has no {path!r}: {part!r} is not in {getattr(found, '__name__', found)!r}")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"{name} is {type(found).__name__}, and should be a function")
    return found


def _shapes(options: argparse.Namespace) -> list[Any]:
    """One `jax.ShapeDtypeStruct` for each argument."""
    names = options.dtype or ["float32"]
    if len(names) not in (1, len(options.shape)):
        raise UsageError(
            f"{len(names)} times --dtype for {len(options.shape)} times --shape: give one for all, or each"
        )
    names = names * len(options.shape) if len(names) == 1 else names
    try:
        dtypes = [jax.numpy.dtype(name) for name in names]
    except TypeError as error:
        raise UsageError(f"--dtype: {error}") from error
    return [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in zip(options.shape, dtypes, strict=True)]


def _shifted(options: argparse.Namespace) -> dict[int, tuple[int, ...]]:
    """Which axes of which arguments are shifted."""
    if options.axes is None:
        shape = options.shape[0]
        if len(options.shape) > 1:
            raise UsageError(
                "with several arguments say which axes are shifted: --axes 0:1,2 for axes 1, 2 of argument 0"
            )
        if len(shape) < 3:
            raise UsageError(f"say which axes of {shape} are shifted: --axes 0 for the first")
        return {0: tuple(range(1, len(shape) - 1))}
    if len(options.shape) > 1 and any(argument is None for argument, _ in options.axes):
        raise UsageError("with several arguments name the one whose axes are shifted: --axes 0:1,2 for argument 0")
    return {argument or 0: axes for argument, axes in options.axes}


def _inputs(shapes: Sequence[Any], seed: int) -> list[Any]:
    """Random arrays: normal numbers, whole numbers from 0 to 7, or truth values."""
    rng = np.random.default_rng(seed)
    draw = lambda leaf: (
        rng.normal(size=leaf.shape)
        if jax.numpy.issubdtype(leaf.dtype, np.inexact)
        else rng.integers(0, 2 if leaf.dtype == bool else 8, leaf.shape)
    )
    return [jax.numpy.asarray(draw(leaf).astype(leaf.dtype)) for leaf in shapes]


def _guarded(fn: Callable[..., Any], shapes: Sequence[Any], call: Callable[[], Any]) -> Any:
    """The result; where the function does not take these shapes, a line that says so."""
    try:
        return call()
    except Exception as error:  # whatever the user's function raises
        given = ", ".join(f"{leaf.dtype}{list(leaf.shape)}" for leaf in shapes)
        name = getattr(fn, "__name__", type(fn).__name__)
        raise UsageError(f"{name} fails with {given}: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    first = next((line for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
