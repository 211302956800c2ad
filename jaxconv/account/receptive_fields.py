"""What a certificate's derivation says of each layer: how far apart its cells are in the input, and what they see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxconv.account.geometry import slides
from jaxconv.account.records import Place
from jaxconv.account.report import Reach
from jaxconv.jaxprs.layout import branches, called, opened, repeated
from jaxconv.verify.derivation import Row
from jaxconv.verify.domain import Broken, CannotProve, Moving, main_state, motion_of
from jaxconv.verify.worth_reporting import field_of


def rows_of(jaxpr: Any, rows: Sequence[Row]) -> dict[Place, Row]:
    """For each equation its row in a walk's derivation: of a loop's body in the last of the rounds that were followed.

    A row stands behind those of what it calls, which are one deeper: so they tell themselves what belongs to what.
    Bodies that the walk did not follow, or not to their end, have none.
    """
    found: dict[Place, Row] = {}
    _align(jaxpr.eqns, rows, (), found)
    return found


def _align(equations: Sequence[Any], rows: Sequence[Row], place: Place, found: dict[Place, Row]) -> None:
    groups = _groups(rows)
    names = [equation.primitive.name for equation in equations]
    if [group[-1].primitive for group in groups] != names:
        return
    for number, (equation, group) in enumerate(zip(equations, groups, strict=True)):
        found[*place, number] = group[-1]
        bodies, inside = _bodies(equation), _groups(group[:-1])
        if repeated(equation):
            inside = inside[-len(bodies[0]) :] if bodies[0] else []
        if len(inside) != sum(map(len, bodies)):
            continue
        for body, inner in enumerate(bodies):
            rows, inside = [row for one in inside[: len(inner)] for row in one], inside[len(inner) :]
            _align(inner, rows, (*place, number, body), found)


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows as equations of one depth, each with the rows of what it calls before its own."""
    groups: list[list[Row]] = []
    depth = min((row.depth for row in rows), default=0)
    group: list[Row] = []
    for row in rows:
        group.append(row)
        if row.depth == depth:
            groups.append(group)
            group = []
    return groups


def _bodies(equation: Any) -> list[Sequence[Any]]:
    """The equations of what a call, a scan or a cond runs. (Of other loops it is not known which round is which.)"""
    body = called(equation)
    if body is None:
        return [opened(one)[0].eqns for one in (*repeated(equation), *branches(equation))]
    return [opened(body)[0].eqns]


def reach(row: Row | None) -> Reach:
    """The stride and the receptive field of an equation's first result; `row` is of an interior walk."""
    value = _value(row)
    if isinstance(value, str):
        return Reach(reason=value)
    if not value.moving_axes:
        return Reach(reason="a shift of the input does not change it")
    try:
        motion = motion_of(value.axes[value.moving_axes[0]])
    except CannotProve as lost:
        return Reach(reason=lost.reason)
    field = None if motion is None else field_of(motion, None)
    rate = None if motion is None else motion.rate
    return Reach(rate, reason="it may see the whole input") if field is None else Reach(rate, field)


def _value(row: Row | None) -> Moving | str:
    """How an equation's first result moves, if along one axis at most; else why that is not known."""
    if row is None:
        return "the certifier does not follow the equations of this body one by one"
    value = main_state(row.outputs[0])
    if isinstance(value, Broken):
        return f"{value.broken.primitive} at {value.broken.source}: {value.broken.reason}"
    if not isinstance(value, Moving) or len(value.moving_axes) > 1:
        return "it moves along several axes at once"
    return value


def mixes(equation: Any, row: Row | None, count: int) -> str:
    """Why an equation's first result cannot be divided among so many examples; "" if it has a part for each.

    `row` is of a cyclic walk along the axis of examples: so moments of a whole batch, which no order of it changes, do
    not mix its examples.
    """
    value = _value(row)
    if isinstance(value, str):
        return value
    for number in value.moving_axes:
        if slides(equation, number):
            return "windows slide along the first axis of the input"
        first, *_ = value.axes[number]
        motion = first.motion
        whole = motion is not None and (motion.lo, motion.hi) == (0, first.length)
        if motion is None or not whole or first.length * motion.rate != count or motion.rate.numerator != 1:
            return "the first axis of the input is cut or strided over"
    return ""


def shared(row: Row | None) -> bool:
    """Whether an equation is computed once for all examples together."""
    value = None if row is None else main_state(row.outputs[0])
    return isinstance(value, Moving) and not value.moving_axes
