"""Checks the culprits of a derivation: each names an existing equation, and the line that it was traced from.

Not checked: the text of `reason` and `cure`, folders of files, and frames inside a function that JAX traced before
(`jax.jit` caches its first trace, including the frames of its caller).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence

from jax.extend.core import JaxprEqn

from jaxconv.jaxprs.source import UNKNOWN, frames, full_line, module_path, source_frame
from jaxconv.jaxprs.traverse import equations, within
from jaxconv.jaxprs.typing import AnyJaxpr, Stack
from jaxconv.verify.claims import Claim, Coarsening, Culprit, Verdict
from jaxconv.verify.derivation import Row
from jaxconv.verify.domain import Broken, Moving, Pieces, Spectrum, Value

# Row, primitive, source, frames and module if no equation is the culprit.
AT_THE_END = (-1, "output", "the function's output", (), "")


def culprits_of(state: Value) -> list[Culprit]:
    """Return every culprit in a state."""
    if isinstance(state, Broken):
        return [state.culprit]
    if isinstance(state, Pieces):
        return [*culprits_of(state.value), *culprits_of(state.folded)]
    moving = state.value if isinstance(state, Spectrum) else state
    motions = [factor.motion for axis in moving.axes for factor in axis if factor.motion is not None]
    return [
        culprit
        for motion in motions
        for culprit in (motion.edge, motion.lost, motion.longer, motion.merged)
        if culprit is not None
    ]


def wrong_culprit(
    state: Value, row: Row, before: Sequence[Culprit], inner: Sequence[Row], candidates: Sequence[Stack]
) -> str:
    """Return an objection to the culprits in the state of a row, or the empty string.

    Args:
        state: the state.
        row: the row.
        before: the culprits of the operands.
        inner: the rows of loop bodies and branches inside the equation.
        candidates: the equations that the row or an inner row may belong to, each with its enclosing equations,
            innermost first.
    """
    rows = {candidate.number: candidate for candidate in (*inner, row)}
    for culprit in culprits_of(state):
        if culprit in before:
            continue
        named = rows.get(culprit.equation)
        if named is None or named.primitive != culprit.primitive:
            there = f"{culprit.primitive} in row {culprit.equation}"
            return f"the state names {there} as the culprit, but it is neither this equation nor an operand's culprit"
        if not any(_is_there(culprit, stack) for stack in candidates if _name(stack) == culprit.primitive):
            return (
                f"the state names {culprit.primitive} at {culprit.source} as the culprit, but it was not traced there"
            )
    return _unexplained(state)


def wrong_claimed_culprit(culprit: Culprit | None, obstacle: Culprit | None, *, too_small: bool) -> str:
    """Return an objection to the culprit of a claim that is not proved, or the empty string.

    Args:
        culprit: the culprit that the claim names.
        obstacle: the equation that keeps the output's state from a law; None if no equation does.
        too_small: whether the input is too small for the receptive field. An interior claim may name that instead.
    """
    if culprit is None:
        return "the claim names no culprit"
    named = (culprit.equation, culprit.primitive, culprit.source, culprit.frames, culprit.module)
    at_the_end = named == AT_THE_END
    if culprit == obstacle or (at_the_end and (obstacle is None or too_small)):
        return ""
    expected = f"{obstacle.primitive} in row {obstacle.equation}" if obstacle else "the output itself"
    return (
        f"the claim names {culprit.primitive} in row {culprit.equation} as the culprit, "
        f"but the output's state names {expected}, or another reason, cure or source"
    )


def wrong_factors(claim: Claim, expected: Sequence[Coarsening], rows: Sequence[Row]) -> str:
    """Return an objection to the equations that made a claim's shift coarser, or the empty string.

    Args:
        claim: the claim.
        expected: what the rows imply for a proved claim.
        rows: the rows of the derivation.
    """
    expected = expected if claim.verdict == Verdict.PROVED else ()
    if math.prod(one.factor for one in claim.coarsened) != (claim.shift or 1):
        return f"the factors of its shift do not have the product {claim.shift}"
    facts: Callable[[Coarsening], tuple[int, str, int]] = lambda one: (one.equation, one.primitive, one.factor)
    if list(map(facts, claim.coarsened)) != list(map(facts, expected)):
        return f"its shift has other factors than the derivation implies: {', '.join(map(str, expected)) or 'none'}"
    for named, traced in zip(claim.coarsened, expected, strict=True):
        within_call = rows[named.equation].depth > 0  # which JAX may have traced before, from another line
        is_line = within_call and re.fullmatch(r".+:\d+ \(.+\)", named.source)
        if _plain([named.source]) != _plain([traced.source]) and not is_line:
            return f"its factor {named.factor} is at {traced.source}, but the claim names {named.source}"
    return ""


def is_traced(culprit: Culprit, jaxpr: AnyJaxpr) -> bool:
    """Whether a culprit is an equation of a jaxpr, traced from the named line; or the function as a whole."""
    if not culprit.primitive:
        return True
    stacks = ((equation, *reversed(around)) for equation, around in equations(jaxpr))
    return any(_name(stack) == culprit.primitive and _is_there(culprit, stack) for stack in stacks)


def nested(equation: JaxprEqn, stack: Stack) -> Iterator[Stack]:
    """Yield an equation and every equation inside it, each with its enclosing equations, innermost first."""
    yield (equation, *stack)
    for jaxpr in within(equation):
        for inner, around in equations(jaxpr):
            yield (inner, *reversed(around), equation, *stack)


def _name(stack: Stack) -> str:
    return stack[0].primitive.name


def _is_there(culprit: Culprit, stack: Stack) -> bool:
    """Whether a culprit names the line that an equation was traced from, and the module around it."""
    if culprit.module != module_path(stack[0], tuple(reversed(stack[1:]))):
        return False
    lines = [full_line(frame) for equation in stack for frame in frames(equation)]
    if _plain(culprit.frames) == _plain(lines):
        return _plain([culprit.source]) == _plain([full_line(source_frame(stack[0], tuple(reversed(stack[1:]))))])
    fresh = [full_line(frame) for frame in frames(stack[-1])]  # the outermost equation is traced again each time
    ends = _plain(culprit.frames)[len(culprit.frames) - len(fresh) :] == _plain(fresh)
    return len(stack) > 1 and ends and culprit.source in (*culprit.frames, UNKNOWN)


def _plain(lines: Sequence[str]) -> list[str]:
    """Return lines without the folders of their files."""
    return [re.sub(r"^.*[/\\\\]", "", line) for line in lines]


def _unexplained(state: Value) -> str:
    """Return an objection if a motion names a culprit although its region needs none, or the reverse."""
    moving = state.value if isinstance(state, Pieces) else state
    if not isinstance(moving, Moving):
        return ""
    for number, axis in enumerate(moving.axes):
        for factor in axis:
            if (motion := factor.motion) is None:
                continue
            whole = (motion.lo, motion.hi) == (0, factor.length)
            period = None if moving.cycle is None else moving.cycle / abs(motion.rate) / motion.turns
            kept = period is None or motion.hi - motion.lo >= period
            fits = period is None or factor.length % period == 0
            unfit = motion.longer is None if not fits and period and factor.length > period else motion.longer and fits
            if whole != (motion.edge is None) or kept != (motion.lost is None) or unfit:
                return f"the culprits of axis {number} do not fit the region [{motion.lo}, {motion.hi})"
    return ""
