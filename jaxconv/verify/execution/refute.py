"""The search for counterexamples: samples until they refute every shift together, then the simplest that still does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import jax
import numpy as np

from jaxconv.verify.claims import Witness
from jaxconv.verify.execution import experiment as experiments
from jaxconv.verify.execution.experiment import (
    ROWS,
    CannotRunError,
    Experiment,
    Program,
    TooLateError,
    exchanged,
    prepare,
    traced,
)
from jaxconv.verify.execution.moves import Outcome, TooManyError, moves_left, rolls_left, steps
from jaxconv.verify.execution.tolerance import gap, is_kind

# A row a sample: are the parameters whole numbers, and of both signs? Whole numbers are exact, reals do not saturate
# a softmax, a variance must be positive.
RECIPES = ((True, True), (False, True), (True, False), (False, False))
ROUNDS = 3  # of the recipes; a round that makes no progress is the last

Draw = list[Any]


def refute_cyclic(
    fn: Callable,
    arguments: tuple,
    argument: int,
    axis: int,
    leaf: int,
    shifts: Sequence[int],
    *,
    seed: int = 0,
    free_parameters: bool = False,
    program: Callable[..., Program] = traced,
) -> Witness | None:
    """Inputs x for which f(roll(x, shift)) is not f(x), nor f(x) rolled along any of its axes, alone or together.

    Args:
      fn: the function; `fn(*arguments)` is a pytree of arrays.
      arguments: pytrees of arrays, used as they are, and of `jax.ShapeDtypeStruct`, drawn by the search.
      argument: the leaf of `arguments` that is shifted; of its values only shape and dtype are used.
      axis: the axis of that leaf.
      leaf: the leaf of the output that is compared.
      shifts: by how many cells the input is rolled, from 1 up to its length; all are tried in one compiled call.
      seed: of the draws; the same seed finds the same witness.
      free_parameters: draw the other float arguments too, though they have values.
      program: traces the function; one that remembers what it traced serves several searches.

    Returns:
      The samples, and which of the shifts they refute; None where that is none of them, or `fn` cannot be executed here
      or is too large. One sample that refutes them all is shrunk.
    """
    return _refute(partial(program, fn, arguments, argument, leaf), axis, shifts, True, seed, free_parameters)


def refute_interior(
    fn: Callable,
    arguments: tuple,
    argument: int,
    axis: int,
    leaf: int,
    shifts: Sequence[int],
    *,
    seed: int = 0,
    free_parameters: bool = False,
    program: Callable[..., Program] = traced,
) -> Witness | None:
    """Evidence that no part of the output follows the shift: executed pairs x and y leave no answer to it.

    Each y is x shifted, with new content where cells are free. The answers are no change at all, and each move by t
    along one output axis of length m or along two at once, 0 < |t| <= m/2, as long as `max(|t|, 2)` consecutive
    positions follow it (`execution/moves.py`). Arguments and result as for `refute_cyclic`; nothing is shrunk.
    """
    return _refute(partial(program, fn, arguments, argument, leaf), axis, shifts, False, seed, free_parameters)


def _refute(
    program: Callable[[], Program], axis: int, shifts: Sequence[int], cyclic: bool, seed: int, free: bool
) -> Witness | None:
    """Draw samples until together they refuted every shift, a round of recipes made no progress, or time is over."""
    try:
        hurried = prepare(program(), axis, shifts, cyclic, free, time.monotonic() + experiments.SECONDS)
        draws = _refuting(hurried, np.random.default_rng(seed))
        experiment = replace(hurried, until=float("inf"))  # it takes no longer than to find them
        refuted = _refuted_by(experiment, draws)
        if cyclic and len(refuted) == len(experiment.shifts):
            alone = next((draw for draw in draws if _refuted_by(experiment, [draw]) == refuted), None)
            draws = draws if alone is None else [_shrunk(hurried, alone)]
        return _witness(experiment, draws, refuted) if refuted else None
    except (CannotRunError, TooManyError):
        return None


def _refuting(experiment: Experiment, rng: np.random.Generator) -> list[Draw]:
    """Draws that have a part in refuting a shift."""
    left: list[Any] = [None] * len(experiment.shifts)
    helped: list[tuple[Draw, set[int]]] = []
    for _ in range(ROUNDS):
        before = len(helped)
        for whole, signed in RECIPES:
            draw = experiment.draw(rng, whole, signed)
            try:
                now = _answers(experiment, draw, left)
            except TooLateError:
                break
            rows = {row for row, (one, known) in enumerate(zip(now, left, strict=True)) if _size(one) < _size(known)}
            helped, left = ([*helped, (draw, rows)], now) if rows else (helped, left)
            if not any(map(_size, left)):
                break
        if len(helped) == before or not any(map(_size, left)):
            break
    refuted = {row for row, one in enumerate(left) if not _size(one)}
    return [draw for draw, rows in helped if rows & refuted]


def _answers(experiment: Experiment, draw: Draw, known: list[Any]) -> list[Any]:
    """The answers that a draw leaves to each shift, of those known. Doubt takes many executions, so it comes last."""
    outcome = experiment.execute(draw)
    if list(map(_size, _left(experiment, outcome, known))) == list(map(_size, known)):
        return known
    return _left(experiment, experiment.doubted(draw, outcome), known)


def _left(experiment: Experiment, outcome: Outcome, known: list[Any]) -> list[Any]:
    if experiment.cyclic:
        return [rolls_left(outcome.row(row), rolls) for row, rolls in enumerate(known)]
    return moves_left(outcome, known)


def _size(answers: Any) -> float:
    """How many answers there are, and at how many places."""
    if answers is None:
        return float("inf")
    return sum(int(cells.sum()) for cells in answers.values()) if isinstance(answers, dict) else len(answers)


def _refuted_by(experiment: Experiment, draws: Sequence[Draw]) -> tuple[int, ...]:
    """The shifts to which some draws together leave no answer."""
    left: list[Any] = [None] * len(experiment.shifts)
    for draw in draws:
        left = _answers(experiment, draw, left)
    return tuple(shift for shift, one in zip(experiment.shifts, left, strict=True) if not _size(one))


def _witness(experiment: Experiment, draws: list[Draw], refuted: tuple[int, ...]) -> Witness:
    """The draws as samples, that with the largest mismatch first."""
    row = experiment.shifts.index(min(refuted))
    outcomes = [experiment.execute(draw).row(row) for draw in draws]
    off = [_mismatch(experiment, outcome, *_natural(experiment, min(refuted))) for outcome in outcomes]
    order = sorted(range(len(draws)), key=lambda number: -off[number].max())
    worst = np.unravel_index(off[order[0]].argmax(), experiment.program.output)
    position = tuple(map(int, worst))[: experiment.program.rank]
    samples = tuple(experiment.sample(draws[number]) for number in order)
    apart = lambda move: max(_mismatch(experiment, outcome, *move).max() for outcome in outcomes)
    error = min(map(apart, _along_one_axis(experiment)))
    return Witness(samples, refuted, experiment.program.argument, experiment.axis, float(error), position)


def _mismatch(experiment: Experiment, outcome: Outcome, axis: int, t: int) -> np.ndarray:
    """How far each cell of f(y) is from the one of f(x) that would be there after a move; 0 where none is."""
    off = gap(outcome.after, np.roll(outcome.before, t, axis))
    p = np.arange(off.shape[axis])
    there = experiment.cyclic | ((p - t >= 0) & (p - t < len(p)))
    return np.where(np.expand_dims(there, tuple(b for b in range(off.ndim) if b != axis)), off, 0)


def _natural(experiment: Experiment, shift: int) -> tuple[int, int]:
    """The move (output axis, t) that a reader expects: the input's own, or none if it has no room."""
    axis = experiment.axis
    same = axis < len(experiment.program.output) and shift < experiment.program.output[axis]
    return (axis, shift) if same else (0, 0)


def _along_one_axis(experiment: Experiment) -> list[tuple[int, int]]:
    """All answers along one axis, no change included."""
    moves = range if experiment.cyclic else steps
    return [(0, 0), *((axis, t) for axis, m in enumerate(experiment.program.output) for t in moves(m))]


def _shrunk(experiment: Experiment, draw: Draw) -> Draw:
    """The simplest draw found that refutes every shift: one to three pixels, else a dense one with many zeros."""
    at, source = experiment.program.argument, draw[experiment.program.argument]
    budget = int(np.clip(2**24 // (source.size * ROWS), 16, 200))
    numbers = [i for i in experiment.free if not is_kind(draw[i], jax.dtypes.prng_key)]
    plain = exchanged(draw, {i: np.ones_like(draw[i]) for i in numbers})
    bases = [plain, draw] if numbers else [draw]

    def refutes(trial: Draw) -> bool:
        try:
            return len(_refuted_by(experiment, [trial])) == len(experiment.shifts)
        except TooLateError:
            return False

    trials = (exchanged(base, {at: few}) for kind in _sparse(source, experiment.axis) for base in bases for few in kind)
    for trial in islice(trials, budget):
        if refutes(trial):
            return trial
    draw = plain if refutes(plain) else draw
    pieces = [np.flatnonzero(source)]
    for _ in range(budget // 2):
        if pieces:
            piece = pieces.pop(0)
            fewer = draw[at].copy()
            fewer.flat[piece] = 0
            if refutes(trial := exchanged(draw, {at: fewer})):
                draw = trial
            elif len(piece) > 1:
                pieces.extend(np.array_split(piece, 2))
    return draw


def _sparse(source: np.ndarray, axis: int) -> Iterator[list[np.ndarray]]:
    """One pixel of value 1 at the ends and in the middle, then two or three neighbours, of values 1 or 1, 2, 3."""
    length, middle = source.shape[axis], [m // 2 for m in source.shape]
    centre = (middle[axis], middle[axis] - 1, middle[axis] + 1)
    starts = list(dict.fromkeys(i % length for i in (-1, 0, -2, 1, -3, 2, *centre)))
    for values in ((1,), (1, 1), (1, 2), (1, 1, 1), (1, 2, 3)):
        kind = [np.zeros_like(source) for _ in starts]
        for few, start in zip(kind, starts, strict=True):
            for i, value in enumerate(values):
                few[(*middle[:axis], (start + i) % length, *middle[axis + 1 :])] = value
        yield kind
