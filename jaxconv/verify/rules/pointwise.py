"""Rules for primitives that look at one position: a function of cells that stand at the same place."""

from __future__ import annotations

from dataclasses import replace

from jaxconv.jaxprs.primitives import family
from jaxconv.verify.domain import CannotProve, Moving, is_moving, length_of, renamed
from jaxconv.verify.factors import invariant_axis, join
from jaxconv.verify.rule_table import Equation, rule


@rule(*family("pointwise"))
def pointwise(eqn: Equation) -> list[Moving]:
    """out[i] = f(x[i]), or f(a[i], b[i], ...)."""
    return one_operand(eqn) if len(eqn.inputs) == len(eqn.shapes) else several_operands(eqn)


def one_operand(eqn: Equation) -> list[Moving]:
    """out[i] = f(x[i]): moves as x does.

    relu, x moving along axis 2: the result moves along axis 2, by as much.
    Two windows of one signal stay windows of one signal, so that `concatenate` can still join them.
    Jaxpr: the operands have the result's shape (device_put and the like have one for each result).
    """
    if eqn.shapes != eqn.operand_shapes:
        raise CannotProve(f"{eqn.name} changes the shape")
    return [renamed(value, (eqn.name, str(eqn.params))) for value in eqn.moving()]


def several_operands(eqn: Equation) -> list[Moving]:
    """out[i] = f(a[i], b[i], ...): f commutes with every re-indexing that all operands share.

    x*2 + bias, x moving along axis 2, bias uniform along it: moves along axis 2. A checkerboard in place of the bias
    leaves shifts by two; numbers that differ from place to place leave none.
    Jaxpr: operands have the result's shape, or one cell along some of its axes, or rank 0 (predicates, bounds).
    """
    (shape,) = eqn.shapes
    return [join([widened(value, shape) for value in eqn.moving()], eqn.walk.new_signal())]


def widened(value: Moving, shape: tuple[int, ...]) -> Moving:
    """A number, or a value with axes of one cell, as uniform along the axes that it is spread over."""
    if not value.axes:
        return replace(value, axes=tuple(invariant_axis(length, 1) for length in shape))
    axes = []
    for axis, length in zip(value.axes, shape, strict=True):
        if length_of(axis) == length:
            axes.append(axis)
        elif is_moving(axis):
            raise CannotProve("one position of the shifted axis is repeated along it", "Keep the window's whole length")
        else:
            axes.append(invariant_axis(length, 1))
    return replace(value, axes=tuple(axes))


@rule(*family("identity"))
def each_by_itself(eqn: Equation) -> list[Moving]:
    """Each result is its own operand."""
    return eqn.moving()
