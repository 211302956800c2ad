"""How far rounding may move each cell of an output: found by executing, with no table of what primitives do.

Every equation that depends on the arguments has its operands and its result moved by a few units in the last place, at
random, but for two kinds, which show when they are executed. Some only hand numbers on: each cell of the result is,
but for its sign, a cell of an operand, or 0 or 1. Others make small whole numbers of small whole numbers, which is
exact. Loops and branches are one equation each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.verify import arrays, jaxprs
from jaxconv.verify.executing import compiler_options, executing

UNITS = 8  # in the last place
CELLS = 2**13  # that are moved each by its own number
DRAWS = 4  # of those numbers, and their negatives

Execute = Callable[[Any, list[Any]], list[Any]]


def doubting(fn: Callable[[list[Any]], Any], example: list[Any]) -> Callable[[list[Any], np.ndarray], np.ndarray]:
    """A function of fn's argument and output: how far each cell of the output may be off; infinitely in an overflow."""
    closed = jax.make_jaxpr(fn)(example)
    handing: list[bool] = []

    def watched(equation: Any, operands: list[Any]) -> list[Any]:
        results = jaxprs.executed(equation, operands)
        handing.append(all(_is_handed_on(y, operands) for y in results))
        return results

    with executing():
        _walk(closed.jaxpr, closed.consts, example, watched)

    def moved(leaves: list[Any], noise: Any) -> tuple[Any, Any]:
        known, overflow = iter(enumerate(handing)), [jnp.bool_(False)]

        def execute(equation: Any, operands: list[tuple[Any, bool]]) -> list[tuple[Any, bool]]:
            number, plain = next(known)
            values, depends = [x for x, _ in operands], any(depends for _, depends in operands)
            if plain or not depends:
                return [(y, depends) for y in jaxprs.executed(equation, values)]
            results, over = _moved(equation, operands, noise, number * 1013)
            overflow.append(overflow[-1] | over)
            return [(y, True) for y in results]

        consts = [(x, False) for x in closed.consts]
        ((y, _),) = _walk(closed.jaxpr, consts, [(x, True) for x in leaves], execute, literal=lambda x: (x, False))
        return y, overflow[-1]

    noises = np.random.default_rng(0).uniform(-1, 1, (DRAWS, 2 * CELLS)).astype(np.float32)
    noises = np.concatenate([noises, -noises])
    run = jax.jit(
        lambda leaves: jax.lax.map(lambda noise: moved(leaves, noise), noises),
        compiler_options=compiler_options(len(handing)),
    )

    def doubts(leaves: list[Any], output: np.ndarray) -> np.ndarray:
        with executing():
            found, overflow = run(leaves)
        if np.any(overflow):
            return np.full(output.shape, np.inf)
        with np.errstate(invalid="ignore"):
            off = np.abs(arrays.wide(found) - output)
        equal = np.isnan(off) & (np.isnan(arrays.wide(found)) == np.isnan(output))
        return np.where(equal, 0, np.nan_to_num(off, nan=np.inf)).max(axis=0)

    return doubts


def _walk(
    jaxpr: Any, consts: Sequence[Any], operands: Sequence[Any], execute: Execute, literal: Any = lambda x: x
) -> list[Any]:
    """The outputs of a jaxpr; calls are walked into."""
    known = dict(zip(jaxpr.constvars, consts, strict=True)) | dict(zip(jaxpr.invars, operands, strict=True))
    read = lambda atom: literal(atom.val) if jaxprs.is_literal(atom) else known[atom]
    for equation in jaxpr.eqns:
        inputs, call = [read(atom) for atom in equation.invars], jaxprs.called(equation)
        if call is None:
            outputs = execute(equation, inputs)
        else:
            body, its_consts = jaxprs.opened(call)
            outputs = _walk(body, list(map(literal, its_consts)), inputs, execute, literal)
        known |= zip(equation.outvars, outputs, strict=True)
    return [read(atom) for atom in jaxpr.outvars]


def _is_handed_on(y: Any, operands: Sequence[Any]) -> bool:
    """Whether each cell of a result is one of the operands' but for its sign, or 0 or 1; not so of loops."""
    if not _is_float(y):
        return True
    given = [np.abs(arrays.wide(x)).ravel() for x in operands if not arrays.is_key(x)]
    return bool(np.isin(np.abs(arrays.wide(y)), np.concatenate([[0.0, 1.0, np.inf], *given])).all())


def _moved(equation: Any, operands: list[tuple[Any, bool]], noise: Any, first: int) -> tuple[list[Any], Any]:
    """The results of an equation that rounds more coarsely, and whether they overflow."""
    values = [x for x, _ in operands]
    plain = jaxprs.executed(equation, values)
    largest = max([x.size for x in values if _is_float(x)], default=0)
    terms = max(1, largest // max(1, min(y.size for y in plain)))
    starts = range(first, first + 331 * len(values), 331)
    moving = [
        _noisy(x, noise, start, terms) if depends else x for (x, depends), start in zip(operands, starts, strict=True)
    ]
    exact = _all(_are_small_and_whole([*values, *plain]))
    results = [
        jnp.where(exact | _all(_are_small_and_whole([y])), y, _noisy(y, noise, first)) if _is_float(y) else y
        for y in jaxprs.executed(equation, moving)
    ]
    results = [jnp.where(exact, old, new) if _is_float(old) else new for old, new in zip(plain, results, strict=True)]
    return results, _overflows(values, plain)


def _noisy(x: Any, noise: Any, first: int, terms: int = 0) -> Any:
    if not _is_float(x) or x.size == 0:
        return x
    unit = float(jnp.finfo(x.dtype).eps)
    numbers = jnp.tile(noise, x.size // CELLS + 1)[first % CELLS :][: x.size].reshape(x.shape)
    step = jnp.float32(UNITS * unit + terms * min(unit, 2.0**-23)) * numbers
    if jnp.issubdtype(x.dtype, np.complexfloating):
        step = jax.lax.complex(step, jnp.flip(step))
    return x + x * step.astype(x.dtype)


def _are_small_and_whole(values: Sequence[Any]) -> Iterator[Any]:
    for x in values:
        if _is_float(x):
            eps = float(jnp.finfo(x.dtype).eps)
            parts = [x.real, x.imag] if jnp.issubdtype(x.dtype, np.complexfloating) else [x]
            yield from (jnp.all((part == jnp.round(part)) & (jnp.abs(part) < 1 / (64 * eps))) for part in parts)


def _overflows(operands: Sequence[Any], results: Sequence[Any]) -> Any:
    """Whether infinity came of finite numbers that are large, or of which none is 0, where a function has its poles."""
    finite, poles = jnp.bool_(True), jnp.bool_(True)
    for x in operands:
        if _is_float(x):
            size = jnp.max(jnp.abs(x), initial=0)
            finite &= jnp.all(jnp.isfinite(x))
            poles &= jnp.any(x == 0) & (size < float(jnp.finfo(x.dtype).max) ** 0.5)
    infinite = [jnp.any(jnp.isinf(y)) for y in results if _is_float(y)]
    return finite & ~poles & ~_all(~one for one in infinite)


def _all(flags: Any) -> Any:
    found = jnp.bool_(True)
    for flag in flags:
        found &= flag
    return found


def _is_float(x: Any) -> bool:
    return hasattr(x, "dtype") and jnp.issubdtype(x.dtype, np.inexact)
