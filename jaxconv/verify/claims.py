"""The claims that a certificate makes: verdicts, receptive fields, what broke, counterexamples; only data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from jaxconv.verify import arrays


class Verdict(StrEnum):
    """What is known of a claim. Never a guess: a proof has a derivation, a refutation an executed counterexample."""

    PROVED = "PROVED"
    REFUTED = "REFUTED"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True)
class Break:
    """The equation at which the structure was lost: which one, why, what would help, and whose line it is."""

    equation: int  # row of the derivation, -1 for the function as a whole
    primitive: str
    reason: str
    cure: str
    source: str  # "file.py:12 (function)", the user's own line where there is one
    frames: tuple[str, ...]  # the whole stack, innermost first


@dataclass(frozen=True)
class ReceptiveField:
    """Output `j` depends on no input outside `[rate*j + first, rate*j + last]`; phases share the widest interval."""

    rate: Fraction
    first: Fraction
    last: Fraction

    @property
    def size(self) -> int:
        """Cells from the first to the last, both included, at the widest phase."""
        return int(self.last - self.first) + 1


@dataclass(frozen=True, eq=False)
class Witness:
    """A counterexample that was executed: the arguments, the shift, and how far apart the two sides came out.

    Two are equal if their arrays hold the same numbers, of the same dtypes and shapes.
    """

    arguments: tuple[Any, ...]
    shifted: tuple[Any, ...]
    shift: int
    error: float
    position: tuple[int, ...]

    def __eq__(self, other: object) -> bool:
        return arrays.contents(vars(self)) == arrays.contents(vars(other)) if isinstance(other, Witness) else False

    def __hash__(self) -> int:
        return hash(arrays.contents(vars(self)))


@dataclass(frozen=True)
class Claim:
    """One claim about one output leaf and one input axis.

    Cyclic: `f(roll(x, k*shift)) == roll(f(x), k*t)` with `t` along each output axis of `moves`, for all x and k.
    Interior: if `y[i + k*shift] == x[i]` wherever both are in range, `f(y)[j + k*t] == f(x)[j]` wherever j and j + k*t
    are in `region`, for all x, y and k. No moves at all is invariance: `t = 0`, everywhere.
    """

    verdict: Verdict
    shift: int | None = None
    moves: tuple[tuple[int, int], ...] = ()  # (output axis, t), t may be negative; several for attention maps
    region: tuple[tuple[int, int, int], ...] = ()  # interior only: (output axis, lo, hi) for each axis of moves
    receptive_field: ReceptiveField | None = None  # if one axis moves and each output sees a part of the input only
    broken: Break | None = None
    witness: Witness | None = None


@dataclass(frozen=True)
class AxisReport:
    """The two claims about one output leaf, for shifts of the input along one axis of `length` cells."""

    shifted: tuple[tuple[int, int], ...]  # (argument, axis), usually one
    length: int
    cyclic: Claim
    interior: Claim


@dataclass(frozen=True)
class LeafReport:
    """The claims about one output leaf, for each shifted axis in turn."""

    path: str
    shape: tuple[int, ...]
    axes: tuple[AxisReport, ...]
