"""Notes in a moving value: the equations that put other content into it, or that broke its whole periods.

A note is kept until a later equation undoes the loss. If a proof fails because of the loss, its culprit is the equation
of the note, and not the equation at which the proof ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from jaxconv.verify.claims import Culprit
from jaxconv.verify.domain import Factor, Motion, Moving, Pieces, Value, main_state, motions_in

Name: TypeAlias = Callable[[str, str], Culprit]  # the current equation as a culprit, with a reason and a cure
Before: TypeAlias = Sequence[tuple[Moving, Motion]]  # the motions of the operands, each with its operand


def noted(value: Value, operands: Sequence[Value], name: Name) -> Value:
    """Return a result with its notes: those of the operands that still hold, and new ones of the current equation."""
    if isinstance(value, Pieces):
        plain = noted(value.value, operands, name)
        return value if plain is value.value else replace(value, value=plain)
    if not isinstance(value, Moving) or not value.moving_axes:
        return value
    if all(_is_whole(value, factor) for number in value.moving_axes for factor in value.axes[number]):
        return value
    moving = [state for state in map(main_state, operands) if isinstance(state, Moving)]
    before = [(state, motion) for state in moving for motion in motions_in(state)]
    for number in value.moving_axes:
        axis = tuple(_noted(value, factor, before, name) for factor in value.axes[number])
        if any(new is not old for new, old in zip(axis, value.axes[number], strict=True)):
            value = value.with_axis(number, axis)
    return value


def first_border(operands: Sequence[Value]) -> Culprit | None:
    """Return the equation that put other content into an operand, after which no cyclic claim could be proved."""
    moving = [state for state in map(main_state, operands) if isinstance(state, Moving)]
    return next((motion.edge for state in moving for motion in motions_in(state) if motion.edge), None)


def _is_whole(value: Moving, factor: Factor) -> bool:
    """Whether a factor has no notes and gets none: it shows the signal everywhere, in whole periods if it is cyclic."""
    motion = factor.motion
    if motion is None:
        return True
    if motion.edge or motion.lost or motion.longer or motion.merged or (motion.lo, motion.hi) != (0, factor.length):
        return False
    periods = value.periods_in(motion, factor.length)
    return periods is None or (periods[0] >= 1 and periods[1] == 0)


def _noted(value: Moving, factor: Factor, before: Before, name: Name) -> Factor:
    motion = factor.motion
    if motion is None:
        return factor
    longer = _longer(value, factor, motion, before, name)
    edge = _edge(value, factor, motion, before, name)
    lost = _lost(value, motion, edge, before, name)
    merged = _merged(motion, before)
    pairs = ((edge, motion.edge), (lost, motion.lost), (longer, motion.longer), (merged, motion.merged))
    if all(new is old for new, old in pairs):
        return factor
    return replace(factor, motion=replace(motion, edge=edge, lost=lost, longer=longer, merged=merged))


def _earlier(before: Before) -> Culprit | None:
    """Return the equation that made an operand longer than its whole periods, if there is one."""
    return next((motion.longer for _, motion in before if motion.longer), None)


def _longer(value: Moving, factor: Factor, motion: Motion, before: Before, name: Name) -> Culprit | None:
    """Return the equation that made more positions than whole periods, unless there are whole periods again."""
    periods = value.periods_in(motion, factor.length)
    if periods is None or periods[1] == 0:
        return None
    if periods[0] == 0:
        return _earlier(before)
    reason = f"makes {factor.length} positions of a signal that repeats after {value.period(motion)}, "
    reason += "and the windows behind it do not leave whole periods"
    return _earlier(before) or name(reason, "Wrap by one cell less than the window has, in total")


def _edge(value: Moving, factor: Factor, motion: Motion, before: Before, name: Name) -> Culprit | None:
    """Return the equation that put other content at the ends; in the interior, the one that left too little between."""
    if (motion.lo, motion.hi) == (0, factor.length):
        return None
    some = value.cycle is None and motion.lo < motion.hi  # none if it was cut from the border
    decisive = some and narrow(value, motion) and not any(narrow(*pair) for pair in before)
    if motion.edge and not decisive:
        return motion.edge
    reason = f"only positions {motion.lo} to {motion.hi - 1} of {factor.length} show the shifted signal"
    return _earlier(before) or name(reason, "Pad circularly, or keep to the interior")


def narrow(value: Moving, motion: Motion) -> bool:
    """Whether fewer positions show the signal than a law needs: `max(|t|, 2)` pairs that are a step t apart."""
    rate = motion.rate
    step = abs(value.shift * rate.denominator // rate.numerator)  # in integers, since fractions are slow
    return motion.hi - motion.lo - step < max(step, 2)


def _lost(value: Moving, motion: Motion, edge: Culprit | None, before: Before, name: Name) -> Culprit | None:
    """Return the equation after which less than a full period is left."""
    if value.cycle is None or value.complete(motion):
        return None
    reason = f"only {motion.hi - motion.lo} positions of a period of {value.period(motion)} remain"
    return motion.lost or edge or _earlier(before) or name(reason, "Pad circularly before it")


def _merged(motion: Motion, before: Before) -> Culprit | None:
    """Return the equation that merged the axis, unless its cells were grouped in another way since."""
    if motion.merged is None:
        return None
    merged = [m for _, m in before if m.merged is motion.merged]
    same = any((m.rate, m.field) == (motion.rate, motion.field) for m in merged)
    return motion.merged if same or not merged else None
