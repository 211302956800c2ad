"""Answers of an output to shifts of its input: which of them stand after executing f(x) and f(y) for shifted inputs y.

- Cyclic shifts: the rolls of f(x) along one or several output axes; no change at all is the roll by 0.
- Interior shifts: no change at all, and moves by t along one output axis, or along two at once (as attention maps
  do), with 0 < |t| <= m/2. A move stands as long as `max(|t|, 2)` consecutive positions j with f(y)[j + t] == f(x)[j]
  do, along both axes if there are two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TypeAlias

import numpy as np

from jaxconv.verify.execution.tolerance import gap

MOST_ROLLS = 64  # tried in full; an output to which more are left is all but constant
COMPARISONS = 2**27  # cells that are compared to find out which moves stand

Move: TypeAlias = tuple[tuple[int, int], ...]  # (output axis, t) each; none at all is no change
Rolls: TypeAlias = np.ndarray  # a row of cells by which each axis is rolled
# For each move: whether it stands at each position j, for all j with j + t in range.
SurvivingMoves: TypeAlias = dict[Move, np.ndarray]


class TooManyError(Exception):
    """There are more comparisons to make than the budget allows."""


@dataclass(frozen=True)
class Outcome:
    """f(x), and f(y) for each shift [shifts, ...]; and by how much each cell may be off."""

    before: np.ndarray
    after: np.ndarray
    before_doubt: np.ndarray
    after_doubt: np.ndarray

    def row(self, number: int) -> Outcome:
        """The outcome of one shift, f(y) without an axis for the shifts."""
        return Outcome(self.before, self.after[number], self.before_doubt, self.after_doubt[number])

    def differ(self, j: tuple, p: tuple) -> np.ndarray:
        """Where f(y)[p] is not f(x)[j], for any indices that NumPy takes."""
        return gap(self.after[p], self.before[j]) > self.after_doubt[p] + self.before_doubt[j]


def rolls_left(outcome: Outcome, known: Rolls | None) -> Rolls | None:
    """The rolls by which f(y) is f(x); `known` stood before, None if all did. None if they are too many to try.

    That the cells which stand out most must meet leaves few rolls to try in full.
    """
    shape = outcome.before.shape
    cells = np.stack(np.unravel_index(np.arange(outcome.before.size), shape), axis=-1)
    rolls = cells if known is None else known

    def differ(j: np.ndarray, p: np.ndarray) -> np.ndarray:
        return outcome.differ(tuple((j % shape).T), tuple((p % shape).T))

    for j, p in zip(cells[_peaks(outcome.before)], cells[_peaks(outcome.after)], strict=True):
        rolls = rolls[~differ(j, j + rolls)]
        rolls = rolls[~differ(p - rolls, p)]
    if len(rolls) > MOST_ROLLS:
        return known
    return rolls[[not differ(cells, cells + t).any() for t in rolls]] if len(rolls) else rolls


def _peaks(array: np.ndarray) -> np.ndarray:
    """The 16 cells that stand out most."""
    size = np.abs(array.ravel())
    with np.errstate(invalid="ignore"):
        return np.argsort(-np.abs(size - np.median(size)), kind="stable")[:16]


def moves_left(outcome: Outcome, known: Sequence[SurvivingMoves | None]) -> list[SurvivingMoves]:
    """For each shift the moves that stand, and where; `known` stood before, None if all did."""
    found: list[SurvivingMoves] = [{} if moves is None else dict(moves) for moves in known]
    fresh = [row for row, moves in enumerate(known) if moves is None]
    for row, move in _candidates(outcome, fresh) if fresh else ():
        found[row][move] = np.ones(_count_of_positions(move, outcome.before.shape), np.bool_)
    budget = COMPARISONS - sum(len(moves) for moves in found) * outcome.before.size
    if budget < 0:
        raise TooManyError
    return [_standing(outcome.row(row), moves) for row, moves in enumerate(found)]


def _standing(pair: Outcome, moves: SurvivingMoves) -> SurvivingMoves:
    """Of some moves those that stand, and where."""
    found = {}
    for move, cells in moves.items():
        here, there = _slices(move, pair.before.ndim)
        apart = pair.differ(here, there)
        others = tuple(axis for axis in range(apart.ndim) if axis not in dict(move))
        left = cells & ~apart.any(axis=others)
        if _holds_a_run(left, [abs(t) for _, t in move]):
            found[move] = left
    return found


def steps(length: int) -> list[int]:
    """The t by which an output axis may move: up to half of it, so that two positions or more are left."""
    return [t for size in range(1, length // 2 + 1) for t in (size, -size) if length - size >= max(size, 2)]


def _candidates(outcome: Outcome, rows: Sequence[int]) -> Iterator[tuple[int, Move]]:
    """Every move that may stand, by row: of each run of `max(|t|, 2)` positions one is looked at, in one column."""
    shape = outcome.before.shape
    yield from ((row, ()) for row in rows)
    groups = [axes for count in (1, 2) for axes in combinations(range(len(shape)), count)]
    sizes = [sum(len(steps(shape[axis])) > 0 for axis in axes) == len(axes) for axes in groups]
    groups = [axes for axes, moves in zip(groups, sizes, strict=True) if moves]
    probes = lambda axis: sum((shape[axis] - abs(t)) // max(abs(t), 2) for t in steps(shape[axis]))
    if sum(math.prod(map(probes, axes)) for axes in groups) * len(rows) > COMPARISONS:
        raise TooManyError
    for axes in groups:
        one = _column(outcome, axes, rows)
        for along in product(*(steps(shape[axis]) for axis in axes)):
            move = tuple(zip(axes, along, strict=True))
            here, there = zip(*(_probed(shape[axis], t) for axis, t in move), strict=True)
            apart = one.differ(here, (slice(None), *there))
            left = ~apart.all(axis=tuple(range(1, apart.ndim)))
            yield from ((rows[number], move) for number in np.flatnonzero(left).tolist())


def _column(outcome: Outcome, axes: tuple[int, ...], rows: Sequence[int]) -> Outcome:
    """The outcome along some output axes, at the place along the others where f(x) varies most."""
    front = tuple(range(len(axes)))
    lengths = [outcome.before.shape[axis] for axis in axes]
    flat = lambda array: np.moveaxis(array, axes, front).reshape(*lengths, -1)
    before = flat(outcome.before)
    size = np.nan_to_num(np.abs(before), posinf=0).reshape(-1, before.shape[-1])
    at = int(size.std(axis=0).argmax())
    many = lambda array: np.stack([flat(array[row])[..., at] for row in rows])
    return Outcome(before[..., at], many(outcome.after), flat(outcome.before_doubt)[..., at], many(outcome.after_doubt))


def _probed(length: int, t: int) -> tuple[slice, slice]:
    """Positions j, one in each run of `max(|t|, 2)` of those with j + t in range; and j + t."""
    run = max(abs(t), 2)
    here = slice(max(0, -t) + run - 1, length - max(0, t), run)
    return here, slice(here.start + t, here.stop + t, run)


def _slices(move: Move, rank: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """All positions j with j + t in range, and j + t."""
    along = dict(move)
    cut = lambda start, end: slice(max(0, start), None if end <= 0 else -end)
    here = tuple(cut(-along.get(axis, 0), along.get(axis, 0)) for axis in range(rank))
    there = tuple(cut(along.get(axis, 0), -along.get(axis, 0)) for axis in range(rank))
    return here, there


def _count_of_positions(move: Move, shape: tuple[int, ...]) -> tuple[int, ...]:
    """How many positions j have j + t in range, along each axis that moves."""
    return tuple(shape[axis] - abs(t) for axis, t in move)


def _holds_a_run(cells: np.ndarray, sizes: Sequence[int]) -> bool:
    """Whether `max(size, 2)` consecutive cells are all there, along each axis at once."""
    for axis, size in enumerate(sizes):
        run = max(size, 2)
        total = np.cumsum(np.moveaxis(cells, axis, 0), axis=0)
        total = np.concatenate([np.zeros_like(total[:1]), total])
        cells = np.moveaxis(total[run:] - total[:-run] == run, 0, axis)
    return bool(cells.any())
