"""The format of all error messages: function, argument, its value, the expected value, and the fix.

A message begins with the name of the public function that the user called. The functions that check its arguments do
not pass this name on. `@public` registers a function by its code object, and `public_name` looks for the innermost
registered function among the calls that are running. Registering leaves the function as it is: a wrapper would add a
frame to the tracebacks from which JAX takes the line of an equation, and would not be running inside a generator.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import CodeType
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])
UNNAMED = "jaxconv"  # the beginning of a message if no public function is running

_names: dict[CodeType, str] = {}


def public(function: Function) -> Function:
    """Registers a function under its own name, and returns it unchanged.

    >>> @public
    ... def halves(count):
    ...     return explain("count", count, "even", "Add one")
    >>> halves(3)
    'halves: count is 3, but should be even. Add one.'
    """
    return public_as(function.__name__)(function)


def public_as(name: str) -> Callable[[Function], Function]:
    """Returns a decorator that registers a function under another name than its own."""

    def register(function: Function) -> Function:
        _names[function.__code__] = name
        return function

    return register


def public_name() -> str:
    """Returns the name of the innermost public function that is running in this thread."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code in _names:
            return _names[frame.f_code]
        frame = frame.f_back
    return UNNAMED


def explain(argument: str, actual: object, expected: str, cure: str) -> str:
    """Returns an error message of the public function that is running."""
    return message(public_name(), argument, actual, expected, cure)


def message(name: str, argument: str, actual: object, expected: str, cure: str) -> str:
    """Returns an error message in the format that all of the library's errors share.

    >>> message("max_pool", "window", 2, "one integer per spatial axis", "Write (2, 2) for images")
    'max_pool: window is 2, but should be one integer per spatial axis. Write (2, 2) for images.'
    """
    return f"{name}: {argument} is {actual}, but should be {expected}. {cure}."


def spatial_names(rank: int) -> tuple[str, ...]:
    """Returns the names of `rank` spatial axes as messages and docstrings write them.

    >>> spatial_names(0), spatial_names(1), spatial_names(2), spatial_names(5)
    ((), ('w',), ('h', 'w'), ('s0', 's1', 'd', 'h', 'w'))
    """
    return tuple(f"s{i}" for i in range(rank - 3)) + ("d", "h", "w")[max(3 - rank, 0) :]


def bracketed(names: tuple[str, ...]) -> str:
    """Formats axis names like a shape: ("n", "h") becomes "[n, h]"."""
    return f"[{', '.join(names)}]"
