"""Rows that move cells."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from jaxconv.verify.numpy_rows.table import require, rows, views


def _same(x: np.ndarray) -> np.ndarray:
    return x


rows("copy", "stop_gradient")(_same)


@rows("name")
def _of_any_name(x: np.ndarray, *, name: object = None) -> np.ndarray:
    return x


@rows("device_put", "optimization_barrier")
def _all_same(
    *operands: np.ndarray, devices: object = None, srcs: object = None, copy_semantics: object = None
) -> Sequence[np.ndarray]:
    return operands


@rows("iota")
def _iota(*, dtype: np.dtype, shape: tuple[int, ...], dimension: int) -> np.ndarray:
    along = [-1 if axis == dimension else 1 for axis in range(len(shape))]
    return np.broadcast_to(np.arange(shape[dimension]).astype(dtype).reshape(along), shape).copy()


@views("broadcast_in_dim")
@rows("broadcast_in_dim")
def _broadcast(x: np.ndarray, *, shape: tuple[int, ...], broadcast_dimensions: tuple[int, ...]) -> np.ndarray:
    """Broadcast without copies: a scalar uses the memory of one cell, whatever the shape."""
    spread = [1] * len(shape)
    for axis, length in zip(broadcast_dimensions, x.shape, strict=True):
        spread[axis] = length
    return np.broadcast_to(x.reshape(spread), shape)


@rows("reshape")
def _reshape(x: np.ndarray, *, new_sizes: tuple[int, ...], dimensions: Sequence[int] | None) -> np.ndarray:
    return (x if dimensions is None else np.transpose(x, dimensions)).reshape(new_sizes)


@rows("squeeze")
def _squeeze(x: np.ndarray, *, dimensions: Sequence[int]) -> np.ndarray:
    return np.squeeze(x, tuple(dimensions))


@rows("transpose")
def _transpose(x: np.ndarray, *, permutation: Sequence[int]) -> np.ndarray:
    return np.transpose(x, permutation)


@rows("rev")
def _rev(x: np.ndarray, *, dimensions: Sequence[int]) -> np.ndarray:
    return np.flip(x, tuple(dimensions))


@rows("slice")
def _slice(
    x: np.ndarray, *, start_indices: Sequence[int], limit_indices: Sequence[int], strides: Sequence[int] | None
) -> np.ndarray:
    return x[tuple(map(slice, start_indices, limit_indices, strides or (1,) * x.ndim))]


@rows("pad")
def _pad(x: np.ndarray, value: np.ndarray, *, padding_config: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Pad by no negative numbers."""
    require(all(low >= 0 and high >= 0 for low, high, _ in padding_config))
    spans = [max(n + (n - 1) * between, 0) for n, (_, _, between) in zip(x.shape, padding_config, strict=True)]
    padded = np.full([low + n + high for n, (low, high, _) in zip(spans, padding_config, strict=True)], value, x.dtype)
    inside = (slice(low, low + n, between + 1) for n, (low, _, between) in zip(spans, padding_config, strict=True))
    padded[tuple(inside)] = x
    return padded


@rows("concatenate")
def _concatenate(*parts: np.ndarray, dimension: int) -> np.ndarray:
    return np.concatenate(parts, dimension)


@rows("split")
def _split(x: np.ndarray, *, sizes: Sequence[int], axis: int) -> list[np.ndarray]:
    return np.split(x, list(itertools.accumulate(sizes))[:-1], axis)


@rows("stack")
def _stack(*parts: np.ndarray, axis: int) -> np.ndarray:
    return np.stack(parts, axis)


@rows("unstack")
def _unstack(x: np.ndarray, *, axis: int) -> list[np.ndarray]:
    return list(np.moveaxis(x, axis, 0))


@rows("tile")
def _tile(x: np.ndarray, *, reps: Sequence[int]) -> np.ndarray:
    return np.tile(x, reps)


def _window(x: np.ndarray, starts: Sequence[np.ndarray], sizes: Sequence[int]) -> tuple[slice, ...]:
    """The cells of a dynamic slice, which is moved inwards if it overhangs."""
    fits = [min(max(int(start), 0), n - m) for start, n, m in zip(starts, x.shape, sizes, strict=True)]
    return tuple(slice(start, start + size) for start, size in zip(fits, sizes, strict=True))


@rows("dynamic_slice")
def _dynamic_slice(x: np.ndarray, *starts: np.ndarray, slice_sizes: Sequence[int]) -> np.ndarray:
    return x[_window(x, starts, slice_sizes)]


@rows("dynamic_update_slice")
def _dynamic_update_slice(x: np.ndarray, update: np.ndarray, *starts: np.ndarray) -> np.ndarray:
    y = x.copy()
    y[_window(x, starts, update.shape)] = update
    return y
