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
from jaxconv.verify.receptive_fields import NOTHING, Advance
from jaxconv.verify.rule_table import Equation
from jaxconv.verify.rules.advancing_rows import LONGEST_STEP, check_step, field_of_rows, longest

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
    length = length_of(x.axes[rows.axis])
    motion, around = motion_of(update.axes[rows.of_update]), motion_of(x.axes[rows.axis])
    if rows.targets.min() < 0 or rows.targets.max() >= length:
        return None
    if motion is not None:
        found = _of_moving(rows, length, update, motion)
    elif around is not None and uniform(update.axes[rows.of_update]):
        found = _of_pattern(rows, length, x, update, around)
    else:
        return None
    if found is None:
        return None
    update, moved = found
    return update, (Factor(length, motion=replace(moved, signal=eqn.walk.new_signal(), start=0)),)


def _of_moving(rows: Rows, length: int, update: Moving, motion: Motion) -> tuple[Moving, Motion] | None:
    """The update and the motion of the result, for an update that moves along its rows."""
    count = len(rows.targets)
    valid = [motion.lo <= row < motion.hi for row in range(count)]
    whole = all(valid) and update.period(motion) == count
    writers = rows.writers(length)
    advance = _advance(writers, valid, whole)
    if advance is None:
        return None
    distance, by, lo, hi = advance
    check_step(motion, by, update.period(motion))
    listed = [[row for row, _ in cells] for cells in writers]
    field = field_of_rows(motion, listed, advance, count if whole else None)
    moved = replace(motion, rate=motion.rate * by / distance, lo=lo, hi=hi, field=field)
    return scaled(update, abs(by) // math.gcd(update.step(motion), by)), moved


def _of_pattern(rows: Rows, length: int, x: Moving, update: Moving, around: Motion) -> tuple[Moving, Motion] | None:
    """The update and the motion of the result, for equal numbers that are written to an axis with a motion.

    Their positions are a pattern with a period, which moves as x does if x moves by whole periods.
    """
    advance = _advance(rows.writers(length), [True] * len(rows.targets), x.period(around) == length)
    if advance is None:
        return None
    distance, _, lo, hi = advance
    moved = Motion(around.rate, lo, hi, NOTHING, around.signal)
    return scaled(update, distance // math.gcd(x.step(around), distance)), moved


def _advance(writers: Sequence[Writers], valid: Sequence[bool], whole: bool) -> Advance | None:
    """How the writers advance: writers[o + distance] = writers[o] + by rows for o in [lo, hi - distance).

    The result has the most pairs. Rows that are not `valid` do not count. If the rows are a whole period of the signal,
    they and the positions count modulo their numbers, and all must advance.
    """
    length, count, best = len(writers), len(valid), None
    is_valid = np.array([all(valid[row] for row, _ in cells) for cells in writers], bool)
    for distance in range(1, min(length // 2, LONGEST_STEP) + 1):
        if whole:
            by, rest = divmod(count * distance, length)  # once around the axis is once through the rows
            turned = next((k for k in (by, -by) if not rest and _turns(writers, count, distance, k)), None)
            if turned is not None:
                return distance, turned, 0, length
            continue
        by = _rows_ahead(writers, distance)
        if by == 0:
            continue
        ahead = [tuple((row + by, n) for row, n in cells) for cells in writers]
        same = np.array([writers[o + distance] == ahead[o] for o in range(length - distance)], bool)
        span = longest(same & is_valid[distance:] & is_valid[:-distance], distance)
        if span is not None and (best is None or span[1] - span[0] - distance > best[3] - best[2] - best[0]):
            best = distance, by, *span
    return best


def _turns(writers: Sequence[Writers], count: int, distance: int, by: int) -> bool:
    """Whether the writers of every position, modulo their number, are `by` rows before those `distance` ahead."""
    ahead = (tuple(sorted(((row + by) % count, n) for row, n in cells)) for cells in writers)
    return all(writers[(o + distance) % len(writers)] == cells for o, cells in enumerate(ahead))


def _rows_ahead(writers: Sequence[Writers], distance: int) -> int:
    """The most frequent number of rows from the first writer of a position to that of the position `distance` on."""
    pairs = zip(writers[:-distance], writers[distance:], strict=True)
    steps = [after[0][0] - before[0][0] for before, after in pairs if before and after]
    return max(set(steps), key=steps.count) if steps else 0
