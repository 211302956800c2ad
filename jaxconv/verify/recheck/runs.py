"""Executes equations and jaxprs: by NumPy, or by XLA with one program for all equal equations."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import jax
import numpy as np
from jax.extend.core import JaxprEqn, Primitive, jaxpr_as_fun

from jaxconv.jaxprs import evaluate
from jaxconv.jaxprs.layout import branches, is_endless
from jaxconv.jaxprs.traverse import equations, within
from jaxconv.jaxprs.typing import AnyJaxpr, Array, ArrayValue, Params
from jaxconv.verify import numpy_rows
from jaxconv.verify.domain import Value
from jaxconv.verify.recheck.values import Held, Run


def executions(equation: JaxprEqn, operands: Sequence[Held[Value]]) -> list[Run]:
    """Return the ways to execute an equation: a `cond` executes each branch in turn.

    NumPy executes no equation of constants, because NumPy computes the constants on which derivations rest.
    """
    run = _execution(equation, by_numpy=any(held.constant is None for held in operands))
    if branches(equation) and operands[0].constant is None:
        return [partial(_in_branch, run, turn, len(branches(equation))) for turn in range(len(branches(equation)))]
    return [run]


def _execution(equation: JaxprEqn, *, by_numpy: bool) -> Run:
    """Return a function that executes one equation, by NumPy where `by_numpy` is set and it has a row."""
    refused = "the equation has effects" if equation.effects else ""
    refused = refused or (may_be_endless(equation) and "a loop with an unknown number of iterations")
    by_row, program = numpy_rows.evaluation(equation) if by_numpy else None, functools.cache(compiled_by_xla)

    def run(arrays: list[Array]) -> Sequence[Array]:
        if refused:
            raise RuntimeError(refused)
        found = by_row(cast("list[np.ndarray]", arrays)) if by_row else None
        return program(equation)(arrays) if found is None else found

    return run


def compiled_by_xla(equation: JaxprEqn) -> Run:
    """Return a function that executes one equation by XLA. Equal equations share a program, in both walks."""
    params = cast(Params, equation.primitive.get_bind_params(equation.params))
    try:
        program = _program(equation.primitive, tuple(params.items()))
    except TypeError:  # a parameter has no hash
        return partial(evaluate.executed, equation)
    several = equation.primitive.multiple_results
    return lambda arrays: program(*arrays) if several else [program(*arrays)]


@functools.lru_cache(maxsize=256)
def _program(primitive: Primitive, params: tuple[tuple[str, object], ...]) -> Callable[..., ArrayValue]:
    def execute(*operands: ArrayValue) -> ArrayValue:
        return cast(ArrayValue, primitive.bind(*operands, **dict(params)))

    return jax.jit(execute)


def _in_branch(run: Run, turn: int, count: int, arrays: list[Array]) -> Sequence[Array]:
    """Execute a `cond` with `turn` added to the index of its branch, modulo their number."""
    return run([np.asarray((arrays[0] + turn) % count, arrays[0].dtype), *arrays[1:]])


def evaluation_of(closed: AnyJaxpr) -> Run:
    """Return a function that evaluates a jaxpr."""
    if any(is_endless(equation) for equation, _ in equations(closed)):
        raise RuntimeError("a nested loop with an unknown number of iterations")
    run = jax.jit(jaxpr_as_fun(closed))
    return lambda arrays: cast("Sequence[Array]", run(*arrays))


def may_be_endless(equation: JaxprEqn) -> bool:
    """Whether an equation is a loop with an unknown number of iterations, or contains one."""
    inner = (nested for jaxpr in within(equation) for nested, _ in equations(jaxpr))
    return is_endless(equation) or any(map(is_endless, inner))
