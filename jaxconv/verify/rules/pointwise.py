"""Rules for primitives that look at one position: a function of cells that stand at the same place."""

from __future__ import annotations

from dataclasses import replace

from jaxconv.verify.axes import meet, still
from jaxconv.verify.table import Equation, rule
from jaxconv.verify.values import Lost, Moving, carries, length_of, renamed

ONE_OPERAND = """
    abs acos acosh asin asinh atan atanh bessel_i0e bessel_i1e bitcast_convert_type cbrt ceil clz conj
    convert_element_type copy cos cosh device_put digamma erf erf_inv erfc exp exp2 expm1 floor imag integer_pow
    is_finite lgamma log log1p log2 logistic name neg not one_minus_square population_count real reduce_precision round
    rsqrt sharding_constraint sign sin sinh sqrt square stop_gradient tan tanh
"""
SEVERAL_OPERANDS = """
    add add_any and atan2 clamp complex div eq eq_to ge gt igamma igamma_grad_a igammac le le_to lt lt_to max min mul
    mulhi ne nextafter or polygamma pow regularized_incomplete_beta rem select_n shift_left shift_right_arithmetic
    shift_right_logical sub xor zeta
"""


@rule(*ONE_OPERAND.split())
def one_operand(eqn: Equation) -> list[Moving]:
    """out[i] = f(x[i]): moves as x does.

    relu, x moving along axis 2: the result moves along axis 2, by as much.
    Two windows of one signal stay windows of one signal, so that `concatenate` can still join them.
    Jaxpr: the operands have the result's shape (device_put and the like have one for each result).
    """
    if eqn.shapes != eqn.operand_shapes:
        raise Lost(f"{eqn.name} changes the shape")
    return [renamed(value, (eqn.name, str(eqn.params))) for value in eqn.moving()]


@rule(*SEVERAL_OPERANDS.split())
def several_operands(eqn: Equation) -> list[Moving]:
    """out[i] = f(a[i], b[i], ...): f commutes with every re-indexing that all operands share.

    x*2 + bias, x moving along axis 2, bias uniform along it: moves along axis 2. A checkerboard in place of the bias
    leaves shifts by two; numbers that differ from place to place leave none.
    Jaxpr: operands have the result's shape, or one cell along some of its axes, or rank 0 (predicates, bounds).
    """
    (shape,) = eqn.shapes
    return [meet([widened(value, shape) for value in eqn.moving()], eqn.walk.new_signal())]


def widened(value: Moving, shape: tuple[int, ...]) -> Moving:
    """A number, or a value with axes of one cell, as uniform along the axes that it is spread over."""
    if not value.axes:
        return replace(value, axes=tuple(still(length, 1) for length in shape))
    axes = []
    for axis, length in zip(value.axes, shape, strict=True):
        if length_of(axis) == length:
            axes.append(axis)
        elif carries(axis):
            raise Lost("one position of the shifted axis is repeated along it", "Keep the window's whole length")
        else:
            axes.append(still(length, 1))
    return replace(value, axes=tuple(axes))


@rule("optimization_barrier")
def each_by_itself(eqn: Equation) -> list[Moving]:
    """Each result is its own operand."""
    return eqn.moving()
