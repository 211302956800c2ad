"""Executes equations and jaxprs: by NumPy, or by XLA with one program for all equal equations."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from jaxconv.verify.recheck.named_cells import plain
from jaxconv.verify.recheck.values import Held, Run, Stack


@dataclass(frozen=True)
class Execution:
    """Executes one equation, by NumPy where `by_row` is not None.

    Attributes:
        equation: the equation.
        by_row: see `numpy_rows.evaluation`.
        refused: why the equation is not executed, or the empty string.
    """

    equation: JaxprEqn
    by_row: Callable[[Sequence[np.ndarray], tuple[int, ...]], list[np.ndarray] | None] | None
    refused: str

    @functools.cached_property
    def program(self) -> Run:
        """The execution by XLA."""
        return compiled_by_xla(self.equation)

    def __call__(self, arrays: list[Array]) -> Sequence[Array]:
        """Return the results of the equation for one array per operand."""
        if self.refused:
            raise RuntimeError(self.refused)
        found = self.by_row(cast("list[np.ndarray]", arrays), ()) if self.by_row else None
        return self.program(arrays) if found is None else found

    def of_stacks(self, columns: Sequence[Stack | np.ndarray], is_stack: Sequence[bool]) -> list[np.ndarray] | None:
        """Return the stacks of all results, or None if the trials must be executed one by one.

        `is_stack`: which operands are stacks; the others are constants.
        """
        name = self.equation.primitive.name
        stacks = [column for column, stacked in zip(columns, is_stack, strict=True) if stacked]
        if self.by_row is None or not all(isinstance(stack, np.ndarray) for stack in stacks):
            return None
        stacks = cast("Sequence[np.ndarray]", stacks)
        if name in numpy_rows.element_wise:
            alike = len({stack.shape for stack in stacks}) == 1
        else:
            alike = name in numpy_rows.of_stack and all(is_stack)
        return self.by_row(cast("Sequence[np.ndarray]", columns), stacks[0].shape[:1]) if alike else None


def executions(equation: JaxprEqn, operands: Sequence[Held[Value]]) -> list[Run]:
    """Return the ways to execute an equation: a `cond` executes each branch in turn.

    NumPy executes no equation of constants, because NumPy computes the constants on which derivations rest.
    """
    refused = "the equation has effects" if equation.effects else ""
    refused = refused or ("a loop with an unknown number of iterations" if may_be_endless(equation) else "")
    by_numpy = any(held.constant is None for held in operands)
    run = Execution(equation, numpy_rows.evaluation(equation) if by_numpy else None, refused)
    if branches(equation) and operands[0].constant is None:
        return [partial(_in_branch, run, turn, len(branches(equation))) for turn in range(len(branches(equation)))]
    return [run]


def executed_in_trials(run: Run, columns: Sequence[Stack], is_stack: Sequence[bool], count: int) -> list[np.ndarray]:
    """Return the stacks of the results of `count` trials, given the stacks of the operands, and constants."""
    found = run.of_stacks(columns, is_stack) if isinstance(run, Execution) and any(is_stack) else None
    if found is not None:
        return found
    trials = (
        [column[n] if stacked else column for column, stacked in zip(columns, is_stack, strict=True)]
        for n in range(count)
    )
    rows = [list(map(plain, run(cast("list[Array]", trial)))) for trial in trials]
    return [np.stack(results) for results in zip(*rows, strict=True)]


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
