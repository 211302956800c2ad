"""Checks the culprits of a derivation: each break names an existing equation, and the line that it was traced from.

Not checked: the text of `reason` and `cure`, folders of files, and frames inside a function that JAX traced before
(`jax.jit` caches its first trace, including the frames of its caller).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from jax.extend.core import JaxprEqn

from jaxconv.jaxprs.source import UNKNOWN, frames, full_line, source_frame
from jaxconv.jaxprs.traverse import equations, within
from jaxconv.jaxprs.typing import Stack
from jaxconv.verify.claims import Break
from jaxconv.verify.derivation import Row
from jaxconv.verify.domain import Broken, Moving, Pieces, Spectrum, Value

AT_THE_END = (-1, "output", "the function's output", ())  # row, primitive, source, frames if no equation is the culprit


def breaks_of(state: Value) -> list[Break]:
    """Return every break in a state."""
    if isinstance(state, Broken):
        return [state.broken]
    if isinstance(state, Pieces):
        return [*breaks_of(state.value), *breaks_of(state.folded)]
    moving = state.value if isinstance(state, Spectrum) else state
    motions = [factor.motion for axis in moving.axes for factor in axis if factor.motion is not None]
    return [broken for motion in motions for broken in (motion.edge, motion.lost) if broken is not None]


def wrong_culprit(
    state: Value, row: Row, before: Sequence[Break], inner: Sequence[Row], candidates: Sequence[Stack]
) -> str:
    """Return an objection to the breaks in the state of a row, or the empty string.

    Args:
        state: the state.
        row: the row.
        before: the breaks of the operands.
        inner: the rows of loop bodies and branches inside the equation.
        candidates: the equations that the row or an inner row may belong to, each with its enclosing equations,
            innermost first.
    """
    rows = {candidate.number: candidate for candidate in (*inner, row)}
    for broken in breaks_of(state):
        if broken in before:
            continue
        blamed = rows.get(broken.equation)
        if blamed is None or blamed.primitive != broken.primitive:
            culprit = f"{broken.primitive} in row {broken.equation}"
            return f"the state names {culprit} as the culprit, but it is neither this equation nor an operand's culprit"
        if not any(_is_there(broken, stack) for stack in candidates if _name(stack) == broken.primitive):
            return f"the state names {broken.primitive} at {broken.source} as the culprit, but it was not traced there"
    return _unexplained(state)


def wrong_claimed_culprit(broken: Break | None, obstacle: Break | None, *, too_small: bool) -> str:
    """Return an objection to the culprit of a claim that is not proved, or the empty string.

    Args:
        broken: the culprit that the claim names.
        obstacle: the break because of which the output's state proves no law; None if no equation is the reason.
        too_small: whether the input is too small for the receptive field. An interior claim may name that instead.
    """
    if broken is None:
        return "the claim names no culprit"
    at_the_end = (broken.equation, broken.primitive, broken.source, broken.frames) == AT_THE_END
    if broken == obstacle or (at_the_end and (obstacle is None or too_small)):
        return ""
    expected = f"{obstacle.primitive} in row {obstacle.equation}" if obstacle else "the output itself"
    return (
        f"the claim names {broken.primitive} in row {broken.equation} as the culprit, "
        f"but the output's state names {expected}, or another reason, cure or source"
    )


def nested(equation: JaxprEqn, stack: Stack) -> Iterator[Stack]:
    """Yield an equation and every equation inside it, each with its enclosing equations, innermost first."""
    yield (equation, *stack)
    for jaxpr in within(equation):
        for inner, around in equations(jaxpr):
            yield (inner, *reversed(around), equation, *stack)


def _name(stack: Stack) -> str:
    return stack[0].primitive.name


def _is_there(broken: Break, stack: Stack) -> bool:
    """Whether a break names the line that an equation was traced from."""
    lines = [full_line(frame) for equation in stack for frame in frames(equation)]
    if _plain(broken.frames) == _plain(lines):
        return _plain([broken.source]) == _plain([full_line(source_frame(stack[0], tuple(reversed(stack[1:]))))])
    fresh = [full_line(frame) for frame in frames(stack[-1])]  # the outermost equation is traced again each time
    ends = _plain(broken.frames)[len(broken.frames) - len(fresh) :] == _plain(fresh)
    return len(stack) > 1 and ends and broken.source in (*broken.frames, UNKNOWN)


def _plain(lines: Sequence[str]) -> list[str]:
    """Return lines without the folders of their files."""
    return [re.sub(r"^.*[/\\\\]", "", line) for line in lines]


def _unexplained(state: Value) -> str:
    """Return an objection if `edge` or `lost` of a motion is set although its region needs none, or the reverse."""
    moving = state.value if isinstance(state, Pieces) else state
    if not isinstance(moving, Moving):
        return ""
    for number, axis in enumerate(moving.axes):
        for factor in axis:
            if (motion := factor.motion) is None:
                continue
            whole = (motion.lo, motion.hi) == (0, factor.length)
            kept = moving.cycle is None or motion.hi - motion.lo >= moving.cycle / abs(motion.rate) / motion.turns
            if whole != (motion.edge is None) or kept != (motion.lost is None):
                return f"the culprits of axis {number} do not fit the region [{motion.lo}, {motion.hi})"
    return ""
