"""The law that a walk's result says of an output, if it is worth reporting: small shifts, and positions that show them.

A law is reported if its shift is at most half of the input's length, if its region holds `max(|t|, 2)` pairs of
positions or more, and if its outputs depend on the input. An output that does not depend on the input is invariant.
"""

from __future__ import annotations

from jaxconv.verify.claims import Break, Claim, ReceptiveField, Verdict
from jaxconv.verify.domain import Broken, CannotProve, Motion, Moving, Plain, Spectrum, length_of, motion_of
from jaxconv.verify.receptive_fields import in_cells, nearest, sees_nothing


def claimed(value: Plain | Spectrum, length: int) -> Claim:
    """What a walk's result says of an output, for an input of `length` cells: proved, or what is against it."""
    if isinstance(value, Broken):
        return Claim(Verdict.UNDECIDED, broken=value.broken)
    try:
        return _proved(value, length)
    except CannotProve as lost:
        return Claim(Verdict.UNDECIDED, broken=lost.origin or at_the_end(lost.reason, lost.cure))


def _proved(value: Moving | Spectrum, length: int) -> Claim:
    """The law of a value that moves or stays. Raises CannotProve if it is not worth reporting."""
    if isinstance(value, Spectrum):
        reason = f"a spectrum: along axis {value.axis} it turns, and does not move"
        raise CannotProve(reason, "Transform it back, or take absolute values")
    if length == 1:
        raise CannotProve("along an axis of one cell there is nothing to shift", "Use a larger input")
    carried = [
        (number, motion) for number in value.moving_axes if (motion := motion_of(value.axes[number])) is not None
    ]
    for number, motion in carried:
        _checked(value, number, motion)
    if 2 * value.shift > length and (carried or value.depends):
        reason = (
            f"it is proved for shifts by {value.shift}, which are more than half of {length} cells, and not by less"
        )
        raise CannotProve(reason, f"Use {2 * value.shift} cells or more, or smaller strides")
    moves = tuple((number, value.step(motion)) for number, motion in carried)
    region = tuple((number, motion.lo, motion.hi) for number, motion in carried if value.cycle is None)
    field = field_of(carried[0][1], value.cycle) if len(carried) == 1 else None
    return Claim(Verdict.PROVED, value.shift, moves, region, field)


def _checked(value: Moving, number: int, motion: Motion) -> None:
    """Raises CannotProve if an output axis does not show what a law needs: whole periods, or pairs a step apart."""
    length, period, step = length_of(value.axes[number]), value.period(motion), abs(value.step(motion))
    if motion.field is not None and sees_nothing(motion.field):
        raise CannotProve(f"what moves along output axis {number} does not depend on the input")
    if period is not None:
        if (motion.lo, motion.hi) != (0, length) or length % period:
            reason = f"output axis {number} shows {length} positions of a signal that repeats after {period}"
            raise CannotProve(reason, "Use a larger input", motion.lost or motion.edge)
        return
    clear, pairs = max(motion.hi - motion.lo, 0), max(step, 2)
    if clear - step < pairs:
        reason = f"only {clear} positions of output axis {number} are clear of the border"
        reason += f", and a shift by {value.shift}, which moves them by {step}, needs {step + pairs}"
        raise CannotProve(reason, "Use a larger input", motion.edge)


def field_of(motion: Motion, cycle: int | None) -> ReceptiveField | None:
    """The receptive field; where the input repeats, the one of all equivalent intervals that lies nearest to 0."""
    field = nearest(motion.field, cycle)
    return None if field is None or sees_nothing(field) else ReceptiveField(motion.rate, *in_cells(field, motion.rate))


def at_the_end(reason: str, cure: str) -> Break:
    """What is against a claim, where no equation is to blame."""
    return Break(-1, "output", reason, cure, "the function's output", ())
