"""Rows that reduce or accumulate along axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxconv.verify.numpy_rows.table import is_integer, require, rows, usual, without_negative_zeros

IN_ORDER = 32  # most terms of a sum of floats; XLA splits longer sums


@rows("reduce_sum")
def _reduce_sum(x: np.ndarray, *, axes: Sequence[int]) -> np.ndarray:
    if is_integer(x):
        return np.add.reduce(x, tuple(axes), x.dtype)
    (axis,) = axes
    require(0 < x.shape[axis] <= IN_ORDER)
    partial_sums = np.add.accumulate(x, axis)  # one after the other; `np.sum` adds pairwise
    usual(x, partial_sums)
    return partial_sums.take(-1, axis)


@rows("reduce_max")
def _reduce_max(x: np.ndarray, *, axes: Sequence[int]) -> np.ndarray:
    without_negative_zeros(x)
    return np.maximum.reduce(x, tuple(axes))


@rows("reduce_min")
def _reduce_min(x: np.ndarray, *, axes: Sequence[int]) -> np.ndarray:
    without_negative_zeros(x)
    return np.minimum.reduce(x, tuple(axes))


@rows("reduce_and")
def _reduce_and(x: np.ndarray, *, axes: Sequence[int]) -> np.ndarray:
    return np.bitwise_and.reduce(x, tuple(axes))


@rows("reduce_or")
def _reduce_or(x: np.ndarray, *, axes: Sequence[int]) -> np.ndarray:
    return np.bitwise_or.reduce(x, tuple(axes))


@rows("argmax")
def _argmax(x: np.ndarray, *, axes: Sequence[int], index_dtype: np.dtype) -> np.ndarray:
    (axis,) = axes
    without_negative_zeros(x)
    return np.argmax(x, axis).astype(index_dtype)


@rows("argmin")
def _argmin(x: np.ndarray, *, axes: Sequence[int], index_dtype: np.dtype) -> np.ndarray:
    (axis,) = axes
    without_negative_zeros(x)
    return np.argmin(x, axis).astype(index_dtype)


@rows("cumsum")
def _cumsum(x: np.ndarray, *, axis: int, reverse: bool) -> np.ndarray:
    require(is_integer(x))
    x = np.flip(x, axis) if reverse else x
    y = np.add.accumulate(x, axis, x.dtype)
    return np.flip(y, axis) if reverse else y
