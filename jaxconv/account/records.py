"""The records of the walk: the layers, their locations in the function, and the parameters applied in them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from jaxconv.account.geometry import Geometry
from jaxconv.account.provenance import Part

# The number of an equation; in a call, loop or branch followed by the number of the body and of the equation in it.
Place: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Leaf:
    """An array that may be a parameter: a leaf of an argument or a closed-over array. `name`: that of its container."""

    path: str
    name: str
    shape: tuple[int, ...]
    dtype: Any


@dataclass(frozen=True)
class Location:
    """The location of the walk in the function.

    Attributes:
        place: the number of the equation whose body this is, and the number of the body; () for the function.
        stack: the equations of the surrounding calls, loops and branches.
        loops: the surrounding loops, with the number of rounds of each; None if unknown.
        condition: the branches on which the location depends.
        recording: whether to record layers. It is False while the walk looks for the fixed point of a loop's state.
    """

    place: Place = ()
    stack: tuple[Any, ...] = ()
    loops: tuple[tuple[Place, int | None], ...] = ()
    condition: str = ""
    recording: bool = True

    def inside(self, equation: Any, number: int, body: int) -> Location:
        """The location in a body of equation number `number`."""
        return replace(self, place=(*self.place, number, body), stack=(*self.stack, equation))

    def looping(self, equation: Any, number: int, body: int, rounds: int | None) -> Location:
        """The location in a body that is repeated."""
        return replace(self.inside(equation, number, body), loops=(*self.loops, ((*self.place, number), rounds)))

    @property
    def times(self) -> int | None:
        """How often an equation at this location runs."""
        return times(self.loops)


def times(loops: tuple[tuple[Place, int | None], ...]) -> int | None:
    """How often the innermost body runs; None if it is unknown."""
    known = [count for _, count in loops if count is not None]
    return math.prod(known) if len(known) == len(loops) else None


@dataclass(frozen=True)
class Application:
    """The application of parameters to data.

    Attributes:
        parts: the parameters.
        numbers: how many numbers they are.
        uses: how many uses one round makes of them in total; None if unknown.
        location: where in the function they are applied.
    """

    parts: tuple[Part, ...]
    numbers: int
    uses: int | None
    location: Location

    def reuse(self, part: Part) -> int | None:
        """How often each number of a part is used in all rounds. A loop's slice is used in one round only."""
        rounds = times(tuple((loop, count) for loop, count in self.location.loops if loop not in part.loops))
        return None if self.uses is None or rounds is None else self.uses // max(self.numbers, 1) * rounds


@dataclass
class LayerRecord:
    """A layer.

    Attributes:
        place: the number of its equation.
        equation: the equation.
        location: the location of the equation in the function.
        geometry: its window and multiply-adds.
        inputs: how many numbers of data it reads.
        output: the shape of its result.
        result: the name of its result.
        weights: parameters that are contracted with data, such as kernels and matrices.
        others: parameters that are combined with data element by element, here or later, such as biases and scales.
    """

    place: Place
    equation: Any
    location: Location
    geometry: Geometry
    inputs: int
    output: tuple[int, ...]
    result: int = -1
    weights: list[Application] = field(default_factory=list)
    others: list[Application] = field(default_factory=list)
