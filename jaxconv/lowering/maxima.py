"""The largest or least cell of every window, with slices of the whole array: log2(taps) of them, and NaNs are kept.

XLA's reductions are not used on the CPU: it gives those of 4,096 cells or so and more to YNNPACK, whose maxima and
minima drop NaNs, so that a result would depend on the batch. Element-wise, `lax.max` and `lax.min` propagate them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.taps import along, apart, padded, pitch
from jaxconv.window import Axis

Parts: TypeAlias = tuple[Array, ...]  # arrays over the same cells, folded together: values, or values and positions
Combine: TypeAlias = Callable[[Parts, Parts], Parts]

FEW = 8  # taps along one axis, of which one slice each is as fast as fewer slices of more cells


def extremes(operation: Callable[[Array, Array], Array], identity: float, x: Array, axes: Sequence[Axis]) -> Array:
    """`lax.max` or `lax.min` of every window of x [n, *spatial, c], padded with its identity; one axis after another.

    >>> from jaxconv.window import slide
    >>> x = jnp.array([3, 1, 4, 1, 5]).reshape(1, 5, 1)
    >>> extremes(lax.max, -9, x, slide("doctest", (5,), (2,))).ravel()
    Array([3, 4, 4, 5], dtype=int32)
    """
    x = padded(axes, x, identity)
    for number, axis in enumerate(axes, start=1):
        (x,) = folded(lambda one, other: (operation(*one, *other),), (x,), axis, number)
    return x


def folded(combine: Combine, parts: Parts, axis: Axis, number: int) -> Parts:
    """The cells of each window along one axis, which is padded, combined: one for each position.

    `combine` must not care about order, nor about a cell that it meets twice.
    """
    if axis.taps <= FEW:
        return reduce(combine, [_each(parts, lambda a, u=u: along(axis, a, number, u)) for u in range(axis.taps)])
    return (_halved if apart(axis) else _doubled)(combine, parts, axis, number)


def first_largest(x: Array, axis: Axis, number: int) -> tuple[Array, Array]:
    """The largest cell of each window along one axis, which is padded, and which tap reads it, int32.

    Of equal ones the first; a NaN is larger than any number, and as large as another one.
    """
    at = lax.broadcasted_iota(jnp.int32, x.shape, number)
    largest, found = folded(_first, (x, at), axis, number)
    starts = np.arange(axis.out, dtype=np.int32).reshape(-1, *[1] * (x.ndim - number - 1)) * np.int32(axis.stride)
    return largest, lax.div(found - jnp.broadcast_to(starts, found.shape), np.int32(axis.dilation))


def _first(one: Parts, other: Parts) -> Parts:
    """The larger of two cells with its position; of equal ones the first."""
    (x, i), (y, j) = one, other
    number = lax.eq(x, x)  # NaNs are equal to nothing, not even to themselves
    larger = ~(y <= x) & number
    equal = lax.eq(x, y) | ~(number | lax.eq(y, y))
    return lax.max(x, y), jnp.where(larger | (equal & (j < i)), j, i)


def _halved(combine: Combine, parts: Parts, axis: Axis, number: int) -> Parts:
    """Windows that do not overlap, side by side [out, taps]: the first half of each with the second, and so on."""
    parts = _each(parts, lambda a: _side_by_side(a, axis, number))
    taps = axis.taps
    while taps > 1:
        half = -(-taps // 2)
        first = _each(parts, lambda a, half=half: lax.slice_in_dim(a, 0, half, axis=number + 1))
        second = _each(parts, lambda a, start=taps - half: lax.slice_in_dim(a, start, None, axis=number + 1))
        parts, taps = combine(first, second), half
    return _each(parts, lambda a: a.squeeze(number + 1))


def _side_by_side(a: Array, axis: Axis, number: int) -> Array:
    """[.., out, taps, ..] of [.., cells, ..]. What may have to be added after the last cell is cut off again."""
    blocks = axis.out * pitch(axis)
    config = [(0, blocks - a.shape[number] if at == number else 0, 0) for at in range(a.ndim)]
    a = lax.pad(a, jnp.zeros((), a.dtype), config)
    a = a.reshape(*a.shape[:number], axis.out, pitch(axis), *a.shape[number + 1 :])
    return lax.slice_in_dim(a, 0, axis.span, axis.dilation, axis=number + 1)


def _doubled(combine: Combine, parts: Parts, axis: Axis, number: int) -> Parts:
    """Windows of 1, 2, 4, ... taps at every cell; two of them, which may overlap, cover the window."""
    width = 1
    while 2 * width < axis.taps:
        step = width * axis.dilation
        first = _each(parts, lambda a, step=step: lax.slice_in_dim(a, 0, a.shape[number] - step, axis=number))
        second = _each(parts, lambda a, step=step: lax.slice_in_dim(a, step, None, axis=number))
        parts, width = combine(first, second), 2 * width
    first, second = (_each(parts, lambda a, u=u: along(axis, a, number, u)) for u in (0, axis.taps - width))
    return combine(first, second)


def _each(parts: Parts, change: Callable[[Array], Array]) -> Parts:
    return tuple(map(change, parts))
