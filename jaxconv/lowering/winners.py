"""Which cell of each window is the largest: its tap, and what a derivative reads and writes there.

A NaN is larger than any number; of equal cells, NaNs among them, the first in row-major order wins.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array

from jaxconv.lowering.maxima import FEW, extremes, first_largest
from jaxconv.lowering.spreading import in_turn, passes, side_by_side, tap_by_tap
from jaxconv.lowering.taps import overlap, padded, taps_of, under
from jaxconv.lowering.version import OLD
from jaxconv.window import Axis, Pad

Axes = tuple[Axis, ...]
AT_ONCE = 49  # taps of a window whose winners are told apart by a slice for each; more, and it is an axis at a time


def least(dtype: DTypeLike) -> float | int | bool:
    """What loses every comparison: minus infinity, or the least integer (which is not a NaN)."""
    if jnp.issubdtype(dtype, jnp.floating):
        return -np.inf
    return False if dtype == jnp.bool_ else int(jnp.iinfo(dtype).min)


def winners(x: Array, axes: Axes) -> Array:
    """The number of the tap that reads the first of each window's largest cells."""
    x, taps = padded(axes, x, least(x.dtype)), taps_of(axes)
    largest = under(axes, x, taps[0])
    winner = jnp.broadcast_to(_first_cells(axes), largest.shape)
    for u, tap in enumerate(taps[1:], start=1):
        cell = under(axes, x, tap)
        wins = ~(cell <= largest) & lax.eq(largest, largest)  # NaNs are equal to nothing, not even to themselves
        winner = jnp.where(wins, winner.dtype.type(u), winner)
        largest = lax.max(largest, cell)
    return winner


def _first_cells(axes: Axes) -> Array:
    """The number of the first tap of each window that reads a cell of x, [1, *out, 1]; of none, one more than the last.

    It wins where no cell is larger than the padding.
    """
    taps, found, inside = math.prod(axis.taps for axis in axes), np.int32(0), np.True_
    for axis, j in zip(axes, np.ogrid[tuple(slice(axis.out) for axis in axes)], strict=True):
        u = np.maximum(-(-(axis.pad.lo - j * axis.stride) // axis.dilation), 0)
        found = found * axis.taps + u
        inside = inside & (u < axis.taps) & (j * axis.stride + u * axis.dilation - axis.pad.lo < axis.length)
    number = np.where(inside, found, taps)[None, ..., None]
    return jnp.asarray(number, jnp.uint8 if taps < 2**8 else jnp.int32)


def _along_axis(x: Array, axes: Axes, number: int) -> tuple[Array, Array, Axes]:
    """The winners along one axis of x, whose later axes are pooled already; the largest cells; and these windows."""
    stage = _along_one(axes, number)
    axis = axes[number]
    if axis.taps <= FEW:
        return winners(x, stage), extremes(lax.max, least(x.dtype), x, stage), stage
    largest, winner = first_largest(padded(stage, x, least(x.dtype)), axis, number + 1)
    return jnp.maximum(winner, _first_cells(stage).astype(winner.dtype)), largest, stage


def _along_one(axes: Axes, number: int) -> Axes:
    """The windows along one axis, of an array whose later axes are pooled already and whose earlier ones are not."""
    before, after = (axis.length for axis in axes[:number]), (axis.out for axis in axes[number + 1 :])
    return *map(still, before), axes[number], *map(still, after)


def still(length: int) -> Axis:
    """An axis on which nothing is pooled."""
    return Axis(length, taps=1, stride=1, dilation=1, pad=Pad(0, 0))


def picked(x: Array, t: Array, *, axes: Axes) -> Array:
    """t [n, *spatial, c] at the cell that wins each window of x: [n, *out, c]."""
    if math.prod(axis.taps for axis in axes) > AT_ONCE:
        return _picked_axis_by_axis(x, t, axes)
    return _under_winner(axes, t, winners(x, axes))


def _under_winner(axes: Axes, t: Array, winner: Array) -> Array:
    t = padded(axes, t)
    cells = [under(axes, t, tap) for tap in taps_of(axes)]
    found = cells[0]
    for number, cell in enumerate(cells[1:], start=1):
        found = jnp.where(winner == number, cell, found)
    return found


def _picked_axis_by_axis(x: Array, t: Array, axes: Axes) -> Array:
    """Of each row what its winner reads, then of each column of those."""
    for number in reversed(range(len(axes))):
        winner, x, stage = _along_axis(x, axes, number)
        axis = axes[number]
        if axis.taps <= FEW:
            t = _under_winner(stage, t, winner)
            continue
        starts = np.arange(axis.out, dtype=np.int32).reshape(-1, *[1] * (x.ndim - number - 2)) * np.int32(axis.stride)
        cells = jnp.broadcast_to(starts, winner.shape) + winner * np.int32(axis.dilation)
        t = jnp.take_along_axis(padded(stage, t), cells, axis=number + 1, mode="clip")
    return t


def placed_image_by_image(x: Array, y: Array, *, axes: Axes) -> Array:
    """The winners stored by a loop: before 0.12 XLA would compute them anew for every tap of every window."""
    return _on_cells(axes, y, lax.map(lambda image: winners(image[None], axes)[0], x))


def placed_at_once(x: Array, y: Array, *, axes: Axes) -> Array:
    """The winners of all windows stored, where XLA keeps the barrier."""
    return _on_cells(axes, y, lax.optimization_barrier(winners(x, axes)))


def _on_cells(axes: Axes, y: Array, winner: Array) -> Array:
    """Each y on the cell that wins it: faster tap by tap where windows overlap and the channels fill registers."""
    place = tap_by_tap if overlap(axes) and y.shape[-1] % 8 == 0 else side_by_side
    return place(axes, y, winner)


def placed_axis_by_axis(x: Array, y: Array, *, axes: Axes) -> Array:
    """The first of a row's largest cells, then the first of those of the rows: as many taps as the sides together.

    Nothing is stored by a loop here; where XLA has kept no barrier either (0.10 on the CPU), it computes the winners of
    one axis anew for each tap, no longer those of all axes.
    """
    stages, found = [], []
    for number in reversed(range(len(axes))):
        winner, x, stage = _along_axis(x, axes, number)
        winner, x = lax.optimization_barrier((winner, x))
        stages.append(stage)
        found.append(winner)
    for winner, stage in zip(reversed(found), reversed(stages), strict=True):
        y = lax.optimization_barrier(_placing(stage)(stage, y, winner))
    return y


def _placing(stage: Axes) -> Callable[[Axes, Array, Array], Array]:
    """Windows along one axis with many taps that overlap take a loop, which is compiled once for all taps."""
    if passes(stage) > AT_ONCE:
        return in_turn
    # Before 0.12 XLA has faster code tap by tap along one axis, as long as it does not compute many winners anew.
    few = all(axis.taps <= FEW for axis in stage)
    return tap_by_tap if OLD and few else side_by_side


PLACES: dict[str, Callable[..., Array]] = {
    "taps": placed_image_by_image,
    "cells": placed_at_once,
    "axes": placed_axis_by_axis,
}
