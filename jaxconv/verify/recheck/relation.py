"""What a state says of two runs of a function: pairs of arrays are drawn by it, and judged by it. It knows no rule.

v is a value for a scene, v' the same value for the scene shifted. What a `Moving` state says of the two is said by
naming cells. A cell of a factor that stays is named by its position modulo the period, in v and in v' alike. One that
shows cell i of a signal is named i: in v' it stands `shift / rate` positions further on; in a cyclic walk i is taken
modulo the period. Cells outside of [lo, hi) have names of their own.

A second relation is that of receptive fields: one cell of the input is changed, and every cell of a value that does not
see it is the same in both runs.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeAlias

import jax
import numpy as np

from jaxconv.verify.domain import Broken, Motion, Moving, Pieces, Spectrum
from jaxconv.verify.recheck.named_cells import (
    DRAWS,
    EXTREMES,
    FRACTIONS,
    PUSH,
    PUSHED,
    SIZES,
    Part,
    along,
    is_real,
    is_unsigned,
    kind_of,
    mixed,
    numbers,
    odd_one,
)

SMALL = 2**12  # cells of a value whose names are kept


@dataclass(frozen=True)
class RunPair:
    """What sets the second run apart: the scene shifted by some cells, or one changed cell; and which draw it is.

    `noise`: how much of what is judged is rounding, beyond what its own size says; see `noise.py`.
    `push`: the sign of what stands in changed cells, which is then larger than all else, or 0 for any numbers: a
    maximum does not see that a cell becomes smaller.
    """

    shift: int
    changed: int | None
    draw: int
    noise: float = 0.0
    push: int = 0

    @property
    def kind(self) -> int:
        """What the draw's numbers are like."""
        return kind_of(self.draw)


@dataclass(frozen=True, eq=False)
class Held:
    """A value of the function: its state, its shape and dtype, and its numbers if it is a constant.

    `name` is the same for values that carry the same signals: they show one content. `besides`: the value by another
    state that it has as well.
    """

    number: int
    name: int
    state: Any
    aval: Any
    constant: Any = None
    besides: Held | None = None


Pair: TypeAlias = Sequence[Any]  # of arrays: in the first run and in the second
Group: TypeAlias = Sequence[tuple[Held, Pair]]  # values of one name, the judged one first


def parent_of(pieces: Pieces) -> tuple[Any, ...]:
    """What pieces say of their parent: its axis and length, and how its folded sum moves."""
    folded = pieces.folded
    seen = lambda motion: motion and (motion.rate, motion.lo, motion.hi, motion.start)
    axes = tuple(tuple((factor.length, factor.period, seen(factor.motion)) for factor in axis) for axis in folded.axes)
    return (pieces.axis, pieces.total, folded.shift, folded.cycle, folded.depends, axes)


def moving_part(state: Any) -> Moving | None:
    """What of a state moves: of a spectrum all but its turning, of pieces their sum."""
    if isinstance(state, Pieces):
        return state.folded
    return state.value if isinstance(state, Spectrum) else state if isinstance(state, Moving) else None


def motions_of(state: Any) -> list[tuple[int, Motion]]:
    """The factors that carry the shift, each with its axis."""
    moving = moving_part(state)
    axes = () if moving is None else moving.axes
    return [(n, factor.motion) for n, axis in enumerate(axes) for factor in axis if factor.motion is not None]


def malformed(state: Any, shape: tuple[int, ...], cycle: int | None) -> str:
    """Why something is no state of an array of some shape at all, if so."""
    try:
        return _malformed(state, shape, cycle)
    except (ArithmeticError, LookupError) as error:
        return f"a state whose numbers do not fit together cannot be that of {shape}: {error!r}"


def _malformed(state: Any, shape: tuple[int, ...], cycle: int | None) -> str:
    if isinstance(state, Spectrum):
        if motions_of(state) or len(state.modes) != shape[state.axis] or cycle is None:
            return f"a spectrum of {len(state.modes)} modes along axis {state.axis} cannot be that of {shape}"
        state = state.value
    if isinstance(state, Pieces):
        period, ends = _lengths(state.folded)[state.axis], [(hi, at + hi - lo) for lo, hi, at in state.spans]
        if state.total < 1 or any(hi > state.total or end > shape[state.axis] for hi, end in ends):
            return f"pieces {state.spans} of {state.total} cells cannot be those of {shape}"
        folded = (*shape[: state.axis], period, *shape[state.axis + 1 :])
        return _malformed_moving(state.folded, folded, cycle) or _malformed(state.value, shape, cycle)
    if isinstance(state, Moving):
        return _malformed_moving(state, shape, cycle)
    return "" if type(state) in KINDS else f"{type(state).__name__} is a kind of state that this checker does not know"


def _malformed_moving(state: Moving, shape: tuple[int, ...], cycle: int | None) -> str:
    lengths = _lengths(state)
    if lengths != shape or state.cycle != cycle or state.shift < 1:
        return f"a state of {lengths}, shift {state.shift} and cycle {state.cycle} cannot be that of {shape} here"
    factors = [factor for axis in state.axes for factor in axis]
    if any(factor.length < 0 or (1 if factor.period is None else factor.period) < 1 for factor in factors):
        return f"a state with a factor of negative length, or of no period, cannot be that of {shape}"
    if any(
        factor.motion is not None and (factor.period is not None or factor.motion.field == ()) for factor in factors
    ):
        return "a factor that moves has no period, and a receptive field of one phase or more"
    for axis, motion in motions_of(state):
        step, period = Fraction(state.shift) / motion.rate, Fraction(cycle or 0) / abs(motion.rate)
        if step.denominator != 1 or period.denominator != 1:
            return f"axis {axis} would move by {step} cells and repeat after {period}"
        if motion.lo < 0 or motion.hi > lengths[axis]:
            return f"axis {axis} has {lengths[axis]} positions, and the region is [{motion.lo}, {motion.hi})"
    return ""


def _lengths(state: Moving) -> tuple[int, ...]:
    return tuple(math.prod(factor.length for factor in axis) for axis in state.axes)


def edges(state: Moving, draw: int, length: int) -> list[int]:
    """Cells of the input next to those that a position may depend on: one position of each moving factor, by the draw.

    If it may depend on none, the cell that it stands at.
    """
    found = []
    for _, motion in motions_of(state):
        if motion.field is None or motion.lo >= motion.hi:
            continue
        j = motion.lo + int(mixed(draw)[0] % (motion.hi - motion.lo))
        first, last = motion.field[j % len(motion.field)]
        at = Fraction(motion.rate) * j
        found += [math.ceil(at + first) - 1, math.floor(at + last) + 1] if first <= last else [math.floor(at)] * 2
    inside = lambda cell: cell if state.cycle is None else cell % state.cycle
    return [inside(cell) for cell in found if 0 <= inside(cell) < length]


def sees(state: Moving, motion: Motion, length: int, cell: int) -> np.ndarray:
    """Which positions of a moving factor may depend on a cell of the input."""
    if motion.field is None:
        return np.ones(length, bool)
    found = np.zeros(length, bool)
    for phase, (first, last) in enumerate(motion.field):
        if not first <= last:
            continue
        rate, first, last = Fraction(motion.rate), Fraction(first), Fraction(last)
        unit = math.lcm(rate.denominator, first.denominator, last.denominator)  # so that all is in whole numbers
        at = np.arange(phase, length, len(motion.field)) * int(rate * unit) - cell * unit
        low, high = at + int(first * unit), at + int(last * unit)
        around = 0 if state.cycle is None else state.cycle * unit
        found[phase :: len(motion.field)] = -(-low // around) <= high // around if around else (low <= 0) & (high >= 0)
    return found


def cells(held: Held, trial: RunPair, run: int) -> tuple[np.ndarray, np.ndarray]:
    """The names of a moving value's cells in the first run (0) or the second (1), and which its state is about.

    Each draw has the same names, and each trial those of the first run; so of small values they are kept.
    """
    named = _kept_cells if held.aval.size <= SMALL else _cells
    return named(held, RunPair(trial.shift, trial.changed, 0) if run else RunPair(0, None, 0), run)


def _cells(held: Held, trial: RunPair, run: int) -> tuple[np.ndarray, np.ndarray]:
    state: Moving = held.state
    factors = [factor for axis in state.axes for factor in axis if factor.length != 1 or factor.motion]
    names = np.zeros([factor.length for factor in factors], np.uint64) + mixed(held.name)[0]
    clear = np.ones(names.shape, bool)
    apart = np.full(names.shape, trial.shift % state.shift != 0 if trial.changed is None else state.depends)
    for place, factor in enumerate(factors):
        spread, at, motion = along(place, len(factors)), np.arange(factor.length), factor.motion
        if motion is not None:
            clear = clear & ((at >= motion.lo) & (at < motion.hi)).reshape(spread)
            if trial.changed is not None:
                apart = apart | sees(state, motion, factor.length, trial.changed).reshape(spread)
            at = motion.start + at - run * int(trial.shift / motion.rate)
            at = at if state.cycle is None else at % int(state.cycle / abs(motion.rate))
        elif factor.period is not None:
            at = at % factor.period
        names = names + mixed(place, at).reshape(spread)
    return names.reshape(held.aval.shape), (clear & ~apart if run else clear).reshape(held.aval.shape)


def _others(number: int, run: int, count: int) -> np.ndarray:
    """Names of a value's cells that no other cell has, nor the same one in the other run."""
    return mixed(number, run + 1, np.arange(count))


_kept_cells = functools.lru_cache(maxsize=512)(_cells)
_kept_others = functools.lru_cache(maxsize=512)(_others)


def _draw_moving(held: Held, trial: RunPair, run: int) -> Any:
    return _numbers(held, trial, run, *cells(held, trial, run))


def _draw_broken(held: Held, trial: RunPair, run: int) -> Any:
    return _numbers(held, trial, run, np.zeros(held.aval.shape, np.uint64), np.zeros(held.aval.shape, bool))


def _numbers(held: Held, trial: RunPair, run: int, names: np.ndarray, clear: np.ndarray) -> Any:
    """Numbers for cells by their names; what the state is not about is different in each run."""
    others = (_kept_others if names.size <= SMALL else _others)(held.number, run, names.size)
    found = numbers(np.where(clear, names, others.reshape(names.shape)), held.aval, trial.draw)
    if run == 0 or trial.push == 0 or not (is_real(held.aval) and trial.kind in PUSHED):
        return found
    pushed = PUSH + np.abs(found)
    return np.where(clear, found, pushed if is_unsigned(held.aval) else trial.push * pushed).astype(found.dtype)


def _draw_spectrum(held: Held, trial: RunPair, run: int) -> Any:
    zeros, angles = _turns(held, trial)
    found = _draw_moving(replace(held, state=held.state.value), trial, run)
    return np.where(zeros, 0, found * np.exp(-1j * angles) if run else found).astype(found.dtype)


def _draw_pieces(held: Held, trial: RunPair, run: int) -> Any:
    """Parts of a parent that has any cells whose sums a period apart move.

    Where sums are of all sizes or large, the cells beyond the first period are small: else sums were lost in their
    rounding. A sum of which the parent has no cell is zero, and so are those that move to its place.
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
    parent = np.moveaxis(numbers(names, held.aval, small), state.axis, 0)
    parent[:period] = np.moveaxis(total, state.axis, 0)[: state.total]
    for cell in range(period, state.total):
        parent[cell % period] -= parent[cell]
    found = np.zeros((held.aval.shape[state.axis], *parent.shape[1:]), parent.dtype)
    for lo, hi, at in state.spans:
        found[at : at + hi - lo] += parent[lo:hi]
    return np.moveaxis(found, 0, state.axis)


def _judge_cells(group: Group, trial: RunPair) -> str:
    """Whether values of one name show one content, each cell of it the same number, in both runs."""
    parts = [
        (n, pair[n], *cells(held, trial, n)) for held, pair in group if isinstance(held.state, Moving) for n in (0, 1)
    ]
    pieces = [(held, pair) for held, pair in group if isinstance(held.state, Pieces)]
    found = odd_one([*parts, *_parts_of_pieces(pieces, trial)], signed=trial.kind == EXTREMES, noise=trial.noise)
    if trial.changed is None:
        return found and f"shifting the scene by {trial.shift}, {found}"
    return found and f"changing cell {trial.changed} of the input, which lies outside its receptive field, {found}"


def _judge_spectrum(group: Group, trial: RunPair) -> str:
    ((held, (one, other)), *_) = group
    zeros, angles = _turns(held, trial)
    if np.any(zeros & (one != 0)):
        return "a mode that is claimed to be zero is not"
    turned = (other * np.exp(1j * angles)).astype(other.dtype)
    return _judge_cells([(replace(held, state=held.state.value), (one, turned))], trial)


def _turns(held: Held, trial: RunPair) -> tuple[np.ndarray, np.ndarray]:
    """Which cells of a spectrum are zeros, and the angle by which a shift turns each of the others."""
    spread = along(held.state.axis, len(held.aval.shape))
    zeros = np.array([mode is None for mode in held.state.modes], bool).reshape(spread)
    turns = [Fraction((mode or 0) * trial.shift, held.state.value.cycle) % 1 for mode in held.state.modes]
    return np.broadcast_to(zeros, held.aval.shape), 2 * np.pi * np.array(turns, float).reshape(spread)


def _folded(held: Held) -> Held:
    """The sum of a parent's cells a period apart, as a value."""
    shape = jax.ShapeDtypeStruct(_lengths(held.state.folded), held.aval.dtype)
    return Held(held.name, held.name, held.state.folded, shape)


def _parts_of_pieces(pieces: Group, trial: RunPair) -> list[Part]:
    """Pieces of one parent: each shows the parent's cells, or sums of them, and zeros elsewhere.

    If they are all of the parent: its sums a period apart, of which it is claimed that they move.
    """
    if not pieces:
        return []
    held, parts = pieces[0][0], [(run, pair[run], *_parent_cells(one, run)) for one, pair in pieces for run in (0, 1)]
    parts.append((0, np.zeros(1, held.aval.dtype), np.zeros(1, np.uint64), np.ones(1, bool)))
    folded, axis = _folded(held), held.state.axis
    period = folded.aval.shape[axis]
    for run in (0, 1):
        found: dict[int, np.ndarray] = {}
        for one, pair in pieces:
            places = [(cell, at + cell - lo) for lo, hi, at in one.state.spans for cell in range(lo, hi)]
            taken = [at for _, at in places]
            found |= {cell: np.take(pair[run], at, axis) for cell, at in places if taken.count(at) == 1}
        if len(found) == held.state.total:
            nothing = np.zeros_like(found[0])
            sums = [sum((found[cell] for cell in range(i, held.state.total, period)), nothing) for i in range(period)]
            parts.append((run, np.stack(sums, axis).astype(held.aval.dtype), *cells(folded, trial, run)))
    return parts


def _parent_cells(held: Held, run: int) -> tuple[np.ndarray, np.ndarray]:
    """Names of the cells of pieces: which of the parent's each one is, or is the sum of; 0 where there is none."""
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


# A kind of state is two functions: draw a value in one run, so that both stand in its relation, the first whatever sets
# the second apart; judge such a pair, and say what is wrong with it.
KINDS: dict[type, tuple[Callable[[Held, RunPair, int], Any], Callable[[Group, RunPair], str]]] = {
    Moving: (_draw_moving, _judge_cells),
    Spectrum: (_draw_spectrum, _judge_spectrum),
    Pieces: (_draw_pieces, _judge_cells),
    Broken: (_draw_broken, lambda group, trial: ""),
}
