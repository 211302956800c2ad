"""Factors of axes: splitting, merging, and joining the axes of the operands of one operation."""

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
    everywhere,
    fit,
    is_moving,
    length_of,
    motions_in,
    scaled,
)
from jaxconv.verify.receptive_fields import ONE_CELL, copied, strided, union


def invariant_axis(length: int, period: int | None = None) -> FactoredAxis:
    """Return an invariant axis: arbitrary, or with a period (1: uniform)."""
    return normalise((Factor(length, period),))


def input_axis(length: int, name: Hashable) -> FactoredAxis:
    """Return the shifted axis of an input, which is a window of the scene."""
    return (Factor(length, motion=Motion(Fraction(1), 0, length, ONE_CELL, name)),)


def uniform(axis: FactoredAxis) -> bool:
    """Whether all cells along an axis are equal."""
    return all(factor.period == 1 for factor in axis)


def normalise(factors: Iterable[Factor]) -> FactoredAxis:
    """Return the normal form of an axis, which is the same for equal axes.

    It drops invariant factors of one cell, and merges a moving factor with the invariant factors after it.
    """
    normalised: list[Factor] = []
    for factor in factors:
        if factor.motion is None:
            if factor.length == 1:
                continue
            if normalised and normalised[-1].motion is not None:
                normalised[-1] = _merge(normalised[-1].length, normalised[-1].motion, factor.length)
                continue
            normalised.append(Factor(factor.length) if (factor.period or 0) >= factor.length else factor)
        else:
            normalised.append(factor)
    return tuple(normalised)


def _merge(length: int, motion: Motion, minor: int) -> Factor:
    """Merge a moving factor with `minor` cells per cell: position i*minor + b has the receptive field of i."""
    finer = replace(motion, rate=motion.rate / minor, lo=motion.lo * minor, hi=motion.hi * minor,
                    field=copied(motion.field, motion.rate, minor), signal=(motion.signal, "merge", minor),
                    start=motion.start * minor)  # fmt: skip
    return Factor(length * minor, motion=finer)


def split(factor: Factor, minor: int) -> tuple[Factor, Factor]:
    """Split a factor of a*b cells into factors of a and b = `minor` cells. A moving factor gets a coarser rate."""
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
    """Split the factors of an axis, so that for each of `sizes` the last factors have that product.

    The result is not in normal form.

    Raises:
        CannotProve: the sizes do not divide each other.
    """
    pieces: list[Factor] = []
    below = 1
    for factor in reversed(axis):
        rest, done, above = factor, below, below * factor.length
        for size in sizes:
            if below < size < above:
                if size % done or above % size:
                    raise CannotProve("two shapes split the axis into incompatible factors")
                rest, minor = split(rest, size // done)
                pieces.append(minor)
                done = size
        pieces.append(rest)
        below = above
    return tuple(reversed(pieces))


def ends(factors: Iterable[Factor], start: int = 1) -> list[int]:
    """Return the product of the lengths from each factor to the last, times `start`, from the last to the first."""
    sizes: list[int] = []
    for factor in reversed(tuple(factors)):
        start *= factor.length
        sizes.append(start)
    return sizes


def check_whole_periods(value: Moving, number: int) -> None:
    """Raise CannotProve unless a moving axis shows whole periods of a periodic signal, and nothing else."""
    for factor in value.axes[number]:
        if factor.motion is None:
            continue
        period = value.period(factor.motion)
        if period is None:
            raise CannotProve(
                "reduces over the whole shifted axis, so new content at the border changes the result",
                "Only cyclic shifts leave a reduction over all positions unchanged",
            )
        valid = factor.motion.hi - factor.motion.lo
        if valid != factor.length or factor.length % period:
            raise CannotProve(
                f"reduces over {factor.length} positions, {valid} of which show a signal with period {period}",
                "Reduce over whole periods: pad circularly before it",
                factor.motion.without_whole_periods,
            )


def also_on(value: Moving, others: Sequence[Moving]) -> Moving:
    """Return `value` for the shifts that suit the others, too; it depends on the whole input if one of them does.

    The others are invariant numbers, such as a predicate or an initial value.
    """
    value, *others = common_shift([value, *others])
    return everywhere(replace(value, depends=True)) if any(other.depends for other in others) else value


def join(values: Sequence[Moving], signal: Hashable) -> Moving:
    """Return how the result of an element-wise function of values of one shape moves.

    `signal` names the signal of the result. It should be a new name, unless the values and the function determine a
    known signal.

    Raises:
        CannotProve: the values do not move together.
    """
    values = common_shift(values)
    depends = any(value.depends for value in values)
    axes: list[FactoredAxis] = []
    needed = 1
    for number in range(len(values[0].axes)):
        axis, period = _join_axis([value.axes[number] for value in values], signal, depends)
        axes.append(axis)
        needed = math.lcm(needed, period)
    joined = Moving(values[0].shift, values[0].cycle, tuple(axes), depends)
    for rate in (motion.rate for motion in motions_in(joined)):
        # The numerator of needed / step, where the step is shift / rate, in integers, since fractions are slow.
        least, step = needed * abs(rate.numerator), joined.shift * rate.denominator
        joined = scaled(joined, least // math.gcd(least, step))
    return fit(joined)


def _join_axis(axes: Sequence[FactoredAxis], signal: Hashable, depends: bool) -> tuple[FactoredAxis, int]:
    """Join one axis. Return the axis, and a number of cells that must divide the steps along it."""
    if all(axis == axes[0] for axis in axes) and not is_moving(axes[0]):
        return axes[0], 1
    whole = length_of(axes[0])
    if whole == 0:
        return invariant_axis(0, 1), 1
    if all((len(axis) == 1 and axis[0].length == whole) or uniform(axis) for axis in axes):
        aligned = [Factor(whole, 1) if uniform(axis) else axis[0] for axis in axes]
        factor, needed = _join_factor(aligned, signal, depends)
        return normalise([factor]), needed if factor.motion else 1
    axes = [invariant_axis(whole, 1) if uniform(axis) else axis for axis in axes]  # however it was split
    sizes = sorted({size for axis in axes for size in ends(axis)} - {whole})
    if any(above % below for below, above in pairwise([*sizes, whole])):
        if any(map(is_moving, axes)):
            raise CannotProve("two operands split the axis into incompatible factors")
        return invariant_axis(whole), 1
    needed, below = 1, whole
    factors: list[Factor] = []
    pieces = [cut(axis, sizes) or (Factor(1, 1),) for axis in axes]
    if len({tuple(factor.length for factor in piece) for piece in pieces}) > 1:
        raise CannotProve("two operands split the axis into incompatible factors")
    for aligned in zip(*pieces, strict=True):
        factor, period = _join_factor(aligned, signal, depends)
        below //= factor.length
        # `normalise` merges a moving factor with the minor factors, but it must still move by whole cells.
        needed = math.lcm(needed, period * below if factor.motion else period)
        factors.append(factor)
    return normalise(factors), needed


def _join_factor(factors: Sequence[Factor], signal: Hashable, depends: bool) -> tuple[Factor, int]:
    """Join one factor of each value. Return the factor, and a number of cells that must divide the steps along it."""
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
    merged = next((motion.merged for motion in moving if motion.merged), None)
    field = None if depends else union(motion.field for motion in moving)
    period = math.lcm(*(p for p in staying if p))
    # The joined signal repeats when all of its parts do.
    turns = math.gcd(*(motion.turns for motion in moving)) if period == 1 else 1
    motion = Motion(moving[0].rate, lo, hi, field, signal, 0, turns, edge, lost, merged=merged)
    return Factor(length, motion=motion), period
