"""Pieces of a parent: which cells they have, and when all are present. The rules are in `overlap_add.py`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TypeAlias

from jaxconv.verify.domain import (
    CannotProve,
    Factor,
    FactoredAxis,
    Motion,
    Moving,
    Pieces,
    fit,
    length_of,
    motion_of,
)
from jaxconv.verify.factors import invariant_axis, uniform
from jaxconv.verify.receptive_fields import NOTHING, Field, apart, nearest, strided

Spans: TypeAlias = tuple[tuple[int, int, int], ...]


def pieces_of(value: Moving | Pieces, along: int | None = None) -> Pieces:
    """A value as pieces. A value that is exactly one period along each moving axis is a single piece.

    `along`: the axis of the pieces, if the value moves along several axes, as the tangents of a Jacobian do.
    """
    if isinstance(value, Pieces):
        return value
    motions = {number: value.one_period(number) for number in value.moving_axes}
    axis = along if along in motions or len(motions) != 1 else value.moving_axes[0]
    if axis is None or axis not in motions or any(motion is None or motion.turns > 1 for motion in motions.values()):
        raise CannotProve("not exactly one period")
    motion = motions[axis]
    if motion is None:
        raise CannotProve("not exactly one period")
    length = motion.hi
    name = (motion.signal, "from", motion.start % length)
    axes = [invariant_axis(length_of(a)) for a in value.axes]
    for number in motions:
        axes[number] = value.axes[number]
    axes[axis] = (Factor(length, motion=Motion(motion.rate, 0, length, motion.field, name)),)
    folded = replace(value, axes=tuple(axes))
    return Pieces(value, _with_names_beside(folded, axis, name), axis, length, ((0, length, 0),))


def _with_names_beside(folded: Moving, axis: int, name: Hashable) -> Moving:
    """The folded value, whose signals along other axes have names that depend on the one along the pieces' axis.

    The positions of the pieces are not a part of the folded value, but change the cells that the other axes show.
    """
    for number in folded.moving_axes:
        if number != axis:
            (factor,) = folded.axes[number]
            motion = factor.motion and replace(factor.motion, signal=(name, "beside", number), start=0).without_notes
            folded = folded.with_axis(number, (replace(factor, motion=motion),))
    return folded


def pieces_along(value: Moving | Pieces, axis: int, name: Hashable) -> Pieces:
    """A value as pieces along `axis`. If it is uniform there, it counts as moving along it, under the given name.

    A uniform value moves by any step. The derivative of a mean is uniform, before a convolution with circular padding.
    """
    length = 0 if isinstance(value, Pieces) else length_of(value.axes[axis])
    if isinstance(value, Pieces) or value.moving_axes or not value.cycle or not length or not uniform(value.axes[axis]):
        return pieces_of(value, axis)
    motion = Motion(Fraction(value.cycle, length), 0, length, None if value.depends else NOTHING, name)
    return pieces_of(fit(value.with_axis(axis, (Factor(length, motion=motion),))))


def carry_in(pieces: Pieces) -> Motion:
    """The motion of the folded value, the sum of all pieces."""
    motion = motion_of(pieces.folded.axes[pieces.axis])
    if motion is None:
        raise CannotProve("not exactly one period")
    return motion


def others_of(pieces: Pieces) -> list[int]:
    """The other axes along which the folded value moves."""
    return [number for number in pieces.folded.moving_axes if number != pieces.axis]


def period_of(pieces: Pieces) -> int:
    """Number of cells along the axis after which the folded value repeats."""
    return length_of(pieces.folded.axes[pieces.axis])


def whole(pieces: Pieces) -> int:
    """The position at which the parent starts, if all of it is present. Raises CannotProve if it is not."""
    if len(pieces.spans) != 1 or pieces.spans[0][:2] != (0, pieces.total):
        raise CannotProve("some pieces are missing")
    return pieces.spans[0][2]


def derived(
    parent: Pieces,
    shape: Sequence[int],
    axis: int,
    name: Hashable,
    total: int,
    spans: Spans,
    spacing: int = 1,
    places: Mapping[int, int] | None = None,
) -> Pieces:
    """Pieces of a new value of this shape, computed from the parent; a period has `spacing` times as many cells.

    Cell p of the parent becomes cell p * spacing, so each cell of the folded value keeps its receptive field. `places`
    has the number in the new value of each axis that keeps its positions; None: all but that of the pieces do.

    Raises:
        CannotProve: the parent moves along another axis, which does not keep its positions.
    """
    motion, period = carry_in(parent), period_of(parent) * spacing
    field = apart(motion.field, motion.rate, spacing, 0)
    moved = Motion(motion.rate / spacing, 0, period, field, name)
    axes: list[FactoredAxis] = [invariant_axis(length) for length in shape]
    for number in others_of(parent):
        place = number if places is None else places.get(number)
        kept = parent.folded.axes[number]
        if place is None or place in (axis, len(shape)) or shape[place] != length_of(kept):
            raise CannotProve("changes another axis along which the pieces move")
        axes[place] = kept
    axes[axis] = (Factor(period, motion=moved),)
    folded = fit(_with_names_beside(replace(parent.folded, axes=tuple(axes)), axis, name))
    return Pieces(folded, folded, axis, total, spans)


def with_field(pieces: Pieces, field: Field | None, axis: int | None = None) -> Pieces:
    """The same pieces, whose folded value has another receptive field along an axis; None: that of the pieces."""
    number = pieces.axis if axis is None else axis
    (factor,) = pieces.folded.axes[number]
    moved = replace(factor, motion=factor.motion and replace(factor.motion, field=field))
    folded = pieces.folded.with_axis(number, (moved,))
    return replace(pieces, value=folded, folded=folded)


def clipped(spans: Spans, start: int, stop: int) -> Spans:
    """The parts of the spans at positions [start, stop), moved so that `start` becomes position 0.

    Theorem: `Pieces.fold_moved` in proofs/coq.
    """
    parts: list[tuple[int, int, int]] = []
    for lo, hi, at in spans:
        first, last = max(at, start), min(at + hi - lo, stop)
        if first < last:
            parts.append((lo + first - at, lo + last - at, first - start))
    return tuple(parts)


def settled(pieces: Pieces, shape: Sequence[int]) -> Moving | Pieces:
    """The folded value if all pieces are present within one period, else the pieces.

    Theorems: `Pieces.pieces_settle` and `Pieces.settled_pieces_move` in proofs/coq.
    """
    period = period_of(pieces)
    offsets = {(at - lo) % period for lo, _, at in pieces.spans}
    reached = 0
    for lo, hi, _ in pieces.spans:
        if lo != reached:
            return pieces
        reached = hi
    if len(offsets) != 1 or reached != pieces.total or shape[pieces.axis] != period:
        return pieces
    motion, offset = carry_in(pieces), offsets.pop()
    field = nearest(strided(motion.field, motion.rate, -offset, 1), pieces.folded.cycle)
    motion = replace(motion, start=-offset, field=field)
    settled_value = pieces.folded.with_axis(pieces.axis, (Factor(period, motion=motion),))
    return _with_names_beside(settled_value, pieces.axis, (motion.signal, "at", offset))
