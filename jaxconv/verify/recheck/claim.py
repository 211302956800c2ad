"""What a claim says, held against the last state of its derivation: no more than that, and no less."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from jaxconv.verify.claims import Break, Claim, ReceptiveField, Verdict
from jaxconv.verify.domain import Broken, Motion, Moving
from jaxconv.verify.receptive_fields import Field
from jaxconv.verify.recheck.culprits import misblamed
from jaxconv.verify.recheck.relation import motions_of


def unfounded(claim: Claim, state: Any, shape: tuple[int, ...], length: int, around: Any, *, cyclic: bool) -> str:
    """What is wrong with a claim about an output of some shape, if anything. Its witness is executed elsewhere.

    `around`: the output's state in the cyclic walk.
    """
    against, obstacle = _obstacle(state, shape, length)
    if claim.verdict == Verdict.PROVED:
        if (claim.broken, claim.witness, claim.standing) != (None, None, None):
            return "it is proved, and says what broke or which shifts are refuted"
        return _not_shown(claim, state) or against or _other_field(claim, state, shape)
    if (claim.shift, claim.moves, claim.region, claim.receptive_field) != (None, (), (), None):
        return f"it is {claim.verdict}, and says how the output moves"
    if not against:
        return f"it is {claim.verdict}, and the output's state shows a law"
    too_small = not cyclic and _too_small(state, around, length)
    return _beyond_its_witness(claim, needed(length, cyclic=cyclic)) or misblamed(
        claim.broken, obstacle, too_small=too_small
    )


def needed(length: int, *, cyclic: bool) -> list[int]:
    """The shifts that are to be refuted: n/p for each prime p that divides the length n, or each one up to n/2."""
    if not cyclic:
        return list(range(1, length // 2 + 1))
    return [length // p for p in range(2, length + 1) if length % p == 0 and all(p % q for q in range(2, p))][::-1]


def _beyond_its_witness(claim: Claim, shifts: list[int]) -> str:
    """Where a verdict, or the shift that stands, is not what the witness says."""
    refuted = claim.witness.shifts if claim.witness else ()
    left = [shift for shift in shifts if shift not in refuted]
    if claim.verdict == Verdict.REFUTED:
        if claim.witness is None:
            return "it is REFUTED, and there is no witness"
        if left or claim.standing is not None:
            return f"it is REFUTED, and shifts by {left[0] if left else claim.standing} are not"
        return ""
    if claim.witness is not None and not left:
        return "it is UNDECIDED, and its witness refutes every shift"
    if claim.standing != (left[0] if left else None) and (claim.standing is not None or claim.witness is not None):
        return f"the smallest shift that is not refuted is {left[0] if left else None}, and not {claim.standing}"
    return ""


def _not_shown(claim: Claim, state: Any) -> str:
    """What a proved claim says that the output's state does not, or the reverse."""
    if not isinstance(state, Moving):
        return f"the output's state is {type(state).__name__}"
    if claim.shift != state.shift:
        return f"it is of shifts by {claim.shift}, and the output's state of shifts by {state.shift}"
    carried = motions_of(state)
    moves = tuple((axis, int(state.shift / motion.rate)) for axis, motion in carried)
    if claim.moves != moves:
        return f"it moves by {claim.moves}, and the output's state by {moves}"
    region = () if state.cycle is not None else tuple((axis, motion.lo, motion.hi) for axis, motion in carried)
    return "" if claim.region == region else f"its region is {claim.region}, and the output's state's {region}"


def _obstacle(state: Any, shape: tuple[int, ...], length: int) -> tuple[str, Break | None]:
    """Why a state shows no law that is worth reporting, and which equation's fault that is; "" if it shows one."""
    if isinstance(state, Broken):
        return "it is broken", state.broken
    if not isinstance(state, Moving):
        return "it does not move", None
    return next(_obstacles(state, shape, length), ("", None))


def _obstacles(state: Moving, shape: tuple[int, ...], length: int) -> Iterator[tuple[str, Break | None]]:
    if length == 1:
        yield "it shifts an axis of one cell", None
    carried = motions_of(state)
    for axis, _ in carried:
        if len(state.axes[axis]) > 1:
            yield f"only a part of output axis {axis} moves", None
    for axis, motion in carried:
        if motion.field is not None and all(first > last for first, last in motion.field):
            yield f"what moves along axis {axis} does not depend on the input", None
        if beyond := _beyond(state, axis, motion, shape[axis]):
            yield beyond, motion.edge if state.cycle is None else motion.lost or motion.edge
    if 2 * state.shift > length and (carried or state.depends):
        yield f"shifts by {state.shift} are more than half of {length} cells", None


def _too_small(state: Any, around: Any, length: int) -> bool:
    """Whether the receptive field of an output leaves no room for a law in an image of that many cells.

    A walk whose state is broken may have met the border only; then the cyclic walk knows the receptive field.
    """
    for one in (state, around):
        carried = motions_of(one) if isinstance(one, Moving) else []
        if len(carried) == 1:
            ((_, motion),) = carried
            seen, phases = motion.field, math.lcm(len(motion.field or ()), motion.rate.denominator)
            size = 0 if seen is None else max((len(_cells(seen, motion.rate, j)) for j in range(phases)), default=0)
            if not size:
                return False
            step = max(abs(one.shift / motion.rate), 2)
            enough = max(size + one.shift + math.ceil(abs(motion.rate) * step), 2 * one.shift)
            return math.ceil(enough / one.shift) * one.shift > length
    return False


def _beyond(state: Moving, axis: int, motion: Motion, length: int) -> str:
    """Where a claim is about positions of an axis that do not show the signal."""
    if state.cycle is None:
        step = abs(int(state.shift / motion.rate))
        pairs = motion.hi - motion.lo - step
        return "" if pairs >= max(step, 2) else f"{pairs} pairs of its region along axis {axis} are a shift apart"
    if (motion.lo, motion.hi) != (0, length):
        return f"output axis {axis} shows the signal on [{motion.lo}, {motion.hi}) of {length} positions only"
    period = state.cycle / abs(motion.rate)
    return f"axis {axis} has {length} positions, of a signal that repeats after {period}" if length % period else ""


def _other_field(claim: Claim, state: Moving, shape: tuple[int, ...]) -> str:
    """Where a claim's receptive field is not what the output's state says; around a circle, up to whole turns."""
    field, carried = claim.receptive_field, motions_of(state)
    axis, motion = carried[0] if len(carried) == 1 else (0, None)
    seen = None if motion is None else motion.field
    if motion is None or seen is None or all(first > last for first, last in seen):
        return "" if field is None else f"its receptive field is {field}, and the output's state has none"
    found = f"the output's state's is from {_shown(seen)}, at rate {motion.rate}"
    if field is None:
        return f"it has no receptive field, and {found}"
    if field.rate != motion.rate or not _same_cells(field, seen, motion.rate, shape[axis], state.cycle):
        return f"its receptive field is {field}, and {found}"
    return ""


def _same_cells(field: ReceptiveField, seen: Field, rate: Fraction, length: int, cycle: int | None) -> bool:
    """Whether each output sees the same cells by a claim as by a state; around a circle, up to turns of all of them."""
    blocks = len(field.phases)
    if field.period < 1 or blocks < 1 or field.period % blocks or (field.rate * field.period).denominator != 1:
        return False
    repeats = math.lcm(field.period, len(seen), rate.denominator)
    pairs = [(field.cells(j), _cells(seen, rate, j)) for j in range(min(length, repeats))]
    turns = {claimed.start - state.start for claimed, state in pairs if state}
    whole = all(turn == 0 if cycle is None else turn % cycle == 0 for turn in turns)
    return whole and len(turns) <= 1 and all(len(claimed) == len(state) for claimed, state in pairs)


def _cells(seen: Field, rate: Fraction, position: int) -> range:
    """The input cells that a position sees by a state."""
    first, last = seen[position % len(seen)]
    at = rate * position
    return range(math.ceil(at + first), math.floor(at + last) + 1) if first <= last else range(0)


def _shown(seen: Field) -> str:
    return ", ".join(f"{first} to {last}" if first <= last else "nothing" for first, last in seen)
