"""Reductions over the rows of a reshape: out[j] = y[j] + y[n + j] + y[2n + j] + ..., as in a circular transposed layer.

A reshape [k*n] -> [k, n] puts cells n apart into one column. Its state does not tell which positions of a row show the
signal. So these reductions are derived from the value before the reshape, and from the one before a pad in front of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jaxconv.jaxprs.registry import Registry
from jaxconv.verify.domain import (
    CannotProve,
    Factor,
    Moving,
    Value,
    common_shift,
    fit,
    main_state,
    motion_of,
    with_motions,
)
from jaxconv.verify.factors import join
from jaxconv.verify.rule_table import Equation, V
from jaxconv.verify.rules.layout import part, taken, windows_of_padding

MOST_ROWS = 64


class Rows(NamedTuple):
    """An axis that a reshape has split into `number` rows of `length` cells, over which an equation reduces."""

    reshape: Equation[Value]
    axis: int
    number: int
    length: int


# The rows of an axis that an equation has split, by its primitive: from the equation and the number of the new axis.
splits: Registry[Callable[[Equation[Value], int], Rows]] = Registry()


@splits("reshape")
def _rows(reshape: Equation[Value], axis: int) -> Rows:
    before, after = reshape.operand_shapes[0], reshape.shapes[0]
    split = (*before[:axis], *after[axis : axis + 2], *before[axis + 1 :])
    if reshape.params.get("dimensions") is not None or len(after) != len(before) + 1 or after != split:
        raise CannotProve("the reshape does not split one axis")
    count, length = after[axis : axis + 2]
    if count > MOST_ROWS or count * length != before[axis]:
        raise CannotProve("the reshape makes too many rows")
    return Rows(reshape, axis, count, length)


def rows_of(eqn: Equation[V]) -> Rows:
    """The rows over which an equation reduces. Raises CannotProve if it does not reduce over rows of a reshape.

    Jaxpr: `axes` of the reduction: the first of the two axes into which the reshape splits one.
    """
    made, axes = eqn.makers(0), eqn.params["axes"]
    split = None if made is None else splits.get(made[0].name)
    if made is None or split is None or len(axes) != 1:
        raise CannotProve("does not reduce over the rows of a reshape")
    return split(made[0], axes[0])


def reduced(eqn: Equation[Moving]) -> Moving:
    """The motion of a reduction over rows: that of a function of the rows, cell by cell.

    Theorems: `CertifierRules.map_sound` and those of `layout.slice_` and `layout.pad` in proofs/coq.
    """
    rows = rows_of(eqn)
    value = main_state(rows.reshape.inputs[0])
    if not isinstance(value, Moving):
        raise CannotProve("reduces over rows of a value of which nothing is known")
    padded = _padded_before(rows)
    if padded is None:
        parts = [part(value, rows.axis, row * rows.length, rows.length) for row in range(rows.number)]
    else:
        x, value = common_shift([padded.value, value])
        motion = motion_of(x.axes[rows.axis])
        if motion is None:
            raise CannotProve("reduces over rows that do not move")
        windows = windows_of_padding(motion, padded.length, *padded.counts)
        parts = []
        for row in range(rows.number):
            shown = [taken(window, row * rows.length, rows.length, 1) for window in windows]
            longest = max(shown, key=lambda window: window.hi - window.lo)
            parts.append(value.with_axis(rows.axis, (Factor(rows.length, motion=longest),)))
    joined = fit(join(parts, eqn.walk.new_signal()))
    return with_motions(joined, lambda motion: motion.without_notes)  # equations behind the operand are no operands'


class Padded(NamedTuple):
    """A value that is padded along an axis, the counts (before, after, between), and its length."""

    value: Moving
    counts: tuple[int, int, int]
    length: int


# The value that an equation pads along an axis and nowhere else, by its primitive; None if it does not.
paddings: Registry[Callable[[Equation[Value], int], Padded | None]] = Registry()


@paddings("pad")
def _padded(pad: Equation[Value], axis: int) -> Padded | None:
    x = main_state(pad.inputs[0])
    config = [(int(before), int(after), int(between)) for before, after, between in pad.params["padding_config"]]
    alone = all(counts == (0, 0, 0) for number, counts in enumerate(config) if number != axis)
    if not isinstance(x, Moving) or not alone or min(config[axis]) < 0:
        return None
    return Padded(x, config[axis], pad.operand_shapes[0][axis])


def _padded_before(rows: Rows) -> Padded | None:
    """The value behind a pad of what is reshaped, if there is one."""
    made = rows.reshape.makers(0)
    padded = None if made is None else paddings.get(made[0].name)
    return None if made is None or padded is None else padded(made[0], rows.axis)
