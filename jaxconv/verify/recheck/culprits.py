"""Whom a derivation blames: each break is at an equation that is there, at the line from which it was traced.

Not checked: the words of `reason` and `cure`, folders of files, and the frames within a function that JAX traced before
(`jax.jit` remembers its first trace, and with it the lines from which that was called).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from jaxconv.jaxprs.source import UNKNOWN, frames, full_line, source_frame
from jaxconv.jaxprs.traverse import equations, within
from jaxconv.verify.claims import Break
from jaxconv.verify.domain import Broken, Moving, Pieces, Spectrum

AT_THE_END = (-1, "output", "the function's output", ())  # row, primitive, source, frames where no equation is to blame


def breaks_of(state: Any) -> list[Break]:
    """Every break that a state names."""
    if isinstance(state, Broken):
        return [state.broken]
    if isinstance(state, Pieces):
        return [*breaks_of(state.value), *breaks_of(state.folded)]
    moving = state.value if isinstance(state, Spectrum) else state
    if not isinstance(moving, Moving):
        return []
    carries = [factor.motion for axis in moving.axes for factor in axis if factor.motion is not None]
    return [one for motion in carries for one in (motion.edge, motion.lost) if one is not None]


def misplaced(state: Any, row: Any, before: Sequence[Break], inner: Sequence[Any], candidates: Sequence[Any]) -> str:
    """What is wrong with the breaks that a row's state names, if anything.

    `before`: those of the operands; `inner`: rows of loops' bodies and branches, and `candidates`: the stacks of
    equations that the row, or one of those, may be of, each the innermost first.
    """
    rows = {one.number: one for one in (*inner, row)}
    for broken in breaks_of(state):
        if broken in before:
            continue
        blamed = rows.get(broken.equation)
        if blamed is None or blamed.primitive != broken.primitive:
            return f"it blames {broken.primitive} in row {broken.equation}, and neither did its operands nor is that it"
        if not any(_is_there(broken, stack) for stack in candidates if _name(stack) == broken.primitive):
            return f"it blames {broken.primitive} at {broken.source}, and that is not where it was traced"
    return _unexplained(state)


def misblamed(broken: Break | None, obstacle: Break | None, *, too_small: bool) -> str:
    """What is wrong with the break that a claim names for not being proved, if anything.

    `obstacle`: what keeps the output's state from showing a law; None if that is no equation. `too_small`: whether the
    image is, for what the function sees, so that an interior claim may blame that instead.
    """
    if broken is None:
        return "it blames nothing"
    at_the_end = (broken.equation, broken.primitive, broken.source, broken.frames) == AT_THE_END
    if broken == obstacle or (at_the_end and (obstacle is None or too_small)):
        return ""
    right = f"{obstacle.primitive} in row {obstacle.equation}" if obstacle else "the output itself"
    return f"it blames {broken.primitive} in row {broken.equation}, and the output's state {right}, or in other words"


def nested(equation: Any, stack: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """An equation and all that stand in its jaxprs, each with the equations around it, innermost first."""
    yield (equation, *stack)
    for jaxpr in within(equation):
        for one, around in equations(jaxpr):
            yield (one, *reversed(around), equation, *stack)


def _name(stack: Sequence[Any]) -> str:
    return stack[0].primitive.name


def _is_there(broken: Break, stack: Sequence[Any]) -> bool:
    """Whether a break names the line from which an equation was traced."""
    found = [full_line(frame) for one in stack for frame in frames(one)]
    if _plain(broken.frames) == _plain(found):
        return _plain([broken.source]) == _plain([full_line(source_frame(stack[0], tuple(reversed(stack[1:]))))])
    fresh = [full_line(frame) for frame in frames(stack[-1])]  # the outermost one is traced anew each time
    ends = _plain(broken.frames)[len(broken.frames) - len(fresh) :] == _plain(fresh)
    return len(stack) > 1 and ends and broken.source in (*broken.frames, UNKNOWN)


def _plain(lines: Sequence[str]) -> list[str]:
    """Lines without the folders of their files."""
    return [re.sub(r"^.*[/\\\\]", "", one) for one in lines]


def _unexplained(state: Any) -> str:
    """Where a carry says who put other content at its ends, or lost a period, and nobody did; or the reverse."""
    moving = state.value if isinstance(state, Pieces) else state
    if not isinstance(moving, Moving):
        return ""
    for number, axis in enumerate(moving.axes):
        for factor in axis:
            if (motion := factor.motion) is None:
                continue
            whole = (motion.lo, motion.hi) == (0, factor.length)
            kept = moving.cycle is None or motion.hi - motion.lo >= moving.cycle / abs(motion.rate)
            if whole != (motion.edge is None) or kept != (motion.lost is None):
                return f"what it blames for axis {number} does not fit its region [{motion.lo}, {motion.hi})"
    return ""
