"""Checks that a claim states exactly what the last state of its derivation implies, no more and no less."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from jaxconv.verify.claims import Claim, Culprit, ReceptiveField, Verdict
from jaxconv.verify.domain import Broken, Motion, Moving, Value
from jaxconv.verify.receptive_fields import Field
from jaxconv.verify.recheck.culprits import wrong_claimed_culprit
from jaxconv.verify.recheck.values import motions_of


def claim_objection(
    claim: Claim, state: Value, shape: tuple[int, ...], length: int, around: Value, *, cyclic: bool
) -> str:
    """Return an objection to a claim about an output, or the empty string. `witness_objection` executes the witness.

    Args:
        claim: the claim.
        state: the output's state in the walk of the claim.
        shape: the output's shape.
        length: length of the shifted axis of the input.
        around: the output's state in the cyclic walk.
        cyclic: whether the claim is cyclic.
    """
    if claim.ended_after is not None and (claim.verdict != Verdict.UNDECIDED or claim.standing is None):
        return f"the claim is {claim.verdict}, but states that a time limit ended its search"
    no_law, obstacle = _obstacle(state, shape, length)
    if claim.verdict == Verdict.PROVED:
        if (claim.culprit, claim.witness, claim.standing) != (None, None, None):
            return "the claim is PROVED, but has a culprit, a witness or an unrefuted shift"
        problem = _not_shown(claim, state) or no_law
        return problem if problem or not isinstance(state, Moving) else _other_field(claim, state, shape)
    if (claim.shift, claim.moves, claim.region, claim.receptive_field) != (None, (), (), None):
        return f"the claim is {claim.verdict}, but states how the output moves"
    if not no_law:
        return f"the claim is {claim.verdict}, but the output's state proves a law"
    too_small = not cyclic and _too_small(state, around, length)
    return _beyond_its_witness(claim, needed(length, cyclic=cyclic)) or wrong_claimed_culprit(
        claim.culprit, obstacle, too_small=too_small
    )


def needed(length: int, *, cyclic: bool) -> list[int]:
    """Return the shifts that a refutation needs: n/p for each prime p that divides the length n, or all up to n/2."""
    if not cyclic:
        return list(range(1, length // 2 + 1))
    return [length // p for p in range(2, length + 1) if length % p == 0 and all(p % q for q in range(2, p))][::-1]


def _beyond_its_witness(claim: Claim, shifts: list[int]) -> str:
    """Return an objection if the verdict or the smallest unrefuted shift contradicts the witness."""
    refuted = claim.witness.shifts if claim.witness else ()
    left = [shift for shift in shifts if shift not in refuted]
    if claim.verdict == Verdict.REFUTED:
        if claim.witness is None:
            return "the claim is REFUTED, but has no witness"
        if left or claim.standing is not None:
            return f"the claim is REFUTED, but shifts by {left[0] if left else claim.standing} are not refuted"
        return ""
    if claim.witness is not None and not left:
        return "the claim is UNDECIDED, but its witness refutes every shift"
    if claim.standing != (left[0] if left else None) and (claim.standing is not None or claim.witness is not None):
        return f"the smallest unrefuted shift is {left[0] if left else None}, but the claim names {claim.standing}"
    return ""


def _not_shown(claim: Claim, state: Value) -> str:
    """Return an objection if a proved claim and the output's state differ in shift, moves or region."""
    if not isinstance(state, Moving):
        return f"the claim is PROVED, but the output's state is {type(state).__name__}"
    if claim.shift != state.shift:
        return f"the claim is for shifts by {claim.shift}, but the output's state for shifts by {state.shift}"
    motions = motions_of(state)
    moves = tuple((axis, int(state.shift / motion.rate)) for axis, motion in motions)
    if claim.moves != moves:
        return f"the claimed moves are {claim.moves}, but the output's state moves by {moves}"
    region = () if state.cycle is not None else tuple((axis, motion.lo, motion.hi) for axis, motion in motions)
    return "" if claim.region == region else f"the claimed region is {claim.region}, but the state has {region}"


def _obstacle(state: Value, shape: tuple[int, ...], length: int) -> tuple[str, Culprit | None]:
    """Return why a state proves no law worth reporting, and the culprit if any; ("", None) if it proves a law."""
    if isinstance(state, Broken):
        return "the output is broken", state.culprit
    if not isinstance(state, Moving):
        return "the output does not move", None
    return next(_obstacles(state, shape, length), ("", None))


def _obstacles(state: Moving, shape: tuple[int, ...], length: int) -> Iterator[tuple[str, Culprit | None]]:
    if length == 1:
        yield "the shifted axis has one cell", None
    motions = motions_of(state)
    for axis, motion in motions:
        if len(state.axes[axis]) > 1:
            yield f"only a part of output axis {axis} moves", motion.merged
    if motions and all(motion.field is not None and _is_empty(motion.field) for _, motion in motions):
        yield f"the signal along axis {motions[0][0]} does not depend on the input", None
    for axis, motion in motions:
        if problem := _beyond(state, axis, motion, shape[axis]):
            yield problem, motion.edge if state.cycle is None else motion.lost or motion.longer or motion.edge
    if 2 * state.shift > length and (motions or state.depends):
        yield f"shifts by {state.shift} are more than half of the {length} cells", None


def _is_empty(field: Field) -> bool:
    """Whether a receptive field has no cell."""
    return all(first > last for first, last in field)


def _too_small(state: Value, around: Value, length: int) -> bool:
    """Whether an input of `length` cells is too small for a law, given the output's receptive field.

    If the interior state is broken, perhaps only because of the border, the cyclic state has the receptive field.
    """
    for value in (state, around):
        if isinstance(value, Moving) and len(motions_of(value)) == 1:
            ((_, motion),) = motions_of(value)
            field, phases = motion.field, math.lcm(len(motion.field or ()), motion.rate.denominator)
            size = 0 if field is None else max((len(_cells(field, motion.rate, j)) for j in range(phases)), default=0)
            if not size:
                return False
            step = max(abs(value.shift / motion.rate), 2)
            enough = max(size + value.shift + math.ceil(abs(motion.rate) * step), 2 * value.shift)
            return math.ceil(enough / value.shift) * value.shift > length
    return False


def _beyond(state: Moving, axis: int, motion: Motion, length: int) -> str:
    """Return an objection if too few positions of an axis contain the signal."""
    if state.cycle is None:
        step = abs(int(state.shift / motion.rate))
        pairs = motion.hi - motion.lo - step
        return "" if pairs >= max(step, 2) else f"only {pairs} pairs of the region along axis {axis} are a shift apart"
    if (motion.lo, motion.hi) != (0, length):
        return f"output axis {axis} contains the signal only on [{motion.lo}, {motion.hi}) of {length} positions"
    period = state.cycle / abs(motion.rate) / motion.turns
    return f"axis {axis} has {length} positions, but its signal repeats after {period}" if length % period else ""


def _other_field(claim: Claim, state: Moving, shape: tuple[int, ...]) -> str:
    """Return an objection if the receptive fields of a claim and of the output's state differ.

    In a cyclic walk they may differ by a multiple of the cycle.
    """
    field, motions = claim.receptive_field, motions_of(state)
    axis, motion = motions[0] if len(motions) == 1 else (0, None)
    state_field = None if motion is None else motion.field
    if motion is None or state_field is None or all(first > last for first, last in state_field):
        return "" if field is None else f"the claimed receptive field is {field}, but the output's state has none"
    expected = f"the output's state has {_as_text(state_field)} at rate {motion.rate}"
    if field is None:
        return f"the claim has no receptive field, but {expected}"
    if field.rate != motion.rate or not _same_cells(field, state_field, motion.rate, shape[axis], state.cycle):
        return f"the claimed receptive field is {field}, but {expected}"
    return ""


def _same_cells(field: ReceptiveField, state_field: Field, rate: Fraction, length: int, cycle: int | None) -> bool:
    """Whether a claim and a state give each output the same cells, up to one common multiple of the cycle."""
    blocks = len(field.phases)
    if field.period < 1 or blocks < 1 or field.period % blocks or (field.rate * field.period).denominator != 1:
        return False
    repeats = math.lcm(field.period, len(state_field), rate.denominator)
    pairs = [(field.cells(j), _cells(state_field, rate, j)) for j in range(min(length, repeats))]
    offsets = {claimed.start - state.start for claimed, state in pairs if state}
    whole = all(offset == 0 if cycle is None else offset % cycle == 0 for offset in offsets)
    return whole and len(offsets) <= 1 and all(len(claimed) == len(state) for claimed, state in pairs)


def _cells(field: Field, rate: Fraction, position: int) -> range:
    """Return the input cells in the receptive field of a position, according to a state."""
    first, last = field[position % len(field)]
    at = rate * position
    return range(math.ceil(at + first), math.floor(at + last) + 1) if first <= last else range(0)


def _as_text(field: Field) -> str:
    return ", ".join(f"{first} to {last}" if first <= last else "no cell" for first, last in field)
