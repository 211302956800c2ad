"""Evaluate a function at many shifts of its input by one compiled program, many shifts in one call."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.checks import flag
from jaxconv.jaxprs.typing import ArrayValue, PyTree
from jaxconv.verify.arguments import check_call
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.execution import compare, law
from jaxconv.verify.execution.compare import Plan
from jaxconv.verify.execution.law import Shifts, ShiftsAndMoves
from jaxconv.verify.execution.program import Program, traced
from jaxconv.verify.execution.requests import check_certificate, check_outputs, check_request
from jaxconv.verify.execution.run import executing, over_rows
from jaxconv.verify.shifted_axes import Axes, directions


class Shifted(NamedTuple):
    """A function at one shift of its input: the law of its outputs, its operands and the shift."""

    function: Program
    plan: Plan
    consts: Sequence[ArrayValue]
    inputs: Sequence[ArrayValue]
    shift: jax.Array

    def outputs(self) -> list[ArrayValue]:
        """The outputs, one for each leaf."""
        return self.function(self.consts, self.inputs)


Each: TypeAlias = Callable[[Shifted, PyTree], PyTree]  # of a shifted input and the context that all shifts share


@dataclass(frozen=True, eq=False)
class Subject:
    """A traced function and its input; `plan` has the law of each output leaf."""

    function: Program
    plan: Plan
    leaves: list[ArrayValue]
    output: PyTree  # the shapes of the outputs

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the output leaves."""
        return [tuple(leaf.shape) for _, leaf in self.function.outputs]

    def rows(self, shifts: Shifts) -> np.ndarray:
        """The shifts to try, one row each: see `check`."""
        return law.grid(self.plan.along, self.plan.laws, self.shapes, shifts, "cyclic")


def subject(
    fn: Callable[..., object],
    arguments: tuple[PyTree, ...],
    axes: Axes,
    *,
    batch: int | None = None,
    invariant: bool = False,
    certificate: Certificate | None = None,
    moves: ShiftsAndMoves | None = None,
) -> Subject:
    """Trace the function and determine its laws, as `check` does."""
    check_call(fn, arguments)
    along = directions(arguments, axes)
    check_request(arguments, along, batch=batch)
    invariant = flag("invariant", invariant)
    offsets = law.offsets(arguments)
    moved = {offsets[argument] for direction in along for argument, _ in direction.arguments}
    leaves = [jnp.asarray(x) if number in moved else x for number, x in enumerate(jax.tree.leaves(arguments))]
    with executing():
        function = traced(fn, arguments)
        check_outputs(function)
        check_certificate(certificate, function, along)
        output = jax.eval_shape(fn, *arguments)
    shapes = [tuple(leaf.shape) for _, leaf in function.outputs]
    laws = law.chosen(arguments, shapes, along, "cyclic", certificate=certificate, moves=moves, invariant=invariant)
    live = tuple(number in moved for number in range(len(leaves)))
    plan = Plan("cyclic", along, tuple(map(tuple, laws)), offsets, live, vectorised=True, integers=False)
    return Subject(function, plan, leaves, output)


def sweep(one: Subject, rows: np.ndarray, each: Each, context: PyTree = (), batch: int | None = None) -> PyTree:
    """`each(shifted, context)` for every row, stacked.

    `each` is a traceable JAX function. `compare.rows_per_call` determines the number of rows in one call.
    """
    function, plan = one.function, one.plan
    size, vectorised = min(compare.rows_per_call(function, len(rows), batch), len(rows)), batch != 1

    def all_rows(
        consts: Sequence[ArrayValue], leaves: Sequence[ArrayValue], context: PyTree, shifts: jax.Array
    ) -> PyTree:
        def row(shift: jax.Array) -> PyTree:
            inputs = compare.shifted(plan, leaves, leaves, shift, jnp.bool_(False))
            return each(Shifted(function, plan, consts, inputs, shift), context)

        return over_rows(row, vectorised=vectorised)(shifts)

    key = (each, plan, vectorised)
    if key not in function.compiled:
        function.compiled[key] = jax.jit(all_rows)
    idle = np.zeros((-len(rows) % size, rows.shape[1]), np.int32)
    padded_rows = np.concatenate([rows, idle])
    results: list[PyTree] = []
    with executing():
        for number in range(math.ceil(len(rows) / size)):
            part = padded_rows[number * size : (number + 1) * size]
            results.append(function.compiled[key](function.consts, one.leaves, context, part))
    joined: Callable[..., np.ndarray] = lambda *parts: np.concatenate(parts)[: len(rows)]
    return jax.tree.map(joined, *jax.device_get(results))
