"""How values of a tile agree with values of the whole (`states.py`): inputs, constants, and several values together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np

from jaxconv.verify.domain import CannotProve, bits
from jaxconv.verify.tiling.states import EQUAL, NONE, Equal, Interval, Window

# Reasons that other sizes of tiles may not have.
TOO_SMALL = "no cell of its result is free of the border of a tile"
NO_PART_MOVES = "none of the concatenated parts moves with the tile"
PART_OF_STRIDE = "it is padded or cropped differently at the two sizes, by part of a stride"
OTHER_OPERATIONS = "the function does other operations on a tile than on the whole"
CUT_DIFFERENTLY = "it merges the tiled axis with axes before it, or cuts it differently at the two sizes"


def input_window(axis: int, whole: int, tile: int) -> Window:
    """The tiled input."""
    every = (0, tile)
    return Window(axis, whole, tile, whole - tile, Fraction(1), 0, every, every, every)


def uniform_window(axis: int, whole: int, tile: int, more: int) -> Window:
    """A value whose cells along an axis are all equal, in both executions."""
    every = (0, tile)
    return Window(axis, whole, tile, more, None, 0, every, every, every)


def fixed_window(axis: int, length: int, more: int) -> Window:
    """A value that is the same in both executions, along an axis of a fixed length, whose cells do not move."""
    every = (0, length)
    return Window(axis, length, length, more, None, 0, NONE, every, every)


def checked(window: Window) -> Window:
    """The same window, with intervals that lie in the tile and in the whole, for a shift that moves by whole cells."""
    rate = window.rate
    if rate is None:
        return _clipped(window, (0, 0), (0, 0), (0, 0))
    window = replace(window, shift=math.lcm(window.shift, abs(rate.numerator)))
    farthest = int(window.more // window.shift * window.shift / rate)
    inner = window.offset + min(0, farthest), window.offset + max(0, farthest)
    at_end = window.at_end
    last = (at_end, at_end) if at_end is not None else (window.whole, window.whole)
    return _clipped(window, inner, (window.offset, window.offset), last)


def _clipped(window: Window, *places: Interval) -> Window:
    """The window without positions that lie outside the whole, for the smallest and the largest place of a tile."""
    intervals: list[Interval] = []
    for (lo, hi), (smallest, largest) in zip((window.inner, window.first, window.last), places, strict=True):
        clipped = max(lo, 0, -smallest), min(hi, window.tile, window.whole - largest)
        intervals.append(clipped if clipped[0] < clipped[1] else NONE)
    inner, first, last = intervals
    return replace(window, inner=inner, first=first, last=last)


def both(windows: Sequence[Window]) -> Window:
    """Where all of some windows along one axis agree.

    Raises:
        CannotProve: they move at different rates, or lie at different places.
    """
    moving = [window for window in windows if window.rate is not None]
    leader = (moving or windows)[0]
    if len({window.axis for window in windows}) > 1:
        raise CannotProve("its operands move along different axes as the tile moves")
    if len({(window.whole, window.tile) for window in windows}) > 1:
        raise CannotProve("it uses cells at a fixed place of the whole, which other tiles do not have")
    if len({window.rate for window in moving}) > 1:
        raise CannotProve("its operands move at different rates as the tile moves")
    if len({window.offset for window in moving}) > 1:
        raise CannotProve("its operands lie at different places in the whole", "Crop both in the same way")
    placed = [_placed(window, leader) if window.rate is None else window for window in windows]
    inner, first, last = (_common([getattr(window, name) for window in placed]) for name in ("inner", "first", "last"))
    shift = math.lcm(*(window.shift for window in placed))
    lost = next((window.lost for window in placed if window.lost), None)
    return checked(replace(leader, inner=inner, first=first, last=last, shift=shift, lost=lost))


def _placed(window: Window, leader: Window) -> Window:
    """A uniform window, where it agrees with the whole at the places where `leader` does."""
    if leader.rate is None:
        return window
    start, end, longer = leader.at_start, leader.at_end, window.whole - window.tile
    everywhere = window.inner == (0, window.tile)

    def within(*places: int | None) -> Interval:
        """`inner`, if its cells are the whole's at these places, as far from the ends."""
        fits = all(place is not None and 0 <= place <= longer for place in places)
        return window.inner if everywhere or fits else NONE

    farthest = start + int(leader.more // leader.shift * leader.shift / leader.rate)
    first = window.first if start == 0 else within(start)
    last = window.last if end == longer else within(end)
    return replace(window, inner=within(start, farthest), first=first, last=last)


def _common(intervals: Sequence[Interval]) -> Interval:
    lo, hi = max(lo for lo, _ in intervals), min(hi for _, hi in intervals)
    return (lo, hi) if lo < hi else NONE


def of_numbers(whole: np.ndarray, tile: np.ndarray, more: int) -> Equal | Window | None:
    """How two known arrays agree; None if they do not."""
    if whole.dtype != tile.dtype or whole.ndim != tile.ndim:
        return None
    axes = [n for n in range(whole.ndim) if whole.shape[n] != tile.shape[n]]
    if not axes:
        return EQUAL if np.array_equal(bits_of(whole), bits_of(tile)) else None
    if len(axes) > 1:
        return None
    (axis,) = axes
    if not whole.size or not tile.size:
        return None
    cells, tiles = _cells(whole, axis), _cells(tile, axis)
    count = min(len(cells), len(tiles))
    differs = (cells[:count] != tiles[:count]).any(1)
    first = (0, int(differs.argmax()) if differs.any() else count)
    differs = (cells[::-1][:count] != tiles[::-1][:count]).any(1)
    last = (len(tiles) - (int(differs.argmax()) if differs.any() else count), len(tiles))
    inner = _uniform_run(cells, tiles)
    window = Window(axis, len(cells), len(tiles), more, None, 0, inner, first, last)
    return None if inner == NONE and first[1] == 0 and last[0] == len(tiles) else checked(window)


def _uniform_run(whole: np.ndarray, tile: np.ndarray) -> Interval:
    """The longest run of equal cells of the tile, all of which are equal to the whole's as far from the ends."""
    changes = np.flatnonzero((tile[1:] != tile[:-1]).any(1)) + 1
    ends = [0, *changes.tolist(), len(tile)]
    lo, hi = max(pairwise(ends), key=lambda run: run[1] - run[0])
    same = whole[lo : len(whole) - (len(tile) - hi)]
    return (lo, hi) if len(whole) >= len(tile) and (same == tile[lo]).all() else NONE


def _cells(array: np.ndarray, axis: int) -> np.ndarray:
    """The bytes of an array, one row for each position along an axis."""
    moved = np.moveaxis(array, axis, 0)
    return bits(moved.reshape(len(moved), -1))


def bits_of(array: np.ndarray) -> np.ndarray:
    """The bytes of an array of any rank."""
    return bits(array.reshape(-1))
