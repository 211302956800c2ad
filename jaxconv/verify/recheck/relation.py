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

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Generic, TypeAlias, TypeGuard, TypeVar, cast

import numpy as np

from jaxconv.jaxprs.typing import Array, Shaped, shaped
from jaxconv.verify.domain import Broken, Motion, Moving, Pieces, Plain, Spectrum, Value
from jaxconv.verify.recheck.named_cells import (
    DRAWS,
    EXTREMES,
    FRACTIONS,
    PUSH,
    PUSHED,
    SIZES,
    Part,
    along,
    difference_in,
    is_real,
    is_unsigned,
    kind_of,
    mixed,
    numbers,
)

Run: TypeAlias = Callable[[list[Array]], Sequence[Array]]  # computes results from operands
S = TypeVar("S", bound=Value)
S_co = TypeVar("S_co", bound=Value, covariant=True)
SMALL = 2**12  # maximum size of a value whose names are cached


@dataclass(frozen=True)
class RunPair:
    """The difference between two runs: a shift of the input, or one changed cell.

    Attributes:
        shift: cells by which the second run shifts the input.
        changed: the cell of the input that the second run changes, or None.
        draw: number of the draw.
        noise: rounding error of the result, in addition to that expected from its size; see `noise.py`.
        push: if not 0, changed cells become larger in magnitude than all others, with this sign. A maximum does not
            depend on a cell that becomes smaller.
    """

    shift: int
    changed: int | None
    draw: int
    noise: float = 0.0
    push: int = 0

    @property
    def kind(self) -> int:
        """The kind of numbers in the draw."""
        return kind_of(self.draw)


@dataclass(frozen=True, eq=False)
class Held(Generic[S_co]):
    """A value of the function.

    Attributes:
        number: unique number of the value.
        name: common to all values with the same signals, which have the same content.
        state: the state of the value.
        aval: shape and dtype.
        constant: the numbers of a constant, or None.
        second: the same value with a second state that it also has, or None.
        computation: computes it from drawn parameters, by the draw, if it depends on nothing else: see `computed.py`.
        is_computed: whether it is drawn by that computation, and not from its state.
    """

    number: int
    name: int
    state: S_co
    aval: Shaped
    constant: np.ndarray | None = None
    second: Held[Plain | Spectrum] | None = None
    computation: Callable[[int], np.ndarray] | None = None
    is_computed: bool = False

    def with_state(self, state: S) -> Held[S]:
        """Return the same value with another state."""
        return Held(self.number, self.name, state, self.aval, self.constant, self.second)


Pair: TypeAlias = Sequence[np.ndarray]  # the array in the first run and in the second
Group: TypeAlias = Sequence[tuple[Held[Value], Pair]]  # values of one name, the one to check first


def has_state(held: Held[Value], kind: type[S]) -> TypeGuard[Held[S]]:
    """Whether the state of a value is of this type."""
    return isinstance(held.state, kind)


def parent_of(pieces: Pieces) -> tuple[object, ...]:
    """Return the properties of the parent of pieces: its axis and length, and the motion of its folded sum."""
    folded = pieces.folded
    moves: Callable[[Motion | None], object] = lambda motion: (
        motion and (motion.rate, motion.lo, motion.hi, motion.start, motion.turns)
    )
    axes = tuple(tuple((factor.length, factor.period, moves(factor.motion)) for factor in axis) for axis in folded.axes)
    return (pieces.axis, pieces.total, folded.shift, folded.cycle, folded.depends, axes)


def moving_part(state: Value) -> Moving | None:
    """Return the Moving part of a state: the sum of pieces, or a spectrum without its phase factors; None if none."""
    if isinstance(state, Pieces):
        return state.folded
    return state.value if isinstance(state, Spectrum) else state if isinstance(state, Moving) else None


def motions_of(state: Value) -> list[tuple[int, Motion]]:
    """Return the motion of each factor that carries the shift, with its axis."""
    moving = moving_part(state)
    axes = () if moving is None else moving.axes
    return [(n, factor.motion) for n, axis in enumerate(axes) for factor in axis if factor.motion is not None]


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
        step, period = Fraction(state.shift) / motion.rate, Fraction(cycle or 0) / abs(motion.rate) / motion.turns
        if step.denominator != 1 or period.denominator != 1 or motion.turns < 1:
            return f"axis {axis} moves by {step} cells and repeats after {period}, which must be integers"
        if motion.lo < 0 or motion.hi > lengths[axis]:
            return f"axis {axis} has {lengths[axis]} positions, but the region is [{motion.lo}, {motion.hi})"
    return ""


def _lengths(state: Moving) -> tuple[int, ...]:
    return tuple(math.prod(factor.length for factor in axis) for axis in state.axes)


def edges(state: Moving, draw: int, length: int) -> list[int]:
    """Return the input cells next to the receptive field of a position, for one random position per moving factor.

    If the receptive field is empty, return the input cell at the position.
    """
    neighbours: list[int] = []
    for _, motion in motions_of(state):
        if motion.field is None or motion.lo >= motion.hi:
            continue
        j = motion.lo + int(mixed(draw)[0] % (motion.hi - motion.lo))
        first, last = motion.field[j % len(motion.field)]
        at = Fraction(motion.rate) * j
        neighbours += [math.ceil(at + first) - 1, math.floor(at + last) + 1] if first <= last else [math.floor(at)] * 2
    inside: Callable[[int], int] = lambda cell: cell if state.cycle is None else cell % state.cycle
    return [inside(cell) for cell in neighbours if 0 <= inside(cell) < length]


def sees(state: Moving, motion: Motion, length: int, cell: int) -> np.ndarray:
    """Return a mask of the positions of a moving factor that may depend on a cell of the input."""
    if motion.field is None:
        return np.ones(length, bool)
    mask = np.zeros(length, bool)
    for phase, (first, last) in enumerate(motion.field):
        if not first <= last:
            continue
        rate, first, last = Fraction(motion.rate), Fraction(first), Fraction(last)
        unit = math.lcm(rate.denominator, first.denominator, last.denominator)  # in this unit all numbers are integers
        at = np.arange(phase, length, len(motion.field)) * int(rate * unit) - cell * unit
        low, high = at + int(first * unit), at + int(last * unit)
        around = 0 if state.cycle is None else state.cycle * unit
        mask[phase :: len(motion.field)] = -(-low // around) <= high // around if around else (low <= 0) & (high >= 0)
    return mask


def cells(held: Held[Moving], trial: RunPair, run: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the names of a moving value's cells in run 0 or 1, and a mask of the cells that its state describes.

    All draws share the names, and all trials share those of the first run. So the names of small values are cached.
    """
    named = _cached_cells if held.aval.size <= SMALL else _cells
    return named(held, RunPair(trial.shift, trial.changed, 0) if run else RunPair(0, None, 0), run)


def _cells(held: Held[Moving], trial: RunPair, run: int) -> tuple[np.ndarray, np.ndarray]:
    state = held.state
    factors = [factor for axis in state.axes for factor in axis if factor.length != 1 or factor.motion]
    names = np.zeros([factor.length for factor in factors], np.uint64) + mixed(held.name)[0]
    clear = np.ones(names.shape, bool)
    differs = np.full(names.shape, trial.shift % state.shift != 0 if trial.changed is None else state.depends)
    for place, factor in enumerate(factors):
        spread, at, motion = along(place, len(factors)), np.arange(factor.length), factor.motion
        if motion is not None:
            clear = clear & ((at >= motion.lo) & (at < motion.hi)).reshape(spread)
            if trial.changed is not None:
                differs = differs | sees(state, motion, factor.length, trial.changed).reshape(spread)
            at = motion.start + at - run * int(trial.shift / motion.rate)
            at = at if state.cycle is None else at % int(state.cycle / abs(motion.rate) / motion.turns)
        elif factor.period is not None:
            at = at % factor.period
        names = names + mixed(place, at).reshape(spread)
    return names.reshape(held.aval.shape), (clear & ~differs if run else clear).reshape(held.aval.shape)


def _others(number: int, run: int, count: int) -> np.ndarray:
    """Return unique names for a value's cells, which also differ between the runs."""
    return mixed(number, run + 1, np.arange(count))


_cached_cells = functools.lru_cache(maxsize=512)(_cells)
_cached_others = functools.lru_cache(maxsize=512)(_others)


def _draw_moving(held: Held[Moving], trial: RunPair, run: int) -> Array:
    drawn = _cached_numbers_of if held.aval.size <= SMALL else _numbers_of
    return drawn(held, replace(trial, noise=0.0) if run else RunPair(0, None, trial.draw), run)


def _numbers_of(held: Held[Moving], trial: RunPair, run: int) -> Array:
    return _numbers(held, trial, run, *cells(held, trial, run))


_cached_numbers_of = functools.lru_cache(maxsize=512)(_numbers_of)  # several equations read a value


def _draw_broken(held: Held[Broken], trial: RunPair, run: int) -> Array:
    return _numbers(held, trial, run, np.zeros(held.aval.shape, np.uint64), np.zeros(held.aval.shape, bool))


def _numbers(held: Held[Value], trial: RunPair, run: int, names: np.ndarray, clear: np.ndarray) -> Array:
    """Return numbers for cells by name; cells that the state does not describe differ between the runs."""
    others = (_cached_others if names.size <= SMALL else _others)(held.number, run, names.size)
    drawn = numbers(np.where(clear, names, others.reshape(names.shape)), held.aval, trial.draw)
    if run == 0 or trial.push == 0 or not (is_real(held.aval) and trial.kind in PUSHED):
        return drawn
    pushed = PUSH + np.abs(drawn)
    return np.where(clear, drawn, pushed if is_unsigned(held.aval) else trial.push * pushed).astype(drawn.dtype)


def _draw_spectrum(held: Held[Spectrum], trial: RunPair, run: int) -> Array:
    zeros, angles = _phases(held, trial)
    drawn = _draw_moving(held.with_state(held.state.value), trial, run)
    return np.where(zeros, 0, drawn * np.exp(-1j * angles) if run else drawn).astype(drawn.dtype)


def _draw_pieces(held: Held[Pieces], trial: RunPair, run: int) -> Array:
    """Draw parts of a parent: arbitrary cells, except that the sums of cells one period apart move.

    If the draw has numbers of all magnitudes or large ones, cells beyond the first period are small. Otherwise their
    rounding error would exceed the sums. A sum without a cell of the parent is zero, and so are the sums that move to
    its position.
    """
    state, folded = held.state, _folded(held)
    period, shape = folded.aval.shape[state.axis], list(held.aval.shape)
    step = math.gcd(period, *(int(state.folded.shift / motion.rate) for _, motion in motions_of(state)))
    empty = np.isin(np.arange(period) % step, np.arange(state.total, period) % step)
    sums = _draw_moving(folded, trial, run)
    total = np.where(empty.reshape(along(state.axis, sums.ndim)), np.zeros((), sums.dtype), sums)
    shape[state.axis] = state.total
    names = mixed(held.name, run, np.arange(math.prod(shape))).reshape(shape)
    small = trial.draw if trial.kind < SIZES else trial.draw - trial.draw % DRAWS + FRACTIONS
    parent = np.moveaxis(np.asarray(numbers(names, held.aval, small)), state.axis, 0)
    parent[:period] = np.moveaxis(total, state.axis, 0)[: state.total]
    for cell in range(period, state.total):
        parent[cell % period] -= parent[cell]
    pieces = np.zeros((held.aval.shape[state.axis], *parent.shape[1:]), parent.dtype)
    for lo, hi, at in state.spans:
        pieces[at : at + hi - lo] += parent[lo:hi]
    return np.moveaxis(pieces, 0, state.axis)


def _judge_cells(group: Group, trial: RunPair) -> str:
    """Return an objection if cells of the same name differ, in values of one name, in either run."""
    parts = [(n, pair[n], *cells(held, trial, n)) for held, pair in group if has_state(held, Moving) for n in (0, 1)]
    pieces = [(held, pair) for held, pair in group if has_state(held, Pieces)]
    difference = difference_in(
        [*parts, *_parts_of_pieces(pieces, trial)], signed=trial.kind == EXTREMES, noise=trial.noise
    )
    if trial.changed is None:
        return difference and f"after shifting the input by {trial.shift}, {difference}"
    changed = f"after changing cell {trial.changed} of the input, which is outside the receptive field"
    return difference and f"{changed}, {difference}"


def _judge_spectrum(group: Group, trial: RunPair) -> str:
    held, (first, second) = cast("Held[Spectrum]", group[0][0]), group[0][1]  # the kind of value that `KINDS` names
    zeros, angles = _phases(held, trial)
    if np.any(zeros & (first != 0)):
        return "a mode that must be zero is not"
    turned = (second * np.exp(1j * angles)).astype(second.dtype)
    return _judge_cells([(held.with_state(held.state.value), (first, turned))], trial)


def _phases(held: Held[Spectrum], trial: RunPair) -> tuple[np.ndarray, np.ndarray]:
    """Return a mask of the zero cells of a spectrum, and the phase by which a shift multiplies each of the others."""
    spread = along(held.state.axis, len(held.aval.shape))
    zeros = np.array([mode is None for mode in held.state.modes], bool).reshape(spread)
    turns = [Fraction((mode or 0) * trial.shift, held.state.value.cycle) % 1 for mode in held.state.modes]
    return np.broadcast_to(zeros, held.aval.shape), 2 * np.pi * np.array(turns, float).reshape(spread)


def _folded(held: Held[Pieces]) -> Held[Moving]:
    """Return the sum of a parent's cells that are a period apart, as a value."""
    shape = shaped(_lengths(held.state.folded), held.aval.dtype)
    return Held(held.name, held.name, held.state.folded, shape)


def _parts_of_pieces(pieces: Sequence[tuple[Held[Pieces], Pair]], trial: RunPair) -> list[Part]:
    """Return the parts to compare for pieces of one parent: cells of the parent or sums of them, and zeros elsewhere.

    If the pieces contain every cell of the parent, add its sums of cells a period apart, which must move.
    """
    if not pieces:
        return []
    held = pieces[0][0]
    parts = [(run, pair[run], *_parent_cells(piece, run)) for piece, pair in pieces for run in (0, 1)]
    parts.append((0, np.zeros(1, held.aval.dtype), np.zeros(1, np.uint64), np.ones(1, bool)))
    folded, axis = _folded(held), held.state.axis
    period = folded.aval.shape[axis]
    for run in (0, 1):
        known: dict[int, np.ndarray] = {}
        for piece, pair in pieces:
            places = [(cell, at + cell - lo) for lo, hi, at in piece.state.spans for cell in range(lo, hi)]
            taken = [at for _, at in places]
            known |= {cell: np.take(pair[run], at, axis) for cell, at in places if taken.count(at) == 1}
        if len(known) == held.state.total:
            nothing = np.zeros_like(known[0])
            sums = [sum((known[cell] for cell in range(i, held.state.total, period)), nothing) for i in range(period)]
            parts.append((run, np.stack(sums, axis).astype(held.aval.dtype), *cells(folded, trial, run)))
    return parts


def _parent_cells(held: Held[Pieces], run: int) -> tuple[np.ndarray, np.ndarray]:
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
    return np.broadcast_to(names, shape), np.ones(shape, bool)


# State -> two functions. The first draws a value in one run, such that both runs satisfy the relation; the value in the
# first run does not depend on the difference of the second. The second function returns an objection to such a pair.
KINDS: dict[type, tuple[Callable[[Held[Any], RunPair, int], Array], Callable[[Group, RunPair], str]]] = {
    Moving: (_draw_moving, _judge_cells),
    Spectrum: (_draw_spectrum, _judge_spectrum),
    Pieces: (_draw_pieces, _judge_cells),
    Broken: (_draw_broken, lambda group, trial: ""),
}
