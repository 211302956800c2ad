"""Moves of an output that remain possible after executing f(x) and f(y) for shifted inputs y.

- Cyclic shifts: the rolls of f(x) along one or several output axes. Invariance is the roll by 0.
- Interior shifts: invariance, and moves by t along one output axis or along two jointly (as in attention maps), with
  0 < |t| <= m/2. A move remains possible while f(y)[j + t] == f(x)[j] holds at `max(|t|, 2)` consecutive positions j,
  along each axis of the move.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product
from typing import TypeAlias

import numpy as np

from jaxconv.verify.execution.outcome import Outcome

MOST_ROLLS = 64  # rolls that are compared in every cell; an output with more is almost constant
COMPARISONS = 2**27  # cells that are compared to find the moves that remain

Move: TypeAlias = tuple[tuple[int, int], ...]  # (output axis, t) for each axis; empty for invariance
Rolls: TypeAlias = np.ndarray  # one row per roll: by how many cells each axis is rolled
# For each move: whether it holds at each position j, for all j with j + t in range.
SurvivingMoves: TypeAlias = dict[Move, np.ndarray]


class TooManyError(Exception):
    """The comparisons exceed the budget `COMPARISONS`."""


def rolls_left(outcome: Outcome, known: Rolls | None) -> Rolls | None:
    """The rolls of f(x) that equal f(y), among those of `known`; `known` itself if more than `MOST_ROLLS` remain.

    `known` is None if no roll is excluded yet. Comparing the cells furthest from the median first leaves few rolls to
    compare in every cell.
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
    """The indices of the 16 cells whose absolute values are furthest from their median."""
    size = np.abs(array.ravel())
    with np.errstate(invalid="ignore"):
        return np.argsort(-np.abs(size - np.median(size)), kind="stable")[:16]


def moves_left(outcome: Outcome, known: Sequence[SurvivingMoves | None]) -> list[SurvivingMoves]:
    """For each shift, the moves that remain possible and the positions at which they hold.

    `known` has the moves that remain from earlier samples, for each shift; None if no move is excluded yet.
    """
    surviving: list[SurvivingMoves] = [{} if moves is None else dict(moves) for moves in known]
    fresh = [row for row, moves in enumerate(known) if moves is None]
    for row, move in _candidates(outcome, fresh) if fresh else ():
        surviving[row][move] = np.ones(_position_counts(move, outcome.before.shape), np.bool_)
    budget = COMPARISONS - sum(len(moves) for moves in surviving) * outcome.before.size
    if budget < 0:
        raise TooManyError
    return [_surviving(outcome.row(row), moves) for row, moves in enumerate(surviving)]


def _surviving(pair: Outcome, moves: SurvivingMoves) -> SurvivingMoves:
    """The moves that remain possible after the outcome of one shift, and the positions at which they hold."""
    surviving: SurvivingMoves = {}
    for move, cells in moves.items():
        j, p = _slices(move, pair.before.ndim)
        differs = pair.differ(j, p)
        others = tuple(axis for axis in range(differs.ndim) if axis not in dict(move))
        holds = cells & ~differs.any(axis=others)
        if _has_run(holds, [abs(t) for _, t in move]):
            surviving[move] = holds
    return surviving


def steps(length: int) -> list[int]:
    """The nonzero t by which an output axis of this length may move: up to half of it, and two positions remain.

    >>> steps(4), steps(2)
    ([1, -1, 2, -2], [])
    """
    return [t for size in range(1, length // 2 + 1) for t in (size, -size) if length - size >= max(size, 2)]


def _candidates(outcome: Outcome, rows: Sequence[int]) -> Iterator[tuple[int, Move]]:
    """(row, move) for each move that may hold. In one column, one position of each run of `max(|t|, 2)` is compared."""
    shape = outcome.before.shape
    yield from ((row, ()) for row in rows)
    groups = [axes for count in (1, 2) for axes in combinations(range(len(shape)), count)]
    sizes = [sum(len(steps(shape[axis])) > 0 for axis in axes) == len(axes) for axes in groups]
    groups = [axes for axes, moves in zip(groups, sizes, strict=True) if moves]
    probes: Callable[[int], int] = lambda n: sum((n - abs(t)) // max(abs(t), 2) for t in steps(n))
    if sum(math.prod(probes(shape[axis]) for axis in axes) for axes in groups) * len(rows) > COMPARISONS:
        raise TooManyError
    for axes in groups:
        column = _column(outcome, axes, rows)
        for along in product(*(steps(shape[axis]) for axis in axes)):
            move = tuple(zip(axes, along, strict=True))
            j, p = zip(*(_probed(shape[axis], t) for axis, t in move), strict=True)
            differs = column.differ(j, (slice(None), *p))
            possible = ~differs.all(axis=tuple(range(1, differs.ndim)))
            yield from ((rows[number], move) for number in np.flatnonzero(possible).tolist())


def _column(outcome: Outcome, axes: tuple[int, ...], rows: Sequence[int]) -> Outcome:
    """The outcome along some output axes, at the index along the other axes where f(x) varies most."""
    front = tuple(range(len(axes)))
    lengths = [outcome.before.shape[axis] for axis in axes]
    flat: Callable[[np.ndarray], np.ndarray] = lambda array: np.moveaxis(array, axes, front).reshape(*lengths, -1)
    before = flat(outcome.before)
    size = np.nan_to_num(np.abs(before), posinf=0).reshape(-1, before.shape[-1])
    at = int(size.std(axis=0).argmax())
    of_rows: Callable[[np.ndarray], np.ndarray] = lambda array: np.stack([flat(array[row])[..., at] for row in rows])
    return Outcome(
        before[..., at],
        of_rows(outcome.after),
        flat(outcome.before_tolerance)[..., at],
        of_rows(outcome.after_tolerance),
    )


def _probed(length: int, t: int) -> tuple[slice, slice]:
    """Slices of j and j + t: one position j in each run of `max(|t|, 2)` positions with j + t in range."""
    run = max(abs(t), 2)
    j = slice(max(0, -t) + run - 1, length - max(0, t), run)
    return j, slice(j.start + t, j.stop + t, run)


def _slices(move: Move, rank: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of j and j + t, for all positions j with j + t in range."""
    along = dict(move)
    cut: Callable[[int, int], slice] = lambda start, end: slice(max(0, start), None if end <= 0 else -end)
    j = tuple(cut(-along.get(axis, 0), along.get(axis, 0)) for axis in range(rank))
    p = tuple(cut(along.get(axis, 0), -along.get(axis, 0)) for axis in range(rank))
    return j, p


def _position_counts(move: Move, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The number of positions j with j + t in range, along each axis of the move."""
    return tuple(shape[axis] - abs(t) for axis, t in move)


def _has_run(cells: np.ndarray, sizes: Sequence[int]) -> bool:
    """Whether a block of `max(size, 2)` consecutive cells along each axis is all True."""
    for axis, size in enumerate(sizes):
        run = max(size, 2)
        total = np.cumsum(np.moveaxis(cells, axis, 0), axis=0)
        total = np.concatenate([np.zeros_like(total[:1]), total])
        cells = np.moveaxis(total[run:] - total[:-run] == run, 0, axis)
    return bool(cells.any())
