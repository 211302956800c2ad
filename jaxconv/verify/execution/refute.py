"""The search for counterexamples: draw samples until together they refute every shift, then shrink.

A shift is refuted if no move of the output remains possible after all samples.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias, cast

import jax
import numpy as np

from jaxconv.jaxprs.typing import ArrayValue, PyTree
from jaxconv.verify.claims import Witness
from jaxconv.verify.execution import experiment as experiments
from jaxconv.verify.execution.draw import exchanged
from jaxconv.verify.execution.experiment import ROWS, CannotRunError, Experiment, prepare
from jaxconv.verify.execution.moves import Rolls, SurvivingMoves, TooManyError, moves_left, rolls_left, steps
from jaxconv.verify.execution.outcome import Outcome
from jaxconv.verify.execution.program import Program, TooLateError
from jaxconv.verify.execution.tolerance import gap, is_kind

# One row per sample: (whether parameters are whole numbers, whether they have both signs). Whole numbers are exact,
# reals do not saturate a softmax, and a variance must be positive.
RECIPES = ((True, True), (False, True), (True, False), (False, False))
ROUNDS = 3  # of all recipes; a round without progress is the last

Draw: TypeAlias = list[ArrayValue]
Possible: TypeAlias = Rolls | SurvivingMoves | None  # the moves that remain possible; None if all do


@dataclass
class Budget:
    """The time for some searches together.

    Attributes:
        limit: the time for all of them, in seconds.
        spent: the time that they have taken so far.
        ended: whether the last search ended early, because no time was left.
    """

    limit: float
    spent: float = 0.0
    ended: bool = False


def refute(
    program: Program,
    arguments: tuple[PyTree, ...],
    argument: int,
    axis: int,
    number: int,
    shifts: Sequence[int],
    *,
    cyclic: bool,
    seed: int = 0,
    free_parameters: bool = False,
    budget: Budget | None = None,
) -> Witness | None:
    """Samples with which some shifts are not equivariant: none of the candidate moves of the output holds.

    - Cyclic: samples x for which f(roll(x, shift)) is no roll of f(x), along any of its axes or several, nor f(x).
    - Otherwise: samples x and y, where y is a shift of x, and new content enters at the border. The candidates are
      invariance, and each move by t along one output axis of length m or along two jointly, with 0 < |t| <= m/2. A move
      remains possible while it holds at `max(|t|, 2)` consecutive positions (`execution/moves.py`).

    Args:
      program: the function f, traced at these arguments.
      arguments: pytrees of arrays, used as they are, and of `jax.ShapeDtypeStruct`, drawn by the search.
      argument: number of the leaf of `arguments` that is shifted; only its shape and dtype are used.
      axis: the axis of that leaf.
      number: number of the output leaf that is compared.
      shifts: by how many cells the input is shifted, from 1 up to its length; all are tried in one compiled call.
      cyclic: whether shifts wrap around.
      seed: seed of the draws; the same seed finds the same witness.
      free_parameters: draw the other float arguments as well, although they have values.
      budget: the time for this search and others; by default, `experiment.SECONDS` for this one.

    Returns:
      The samples and the shifts that they refute. None if they refute no shift, or if the function cannot be executed
      here or is too large. If one sample refutes every cyclic shift, it is shrunk.
    """
    started, budget = time.monotonic(), budget or Budget(experiments.SECONDS)
    budget.ended = False
    try:
        timed = prepare(
            program,
            arguments,
            argument,
            number,
            axis,
            shifts,
            cyclic=cyclic,
            free_parameters=free_parameters,
            until=started + budget.limit - budget.spent,
        )
        draws, budget.ended = _refuting(timed, np.random.default_rng(seed))
        experiment = replace(timed, until=float("inf"))  # repeating the draws takes no longer than the search did
        refuted = _refuted_by(experiment, draws)
        if cyclic and len(refuted) == len(experiment.shifts):
            alone = next((draw for draw in draws if _refuted_by(experiment, [draw]) == refuted), None)
            draws = draws if alone is None else [_shrunk(timed, alone)]
        return _witness(experiment, draws, refuted) if refuted else None
    except (CannotRunError, TooManyError):
        return None
    finally:
        budget.spent += time.monotonic() - started


def _refuting(experiment: Experiment, rng: np.random.Generator) -> tuple[list[Draw], bool]:
    """The draws that contribute to the refutation of a shift, and whether the time limit ended the search.

    Draws end if they refute every shift, if a round makes no progress, or if the time limit passes.
    """
    remaining: Sequence[Possible] = [None] * len(experiment.shifts)
    helped: list[tuple[Draw, set[int]]] = []
    late = False
    for _ in range(ROUNDS):
        before = len(helped)
        for whole, signed in RECIPES:
            draw = experiment.draw(rng, whole, signed)
            try:
                now = _remaining(experiment, draw, remaining)
            except TooLateError:
                late = True
                break
            rows = {row for row, (new, old) in enumerate(zip(now, remaining, strict=True)) if _size(new) < _size(old)}
            helped, remaining = ([*helped, (draw, rows)], now) if rows else (helped, remaining)
            if not any(map(_size, remaining)):
                break
        if late or len(helped) == before or not any(map(_size, remaining)):
            break
    refuted = {row for row, moves in enumerate(remaining) if not _size(moves)}
    return [draw for draw, rows in helped if rows & refuted], late


def _remaining(experiment: Experiment, draw: Draw, known: Sequence[Possible]) -> Sequence[Possible]:
    """For each shift, the moves of `known` that remain possible after a draw.

    The rounding bounds take many executions, so they are computed only if the tolerance alone excludes a move.
    """
    outcome = experiment.execute(draw)
    if list(map(_size, _remaining_moves(experiment, outcome, known))) == list(map(_size, known)):
        return known
    return _remaining_moves(experiment, experiment.with_rounding_bounds(draw, outcome), known)


def _remaining_moves(experiment: Experiment, outcome: Outcome, known: Sequence[Possible]) -> Sequence[Possible]:
    if experiment.cyclic:
        all_rolls = cast("Sequence[Rolls | None]", known)
        return [rolls_left(outcome.row(row), rolls) for row, rolls in enumerate(all_rolls)]
    return moves_left(outcome, cast("Sequence[SurvivingMoves | None]", known))


def _size(moves: Possible) -> float:
    """The number of rolls, or the number of positions of all moves; infinity if nothing is excluded yet."""
    if moves is None:
        return float("inf")
    return sum(int(cells.sum()) for cells in moves.values()) if isinstance(moves, dict) else len(moves)


def _refuted_by(experiment: Experiment, draws: Sequence[Draw]) -> tuple[int, ...]:
    """The shifts for which no move remains possible after all draws."""
    remaining: Sequence[Possible] = [None] * len(experiment.shifts)
    for draw in draws:
        remaining = _remaining(experiment, draw, remaining)
    return tuple(shift for shift, moves in zip(experiment.shifts, remaining, strict=True) if not _size(moves))


def _witness(experiment: Experiment, draws: list[Draw], refuted: tuple[int, ...]) -> Witness:
    """The witness of the draws; the sample with the largest mismatch is the first."""
    row = experiment.shifts.index(min(refuted))
    outcomes = [experiment.execute(draw).row(row) for draw in draws]
    errors = [_mismatch(experiment, outcome, *_natural(experiment, min(refuted))) for outcome in outcomes]
    order = sorted(range(len(draws)), key=lambda number: -errors[number].max())
    worst = np.unravel_index(errors[order[0]].argmax(), experiment.output)
    position = tuple(map(int, worst))[: len(experiment.shape)]
    samples = tuple(experiment.sample(draws[number]) for number in order)
    error = min(
        max(_mismatch(experiment, outcome, *move).max() for outcome in outcomes) for move in _along_one_axis(experiment)
    )
    return Witness(samples, refuted, experiment.argument, experiment.axis, float(error), position)


def _mismatch(experiment: Experiment, outcome: Outcome, axis: int, t: int) -> np.ndarray:
    """The difference of each cell of f(y) and the cell of f(x) that a move puts there; 0 where it puts none."""
    error = gap(outcome.after, np.roll(outcome.before, t, axis))
    length: int = error.shape[axis]
    source = np.arange(length) - t
    inside = experiment.cyclic | ((source >= 0) & (source < length))
    return np.where(np.expand_dims(inside, tuple(b for b in range(error.ndim) if b != axis)), error, 0)


def _natural(experiment: Experiment, shift: int) -> tuple[int, int]:
    """The move (output axis, t) that equals the shift of the input, or (0, 0) if the output has no such axis."""
    axis = experiment.axis
    same = axis < len(experiment.output) and shift < experiment.output[axis]
    return (axis, shift) if same else (0, 0)


def _along_one_axis(experiment: Experiment) -> list[tuple[int, int]]:
    """All moves along one axis; (0, 0) is invariance."""
    moves = range if experiment.cyclic else steps
    return [(0, 0), *((axis, t) for axis, m in enumerate(experiment.output) for t in moves(m))]


def _shrunk(experiment: Experiment, draw: Draw) -> Draw:
    """The simplest draw found that refutes every shift: one to three nonzero cells, or a dense draw with many zeros."""
    at, source = experiment.argument, draw[experiment.argument]
    budget = int(np.clip(2**24 // (source.size * ROWS), 16, 200))
    numbers = [i for i in experiment.free if not is_kind(draw[i], jax.dtypes.prng_key)]
    plain = exchanged(draw, {i: np.ones_like(draw[i]) for i in numbers})
    bases = [plain, draw] if numbers else [draw]

    def refutes(trial: Draw) -> bool:
        try:
            return len(_refuted_by(experiment, [trial])) == len(experiment.shifts)
        except TooLateError:
            return False

    trials = (
        exchanged(base, {at: cells}) for kind in _sparse(source, experiment.axis) for base in bases for cells in kind
    )
    for trial in islice(trials, budget):
        if refutes(trial):
            return trial
    draw = plain if refutes(plain) else draw
    pieces = [np.flatnonzero(source)]
    for _ in range(budget // 2):
        if pieces:
            piece = pieces.pop(0)
            zeroed = draw[at].copy()
            zeroed.flat[piece] = 0
            if refutes(trial := exchanged(draw, {at: zeroed})):
                draw = trial
            elif len(piece) > 1:
                pieces.extend(np.array_split(piece, 2))
    return draw


def _sparse(source: np.ndarray, axis: int) -> Iterator[list[np.ndarray]]:
    """Sources of one cell of value 1 at the ends and in the middle, then of two or three neighbours of small values."""
    length, middle = source.shape[axis], [m // 2 for m in source.shape]
    centre = (middle[axis], middle[axis] - 1, middle[axis] + 1)
    starts = list(dict.fromkeys(i % length for i in (-1, 0, -2, 1, -3, 2, *centre)))
    for values in ((1,), (1, 1), (1, 2), (1, 1, 1), (1, 2, 3)):
        kind = [np.zeros_like(source) for _ in starts]
        for cells, start in zip(kind, starts, strict=True):
            for i, value in enumerate(values):
                cells[(*middle[:axis], (start + i) % length, *middle[axis + 1 :])] = value
        yield kind
