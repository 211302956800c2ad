"""Writes at constant indices that advance along the shifted axis, as x.at[:, ::2].set(y) and segment sums do.

A write is a read the other way around: position o of the result is a function of x at o and of its writers, the cells
of the update whose index is o. If the writers of o + distance are `by` rows of the update after those of o, the result
moves by `distance` cells where the update moves by `by` rows.

Theorem: `CertifierWeigh.weigh_local` in proofs/coq, for sums.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from jaxconv.verify.domain import Factor, FactoredAxis, Motion, Moving, length_of, motion_of, scaled
from jaxconv.verify.factors import uniform
from jaxconv.verify.receptive_fields import NOTHING, Advance, advancing
from jaxconv.verify.rule_table import Equation
from jaxconv.verify.rules.indexing import LONGEST_STEP, longest

Writers: TypeAlias = tuple[tuple[int, int], ...]  # cells of the update: (row, number within the row), in order


@dataclass(frozen=True)
class Rows:
    """Known indices into one axis of x, in rows, one for each position along an axis of the update.

    Attributes:
        axis: the axis of x.
        of_update: the axis of the update.
        targets: [row, n]: the positions along the axis of x that the cells of each row are written to.
    """

    axis: int
    of_update: int
    targets: np.ndarray

    def writers(self, length: int) -> list[Writers]:
        """The writers of each of `length` positions along the axis of x."""
        writers: list[list[tuple[int, int]]] = [[] for _ in range(length)]
        for row, targets in enumerate(self.targets.tolist()):
            for n, target in enumerate(targets):
                writers[target].append((row, n))
        return [tuple(cells) for cells in writers]


def rows_along(indices: np.ndarray, column: int, number: int, window: int) -> np.ndarray | None:
    """The targets of windows whose starts are in one column of the indices, in rows along one of the indices' axes.

    None if the starts do not vary along that axis, or if another column does.
    """
    rows = np.moveaxis(indices, number, 0).reshape(indices.shape[number], -1, indices.shape[-1]).astype(int)
    starts, others = rows[..., column], np.delete(rows, column, axis=-1)
    if (starts == starts[:1]).all() or (others != others[:1]).any():
        return None
    return (starts[..., None] + np.arange(window)).reshape(len(rows), -1)


def advanced(eqn: Equation[Moving], rows: Rows, x: Moving, update: Moving) -> tuple[Moving, FactoredAxis] | None:
    """The update, for shifts that are whole steps of the rows, and the axis of the result that it is written to.

    None if the rows have no fixed step, or if neither the update moves along its rows nor x where a uniform update is
    written.
    """
    length, count = length_of(x.axes[rows.axis]), len(rows.targets)
    motion, around = motion_of(update.axes[rows.of_update]), motion_of(x.axes[rows.axis])
    if rows.targets.min() < 0 or rows.targets.max() >= length:
        return None
    if motion is None and (around is None or not uniform(update.axes[rows.of_update])):
        return None
    valid = [motion is None or motion.lo <= row < motion.hi for row in range(count)]
    whole = x.period(motion) == count if motion is not None else around is not None and x.period(around) == length
    advance = _advance(rows.writers(length), valid, whole)
    if advance is None:
        return None
    if motion is not None:
        update = scaled(update, abs(advance[1]) // math.gcd(update.step(motion), advance[1]))
        moved = _written(motion, rows, length, advance, whole)
    else:
        assert around is not None
        # A pattern of equal numbers is a constant with a period, which moves as x does if x moves by whole periods.
        distance, _, lo, hi = advance
        update = scaled(update, distance // math.gcd(x.step(around), distance))
        moved = replace(around, lo=lo, hi=hi, field=NOTHING, edge=None, lost=None)
    return update, (Factor(length, motion=replace(moved, signal=eqn.walk.new_signal(), start=0)),)


def _written(motion: Motion, rows: Rows, length: int, advance: Advance, whole: bool) -> Motion:
    """The motion of the axis to which an update with a motion is written."""
    distance, by, lo, hi = advance
    listed = [[row for row, _ in writers] for writers in rows.writers(length)]
    field = None if whole else advancing(motion.field, motion.rate, listed, advance)
    return replace(motion, rate=motion.rate * by / distance, lo=lo, hi=hi, field=field)


def _advance(writers: Sequence[Writers], valid: Sequence[bool], whole: bool) -> Advance | None:
    """How the writers advance: writers[o + distance] = writers[o] + by rows for o in [lo, hi - distance).

    The result has the most pairs. Rows that are not `valid` do not count. If the rows are a whole period of the signal,
    they and the positions count modulo their numbers, and all must advance.
    """
    length, count, best = len(writers), len(valid), None
    is_valid = np.array([all(valid[row] for row, _ in cells) for cells in writers], bool)
    for distance in range(1, min(length // 2, LONGEST_STEP) + 1):
        by = _rows_ahead(writers, distance)
        if by == 0 or (whole and length * abs(by) != count * distance):
            continue
        ahead = [sorted(((row + by) % count if whole else row + by, n) for row, n in cells) for cells in writers]
        pairs = length if whole else length - distance
        same = np.array([writers[(o + distance) % length] == tuple(ahead[o]) for o in range(pairs)], bool)
        if whole:
            if same.all():
                return distance, by, 0, length
            continue
        span = longest(same & is_valid[distance:] & is_valid[:-distance], distance)
        if span is not None and (best is None or span[1] - span[0] - distance > best[3] - best[2] - best[0]):
            best = distance, by, *span
    return best


def _rows_ahead(writers: Sequence[Writers], distance: int) -> int:
    """The most frequent number of rows from the first writer of a position to that of the position `distance` on."""
    pairs = zip(writers[:-distance], writers[distance:], strict=True)
    steps = [after[0][0] - before[0][0] for before, after in pairs if before and after]
    return max(set(steps), key=steps.count) if steps else 0
