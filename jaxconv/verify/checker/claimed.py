"""What a claim says, held against the last state of its derivation: no more than that, and no less."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from jaxconv.verify.checker.blame import misplaced_at_the_end
from jaxconv.verify.checker.relation import carries_of
from jaxconv.verify.claims import Claim, ReceptiveField, Verdict
from jaxconv.verify.fields import Field
from jaxconv.verify.values import Carry, Moving


def unfounded(claim: Claim, state: Any, shape: tuple[int, ...], length: int, *, cyclic: bool) -> str:
    """What is wrong with a claim about an output of some shape, if anything. Its witness is executed elsewhere."""
    if claim.verdict == Verdict.PROVED:
        if (claim.broken, claim.witness, claim.standing) != (None, None, None):
            return "it is proved, and says what broke or which shifts are refuted"
        return _not_shown(claim, state, shape) or _not_worth_reporting(state, length)
    if (claim.shift, claim.moves, claim.region, claim.receptive_field) != (None, (), (), None):
        return f"it is {claim.verdict}, and says how the output moves"
    return _beyond_its_witness(claim, needed(length, cyclic=cyclic)) or misplaced_at_the_end(
        claim.broken, state, cyclic=cyclic
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


def _not_shown(claim: Claim, state: Any, shape: tuple[int, ...]) -> str:
    """What a proved claim says that the output's state does not, or the reverse."""
    if not isinstance(state, Moving):
        return f"the output's state is {type(state).__name__}"
    if claim.shift != state.shift:
        return f"it is of shifts by {claim.shift}, and the output's state of shifts by {state.shift}"
    carried = carries_of(state)
    moves = tuple((axis, int(state.shift / carry.rate)) for axis, carry in carried)
    if claim.moves != moves:
        return f"it moves by {claim.moves}, and the output's state by {moves}"
    region = () if state.cycle is not None else tuple((axis, carry.lo, carry.hi) for axis, carry in carried)
    if claim.region != region:
        return f"its region is {claim.region}, and the output's state's {region}"
    beyond = next(filter(None, (_beyond(state, axis, carry, shape[axis]) for axis, carry in carried)), "")
    return beyond or _other_field(claim, state, shape)


def _not_worth_reporting(state: Moving, length: int) -> str:
    """Where a law is of shifts by more than half of the input."""
    speaks = length == 1 or state.depends or bool(state.carriers)
    return (
        f"shifts by {state.shift} are more than half of {length} cells" if speaks and 2 * state.shift > length else ""
    )


def _beyond(state: Moving, axis: int, carry: Carry, length: int) -> str:
    """Where a claim is about positions of an axis that do not show the signal."""
    if len(state.axes[axis]) > 1:
        return f"only a part of output axis {axis} moves"
    if state.cycle is None:
        step = abs(int(state.shift / carry.rate))
        pairs = carry.hi - carry.lo - step
        return "" if pairs >= max(step, 2) else f"{pairs} pairs of its region along axis {axis} are a shift apart"
    if (carry.lo, carry.hi) != (0, length):
        return f"output axis {axis} shows the signal on [{carry.lo}, {carry.hi}) of {length} positions only"
    period = state.cycle / abs(carry.rate)
    return f"axis {axis} has {length} positions, of a signal that repeats after {period}" if length % period else ""


def _other_field(claim: Claim, state: Moving, shape: tuple[int, ...]) -> str:
    """Where a claim's receptive field is not what the output's state says; around a circle, up to whole turns."""
    field, carried = claim.receptive_field, carries_of(state)
    axis, carry = carried[0] if len(carried) == 1 else (0, None)
    seen = None if carry is None else carry.field
    if carry is None or seen is None or all(first > last for first, last in seen):
        return "" if field is None else f"its receptive field is {field}, and the output's state has none"
    found = f"the output's state's is from {_shown(seen)}, at rate {carry.rate}"
    if field is None:
        return f"it has no receptive field, and {found}"
    if field.rate != carry.rate or not _same_cells(field, seen, carry.rate, shape[axis], state.cycle):
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
