"""What the walk notes: layers, where in the function they stand, and the parameters that meet data in them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from jaxconv.account.geometry import Geometry
from jaxconv.account.provenance import Part

Place: TypeAlias = tuple[
    int, ...
]  # which equation; within a call, loop or branch, which body and which of its equations


@dataclass(frozen=True)
class Leaf:
    """An array that may be parameters: an argument's leaf or a closed-over array. `name`: of what it is a part."""

    path: str
    name: str
    shape: tuple[int, ...]
    dtype: Any


@dataclass(frozen=True)
class Where:
    """Where the walk is: in which calls and loops, with how many rounds each (None: not known), on what condition.

    `recording`: whether to note what is found; not where a loop's body is walked through to see what its state is.
    """

    place: Place = ()
    stack: tuple[Any, ...] = ()
    loops: tuple[tuple[Place, int | None], ...] = ()
    condition: str = ""
    recording: bool = True

    def inside(self, equation: Any, number: int, body: int) -> Where:
        """In a body of an equation, which is the one of this number here."""
        return replace(self, place=(*self.place, number, body), stack=(*self.stack, equation))

    def looping(self, equation: Any, number: int, body: int, rounds: int | None) -> Where:
        """In a body that is repeated."""
        return replace(self.inside(equation, number, body), loops=(*self.loops, ((*self.place, number), rounds)))

    @property
    def times(self) -> int | None:
        """How often an equation here runs."""
        return times(self.loops)


def times(loops: tuple[tuple[Place, int | None], ...]) -> int | None:
    """How often the innermost body runs; None if that is not known."""
    known = [count for _, count in loops if count is not None]
    return math.prod(known) if len(known) == len(loops) else None


@dataclass(frozen=True)
class Meeting:
    """Parameters meet data: `numbers` numbers made of `parts`, with `uses` uses of them in all each time, if known."""

    parts: tuple[Part, ...]
    numbers: int
    uses: int | None
    where: Where

    def reuse(self, part: Part) -> int | None:
        """How often each number of one part is used in all rounds: a slice is used in its own round only."""
        rounds = times(tuple((loop, count) for loop, count in self.where.loops if loop not in part.loops))
        return None if self.uses is None or rounds is None else self.uses // max(self.numbers, 1) * rounds


@dataclass
class Found:
    """A layer. `inputs`: how many numbers of data it reads. `result`: the name of the value that it makes."""

    place: Place
    equation: Any
    where: Where
    geometry: Geometry
    inputs: int
    output: tuple[int, ...]
    result: int = -1
    weights: list[Meeting] = field(default_factory=list)  # contracted with data: a kernel, a matrix
    others: list[Meeting] = field(default_factory=list)  # met position by position, here or behind: biases, scales
