"""How a value of a tile's execution agrees with the same value of the whole's execution.

A function is traced twice: for the whole input of n cells along an axis, and for a tile of l cells, which holds the
whole's cells o, o + 1, ..., o + l - 1. A value of the tile agrees with that of the whole if it is equal (`Equal`), or
if it is a window of it along one axis (`Window`):

    tile[j] = whole[j + offset + o / rate]    for j in [lo, hi), and each o that is a multiple of `shift`.

`rate` is the number of input cells per cell, negative for a reversed axis. It is None for a value that is uniform
along the axis, which agrees wherever the tile lies. There are three intervals [lo, hi): `inner` holds for each o;
`first` holds for o = 0, where tile and whole begin with the same padding; `last` holds for o = n - l, where they end
with the same padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from jaxconv.jaxprs.evaluate import Path
from jaxconv.verify.claims import Culprit

Interval: TypeAlias = tuple[int, int]  # [lo, hi)
NONE: Interval = (0, 0)


@dataclass(frozen=True)
class Equal:
    """A value that is the same in both executions."""


@dataclass(frozen=True)
class Window:
    """A value whose axis number `axis` has `whole` cells in one execution, and `tile` cells in the other.

    `more` is n - l, how many more cells the whole input has. If `rate` is None, all cells of the tile in `inner` are
    equal to all cells of the whole that are as far from the ends; `first` counts from the start, and `last` from the
    end. `lost` is the equation after which `inner` is empty.
    """

    axis: int
    whole: int
    tile: int
    more: int
    rate: Fraction | None
    offset: int
    inner: Interval
    first: Interval
    last: Interval
    shift: int = 1
    lost: Culprit | None = None

    @property
    def at_start(self) -> int:
        """The position of the tile's first cell in the whole, if the tile begins where the whole does."""
        return self.offset

    @property
    def at_end(self) -> int | None:
        """The same, if the tile ends where the whole does; None if no tile does."""
        if self.rate is None:
            return self.whole - self.tile
        moved = self.more / self.rate
        return None if moved.denominator > 1 or self.more % self.shift else self.offset + int(moved)

    @property
    def begins_with_whole(self) -> bool:
        """Whether the first cells of tile and whole are the same, if the tile begins where the whole does."""
        return self.first[0] == 0 < self.first[1] and self.at_start == 0

    @property
    def ends_with_whole(self) -> bool:
        """Whether the last cells of tile and whole are the same, if the tile ends where the whole does."""
        return self.last[1] == self.tile > self.last[0] and self.at_end == self.whole - self.tile


@dataclass(frozen=True)
class Different:
    """A value that does not agree, and the equation that is the cause."""

    culprit: Culprit


Agreement: TypeAlias = Equal | Window | Different
EQUAL = Equal()


@dataclass(frozen=True)
class PairRow:
    """One row of a derivation: a pair of equations, and how their results agree.

    Attributes:
        path: of the equations: of the calls around them, then their number, as in `traverse.with_paths`.
        primitive: name of the whole's primitive.
        outputs: how each result agrees.
    """

    path: Path
    primitive: str
    outputs: tuple[Agreement, ...]
