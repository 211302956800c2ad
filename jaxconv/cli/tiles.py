"""The commands about tiles: `certify-tiling` proves, and `tile` computes an array in a file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxconv.apply.claims import UnprovedError
from jaxconv.apply.tiled import tiled
from jaxconv.cli import target
from jaxconv.cli.arguments import integer, integers, shifted
from jaxconv.cli.request import Outcome, Request, shown
from jaxconv.cli.usage import HELD, STATUS, UNDECIDED, UsageError
from jaxconv.verify.claims import Verdict
from jaxconv.verify.tiling.certificate import TilingCertificate
from jaxconv.verify.tiling.certify_tiling import certify_tiling

SIZES = "sizes of tiles, 1 or more, separated by commas, like 512,512, or one for all axes"
AUTO = "auto"


def certify_tiling_command(options: argparse.Namespace) -> Outcome:
    """Certify that tiles of the function's input give parts of its result."""
    tile = _sizes(options.tile, "--tile")
    request = Request.read(options)
    certificate = request.attempt(lambda: certify_tiling(request.fn, *request.arguments, tile=tile, axes=request.axes))
    return Outcome(tiling_status(certificate), shown(certificate, options.json))


def tiling_verdict(certificate: TilingCertificate) -> Verdict:
    """Whether every output can be computed from tiles along every axis."""
    return Verdict.PROVED if certificate.proved else Verdict.UNDECIDED


def tiling_status(certificate: TilingCertificate) -> int:
    """The exit status of a certificate."""
    return STATUS[tiling_verdict(certificate)]


def is_of_tiles(text: str) -> bool:
    """Whether JSON is that of a certificate of tiles; False for text that is no JSON."""
    try:
        data = json.loads(text)
    except ValueError:
        return False
    return isinstance(data, dict) and "name" in data


def tile_command(options: argparse.Namespace) -> Outcome:
    """Compute the function of an array in a file from tiles.

    The result is written to a file beside `out.npy`, with a record of the tiles that are done, and renamed at the end.
    So `out.npy` is complete if it exists, and the same command continues after a run that was killed.
    """
    memory = None if options.memory is None else integer(options.memory, "--memory", least=1)
    if (options.tile == AUTO) != (memory is not None):
        actual = "missing" if memory is None else "given"
        raise UsageError(
            "--memory", actual, "given with --tile auto, and only with it", "Write --tile auto --memory 1000000000"
        )
    tile: Any = AUTO if memory is not None else _sizes(options.tile, "--tile")
    batch = integer(options.batch, "--batch", least=1)
    source, result = map(Path, options.files)
    if result.suffix != ".npy":
        raise UsageError(
            "the second file", repr(str(result)), "the name of a new file that ends in .npy", "Write result.npy"
        )
    x = target.attempt(f"{source} cannot be read", lambda: _opened(source))
    if result.exists() and result.samefile(source):
        raise UsageError("the second file", repr(str(result)), "another file than the first", "Write result.npy")
    axes = shifted(options.axes, [x])
    fn = target.function(options.function)
    target.attempt(f"{options.function} cannot be read", lambda: target.check_arguments(fn, [x]))
    what = target.given(fn, [x])
    output = target.attempt(what, lambda: _output(jax.eval_shape(fn, jax.ShapeDtypeStruct(x.shape, x.dtype))))
    part, record = (result.with_name(result.name + ending) for ending in (".part", ".part.record"))

    def run() -> Outcome:
        continued = part.exists() and record.exists()
        if not continued:
            record.unlink(missing_ok=True)
        out = np.lib.format.open_memmap(part, "r+" if continued else "w+", **({} if continued else output))
        how = {"memory": memory, "batch": batch, "record": record, "progress": not options.quiet}
        try:
            tiled(fn, tile=tile, axes=axes, out=out, **how)(x)
        except Exception as error:
            if not record.exists():  # no tile was computed
                part.unlink()
            if isinstance(error, UnprovedError):
                return Outcome(UNDECIDED, shown(error.certificate, options.json))
            raise
        part.replace(result)
        record.unlink()
        data = {"file": str(result), "shape": list(out.shape), "dtype": str(out.dtype)}
        text = f"{result}: {out.dtype}{list(out.shape)}"
        return Outcome(HELD, json.dumps(data, indent=2) if options.json else text)

    return target.attempt(what, run)


def _opened(path: Path) -> np.ndarray:
    """An array in a file, of which tiles are read."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _output(shapes: Any) -> dict[str, Any]:
    """The shape and dtype of the only output, for a new file."""
    if not isinstance(shapes, jax.ShapeDtypeStruct):
        raise UsageError(
            "the function's result",
            "a container of arrays",
            "one array, for one file",
            "Write a function of one result",
        )
    if not isinstance(shapes.dtype, np.dtype) or shapes.dtype.kind not in "biufc":
        raise UsageError(
            "the dtype of the result", shapes.dtype, "one that .npy files have", "Convert it in the function"
        )
    return {"shape": shapes.shape, "dtype": shapes.dtype}


def _sizes(text: str | None, option: str) -> tuple[int, ...] | int:
    """Sizes of tiles: one for all axes, or one for each.

    >>> _sizes("512", "--tile"), _sizes("512,256", "--tile")
    (512, (512, 256))
    """
    if text is None:
        raise UsageError(option, "missing", SIZES, "Write --tile 512")
    sizes = integers(text, option, SIZES)
    if not sizes or min(sizes) < 1:
        raise UsageError(option, repr(text), SIZES, "Write --tile 512")
    return sizes[0] if len(sizes) == 1 else sizes
