"""The scripts of examples/, run in this process, which has loaded JAX already, as `python examples/NAME.py` runs them."""

import contextlib
import importlib
import io
import re
import runpy
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import jax
import numpy as np
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples"


class Ran(NamedTuple):
    """What a script printed, and the folder that it was told to draw into."""

    text: str
    errors: str
    folder: Path


class Ended(NamedTuple):
    """How a script ended, as an interpreter says it: its exit status, what it printed, and its errors."""

    status: int
    text: str
    errors: str


def run(name, folder, *arguments):
    """The finished script that draws into a folder; `SystemExit` where it ends early."""
    out, errors = io.StringIO(), io.StringIO()
    _execute(name, ["--out", folder, *arguments], out, errors)
    return Ran(out.getvalue(), errors.getvalue(), Path(folder))


def ended(name, *arguments):
    """How a script ends, early or not; any exception but `SystemExit`, of which Python prints a traceback, comes through."""
    out, errors, status = io.StringIO(), io.StringIO(), 0
    try:
        _execute(name, arguments, out, errors)
    except SystemExit as early:
        if isinstance(early.code, str):
            errors.write(f"{early.code}\n")
        status = early.code if isinstance(early.code, int) else int(early.code is not None)
    return Ended(status, out.getvalue(), errors.getvalue())


@contextlib.contextmanager
def defaults():
    """JAX's defaults, as a reader has them; optax.adam needs them, too."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def _execute(name, arguments, out, errors):
    with (
        defaults(),
        mock.patch.object(sys, "argv", [f"{name}.py", *map(str, arguments)]),
        mock.patch.object(sys, "path", [str(EXAMPLES), *sys.path]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


def module(name):
    """A script, or what they share, as a module."""
    with mock.patch.object(sys, "path", [str(EXAMPLES), *sys.path]):
        return importlib.import_module(name)


def pictured(ran, name, least=400):
    """The colours, "#RRGGBB", of a picture that a script said that it wrote; it is large enough, and not empty."""
    assert f"figure: {ran.folder / name}\n" in ran.text
    with Image.open(ran.folder / name) as image:
        pixels = np.asarray(image.convert("RGB"), int)
    assert min(pixels.shape[:2]) >= least / 2
    assert max(pixels.shape[:2]) >= least
    colours = {f"#{colour:06X}" for colour in np.unique(pixels @ [1 << 16, 1 << 8, 1]).tolist()}
    assert len(colours) > 16
    return colours


def rows(text, start, between=r"\s+"):
    """The words of each line of the table whose first line begins so, without that line, up to an empty line."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(start))
    end = next((n for n, line in enumerate(lines[first:], first) if not line.strip()), len(lines))
    return [re.split(between, line.strip()) for line in lines[first + 1 : end]]
