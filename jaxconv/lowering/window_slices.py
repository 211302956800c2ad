"""The slices of x that the taps of a window read: padding, strided slices, and predicates of a window's geometry."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.compiled import compiled
from jaxconv.window import Axis


def padded(axes: Sequence[Axis], x: Array, fill: float = 0) -> Array:
    """x [n, *spatial, ...] with the padding of `axes` along the first spatial axes, filled with a number."""
    if not any((axis.pad.lo, axis.pad.hi) != (0, 0) for axis in axes):
        return x
    config = [(0, 0, 0), *((axis.pad.lo, axis.pad.hi, 0) for axis in axes)]
    return pad_with_number(x, (*config, *[(0, 0, 0)] * (x.ndim - len(config))), fill)


@partial(compiled, static_argnames=("config", "fill"))
def pad_with_number(x: Array, config: Sequence[tuple[int, int, int]], fill: float = 0) -> Array:
    """`lax.pad` with a Python number."""
    return lax.pad(x, jnp.array(fill, x.dtype), config)


def along(axis: Axis, x: Array, number: int, u: int) -> Array:
    """The cells of a padded x that tap u reads along axis number `number` of x, one per position."""
    start = u * axis.dilation
    return lax.slice_in_dim(x, start, start + (axis.out - 1) * axis.stride + 1, axis.stride, axis=number)


def under(axes: Sequence[Axis], x: Array, tap: Sequence[int]) -> Array:
    """The cells [n, *out, ...] of a padded x that one tap of the window reads, one per position."""
    for number, (axis, u) in enumerate(zip(axes, tap, strict=True), start=1):
        x = along(axis, x, number, u)
    return x


def window_taps(axes: Sequence[Axis]) -> list[tuple[int, ...]]:
    """Every tap of the window, in row-major order."""
    return list(product(*(range(axis.taps) for axis in axes)))


def disjoint(axis: Axis) -> bool:
    """Whether no cell along an axis is in two windows."""
    return axis.out == 1 or axis.span <= axis.stride


def overlap(axes: Sequence[Axis]) -> bool:
    """Whether the windows are longer than their stride along some axis, so that they may share cells."""
    return any(axis.span > axis.stride for axis in axes)


def pitch(axis: Axis) -> int:
    """Distance between windows along an axis; for a single window its span."""
    return axis.stride if axis.out > 1 else axis.span


def is_global(axis: Axis) -> bool:
    """Whether one window covers an axis of two cells or more, without padding or dilation."""
    return axis.length > 1 and (axis.out, axis.taps, axis.dilation, axis.pad.lo) == (1, axis.length, 1, 0)
