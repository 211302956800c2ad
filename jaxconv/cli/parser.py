"""The commands, their options and their help. Values remain text: `arguments.py` parses them."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
from collections.abc import Sequence
from typing import Any, NoReturn

import jax

from jaxconv.cli import commands, facts, tiles
from jaxconv.cli.usage import PROGRAM, UsageError
from jaxconv.verify.claim_kinds import KINDS
from jaxconv.verify.execution.actions import NAMED

COMMANDS = {
    "certify": "prove it, for all inputs and parameters, without running the function once",
    "check": "run the function on one input and all shifts of it, and measure the error",
    "falsify": "search inputs and shifts for a violation, and shrink it",
    "recheck": "execute each step of a proof: of a certificate in a file, or of a new one",
    "summary": "count parameters, reuse and multiply-adds, layer by layer, without running the function",
    "certify-tiling": "prove which part of the result for a whole input the result for a tile is",
    "tile": "compute the function of an array in a file from tiles, into another file; the same command continues it",
    "machine": "print what the table of algorithms knows about the processor",
}
# The words of a command before its options.
WORDS = {
    "recheck": "[certificate.json] package.module:function --shape N,H,W,C",
    "certify-tiling": "package.module:function --shape N,H,W,C --tile H,W",
    "tile": "package.module:function in.npy out.npy --tile H,W",
    "machine": "",
}
DESCRIPTION = """\
Prove, measure or refute the shift equivariance of a JAX function, find the line that breaks it, count its layers, and
compute it from tiles.
"""

EXAMPLES = """\
The function is written as package.module:name, and found from the current directory. It takes arrays; bind parameters
beforehand, for example with functools.partial. --shape is given once for each of its arguments.
The report is printed to stdout. The output of the function and of its module is redirected to stderr.

examples:
  python -m jaxconv certify models.resnet:features --shape 1,224,224,3
  python -m jaxconv certify models.unet:apply_pretrained --shape 1,512,384,1 --axes 1 --interior
  python -m jaxconv certify mine:fuse --shape 1,64,48,3 --shape 1,64,48,1 --axes 0:1,2 --axes 1:1,2
  python -m jaxconv check models.resnet:features --shape 1,64,48,3 --seed 7
  python -m jaxconv check models.resnet:features --shape 1,64,48,3 --action rot90
  python -m jaxconv falsify models.resnet:features --shape 1,16,12,3 --examples 1000
  python -m jaxconv recheck models.resnet:features --shape 1,64,48,3
  python -m jaxconv recheck certificate.json models.resnet:features --shape 1,64,48,3  # a file from certify --json
  python -m jaxconv summary models.resnet:features --shape 1,224,224,3
  python -m jaxconv certify-tiling models.unet:features --shape 1,20000,30000,3 --tile 512
  python -m jaxconv tile models.unet:features slide.npy result.npy --tile 512,512
  python -m jaxconv machine

exit status:
  0  proved (certify, certify-tiling; recheck, without objections), held (check), counted (summary), written (tile),
     printed (machine)
  1  refuted by an executed counterexample (certify), violated (check, falsify), refuted or an objection (recheck)
  2  undecided; falsify found no violation, which is no proof; tile computes nothing without a proof
  3  the command failed: bad usage, or the function or its module raises or exits
"""
RUN = {
    "certify": commands.certify_command,
    "check": commands.check_command,
    "falsify": commands.falsify_command,
    "recheck": commands.recheck_command,
    "summary": commands.summary_command,
    "certify-tiling": tiles.certify_tiling_command,
    "tile": tiles.tile_command,
    "machine": facts.machine_command,
}
WITHOUT = "\0"  # the value of an option without a value: a command line cannot contain this character


class Parser(argparse.ArgumentParser):
    """Raises an error instead of exiting with argparse's status 2, which means undecided here."""

    def error(self, message: str) -> NoReturn:
        """Raise argparse's error as a `UsageError`."""
        raise UsageError(f"{message}. {PROGRAM} --help lists all options")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command and its options, as text.

    Raises:
        UsageError: an unknown command or option.
        SystemExit: help or the version was printed.
    """
    *others, last = COMMANDS
    expected, cure = f"{', '.join(others)} or {last}", f"{PROGRAM} --help has examples"
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        raise UsageError("the command", repr(words[0]), expected, cure)
    options, others = parser().parse_known_args(joined(words))
    if options.command is None:
        raise UsageError("the command", "missing", expected, cure)
    where = f"{PROGRAM} {options.command} --help"
    unknown = [word for word in others if word.startswith("-")]
    if unknown:
        raise UsageError(repr(unknown[0]), "not an option", f"an option of {options.command}", f"{where} lists them")
    for name, value in vars(options).items():
        if value == WITHOUT or (isinstance(value, list) and WITHOUT in value):
            raise UsageError(f"--{name}", "without a value", "given with one", f"{where} has examples")
    _names(options, others)
    return options


def _names(options: argparse.Namespace, words: Sequence[str]) -> None:
    """Read the words that belong to no option: the function; for recheck an optional file before it, for tile two."""
    if options.command == "machine":
        if words:
            cure = f"{PROGRAM} machine --help has examples"
            raise UsageError("a word after machine", repr(words[0]), "left out", cure)
        return
    if options.command == "tile":
        names, options.files = words[:1], words[1:]
        if len(options.files) != 2:
            actual = f"{len(options.files)} words, {' '.join(options.files)}" if options.files else "missing"
            cure = f"{PROGRAM} tile --help has examples"
            raise UsageError("in.npy out.npy", actual, "two words after the function's name", cure)
    else:
        file = options.command == "recheck" and bool(words) and ":" not in words[0]
        options.certificate, names = (words[0], words[1:]) if file else (None, words)
    if len(names) != 1:
        actual = "missing" if not names else f"{len(names)} words, {' '.join(names)}"
        cure = f"{PROGRAM} {options.command} --help has examples"
        raise UsageError("the function's name", actual, "one word, package.module:function", cure)
    options.function = names[0]


def joined(words: Sequence[str]) -> list[str]:
    """Attach values that begin with a minus sign to their options, since argparse takes them for options.

    >>> joined(["certify", "--axes", "-3,-2", "--json"])
    ['certify', '--axes=-3,-2', '--json']
    """
    attached: list[str] = []
    for word in words:
        if attached and attached[-1].startswith("--") and word[:1] == "-" and word[1:2].isdigit():
            attached[-1] += f"={word}"
        else:
            attached.append(word)
    return attached


def parser() -> Parser:
    """The commands and their options."""
    raw = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    top = Parser(PROGRAM, description=DESCRIPTION, epilog=EXAMPLES, **raw)
    top.add_argument("--version", action="version", version=version())
    subparsers = top.add_subparsers(metavar="command", dest="command")
    subparser = {}
    for name, text in COMMANDS.items():
        words = WORDS.get(name, "package.module:function --shape N,H,W,C")
        usage = " ".join([PROGRAM, name, *filter(None, [words]), "[options]"])
        subparser[name] = subparsers.add_parser(name, usage=usage, help=text, description=text, epilog=EXAMPLES, **raw)
        subparser[name].set_defaults(run=RUN[name])
        _flag(subparser[name], "--json", "print JSON instead of a report")
        if name != "machine":
            _shared(subparser[name], of_files=name == "tile")
    for name in ("certify", "check", "falsify", "recheck"):
        _valued(subparser[name], "--seed", "of random inputs and searches (0)", "N", default="0")
    for name in ("certify", "recheck"):
        for kind in KINDS:
            _flag(subparser[name], f"--{kind}", f"only the {kind} claims decide the status")
    for name in ("check", "falsify"):
        _flag(subparser[name], "--cyclic", "shifts that wrap around (the default)")
        _flag(subparser[name], "--interior", "shifts at which new content enters, instead of cyclic ones")
        _valued(subparser[name], "--action", f"instead of shifts: {', '.join(NAMED)}, along --axes", "NAME")
    _flag(subparser["certify"], "--no-search", "do not search for counterexamples, so that nothing is executed")
    _valued(subparser["certify"], "--seconds", "time limit of all searches together (60 for each)", "SECONDS")
    _flag(subparser["check"], "--integers", "use small integers, which are compared exactly, without a tolerance")
    pictures = "write plots of the error to a folder: by position, by shift and by layer (PNG)"
    _valued(subparser["check"], "--pictures", pictures, "FOLDER")
    _flag(subparser["falsify"], "--invariant", "the output should not change, instead of moving as claimed")
    _valued(subparser["falsify"], "--shift", "the number of cells to shift by, instead of the claimed ones", "CELLS")
    _valued(subparser["falsify"], "--examples", "maximum number of examples (100)", "N", default="100")
    sizes = "number of cells of a tile along each axis, or one number for all"
    _valued(subparser["certify-tiling"], "--tile", sizes, "H,W")
    _valued(subparser["tile"], "--tile", f"{sizes}; or auto, with --memory", "H,W")
    _valued(subparser["tile"], "--memory", "bytes that a tile may need on the device, for --tile auto", "BYTES")
    _valued(subparser["tile"], "--batch", "number of tiles that are computed in one call (1)", "N", default="1")
    _flag(subparser["tile"], "--quiet", "do not show on stderr how many tiles are done")
    return top


def version() -> str:
    """The versions to include in a bug report."""
    try:
        installed = importlib.metadata.version("jaxconv")
    except importlib.metadata.PackageNotFoundError:  # run from a copy of the sources
        installed = "(not installed)"
    return f"jaxconv {installed}, jax {jax.__version__}, Python {platform.python_version()}"


def _shared(command: argparse.ArgumentParser, *, of_files: bool) -> None:
    if not of_files:
        _valued(command, "--shape", "shape of an argument; once for each argument", "N,H,W,C", action="append")
        dtypes = "dtype of the arguments, once for all or once for each; default: float32"
        _valued(command, "--dtype", dtypes, "DTYPE", action="append")
    axes = "shifted or tiled axes: 1,2, or 1:1,2 for argument 1; default: all but the first and the last"
    _valued(command, "--axes", axes, "[ARGUMENT:]AXES", action="append")


def _flag(command: argparse.ArgumentParser, name: str, text: str) -> None:
    command.add_argument(name, action="store_true", help=text)


def _valued(command: argparse.ArgumentParser, name: str, text: str, metavar: str, **settings: Any) -> None:
    command.add_argument(name, help=text, metavar=metavar, nargs="?", const=WITHOUT, **settings)
