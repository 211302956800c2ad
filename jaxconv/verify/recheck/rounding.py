"""Bounds the rounding error of each cell of an output by execution, without a table of primitives.

The operands and the result of every equation that depends on the arguments are changed at random by a few units in the
last place. Two kinds of equations, which are detected by execution, are exempt:

- equations that only copy numbers: each cell of the result is, up to its sign, a cell of an operand, or 0 or 1;
- equations whose operands and results are small integers, which is exact.

A loop or a `cond` is one equation. Equations are executed one by one: compiling one program of all, with the changes,
takes longer than these executions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from jaxconv.jaxprs import evaluate
from jaxconv.jaxprs.layout import opened
from jaxconv.jaxprs.typing import AnyJaxpr, Array, ArrayValue, Shaped, eps_of
from jaxconv.verify import array_json
from jaxconv.verify.execution.run import executing

UNITS = 8  # size of the changes in units in the last place
CELLS = 2**13  # number of cells before the random numbers repeat
DRAWS = 4  # number of draws of random numbers; their negatives are used too


@dataclass(frozen=True)
class _Value:
    """A value under noise.

    Attributes:
        drawn: the array under each draw of noise, or a single array if no draw has changed it.
        depends: whether the value depends on the arguments.
    """

    drawn: tuple[Array, ...]
    depends: bool

    def __getitem__(self, draw: int) -> Array:
        return self.drawn[draw % len(self.drawn)]


Execute: TypeAlias = Callable[[JaxprEqn, list[_Value]], list[_Value]]
Step: TypeAlias = Callable[[JaxprEqn, list[_Value], evaluate.Path], list[_Value]]


def error_bound(
    fn: Callable[[list[Array]], ArrayValue], example: list[Array]
) -> Callable[[list[Array], np.ndarray], np.ndarray]:
    """Return a function of fn's argument and output that returns the rounding error of each cell of the output.

    The error is infinite if a computation overflows: half of the draws turn an infinity into NaN.
    """
    closed = jax.make_jaxpr(fn)(example)
    noises = np.random.default_rng(0).uniform(-1, 1, (DRAWS, 2 * CELLS)).astype(np.float32)
    noises = np.concatenate([noises, -noises])
    copies: list[bool] = []  # whether each equation only copies numbers

    def record(equation: JaxprEqn, operands: list[_Value]) -> list[_Value]:
        plain = _executed(equation, [x[0] for x in operands])
        copies.append(all(_is_copied(y, [x[0] for x in operands]) for y in plain))
        return [_Value((y,), False) for y in plain]

    with executing(), np.errstate(all="ignore"):
        _walk(closed, example, record)

    def errors(leaves: list[Array], output: np.ndarray) -> np.ndarray:
        known = iter(enumerate(copies))

        def execute(equation: JaxprEqn, operands: list[_Value]) -> list[_Value]:
            number, plain = next(known)
            depends, draws = any(x.depends for x in operands), range(max([len(x.drawn) for x in operands], default=1))
            plains = [_executed(equation, [x[draw] for x in operands]) for draw in draws]
            if depends and not plain:
                plains = _moved(equation, operands, plains, noises, number * 1013)
            return [_Value(drawn, depends) for drawn in zip(*plains, strict=True)]

        with executing(), np.errstate(all="ignore"):
            drawn = _walk(closed, leaves, execute).drawn
            error = np.abs([array_json.wide(array) - output for array in drawn])
            equal = np.isnan(error) & (np.isnan([array_json.wide(array) for array in drawn]) == np.isnan(output))
            return np.where(equal, 0, np.nan_to_num(error, nan=np.inf)).max(axis=0)

    return errors


def _walk(closed: AnyJaxpr, leaves: Sequence[Array], execute: Execute) -> _Value:
    """Return the single output of a jaxpr; calls are entered."""

    def constant(value: ArrayValue, _: Shaped) -> _Value:
        return _Value((value,), False)

    operands = [_Value((x,), True) for x in leaves]
    step: Step = lambda equation, inputs, path: execute(equation, inputs)
    (output,) = evaluate.evaluate(*opened(closed), operands, step, constant=constant)
    return output


def _executed(equation: JaxprEqn, values: list[Array]) -> list[Array]:
    """Return the results of an equation as NumPy arrays, except random keys."""
    return [y if array_json.is_key(y) else np.asarray(y) for y in evaluate.executed(equation, values)]


def _is_copied(y: Array, operands: Sequence[Array]) -> bool:
    """Whether each cell of a result is, up to its sign, a cell of an operand, or 0 or 1."""
    if not _is_float(y):
        return True
    given = [np.abs(array_json.wide(x)).ravel() for x in operands if not array_json.is_key(x)]
    return bool(np.isin(np.abs(array_json.wide(y)), np.concatenate([[0.0, 1.0], *given])).all())


def _moved(
    equation: JaxprEqn, operands: list[_Value], plains: list[list[Array]], noises: np.ndarray, first: int
) -> list[list[Array]]:
    """Return the results of an equation under each draw of noise; unchanged if they are exact in every draw."""
    exact = [_are_small_and_whole([*(x[draw] for x in operands), *plain]) for draw, plain in enumerate(plains)]
    if all(exact):
        return plains
    largest = max([np.size(x[0]) for x in operands if _is_float(x[0])], default=0)
    terms = max(1, largest // max(1, min(y.size for y in plains[0])))

    def moved(draw: int, noise: np.ndarray) -> list[Array]:
        if exact[draw % len(plains)]:
            return plains[draw % len(plains)]
        moving = [
            _noisy(x[draw], noise, start, terms) if x.depends else x[draw]
            for x, start in zip(operands, range(first, first + 331 * len(operands), 331), strict=True)
        ]
        return [y if _are_small_and_whole([y]) else _noisy(y, noise, first) for y in _executed(equation, moving)]

    return [moved(draw, noise) for draw, noise in enumerate(noises)]


def _noisy(x: Array, noise: np.ndarray, first: int, terms: int = 0) -> Array:
    if not _is_float(x) or x.size == 0:
        return x
    unit = eps_of(x.dtype)
    numbers = np.tile(noise, x.size // CELLS + 1)[first % CELLS :][: x.size].reshape(x.shape)
    step = np.float32(UNITS * unit + terms * min(unit, 2.0**-23)) * numbers
    if jnp.issubdtype(x.dtype, np.complexfloating):
        step = step + 1j * np.flip(step)
    x = np.asarray(x)
    return x + x * step.astype(x.dtype)


def _are_small_and_whole(values: Sequence[Array]) -> bool:
    """Whether all floats are integers small enough that sums and products of a few of them are exact."""
    floats = [(array_json.wide(x), 1 / (64 * eps_of(x.dtype))) for x in values if _is_float(x)]
    parts = [(part, limit) for x, limit in floats for part in (np.real(x), np.imag(x))]
    return all(bool(((part == np.rint(part)) & (np.abs(part) < limit)).all()) for part, limit in parts)


def _is_float(x: ArrayValue) -> bool:
    return hasattr(x, "dtype") and jnp.issubdtype(x.dtype, np.inexact)
