"""Pieces of a parent: which cells they have, and when all are present. The rules are in `overlap_add.py`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
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


def pieces_of(value: Moving | Pieces) -> Pieces:
    """A value as pieces. A value that is exactly one period along its only moving axis is a single piece."""
    if isinstance(value, Pieces):
        return value
    motion = value.one_period(value.moving_axes[0]) if len(value.moving_axes) == 1 else None
    if motion is None or motion.turns > 1:
        raise CannotProve("not exactly one period")
    axis, length = value.moving_axes[0], motion.hi
    name = (motion.signal, "from", motion.start % length)
    whole = Motion(motion.rate, 0, length, motion.field, name)
    axes = tuple(
        (Factor(length, motion=whole),) if n == axis else invariant_axis(length_of(a)) for n, a in enumerate(value.axes)
    )
    return Pieces(value, replace(value, axes=axes), axis, length, ((0, length, 0),))


def pieces_along(value: Moving | Pieces, axis: int, name: Hashable) -> Pieces:
    """A value as pieces, where a value that is uniform along `axis` counts as moving along it, under the given name.

    A uniform value moves by any step. The derivative of a mean is uniform, before a convolution with circular padding.
    """
    length = 0 if isinstance(value, Pieces) else length_of(value.axes[axis])
    if isinstance(value, Pieces) or value.moving_axes or not value.cycle or not length or not uniform(value.axes[axis]):
        return pieces_of(value)
    motion = Motion(Fraction(value.cycle, length), 0, length, None if value.depends else NOTHING, name)
    return pieces_of(fit(value.with_axis(axis, (Factor(length, motion=motion),))))


def carry_in(pieces: Pieces) -> Motion:
    """The motion of the folded value, the sum of all pieces."""
    motion = motion_of(pieces.folded.axes[pieces.axis])
    if motion is None:
        raise CannotProve("not exactly one period")
    return motion


def period_of(pieces: Pieces) -> int:
    """Number of cells along the axis after which the folded value repeats."""
    return length_of(pieces.folded.axes[pieces.axis])


def whole(pieces: Pieces) -> int:
    """The position at which the parent starts, if all of it is present. Raises CannotProve if it is not."""
    if len(pieces.spans) != 1 or pieces.spans[0][:2] != (0, pieces.total):
        raise CannotProve("some pieces are missing")
    return pieces.spans[0][2]


def derived(
    parent: Pieces, shape: Sequence[int], axis: int, name: Hashable, total: int, spans: Spans, spacing: int = 1
) -> Pieces:
    """Pieces of a new value of this shape, computed from the parent; a period has `spacing` times as many cells.

    Cell p of the parent becomes cell p * spacing, so each cell of the folded value keeps its receptive field.
    """
    motion, period = carry_in(parent), period_of(parent) * spacing
    field = apart(motion.field, motion.rate, spacing, 0)
    moved = Motion(motion.rate / spacing, 0, period, field, name)
    axes: list[FactoredAxis] = [invariant_axis(length) for length in shape]
    axes[axis] = (Factor(period, motion=moved),)
    folded = fit(replace(parent.folded, axes=tuple(axes)))
    return Pieces(folded, folded, axis, total, spans)


def with_field(pieces: Pieces, field: Field | None) -> Pieces:
    """The same pieces, whose folded value has another receptive field."""
    moved = Factor(period_of(pieces), motion=replace(carry_in(pieces), field=field))
    folded = pieces.folded.with_axis(pieces.axis, (moved,))
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
    return pieces.folded.with_axis(pieces.axis, (Factor(period, motion=motion),))
