"""Claims about an output from the result of a walk, with the conditions under which a law is reported.

A law is reported if three conditions hold. Its shift is at most half of the input's length, its region holds at least
`max(|t|, 2)` pairs of positions, and its outputs depend on the input. An output that does not depend on the input is
invariant.
"""

from __future__ import annotations

from jaxconv.verify.claims import Claim, Culprit, ReceptiveField, Verdict
from jaxconv.verify.domain import Broken, CannotProve, Motion, Moving, Plain, Spectrum, length_of, motion_of
from jaxconv.verify.receptive_fields import in_cells, nearest, sees_nothing


def claimed(value: Plain | Spectrum, length: int) -> Claim:
    """Return the claim about an output, for an input of `length` cells: proved, or undecided with a culprit."""
    if isinstance(value, Broken):
        return Claim(Verdict.UNDECIDED, culprit=value.culprit)
    try:
        return _proved(value, length)
    except CannotProve as lost:
        return Claim(Verdict.UNDECIDED, culprit=lost.origin or at_the_end(lost.reason, lost.cure))


def _proved(value: Moving | Spectrum, length: int) -> Claim:
    """Return the claim about a value that moves or is invariant. Raises CannotProve if its law is not reported."""
    if isinstance(value, Spectrum):
        reason = f"the output is a spectrum: a shift changes its phase along axis {value.axis}"
        raise CannotProve(reason, "Transform it back, or take absolute values")
    if length == 1:
        raise CannotProve("an axis of one cell cannot be shifted", "Use a larger input")
    carried = [
        (number, motion) for number in value.moving_axes if (motion := motion_of(value.axes[number])) is not None
    ]
    if carried and all(motion.field is not None and sees_nothing(motion.field) for _, motion in carried):
        raise CannotProve(f"the signal along output axis {carried[0][0]} does not depend on the input")
    for number, motion in carried:
        _checked(value, number, motion)
    if 2 * value.shift > length and (carried or value.depends):
        reason = f"the smallest proved shift is {value.shift}, which is more than half of {length} cells"
        raise CannotProve(reason, f"Use {2 * value.shift} cells or more, or smaller strides")
    moves = tuple((number, value.step(motion)) for number, motion in carried)
    region = tuple((number, motion.lo, motion.hi) for number, motion in carried if value.cycle is None)
    field = field_of(carried[0][1], value.cycle) if len(carried) == 1 else None
    return Claim(Verdict.PROVED, value.shift, moves, region, field)


def _checked(value: Moving, number: int, motion: Motion) -> None:
    """Raise CannotProve if an output axis has no whole period (cyclic), or too few pairs of positions (interior)."""
    length, period, step = length_of(value.axes[number]), value.period(motion), abs(value.step(motion))
    if period is not None:
        if (motion.lo, motion.hi) != (0, length) or length % period:
            reason = f"output axis {number} has {length} positions of a signal that repeats after {period}"
            raise CannotProve(reason, "Use a larger input", motion.without_whole_periods)
        return
    clear, pairs = max(motion.hi - motion.lo, 0), max(step, 2)
    if clear - step < pairs:
        reason = f"only {clear} positions of output axis {number} are clear of the border"
        reason += f", and a shift by {value.shift}, which moves them by {step}, needs {step + pairs}"
        raise CannotProve(reason, "Use a larger input", motion.edge)


def field_of(motion: Motion, cycle: int | None) -> ReceptiveField | None:
    """Return the receptive field. For cyclic shifts, the equivalent interval closest to 0 is chosen."""
    field = nearest(motion.field, cycle)
    return None if field is None or sees_nothing(field) else ReceptiveField(motion.rate, *in_cells(field, motion.rate))


def at_the_end(reason: str, cure: str) -> Culprit:
    """Return the culprit that is no equation, for a claim about the output as a whole."""
    return Culprit(-1, "output", reason, cure, "the function's output", ())
