"""Evaluate a function at many shifts of its input by one compiled program, many shifts in one call."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.checks import flag
from jaxconv.verify.arguments import check_call
from jaxconv.verify.execution import compare, law
from jaxconv.verify.execution.compare import Plan
from jaxconv.verify.execution.program import Program, traced
from jaxconv.verify.execution.requests import check_outputs, check_request
from jaxconv.verify.execution.run import executing
from jaxconv.verify.shifted_axes import directions

Each = Callable[[Program, Plan, Sequence[Any], Sequence[Any], Any, Any], Any]


@dataclass(frozen=True, eq=False)
class Subject:
    """A traced function and its input; `plan` has the law of each output leaf."""

    function: Program
    plan: Plan
    leaves: list[Any]
    structure: Any  # of the output

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the output leaves."""
        return [tuple(leaf.shape) for _, leaf in self.function.outputs]

    def rows(self, shifts: Any) -> np.ndarray:
        """The shifts to try, one row each: see `check`."""
        return law.grid(self.plan.along, self.plan.laws, self.shapes, shifts, "cyclic")


def subject(
    fn: Callable[..., Any],
    arguments: tuple[Any, ...],
    axes: Sequence[int] | Mapping[int, Sequence[int]],
    *,
    batch: int | None = None,
    invariant: bool = False,
    **given: Any,
) -> Subject:
    """Trace the function and determine its laws; `given` may have a certificate and moves, as for `check`."""
    check_call(fn, arguments)
    along = directions(arguments, axes)
    check_request(arguments, along, batch=batch, certificate=given.get("certificate"))
    invariant = flag("invariant", invariant)
    offsets = law.offsets(arguments)
    moved = {offsets[argument] for direction in along for argument, _ in direction.arguments}
    leaves = [jnp.asarray(x) if number in moved else x for number, x in enumerate(jax.tree.leaves(arguments))]
    with executing():
        structure = jax.tree.structure(arguments)
        function = traced(fn, jax.tree.unflatten(structure, leaves))
        check_outputs(function)
        output = jax.tree.structure(jax.eval_shape(fn, *arguments))
    shapes = [tuple(leaf.shape) for _, leaf in function.outputs]
    laws = law.chosen(arguments, shapes, along, "cyclic", invariant=invariant, **given)
    live = tuple(number in moved for number in range(len(leaves)))
    plan = Plan("cyclic", along, tuple(map(tuple, laws)), offsets, live, vectorised=True, integers=False)
    return Subject(function, plan, leaves, output)


def sweep(one: Subject, rows: np.ndarray, each: Each, context: Any = (), batch: int | None = None) -> Any:
    """`each(function, plan, consts, shifted leaves, shift, context)` for every row, stacked.

    `each` is a traceable JAX function. `compare.rows_per_call` determines the number of rows in one call.
    """
    function, plan = one.function, one.plan
    size, vectorised = min(compare.rows_per_call(function, len(rows), batch), len(rows)), batch != 1

    def all_rows(consts: Any, leaves: Any, context: Any, shifts: Any) -> Any:
        def row(shift: Any) -> Any:
            inputs = compare.shifted(plan, leaves, leaves, shift, jnp.bool_(False))
            return each(function, plan, consts, inputs, shift, context)

        return jax.vmap(row)(shifts) if vectorised else jax.lax.map(row, shifts)

    key = (each, plan, vectorised)
    if key not in function.compiled:
        function.compiled[key] = jax.jit(all_rows)
    idle = np.zeros((-len(rows) % size, rows.shape[1]), np.int32)
    padded_rows, results = np.concatenate([rows, idle]), []
    with executing():
        for number in range(math.ceil(len(rows) / size)):
            part = padded_rows[number * size : (number + 1) * size]
            results.append(function.compiled[key](function.consts, one.leaves, context, part))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[: len(rows)], *jax.device_get(results))
