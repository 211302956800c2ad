"""The claims that a certificate makes: verdicts, receptive fields, what broke, counterexamples; only data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

import jax
import numpy as np

from jaxconv.verify import array_json


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
    """The input cells that an output may depend on.

    With c = j mod `period`, output j depends on no input outside `[rate*(j - c) + a, rate*(j - c) + b]`. Each of
    `phases` is such an (a, b): the first one for c = 0, 1, ..., as many as `period / len(phases)`, and so on. Where
    b = a - 1, the output depends on no input at all. `rate*period` is whole.
    It is an upper bound: modulo the input's length for cyclic claims, and for outputs in the region only for interior
    ones.

    >>> field = ReceptiveField(Fraction(1), 2, ((0, 1),))  # every two cells are pooled, and then repeated twice
    >>> field.size, [field.cells(j) for j in range(4)]
    (2, [range(0, 2), range(0, 2), range(2, 4), range(2, 4)])
    """

    rate: Fraction
    period: int
    phases: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """The largest number of cells that an output depends on."""
        return max(last - first + 1 for first, last in self.phases)

    @property
    def first(self) -> Fraction:
        """The largest number such that no output j depends on a cell before `rate*j + first`."""
        return min(first - self.rate * c for c, (first, _) in self._ends())

    @property
    def last(self) -> Fraction:
        """The smallest number such that no output j depends on a cell behind `rate*j + last`."""
        return max(last - self.rate * c for c, (_, last) in self._ends())

    def cells(self, output: int) -> range:
        """The input cells that an output may depend on; modulo the input's length for cyclic claims."""
        c = output % self.period
        first, last = self.phases[c // (self.period // len(self.phases))]
        start = int(self.rate * (output - c))
        return range(start + first, start + last + 1)

    def _ends(self) -> list[tuple[int, tuple[int, int]]]:
        """The first and the last position of each block, with the cells that it sees, if any."""
        block = self.period // len(self.phases)
        seen = [(n * block, cells) for n, cells in enumerate(self.phases) if cells[0] <= cells[1]]
        return [(start + end, cells) for start, cells in seen for end in (0, block - 1)]


@dataclass(frozen=True, eq=False)
class Sample:
    """Arguments with which the function was executed. Two are equal if their arrays hold the same numbers.

    A shift by s puts the last s cells of `entering` before the shifted argument, and cuts it back to its length.
    `entering` is None for cyclic shifts: there the cells that leave at the end enter again.
    """

    arguments: tuple[Any, ...]
    entering: Any = None

    def shifted(self, leaf: int, axis: int, shift: int) -> tuple[Any, ...]:
        """The arguments with their leaf of that number shifted by `shift` cells along its axis."""
        leaves, structure = jax.tree.flatten(self.arguments)
        x = np.asarray(array_json.as_numbers(leaves[leaf]))
        length = x.shape[axis]
        scene = (
            x if self.entering is None else np.concatenate([np.asarray(array_json.as_numbers(self.entering)), x], axis)
        )
        start = 0 if self.entering is None else scene.shape[axis] - length
        shifted = scene.take(np.arange(start - shift, start - shift + length), axis, mode="wrap")
        leaves[leaf] = array_json.as_keys(shifted, leaves[leaf])
        return jax.tree.unflatten(structure, leaves)

    def __eq__(self, other: object) -> bool:
        return (
            array_json.contents(vars(self)) == array_json.contents(vars(other)) if isinstance(other, Sample) else False
        )

    def __hash__(self) -> int:
        return hash(array_json.contents(vars(self)))


@dataclass(frozen=True)
class Witness:
    """Counterexamples that were executed: together, `samples` leave the output no answer to any of `shifts`.

    `leaf` and `axis` say what is shifted: a leaf of the arguments, counted as JAX counts them, and its axis. One pair
    is shown: the first sample, and the same shifted by the smallest of `shifts`. `error`: the largest mismatch of the
    answer along one axis that comes closest. `position`: the cell of the shifted output that is off the most, if the
    output should move along the same axis by as many cells (not at all, where it has no room for that).
    """

    samples: tuple[Sample, ...]
    shifts: tuple[int, ...]
    leaf: int
    axis: int
    error: float
    position: tuple[int, ...]

    @property
    def shift(self) -> int:
        """The smallest of the shifts."""
        return min(self.shifts)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The arguments of the pair that is shown."""
        return self.samples[0].arguments

    @property
    def shifted(self) -> tuple[Any, ...]:
        """The same arguments, shifted by `shift`."""
        return self.samples[0].shifted(self.leaf, self.axis, self.shift)


@dataclass(frozen=True)
class Claim:
    """One claim about one output leaf and one input axis.

    Cyclic: `f(roll(x, k*shift)) == roll(f(x), k*t)` with `t` along each output axis of `moves`, for all x and k.
    Interior: if `y[i + k*shift] == x[i]` wherever both are in range, `f(y)[j + k*t] == f(x)[j]` wherever j and j + k*t
    are in `region`, for all x, y and k. No moves at all is invariance: `t = 0`, everywhere.
    Where nothing is proved, `witness` holds the shifts that executed counterexamples refute. If REFUTED, these are n/p
    for each prime p that divides the length n (cyclic), or each s from 1 to n/2 (interior). If UNDECIDED after a
    search, `standing` is the smallest of them that was not refuted.
    """

    verdict: Verdict
    shift: int | None = None  # of the law that is proved
    moves: tuple[tuple[int, int], ...] = ()  # (output axis, t), t may be negative; several for attention maps
    region: tuple[tuple[int, int, int], ...] = ()  # interior only: (output axis, lo, hi) for each axis of moves
    receptive_field: ReceptiveField | None = None  # if one axis moves and each output sees a part of the input only
    broken: Break | None = None
    witness: Witness | None = None
    standing: int | None = None


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
