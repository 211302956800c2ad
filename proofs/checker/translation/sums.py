"""Primitives that make something of all cells along an axis: reductions, scans, products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from translation.program import Program, period
from translation.table import Known, bound, shape_of, translation

REDUCTIONS = {
    "reduce_sum": np.sum, "reduce_max": np.max, "reduce_min": np.min, "reduce_prod": np.prod,
    "reduce_and": np.bitwise_and.reduce, "reduce_or": np.bitwise_or.reduce, "reduce_xor": np.bitwise_xor.reduce,
}  # fmt: skip


@translation(*REDUCTIONS)
def reduction(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """A commutative function of all cells along some axes, one after another."""
    function = partial(REDUCTIONS[eqn.primitive.name], axis=-1)
    return [program.reduce(function, operands[0], eqn.params["axes"])]


@translation("argmax", "argmin")
def place_of_extreme(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """The place of the largest cell along an axis."""
    if len(eqn.params["axes"]) != 1:
        return None
    find = np.argmax if eqn.primitive.name == "argmax" else np.argmin
    return [program.reduce(partial(find, axis=-1), operands[0], eqn.params["axes"], commutes=False)]


@translation("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def cumulative(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Cell i is made of all cells along one axis."""
    (x,), axis, run = operands, eqn.params["axis"], bound(eqn)
    there = lambda cells: jnp.moveaxis(run(jnp.moveaxis(jnp.asarray(cells), -1, axis)), axis, -1)
    return [program.along(there, x, axis, program.shapes[x][axis], commutes=False)]


@translation("sort")
def sort(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Each result is made of the cells of all operands along one axis; of one operand's, whatever their order."""
    axis = eqn.params["dimension"]
    cells = program.cat_all(operands, axis)
    return [
        program.along(_of_all(eqn, axis, n), cells, axis, program.shapes[x][axis], commutes=len(operands) == 1)
        for n, x in enumerate(operands)
    ]


@translation("top_k")
def top_k(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """The k largest cells along an axis, and their places."""
    (x,) = operands
    axis = eqn.params.get("axis", -1) % len(program.shapes[x])
    count = shape_of(eqn)[axis]
    return [program.along(_of_all(eqn, axis, n), x, axis, count, commutes=False) for n in range(2)]


def _of_all(eqn: Any, axis: int, result: int) -> Callable[[Any], Any]:
    """One result of a primitive, of its operands' cells one after another on the last axis."""

    def run(cells: Any) -> Any:
        parts = np.split(np.asarray(cells), len(eqn.invars), -1)
        there = [np.moveaxis(part, -1, axis).astype(v.aval.dtype) for part, v in zip(parts, eqn.invars, strict=True)]
        return np.moveaxis(np.asarray(eqn.primitive.bind(*map(jnp.asarray, there), **eqn.params)[result]), axis, -1)

    return run


def product(program: Program, x: int, y: int, sums: Sequence[int]) -> int:
    """The cells of two values of one shape multiplied, and summed over some axes."""
    return program.reduce(partial(np.sum, axis=-1), program.map(np.multiply, [x, y]), sums)


def _weighs(matrix: np.ndarray | None) -> bool:
    """Whether the numbers of a matrix are known, and say more than that some of its rows or columns are alike."""
    return matrix is not None and matrix.ndim == 2 and not any(period(matrix, axis) for axis in (0, 1))


def _by_known_matrix(program: Program, x: int, axis: int, matrix: np.ndarray) -> int:
    """sum_k x[.., k, ..] matrix[k, j], j on the last axis."""
    rank = len(program.shapes[x])
    x = program.weigh(x, axis, matrix)
    return program.transpose(x, [*[n for n in range(rank) if n != axis], axis])


@translation("dot_general")
def dot_general(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Both operands over (batch, contracted, rest of x, rest of y), multiplied, summed over what is contracted."""
    x, y = operands
    mine, its = program.shapes[x], program.shapes[y]
    (contract_x, contract_y), (batch_x, batch_y) = eqn.params["dimension_numbers"]
    if _weighs(known[1]) and len(contract_y) == 1 and not batch_y:
        return [_by_known_matrix(program, x, contract_x[0], np.moveaxis(known[1], contract_y[0], 0))]
    if _weighs(known[0]) and len(contract_x) == 1 and not batch_x:
        found = _by_known_matrix(program, y, contract_y[0], np.moveaxis(known[0], contract_x[0], 0))
        rank = len(its)  # the matrix's own axis comes first
        return [program.transpose(found, [rank - 1, *range(rank - 1)])]
    rest_x = [n for n in range(len(mine)) if n not in (*contract_x, *batch_x)]
    rest_y = [n for n in range(len(its)) if n not in (*contract_y, *batch_y)]
    order_x, order_y = [*batch_x, *contract_x, *rest_x], [*batch_y, *contract_y]
    shape = [mine[n] for n in order_x] + [its[n] for n in rest_y]
    places_y = {n: place for place, n in enumerate(order_y)} | {n: len(order_x) + k for k, n in enumerate(rest_y)}
    wide_x = program.reindex(x, [order_x.index(n) for n in range(len(mine))], shape)
    wide_y = program.reindex(y, [places_y[n] for n in range(len(its))], shape)
    return [product(program, wide_x, wide_y, range(len(batch_x), len(batch_x) + len(contract_x)))]
