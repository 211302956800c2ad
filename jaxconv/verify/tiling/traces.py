"""The traces of a function for a whole input, and for a tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax.extend.core import Jaxpr

from jaxconv.jaxprs.typing import ArrayValue, PyTree
from jaxconv.verify.shifted_axes import Along
from jaxconv.verify.tracing import trace


def resized(arguments: Sequence[PyTree], along: Along, size: int) -> list[PyTree]:
    """The arguments, as shapes of `size` cells where they are tiled."""
    tiled = list(arguments)
    for number, axis in along.arguments:
        shape = (*arguments[number].shape[:axis], size, *arguments[number].shape[axis + 1 :])
        tiled[number] = jax.ShapeDtypeStruct(shape, arguments[number].dtype)
    return tiled


def traced(fn: Callable[..., object], arguments: Sequence[PyTree]) -> tuple[Jaxpr, list[ArrayValue], PyTree]:
    """A trace with copies of closed-over NumPy arrays: the next trace may write to them."""
    jaxpr, constants, shapes = trace(fn, arguments)
    return jaxpr, [array.copy() if isinstance(array, np.ndarray) else array for array in constants], shapes
