"""The law of an output, that is its moves for each shift of the input, and the grid of shifts to try."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

import jax
import numpy as np

from jaxconv.checks import integer, several, shown
from jaxconv.errors import explain
from jaxconv.jaxprs.typing import Array, PyTree
from jaxconv.verify.arguments import checked_moves
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.claims import KindName, Verdict
from jaxconv.verify.shifted_axes import Along, natural

Model: TypeAlias = Literal["cyclic", "interior", "zero"]
Shifts: TypeAlias = int | Sequence[int] | Sequence[Sequence[int]] | Array | None  # the shifts to try: see `grid`
# For each shifted axis: the shift, and {output axis: t}.
ShiftsAndMoves: TypeAlias = Sequence[tuple[int, Mapping[int, int]]]
MODELS: dict[Model, KindName] = {"cyclic": "cyclic", "interior": "interior", "zero": "interior"}  # whose claim applies


@dataclass(frozen=True)
class Law:
    """A shift of the input by `k*shift` moves the output by `k*t` along each axis of `moves`.

    Empty moves are invariance. For the interior and zero models, the law covers only positions within `region`.
    """

    shift: int
    moves: tuple[tuple[int, int], ...]  # (output axis, t)
    region: tuple[tuple[int, int, int], ...]  # (output axis, lo, hi) for each axis of moves
    origin: str  # the source of the law: "the certificate", "the caller" or "the shapes"


def suggested(along: Along, rank: int, shape: Sequence[int], *, cyclic: bool) -> Law:
    """The law that the shapes suggest; a ValueError if they suggest none."""
    found = natural(along, rank, shape, cyclic=cyclic)
    if found is None:
        cure = "Pass certificate=jc.certify(...), or moves=..., or invariant=True"
        expected = f"of as many axes as the input, {rank}, or without the shifted axis"
        raise ValueError(explain("an output's shape", tuple(shape), expected, cure))
    return Law(*found, (), "the shapes")


def certified(certificate: Certificate, leaf: int, along: Along, model: Model) -> Law | None:
    """The law that a certificate proves for an output leaf and a shifted direction, or None if it proves none."""
    report = next(axis for axis in certificate.leaves[leaf].axes if axis.shifted == along.arguments)
    claim = report.claims[MODELS[model]]
    if claim.verdict != Verdict.PROVED or claim.shift is None:
        return None
    return Law(abs(claim.shift), tuple(claim.moves), tuple(claim.region), "the certificate")


def bounded(law: Law, region: Mapping[int, tuple[int, int]] | None, along: Along) -> Law:
    """The law with a region for each axis of its moves; the caller's region replaces that of the law."""
    known = {axis: (lo, hi) for axis, lo, hi in law.region} | dict(region or {})
    missing = [axis for axis, _ in law.moves if axis not in known]
    if missing:
        cure = "Pass certificate=jc.certify(...), or region={axis: (lo, hi)}"
        expected = "known where new content enters at the border"
        raise ValueError(explain(f"the region along output axis {missing[0]} ({along})", None, expected, cure))
    return Law(law.shift, law.moves, tuple((axis, *known[axis]) for axis, _ in law.moves), law.origin)


def chosen(
    arguments: Sequence[PyTree],
    shapes: Sequence[tuple[int, ...]],
    along: Sequence[Along],
    model: Model,
    certificate: Certificate | None = None,
    moves: ShiftsAndMoves | None = None,
    invariant: bool = False,
    region: Mapping[int, tuple[int, int]] | None = None,
) -> list[list[Law]]:
    """The law for each output shape and each shifted axis: from the caller, the certificate or the shapes."""
    if moves is not None and invariant:
        raise ValueError(explain("invariant", True, "left out where moves are given", "Pass one of the two"))
    if certificate is not None and (moves is not None or invariant):
        expected = "left out where moves or invariance are given"
        raise ValueError(explain("certificate", f"of {certificate.function}", expected, "Pass one of them"))
    region = _checked_region(region, shapes, model)
    if invariant:
        moves = [(1, dict[int, int]())] * len(along)
    if moves is not None:
        moves = checked_moves(moves, len(along))
    laws: list[list[Law]] = []
    for number, shape in enumerate(shapes):
        leaf_laws: list[Law] = []
        for axis, direction in enumerate(along):
            if moves is not None:
                law = _given(*moves[axis], len(shape))
            else:
                law = certificate and certified(certificate, number, direction, model)
                rank = len(arguments[direction.arguments[0][0]].shape)
                law = law or suggested(direction, rank, shape, cyclic=model == "cyclic")
            leaf_laws.append(law if model == "cyclic" else bounded(law, region, direction))
        laws.append(leaf_laws)
    unmoved = set(region or {}) - {axis for leaf_laws in laws for law in leaf_laws for axis, _ in law.moves}
    if unmoved:
        expected = "one along which an output moves"
        raise ValueError(explain("an output axis in region", min(unmoved), expected, "Leave it out"))
    return laws


def _checked_region(region: object, shapes: Sequence[Sequence[int]], model: Model) -> dict[int, tuple[int, int]] | None:
    """The region `{output axis: (lo, hi)}`, validated. Cyclic shifts take none, since they compare all positions."""
    if region is None:
        return None
    cure = "Write region={1: (2, 6)} for positions 2 to 5 along axis 1 of the output"
    if model == "cyclic":
        expected = 'left out for model="cyclic", which compares all positions'
        raise ValueError(explain("region", shown(region), expected, 'Pass model="interior", or leave it out'))
    if not isinstance(region, Mapping):
        raise TypeError(explain("region", shown(region), "a dict, {output axis: (lo, hi)}", cure))
    rank = max(map(len, shapes))
    checked: dict[int, tuple[int, int]] = {}
    for axis, ends in cast("Mapping[object, object]", region).items():
        number = integer("an output axis in region", axis, cure=cure)
        if not 0 <= number < rank:
            expected = f"from 0 to {rank - 1}"
            raise ValueError(explain("an output axis in region", number, expected, cure))
        bounds = several(ends)
        if bounds is None or len(bounds) != 2:
            raise TypeError(explain(f"the region along output axis {number}", shown(ends), "(lo, hi)", cure))
        lo, hi = (integer(f"the region along output axis {number}", end, cure=cure) for end in bounds)
        length = max(shape[number] for shape in shapes if number < len(shape))
        if not 0 <= lo < hi <= length:
            expected = f"0 <= lo < hi <= {length}"
            raise ValueError(explain(f"the region along output axis {number}", (lo, hi), expected, cure))
        checked[number] = (lo, hi)
    return checked


def _given(shift: int, moves: Mapping[int, int], rank: int) -> Law:
    if shift < 1:
        raise ValueError(explain("the shift in moves", shift, "1 or more", "Reverse the signs of the moves as well"))
    for axis in moves:
        if not -rank <= axis < rank:
            expected = f"from {-rank} to {rank - 1}"
            cure = "Name an axis of the output, counted from 0"
            raise ValueError(explain("an output axis in moves", axis, expected, cure))
    return Law(shift, tuple((axis % rank, t) for axis, t in moves.items()), (), "the caller")


def offsets(arguments: Sequence[PyTree]) -> tuple[int, ...]:
    """The number of the first leaf of each argument."""
    counts = [len(jax.tree.leaves(argument)) for argument in arguments]
    return tuple(sum(counts[:number]) for number in range(len(counts)))


def room(law: Law, shifts: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Whether each shift leaves a position to compare, for the interior and zero models."""
    bounds, steps = {axis: (lo, hi) for axis, lo, hi in law.region}, np.abs(shifts) // law.shift
    fits = np.ones(shifts.shape, bool)
    for axis, t in law.moves:
        lo, hi = max(0, bounds[axis][0]), min(bounds[axis][1], shape[axis])
        fits &= lo + steps * abs(t) < hi
    return fits


def grid(
    along: Sequence[Along], laws: Sequence[Sequence[Law]], shapes: Sequence[Sequence[int]], shifts: Shifts, model: Model
) -> np.ndarray:
    """All shifts to try: one row for each, of one integer per shifted axis.

    Args:
        along: the shifted axes.
        laws: for each output leaf, one law for each shifted axis.
        shapes: the shapes of the output leaves.
        shifts: None, an integer, one integer for each axis, or rows of one shift per axis: see `check`.
        model: cyclic shifts go once around; others go in both directions, as far as positions remain to compare.
    """
    steps = [math.lcm(*(leaf_laws[number].shift for leaf_laws in laws)) for number in range(len(along))]
    cure = f"Write [{[1] * len(along)}, {[2] * len(along)}] for a sample of two shifts"
    try:
        requested = np.asarray(steps if shifts is None else shifts)
    except ValueError as error:
        raise ValueError(explain("shifts", shown(shifts), "rows of one length", cure)) from error
    if requested.dtype.kind not in "iu":
        raise TypeError(explain("shifts", shown(shifts), "integers", cure))
    if requested.ndim > 2 or (requested.ndim and requested.shape[-1] != len(along)):
        expected = f"None, an integer, {len(along)} integers (a lattice), or rows of {len(along)} integers (a sample)"
        raise ValueError(explain("shifts", shown(shifts), expected, cure))
    if requested.ndim == 2:
        _on_lattice(requested, steps, along)
        rows = requested
    else:
        lattice = requested.tolist() if requested.ndim else [int(requested)] * len(along)
        if min(lattice) < 1:
            expected = "positive: a lattice is all multiples of a number"
            raise ValueError(explain("shifts", shown(shifts), expected, "Leave them out for all shifts"))
        _on_lattice(np.asarray([lattice]), steps, along)
        rows = _every(*(_multiples(axis, step, model == "cyclic") for axis, step in zip(along, lattice, strict=True)))
    fits = np.ones(len(rows), bool)
    for leaf_laws, shape in zip(laws, shapes, strict=True) if model != "cyclic" else ():
        for number, law in enumerate(leaf_laws):
            fits &= room(law, rows[:, number], shape)
    if (requested.ndim == 2 and not fits.all()) or not rows[fits].any():
        cure = "Take a larger input, a larger region or smaller shifts"
        expected = "such that positions are left to compare within the region, and not all 0"
        raise ValueError(explain("shifts", _few(rows), expected, cure))
    return rows[fits].astype(np.int32)


def _multiples(along: Along, step: int, cyclic: bool) -> range:
    """The multiples of a step: once around, including 0; or in both directions, up to the length of the input."""
    if cyclic:
        return range(0, step * (along.length // math.gcd(along.length, step)), step)
    most = (along.length - 1) // step * step
    return range(-most, most + 1, step)


@functools.lru_cache(maxsize=8)
def _every(*multiples: range) -> np.ndarray:
    """All combinations of one multiple from each range, one row each; cached, since checks are often repeated."""
    indices = np.indices([len(one_range) for one_range in multiples]).reshape(len(multiples), -1).T
    return indices * [one_range.step for one_range in multiples] + [one_range.start for one_range in multiples]


def _on_lattice(rows: np.ndarray, steps: Sequence[int], along: Sequence[Along]) -> None:
    """Raise ValueError for a shift that would not move the output by a whole number of positions."""
    for number, step in enumerate(steps):
        off = rows[:, number] % step != 0
        if off.any():
            actual = f"{rows[off][0, number]} along {along[number]}"
            cure = "Pass moves=... if the output moves by another law"
            raise ValueError(explain("a shift", actual, f"a multiple of {step}, the shift of the law", cure))


def _few(rows: np.ndarray) -> str:
    shown = ", ".join(str(tuple(int(s) for s in row)) for row in rows[:3])
    return shown + (", ..." if len(rows) > 3 else "")
