"""Inputs as windows of longer sources, so that a shift brings in new content at the border.

The input x and each shifted y are windows of one source. For cyclic shifts the source is x itself, and windows wrap
around. Otherwise the source is longer than x. So y is a shift of x for any content of the source, and a search may
change any cell of it. Random keys are windows of their data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

LeafAxes: TypeAlias = tuple[tuple[int, int], ...]  # (leaf, axis) pairs that are shifted together
LeafShift: TypeAlias = tuple[LeafAxes, int]  # and by how many cells


@dataclass(frozen=True)
class Windows:
    """The shifted inputs of one draw: x, then a window for each row.

    Attributes:
        shapes: the shapes of the leaves of which there are sources.
        rows: the shifts.
        cyclic: whether windows wrap around.
    """

    shapes: Mapping[int, tuple[int, ...]]
    rows: tuple[LeafShift, ...]
    cyclic: bool

    @cached_property
    def margins(self) -> dict[tuple[int, int], tuple[int, int]]:
        """For each (leaf, axis) that is shifted: how many cells longer the source is before x, and after it."""
        shifts: dict[tuple[int, int], list[int]] = {}
        for along, shift in () if self.cyclic else self.rows:
            for pair in along:
                shifts.setdefault(pair, [0]).append(shift)
        return {pair: (max(both), -min(both)) for pair, both in shifts.items()}

    @property
    def sources(self) -> dict[int, tuple[int, ...]]:
        """The shape of each source."""
        added = {pair: sum(both) for pair, both in self.margins.items()}
        return {
            leaf: tuple(n + added.get((leaf, axis), 0) for axis, n in enumerate(shape))
            for leaf, shape in self.shapes.items()
        }

    def window(self, sources: Mapping[int, np.ndarray], row: LeafShift = ((), 0)) -> dict[int, np.ndarray]:
        """x, or the window of one row. `sources` may have other leaves, which are ignored."""
        along, shift = row
        windows: dict[int, np.ndarray] = {}
        for leaf, shape in self.shapes.items():
            window = sources[leaf]
            for axis, length in enumerate(shape):
                start = self.margins.get((leaf, axis), (0, 0))[0] - (shift if (leaf, axis) in along else 0)
                if start or window.shape[axis] != length:
                    window = window.take(np.arange(start, start + length), axis, mode="wrap")
            windows[leaf] = window
        return windows

    def stacks(
        self, sources: Mapping[int, np.ndarray], rows: Sequence[LeafShift] | None = None
    ) -> dict[int, np.ndarray]:
        """x and the windows of the rows (all of them by default), stacked for `Program.execute`."""
        windows = [self.window(sources, row) for row in (((), 0), *(self.rows if rows is None else rows))]
        return {leaf: np.stack([window[leaf] for window in windows]) for leaf in self.shapes}
