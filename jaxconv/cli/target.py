"""The user's function: imported by name, called with shapes, and every way in which its code may fail made one line."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import jax

from jaxconv.cli.usage import UsageError
from jaxconv.verify.tracing import name_of

T = TypeVar("T")
NAME = "written as package.module:function"
# Where no line of the user's is: what is installed beside JAX, Python's own modules, this package.
LIBRARIES = ("<", *(f"{Path(file).parents[1]}{os.sep}" for file in (jax.__file__, importlib.__file__, __file__)))


def attempt(what: str, call: Callable[[], T]) -> T:
    """The result of code that may do anything: raise, or end the process as `sys.exit` does.

    Args:
        what: the beginning of the line that says what failed.
        call: runs that code.

    Raises:
        UsageError: it raised anything but KeyboardInterrupt.
    """
    try:
        return call()
    except (KeyboardInterrupt, UsageError):
        raise
    except BaseException as error:  # SystemExit too: its status is not a verdict
        raise UsageError(f"{what}: {last_line(error)}") from error


def last_line(error: BaseException) -> str:
    """The last line of a traceback, without what a message of several lines adds, and the user's line that raised it.

    >>> last_line(ValueError("no weights here"))
    'ValueError: no weights here'
    >>> last_line(SystemExit())
    'SystemExit'
    """
    try:
        text = str(error)
    except Exception:  # a message that cannot be printed
        text = ""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = f"{type(error).__name__}: {first}" if first else type(error).__name__
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(LIBRARIES)]
    return f"{line} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else line


def function(name: str) -> Callable[..., Any]:
    """The function of that name; the current directory is searched first, as `python -m pytest` does.

    Args:
        name: `package.module:function`, or `package.module:Class.method`.

    Raises:
        UsageError: there is no such function, or the module fails while it is imported.
    """
    module, _, path = name.partition(":")
    dotted = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
    if not re.fullmatch(dotted, path) or not re.fullmatch(dotted, module):
        raise UsageError("the function's name", repr(name), NAME, "Write package.module:function")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    found: Any = attempt(f"{module} cannot be imported", lambda: _import(module, name))
    for part in path.split("."):
        found = attempt(f"{name} cannot be read", lambda owner=found, part=part: _attribute(owner, part, name))
    if not callable(found):
        raise UsageError(name, type(found).__name__, "a function", "Name what is called with the arrays")
    return found


def _import(module: str, name: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None:  # raised by hand
            raise
        if module.endswith(".py"):
            raise UsageError("the function's name", repr(name), NAME, "Leave .py out") from error
        cure = "Run the command where it can be imported, or install it"
        raise UsageError(f"there is no module {error.name!r} here or installed: looking for {name}. {cure}") from error


def _attribute(owner: Any, part: str, name: str) -> Any:
    try:
        return getattr(owner, part)
    except AttributeError as error:
        found = f"{part!r} is not in {getattr(owner, '__name__', owner)!r}"
        near = get_close_matches(part, dir(owner), 1)
        cure = f"Perhaps you mean {near[0]!r}" if near else "Name what stands at the top of the module"
        raise UsageError(f"there is no {name}: {found}. {cure}") from error


def check_arguments(fn: Callable[..., Any], shapes: Sequence[Any]) -> None:
    """Refuse a number of shapes that the function cannot be called with.

    Raises:
        UsageError: it takes more arrays, or fewer; parameters have to be bound beforehand.
    """
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):  # of a function written in C
        return
    try:
        signature.bind(*shapes)
    except TypeError as error:
        needed = [name for name, one in signature.parameters.items() if _required(one)]
        expected = f"{len(needed)}, one for each argument of {name_of(fn)} without a default: {', '.join(needed)}"
        cure = f"Bind parameters and settings beforehand: apply = functools.partial({name_of(fn)}, params)"
        raise UsageError("the number of --shape", len(shapes), expected, cure) from error


def _required(parameter: inspect.Parameter) -> bool:
    variadic = parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is inspect.Parameter.empty and not variadic


def given(fn: Callable[..., Any], shapes: Sequence[Any]) -> str:
    """The beginning of a line on what fails.

    >>> given(abs, [jax.ShapeDtypeStruct((1, 8), "float32")])
    'abs fails with float32[1, 8]'
    """
    return f"{name_of(fn)} fails with {', '.join(f'{leaf.dtype}{list(leaf.shape)}' for leaf in shapes)}"
