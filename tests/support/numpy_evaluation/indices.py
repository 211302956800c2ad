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
    numbers = dimension_numbers
    batch = indices.shape[:-1]
    kept = [a for a in range(x.ndim) if a not in (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)]
    found = np.zeros((*batch, *(slice_sizes[a] for a in kept)), x.dtype)
    for at in np.ndindex(*batch):
        starts = _starts_of(x, indices[at], at, slice_sizes, mode, numbers.start_index_map,
                            numbers.operand_batching_dims, numbers.start_indices_batching_dims)  # fmt: skip
        if starts is None:
            found[at] = _filling(x.dtype) if fill_value is None else fill_value
        else:
            cut = x[tuple(slice(s, s + size) for s, size in zip(starts, slice_sizes, strict=True))]
            found[at] = cut.reshape(found.shape[len(batch) :])
    others = [a for a in range(found.ndim) if a not in numbers.offset_dims]
    return np.moveaxis(found, range(found.ndim), [*others, *numbers.offset_dims])


def _starts_of(
    x: np.ndarray, index: np.ndarray, at: Any, sizes: Any, mode: Any, axes: Any, batching: Any, indices_batching: Any
) -> list[int] | None:
    """Where a gather's or a scatter's window begins; nowhere if it overhangs and is not to be moved inwards."""
    starts = [0] * x.ndim
    for axis, value in zip(axes, index, strict=True):
        starts[axis] = int(value)
    for axis, other in zip(batching, indices_batching, strict=True):
        starts[axis] = at[other]
    fits = [min(max(s, 0), n - size) for s, n, size in zip(starts, x.shape, sizes, strict=True)]
    return fits if "CLIP" in str(mode).upper() or fits == starts else None


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
    for at in np.ndindex(*indices.shape[:-1]):
        starts = _starts_of(x, indices[at], at, sizes, mode, numbers.scatter_dims_to_operand_dims,
                            numbers.operand_batching_dims, numbers.scatter_indices_batching_dims)  # fmt: skip
        if starts is not None:
            where = tuple(slice(s, s + size) for s, size in zip(starts, sizes, strict=True))
            x[where] = fn(x[where], updates[at].reshape(sizes))
    return x


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
}
