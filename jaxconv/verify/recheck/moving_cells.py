"""The cells of a moving value in both runs: their names, those that a cell of the input reaches, and their numbers."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs.typing import Array, Shaped
from jaxconv.verify.domain import Factor, Motion, Moving, Value
from jaxconv.verify.recheck.named_cells import (
    PUSH,
    PUSHED,
    along,
    hashed,
    is_key,
    is_real,
    is_unsigned,
    kind_of,
    mixed,
    mixed_integers,
    numbers_of_draws,
)
from jaxconv.verify.recheck.values import Held, Trials, motions_of


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
        at = Fraction(motion.rate) * j
        neighbours += [math.ceil(at + first) - 1, math.floor(at + last) + 1] if first <= last else [math.floor(at)] * 2
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
        rate, first, last = Fraction(motion.rate), Fraction(first), Fraction(last)
        unit = math.lcm(rate.denominator, first.denominator, last.denominator)  # in this unit all numbers are integers
        at = np.arange(phase, length, len(motion.field)) * int(rate * unit) - cells[:, None] * unit
        low, high = at + int(first * unit), at + int(last * unit)
        around = 0 if state.cycle is None else state.cycle * unit
        reaches = -(-low // around) <= high // around if around else (low <= 0) & (high >= 0)
        mask[:, phase :: len(motion.field)] = reaches
    return mask


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
    state, factors = held.state, _factors(held.state)
    names = np.full([factor.length for factor in factors], mixed_integers(held.name), np.uint64)
    clear = np.full(names.shape, shift % state.shift == 0)
    for place, factor in enumerate(factors):
        spread, at, motion = along(place, len(factors)), np.arange(factor.length), factor.motion
        if motion is not None:
            clear = clear & ((at >= motion.lo) & (at < motion.hi)).reshape(spread)
            at = motion.start + at - run * int(shift / motion.rate)
            at = at if state.cycle is None else at % int(state.cycle / abs(motion.rate) / motion.turns)
        elif factor.period is not None:
            at = at % factor.period
        names = names + mixed(place, at).reshape(spread)
    return names.reshape(held.aval.shape), clear.reshape(held.aval.shape)


_cached_cells = functools.lru_cache(maxsize=512)(_cells)


def draw_moving(held: Held[Moving], trials: Trials, run: int) -> Sequence[Array]:
    """Return the numbers of a moving value in one run of each trial, such that both runs satisfy the relation."""
    drawn = _cached_numbers if held.is_small else _numbers
    first = drawn(held, 0, trials.draws, 0)
    if run == 0:
        return first
    if not trials.changed:
        same = trials.shift % held.state.shift == 0 and not motions_of(held.state) and cells(held, 0, 0)[1].all()
        return first if same else drawn(held, trials.shift, trials.draws, 1)
    clear = cells(held, 0, 0)[1] & unseen(held, trials.changed)
    if clear.all():
        return first
    others = (_cached_others if held.is_small else _numbers_of_others)(held, trials.draws, trials.pushes)
    if is_key(held.aval):
        return [jnp.where(*row) for row in zip(clear, first, others, strict=True)]
    return list(np.where(clear, first, others))


def _numbers(held: Held[Moving], shift: int, draws: tuple[int, ...], run: int) -> Sequence[Array]:
    """Return the numbers of a moving value in a run of each draw; several equations may read it."""
    names, clear = cells(held, shift, run)
    names = names if clear.all() else np.where(clear, names, other_names(held, run))
    return numbers_of_draws(hashed(names, draws[0]), names, held.aval, draws)


_cached_numbers = functools.lru_cache(maxsize=512)(_numbers)


def other_names(held: Held[Value], run: int) -> np.ndarray:
    """Return unique names for a value's cells, which also differ between the runs."""
    return mixed(held.number, run + 1, np.arange(held.aval.size)).reshape(held.aval.shape)


def _numbers_of_others(held: Held[Moving], draws: tuple[int, ...], pushes: tuple[int, ...]) -> Sequence[Array]:
    """Return new numbers for the cells of a value in each trial, larger in magnitude than others if they are pushed."""
    names = other_names(held, 1)
    drawn = numbers_of_draws(hashed(names, draws[0]), names, held.aval, draws)
    return [_pushed(numbers, held.aval, draw, push) for numbers, draw, push in zip(drawn, draws, pushes, strict=True)]


_cached_others = functools.lru_cache(maxsize=512)(_numbers_of_others)


def _pushed(drawn: Array, aval: Shaped, draw: int, push: int) -> Array:
    if not push or kind_of(draw) not in PUSHED or not is_real(aval):
        return drawn
    pushed = PUSH + np.abs(drawn)
    return (pushed if is_unsigned(aval) else push * pushed).astype(drawn.dtype)
