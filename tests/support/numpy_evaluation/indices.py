"""Rows that read and write at indices, and that sort."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np


def _gather(
    x: np.ndarray,
    indices: np.ndarray,
    *,
    dimension_numbers: Any,
    slice_sizes: Any,
    mode: Any,
    fill_value: Any,
    **_: Any,
) -> np.ndarray:
    numbers, batch = dimension_numbers, indices.shape[:-1]
    batching = numbers.operand_batching_dims, numbers.start_indices_batching_dims
    starts, inside = _starts(x, indices, slice_sizes, mode, numbers.start_index_map, *batching)
    cells = []
    for axis, size in enumerate(slice_sizes):
        along = np.arange(size).reshape([-1 if other == axis else 1 for other in range(x.ndim)])
        cells.append(np.where(inside, starts[axis], 0).reshape(*batch, *[1] * x.ndim) + along)
    missing = _filling(x.dtype) if fill_value is None else fill_value
    found = np.where(inside.reshape(*batch, *[1] * x.ndim), x[tuple(cells)], np.asarray(missing, x.dtype))
    kept = [a for a in range(x.ndim) if a not in (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)]
    found = found.reshape(*batch, *(slice_sizes[a] for a in kept))
    others = [a for a in range(found.ndim) if a not in numbers.offset_dims]
    return np.moveaxis(found, range(found.ndim), [*others, *numbers.offset_dims])


def _starts(
    x: np.ndarray, indices: np.ndarray, sizes: Any, mode: Any, axes: Any, batching: Any, indices_batching: Any
) -> tuple[list[np.ndarray], np.ndarray]:
    """Where each window of a gather or a scatter begins along each axis of x, and whether it has one.

    A window that overhangs has none, unless it is to be moved inwards.
    """
    batch = indices.shape[:-1]
    starts = [np.zeros(batch, np.int64)] * x.ndim
    for number, axis in enumerate(axes):
        starts[axis] = indices[..., number].astype(np.int64)
    for axis, other in zip(batching, indices_batching, strict=True):
        starts[axis] = np.indices(batch)[other]
    fits = [np.clip(s, 0, n - size) for s, n, size in zip(starts, x.shape, sizes, strict=True)]
    inside = [np.ones(batch, bool), *(fit == start for fit, start in zip(fits, starts, strict=True))]
    return fits, np.ones(batch, bool) if "CLIP" in str(mode).upper() else np.all(inside, axis=0)


def _filling(dtype: Any) -> Any:
    """What lax fills with where nothing else is said."""
    if jnp.issubdtype(dtype, jnp.inexact):
        return np.nan
    if jnp.issubdtype(dtype, jnp.signedinteger):
        return jnp.iinfo(dtype).min
    return jnp.iinfo(dtype).max if jnp.issubdtype(dtype, jnp.unsignedinteger) else True


def _scatter(
    fn: Callable[[Any, Any], Any],
    x: np.ndarray,
    indices: np.ndarray,
    updates: np.ndarray,
    *,
    dimension_numbers: Any,
    mode: Any,
    **_: Any,
) -> np.ndarray:
    numbers, x = dimension_numbers, x.copy()
    taken = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    kept = [axis for axis in range(x.ndim) if axis not in taken]
    sizes = [1] * x.ndim
    for axis, at in zip(kept, numbers.update_window_dims, strict=True):
        sizes[axis] = updates.shape[at]
    others = [axis for axis in range(updates.ndim) if axis not in numbers.update_window_dims]
    updates = updates.transpose([*others, *numbers.update_window_dims])
    batching = numbers.operand_batching_dims, numbers.scatter_indices_batching_dims
    starts, inside = _starts(x, indices, sizes, mode, numbers.scatter_dims_to_operand_dims, *batching)
    for at in np.argwhere(inside):
        at = tuple(at)
        where = tuple(slice(start[at], start[at] + size) for start, size in zip(starts, sizes, strict=True))
        x[where] = fn(x[where], updates[at].reshape(sizes))
    return x


def _top_k(x: np.ndarray, *, k: int, axis: int = -1, **_: Any) -> list[np.ndarray]:
    places = np.argsort(-x, axis=axis, stable=True).take(range(k), axis)
    return [np.take_along_axis(x, places, axis), places.astype(np.int32)]


def _sort(*operands: np.ndarray, dimension: int, num_keys: int, **_: Any) -> list[np.ndarray]:
    order = np.lexsort(operands[:num_keys][::-1], axis=dimension)  # stable; NaNs come last, as lax has them
    return [np.take_along_axis(operand, order, dimension) for operand in operands]


ROWS: dict[str, Callable[..., Any]] = {
    "gather": _gather,
    "scatter": partial(_scatter, lambda old, new: new),
    "scatter-add": partial(_scatter, np.add),
    "scatter-max": partial(_scatter, np.maximum),
    "scatter-min": partial(_scatter, np.minimum),
    "scatter-mul": partial(_scatter, np.multiply),
    "sort": _sort,
    "top_k": _top_k,
}
