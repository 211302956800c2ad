"""The stride and the receptive field of each layer, read from a certificate's derivation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxconv.account.geometry import slides
from jaxconv.account.report import Reach
from jaxconv.jaxprs.evaluate import Path
from jaxconv.jaxprs.layout import is_endless
from jaxconv.jaxprs.traverse import with_paths
from jaxconv.verify.derivation import Row
from jaxconv.verify.domain import Broken, CannotProve, Moving, Value, main_state, motion_of
from jaxconv.verify.worth_reporting import field_of


def rows_of(jaxpr: Any, rows: Sequence[Row]) -> dict[Path, Row]:
    """The row of each equation in a walk's derivation, by its path; in a loop that of the last iteration followed.

    Equations in a loop that the walk gave up have none: it did not reach a state that holds in every iteration.
    """
    found = {row.path: row for row in rows}
    gave_up = {path for path, row in found.items() if any(_broken_at(value, row.number) for value in row.outputs)}
    endless = (path for path, equation in with_paths(jaxpr) if is_endless(equation) and path in found)
    gave_up |= {path for path in endless if any(map(_is_broken, found[path].outputs))}
    enclosing = lambda path: (path[:length] for length in range(1, len(path), 2))
    return {path: row for path, row in found.items() if gave_up.isdisjoint(enclosing(path))}


def _is_broken(value: Value) -> bool:
    return isinstance(main_state(value), Broken)


def _broken_at(value: Value, number: int) -> bool:
    """Whether a value lost its structure at the equation of this row."""
    value = main_state(value)
    return isinstance(value, Broken) and value.culprit.equation == number


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
        return f"{value.culprit.primitive} at {value.culprit.source}: {value.culprit.reason}"
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
