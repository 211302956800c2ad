"""The NumPy arrays that a function closes over, found through its closures, globals and attributes.

JAX converts a NumPy array of an unsupported dtype, such as float64, again in each trace. The address of such a constant
does not identify it, so the jaxpr's constant is compared with these arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from jaxconv.jaxprs.source import is_users


def closed_over(fn: Callable[..., Any]) -> list[np.ndarray]:
    """The NumPy arrays held by a function and by the user functions and objects that it refers to, each once.

    >>> weights, used = np.ones(3), {"bias": np.zeros(2)}
    >>> [array.shape for array in closed_over(lambda x: x @ weights + used["bias"])]
    [(3,), (2,)]
    """
    arrays: list[np.ndarray] = []
    visited: dict[int, Any] = {}  # by id; holding the objects prevents the reuse of their ids
    pending = [fn]
    while pending:
        value = pending.pop()
        if id(value) in visited:
            continue
        visited[id(value)] = value
        if isinstance(value, np.ndarray):
            arrays.append(value)
        else:
            pending += reversed(list(_referents(value)))
    return arrays


def _referents(value: Any) -> Iterator[Any]:
    """The objects that an object refers to. Modules, classes and library functions are not searched."""
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif isinstance(value, partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, FunctionType):
        yield from value.__dict__.values()  # a wrapper made by a library keeps the wrapped function here
        if is_users(value.__code__.co_filename):
            yield from _function_referents(value)
    elif not isinstance(value, type | ModuleType):
        yield from getattr(value, "__dict__", {}).values()  # attributes of an object or of a jitted function


def _function_referents(fn: FunctionType) -> Iterator[Any]:
    """The contents of a function's closure, its defaults, and the globals that its code names."""
    for cell in fn.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # the variable is not yet assigned
            continue
    yield from fn.__defaults__ or ()
    yield from (fn.__kwdefaults__ or {}).values()
    yield from (fn.__globals__[name] for name in _names(fn.__code__) if name in fn.__globals__)


def _names(code: CodeType) -> Iterator[str]:
    """The names in a function's code and in the code of the functions nested in it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)
