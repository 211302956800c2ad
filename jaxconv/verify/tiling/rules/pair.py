"""The argument of the rules, and their table: how the result of a primitive agrees in both executions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.typing import Params
from jaxconv.verify.domain import CannotProve
from jaxconv.verify.tiling.agreement import fixed_window
from jaxconv.verify.tiling.states import Equal, Window

State: TypeAlias = Equal | Window
Shapes: TypeAlias = Sequence[tuple[int, ...]]
Rule: TypeAlias = Callable[["Pair"], Sequence[State]]


@dataclass(frozen=True)
class Side:
    """One of the two equations of a pair: its parameters, and the shapes of its operands and results."""

    params: Params
    operands: Shapes
    results: Shapes


@dataclass(frozen=True)
class Pair:
    """An equation of the whole's jaxpr, and the same equation of the tile's.

    `known` has the numbers of each operand in both executions, if it is a constant of the function. `more` is the
    number of cells that the whole input has more than the tile.
    """

    name: str
    whole: Side
    tile: Side
    inputs: Sequence[State]
    known: Sequence[tuple[np.ndarray, np.ndarray] | None]
    more: int

    def same(self, *names: str) -> None:
        """Raise CannotProve unless these parameters, or all, are the same at both sizes."""
        for name in names or self.whole.params.keys() | self.tile.params.keys():
            one, other = self.whole.params.get(name), self.tile.params.get(name)
            if not (np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other):
                reason = f"{name} of {self.name} depends on the size of the input"
                raise CannotProve(reason, "Use parameters that are the same for a tile and for the whole")

    def other_axes(self, *axes: int, operand: int = 0) -> State:
        """The operand, if its window is not along one of these axes.

        Raises:
            CannotProve: it is.
        """
        state = self.inputs[operand]
        if isinstance(state, Window) and state.axis in axes:
            reason = f"{self.name} over the tiled axis: its result depends on cells that a tile does not have"
            raise CannotProve(reason, f"Use {self.name} along other axes, or over windows of a fixed size")
        return state


def with_fixed(pair: Pair, windows: Sequence[Window], operand: int, axis: int) -> list[Window]:
    """Windows along one axis of the result, and an equal operand that has the same axis, whose cells do not move.

    `axis` is the operand's axis. Where it has one cell, the operand is the same at every position.
    """
    length = pair.tile.operands[operand][axis]
    fixed = [fixed_window(windows[0].axis, length, pair.more)] if windows and length > 1 else []
    return [*windows, *fixed]


RULES: Registry[Rule] = Registry()


def fitting(state: State, whole: tuple[int, ...], tile: tuple[int, ...]) -> State:
    """A state, if the shapes of the result are those of the state.

    Raises:
        CannotProve: they are not.
    """
    differ = [(n, *sizes) for n, sizes in enumerate(zip(whole, tile, strict=True)) if sizes[0] != sizes[1]]
    grows = isinstance(state, Window) and state.whole != state.tile
    if differ != ([(state.axis, state.whole, state.tile)] if isinstance(state, Window) and grows else []):
        raise CannotProve("the shape of its result depends on the size of the input in another way than its operand's")
    return state
