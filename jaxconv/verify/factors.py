"""Axes as products of factors: how they are cut and joined, and how axes that meet in one operation move together."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from jaxconv.verify.domain import (
    CannotProve,
    Factor,
    FactoredAxis,
    Motion,
    Moving,
    common_shift,
    fit,
    is_moving,
    length_of,
    scaled,
)
from jaxconv.verify.receptive_fields import copied, strided, union


def invariant_axis(length: int, period: int | None = None) -> FactoredAxis:
    """An axis that does not move: arbitrary, or with a period (1: uniform)."""
    return normalise((Factor(length, period),))


def uniform(axis: FactoredAxis) -> bool:
    """Whether all cells along an axis are alike."""
    return all(factor.period == 1 for factor in axis)


def normalise(factors: Iterable[Factor]) -> FactoredAxis:
    """One form for equal axes: no factors of one cell that stay, and what follows a moving factor joined to it."""
    found: list[Factor] = []
    for factor in factors:
        if factor.motion is None:
            if factor.length == 1:
                continue
            if found and found[-1].motion is not None:
                found[-1] = _merge(found[-1].length, found[-1].motion, factor.length)
                continue
            found.append(Factor(factor.length) if (factor.period or 0) >= factor.length else factor)
        else:
            found.append(factor)
    return tuple(found)


def _merge(length: int, motion: Motion, minor: int) -> Factor:
    """A moving factor and `minor` cells within each of its cells as one; position i*minor + b sees what i saw."""
    finer = replace(motion, rate=motion.rate / minor, lo=motion.lo * minor, hi=motion.hi * minor,
                    field=copied(motion.field, motion.rate, minor), signal=(motion.signal, "merge", minor),
                    start=motion.start * minor)  # fmt: skip
    return Factor(length * minor, motion=finer)


def split(factor: Factor, minor: int) -> tuple[Factor, Factor]:
    """A factor of a*b cells as one of a and one of b = `minor`. What moves is then seen at a coarser rate."""
    major, period, motion = factor.length // minor, factor.period, factor.motion
    if motion is None:
        if period is None:
            return Factor(major), Factor(minor)
        if minor % period == 0:
            return Factor(major, 1), Factor(minor, period)
        return (
            (Factor(major, period // minor), Factor(minor)) if period % minor == 0 else (Factor(major), Factor(minor))
        )
    start, phase = divmod(motion.start, minor)
    coarser = replace(
        motion,
        rate=motion.rate * minor,
        lo=-(-motion.lo // minor),
        hi=motion.hi // minor,
        field=strided(motion.field, motion.rate, 0, minor, range(minor)),
        signal=(motion.signal, "split", minor, phase),
        start=start,
    )
    return Factor(major, motion=coarser), Factor(minor)


def cut(axis: FactoredAxis, sizes: Sequence[int]) -> tuple[Factor, ...]:
    """An axis with its factors cut wherever the part below has one of these sizes; not tidied."""
    pieces: list[Factor] = []
    below = 1
    for factor in reversed(axis):
        rest, done, above = factor, below, below * factor.length
        for size in sizes:
            if below < size < above:
                if size % done or above % size:
                    raise CannotProve("two shapes cut the axis at places that do not fit into one another")
                rest, minor = split(rest, size // done)
                pieces.append(minor)
                done = size
        pieces.append(rest)
        below = above
    return tuple(reversed(pieces))


def ends(factors: Iterable[Factor], start: int = 1) -> list[int]:
    """The sizes of the minor part after each factor, from the last to the first."""
    found = []
    for factor in reversed(tuple(factors)):
        start *= factor.length
        found.append(start)
    return found


def join(values: Sequence[Moving], signal: Hashable) -> Moving:
    """How a function of values of one shape moves that looks at the same position of each: as they all do.

    `signal` names the result's; it should be new unless the values and the function make it a known one.
    """
    values = common_shift(values)
    depends = any(value.depends for value in values)
    axes = []
    needed = 1
    for number in range(len(values[0].axes)):
        axis, period = _join_axis([value.axes[number] for value in values], signal, depends)
        axes.append(axis)
        needed = math.lcm(needed, period)
    found = replace(values[0], axes=tuple(axes), depends=depends)
    for motion in (factor.motion for axis in axes for factor in axis if factor.motion):
        step = abs(Fraction(found.shift) / motion.rate)
        found = scaled(found, (needed / step).numerator)
    return fit(found)


def _join_axis(axes: Sequence[FactoredAxis], signal: Hashable, depends: bool) -> tuple[FactoredAxis, int]:
    """One axis of the meeting, and the period that steps along it must be a multiple of."""
    if all(axis == axes[0] for axis in axes) and not is_moving(axes[0]):
        return axes[0], 1
    whole = length_of(axes[0])
    axes = [invariant_axis(whole, 1) if uniform(axis) else axis for axis in axes]  # wherever it was cut
    sizes = sorted({size for axis in axes for size in ends(axis)} - {whole})
    if any(above % below for below, above in pairwise([*sizes, whole])):
        if any(map(is_moving, axes)):
            raise CannotProve("two operands cut the axis at places that do not fit into one another")
        return invariant_axis(whole), 1
    needed, below = 1, whole
    factors = []
    pieces = [cut(axis, sizes) or (Factor(1, 1),) for axis in axes]
    if len({tuple(factor.length for factor in piece) for piece in pieces}) > 1:
        raise CannotProve("two operands cut the axis at places that do not fit into one another")
    for together in zip(*pieces, strict=True):
        factor, period = _join_factor(together, signal, depends)
        below //= factor.length
        # Joined with the cells below it again, what moves has to go on by whole cells of its own.
        needed = math.lcm(needed, period * below if factor.motion else period)
        factors.append(factor)
    return normalise(factors), needed


def _join_factor(factors: Sequence[Factor], signal: Hashable, depends: bool) -> tuple[Factor, int]:
    moving = [factor.motion for factor in factors if factor.motion is not None]
    staying = [factor.period for factor in factors if factor.motion is None]
    length = factors[0].length
    if not moving:
        return Factor(length, None if None in staying else math.lcm(*(p for p in staying if p))), 1
    if None in staying:
        raise CannotProve(
            "adds or multiplies a value that shifts with the input and one that is fixed and position-dependent",
            "Make what is added or multiplied the same at every position",
        )
    if len({motion.rate for motion in moving}) > 1:
        rates = ", ".join(str(rate) for rate in sorted({motion.rate for motion in moving}))
        raise CannotProve(f"its operands move along the axis at different rates: {rates} cells of the input per cell")
    lo, hi = max(motion.lo for motion in moving), min(motion.hi for motion in moving)
    edge = next((motion.edge for motion in moving if motion.edge), None)
    lost = next((motion.lost for motion in moving if motion.lost), None)
    field = None if depends else union(motion.field for motion in moving)
    motion = Motion(moving[0].rate, lo, hi, field, signal, 0, edge, lost)
    return Factor(length, motion=motion), math.lcm(*(p for p in staying if p)) if staying else 1
