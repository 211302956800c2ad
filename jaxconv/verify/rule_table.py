"""The table of rules: for each primitive, how its results move when its operands do."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from jaxconv.verify.domain import Moving, Pieces, Spectrum, Value


class WalkContext(Protocol):
    """What a rule may ask of the walk that calls it."""

    cycle: int | None
    axis: int

    def new_signal(self) -> Hashable:
        """A name that no signal has yet."""
        ...

    def constant(self, shape: Sequence[int]) -> Moving:
        """A value that does not depend on the input."""
        ...

    def follow(
        self, closed: Any, inputs: Sequence[Value], known: Sequence[np.ndarray | None]
    ) -> tuple[list[Value], list[np.ndarray | None]]:
        """Follow the jaxpr of a loop's body or of a branch: how its results move, and their numbers where known."""
        ...


@dataclass(frozen=True)
class Equation:
    """One equation as a rule sees it.

    `inputs`: how each operand moves. `known`: its numbers, where they are constants of the function. `shapes`: of the
    results. `walk`: to follow the jaxprs of calls and loops, and to name new signals.
    """

    name: str
    params: dict[str, Any]
    inputs: list[Any]
    known: list[np.ndarray | None]
    operand_shapes: list[tuple[int, ...]]
    shapes: list[tuple[int, ...]]
    walk: WalkContext

    def moving(self) -> list[Moving]:
        """The operands, which all move in a known way: the walk has seen to it, unless the rule takes broken ones."""
        return self.inputs


Rule: TypeAlias = Callable[[Equation], Sequence[Value]]

# RULES[type][primitive]: for operands of that type. With one spectrum among the operands a rule of spectra is asked. A
# rule of pieces is asked after the others, and only about linear primitives.
RULES: dict[type[Moving | Spectrum | Pieces], dict[str, Rule]] = {Moving: {}, Spectrum: {}, Pieces: {}}
TAKES_BROKEN: set[str] = set()  # primitives whose rule is called although an operand is broken


def rule(
    *names: str, of: type[Moving | Spectrum | Pieces] = Moving, takes_broken: bool = False
) -> Callable[[Rule], Rule]:
    """Register a rule for some primitives, for operands of a type."""
    rules = RULES[of]

    def register(function: Rule) -> Rule:
        for name in names:
            if name in rules:
                raise ValueError(f"rule: {name} has a rule already, {rules[name].__name__}")
            rules[name] = function
        if takes_broken:
            TAKES_BROKEN.update(names)
        return function

    return register
