"""Where tiles begin along one axis, and which part of each tile's output is kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from jaxconv.errors import explain
from jaxconv.verify.tiling.certificate import TilingAxis

Part: TypeAlias = tuple[int, int, int] | None  # (lo, hi, at): see `Tile`
NOTHING: Part = (0, 0, 0)


@dataclass(frozen=True)
class Tile:
    """A tile along one axis: its first input cell, its number of cells, and a part of each output.

    A part is (lo, hi, at): the tile's output cells [lo, hi) are the whole's from cell `at` on. Each cell of the whole
    is in one part only. An output that is the same for every tile is the part None of the first tile.
    """

    offset: int
    size: int
    parts: tuple[Part, ...]


def last_size(claims: Sequence[TilingAxis]) -> int:
    """The size of the last tile: the largest that differs from the whole's by a multiple of the shift.

    >>> last_size([TilingAxis(((0, 1),), whole=101, tile=32, shift=4)])
    29
    """
    whole, size = claims[0].whole, claims[0].tile
    return size - (size - whole) % common_shift(claims)


def common_shift(claims: Iterable[TilingAxis]) -> int:
    """The least number of cells of which all offsets are multiples."""
    return math.lcm(*(claim.shift for claim in claims))


def inside(claims: Sequence[TilingAxis], ends: Sequence[TilingAxis]) -> list[Tile]:
    """Return the tiles of an input, the first of which begins with it, and the last of which ends with it.

    Args:
        claims: the claim about each output, for tiles of the usual size.
        ends: the same for the last tile.

    Raises:
        ValueError: tiles are so small that neighbours do not meet.
    """
    whole, size, end = claims[0].whole, claims[0].tile, ends[0].whole - ends[0].tile
    offsets = range(0, end, _advance([*claims, *ends]))
    tiles = [
        Tile(offset, size, tuple(_part(claim, offset, claim.inner if offset else claim.first) for claim in claims))
        for offset in offsets
        if offset + size <= whole
    ]
    tiles.append(Tile(end, ends[0].tile, tuple(_part(claim, end, claim.last) for claim in ends)))
    return _without_repeats(tiles, claims)


def around(claims: Sequence[TilingAxis]) -> list[Tile]:
    """Return tiles of an input whose ends are joined, which begin before it and end after it.

    The parts of an output may begin before it, too: its cells are counted modulo its length.
    """
    offsets = range(0, claims[0].whole, _advance(claims))
    tiles = [
        Tile(offset, claims[0].tile, tuple(_part(claim, offset, claim.inner) for claim in claims)) for offset in offsets
    ]
    return _without_repeats(tiles, claims)


def _without_repeats(tiles: Sequence[Tile], claims: Sequence[TilingAxis]) -> list[Tile]:
    """The tiles, without the cells that an earlier tile has: rounding may differ between two tiles."""
    columns = [_each_once([tile.parts[leaf] for tile in tiles], claim) for leaf, claim in enumerate(claims)]
    return [replace(tile, parts=parts) for tile, parts in zip(tiles, zip(*columns, strict=True), strict=True)]


def _each_once(parts: Sequence[Part], claim: TilingAxis) -> list[Part]:
    if claim.output_axis is None:
        return [None, *[NOTHING] * (len(parts) - 1)]
    found, kept = np.zeros(claim.output_whole, bool), list[Part]()
    for lo, hi, at in filter(None, parts):
        cells = np.arange(at, at + hi - lo) % claim.output_whole
        new = np.flatnonzero(~found[cells])
        first, last = (int(new[0]), int(new[-1])) if new.size else (0, -1)
        kept.append((lo + first, lo + last + 1, at + first) if new.size else NOTHING)
        found[cells] = True
    return kept


def missing(tiles: Sequence[Tile], claims: Sequence[TilingAxis]) -> bool:
    """Whether some cell of an output is in no tile. Cells are counted modulo the output's length."""
    for number, claim in enumerate(claims):
        if claim.output_axis is None:
            continue
        found = np.zeros(claim.output_whole, bool)
        for lo, hi, at in filter(None, (tile.parts[number] for tile in tiles)):
            found[np.arange(at, at + hi - lo) % claim.output_whole] = True
        if not found.all():
            return True
    return False


def _part(claim: TilingAxis, offset: int, cells: tuple[int, int]) -> Part:
    if claim.output_axis is None:
        return None
    lo, hi = cells
    return lo, hi, lo + claim.start + offset * claim.step // claim.shift


def _advance(claims: Sequence[TilingAxis]) -> int:
    """The largest distance between two tiles whose outputs meet.

    Raises:
        ValueError: it would be less than the shift.
    """
    shift = common_shift(claims)
    reaches = [_reach(claim) for claim in claims if claim.output_axis is not None]
    advance = min(reaches, default=claims[0].tile) // shift * shift
    if not advance:
        lost = max(claim.tile - _reach(claim) for claim in claims if claim.output_axis is not None)
        raise too_small(claims[0], lost + shift, claims[0].tile)
    return advance


def too_small(claim: TilingAxis, smallest: int, size: int) -> ValueError:
    """The error for tiles of a size along the axis of a claim."""
    argument, axis = claim.tiled[0]
    expected = f"{smallest} or more, so that some cells of each tile are free of its border"
    return ValueError(explain(f"the tile along axis {axis} of argument {argument}", size, expected, "Use larger tiles"))


def _reach(claim: TilingAxis) -> int:
    """The distance between two tiles whose outputs meet, in input cells."""
    return (claim.inner[1] - claim.inner[0]) * claim.shift // abs(claim.step)
