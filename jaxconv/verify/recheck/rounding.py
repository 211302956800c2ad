"""How far rounding may move each cell of an output: found by executing, with no table of what primitives do.

Every equation that depends on the arguments has its operands and its result moved by a few units in the last place, at
random, but for two kinds, which show when they are executed. Some only hand numbers on: each cell of the result is,
but for its sign, a cell of an operand, or 0 or 1. Others make small whole numbers of small whole numbers, which is
exact. Loops and branches are one equation each.

Equations are executed one by one. One program of all, with what moves them, takes longer to compile than all that runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs import evaluate
from jaxconv.verify import array_json
from jaxconv.verify.execution.run import executing

UNITS = 8  # in the last place
CELLS = 2**13  # that are moved each by its own number
DRAWS = 4  # of those numbers, and their negatives


@dataclass(frozen=True)
class _Value:
    """An array as it is after each draw of noise, one for all that have moved nothing yet; whether it may be moved."""

    drawn: tuple[Any, ...]
    depends: bool

    def __getitem__(self, draw: int) -> Any:
        return self.drawn[draw % len(self.drawn)]


Execute = Callable[[Any, list[_Value]], list[_Value]]


def doubting(fn: Callable[[list[Any]], Any], example: list[Any]) -> Callable[[list[Any], np.ndarray], np.ndarray]:
    """A function of fn's argument and output: how far each cell of the output may be off.

    Infinitely, if an overflow is part of it: half of the draws make NaN of an infinity.
    """
    closed = jax.make_jaxpr(fn)(example)
    noises = np.random.default_rng(0).uniform(-1, 1, (DRAWS, 2 * CELLS)).astype(np.float32)
    noises = np.concatenate([noises, -noises])
    handing: list[bool] = []

    def watched(equation: Any, operands: list[_Value]) -> list[_Value]:
        plain = _executed(equation, [x[0] for x in operands])
        handing.append(all(_is_handed_on(y, [x[0] for x in operands]) for y in plain))
        return [_Value((y,), False) for y in plain]

    with executing(), np.errstate(all="ignore"):
        _walk(closed, example, watched)

    def doubts(leaves: list[Any], output: np.ndarray) -> np.ndarray:
        known = iter(enumerate(handing))

        def execute(equation: Any, operands: list[_Value]) -> list[_Value]:
            number, plain = next(known)
            depends, draws = any(x.depends for x in operands), range(max([len(x.drawn) for x in operands], default=1))
            plains = [_executed(equation, [x[draw] for x in operands]) for draw in draws]
            if depends and not plain:
                plains = _moved(equation, operands, plains, noises, number * 1013)
            return [_Value(drawn, depends) for drawn in zip(*plains, strict=True)]

        with executing(), np.errstate(all="ignore"):
            found = _walk(closed, leaves, execute)
            off = np.abs([array_json.wide(one) - output for one in found.drawn])
            equal = np.isnan(off) & (np.isnan([array_json.wide(one) for one in found.drawn]) == np.isnan(output))
            return np.where(equal, 0, np.nan_to_num(off, nan=np.inf)).max(axis=0)

    return doubts


def _walk(closed: Any, leaves: Sequence[Any], execute: Execute) -> _Value:
    """The one output of a jaxpr; calls are walked into."""
    given, step = [_Value((x,), True) for x in leaves], lambda equation, inputs, path: execute(equation, inputs)
    still = lambda value, aval: _Value((value,), False)
    (output,) = evaluate.evaluate(closed.jaxpr, closed.consts, given, step, constant=still)
    return output


def _executed(equation: Any, values: list[Any]) -> list[Any]:
    """The results of an equation, as NumPy has them but for random keys."""
    return [y if array_json.is_key(y) else np.asarray(y) for y in evaluate.executed(equation, values)]


def _is_handed_on(y: Any, operands: Sequence[Any]) -> bool:
    """Whether each cell of a result is one of the operands' but for its sign, or 0 or 1; not so of loops."""
    if not _is_float(y):
        return True
    given = [np.abs(array_json.wide(x)).ravel() for x in operands if not array_json.is_key(x)]
    return bool(np.isin(np.abs(array_json.wide(y)), np.concatenate([[0.0, 1.0], *given])).all())


def _moved(
    equation: Any, operands: list[_Value], plains: list[list[Any]], noises: np.ndarray, first: int
) -> list[list[Any]]:
    """The results of an equation that rounds more coarsely, for each draw; as they are if they are exact in all."""
    exact = [_are_small_and_whole([*(x[draw] for x in operands), *plain]) for draw, plain in enumerate(plains)]
    if all(exact):
        return plains
    largest = max([np.size(x[0]) for x in operands if _is_float(x[0])], default=0)
    terms = max(1, largest // max(1, min(y.size for y in plains[0])))

    def moved(draw: int, noise: np.ndarray) -> list[Any]:
        if exact[draw % len(plains)]:
            return plains[draw % len(plains)]
        moving = [
            _noisy(x[draw], noise, start, terms) if x.depends else x[draw]
            for x, start in zip(operands, range(first, first + 331 * len(operands), 331), strict=True)
        ]
        return [y if _are_small_and_whole([y]) else _noisy(y, noise, first) for y in _executed(equation, moving)]

    return [moved(draw, noise) for draw, noise in enumerate(noises)]


def _noisy(x: Any, noise: np.ndarray, first: int, terms: int = 0) -> Any:
    if not _is_float(x) or x.size == 0:
        return x
    unit = float(jnp.finfo(x.dtype).eps)
    numbers = np.tile(noise, x.size // CELLS + 1)[first % CELLS :][: x.size].reshape(x.shape)
    step = np.float32(UNITS * unit + terms * min(unit, 2.0**-23)) * numbers
    if jnp.issubdtype(x.dtype, np.complexfloating):
        step = step + 1j * np.flip(step)
    x = np.asarray(x)
    return x + x * step.astype(x.dtype)


def _are_small_and_whole(values: Sequence[Any]) -> bool:
    """Whether all floats are whole numbers so small that sums and products of some of them are exact."""
    floats = [(array_json.wide(x), 1 / (64 * float(jnp.finfo(x.dtype).eps))) for x in values if _is_float(x)]
    parts = [(part, most) for x, most in floats for part in (np.real(x), np.imag(x))]
    return all(bool(((part == np.rint(part)) & (np.abs(part) < most)).all()) for part, most in parts)


def _is_float(x: Any) -> bool:
    return hasattr(x, "dtype") and jnp.issubdtype(x.dtype, np.inexact)
