"""What the taps of a window read, tap after tap: padding, strided slices, and their transposes."""

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
    """x with as much padding around its first spatial axes as these axes say; zeros, or another number."""
    if not any((axis.pad.lo, axis.pad.hi) != (0, 0) for axis in axes):
        return x
    config = [(0, 0, 0), *((axis.pad.lo, axis.pad.hi, 0) for axis in axes)]
    return extended(x, (*config, *[(0, 0, 0)] * (x.ndim - len(config))), fill)


@partial(compiled, static_argnames=("config", "fill"))
def extended(x: Array, config: Sequence[tuple[int, int, int]], fill: float = 0) -> Array:
    """`lax.pad` with a number."""
    return lax.pad(x, jnp.array(fill, x.dtype), config)


def along(axis: Axis, x: Array, number: int, u: int) -> Array:
    """The cells of a padded x that tap u meets along one axis, x's axis `number`: one for each position."""
    start = u * axis.dilation
    return lax.slice_in_dim(x, start, start + (axis.out - 1) * axis.stride + 1, axis.stride, axis=number)


def under(axes: Sequence[Axis], x: Array, tap: Sequence[int]) -> Array:
    """The cells [n, *out, ...] of a padded x that one tap of the window meets, one for each position."""
    for number, (axis, u) in enumerate(zip(axes, tap, strict=True), start=1):
        x = along(axis, x, number, u)
    return x


def taps_of(axes: Sequence[Axis]) -> list[tuple[int, ...]]:
    """Every tap of the window, in row-major order."""
    return list(product(*(range(axis.taps) for axis in axes)))


def apart(axis: Axis) -> bool:
    """Whether no cell along an axis is in two windows."""
    return axis.out == 1 or axis.span <= axis.stride


def pitch(axis: Axis) -> int:
    """Cells from window to window; a single one has as many as it needs."""
    return axis.stride if axis.out > 1 else axis.span


def is_whole(axis: Axis) -> bool:
    """Whether there is one window along an axis, whose taps are all of the axis's cells, two or more."""
    return axis.length > 1 and (axis.out, axis.taps, axis.dilation, axis.pad.lo) == (1, axis.length, 1, 0)


def overlap(axes: Sequence[Axis]) -> bool:
    """Whether some cell may be in two windows."""
    return any(axis.span > axis.stride for axis in axes)
