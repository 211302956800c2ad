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
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from jaxconv.verify.claims import Break
from jaxconv.verify.fields import Field, copied, strided, union


class Lost(Exception):  # noqa: N818  not an error: the reason for which a proof stops
    """Raised by a rule that cannot say how its result moves: why not, and what would help.

    `origin`: the earlier equation to blame, where this one would have been fine but for what that one did.
    """

    def __init__(self, reason: str, cure: str = "", origin: Break | None = None):
        super().__init__(reason)
        self.reason, self.cure, self.origin = reason, cure, origin


@dataclass(frozen=True)
class Carry:
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
    carry: Carry | None = None


Axis: TypeAlias = tuple[Factor, ...]


@dataclass(frozen=True)
class Moving:
    """A value that moves as its axes say when the scene is shifted by `shift`."""

    shift: int
    cycle: int | None
    axes: tuple[Axis, ...]
    depends: bool = False  # on the input as a whole, as a global mean does, rather than through windows

    @property
    def carriers(self) -> list[int]:
        """The axes that carry the shift."""
        return [n for n, axis in enumerate(self.axes) if carries(axis)]

    def with_axis(self, number: int, axis: Axis) -> Moving:
        """The same value, except along one axis."""
        return replace(self, axes=(*self.axes[:number], axis, *self.axes[number + 1 :]))

    def step(self, carry: Carry) -> int:
        """Cells that a factor moves by."""
        return int(self.shift / carry.rate)

    def period(self, carry: Carry) -> Fraction | None:
        """Cells along a factor after which its signal repeats; None in interior walks."""
        return None if self.cycle is None else self.cycle / abs(carry.rate)

    def one_period(self, number: int) -> Carry | None:
        """What an axis carries, if it shows one period of a signal that repeats: all of it, and nothing else."""
        axis = self.axes[number]
        carry = axis[0].carry if len(axis) == 1 else None
        if carry is None or (carry.lo, carry.hi) != (0, axis[0].length) or axis[0].length != self.period(carry):
            return None
        return carry

    def complete(self, carry: Carry) -> bool:
        """Whether every cell of the repeating signal is somewhere in the window."""
        period = self.period(carry)
        return period is not None and carry.hi - carry.lo >= period


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


def besides(value: Value) -> Plain | Spectrum:
    """A value without what is known of the sum of its pieces."""
    return value.value if isinstance(value, Pieces) else value


def bits(array: np.ndarray) -> np.ndarray:
    """An array's bytes, as many along the last axis as its cells have: in them -0 is not 0."""
    return np.ascontiguousarray(array).view(np.uint8)


def length_of(axis: Axis) -> int:
    """Cells along an axis."""
    return math.prod(factor.length for factor in axis)


def carries(axis: Axis) -> bool:
    """Whether an axis carries the shift."""
    return any(factor.carry for factor in axis)


def carry_of(axis: Axis) -> Carry | None:
    """What an axis carries: nothing, or all of it, as windows and reductions need; a mix of both is Lost."""
    if not carries(axis):
        return None
    first, *others = axis
    if others:
        raise Lost("only a part of the axis is shifted: it was merged with another one", "Reshape it back first")
    return first.carry


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
    inside = all(f.carry is None or (f.carry.lo >= 0 and f.carry.hi <= f.length) for f in factors)
    return inside and tuple(map(length_of, value.axes)) == shape


def still(length: int, period: int | None = None) -> Axis:
    """An axis that does not move: arbitrary, or with a period (1: uniform)."""
    return tidy((Factor(length, period),))


def uniform(axis: Axis) -> bool:
    """Whether all cells along an axis are alike."""
    return all(factor.period == 1 for factor in axis)


def tidy(factors: Iterable[Factor]) -> Axis:
    """One form for equal axes: no factors of one cell that stay, and what follows a moving factor joined to it."""
    found: list[Factor] = []
    for factor in factors:
        if factor.carry is None:
            if factor.length == 1:
                continue
            if found and found[-1].carry is not None:
                found[-1] = _join(found[-1].length, found[-1].carry, factor.length)
                continue
            found.append(Factor(factor.length) if (factor.period or 0) >= factor.length else factor)
        else:
            found.append(factor)
    return tuple(found)


def _join(length: int, carry: Carry, minor: int) -> Factor:
    """A moving factor and `minor` cells within each of its cells as one; position i*minor + b sees what i saw."""
    finer = replace(carry, rate=carry.rate / minor, lo=carry.lo * minor, hi=carry.hi * minor,
                    field=copied(carry.field, carry.rate, minor), signal=(carry.signal, "join", minor),
                    start=carry.start * minor)  # fmt: skip
    return Factor(length * minor, carry=finer)


def split(factor: Factor, minor: int) -> tuple[Factor, Factor]:
    """A factor of a*b cells as one of a and one of b = `minor`. What moves is then seen at a coarser rate."""
    major, period, carry = factor.length // minor, factor.period, factor.carry
    if carry is None:
        if period is None:
            return Factor(major), Factor(minor)
        if minor % period == 0:
            return Factor(major, 1), Factor(minor, period)
        return (
            (Factor(major, period // minor), Factor(minor)) if period % minor == 0 else (Factor(major), Factor(minor))
        )
    start, phase = divmod(carry.start, minor)
    coarser = replace(
        carry,
        rate=carry.rate * minor,
        lo=-(-carry.lo // minor),
        hi=carry.hi // minor,
        field=strided(carry.field, carry.rate, 0, minor, range(minor)),
        signal=(carry.signal, "split", minor, phase),
        start=start,
    )
    return Factor(major, carry=coarser), Factor(minor)


def cut(axis: Axis, sizes: Sequence[int]) -> tuple[Factor, ...]:
    """An axis with its factors cut wherever the part below has one of these sizes; not tidied."""
    pieces: list[Factor] = []
    below = 1
    for factor in reversed(axis):
        rest, done, above = factor, below, below * factor.length
        for size in sizes:
            if below < size < above:
                if size % done or above % size:
                    raise Lost("two shapes cut the axis at places that do not fit into one another")
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


def fit(value: Moving) -> Moving:
    """The same value for the least multiple of its shift by which every moving factor moves by whole cells."""
    by = 1
    for axis in value.axes:
        for factor in axis:
            if factor.carry is not None:
                by = math.lcm(by, (value.shift / factor.carry.rate).denominator)
    return scaled(value, by)


def scaled(value: Moving, by: int) -> Moving:
    """The same value for shifts of the scene `by` times as large; in a cyclic walk they must divide the length."""
    if by == 1:
        return value
    shift = value.shift * by
    if value.cycle is not None and value.cycle % shift:
        raise Lost(
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
    if not any(map(carries, value.axes)):
        return value
    rename = lambda f: f if f.carry is None else replace(f, carry=replace(f.carry, signal=name(f.carry.signal)))
    return replace(value, axes=tuple(tuple(map(rename, axis)) for axis in value.axes))


def everywhere(value: Moving) -> Moving:
    """The same value, with receptive fields that are the whole input."""
    wide = lambda f: f if f.carry is None else replace(f, carry=replace(f.carry, field=None))
    return replace(value, axes=tuple(tuple(map(wide, axis)) for axis in value.axes))


def common_shift(values: Sequence[Moving]) -> list[Moving]:
    """The same values, for the least shift of the scene that suits them all."""
    shift = math.lcm(*(value.shift for value in values))
    return [scaled(value, shift // value.shift) for value in values]


def meet(values: Sequence[Moving], signal: Hashable) -> Moving:
    """How a function of values of one shape moves that looks at the same position of each: as they all do.

    `signal` names the result's; it should be new unless the values and the function make it a known one.
    """
    values = common_shift(values)
    depends = any(value.depends for value in values)
    axes = []
    needed = 1
    for number in range(len(values[0].axes)):
        axis, period = _meet_axis([value.axes[number] for value in values], signal, depends)
        axes.append(axis)
        needed = math.lcm(needed, period)
    found = replace(values[0], axes=tuple(axes), depends=depends)
    for carry in (factor.carry for axis in axes for factor in axis if factor.carry):
        step = abs(Fraction(found.shift) / carry.rate)
        found = scaled(found, (needed / step).numerator)
    return fit(found)


def _meet_axis(axes: Sequence[Axis], signal: Hashable, depends: bool) -> tuple[Axis, int]:
    """One axis of the meeting, and the period that steps along it must be a multiple of."""
    if all(axis == axes[0] for axis in axes) and not carries(axes[0]):
        return axes[0], 1
    whole = length_of(axes[0])
    axes = [still(whole, 1) if uniform(axis) else axis for axis in axes]  # wherever it was cut
    sizes = sorted({size for axis in axes for size in ends(axis)} - {whole})
    if any(above % below for below, above in pairwise([*sizes, whole])):
        if any(map(carries, axes)):
            raise Lost("two operands cut the axis at places that do not fit into one another")
        return still(whole), 1
    needed, below = 1, whole
    factors = []
    pieces = [cut(axis, sizes) or (Factor(1, 1),) for axis in axes]
    if len({tuple(factor.length for factor in piece) for piece in pieces}) > 1:
        raise Lost("two operands cut the axis at places that do not fit into one another")
    for together in zip(*pieces, strict=True):
        factor, period = _meet_factor(together, signal, depends)
        below //= factor.length
        # Joined with the cells below it again, what moves has to go on by whole cells of its own.
        needed = math.lcm(needed, period * below if factor.carry else period)
        factors.append(factor)
    return tidy(factors), needed


def _meet_factor(factors: Sequence[Factor], signal: Hashable, depends: bool) -> tuple[Factor, int]:
    moving = [factor.carry for factor in factors if factor.carry is not None]
    staying = [factor.period for factor in factors if factor.carry is None]
    length = factors[0].length
    if not moving:
        return Factor(length, None if None in staying else math.lcm(*(p for p in staying if p))), 1
    if None in staying:
        raise Lost(
            "one operand moves along the axis and another, which varies along it, stays",
            "Make what is added or multiplied the same at every position",
        )
    if len({carry.rate for carry in moving}) > 1:
        rates = ", ".join(str(rate) for rate in sorted({carry.rate for carry in moving}))
        raise Lost(f"its operands move along the axis at different rates: {rates} cells of the input per cell")
    lo, hi = max(carry.lo for carry in moving), min(carry.hi for carry in moving)
    edge = next((carry.edge for carry in moving if carry.edge), None)
    lost = next((carry.lost for carry in moving if carry.lost), None)
    field = None if depends else union(carry.field for carry in moving)
    carry = Carry(moving[0].rate, lo, hi, field, signal, 0, edge, lost)
    return Factor(length, carry=carry), math.lcm(*(p for p in staying if p)) if staying else 1
