"""The cells of a moving value in both runs: their names, those that a cell of the input reaches, and their numbers."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs.typing import Shaped
from jaxconv.verify.domain import Factor, Motion, Moving, Value
from jaxconv.verify.recheck.named_cells import (
    DRAWS,
    PUSH,
    PUSHED,
    along,
    is_key,
    is_real,
    is_unsigned,
    kind_of,
    mixed,
    mixed_integers,
    numbers_of_draws,
)
from jaxconv.verify.recheck.values import Held, Stack, Trials, has_state, motions_of


def edges(state: Moving, draw: int, length: int) -> list[int]:
    """Return the input cells next to the receptive field of a position, for one random position per moving factor.

    If the receptive field is empty, return the input cell at the position.
    """
    neighbours: list[int] = []
    for _, motion in motions_of(state):
        if motion.field is None or motion.lo >= motion.hi:
            continue
        j = motion.lo + mixed_integers(draw) % (motion.hi - motion.lo)
        first, last = motion.field[j % len(motion.field)]
        if math.isinf(first) or first > last:
            neighbours += [math.floor(motion.rate * j)] * 2
            continue
        unit, rate, first, last = _in_a_unit(Fraction(motion.rate), Fraction(first), Fraction(last))
        neighbours += [-(-(rate * j + first) // unit) - 1, (rate * j + last) // unit + 1]
    inside: Callable[[int], int] = lambda cell: cell if state.cycle is None else cell % state.cycle
    return [inside(cell) for cell in neighbours if 0 <= inside(cell) < length]


def sees(state: Moving, motion: Motion, length: int, cells: np.ndarray) -> np.ndarray:
    """Return masks of the positions of a moving factor that may depend on a cell of the input, a mask for each cell."""
    if motion.field is None:
        return np.ones((len(cells), length), bool)
    mask = np.zeros((len(cells), length), bool)
    for phase, (first, last) in enumerate(motion.field):
        if not first <= last:
            continue
        unit, rate, first, last = _in_a_unit(Fraction(motion.rate), Fraction(first), Fraction(last))
        at = np.arange(phase, length, len(motion.field)) * rate - cells[:, None] * unit
        low, high = at + first, at + last
        around = 0 if state.cycle is None else state.cycle * unit
        reaches = -(-low // around) <= high // around if around else (low <= 0) & (high >= 0)
        mask[:, phase :: len(motion.field)] = reaches
    return mask


@functools.lru_cache(maxsize=4096)
def _in_a_unit(*fractions: Fraction) -> list[int]:
    """Return the number of units in 1 and in each fraction, for the largest unit in which all are integers."""
    unit = math.lcm(*(fraction.denominator for fraction in fractions))
    return [unit, *(int(fraction * unit) for fraction in fractions)]


def unseen(held: Held[Moving], changed: Sequence[int]) -> np.ndarray:
    """Return masks of the cells of a moving value that do not depend on a cell of the input, a mask for each cell."""
    state, factors = held.state, _factors(held.state)
    mask = np.full((len(changed), *(1 for _ in factors)), not state.depends)
    for place, factor in enumerate(factors):
        if factor.motion is not None:
            seen = sees(state, factor.motion, factor.length, np.asarray(changed))
            mask = mask & ~seen.reshape(len(changed), *along(place, len(factors)))
    lengths = (factor.length for factor in factors)
    return np.broadcast_to(mask, (len(changed), *lengths)).reshape(len(changed), *held.aval.shape)


def _factors(state: Moving) -> list[Factor]:
    """Return the factors of a state without those that are trivial."""
    return [factor for axis in state.axes for factor in axis if factor.length != 1 or factor.motion]


def cells(held: Held[Moving], shift: int, run: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the names of a moving value's cells in run 0 or 1, and a mask of the cells that its state describes.

    All draws share the names, and all shifts share those of the first run. So the names of small values are cached.
    """
    return (_cached_cells if held.is_small else _cells)(held, run * shift, run)


def _cells(held: Held[Moving], shift: int, run: int) -> tuple[np.ndarray, np.ndarray]:
    state = held.state
    rows: list[_Row] = []
    for factor in _factors(state):
        motion, window, start, period = factor.motion, (0, factor.length), 0, factor.period
        if motion is not None:
            start = motion.start - run * int(shift / motion.rate)
            window, period = (motion.lo, motion.hi), None
            if state.cycle is not None:
                period = state.cycle * motion.rate.denominator // (abs(motion.rate.numerator) * motion.turns)
        rows.append((factor.length, *window, start, period))
    of_rows = _cached_cells_of_rows if held.is_small else _cells_of_rows
    names, clear = of_rows(tuple(rows), held.aval.shape, shift % state.shift == 0)
    return names + np.uint64(mixed_integers(held.name)), clear


_Row: TypeAlias = tuple[
    int, int, int, int, int | None
]  # length, the positions lo and hi, start, and period of a factor


def _cells_of_rows(rows: tuple[_Row, ...], shape: tuple[int, ...], clear: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return names of the cells, to which that of the value is added, and a mask of those that have a motion's window.

    Most values of a network have the same factors, and hashing takes long.
    """
    names = np.zeros([length for length, *_ in rows], np.uint64)
    mask = np.full(names.shape, clear)
    for place, (length, lo, hi, start, period) in enumerate(rows):
        spread, at = along(place, len(rows)), np.arange(length)
        mask = mask & ((at >= lo) & (at < hi)).reshape(spread)
        at = start + at if period is None else (start + at) % period
        names = names + mixed(place, at).reshape(spread)
    return names.reshape(shape), mask.reshape(shape)


_cached_cells_of_rows = functools.lru_cache(maxsize=512)(_cells_of_rows)
_cached_cells = functools.lru_cache(maxsize=512)(_cells)


def draw_moving(held: Held[Moving], trials: Trials, run: int) -> Stack:
    """Return the numbers of a moving value in one run of each trial, such that both runs satisfy the relation."""
    if trials.pushed:
        return _with_pushed_border(held, trials, run)
    if run == 1 and not trials.changed and not _is_still(held, trials.shift):
        return _numbers(held, trials.shift, trials.draws, 1)
    first = _numbers(held, 0, trials.draws, 0)
    if run == 0 or not trials.changed:
        return first
    clear = cells(held, 0, 0)[1] & unseen(held, trials.changed)
    if clear.all():
        return first
    others = (_cached_others if held.is_small else _numbers_of_others)(held, trials.draws)
    if is_key(held.aval):
        return [jnp.where(*row) for row in zip(clear, first, others, strict=True)]
    return np.where(clear, first, _pushed(np.asarray(others), held.aval, trials))


def _is_still(held: Held[Moving], shift: int) -> bool:
    """Whether a shift changes no cell of a value."""
    return shift % held.state.shift == 0 and not motions_of(held.state) and bool(cells(held, 0, 0)[1].all())


def _numbers(held: Held[Moving], shift: int, draws: tuple[int, ...], run: int) -> Stack:
    """Return the numbers of a moving value in a run of each draw; several equations may read it."""
    seed = draws[0] // DRAWS
    every = (_cached_numbers if held.is_small else _numbers_of_seed)(held, shift, seed, run)
    places = [draw - seed * DRAWS for draw in draws]
    if isinstance(every, np.ndarray):
        return every if places == list(range(DRAWS)) else every[places]
    return [every[place] for place in places]


def _numbers_of_seed(held: Held[Moving], shift: int, seed: int, run: int) -> Stack:
    """Return the numbers of a moving value in a run of each draw of a seed."""
    names, clear = cells(held, shift, run)
    names = names if clear.all() else np.where(clear, names, other_names(held, run))
    return numbers_of_draws(names, held.aval, tuple(range(seed * DRAWS, (seed + 1) * DRAWS)))


_cached_numbers = functools.lru_cache(maxsize=512)(_numbers_of_seed)


def other_names(held: Held[Value], run: int) -> np.ndarray:
    """Return unique names for a value's cells, which also differ between the runs."""
    return mixed(held.number, run + 1, np.arange(held.aval.size)).reshape(held.aval.shape)


def _numbers_of_others(held: Held[Moving], draws: tuple[int, ...]) -> Stack:
    """Return new numbers for all cells of a value in each draw."""
    return numbers_of_draws(other_names(held, 1), held.aval, draws)


_cached_others = functools.lru_cache(maxsize=512)(_numbers_of_others)


def shown_cells(operands: Sequence[Held[Value]], shift: int) -> dict[tuple[int, int], Sequence[tuple[int, int]]]:
    """Return the positions [lo, hi) of each signal in both runs, by the name of the value and the place of the factor.

    Values of one name show parts of one signal, which are taken together.
    """
    found: dict[tuple[int, int], tuple[int, int, int]] = {}
    for held in operands:
        if not has_state(held, Moving) or held.state.cycle is not None:
            continue
        for place, factor in enumerate(_factors(held.state)):
            if factor.motion is not None:
                start, key = factor.motion.start, (held.name, place)
                lo, hi, _ = found.get(key, (start, start, 0))
                found[key] = min(lo, start), max(hi, start + factor.length), int(shift / factor.motion.rate)
    return {key: ((lo, hi), (lo - step, hi - step)) for key, (lo, hi, step) in found.items()}


def _with_pushed_border(held: Held[Moving], trials: Trials, run: int) -> Stack:
    """Return the numbers of a moving value in one run of each trial, where cells that the other run lacks are pushed.

    All other cells have the other sign. So a maximum, or whether any cell is positive, shows what is pushed.
    """
    drawn = _numbers(held, trials.shift * run, trials.draws, run)
    if is_key(held.aval) or not motions_of(held.state):
        return drawn
    drawn, sign = np.asarray(drawn), np.reshape(trials.pushes, (-1, *(1 for _ in held.aval.shape))).astype(np.int8)
    border = np.stack([_lacked(held, trials, run, pushed) for pushed in (0, 1)])[list(trials.pushed)]
    if held.aval.dtype == bool:
        return border == (sign > 0)
    inside = -sign * np.abs(drawn) if is_real(held.aval) and not is_unsigned(held.aval) else drawn
    return np.where(border, _pushed(drawn, held.aval, trials), inside).astype(drawn.dtype)


def _lacked(held: Held[Moving], trials: Trials, run: int, pushed: int) -> np.ndarray:
    """Return a mask of the cells of a run that its run `pushed` may have, and the other run has not."""
    factors = _factors(held.state)
    mask = np.zeros([factor.length for factor in factors], bool)
    for place, factor in enumerate(factors):
        if factor.motion is not None:
            at = factor.motion.start + np.arange(factor.length) - run * int(trials.shift / factor.motion.rate)
            lo, hi = trials.shown[held.name, place][1 - pushed]
            mask = mask | ((at < lo) | (at >= hi)).reshape(along(place, len(factors)))
    mask = mask.reshape(held.aval.shape)
    return mask | ~cells(held, run * trials.shift, run)[1] if run == pushed else mask


def _pushed(drawn: np.ndarray, aval: Shaped, trials: Trials) -> np.ndarray:
    """Return numbers, in trials that push them with magnitudes larger than all others."""
    pushes = [push * (kind_of(draw) in PUSHED) for draw, push in zip(trials.draws, trials.pushes, strict=True)]
    if not any(pushes) or not is_real(aval):
        return drawn
    sign = np.reshape(pushes, (-1, *(1 for _ in aval.shape))).astype(np.int8)
    pushed = PUSH + np.abs(drawn)
    return np.where(sign == 0, drawn, pushed if is_unsigned(aval) else sign * pushed).astype(drawn.dtype)
