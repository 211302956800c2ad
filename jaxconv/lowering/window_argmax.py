"""The argmax of every window, as the number of its tap; and gathers and scatters at the argmax, for derivatives.

A NaN is larger than any number. Of equal cells, NaNs included, the first in row-major order is the argmax.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.version import jax_in
from jaxconv.lowering.window_extrema import FEW, argmax_and_max, extrema, least
from jaxconv.lowering.window_scatter import (
    adjacent_passes,
    scatter_adjacent_taps,
    scatter_by_loop,
    scatter_each_tap,
)
from jaxconv.lowering.window_slices import overlap, padded, under, window_taps
from jaxconv.window import Axis, Pad

Axes: TypeAlias = Sequence[Axis]
AT_ONCE = 49  # taps of a window up to which one slice per tap finds the argmax; larger windows go axis by axis


def argmax_taps(axes: Axes, x: Array) -> Array:
    """The number of the tap, in row-major order, that reads the argmax of each window: [n, *out, c]."""
    x, taps = padded(axes, x, least(x.dtype)), window_taps(axes)
    largest = under(axes, x, taps[0])
    argmax = jnp.broadcast_to(_first_taps(axes), largest.shape)
    for u, tap in enumerate(taps[1:], start=1):
        cell = under(axes, x, tap)
        larger = ~(cell <= largest) & lax.eq(largest, largest)  # the second is False once a NaN is the largest
        argmax = jnp.where(larger, argmax.dtype.type(u), argmax)
        largest = lax.max(largest, cell)
    return argmax


def _first_taps(axes: Axes) -> Array:
    """The number of the first tap of each window that reads a cell of x, [1, *out, 1]; the number of taps if none does.

    It is the argmax where no cell is larger than the padding.
    """
    taps, found, inside = math.prod(axis.taps for axis in axes), np.int32(0), np.True_
    for axis, j in zip(axes, np.ogrid[tuple(slice(axis.out) for axis in axes)], strict=True):
        u = np.maximum(-(-(axis.pad.lo - j * axis.stride) // axis.dilation), 0)
        found = found * axis.taps + u
        inside = inside & (u < axis.taps) & (j * axis.stride + u * axis.dilation - axis.pad.lo < axis.length)
    number = np.where(inside, found, taps)[None, ..., None]
    return jnp.asarray(number, jnp.uint8 if taps < 2**8 else jnp.int32)


def argmax_along_axis(axes: Axes, x: Array, number: int) -> tuple[Array, Array, Axes]:
    """The argmax along one axis of an x whose later axes are pooled already; the maxima; and this stage's windows."""
    axis = axes[number]
    earlier, later = (before.length for before in axes[:number]), (after.out for after in axes[number + 1 :])
    stage = (*map(identity_axis, earlier), axis, *map(identity_axis, later))
    if axis.taps <= FEW:
        return argmax_taps(stage, x), extrema(lax.max, least(x.dtype), x, stage), stage
    largest, argmax = argmax_and_max(padded(stage, x, least(x.dtype)), axis, number + 1)
    return jnp.maximum(argmax, _first_taps(stage).astype(argmax.dtype)), largest, stage


def identity_axis(length: int) -> Axis:
    """Windows of one cell, which leave an axis of this length as it is."""
    return Axis(length, taps=1, stride=1, dilation=1, pad=Pad(0, 0))


def gather_argmax(axes: Axes, x: Array, t: Array) -> Array:
    """t [n, *spatial, c] at the argmax of each window of x: [n, *out, c]."""
    if math.prod(axis.taps for axis in axes) > AT_ONCE:
        return _gather_per_axis(axes, x, t)
    return _gather_taps(axes, t, argmax_taps(axes, x))


def _gather_taps(axes: Axes, t: Array, argmax: Array) -> Array:
    t = padded(axes, t)
    cells = [under(axes, t, tap) for tap in window_taps(axes)]
    gathered = cells[0]
    for number, cell in enumerate(cells[1:], start=1):
        gathered = jnp.where(argmax == number, cell, gathered)
    return gathered


def _gather_per_axis(axes: Axes, x: Array, t: Array) -> Array:
    """The same along one axis after the other, the last axis first."""
    for number in reversed(range(len(axes))):
        argmax, x, stage = argmax_along_axis(axes, x, number)
        axis = axes[number]
        if axis.taps <= FEW:
            t = _gather_taps(stage, t, argmax)
            continue
        starts = np.arange(axis.out, dtype=np.int32).reshape(-1, *[1] * (x.ndim - number - 2)) * np.int32(axis.stride)
        cells = jnp.broadcast_to(starts, argmax.shape) + argmax * np.int32(axis.dilation)
        t = jnp.take_along_axis(padded(stage, t), cells, axis=number + 1, mode="clip")
    return t


def scatter_to_argmax(axes: Axes, y: Array, argmax: Array) -> Array:
    """Adds each y to its window's argmax. One pass per tap is faster if windows overlap and channels fill registers."""
    scatter = scatter_each_tap if overlap(axes) and y.shape[-1] % 8 == 0 else scatter_adjacent_taps
    return scatter(axes, y, argmax)


def scatter_along_axis(axes: Axes, y: Array, argmax: Array) -> Array:
    """The same along one axis. Many overlapping taps take a loop, which is compiled once for all taps."""
    if adjacent_passes(axes) > AT_ONCE:
        return scatter_by_loop(axes, y, argmax)
    # Before JAX 0.12 XLA has faster code for one pass per tap, unless it computes the argmax of many taps again.
    few = all(axis.taps <= FEW for axis in axes)
    return (scatter_each_tap if few and jax_in("<0.12") else scatter_adjacent_taps)(axes, y, argmax)
