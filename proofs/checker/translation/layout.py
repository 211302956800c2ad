"""Primitives that look at one position, and those that move cells about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from translation.program import Program
from translation.table import Known, bound, shape_of, translation

# Functions of cells at one place.
ELEMENTWISE = """
    abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp convert_element_type copy cos cosh
    div eq eq_to erf erf_inv erfc exp exp2 expm1 floor ge gt imag integer_pow is_finite le le_to lgamma log log1p log2
    logistic lt lt_to max min mul name ne neg nextafter not one_minus_square or population_count pow real
    reduce_precision rem round rsqrt select_n shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt
    square stop_gradient sub tan tanh xor
"""


@translation(*ELEMENTWISE.split())
def elementwise(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """out[i] = f(x[i], y[i], ...); numbers are spread over the shape."""
    return [program.map(bound(eqn), [program.spread(x, shape_of(eqn)) for x in operands])]


@translation("broadcast_in_dim")
def broadcast_in_dim(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Axis n becomes axis broadcast_dimensions[n], or its one cell is repeated."""
    shape, places = shape_of(eqn), eqn.params["broadcast_dimensions"]
    mine = program.shapes[operands[0]]
    grown = [place if cells == shape[place] else None for cells, place in zip(mine, places, strict=True)]
    return [program.reindex(operands[0], grown, shape)]


@translation("transpose")
def transpose(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Axis n of the result is axis permutation[n]."""
    return [program.transpose(operands[0], eqn.params["permutation"])]


@translation("squeeze")
def squeeze(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Axes of one cell taken away."""
    return [program.drop(operands[0], eqn.params["dimensions"])]


@translation("reshape")
def reshape(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """The same cells in row-major order, after a transposition if there is one."""
    if 0 in shape_of(eqn):
        return None
    order = eqn.params.get("dimensions")
    x = operands[0] if order is None else program.transpose(operands[0], order)
    return [program.reshape(x, shape_of(eqn))]


@translation("rev")
def rev(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Axes read from their ends."""
    x = operands[0]
    for axis in eqn.params["dimensions"]:
        x = program.slice(x, axis, program.shapes[x][axis] - 1, -1, program.shapes[x][axis])
    return [x]


@translation("slice")
def slice_(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """out[j] = x[start + j*stride] along each axis."""
    shape, starts = shape_of(eqn), eqn.params["start_indices"]
    strides = eqn.params["strides"] or (1,) * len(shape)
    return [sliced(program, operands[0], starts, strides, shape)]


def sliced(program: Program, x: int, starts: Sequence[int], strides: Sequence[int], shape: Sequence[int]) -> int:
    """Positions start, start + stride, ... of each axis."""
    for axis, (start, stride, count) in enumerate(zip(starts, strides, shape, strict=True)):
        x = program.slice(x, axis, int(start), int(stride), count)
    return x


@translation("split")
def split(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Consecutive slices along one axis."""
    sizes, axis = eqn.params["sizes"], eqn.params["axis"]
    starts = np.cumsum([0, *sizes[:-1]])
    return [program.slice(operands[0], axis, int(at), 1, size) for at, size in zip(starts, sizes, strict=True)]


@translation("pad")
def pad(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """Cells of a number before, after and between."""
    x, number = operands
    if any(0 in (cells, size) for cells, size in zip(program.shapes[x], shape_of(eqn), strict=True)):
        return None
    for axis, (before, after, between) in enumerate(eqn.params["padding_config"]):
        x = program.pad(x, number, axis, int(before), int(after), int(between))
    return [x]


@translation("concatenate")
def concatenate(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """One after another along an axis."""
    axis = eqn.params["dimension"]
    return [program.cat_all([x for x in operands if program.shapes[x][axis]] or operands[:1], axis)]


@translation("tile")
def tile(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """x several times over along each axis."""
    (x,) = operands
    for axis, times in enumerate(eqn.params["reps"]):
        x = program.cat_all([x] * times, axis)
    return [x]


@translation("stack")
def stack(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Values of one shape along a new axis."""
    return [program.cat_all([program.insert(x, eqn.params["axis"]) for x in operands], eqn.params["axis"])]


@translation("unstack")
def unstack(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """The slices along one axis."""
    axis = eqn.params["axis"]
    return [program.drop(program.slice(operands[0], axis, n, 1, 1), [axis]) for n in range(len(eqn.outvars))]


@translation("optimization_barrier")
def barrier(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Each result is its own operand."""
    return list(operands)
