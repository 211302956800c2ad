"""The law that a walk's result says of an output, if it is worth reporting: small shifts, and positions that show them.

A law is reported if its shift is at most half of the input's length, if its region holds `max(|t|, 2)` pairs of
positions or more, and if its outputs depend on the input. An output that does not depend on the input is invariant.
"""

from __future__ import annotations

from jaxconv.verify.claims import Break, Claim, ReceptiveField, Verdict
from jaxconv.verify.domain import Broken, Carry, Lost, Moving, Plain, Spectrum, carry_of, length_of
from jaxconv.verify.receptive_fields import in_cells, nearest, sees_nothing


def claimed(value: Plain | Spectrum, length: int) -> Claim:
    """What a walk's result says of an output, for an input of `length` cells: proved, or what is against it."""
    if isinstance(value, Broken):
        return Claim(Verdict.UNDECIDED, broken=value.broken)
    try:
        return _proved(value, length)
    except Lost as lost:
        return Claim(Verdict.UNDECIDED, broken=lost.origin or at_the_end(lost.reason, lost.cure))


def _proved(value: Moving | Spectrum, length: int) -> Claim:
    """The law of a value that moves, or stays; Lost if it is not worth reporting."""
    if isinstance(value, Spectrum):
        reason = f"a spectrum: along axis {value.axis} it turns, and does not move"
        raise Lost(reason, "Transform it back, or take absolute values")
    if length == 1:
        raise Lost("along an axis of one cell there is nothing to shift", "Use a larger input")
    carried = [(number, carry) for number in value.carriers if (carry := carry_of(value.axes[number])) is not None]
    for number, carry in carried:
        _checked(value, number, carry)
    if 2 * value.shift > length and (carried or value.depends):
        reason = (
            f"it is proved for shifts by {value.shift}, which are more than half of {length} cells, and not by less"
        )
        raise Lost(reason, f"Use {2 * value.shift} cells or more, or smaller strides")
    moves = tuple((number, value.step(carry)) for number, carry in carried)
    region = tuple((number, carry.lo, carry.hi) for number, carry in carried if value.cycle is None)
    field = field_of(carried[0][1], value.cycle) if len(carried) == 1 else None
    return Claim(Verdict.PROVED, value.shift, moves, region, field)


def _checked(value: Moving, number: int, carry: Carry) -> None:
    """Lost if an output axis does not show what a law needs: whole periods, or pairs of positions a step apart."""
    length, period, step = length_of(value.axes[number]), value.period(carry), abs(value.step(carry))
    if carry.field is not None and sees_nothing(carry.field):
        raise Lost(f"what moves along output axis {number} does not depend on the input")
    if period is not None:
        if (carry.lo, carry.hi) != (0, length) or length % period:
            reason = f"output axis {number} shows {length} positions of a signal that repeats after {period}"
            raise Lost(reason, "Use a larger input", carry.lost or carry.edge)
        return
    clear, pairs = max(carry.hi - carry.lo, 0), max(step, 2)
    if clear - step < pairs:
        reason = f"only {clear} positions of output axis {number} are clear of the border"
        reason += f", and a shift by {value.shift}, which moves them by {step}, needs {step + pairs}"
        raise Lost(reason, "Use a larger input", carry.edge)


def field_of(carry: Carry, cycle: int | None) -> ReceptiveField | None:
    """The receptive field; where the input repeats, the one of all equivalent intervals that lies nearest to 0."""
    field = nearest(carry.field, cycle)
    return None if field is None or sees_nothing(field) else ReceptiveField(carry.rate, *in_cells(field, carry.rate))


def at_the_end(reason: str, cure: str) -> Break:
    """What is against a claim, where no equation is to blame."""
    return Break(-1, "output", reason, cure, "the function's output", ())
