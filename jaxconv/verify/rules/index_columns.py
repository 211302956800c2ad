"""The indices of a gather, one axis of its operand at a time.

`x[rows, columns]` puts its indices side by side. If the rows are known and the columns move with the input, nothing is
known of both together. So they are read from the equation that puts them side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from jaxconv.jaxprs.registry import Registry
from jaxconv.verify.domain import CannotProve, Moving, Plain, Value, is_moving, main_state
from jaxconv.verify.rule_table import Equation


class Column(NamedTuple):
    """The indices into one axis of the operand, without the axis that lists the columns; and their numbers."""

    state: Moving
    numbers: np.ndarray | None


# The arrays that an equation puts side by side along the last axis, by primitive: their states, lengths and numbers.
Parts = list[tuple[Value, int, np.ndarray | None]]
joins: Registry[Callable[[Equation[Value]], Parts]] = Registry()


@joins("concatenate")
def _parts(eqn: Equation[Value]) -> Parts:
    if eqn.params["dimension"] != len(eqn.shapes[0]) - 1:
        return []
    return [
        (main_state(value), shape[-1], numbers)
        for value, shape, numbers in zip(eqn.inputs, eqn.operand_shapes, eqn.known, strict=True)
    ]


def columns_of(eqn: Equation[Plain]) -> list[Column]:
    """The columns of a gather's indices. Raises CannotProve if nothing is known of one."""
    indices, shape = eqn.inputs[1], eqn.operand_shapes[1]
    parts: Parts = [(indices, shape[-1], eqn.known[1])]
    if not isinstance(indices, Moving):
        made = eqn.makers(1)
        join = None if made is None else joins.get(made[0].name)
        parts = [] if made is None or join is None else join(made[0])
    columns: list[Column] = []
    for value, count, numbers in parts:
        if not isinstance(value, Moving):
            raise CannotProve("nothing is known of the indices")
        if is_moving(value.axes[-1]):
            raise CannotProve("the shifted axis lists the indices of one start", "Move the axis before the last one")
        state = replace(value, axes=value.axes[:-1])
        columns += [Column(state, None if numbers is None else numbers[..., n]) for n in range(count)]
    if len(columns) < shape[-1]:
        raise CannotProve("nothing is known of the indices")
    return columns


def known_columns(columns: Sequence[Column], chosen: Sequence[int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The numbers of the chosen columns, and those of the others that are known.

    Raises:
        CannotProve: a chosen column is unknown.
    """
    wanted = [columns[n].numbers for n in chosen]
    known = [numbers for numbers in wanted if numbers is not None]
    if len(known) < len(wanted):
        raise CannotProve(
            "indexes the shifted axis with unknown indices", "Use slices, or indices that are constants of the function"
        )
    others = [column.numbers for n, column in enumerate(columns) if n not in chosen and column.numbers is not None]
    return known, others
