"""The lattices that `falsify` tries: how far an output should move, and along which axes, for which shifts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from jaxconv.errors import explain
from jaxconv.jaxprs.typing import PyTree
from jaxconv.verify.claim_kinds import KINDS
from jaxconv.verify.claims import AxisReport, KindName, LeafReport, Verdict
from jaxconv.verify.shifted_axes import Along, Moves, natural

Region = tuple[tuple[int, int, int], ...]  # (output axis, lo, hi) for each axis of the moves


@dataclass(frozen=True)
class Lattice:
    """The law of one output leaf for shifts along one axis of the input.

    cyclic    f(roll(x, k*s)) == roll(f(x), k*t)                 for all integers k
    interior  f(y)[j + k*t] == f(x)[j] for j, j + k*t in region   if y[i + k*s] == x[i] where both are in range

    `moves` has several entries if the output should move by a fraction of a cell, as for half a stride. Then k is 1 or
    -1, and the law states that *some* entry holds. `origin` is the source of the law: "proved", "natural" or "given".
    """

    kind: KindName
    leaf: int
    path: str
    shape: tuple[int, ...]
    shifted: tuple[tuple[int, int], ...]  # (argument, axis)
    length: int
    shift: int
    moves: tuple[Moves, ...]
    region: Region
    origin: str

    def __str__(self) -> str:
        along = " and ".join(f"axis {axis} of argument {argument}" for argument, axis in self.shifted)
        start, output = f"{self.kind} shifts by {self.shift} along {along}", f"output{self.path} {self.shape}"
        regions = {axis: f" on [{lo}, {hi})" for axis, lo, hi in self.region}
        if len(self.moves) > 1:
            axis = next(axis for moves in self.moves for axis, _ in moves)
            return f"{start} move {output} along its axis {axis} by whole cells{regions.get(axis, '')}"
        moves = next(iter(self.moves))
        if not moves:
            return f"{start} do not move {output}"
        return f"{start} move {output} " + " and ".join(
            f"by {t} along its axis {axis}{regions.get(axis, '')}" for axis, t in moves
        )

    def multiples(self, most: int) -> list[int]:
        """At most `most` multiples k to try, of both signs, nearest to 0 first.

        If there are more, the first half of `most` is kept and the other half is spread evenly over the rest.

        >>> Lattice("cyclic", 0, "", (1, 6), ((0, 1),), 6, 1, (((1, 1),),), (), "proved").multiples(8)
        [1, -1, 2, -2, 3]
        """
        size = abs(self.shift)
        if KINDS[self.kind].wraps:
            period = self.length // math.gcd(self.length, size)
            ks = [k for turns in range(1, period // 2 + 1) for k in (turns, -turns)][: period - 1]
        else:
            widths = {axis: hi - lo for axis, lo, hi in self.region}
            steps = [(abs(t), widths.get(axis, self.shape[axis])) for axis, t in self.moves[0] if t]
            bound = min([-(-self.length // size), *(-(-width // t) for t, width in steps)])
            ks = [k for turns in range(1, bound) for k in (turns, -turns)]
        if len(self.moves) > 1:
            ks = [k for k in ks if abs(k) == 1]
        if len(ks) <= most:
            return ks
        half = most // 2
        return ks[:half] + [ks[half + (len(ks) - half) * i // (most - half)] for i in range(most - half)]


def lattices(
    leaves: Sequence[LeafReport],
    arguments: Sequence[PyTree],
    kind: KindName,
    shift: int | None = None,
    given: Sequence[tuple[int | None, Moves]] | None = None,
) -> tuple[Lattice, ...]:
    """The laws to try, one for each output leaf and axis: given, else proved, else natural.

    The natural law is the lattice that was proved for another kind of shifts. If there is none, it is the law that
    the shapes suggest, or else invariance. In the interior, the natural law is compared at two positions in the middle
    of the output, one step apart, and those between. If it fails there, it holds in no region around the middle.

    Args:
        leaves: the leaves of a certificate.
        arguments: the arguments of that certificate.
        kind: the kind of shifts.
        shift: a shift to use instead of the claimed one.
        given: for each shifted axis, a shift (None for the claimed one) and the expected moves.
    """
    laws: list[Lattice] = []
    for number, leaf in enumerate(leaves):
        for number_of_axis, axis in enumerate(leaf.axes):
            rank = len(arguments[axis.shifted[0][0]].shape)
            step, candidates, origin = _lattice(
                kind, axis, leaf, rank, shift, None if given is None else given[number_of_axis]
            )
            claim = axis.claims[kind]
            known = claim.region if claim.verdict == Verdict.PROVED and origin != "given" else None
            region = () if KINDS[kind].wraps else known or _middle(leaf.shape, candidates)
            at = (number, leaf.path, leaf.shape, axis.shifted, axis.length)
            laws.append(Lattice(kind, *at, step, candidates, region, origin))
    return tuple(laws)


def _lattice(
    kind: KindName,
    axis: AxisReport,
    leaf: LeafReport,
    rank: int,
    shift: int | None,
    given: tuple[int | None, Moves] | None,
) -> tuple[int, tuple[Moves, ...], str]:
    """The shift, the candidate moves and the origin of a law."""
    claim, others = axis.claims[kind], [claim for name, claim in axis.claims.items() if name != kind]
    known = next((one for one in (claim, *others) if one.verdict == Verdict.PROVED), None)
    unit, rates = (known.shift or 1, known.moves) if known else _natural(kind, axis, leaf, rank)
    if given is not None:
        by, moves = given
        for output, t in moves:
            if not 0 <= output < len(leaf.shape):
                expected = f"from 0 to {len(leaf.shape) - 1}: output{leaf.path} has shape {leaf.shape}"
                cure = "Name an axis of the output, counted from 0"
                raise ValueError(explain("an output axis in moves", output, expected, cure))
            if t == 0:
                raise ValueError(explain("a step in moves", t, "another number", "Leave its axis out"))
        return by or shift or unit, (moves,), "given"
    origin = "proved" if known is claim else "natural"
    if shift is None:
        return unit, (rates,), origin
    scaled = [(output, Fraction(t * shift, unit)) for output, t in rates]
    if all(t.denominator == 1 for _, t in scaled):
        return shift, (tuple((output, int(t)) for output, t in scaled),), origin
    output, t = scaled[0]
    rolls = range(leaf.shape[output]) if KINDS[kind].wraps else (0, math.floor(t), math.ceil(t))
    nearest = sorted(set(rolls), key=lambda whole: abs(whole - t))
    return shift, tuple(((output, whole),) for whole in nearest), origin


def _natural(kind: KindName, axis: AxisReport, leaf: LeafReport, rank: int) -> tuple[int, Moves]:
    """The lattice that the shapes suggest; invariance if they suggest none."""
    return natural(Along(axis.shifted, axis.length), rank, leaf.shape, cyclic=KINDS[kind].wraps) or (1, ())


def _middle(shape: tuple[int, ...], candidates: tuple[Moves, ...]) -> Region:
    """For each axis that moves, the two positions nearest the middle that are one step apart, and those between."""
    steps: dict[int, int] = {}
    for axis, t in (move for moves in candidates for move in moves):
        steps[axis] = max(steps.get(axis, 0), abs(t))
    lows = {axis: max(0, (shape[axis] - step - 1) // 2) for axis, step in steps.items()}
    return tuple((axis, lo, min(shape[axis], lo + steps[axis] + 1)) for axis, lo in lows.items())
