"""The table of rules. A rule determines how the results of a primitive move, from how its operands move."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np

from jaxconv.jaxprs.evaluate import Path
from jaxconv.jaxprs.typing import AnyJaxpr, Params
from jaxconv.verify.claims import Culprit
from jaxconv.verify.domain import Broken, Moving, Pieces, Spectrum, Value

V_co = TypeVar("V_co", bound=Value, covariant=True)
V = TypeVar("V", bound=Value)


class WalkContext(Protocol):
    """The part of a walk that its rules may use."""

    cycle: int | None
    axis: int

    @property
    def is_long(self) -> bool:
        """Whether the derivation is so long that calls and loops are abbreviated."""
        ...

    @property
    def length(self) -> int:
        """Number of rows of the derivation so far."""
        ...

    def new_signal(self) -> Hashable:
        """Return a name that no signal has yet."""
        ...

    def constant(self, shape: Sequence[int]) -> Moving:
        """Return a value that does not depend on the input."""
        ...

    def culprit(self, reason: str, cure: str) -> Culprit:
        """Return the equation as a culprit, for a result whose later use may end the proof."""
        ...

    def broken(self, reason: str, cure: str) -> Broken:
        """Return a broken result of the equation, where another of its results is not broken."""
        ...

    def follow(
        self, closed: AnyJaxpr, inputs: Sequence[Value], known: Sequence[np.ndarray | None]
    ) -> tuple[list[Value], list[np.ndarray | None]]:
        """Follow the jaxpr of a loop body or of a branch: return how its results move, and their known numbers."""
        ...

    def follow_instead(
        self, closed: AnyJaxpr, inputs: Sequence[Value], known: Sequence[np.ndarray | None]
    ) -> tuple[list[Value], list[np.ndarray | None]]:
        """Follow another jaxpr that computes the same as the equation, as `follow` does."""
        ...


@dataclass(frozen=True)
class Equation(Generic[V_co]):
    """The argument of a rule: one equation, whose operands have states of one type.

    Attributes:
        name: the primitive.
        params: parameters of the equation.
        inputs: how each operand moves.
        known: numbers of each operand; None if it is not a constant of the function.
        operand_shapes: shapes of the operands.
        shapes: shapes of the results.
        walk: follows the jaxprs of calls and loops, and names new signals.
        names: returns names of the cells of an operand, or None. Cells of one name are equal; see `equal_cells.py`.
        makers: returns the equation that computes an operand, and the number of the result; None if it is not known.
        places: returns at which cells of which equation's operand the first operand is read; see `own_places.py`.
        settled: returns the numbers that cells of an operand have for all inputs, NaN elsewhere, or None if no cell is
            known to have one; see `settled_numbers.py`.
        path: path of the equation.
    """

    name: str
    params: Params
    inputs: Sequence[V_co]
    known: Sequence[np.ndarray | None]
    operand_shapes: list[tuple[int, ...]]
    shapes: list[tuple[int, ...]]
    walk: WalkContext
    names: Callable[[int], np.ndarray | None] = lambda operand: None
    makers: Callable[[int], tuple[Equation[Value], int] | None] = lambda operand: None
    places: Callable[[], Places | None] = lambda: None
    settled: Callable[[int], np.ndarray | None] = lambda operand: None
    path: Path = ()

    def cells(self, operand: int) -> np.ndarray | None:
        """Return the numbers of an invariant operand, or else names of its cells: where these are equal, it is, too."""
        known, state = self.known[operand], self.inputs[operand]
        is_invariant = isinstance(state, Moving) and not state.moving_axes
        return self.names(operand) if known is None and is_invariant else known

    def weights(self, operand: int) -> np.ndarray | None:
        """Return the `cells` of an operand, in which those that are zero for all inputs are +0."""
        cells = self.cells(operand)
        zeros = None if cells is None else self.settled(operand)
        return cells if cells is None or zeros is None else np.where(zeros == 0, np.zeros((), cells.dtype), cells)

    def moving(self: Equation[Moving]) -> Sequence[Moving]:
        """Return the operands, all of which are `Moving`."""
        return self.inputs

    def with_inputs(self, inputs: Sequence[V]) -> Equation[V]:
        """Return the same equation of operands with other states."""
        states = self.operand_shapes, self.shapes
        asked = self.names, self.makers, self.places, self.settled, self.path
        return Equation(self.name, self.params, inputs, self.known, *states, self.walk, *asked)


@dataclass(frozen=True)
class Places:
    """A read at the places of an equation's largest or sorted cells.

    Attributes:
        operand: how the operand of that equation moves.
        axis: its axis along which the places are.
        own: whether the cells that are read are those of this operand.
    """

    operand: Value
    axis: int
    own: bool


Rule: TypeAlias = Callable[[Equation[Any]], Sequence[Value]]  # of the operands that it is registered for
R = TypeVar("R", bound=Rule)

# RULES[type][primitive] is the rule for operands of that type. If any operand is a spectrum, the rule for spectra is
# applied. A rule for pieces is applied after the other rule, and only to linear primitives.
RULES: dict[type[Moving | Spectrum | Pieces], dict[str, Rule]] = {Moving: {}, Spectrum: {}, Pieces: {}}
TAKES_BROKEN: set[str] = set()  # primitives whose rule is called even if an operand is broken


def rule(*names: str, of: type[Moving | Spectrum | Pieces] = Moving, takes_broken: bool = False) -> Callable[[R], R]:
    """Return a decorator that registers a rule for some primitives and for operands of a type."""
    rules = RULES[of]

    def register(function: R) -> R:
        for name in names:
            if name in rules:
                raise ValueError(f"rule: {name} already has a rule, {rules[name].__name__}")
            rules[name] = function
        if takes_broken:
            TAKES_BROKEN.update(names)
        return function

    return register
