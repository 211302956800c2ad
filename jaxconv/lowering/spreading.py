"""From windows back to cells: every y [n, *out, c] on the cells of x that its window meets, or on the one that wins it.

x[n,i,c] = sum of y[n,j,c] over j*stride + u*dilation - lo == i; and with winners, over those u that are winner[n,j,c].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.taps import pitch
from jaxconv.lowering.ways.way import summed, zeros_like
from jaxconv.window import Axis


def side_by_side(axes: Sequence[Axis], y: Array, winner: Array | None = None) -> Array:
    """One pass over x for all taps that are less than a stride apart, since these meet cells that lie side by side.

    Args:
        axes: of the windows.
        y: [n, *out, c].
        winner: the number of the tap that takes y, in row-major order, [n, *out, c]; or None, for all of them.
    """
    return summed([_taken_together(axes, y, winner, first) for first in product(*map(_firsts, axes))])


def tap_by_tap(axes: Sequence[Axis], y: Array, winner: Array | None = None) -> Array:
    """One pass over x for each tap; arguments as of `side_by_side`."""
    return summed([_taken(axes, y, winner, number) for number in range(_taps(axes))])


def in_turn(axes: Sequence[Axis], y: Array, winner: Array) -> Array:
    """The same by a loop over the taps of windows that slide along one axis only; arguments as of `side_by_side`."""
    ((number, axis),) = [(at, axis) for at, axis in enumerate(axes, start=1) if axis.taps > 1]
    apart = [(0, 0, (axis.stride - 1) * (at == number)) for at in range(y.ndim)]
    y = lax.pad(y, jnp.zeros((), y.dtype), apart)
    winner = lax.pad(winner, winner.dtype.type(axis.taps), apart)
    nothing = jnp.zeros((), y.dtype)

    def take(u: Array, x: Array) -> Array:
        """What tap u takes, on the cells that it meets."""
        start = u * axis.dilation
        met = lax.dynamic_slice_in_dim(x, start, y.shape[number], axis=number)
        taken = jnp.where(winner == u.astype(winner.dtype), y, nothing)
        return lax.dynamic_update_slice_in_dim(x, met + taken, start, axis=number)

    cells = zeros_like(y, [axis.padded if at == number else n for at, n in enumerate(y.shape)])
    x = lax.fori_loop(0, axis.taps, take, cells)
    return lax.slice_in_dim(x, axis.pad.lo, axis.pad.lo + axis.length, axis=number)


def passes(axes: Sequence[Axis]) -> int:
    """How many passes over x `side_by_side` makes."""
    return math.prod(len(_firsts(axis)) for axis in axes)


def _taken(axes: Sequence[Axis], y: Array, winner: Array | None, number: int) -> Array:
    """What one tap takes, on the cells of x that it meets."""
    nothing = jnp.zeros((), y.dtype)
    config = [(0, 0, 0)]
    for axis, u in zip(axes, np.unravel_index(number, [axis.taps for axis in axes]), strict=True):
        first = int(u) * axis.dilation - axis.pad.lo
        config.append((first, axis.length - first - ((axis.out - 1) * axis.stride + 1), axis.stride - 1))
    return lax.pad(y if winner is None else jnp.where(winner == number, y, nothing), nothing, [*config, (0, 0, 0)])


def _taken_together(axes: Sequence[Axis], y: Array, winner: Array | None, first: Sequence[int]) -> Array:
    """What the taps in one run of each axis take: blocks [n, out, pitch, out, pitch, c], whose axes are then x's."""
    numbers = _numbers(axes, first)
    taps = numbers[numbers < _taps(axes)]
    if len(taps) == 1:  # as where windows are dilated, or the stride is one
        return _taken(axes, y, winner, int(taps[0]))
    apart = lambda a: a.reshape(a.shape[0], *(n for axis in axes for n in (axis.out, 1)), a.shape[-1])
    numbers = numbers.reshape(1, *(n for axis in axes for n in (1, pitch(axis))), 1)
    takes = numbers < _taps(axes) if winner is None else apart(winner) == numbers.astype(winner.dtype)
    nothing = jnp.zeros((), y.dtype)
    cells = jnp.where(takes, apart(y), nothing)
    cells = cells.reshape(y.shape[0], *(axis.out * pitch(axis) for axis in axes), y.shape[-1])
    config = [(0, 0, 0)]
    for axis, at in zip(axes, first, strict=True):
        start = at - axis.pad.lo
        config.append((start, axis.length - start - axis.out * pitch(axis), 0))
    return lax.pad(cells, nothing, [*config, (0, 0, 0)])


def _firsts(axis: Axis) -> list[int]:
    """Where in a window the runs of a pitch begin that some tap is in."""
    step = pitch(axis)
    return sorted({u * axis.dilation // step * step for u in range(axis.taps)})


def _numbers(axes: Sequence[Axis], first: Sequence[int]) -> np.ndarray:
    """The number of the tap at each place of a run, [pitch, pitch]; where there is none, one more than the last."""
    number, inside = 0, True
    for axis, at, place in zip(axes, first, np.indices([pitch(axis) for axis in axes]), strict=True):
        tap, rest = np.divmod(at + place, axis.dilation)
        number = number * axis.taps + tap
        inside = inside & (rest == 0) & (tap < axis.taps)
    return np.where(inside, number, _taps(axes))


def _taps(axes: Sequence[Axis]) -> int:
    return math.prod(axis.taps for axis in axes)
