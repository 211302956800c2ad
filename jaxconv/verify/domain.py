"""Abstract values: how an array of the function moves when the input is shifted.

The input is a window of a scene: a signal X on the integers. A walk follows one shift of the scene, by `shift` cells.
A value is `Moving` if the shift of the scene moves it by a known number of cells along each axis, its step. Along each
axis that moves, the value is then a window of a signal U:

    v[j] = U(start + j),    U(X shifted by `shift`) = U(X) shifted by shift / rate.

An invariant axis has no rate. It is uniform (period 1: unchanged by shifts of any number of cells), periodic (such as
a checkerboard: unchanged by shifts of multiples of the period), or arbitrary (period None).

In a cyclic walk the scene repeats after `cycle` cells. In an interior walk the scene beyond the input is unknown.
There, and after zero padding, only the positions in [lo, hi) of a value are a window of the signal.

An axis is a product of factors, major first, so that reshapes lose no information. For example, the first factor of an
axis of 6*4 cells may carry the shift, and the second factor may hold channels.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from jaxconv.verify.claims import Culprit
from jaxconv.verify.modes import Modes
from jaxconv.verify.receptive_fields import Field


class CannotProve(Exception):  # noqa: N818 (not an error: it ends a proof, as StopIteration ends a loop)
    """Raised by a rule that cannot determine how its result moves, with the reason and a cure.

    `origin`: the culprit, if an earlier equation is the cause.
    """

    def __init__(self, reason: str, cure: str = "", origin: Culprit | None = None):
        super().__init__(reason)
        self.reason, self.cure, self.origin = reason, cure, origin


@dataclass(frozen=True)
class Motion:
    """The part of a factor that moves.

    `rate`: input cells per cell of the factor, negative for a reversed axis. `[lo, hi)`: the positions that are a
    window of the signal. `field`: the receptive field of these positions, phase by phase; None if they may depend on
    any cell. `signal`: the name of the signal. `start`: the cell of the signal at position 0, which allows two windows
    of one signal to be joined. `turns`: in a cyclic walk, how often the signal turns around while the scene does once:
    2 for the convolution of a signal with itself, which moves by two cells where the signal moves by one.
    The others are equations that may become culprits later (`losses.py`). `edge` put other content outside [lo, hi).
    After `lost`, less than a full period is left. `longer` made more positions than whole periods. `merged` merged the
    axis with others.
    """

    rate: Fraction
    lo: int
    hi: int
    field: Field | None
    signal: Hashable
    start: int = 0
    turns: int = 1
    edge: Culprit | None = None
    lost: Culprit | None = None
    longer: Culprit | None = None
    merged: Culprit | None = None

    @property
    def without_whole_periods(self) -> Culprit | None:
        """The equation because of which the axis does not hold whole periods of a cyclic signal."""
        return self.lost or self.longer or self.edge

    @property
    def notes(self) -> list[Culprit]:
        """The equations that may become culprits later."""
        return [note for note in (self.edge, self.lost, self.longer, self.merged) if note is not None]

    @property
    def without_notes(self) -> Motion:
        """The same motion, without the equations that are noted as possible culprits."""
        return replace(self, edge=None, lost=None, longer=None, merged=None)


@dataclass(frozen=True)
class Factor:
    """A factor of an axis. It has a `motion` if it carries the shift; otherwise it is invariant, with a `period`."""

    length: int
    period: int | None = None
    motion: Motion | None = None


FactoredAxis: TypeAlias = tuple[Factor, ...]


@dataclass(frozen=True)
class Moving:
    """A value whose `axes` describe how it moves when the scene is shifted by `shift`."""

    shift: int
    cycle: int | None
    axes: tuple[FactoredAxis, ...]
    depends: bool = False  # on the whole input, as a global mean does, not only through windows

    @functools.cached_property
    def moving_axes(self) -> list[int]:
        """Numbers of the axes that carry the shift."""
        return [n for n, axis in enumerate(self.axes) if is_moving(axis)]

    def with_axes(self, axes: Iterable[FactoredAxis]) -> Moving:
        """Return the same value with other axes. (`replace` takes four times as long.)"""
        return Moving(self.shift, self.cycle, tuple(axes), self.depends)

    def with_axis(self, number: int, axis: FactoredAxis) -> Moving:
        """Return the same value with one axis replaced."""
        return self.with_axes((*self.axes[:number], axis, *self.axes[number + 1 :]))

    def without_axis(self, number: int) -> Moving:
        """Return the same value without one axis."""
        return self.with_axes((*self.axes[:number], *self.axes[number + 1 :]))

    def with_new_axis(self, number: int, axis: FactoredAxis) -> Moving:
        """Return the same value with one more axis, before the axis of this number."""
        return self.with_axes((*self.axes[:number], axis, *self.axes[number:]))

    def step(self, motion: Motion) -> int:
        """Number of cells by which a factor moves."""
        return int(self.shift / motion.rate)

    def period(self, motion: Motion) -> Fraction | None:
        """Number of cells of a factor after which its signal repeats; None in interior walks."""
        return None if self.cycle is None else Fraction(*self._period(self.cycle, motion))

    @staticmethod
    def _period(cycle: int, motion: Motion) -> tuple[int, int]:
        """The period as numerator and denominator, since fractions are slow."""
        return cycle * motion.rate.denominator, abs(motion.rate.numerator) * motion.turns

    def periods_in(self, motion: Motion, cells: int) -> tuple[int, int] | None:
        """Number of whole periods in a number of cells, and a remainder, 0 if there is none; None in interior walks."""
        if self.cycle is None:
            return None
        above, below = self._period(self.cycle, motion)
        return divmod(cells * below, above)

    def one_period(self, number: int) -> Motion | None:
        """Return the motion of an axis that holds exactly one period of a repeating signal; otherwise None."""
        axis = self.axes[number]
        motion = axis[0].motion if len(axis) == 1 else None
        if motion is None or (motion.lo, motion.hi) != (0, axis[0].length):
            return None
        return motion if self.periods_in(motion, axis[0].length) == (1, 0) else None

    def complete(self, motion: Motion) -> bool:
        """Whether the window holds every cell of the repeating signal."""
        periods = self.periods_in(motion, motion.hi - motion.lo)
        return periods is not None and periods[0] >= 1


@dataclass(frozen=True)
class Spectrum:
    """A value of a cyclic walk whose phase changes under a shift, such as the Fourier transform of a `Moving` value.

    A shift of the scene by `value.shift` multiplies position j along `axis` by exp(-2 pi i modes[j] shift / cycle). The
    mode of a position that holds zeros is None, since zeros have no phase. `value` describes the other properties; none
    of its axes carries the shift.
    """

    value: Moving
    axis: int
    modes: Modes

    def __post_init__(self) -> None:
        """Take any sequence of modes."""
        object.__setattr__(self, "modes", Modes.of(self.modes))


@dataclass(frozen=True)
class Pieces:
    """A value of a cyclic walk that is equivariant after its cells a period apart are added.

    An example is the gradient of a wrap pad. The value holds parts of a parent of `total` cells along `axis`. For each
    (lo, hi, at) of `spans` it has the parent's cells lo to hi - 1, at positions at, at + 1, ..., and zeros elsewhere.
    `folded` is the sum of the whole parent over cells a period apart: one whole period, which moves. `value` is the
    value's other description.
    """

    value: Moving | Broken
    folded: Moving
    axis: int
    total: int
    spans: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Broken:
    """A value about which nothing is known, and the culprit."""

    culprit: Culprit


Plain: TypeAlias = Moving | Broken
Value: TypeAlias = Plain | Spectrum | Pieces


def main_state(value: Value) -> Plain | Spectrum:
    """Return a value without the information about the sum of its pieces."""
    return value.value if isinstance(value, Pieces) else value


def is_whole(value: Value) -> bool:
    """Whether a value moves, and holds exactly one period along each axis that does."""
    return isinstance(value, Moving) and bool(value.moving_axes) and all(map(value.one_period, value.moving_axes))


def stronger(plain: Value, other: Value) -> Value:
    """Return the stronger of two descriptions. `Pieces` keep both, unless they are a whole that moves."""
    moves = is_whole(plain)
    if isinstance(other, Pieces) and isinstance(plain, Moving | Broken):
        whole = len(other.spans) == 1 and other.spans[0][:2] == (0, other.total)
        return plain if moves and whole else replace(other, value=plain)
    return plain if moves else other


def without_phases(spectrum: Spectrum) -> Moving | None:
    """Return a spectrum as an invariant value, if a shift multiplies each of its modes by 1. Otherwise return None."""
    value, modes = spectrum.value, spectrum.modes
    cycle = value.cycle
    whole_turns = cycle is not None and not any(mode * value.shift % cycle for mode in modes.generators())
    return value if whole_turns else None


def bits(array: np.ndarray) -> np.ndarray:
    """Return the bytes of an array, which distinguish -0 from 0; those of one cell are along the last axis."""
    return np.ascontiguousarray(array).view(np.uint8)


def length_of(axis: FactoredAxis) -> int:
    """Number of cells along an axis."""
    return math.prod(factor.length for factor in axis)


def is_moving(axis: FactoredAxis) -> bool:
    """Whether an axis carries the shift."""
    for factor in axis:  # noqa: SIM110  `any` takes twice as long
        if factor.motion is not None:
            return True
    return False


def motions_in(value: Moving) -> list[Motion]:
    """Return the motions of all factors that carry the shift."""
    axes = (value.axes[number] for number in value.moving_axes)
    return [factor.motion for axis in axes for factor in axis if factor.motion is not None]


def motion_of(axis: FactoredAxis) -> Motion | None:
    """Return the motion of an axis, or None if it is invariant. Windows and reductions require one or the other.

    Raises:
        CannotProve: only some of the axis's factors move.
    """
    if not is_moving(axis):
        return None
    first, *others = axis
    if others:
        reason = "only a part of the axis is shifted, because it was merged with another axis"
        merged = next((factor.motion.merged for factor in axis if factor.motion), None)
        raise CannotProve(reason, "Undo the reshape first", merged)
    return first.motion


def fits(value: Value, shape: tuple[int, ...]) -> bool:
    """Whether a value's axes have the lengths of an array of `shape`, and its regions lie within them."""
    if isinstance(value, Broken):
        return True
    if isinstance(value, Spectrum):
        return fits(value.value, shape) and len(value.modes) == shape[value.axis]
    if isinstance(value, Pieces):
        ends = [at + hi - lo for lo, hi, at in value.spans]
        period = length_of(value.folded.axes[value.axis])
        folded = (*shape[: value.axis], period, *shape[value.axis + 1 :])
        return fits(value.value, shape) and fits(value.folded, folded) and max(ends, default=0) <= shape[value.axis]
    moving = [factor for number in value.moving_axes for factor in value.axes[number]]
    inside = all(f.motion is None or (f.motion.lo >= 0 and f.motion.hi <= f.length) for f in moving)
    return inside and tuple(map(length_of, value.axes)) == shape


def check_periods(value: Moving) -> None:
    """Raise CannotProve if a signal does not repeat after a whole number of cells.

    Example: a signal that repeats after 9 cells, and turns around twice while the scene does once. Every other cell of
    it moves by whole cells, but repeats after 9 cells, too, and not after 9/2.
    """
    if value.cycle is None:
        return
    for motion in motions_in(value):
        rate = motion.rate
        if value.cycle * rate.denominator % (rate.numerator * motion.turns):
            reason = f"its signal would repeat after {value.period(motion)} cells"
            raise CannotProve(reason, "Use a length that the stride divides")


def fit(value: Moving) -> Moving:
    """Return the same value for the least multiple of its shift that moves every factor by whole cells."""
    by = 1
    for rate in (motion.rate for motion in motions_in(value)):  # in integers, since fractions are slow
        by = math.lcm(by, rate.numerator // math.gcd(value.shift * rate.denominator, rate.numerator))
    return scaled(value, by)


def scaled(value: Moving, by: int) -> Moving:
    """Return the same value for shifts of the scene that are `by` times as large.

    Raises:
        CannotProve: in a cyclic walk, the new shift does not divide the length.
    """
    if by == 1:
        return value
    shift = value.shift * by
    if value.cycle is not None and value.cycle % shift:
        raise CannotProve(
            f"only shifts by multiples of {shift} fit, and {shift} does not divide the length {value.cycle}",
            f"Use a length that is a multiple of {shift}",
        )
    return replace(value, shift=shift)


def with_motions(value: Moving, change: Callable[[Motion], Motion]) -> Moving:
    """Return the same value with each motion replaced by `change` of it."""
    if not value.moving_axes:
        return value
    axes = list(value.axes)
    same = True
    for number in value.moving_axes:
        factors = list(axes[number])
        for place, factor in enumerate(factors):
            motion = factor.motion and change(factor.motion)
            if motion is not factor.motion:
                factors[place], same = Factor(factor.length, factor.period, motion), False
        axes[number] = tuple(factors)
    return value if same else value.with_axes(axes)


def renamed(value: Moving, key: Hashable) -> Moving:
    """Return the same value with new signal names that depend on `key`, for a rearrangement of other axes."""
    return _named(value, lambda signal: (signal, key))


def with_signals(value: Value, name: Callable[[Hashable], Hashable]) -> Value:
    """Return the same value, with each signal name replaced by `name` of it."""
    if isinstance(value, Broken):
        return value
    if isinstance(value, Spectrum):
        return replace(value, value=_named(value.value, name))
    if isinstance(value, Pieces):
        rest = value.value if isinstance(value.value, Broken) else _named(value.value, name)
        return replace(value, value=rest, folded=_named(value.folded, name))
    return _named(value, name)


def _named(value: Moving, name: Callable[[Hashable], Hashable]) -> Moving:
    def changed(motion: Motion) -> Motion:
        signal = name(motion.signal)
        return motion if signal is motion.signal else replace(motion, signal=signal)

    return with_motions(value, changed)


def everywhere(value: Moving) -> Moving:
    """Return the same value, with the whole input as receptive field."""
    return with_motions(value, lambda motion: replace(motion, field=None))


def without_fields(value: Value) -> Value:
    """Return the same value, with the whole input as receptive field wherever it moves."""
    if isinstance(value, Pieces):
        rest = everywhere(value.value) if isinstance(value.value, Moving) else value.value
        return replace(value, value=rest, folded=everywhere(value.folded))
    return everywhere(value) if isinstance(value, Moving) else value


def common_shift(values: Sequence[Moving]) -> list[Moving]:
    """Return the same values for the least common multiple of their shifts."""
    shift = math.lcm(*(value.shift for value in values))
    return [scaled(value, shift // value.shift) for value in values]
