"""Dataclasses of a certificate's claims: verdicts, receptive fields, culprits and counterexamples."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Literal, TypeAlias

import jax
import numpy as np

from jaxconv.jaxprs.typing import ArrayValue, PyTree, with_leaves
from jaxconv.verify import array_json

KindName: TypeAlias = Literal["cyclic", "interior"]  # the kinds of claims: see `claim_kinds`


class Verdict(StrEnum):
    """The status of a claim. PROVED has a derivation, and REFUTED has an executed counterexample."""

    PROVED = "PROVED"
    REFUTED = "REFUTED"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True)
class Culprit:
    """The first equation that destroyed the structure: its row, the reason, a cure, and the source line."""

    equation: int  # row of the derivation; -1 for the function as a whole
    primitive: str
    reason: str
    cure: str
    source: str  # "file.py:12 (function)", a line of the user's code if there is one
    frames: tuple[str, ...]  # the whole stack, innermost first
    module: str = ""  # "Net/Conv_0", the name scopes around the equation, which libraries name after modules


@dataclass(frozen=True)
class Coarsening:
    """An equation that made the shift of a law `factor` times as large, such as a stride."""

    equation: int  # row of the derivation
    primitive: str
    factor: int
    source: str  # "file.py:12 (function)", a line of the user's code if there is one


@dataclass(frozen=True)
class ReceptiveField:
    """The input cells that an output may depend on.

    With c = j mod `period`, output j depends on no input outside `[rate*(j - c) + a, rate*(j - c) + b]`. Each pair
    (a, b) of `phases` applies to `period / len(phases)` consecutive values of c, starting at c = 0. If b = a - 1, the
    output depends on no input. `rate*period` is an integer.
    The receptive field is an upper bound. For cyclic claims it is modulo the length of the input. For interior claims
    it applies to outputs in the region only.

    >>> field = ReceptiveField(Fraction(1), 2, ((0, 1),))  # pooling of pairs of cells, then repetition of each result
    >>> field.size, [field.cells(j) for j in range(4)]
    (2, [range(0, 2), range(0, 2), range(2, 4), range(2, 4)])
    """

    rate: Fraction
    period: int
    phases: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """The largest number of cells that an output may depend on."""
        return max(last - first + 1 for first, last in self.phases)

    @property
    def first(self) -> Fraction:
        """The largest number such that every output j depends on no cell before `rate*j + first`."""
        return min(first - self.rate * c for c, (first, _) in self._ends())

    @property
    def last(self) -> Fraction:
        """The smallest number such that every output j depends on no cell after `rate*j + last`."""
        return max(last - self.rate * c for c, (_, last) in self._ends())

    def cells(self, output: int) -> range:
        """The input cells that an output may depend on, modulo the length of the input for cyclic claims."""
        c = output % self.period
        first, last = self.phases[c // (self.period // len(self.phases))]
        start = int(self.rate * (output - c))
        return range(start + first, start + last + 1)

    def _ends(self) -> list[tuple[int, tuple[int, int]]]:
        """The first and the last position of each block that depends on any cell, with the interval of the cells."""
        block = self.period // len(self.phases)
        intervals = [(n * block, cells) for n, cells in enumerate(self.phases) if cells[0] <= cells[1]]
        return [(start + end, cells) for start, cells in intervals for end in (0, block - 1)]


@dataclass(frozen=True, eq=False)
class Sample:
    """Arguments with which the function was executed. Samples are equal if their arrays hold the same numbers.

    A shift by s puts the last s cells of `entering` before the shifted argument, and crops the result to its length.
    `entering` is None for cyclic shifts, where the cells that leave at the end enter at the start.
    """

    arguments: tuple[PyTree, ...]
    entering: ArrayValue = None

    def shifted(self, leaf: int, axis: int, shift: int) -> tuple[PyTree, ...]:
        """Return the arguments, with leaf number `leaf` shifted by `shift` cells along `axis`."""
        leaves = jax.tree.leaves(self.arguments)
        x = np.asarray(array_json.as_numbers(leaves[leaf]))
        length: int = x.shape[axis]
        signal = (
            x if self.entering is None else np.concatenate([np.asarray(array_json.as_numbers(self.entering)), x], axis)
        )
        start: int = 0 if self.entering is None else signal.shape[axis] - length
        shifted = signal.take(np.arange(start - shift, start - shift + length), axis, mode="wrap")
        leaves[leaf] = array_json.as_keys(shifted, leaves[leaf])
        return with_leaves(self.arguments, leaves)

    def __eq__(self, other: object) -> bool:
        return (
            array_json.contents(vars(self)) == array_json.contents(vars(other)) if isinstance(other, Sample) else False
        )

    def __hash__(self) -> int:
        return hash(array_json.contents(vars(self)))


@dataclass(frozen=True)
class Witness:
    """Executed counterexamples: together, `samples` show that the output is not equivariant under any of `shifts`.

    `leaf` is the number of the shifted leaf of the arguments, in JAX's order, and `axis` is its shifted axis. A report
    shows one pair: the first sample, and the same sample shifted by the smallest of `shifts`. `error` is the largest
    mismatch with the best-fitting move of the output along one axis. `position` is the cell of the shifted output with
    the largest mismatch, for an output that moves along the same axis by the same number of cells, or that does not
    move if it is too short.
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
    def arguments(self) -> tuple[PyTree, ...]:
        """The arguments of the pair that is shown."""
        return self.samples[0].arguments

    @property
    def shifted(self) -> tuple[PyTree, ...]:
        """The same arguments, shifted by `shift`."""
        return self.samples[0].shifted(self.leaf, self.axis, self.shift)


@dataclass(frozen=True)
class Claim:
    """One claim about one output leaf and one input axis.

    Cyclic: `f(roll(x, k*shift)) == roll(f(x), k*t)` with `t` along each output axis of `moves`, for all x and k.
    Interior: if `y[i + k*shift] == x[i]` wherever both are in range, then `f(y)[j + k*t] == f(x)[j]` wherever j and
    j + k*t are in `region`, for all x, y and k. Empty `moves` mean invariance: `t = 0` for the whole output.
    If the claim is not proved, `witness` holds the shifts that executed counterexamples refute. A REFUTED cyclic claim
    has all n/p for the primes p that divide the length n. A REFUTED interior claim has all s from 1 to n/2. If the
    claim is UNDECIDED after a search, `standing` is the smallest of these shifts without a counterexample. If a time
    limit ended that search, `ended_after` is the limit in seconds. JSON has this key only then.
    """

    verdict: Verdict
    shift: int | None = None  # shift of the proved law
    moves: tuple[tuple[int, int], ...] = ()  # (output axis, t); t may be negative; attention maps have several
    region: tuple[tuple[int, int, int], ...] = ()  # interior only: (output axis, lo, hi) for each axis of moves
    receptive_field: ReceptiveField | None = (
        None  # if one axis moves and each output depends on a part of the input only
    )
    coarsened: tuple[Coarsening, ...] = ()  # the equations whose factors have the shift as their product, in order
    culprit: Culprit | None = None
    witness: Witness | None = None
    standing: int | None = None
    ended_after: float | None = field(default=None, metadata={"optional": True})


@dataclass(frozen=True)
class AxisReport:
    """The claims of each kind about one output leaf, for shifts of the input along one axis of `length` cells."""

    shifted: tuple[tuple[int, int], ...]  # (argument, axis); usually one pair
    length: int
    claims: dict[KindName, Claim]

    @property
    def cyclic(self) -> Claim:
        """The claim about cyclic shifts."""
        return self.claims["cyclic"]

    @property
    def interior(self) -> Claim:
        """The claim about the interior."""
        return self.claims["interior"]

    def __hash__(self) -> int:
        return hash((self.shifted, self.length, frozenset(self.claims.items())))


@dataclass(frozen=True)
class LeafReport:
    """The claims about one output leaf, in order of the shifted axes."""

    path: str
    shape: tuple[int, ...]
    axes: tuple[AxisReport, ...]
