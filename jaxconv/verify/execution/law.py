"""Which move of the output answers which shift of the input, and which shifts there are to try."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np

from jaxconv.checks import integer, several, shown
from jaxconv.errors import explain
from jaxconv.verify.arguments import checked_moves
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.claims import Verdict
from jaxconv.verify.shifted_axes import Along, natural

Model = Literal["cyclic", "interior", "zero"]
ShiftsAndMoves = Sequence[tuple[int, Mapping[int, int]]]  # for each shifted axis: the shift, and {output axis: t}
MODELS = ("cyclic", "interior", "zero")


@dataclass(frozen=True)
class Law:
    """What should answer a shift by `k*shift` of the input: `k*t` along each output axis of `moves`.

    No moves at all is invariance. Off the cyclic model it is claimed of positions within `region` only.
    """

    shift: int
    moves: tuple[tuple[int, int], ...]  # (output axis, t)
    region: tuple[tuple[int, int, int], ...]  # (output axis, lo, hi), each axis of moves
    origin: str  # where it comes from: the certificate, the caller, the shapes


def suggested(where: str, along: Along, rank: int, shape: Sequence[int], *, cyclic: bool) -> Law:
    """The law that the shapes suggest; an error where they say nothing."""
    found = natural(along, rank, shape, cyclic=cyclic)
    if found is None:
        cure = "Pass certificate=jc.certify(...), or moves=..., or invariant=True"
        expected = f"of as many axes as the input, {rank}, or without the shifted axis"
        raise ValueError(explain(where, "an output's shape", tuple(shape), expected, cure))
    return Law(*found, (), "the shapes")


def certified(where: str, certificate: Certificate, leaf: int, along: Along, shape: Any, model: Model) -> Law | None:
    """The law that a certificate proves of a leaf for shifts along some axes; None where it proves none."""
    leaves = certificate.leaves
    reports = leaves[leaf].axes if leaf < len(leaves) and tuple(leaves[leaf].shape) == tuple(shape) else ()
    report = next((one for one in reports if (one.shifted, one.length) == (along.arguments, along.length)), None)
    if report is None:
        expected = "one of the same function, shapes and axes"
        cure = "Make it by jc.certify(fn, *arguments, axes=axes)"
        raise ValueError(explain(where, "the certificate", f"of {certificate.function}", expected, cure))
    claim = report.cyclic if model == "cyclic" else report.interior
    if claim.verdict != Verdict.PROVED or claim.shift is None:
        return None
    return Law(abs(claim.shift), tuple(claim.moves), tuple(claim.region), "the certificate")


def bounded(where: str, law: Law, region: Mapping[int, tuple[int, int]] | None, along: Along) -> Law:
    """The law with a region for each axis that moves: the caller's where there is one."""
    known = {axis: (lo, hi) for axis, lo, hi in law.region} | dict(region or {})
    missing = [axis for axis, _ in law.moves if axis not in known]
    if missing:
        cure = "Pass certificate=jc.certify(...), or region={axis: (lo, hi)}"
        expected = "known where new content enters at the border"
        raise ValueError(explain(where, f"the region along output axis {missing[0]} ({along})", None, expected, cure))
    return Law(law.shift, law.moves, tuple((axis, *known[axis]) for axis, _ in law.moves), law.origin)


def chosen(
    where: str,
    arguments: Sequence[Any],
    shapes: Sequence[tuple[int, ...]],
    along: Sequence[Along],
    model: Model,
    certificate: Certificate | None = None,
    moves: ShiftsAndMoves | None = None,
    invariant: bool = False,
    region: Mapping[int, tuple[int, int]] | None = None,
) -> list[list[Law]]:
    """For each output shape and each shifted axis the law: the caller's, the certificate's or the shapes'."""
    if moves is not None and invariant:
        raise ValueError(explain(where, "invariant", True, "left out where moves are given", "Pass one of the two"))
    if certificate is not None and (moves is not None or invariant):
        expected = "left out where moves or invariance are given"
        raise ValueError(explain(where, "certificate", f"of {certificate.function}", expected, "Pass one of them"))
    region = _checked_region(where, region, shapes, model)
    if invariant:
        moves = [(1, {})] * len(along)
    if moves is not None:
        moves = checked_moves(where, moves, len(along))
    found = []
    for number, shape in enumerate(shapes):
        its_laws = []
        for axis, one in enumerate(along):
            if moves is not None:
                law = _given(where, *moves[axis], len(shape))
            else:
                law = certificate and certified(where, certificate, number, one, shape, model)
                rank = len(arguments[one.arguments[0][0]].shape)
                law = law or suggested(where, one, rank, shape, cyclic=model == "cyclic")
            its_laws.append(law if model == "cyclic" else bounded(where, law, region, one))
        found.append(its_laws)
    unmoved = set(region or {}) - {axis for its_laws in found for law in its_laws for axis, _ in law.moves}
    if unmoved:
        expected = "one along which an output moves"
        raise ValueError(explain(where, "an output axis in region", min(unmoved), expected, "Leave it out"))
    return found


def _checked_region(
    where: str, region: object, shapes: Sequence[Sequence[int]], model: Model
) -> dict[int, tuple[int, int]] | None:
    """`{output axis: (lo, hi)}`, of integers; none for cyclic shifts, after which all positions are compared."""
    if region is None:
        return None
    cure = "Write region={1: (2, 6)} for positions 2 to 5 along axis 1 of the output"
    if model == "cyclic":
        expected = 'left out for model="cyclic", which compares all positions'
        raise ValueError(explain(where, "region", shown(region), expected, 'Pass model="interior", or leave it out'))
    if not isinstance(region, Mapping):
        raise TypeError(explain(where, "region", shown(region), "a dict, {output axis: (lo, hi)}", cure))
    found, rank = {}, max(map(len, shapes))
    for axis, ends in region.items():
        number = integer(where, "an output axis in region", axis, cure=cure)
        if not 0 <= number < rank:
            expected = f"from 0 to {rank - 1}"
            raise ValueError(explain(where, "an output axis in region", number, expected, cure))
        each = several(ends)
        if each is None or len(each) != 2:
            raise TypeError(explain(where, f"the region along output axis {number}", shown(ends), "(lo, hi)", cure))
        lo, hi = (integer(where, f"the region along output axis {number}", end, cure=cure) for end in each)
        if not 0 <= lo < hi:
            raise ValueError(explain(where, f"the region along output axis {number}", (lo, hi), "0 <= lo < hi", cure))
        found[number] = (lo, hi)
    return found


def _given(where: str, shift: int, moves: Mapping[int, int], rank: int) -> Law:
    if shift < 1:
        raise ValueError(explain(where, "the shift in moves", shift, "1 or more", "Turn the signs of the moves, too"))
    for axis in moves:
        if not -rank <= axis < rank:
            expected = f"from {-rank} to {rank - 1}"
            cure = "Name an axis of the output, counted from 0"
            raise ValueError(explain(where, "an output axis in moves", axis, expected, cure))
    return Law(shift, tuple((axis % rank, t) for axis, t in moves.items()), (), "the caller")


def offsets(arguments: Sequence[Any]) -> tuple[int, ...]:
    """The leaf at which each argument starts."""
    counts = [len(jax.tree.leaves(argument)) for argument in arguments]
    return tuple(sum(counts[:number]) for number in range(len(counts)))


def room(law: Law, shifts: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """After which shifts any position is left to compare, off the cyclic model."""
    bounds, steps = {axis: (lo, hi) for axis, lo, hi in law.region}, np.abs(shifts) // law.shift
    left = np.ones(shifts.shape, bool)
    for axis, t in law.moves:
        lo, hi = max(0, bounds[axis][0]), min(bounds[axis][1], shape[axis])
        left &= lo + steps * abs(t) < hi
    return left


def grid(
    where: str,
    along: Sequence[Along],
    laws: Sequence[Sequence[Law]],
    shapes: Sequence[Sequence[int]],
    shifts: Any,
    model: Model,
) -> np.ndarray:
    """All shifts to try, a row each of one integer per shifted axis.

    Args:
        where: the function that an error names.
        along: the shifted axes.
        laws: of each output leaf, one for each shifted axis.
        shapes: of the output leaves.
        shifts: None, an integer, one integer for each axis, or rows of one shift per axis: see `check`.
        model: cyclic shifts run once around; others go both ways, as far as positions are left to compare.
    """
    steps = [math.lcm(*(its_laws[number].shift for its_laws in laws)) for number in range(len(along))]
    cure = f"Write [{[1] * len(along)}, {[2] * len(along)}] for a sample of two shifts"
    try:
        wanted = np.asarray(steps if shifts is None else shifts)
    except ValueError as error:
        raise ValueError(explain(where, "shifts", shown(shifts), "rows of one length", cure)) from error
    if wanted.dtype.kind not in "iu":
        raise TypeError(explain(where, "shifts", shown(shifts), "integers", cure))
    if wanted.ndim > 2 or (wanted.ndim and wanted.shape[-1] != len(along)):
        expected = f"None, an integer, {len(along)} integers (a lattice), or rows of {len(along)} integers (a sample)"
        raise ValueError(explain(where, "shifts", shown(shifts), expected, cure))
    if wanted.ndim == 2:
        _on_lattice(where, wanted, steps, along)
        rows = wanted
    else:
        lattice = wanted.tolist() if wanted.ndim else [int(wanted)] * len(along)
        if min(lattice) < 1:
            expected = "positive: a lattice is all multiples of a number"
            raise ValueError(explain(where, "shifts", shown(shifts), expected, "Leave them out for all shifts"))
        _on_lattice(where, np.asarray([lattice]), steps, along)
        rows = _every(*(_multiples(one, step, model == "cyclic") for one, step in zip(along, lattice, strict=True)))
    fits = np.ones(len(rows), bool)
    for its_laws, shape in zip(laws, shapes, strict=True) if model != "cyclic" else ():
        for number, law in enumerate(its_laws):
            fits &= room(law, rows[:, number], shape)
    if (wanted.ndim == 2 and not fits.all()) or not rows[fits].any():
        cure = "Take a larger input, a larger region or smaller shifts"
        expected = "such that positions are left to compare within the region, and not all 0"
        raise ValueError(explain(where, "the shifts", _few(rows), expected, cure))
    return rows[fits].astype(np.int32)


def _multiples(along: Along, step: int, cyclic: bool) -> range:
    """Once around, 0 included; or both ways as far as the input reaches."""
    if cyclic:
        return range(0, step * (along.length // math.gcd(along.length, step)), step)
    most = (along.length - 1) // step * step
    return range(-most, most + 1, step)


@functools.lru_cache(maxsize=8)
def _every(*multiples: range) -> np.ndarray:
    """Each combination of one from each, a row; kept, since a check is often repeated."""
    indices = np.indices([len(each) for each in multiples]).reshape(len(multiples), -1).T
    return indices * [each.step for each in multiples] + [each.start for each in multiples]


def _on_lattice(where: str, rows: np.ndarray, steps: Sequence[int], along: Sequence[Along]) -> None:
    """Refuse a shift that no whole number of positions answers."""
    for number, step in enumerate(steps):
        off = rows[:, number] % step != 0
        if off.any():
            found = f"{rows[off][0, number]} along {along[number]}"
            cure = "Pass moves=... if another move should answer it"
            raise ValueError(explain(where, "a shift", found, f"a multiple of {step}, as the output moves", cure))


def _few(rows: np.ndarray) -> str:
    shown = ", ".join(str(tuple(int(s) for s in row)) for row in rows[:3])
    return shown + (", ..." if len(rows) > 3 else "")
