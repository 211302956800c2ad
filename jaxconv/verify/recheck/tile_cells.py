"""Pairs of values that agree as a state says: for a whole input, and for a tile of it that begins at some cell.

Cells that agree have the same name, and numbers are drawn by name (`named_cells.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from jaxconv.jaxprs.typing import Array, Shaped
from jaxconv.verify.recheck.named_cells import alike, mixed, numbers, plain
from jaxconv.verify.tiling.states import NONE, Agreement, Equal, Interval, Window


@dataclass(frozen=True)
class Place:
    """Where a tile lies: at cell `offset` of the whole, which has `more` cells more than the tile."""

    offset: int
    more: int

    def intervals(self, state: Window) -> list[tuple[Interval, int]]:
        """The cells of the tile's value that agree, each with the whole's cell that equals the tile's cell 0."""
        if state.rate is None:
            return [(state.first, 0), (state.last, state.whole - state.tile)]
        if self.offset % state.shift:
            return []
        start = state.offset + int(self.offset / state.rate)
        chosen = [state.inner, *[state.first] * (self.offset == 0), *[state.last] * (self.offset == self.more)]
        return [(interval, start) for interval in chosen if interval != NONE]


def malformed(state: Equal | Window, whole: Shaped, tile: Shaped, more: int) -> str:
    """Return why a value of these shapes cannot have a state, or the empty string."""
    if len(whole.shape) != len(tile.shape) or whole.dtype != tile.dtype:
        return "the values of the whole and of the tile have other ranks or dtypes"
    if isinstance(state, Equal):
        return "" if whole.shape == tile.shape else "the values of the whole and of the tile have other shapes"
    axis = state.axis
    if not 0 <= axis < len(whole.shape) or (whole.shape[axis], tile.shape[axis]) != (state.whole, state.tile):
        return f"it has no axis {axis} of {state.whole} cells of the whole and {state.tile} of the tile"
    others = [shape[:axis] + shape[axis + 1 :] for shape in (whole.shape, tile.shape)]
    intervals = (state.inner, state.first, state.last)
    wrong = {
        "the values of the whole and of the tile have other shapes": others[0] != others[1],
        f"shift {state.shift}, rate {state.rate} and {state.more} more cells are not those of a window": (
            state.shift < 1 or state.more != more or (state.rate is not None and not _whole(state.shift, state.rate))
        ),
        "an interval lies outside the tile": any(not 0 <= lo <= hi <= state.tile for lo, hi in intervals),
    }
    return next((text for text, is_wrong in wrong.items() if is_wrong), "") or _outside(state, more)


def _whole(shift: int, rate: Fraction) -> bool:
    """Whether a tile that moves by `shift` moves a value of some rate by whole cells."""
    return rate != 0 and (shift / rate).denominator == 1


def _outside(state: Window, more: int) -> str:
    """Return an objection if cells that agree lie outside the whole, for a tile at either end."""
    for place in (Place(0, more), Place(more // state.shift * state.shift, more)):
        for (lo, hi), start in place.intervals(state):
            if lo < hi and not 0 <= lo + start <= hi + start <= state.whole:
                return f"for a tile at cell {place.offset}, cells [{lo}, {hi}) would lie outside the whole"
    return ""


def drawn(state: Agreement | None, avals: tuple[Shaped, Shaped], place: Place, draw: int) -> tuple[Array, Array]:
    """Return numbers of the whole's value and of the tile's that agree as a state says, and not otherwise."""
    names = [mixed(draw, side, np.arange(aval.size)).reshape(aval.shape) for side, aval in enumerate(avals)]
    if isinstance(state, Equal):
        names[1] = names[0]
    if isinstance(state, Window):
        whole, tile = (np.moveaxis(own, state.axis, 0) for own in names)  # views
        lo, hi = state.inner
        if state.rate is None and lo < hi:
            whole[lo : state.whole - (state.tile - hi)] = tile[lo : lo + 1]
            tile[lo:hi] = tile[lo : lo + 1]
        for (lo, hi), start in place.intervals(state):
            tile[lo:hi] = whole[lo + start : hi + start]
    return numbers(names[0], avals[0], draw), numbers(names[1], avals[1], draw)


def differs(state: Equal | Window, whole: Array, tile: Array, place: Place, noise: float = 0.0) -> str:
    """Return which cells of two values do not agree although a state says so, or the empty string.

    `noise`: see `alike`.
    """
    one, other = plain(whole), plain(tile)
    if isinstance(state, Equal):
        return _unlike(one, other, 0, "the whole", noise)
    one, other = np.moveaxis(one, state.axis, 0), np.moveaxis(other, state.axis, 0)
    return next(filter(None, _differing(state, one, other, place, noise)), "")


def _differing(state: Window, whole: np.ndarray, tile: np.ndarray, place: Place, noise: float) -> Iterator[str]:
    lo, hi = state.inner
    if state.rate is None and lo < hi:
        inside = whole[lo : state.whole - (state.tile - hi)]
        for part in (inside, tile[lo:hi]):
            yield _unlike(np.broadcast_to(tile[lo : lo + 1], part.shape), part, lo, "the others", noise)
    for (lo, hi), start in place.intervals(state):
        yield _unlike(whole[lo + start : hi + start], tile[lo:hi], lo, "the whole", noise)


def _unlike(one: np.ndarray, other: np.ndarray, first: int, named: str, noise: float) -> str:
    """Describe the first position at which two arrays differ."""
    same = alike(other, one, noise=noise)
    if same.all():
        return ""
    where = np.argwhere(~np.atleast_1d(same))[0].tolist()
    at = tuple(where[: other.ndim])
    return f"cell {first + where[0]} is {other[at]} for the tile, but {one[at]} for {named}"
