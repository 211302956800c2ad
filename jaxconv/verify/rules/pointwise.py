"""Rules for pointwise primitives: each cell of the result depends on the operands' cells at the same position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jaxconv.jaxprs.primitives import family
from jaxconv.verify.domain import CannotProve, FactoredAxis, Moving, is_moving, length_of, renamed
from jaxconv.verify.factors import invariant_axis, join
from jaxconv.verify.rule_table import Equation, rule


@rule(*family("pointwise"))
def pointwise(eqn: Equation[Moving]) -> list[Moving]:
    """out[i] = f(x[i]), or f(a[i], b[i], ...). See `one_operand` and `several_operands`."""
    return one_operand(eqn) if len(eqn.inputs) == len(eqn.shapes) else several_operands(eqn)


def one_operand(eqn: Equation[Moving]) -> list[Moving]:
    """out[i] = f(x[i]): the result moves as x does.

    Two windows of one signal remain windows of one signal, so that `concatenate` can still join them.

    Example: relu of x that moves along axis 2 moves along axis 2, by as much.
    Theorem: `CertifierRules.map_sound` in proofs/coq.
    Jaxpr: the operands have the result's shape. `device_put` and the like have an operand for each result.
    """
    if eqn.shapes != eqn.operand_shapes:
        raise CannotProve(f"{eqn.name} changes the shape")
    return [renamed(value, (eqn.name, str(eqn.params))) for value in eqn.moving()]


def several_operands(eqn: Equation[Moving]) -> list[Moving]:
    """out[i] = f(a[i], b[i], ...): f commutes with every re-indexing that all operands share.

    Example: x*2 + bias moves along axis 2 if x does and the bias is uniform along it. With a checkerboard instead of
    the bias only shifts by two remain, and with different numbers at each position none do.
    Theorem: `CertifierRules.map_sound` in proofs/coq.
    Jaxpr: operands have the result's shape, or one cell along some of its axes, or rank 0 (predicates, bounds).
    """
    (shape,) = eqn.shapes
    return [join([widened(value, shape) for value in eqn.moving()], eqn.walk.new_signal())]


def widened(value: Moving, shape: tuple[int, ...]) -> Moving:
    """A value broadcast to `shape`, from rank 0 or from axes of one cell. It is uniform along the axes that grow."""
    if not value.axes:
        return replace(value, axes=tuple(invariant_axis(length, 1) for length in shape))
    axes: list[FactoredAxis] = []
    for axis, length in zip(value.axes, shape, strict=True):
        if length_of(axis) == length:
            axes.append(axis)
        elif is_moving(axis):
            raise CannotProve("broadcasts one position of the shifted axis along it", "Keep the whole axis")
        else:
            axes.append(invariant_axis(length, 1))
    return replace(value, axes=tuple(axes))


@rule(*family("identity"))
def each_by_itself(eqn: Equation[Moving]) -> Sequence[Moving]:
    """out_i = x_i: each result is the operand of the same number. Theorem: `CertifierRules.map_sound` in proofs/coq."""
    return eqn.moving()
