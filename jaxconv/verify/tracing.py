"""Tracing of the user's function: rejects symbolic sizes, and adds a note to exceptions of the function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax.extend.core import Jaxpr

from jaxconv.checks import shown
from jaxconv.errors import explain, public_name
from jaxconv.jaxprs import layout
from jaxconv.jaxprs.typing import ArrayValue, PyTree, leaves_with_paths
from jaxconv.verify.arguments import SPLIT

SHOWN = 8  # largest number of arrays that a note describes


def trace(fn: Callable[..., object], arguments: Sequence[PyTree]) -> tuple[Jaxpr, list[ArrayValue], PyTree]:
    """Return the jaxpr of `fn(*arguments)`, its constants, and the tree of the shapes of its outputs.

    Exceptions of `fn` propagate, with a note that names the public function.

    Raises:
        ValueError: a dimension is symbolic, or `fn` returns no array.
    """
    refuse_symbolic(arguments)
    try:
        traced = layout.trace(fn, arguments)
    except Exception as error:
        error.add_note(f"{public_name()} was tracing {name_of(fn)}({described(arguments)})")
        if type(error).__name__ == "TraceContextError":  # Flax: fn closes over a module that changes its state
            error.add_note(f"Split a module whose state changes, such as batch norm in training. {SPLIT}")
        raise
    if not jax.tree.leaves(traced[2]):
        cure = "Return the result: a def needs a return statement"
        raise ValueError(explain("the output of fn", shown(traced[2]), "one array or more", cure))
    return traced


def name_of(fn: Callable[..., object]) -> str:
    """Return the name of a function, or the class of a callable whose `__name__` is missing or is not a string."""
    name = getattr(fn, "__name__", None)
    return name if isinstance(name, str) else type(fn).__name__


def described(arguments: Sequence[PyTree]) -> str:
    """Return the dtype and shape of each array, as `float32[8,2]`, after its path if it is in a container.

    >>> described((np.zeros((8, 2), np.float32), {"bias": 1.0}))
    "float32[8,2], [1]['bias']: float"
    """
    leaves = leaves_with_paths(tuple(arguments))
    words = [_array(leaf) if len(path) == 1 else f"{jax.tree_util.keystr(path)}: {_array(leaf)}"
             for path, leaf in leaves[:SHOWN]]  # fmt: skip
    return ", ".join([*words, f"{len(leaves) - SHOWN} more arrays"] if len(leaves) > SHOWN else words)


def refuse_symbolic(arguments: Sequence[PyTree]) -> None:
    """Raise ValueError if the shape of an argument has a symbolic dimension, as from `jax.export.symbolic_shape`."""
    for number, argument in enumerate(arguments):
        for leaf in jax.tree.leaves(argument):
            if any(not isinstance(size, int | np.integer) for size in getattr(leaf, "shape", ())):
                cure = "Pass concrete sizes, one call per size"
                raise ValueError(explain(f"argument {number}", _array(leaf), "of a concrete shape", cure))


def _array(leaf: ArrayValue) -> str:
    shape = getattr(leaf, "shape", None)
    return type(leaf).__name__ if shape is None else f"{leaf.dtype}[{','.join(map(str, shape))}]"
