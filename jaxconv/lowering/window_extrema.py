"""The maximum or minimum of every window, by log2(taps) slices of the whole array. NaNs propagate.

XLA's own reductions are not used on the CPU: from 4,096 cells or so it hands them to YNNPACK, whose maxima and minima
drop NaNs, so a result would depend on the batch size. Element-wise `lax.max` and `lax.min` propagate NaNs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array

from jaxconv.lowering.window_slices import along, disjoint, padded, pitch
from jaxconv.window import Axis

Arrays: TypeAlias = tuple[Array, ...]  # arrays of one shape, reduced together: values, or values and positions
Combine: TypeAlias = Callable[[Arrays, Arrays], Arrays]

FEW = 8  # taps along one axis up to which one slice per tap is as fast as log2(taps) longer slices


def least(dtype: DTypeLike) -> float | int | bool:
    """The identity of the maximum: minus infinity, or the least integer."""
    if jnp.issubdtype(dtype, jnp.floating):
        return -np.inf
    return False if dtype == jnp.bool_ else int(jnp.iinfo(dtype).min)


def greatest(dtype: DTypeLike) -> Any:
    """The identity of the minimum: infinity, or the greatest integer."""
    if jnp.issubdtype(dtype, jnp.floating):
        return np.inf
    return True if dtype == jnp.bool_ else jnp.iinfo(dtype).max


def extrema(operation: Callable[[Array, Array], Array], identity: float, x: Array, axes: Sequence[Axis]) -> Array:
    """`lax.max` or `lax.min` of every window of x [n, *spatial, c], padded with its identity, one axis after another.

    >>> from jaxconv.window import slide
    >>> x = jnp.array([3, 1, 4, 1, 5]).reshape(1, 5, 1)
    >>> extrema(lax.max, -9, x, slide((5,), (2,))).ravel()
    Array([3, 4, 4, 5], dtype=int32)
    """
    x = padded(axes, x, identity)
    for number, axis in enumerate(axes, start=1):
        (x,) = reduce_windows(lambda a, b: (operation(*a, *b),), (x,), axis, number)
    return x


def reduce_windows(combine: Combine, arrays: Arrays, axis: Axis, number: int) -> Arrays:
    """The cells of each window along one padded axis, combined: one result per position.

    `combine` must be associative, commutative and idempotent, since cells may be combined in any order and repeatedly.
    """
    if axis.taps <= FEW:
        return reduce(combine, [_map(arrays, lambda a, u=u: along(axis, a, number, u)) for u in range(axis.taps)])
    return (_reduce_disjoint if disjoint(axis) else _reduce_overlapping)(combine, arrays, axis, number)


def argmax_and_max(x: Array, axis: Axis, number: int) -> tuple[Array, Array]:
    """The maximum of each window along one padded axis, and the tap that reads it, int32.

    Of equal cells the first. A NaN is larger than any number and equal to another NaN.
    """
    positions = lax.broadcasted_iota(jnp.int32, x.shape, number)
    largest, found = reduce_windows(_larger, (x, positions), axis, number)
    starts = np.arange(axis.out, dtype=np.int32).reshape(-1, *[1] * (x.ndim - number - 1)) * np.int32(axis.stride)
    return largest, lax.div(found - jnp.broadcast_to(starts, found.shape), np.int32(axis.dilation))


def _larger(lhs: Arrays, rhs: Arrays) -> Arrays:
    """The larger of two cells with its position; of equal cells the one at the lower position."""
    (x, i), (y, j) = lhs, rhs
    is_number = lax.eq(x, x)  # False for a NaN
    larger = ~(y <= x) & is_number
    equal = lax.eq(x, y) | ~(is_number | lax.eq(y, y))
    return lax.max(x, y), jnp.where(larger | (equal & (j < i)), j, i)


def _reduce_disjoint(combine: Combine, arrays: Arrays, axis: Axis, number: int) -> Arrays:
    """Disjoint windows as an axis of their own, [out, taps], halved until one cell is left."""
    arrays = _map(arrays, lambda a: _windows_as_axis(a, axis, number))
    taps = axis.taps
    while taps > 1:
        half = -(-taps // 2)
        first = _map(arrays, lambda a, half=half: lax.slice_in_dim(a, 0, half, axis=number + 1))
        second = _map(arrays, lambda a, start=taps - half: lax.slice_in_dim(a, start, None, axis=number + 1))
        arrays, taps = combine(first, second), half
    return _map(arrays, lambda a: a.squeeze(number + 1))


def _windows_as_axis(a: Array, axis: Axis, number: int) -> Array:
    """[..., cells, ...] to [..., out, taps, ...]. Padding after the last cell is cut off again."""
    cells = axis.out * pitch(axis)
    config = [(0, cells - a.shape[number] if at == number else 0, 0) for at in range(a.ndim)]
    a = lax.pad(a, jnp.zeros((), a.dtype), config)
    a = a.reshape(*a.shape[:number], axis.out, pitch(axis), *a.shape[number + 1 :])
    return lax.slice_in_dim(a, 0, axis.span, axis.dilation, axis=number + 1)


def _reduce_overlapping(combine: Combine, arrays: Arrays, axis: Axis, number: int) -> Arrays:
    """Windows of 1, 2, 4, ... taps at every cell; two of the last, which may overlap, cover the window."""
    width = 1
    while 2 * width < axis.taps:
        step = width * axis.dilation
        first = _map(arrays, lambda a, step=step: lax.slice_in_dim(a, 0, a.shape[number] - step, axis=number))
        second = _map(arrays, lambda a, step=step: lax.slice_in_dim(a, step, None, axis=number))
        arrays, width = combine(first, second), 2 * width
    first, second = (_map(arrays, lambda a, u=u: along(axis, a, number, u)) for u in (0, axis.taps - width))
    return combine(first, second)


def _map(arrays: Arrays, fn: Callable[[Array], Array]) -> Arrays:
    return tuple(map(fn, arrays))
