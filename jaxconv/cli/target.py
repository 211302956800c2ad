"""Imports the user's function by name, calls it with shapes, and reduces every error of its code to one line."""

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
# Code that is not the user's: packages installed beside JAX, Python's standard library, this package.
LIBRARIES = ("<", *(f"{Path(file).parents[1]}{os.sep}" for file in (jax.__file__, importlib.__file__, __file__)))


def attempt(what: str, call: Callable[[], T]) -> T:
    """Run code that may raise anything or exit the process, and return its result.

    Args:
        what: the start of the message: what failed.
        call: runs the code.

    Raises:
        UsageError: the code raised anything except KeyboardInterrupt.
    """
    try:
        return call()
    except (KeyboardInterrupt, UsageError):
        raise
    except BaseException as error:  # including SystemExit: its status is not a verdict
        raise UsageError(f"{what}: {last_line(error)}") from error


def last_line(error: BaseException) -> str:
    """The error's type, the first line of its message, and the line of the user's code that raised it.

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
    """The function of a given name. The current directory is searched first, as by `python -m pytest`.

    Args:
        name: `package.module:function`, or `package.module:Class.method`.

    Raises:
        UsageError: there is no such function, or the import of the module fails.
    """
    module, _, path = name.partition(":")
    dotted = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
    if not re.fullmatch(dotted, path) or not re.fullmatch(dotted, module):
        raise UsageError("the function's name", repr(name), NAME, "Write package.module:function")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    target: Any = attempt(f"{module} cannot be imported", lambda: _import(module, name))
    for part in path.split("."):
        target = attempt(f"{name} cannot be read", lambda owner=target, part=part: _attribute(owner, part, name))
    if not callable(target):
        raise UsageError(name, type(target).__name__, "a function", "Name a function that takes the arrays")
    return target


def _import(module: str, name: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None:  # raised by user code without a name
            raise
        if module.endswith(".py"):
            raise UsageError("the function's name", repr(name), NAME, "Leave .py out") from error
        cure = "Run the command where it can be imported, or install it"
        raise UsageError(f"there is no module {error.name!r} here or installed: looking for {name}. {cure}") from error


def _attribute(owner: Any, part: str, name: str) -> Any:
    try:
        return getattr(owner, part)
    except AttributeError as error:
        missing = f"{part!r} is not in {getattr(owner, '__name__', owner)!r}"
        near = get_close_matches(part, dir(owner), 1)
        cure = f"Perhaps you mean {near[0]!r}" if near else "Name an object at the top level of the module"
        raise UsageError(f"there is no {name}: {missing}. {cure}") from error


def check_arguments(fn: Callable[..., Any], shapes: Sequence[Any]) -> None:
    """Refuse a number of shapes with which the function cannot be called.

    Raises:
        UsageError: the function takes more or fewer arrays. Its parameters must be bound beforehand.
    """
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):  # a function written in C
        return
    try:
        signature.bind(*shapes)
    except TypeError as error:
        needed = [name for name, parameter in signature.parameters.items() if _required(parameter)]
        expected = f"{len(needed)}, one for each argument of {name_of(fn)} without a default: {', '.join(needed)}"
        cure = f"Bind parameters and settings beforehand: apply = functools.partial({name_of(fn)}, params)"
        raise UsageError("the number of --shape", len(shapes), expected, cure) from error


def _required(parameter: inspect.Parameter) -> bool:
    variadic = parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is inspect.Parameter.empty and not variadic


def given(fn: Callable[..., Any], shapes: Sequence[Any]) -> str:
    """The start of an error message: the function and the types of its arguments.

    >>> given(abs, [jax.ShapeDtypeStruct((1, 8), "float32")])
    'abs fails with float32[1, 8]'
    """
    return f"{name_of(fn)} fails with {', '.join(f'{leaf.dtype}{list(leaf.shape)}' for leaf in shapes)}"
