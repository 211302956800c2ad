"""Tracing of the user's function: sizes must be numbers, and what the function raises gets a note."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxconv.checks import shown
from jaxconv.errors import explain
from jaxconv.jaxprs import layout
from jaxconv.verify.arguments import SPLIT

SHOWN = 8  # arrays that a note describes one by one


def trace(where: str, fn: Callable[..., Any], arguments: Sequence[Any]) -> tuple[Any, list[Any], Any]:
    """The jaxpr of `fn(*arguments)`, its constants, and the tree of its outputs' shapes.

    `where` is the public function that an error or a note names. What `fn` raises passes through, with a note.
    """
    refuse_symbolic(where, arguments)
    try:
        traced = layout.trace(fn, arguments)
    except Exception as error:
        error.add_note(f"{where} was tracing {name_of(fn)}({described(arguments)})")
        if type(error).__name__ == "TraceContextError":  # of Flax: a module that fn closes over changes itself
            error.add_note(f"A module that changes while it runs, as batch norm does in training, is split: {SPLIT}")
        raise
    if not jax.tree.leaves(traced[2]):
        cure = "Return the result: a def needs a return statement"
        raise ValueError(explain(where, "the output of fn", shown(traced[2]), "one array or more", cure))
    return traced


def name_of(fn: Callable[..., Any]) -> str:
    """What a function is called; of other callables, and of functions whose name is no text, their class."""
    name = getattr(fn, "__name__", None)
    return name if isinstance(name, str) else type(fn).__name__


def described(arguments: Sequence[Any]) -> str:
    """The dtypes and shapes of all arrays, as `float32[8,2]`, after the path of those that a container holds.

    >>> described((np.zeros((8, 2), np.float32), {"bias": 1.0}))
    "float32[8,2], [1]['bias']: float"
    """
    leaves = jax.tree_util.tree_leaves_with_path(tuple(arguments))
    words = [_array(leaf) if len(path) == 1 else f"{jax.tree_util.keystr(path)}: {_array(leaf)}"
             for path, leaf in leaves[:SHOWN]]  # fmt: skip
    return ", ".join([*words, f"{len(leaves) - SHOWN} more arrays"] if len(leaves) > SHOWN else words)


def refuse_symbolic(where: str, arguments: Sequence[Any]) -> None:
    """Raise if the shape of an argument has symbolic dimensions, as those of `jax.export.symbolic_shape` are."""
    for number, argument in enumerate(arguments):
        for leaf in jax.tree.leaves(argument):
            if any(not isinstance(size, int | np.integer) for size in getattr(leaf, "shape", ())):
                cure = "A statement about a function is about one size: give the sizes that you mean, one at a time"
                raise ValueError(explain(where, f"argument {number}", _array(leaf), "of a shape of numbers", cure))


def _array(leaf: Any) -> str:
    shape = getattr(leaf, "shape", None)
    return type(leaf).__name__ if shape is None else f"{leaf.dtype}[{','.join(map(str, shape))}]"
