"""Programs that searches share: `program=shared` traces and compiles a function once, for all seeds and shifts."""

from collections.abc import Callable
from typing import Any

import jax

from jaxconv.verify.execution.experiment import Program, traced

_known: dict[Any, Program] = {}


def shared(fn: Callable[..., Any], arguments: tuple[Any, ...], argument: int, leaf: int) -> Program:
    """The program of the same function and shapes from an earlier search; a new one where arguments have values."""
    leaves, structure = jax.tree.flatten(arguments)
    if not all(isinstance(one, jax.ShapeDtypeStruct) for one in leaves):
        return traced(fn, arguments, argument, leaf)
    key = fn, structure, *leaves, argument, leaf, jax.config.jax_enable_x64
    if key not in _known:
        _known[key] = traced(fn, arguments, argument, leaf)
    return _known[key]
