"""The abstract values: how an array moves when the scene behind the input is shifted.

One walk through a function follows one generator: the scene, a signal X on the integers of which the input is a window,
is shifted by `shift` cells. A value of the function is `Moving` if along each of its axes it then moves by a known
number of cells, its step; which is to say that along them it is itself a window of a signal,

    v[j] = U(start + j),    U(X shifted by `shift`) = U(X) shifted by shift / rate.

An axis that stays where it is has no rate: it may be uniform (period 1: a shift by any number of cells would go
unnoticed), periodic (a checkerboard: a shift by multiples of the period would), or arbitrary (period None: no shift).

Cyclic walks take the scene to repeat after `cycle` cells. Interior walks know nothing of the scene beyond the input;
there, and behind zero padding, only the positions in [lo, hi) of a value are a window of the signal.

An axis is a product of factors, major first, so that reshapes lose nothing: an axis of 6*4 may carry the shift in its
first factor and channels in its second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from jaxconv.verify.claims import Break
from jaxconv.verify.receptive_fields import Field


class CannotProve(Exception):  # noqa: N818  no error: it ends an attempt to prove, as StopIteration ends a loop
    """Raised by a rule that cannot say how its result moves: why not, and what would help.

    `origin`: the earlier equation to blame, where this one would have been fine but for what that one did.
    """

    def __init__(self, reason: str, cure: str = "", origin: Break | None = None):
        super().__init__(reason)
        self.reason, self.cure, self.origin = reason, cure, origin


@dataclass(frozen=True)
class Motion:
    """The part of a factor that moves.

    `rate`: cells of the input per cell here, negative for a reversed axis. `[lo, hi)`: the positions that are a window
    of the signal. `field`: the cells of the input that those positions depend on, phase by phase, or on any if None.
    `signal`, `start`: which signal, and which of its cells stands at position 0, so that two windows of one signal can
    be joined. `edge`: what put other content outside [lo, hi); `lost`: where a full period was lost.
    """

    rate: Fraction
    lo: int
    hi: int
    field: Field | None
    signal: Hashable
    start: int = 0
    edge: Break | None = None
    lost: Break | None = None


@dataclass(frozen=True)
class Factor:
    """A factor of an axis: it carries the shift, or it stays, with the period of what stands on it."""

    length: int
    period: int | None = None
    motion: Motion | None = None


FactoredAxis: TypeAlias = tuple[Factor, ...]


@dataclass(frozen=True)
class Moving:
    """A value that moves as its axes say when the scene is shifted by `shift`."""

    shift: int
    cycle: int | None
    axes: tuple[FactoredAxis, ...]
    depends: bool = False  # on the input as a whole, as a global mean does, rather than through windows

    @property
    def moving_axes(self) -> list[int]:
        """The axes that carry the shift."""
        return [n for n, axis in enumerate(self.axes) if is_moving(axis)]

    def with_axis(self, number: int, axis: FactoredAxis) -> Moving:
        """The same value, except along one axis."""
        return replace(self, axes=(*self.axes[:number], axis, *self.axes[number + 1 :]))

    def step(self, motion: Motion) -> int:
        """Cells that a factor moves by."""
        return int(self.shift / motion.rate)

    def period(self, motion: Motion) -> Fraction | None:
        """Cells along a factor after which its signal repeats; None in interior walks."""
        return None if self.cycle is None else self.cycle / abs(motion.rate)

    def one_period(self, number: int) -> Motion | None:
        """What an axis carries, if it shows one period of a signal that repeats: all of it, and nothing else."""
        axis = self.axes[number]
        motion = axis[0].motion if len(axis) == 1 else None
        if motion is None or (motion.lo, motion.hi) != (0, axis[0].length) or axis[0].length != self.period(motion):
            return None
        return motion

    def complete(self, motion: Motion) -> bool:
        """Whether every cell of the repeating signal is somewhere in the window."""
        period = self.period(motion)
        return period is not None and motion.hi - motion.lo >= period


@dataclass(frozen=True)
class Spectrum:
    """A value of a cyclic walk that turns instead of moving, as the Fourier transform of what moves does.

    A shift of the scene by `value.shift` multiplies position j along `axis` by exp(-2 pi i modes[j] shift / cycle). A
    mode is None where zeros stand, which turn by any angle. `value` tells of all else; no axis of it carries the shift.
    """

    value: Moving
    axis: int
    modes: tuple[int | None, ...]


@dataclass(frozen=True)
class Pieces:
    """A value of a cyclic walk that moves once its cells a period apart are added up, as a wrap pad's gradient does.

    It holds parts of a parent of `total` cells along `axis`: for each (lo, hi, at) of `spans` the parent's cells lo to
    hi - 1, at positions at, at + 1, ...; zeros elsewhere. `folded` is the parent, all of it, added up: one whole period
    that moves. `value`: what is known of it besides.
    """

    value: Moving | Broken
    folded: Moving
    axis: int
    total: int
    spans: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Broken:
    """A value of which nothing is known, and the equation at which that began."""

    broken: Break


Plain: TypeAlias = Moving | Broken
Value: TypeAlias = Plain | Spectrum | Pieces


def main_state(value: Value) -> Plain | Spectrum:
    """A value without what is known of the sum of its pieces."""
    return value.value if isinstance(value, Pieces) else value


def bits(array: np.ndarray) -> np.ndarray:
    """An array's bytes, as many along the last axis as its cells have: in them -0 is not 0."""
    return np.ascontiguousarray(array).view(np.uint8)


def length_of(axis: FactoredAxis) -> int:
    """Cells along an axis."""
    return math.prod(factor.length for factor in axis)


def is_moving(axis: FactoredAxis) -> bool:
    """Whether an axis carries the shift."""
    return any(factor.motion for factor in axis)


def motion_of(axis: FactoredAxis) -> Motion | None:
    """What an axis carries: nothing, or all of it, as windows and reductions need; a mix of both is CannotProve."""
    if not is_moving(axis):
        return None
    first, *others = axis
    if others:
        raise CannotProve("only a part of the axis is shifted: it was merged with another one", "Reshape it back first")
    return first.motion


def fits(value: Value, shape: tuple[int, ...]) -> bool:
    """Whether a value's axes have the lengths of an array of that shape, and its regions lie within them."""
    if isinstance(value, Broken):
        return True
    if isinstance(value, Spectrum):
        return fits(value.value, shape) and len(value.modes) == shape[value.axis]
    if isinstance(value, Pieces):
        ends = [at + hi - lo for lo, hi, at in value.spans]
        period = length_of(value.folded.axes[value.axis])
        folded = (*shape[: value.axis], period, *shape[value.axis + 1 :])
        return fits(value.value, shape) and fits(value.folded, folded) and max(ends, default=0) <= shape[value.axis]
    factors = [factor for axis in value.axes for factor in axis]
    inside = all(f.motion is None or (f.motion.lo >= 0 and f.motion.hi <= f.length) for f in factors)
    return inside and tuple(map(length_of, value.axes)) == shape


def fit(value: Moving) -> Moving:
    """The same value for the least multiple of its shift by which every moving factor moves by whole cells."""
    by = 1
    for axis in value.axes:
        for factor in axis:
            if factor.motion is not None:
                by = math.lcm(by, (value.shift / factor.motion.rate).denominator)
    return scaled(value, by)


def scaled(value: Moving, by: int) -> Moving:
    """The same value for shifts of the scene `by` times as large; in a cyclic walk they must divide the length."""
    if by == 1:
        return value
    shift = value.shift * by
    if value.cycle is not None and value.cycle % shift:
        raise CannotProve(
            f"it fits shifts by {shift} only, and {shift} does not divide the length {value.cycle}: the seam shows",
            f"Use a length that is a multiple of {shift}",
        )
    return replace(value, shift=shift)


def renamed(value: Moving, key: Hashable) -> Moving:
    """The same value; its signals get new names, the same for the same key, since other axes were rearranged."""
    return _named(value, lambda signal: (signal, key))


def with_signals(value: Value, name: Callable[[Hashable], Hashable]) -> Value:
    """The same value, `name` of each signal's name in its place."""
    if isinstance(value, Broken):
        return value
    if isinstance(value, Spectrum):
        return replace(value, value=_named(value.value, name))
    if isinstance(value, Pieces):
        rest = value.value if isinstance(value.value, Broken) else _named(value.value, name)
        return replace(value, value=rest, folded=_named(value.folded, name))
    return _named(value, name)


def _named(value: Moving, name: Callable[[Hashable], Hashable]) -> Moving:
    if not any(map(is_moving, value.axes)):
        return value
    rename = lambda f: f if f.motion is None else replace(f, motion=replace(f.motion, signal=name(f.motion.signal)))
    return replace(value, axes=tuple(tuple(map(rename, axis)) for axis in value.axes))


def everywhere(value: Moving) -> Moving:
    """The same value, with receptive fields that are the whole input."""
    wide = lambda f: f if f.motion is None else replace(f, motion=replace(f.motion, field=None))
    return replace(value, axes=tuple(tuple(map(wide, axis)) for axis in value.axes))


def common_shift(values: Sequence[Moving]) -> list[Moving]:
    """The same values, for the least shift of the scene that suits them all."""
    shift = math.lcm(*(value.shift for value in values))
    return [scaled(value, shift // value.shift) for value in values]
