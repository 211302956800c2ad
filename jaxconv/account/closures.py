"""The arrays that a function closes over, as far as its closures, globals and objects lead to them.

JAX converts a NumPy array whose dtype it does not have, as float64, anew in each trace. Such a constant of the jaxpr
cannot be recognised by where its numbers are, so it is looked for among these arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from jaxconv.jaxprs.source import is_users


def closed_over(fn: Callable[..., Any]) -> list[np.ndarray]:
    """The NumPy arrays that a function and the users' functions and objects that it refers to hold, each once.

    >>> weights, used = np.ones(3), {"bias": np.zeros(2)}
    >>> [array.shape for array in closed_over(lambda x: x @ weights + used["bias"])]
    [(3,), (2,)]
    """
    found: list[np.ndarray] = []
    seen: dict[int, Any] = {}  # by id; the objects are kept, so that no id is used again
    waiting = [fn]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        if isinstance(one, np.ndarray):
            found.append(one)
        else:
            waiting += reversed(list(_held(one)))
    return found


def _held(one: Any) -> Iterator[Any]:
    """What an object refers to; nothing of modules, classes and the functions of libraries."""
    if isinstance(one, Mapping):
        yield from one.values()
    elif isinstance(one, list | tuple | set | frozenset):
        yield from one
    elif isinstance(one, partial):
        yield from (one.func, *one.args, *one.keywords.values())
    elif isinstance(one, MethodType):
        yield from (one.__func__, one.__self__)
    elif isinstance(one, FunctionType):
        yield from one.__dict__.values()  # what a transformation of a library wraps
        if is_users(one.__code__.co_filename):
            yield from _of_function(one)
    elif not isinstance(one, type | ModuleType):
        yield from getattr(one, "__dict__", {}).values()  # an object's attributes, a jitted function's own


def _of_function(fn: FunctionType) -> Iterator[Any]:
    """Its closure, its defaults, and the globals that its code names."""
    for cell in fn.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # the variable has no value yet
            continue
    yield from fn.__defaults__ or ()
    yield from (fn.__kwdefaults__ or {}).values()
    yield from (fn.__globals__[name] for name in _names(fn.__code__) if name in fn.__globals__)


def _names(code: CodeType) -> Iterator[str]:
    """The names in a function's code and in that of the functions inside of it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)
