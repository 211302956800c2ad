"""The relation between two runs of a function that a state implies: draws and compares pairs of arrays. Uses no rule.

Let v be a value for an input, and v' the same value for the shifted input. A `Moving` state names the cells of both,
and cells of the same name are equal:

- A cell of an invariant factor is named by its position modulo the period, in v and in v'.
- A cell that contains cell i of a signal is named i. In v' it is `shift / rate` positions further on. In a cyclic walk,
  i is taken modulo the period.
- Cells outside of [lo, hi) have unique names.

A second relation tests receptive fields: one cell of the input is changed, and every cell of a value whose receptive
field excludes that cell is equal in both runs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, cast

import numpy as np

from jaxconv.jaxprs.typing import Array, shaped
from jaxconv.verify.domain import Broken, Motion, Moving, Pieces, Spectrum, Value
from jaxconv.verify.recheck.moving_cells import cells, draw_moving, other_names, unseen
from jaxconv.verify.recheck.named_cells import (
    DRAWS,
    FRACTIONS,
    SIZES,
    Part,
    along,
    differences_in,
    kind_of,
    mixed,
    numbers,
    numbers_of_draws,
)
from jaxconv.verify.recheck.values import Group, Held, Pair, Stack, Trials, has_state, motions_of


def parent_of(pieces: Pieces) -> tuple[object, ...]:
    """Return the properties of the parent of pieces: its axis and length, and the motion of its folded sum."""
    folded = pieces.folded
    moves: Callable[[Motion | None], object] = lambda motion: (
        motion and (motion.rate, motion.lo, motion.hi, motion.start, motion.turns)
    )
    axes = tuple(tuple((factor.length, factor.period, moves(factor.motion)) for factor in axis) for axis in folded.axes)
    return (pieces.axis, pieces.total, folded.shift, folded.cycle, folded.depends, axes)


def malformed(state: Value, shape: tuple[int, ...], cycle: int | None) -> str:
    """Return why something is not a valid state of an array of this shape, or the empty string."""
    try:
        return _malformed(state, shape, cycle)
    except (ArithmeticError, LookupError) as error:
        return f"the numbers of the state contradict each other or the shape {shape}: {error!r}"


def _malformed(state: Value, shape: tuple[int, ...], cycle: int | None) -> str:
    if isinstance(state, Spectrum):
        if motions_of(state) or len(state.modes) != shape[state.axis] or cycle is None:
            return f"a spectrum with {len(state.modes)} modes along axis {state.axis} does not fit the shape {shape}"
        state = state.value
    if isinstance(state, Pieces):
        period, ends = _lengths(state.folded)[state.axis], [(hi, at + hi - lo) for lo, hi, at in state.spans]
        if state.total < 1 or any(hi > state.total or end > shape[state.axis] for hi, end in ends):
            return f"pieces {state.spans} of {state.total} cells do not fit the shape {shape}"
        folded = (*shape[: state.axis], period, *shape[state.axis + 1 :])
        return _malformed_moving(state.folded, folded, cycle) or _malformed(state.value, shape, cycle)
    if isinstance(state, Moving):
        return _malformed_moving(state, shape, cycle)
    return "" if type(state) in KINDS else f"recheck does not support states of type {type(state).__name__}"


def _malformed_moving(state: Moving, shape: tuple[int, ...], cycle: int | None) -> str:
    lengths = _lengths(state)
    if lengths != shape or state.cycle != cycle or state.shift < 1:
        return f"a state of shape {lengths}, shift {state.shift} and cycle {state.cycle} does not fit the shape {shape}"
    factors = [factor for axis in state.axes for factor in axis]
    if any(factor.length < 0 or (1 if factor.period is None else factor.period) < 1 for factor in factors):
        return f"a state of shape {shape} has a factor of negative length, or a period below 1"
    if any(
        factor.motion is not None and (factor.period is not None or factor.motion.field == ()) for factor in factors
    ):
        return "a moving factor must have no period, and at least one phase in its receptive field"
    for axis, motion in motions_of(state):
        problem = _malformed_motion(motion, state.shift, cycle, lengths[axis])
        if problem:
            return f"axis {axis} {problem}"
    return ""


def _malformed_motion(motion: Motion, shift: int, cycle: int | None, length: int) -> str:
    step, period = Fraction(shift) / motion.rate, Fraction(cycle or 0) / abs(motion.rate) / motion.turns
    if step.denominator != 1 or period.denominator != 1 or motion.turns < 1:
        return f"moves by {step} cells and repeats after {period}, which must be integers"
    if cycle is None and motion.turns != 1:
        return f"turns around {motion.turns} times, but only a cyclic walk has turns"
    if motion.lo < 0 or motion.hi > length:
        return f"has {length} positions, but the region is [{motion.lo}, {motion.hi})"
    return ""


def _lengths(state: Moving) -> tuple[int, ...]:
    return tuple(math.prod(factor.length for factor in axis) for axis in state.axes)


def _draw_broken(held: Held[Broken], trials: Trials, run: int) -> Stack:
    return numbers_of_draws(other_names(held, run), held.aval, trials.draws)


def _draw_spectrum(held: Held[Spectrum], trials: Trials, run: int) -> Stack:
    zeros, angles = _phases(held, trials.shift)
    turns = np.exp(-1j * angles) if run else 1
    rows = draw_moving(held.with_state(held.state.value), trials, run)
    return np.stack([np.where(zeros, 0, drawn * turns).astype(drawn.dtype) for drawn in rows])


def _draw_pieces(held: Held[Pieces], trials: Trials, run: int) -> Stack:
    sums = draw_moving(_folded(held), trials, run)
    return np.stack([_pieces(held, drawn, draw, run) for drawn, draw in zip(sums, trials.draws, strict=True)])


def _pieces(held: Held[Pieces], sums: Array, draw: int, run: int) -> np.ndarray:
    """Draw parts of a parent: arbitrary cells, except that the sums of cells one period apart are given, as they move.

    If the draw has numbers of all magnitudes or large ones, cells beyond the first period are small. Otherwise their
    rounding error would exceed the sums. A sum without a cell of the parent is zero, and so are the sums that move to
    its position.
    """
    state, shape = held.state, list(held.aval.shape)
    period = sums.shape[state.axis]
    step = math.gcd(period, *(int(state.folded.shift / motion.rate) for _, motion in motions_of(state)))
    empty = np.isin(np.arange(period) % step, np.arange(state.total, period) % step)
    total = np.where(empty.reshape(along(state.axis, sums.ndim)), np.zeros((), sums.dtype), sums)
    shape[state.axis] = state.total
    names = mixed(held.name, run, np.arange(math.prod(shape))).reshape(shape)
    small = draw if kind_of(draw) < SIZES else draw - draw % DRAWS + FRACTIONS
    parent = np.moveaxis(np.asarray(numbers(names, held.aval, small)), state.axis, 0)
    parent[:period] = np.moveaxis(total, state.axis, 0)[: state.total]
    for cell in range(period, state.total):
        parent[cell % period] -= parent[cell]
    pieces = np.zeros((held.aval.shape[state.axis], *parent.shape[1:]), parent.dtype)
    for lo, hi, at in state.spans:
        pieces[at : at + hi - lo] += parent[lo:hi]
    return np.moveaxis(pieces, 0, state.axis)


def _judge_cells(group: Group, trials: Trials) -> list[str]:
    """Return an objection for each trial in which cells of the same name differ, in values of one name, in either run.

    An empty string is no objection.
    """
    parts = [part for held, pair in group if has_state(held, Moving) for part in _parts(held, pair, trials)]
    pieces = [(held, pair) for held, pair in group if has_state(held, Pieces)]
    parts += _parts_of_pieces(pieces, trials)
    differences = differences_in(parts, signed=trials.extremes(), noise=trials.noise)
    if not trials.changed:
        return [
            difference and f"after shifting the input by {trials.shift}, {difference}" for difference in differences
        ]
    return [
        difference and f"after changing cell {cell} of the input, which is outside the receptive field, {difference}"
        for cell, difference in zip(trials.changed, differences, strict=True)
    ]


def _parts(held: Held[Moving], pair: Pair, trials: Trials) -> list[Part]:
    """Return what to compare of a moving value in both runs."""
    names, clear = cells(held, 0, 0)
    first = (0, pair[0], names, clear[None])
    if trials.changed:
        return [first, (1, pair[1], names, clear & unseen(held, trials.changed))]
    names, clear = cells(held, trials.shift, 1)
    return [first, (1, pair[1], names, clear[None])]


def _judge_spectrum(group: Group, trials: Trials) -> list[str]:
    held, (first, second) = cast("Held[Spectrum]", group[0][0]), group[0][1]  # the kind of value that `KINDS` names
    zeros, angles = _phases(held, trials.shift)
    turns = np.exp(1j * angles)
    pair = first, (second * turns).astype(second.dtype)
    problems = _judge_cells([(held.with_state(held.state.value), pair)], trials)
    wrong = "a mode that must be zero is not"
    return [wrong if np.any(zeros & (array != 0)) else problem for array, problem in zip(first, problems, strict=True)]


def _phases(held: Held[Spectrum], shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a mask of the zero cells of a spectrum, and the phase by which a shift multiplies each of the others."""
    spread = along(held.state.axis, len(held.aval.shape))
    zeros = np.array([mode is None for mode in held.state.modes], bool).reshape(spread)
    turns = [Fraction((mode or 0) * shift, held.state.value.cycle) % 1 for mode in held.state.modes]
    return np.broadcast_to(zeros, held.aval.shape), 2 * np.pi * np.array(turns, float).reshape(spread)


def _folded(held: Held[Pieces]) -> Held[Moving]:
    """Return the sum of a parent's cells that are a period apart, as a value."""
    shape = shaped(_lengths(held.state.folded), held.aval.dtype)
    return Held(held.name, held.name, held.state.folded, shape)


def _parts_of_pieces(pieces: Sequence[tuple[Held[Pieces], Pair]], trials: Trials) -> list[Part]:
    """Return the parts to compare for pieces of one parent: cells of the parent or sums of them, and zeros elsewhere.

    If the pieces contain every cell of the parent, add its sums of cells a period apart, which must move.
    """
    if not pieces:
        return []
    held = pieces[0][0]
    parts: list[Part] = [
        (run, pair[run], _parent_cells(piece, run), np.ones((1, *piece.aval.shape), bool))
        for piece, pair in pieces
        for run in (0, 1)
    ]
    nothing = np.zeros((len(trials.draws), 1), held.aval.dtype)
    parts.append((0, nothing, np.zeros(1, np.uint64), np.ones((1, 1), bool)))
    summed = [
        [_sums([(piece, pair[run][trial]) for piece, pair in pieces]) for trial in range(len(trials.draws))]
        for run in (0, 1)
    ]
    first, second = ([array for array in row if array is not None] for row in summed)
    if not first:
        return parts
    return [*parts, *_parts(_folded(held), (np.stack(first), np.stack(second)), trials)]


def _sums(pieces: Sequence[tuple[Held[Pieces], np.ndarray]]) -> np.ndarray | None:
    """Return the sums of a parent's cells that are a period apart; None if the pieces do not contain every cell."""
    held, known = pieces[0][0], dict[int, np.ndarray]()
    axis, total = held.state.axis, held.state.total
    for piece, array in pieces:
        places = [(cell, at + cell - lo) for lo, hi, at in piece.state.spans for cell in range(lo, hi)]
        taken = Counter(at for _, at in places)
        known |= {cell: np.take(array, at, axis) for cell, at in places if taken[at] == 1}
    if len(known) < total:
        return None
    period, nothing = _folded(held).aval.shape[axis], np.zeros_like(known[0])
    sums = [sum((known[cell] for cell in range(i, total, period)), nothing) for i in range(period)]
    return np.stack(sums, axis).astype(held.aval.dtype)


def _parent_cells(held: Held[Pieces], run: int) -> np.ndarray:
    """Return names for the cells of pieces, by the parent's cells that each one is the sum of; 0 for none."""
    state, shape = held.state, held.aval.shape
    key = np.zeros(shape[state.axis], np.uint64)
    for lo, hi, at in state.spans:
        key[at : at + hi - lo] += mixed(len(shape), run, np.arange(lo, hi))
    names = key.reshape(along(state.axis, len(shape)))
    for place in set(range(len(shape))) - {state.axis}:
        names = np.where(
            names == 0, names, names + mixed(place, np.arange(shape[place])).reshape(along(place, len(shape)))
        )
    return np.broadcast_to(names, shape)


# State -> two functions. The first draws a value in one run of each trial, such that both runs satisfy the relation;
# the value in the first run depends on the draw only. The second returns an objection to each such pair, or "".
KINDS: dict[type, tuple[Callable[[Held[Any], Trials, int], Stack], Callable[[Group, Trials], list[str]]]] = {
    Moving: (draw_moving, _judge_cells),
    Spectrum: (_draw_spectrum, _judge_spectrum),
    Pieces: (_draw_pieces, _judge_cells),
    Broken: (_draw_broken, lambda group, trials: [""] * len(trials.draws)),
}
