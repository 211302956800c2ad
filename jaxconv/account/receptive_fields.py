"""The stride and the receptive field of each layer, read from a certificate's derivation."""

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
    """The row of each equation in the derivation of a walk.

    The rows of a loop's body are those of the last round that the walk follows. The row of a call follows the rows of
    the equations that it calls, which are one level deeper. The depths show which rows belong together. Bodies that the
    walk did not follow to the end have no rows.
    """
    by_place: dict[Place, Row] = {}
    _align(jaxpr.eqns, rows, (), by_place)
    return by_place


def _align(equations: Sequence[Any], rows: Sequence[Row], place: Place, by_place: dict[Place, Row]) -> None:
    groups = _groups(rows)
    names = [equation.primitive.name for equation in equations]
    if [group[-1].primitive for group in groups] != names:
        return
    for number, (equation, group) in enumerate(zip(equations, groups, strict=True)):
        by_place[*place, number] = group[-1]
        bodies, inside = _bodies(equation), _groups(group[:-1])
        if repeated(equation):
            inside = inside[-len(bodies[0]) :] if bodies[0] else []
        if len(inside) != sum(map(len, bodies)):
            continue
        for body, inner in enumerate(bodies):
            rows, inside = [row for group in inside[: len(inner)] for row in group], inside[len(inner) :]
            _align(inner, rows, (*place, number, body), by_place)


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    """One group for each equation at the lowest depth: the rows of the equations that it calls, then its row."""
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
    """The equations in each body of a call, scan or cond. Rows of a while loop cannot be assigned to its rounds."""
    body = called(equation)
    if body is None:
        return [opened(closed)[0].eqns for closed in (*repeated(equation), *branches(equation))]
    return [opened(body)[0].eqns]


def reach(row: Row | None) -> Reach:
    """The stride and the receptive field of an equation's first result. `row` is from an interior walk."""
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
    return Reach(rate, reason="its receptive field may be the whole input") if field is None else Reach(rate, field)


def _value(row: Row | None) -> Moving | str:
    """The state of an equation's first result, if it moves along at most one axis; otherwise why it is unknown."""
    if row is None:
        return "the certifier does not follow the equations of this body one by one"
    value = main_state(row.outputs[0])
    if isinstance(value, Broken):
        return f"{value.broken.primitive} at {value.broken.source}: {value.broken.reason}"
    if not isinstance(value, Moving) or len(value.moving_axes) > 1:
        return "it moves along several axes at once"
    return value


def mixes(equation: Any, row: Row | None, count: int) -> str:
    """Why an equation's first result cannot be divided among `count` examples; "" if it has a part for each.

    `row` is from a cyclic walk along the batch axis. The moments of a whole batch are invariant to permutations of its
    examples, so they do not mix examples.
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
    """Whether an equation is computed once for all examples."""
    value = None if row is None else main_state(row.outputs[0])
    return isinstance(value, Moving) and not value.moving_axes
