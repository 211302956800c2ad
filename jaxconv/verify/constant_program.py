"""Equations of constants that XLA computes: all in one program, which is cached by its structure."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import jax
import jax.core
import numpy as np
from jax.extend.core import JaxprEqn

from jaxconv.jaxprs import evaluate
from jaxconv.jaxprs.typing import Array
from jaxconv.verify.execution.run import compiler_options

# The results of equations, by their paths. Of an equation with unknown operands, some results may be known.
Folded: TypeAlias = dict[evaluate.Path, Sequence[np.ndarray | None]]
Source: TypeAlias = tuple[int | None, int]  # the task that computes an operand, and its result; or None, and an input
Compiled: TypeAlias = Callable[[list[np.ndarray]], list[list[Array]]]


@dataclass(frozen=True)
class Pending:
    """A result of a task: the path of its equation, and the number of the result."""

    path: evaluate.Path
    number: int


@dataclass(frozen=True)
class Task:
    """An equation to compute, its operands, and its path. Operands may be results of earlier tasks."""

    equation: JaxprEqn
    operands: Sequence[np.ndarray | Pending]
    path: evaluate.Path


@dataclass(frozen=True)
class _Structure:
    """The structure of a program: the equations, and where their operands come from. Equal structures compute the same.

    Parameters that cannot be hashed are compared by identity.
    """

    key: tuple[Hashable, ...]
    equations: Sequence[JaxprEqn] = field(compare=False)
    sources: Sequence[Sequence[Source]] = field(compare=False)
    avals: Sequence[jax.ShapeDtypeStruct] = field(compare=False)


def computed(tasks: Sequence[Task]) -> Folded:
    """Return the results of the tasks: those of one program; or, if it fails, of each equation that does not fail.

    XLA does not support every dtype, for example, and `jax_debug_nans` raises an error.
    """
    if not tasks:
        return {}
    try:
        return together(tasks)
    except Exception:  # any failure: a constant that cannot be computed is an unknown one
        return one_by_one(tasks)


def together(tasks: Sequence[Task]) -> Folded:
    """Return the results of the tasks by one program."""
    inputs: list[np.ndarray] = []
    numbers = {task.path: number for number, task in enumerate(tasks)}

    def source(operand: np.ndarray | Pending) -> Source:
        if isinstance(operand, Pending):
            return numbers[operand.path], operand.number
        inputs.append(operand)
        return None, len(inputs) - 1

    sources = [tuple(map(source, task.operands)) for task in tasks]
    equations = [task.equation for task in tasks]
    shapes = tuple((array.shape, array.dtype) for array in inputs)
    key = (jax.config.jax_enable_x64, shapes, *zip(map(_meaning, equations), sources, strict=True))  # pyright: ignore[reportAttributeAccessIssue]
    avals = [jax.ShapeDtypeStruct(*shape) for shape in shapes]
    with jax.core.eval_context(), jax.transfer_guard("allow"):
        results = _compiled(_Structure(key, equations, sources, avals))(inputs)
        return {task.path: list(map(np.asarray, ys)) for task, ys in zip(tasks, results, strict=True)}


def one_by_one(tasks: Sequence[Task]) -> Folded:
    """Return the results of the tasks that can be executed."""
    found: Folded = {}
    for task in tasks:
        try:
            operands = [found[x.path][x.number] if isinstance(x, Pending) else x for x in task.operands]
            with jax.core.eval_context():
                results = evaluate.executed(task.equation, [jax.device_put(operand) for operand in operands])
            found[task.path] = [np.asarray(jax.device_get(array)) for array in results]
        except Exception:  # as above; those that need its results fail, too
            continue
    return found


def _meaning(equation: JaxprEqn) -> Hashable:
    """Return a key of what an equation computes."""
    params = ((name, *_identity(value)) for name, value in sorted(equation.params.items()))
    return equation.primitive, tuple(params)


def _identity(value: object) -> tuple[Hashable, ...]:
    """Return a key that differs for different parameters, and for -0.0 and 0.0, which Python takes to be equal."""
    try:
        hash(value)
    except TypeError:
        return (id(value),)
    return (value, str(value)) if np.isscalar(value) else (value,)


@functools.lru_cache(maxsize=256)
def _compiled(structure: _Structure) -> Compiled:
    def run(inputs: list[jax.Array]) -> list[list[Array]]:
        results: list[list[Array]] = []
        for equation, sources in zip(structure.equations, structure.sources, strict=True):
            operands = [inputs[n] if task is None else results[task][n] for task, n in sources]
            results.append(evaluate.executed(equation, operands))
        return results

    options = compiler_options(len(structure.equations))
    compiled = jax.jit(run, compiler_options=options).lower(list(structure.avals)).compile()
    return cast(Compiled, compiled)
