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

from jaxconv.lowering.ways.way import summed
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
    numbers = numbers.reshape(1, *(n for axis in axes for n in (1, _pitch(axis))), 1)
    takes = numbers < _taps(axes) if winner is None else apart(winner) == numbers.astype(winner.dtype)
    nothing = jnp.zeros((), y.dtype)
    cells = jnp.where(takes, apart(y), nothing)
    cells = cells.reshape(y.shape[0], *(axis.out * _pitch(axis) for axis in axes), y.shape[-1])
    config = [(0, 0, 0)]
    for axis, at in zip(axes, first, strict=True):
        start = at - axis.pad.lo
        config.append((start, axis.length - start - axis.out * _pitch(axis), 0))
    return lax.pad(cells, nothing, [*config, (0, 0, 0)])


def _firsts(axis: Axis) -> list[int]:
    """Where in a window the runs of a pitch begin that some tap is in."""
    pitch = _pitch(axis)
    return sorted({u * axis.dilation // pitch * pitch for u in range(axis.taps)})


def _pitch(axis: Axis) -> int:
    """From window to window; a single one has all the room that it needs."""
    return axis.stride if axis.out > 1 else axis.span


def _numbers(axes: Sequence[Axis], first: Sequence[int]) -> np.ndarray:
    """The number of the tap at each place of a run, [pitch, pitch]; where there is none, one more than the last."""
    number, inside = 0, True
    for axis, at, place in zip(axes, first, np.indices([_pitch(axis) for axis in axes]), strict=True):
        tap, rest = np.divmod(at + place, axis.dilation)
        number = number * axis.taps + tap
        inside = inside & (rest == 0) & (tap < axis.taps)
    return np.where(inside, number, _taps(axes))


def _taps(axes: Sequence[Axis]) -> int:
    return math.prod(axis.taps for axis in axes)
