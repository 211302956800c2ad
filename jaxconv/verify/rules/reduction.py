"""Rules for primitives that sum up, sort or scan along an axis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from jaxconv.verify.domain import CannotProve, Moving, everywhere, is_moving, length_of, renamed
from jaxconv.verify.factors import invariant_axis, join
from jaxconv.verify.rule_table import Equation, rule


def without(value: Moving, axes: Iterable[int]) -> Moving:
    """A value after a commutative reduction over some of its axes.

    Summing over whole periods of a signal that repeats gives the same wherever one starts: what remains does not move
    along that axis any more. In the interior nothing repeats, and a sum over positions sees the border.
    """
    dropped = set(axes)
    depends = value.depends
    for number in dropped:
        axis = value.axes[number]
        if not is_moving(axis):
            continue
        check_whole_periods(value, number)
        depends = True
    kept = replace(value, axes=tuple(a for n, a in enumerate(value.axes) if n not in dropped), depends=depends)
    return everywhere(kept) if depends else kept


def check_whole_periods(value: Moving, number: int) -> None:
    """Refuse a sum over a moving axis that is not over whole periods of a signal that repeats."""
    for factor in value.axes[number]:
        if factor.motion is None:
            continue
        period = value.period(factor.motion)
        if period is None:
            raise CannotProve(
                "adds up positions of the shifted axis, border and all: a shift brings other content in",
                "Only cyclic shifts leave a sum over all positions unchanged",
            )
        clear = factor.motion.hi - factor.motion.lo
        if clear != factor.length or factor.length % period:
            raise CannotProve(
                f"adds up {clear} of {factor.length} positions of a signal that repeats after {period}",
                "Sum over a whole period: pad circularly before it",
                factor.motion.lost or factor.motion.edge,
            )


@rule("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "reduce_xor")
def reduction(eqn: Equation) -> list[Moving]:
    """out = the sum (max, ...) over `axes`. Over a moving axis: only if over whole periods, and then it moves no more.

    Jaxpr: `axes`.
    """
    (value,) = eqn.moving()[:1]
    return [renamed(without(value, eqn.params["axes"]), (eqn.name, eqn.params["axes"]))]


@rule("argmax", "argmin")
def index_of_extreme(eqn: Equation) -> list[Moving]:
    """The place of the largest cell along `axes`: if that axis moves, so does the place, which is then a number.

    Jaxpr: `axes`; `index_dtype`, in which a place may wrap.
    """
    (value,) = eqn.moving()[:1]
    for number in eqn.params["axes"]:
        if is_moving(value.axes[number]):
            raise CannotProve(f"{eqn.name} over the shifted axis: the place of the extreme moves with it")
    key = (eqn.name, eqn.params["axes"], str(eqn.params["index_dtype"]))
    return [renamed(without(value, eqn.params["axes"]), key)]


@rule("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def cumulative(eqn: Equation) -> list[Moving]:
    """out[j] = sum over i <= j of x[i] along `axis`, which must stand still; the others move as they did.

    Jaxpr: `axis`, `reverse`.
    """
    return [_mixed(eqn.moving(), eqn.params["axis"], eqn)]


@rule("sort")
def sort(eqn: Equation) -> list[Moving]:
    """The operands put in order along `dimension`: one that stands still, or whole periods of one operand.

    The cells of a whole period are the same ones wherever one starts, so in order they stand still. (Several operands
    would be ordered by the first; where its cells tie, the others' order depends on where the axis begins.)
    Jaxpr: `dimension`, `num_keys`.
    """
    number, operands = eqn.params["dimension"], eqn.moving()
    if len(operands) == 1 and is_moving(operands[0].axes[number]):
        (value,) = operands
        ordered = without(value, [number])
        axes = (*ordered.axes[:number], invariant_axis(length_of(value.axes[number])), *ordered.axes[number:])
        return [renamed(replace(ordered, axes=axes), eqn.walk.new_signal())]
    found = _mixed(operands, number, eqn)
    return [renamed(found, n) for n in range(len(eqn.shapes))]


@rule("top_k")
def top_k(eqn: Equation) -> list[Moving]:
    """The k largest along the last axis (or `axis`), which must stand still, and their places."""
    (value,) = eqn.moving()[:1]
    number = eqn.params.get("axis", -1) % len(value.axes)
    found = _mixed([value], number, eqn)
    found = found.with_axis(number, invariant_axis(eqn.shapes[0][number]))
    return [renamed(found, n) for n in range(len(eqn.shapes))]


def _mixed(values: list[Moving], number: int, eqn: Equation) -> Moving:
    """Values of one shape, mixed along one axis that stands still."""
    for value in values:
        if is_moving(value.axes[number]):
            raise CannotProve(
                f"{eqn.name} along the shifted axis: what comes out depends on where the axis begins",
                f"Use {eqn.name} along another axis",
            )
    found = join(values, eqn.walk.new_signal())
    return found.with_axis(number, invariant_axis(length_of(found.axes[number])))
