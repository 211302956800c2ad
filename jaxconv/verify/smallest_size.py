"""The smallest input length for an interior law: enough outputs have receptive fields clear of the border."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from jaxconv.verify.claims import Claim, ReceptiveField, Verdict
from jaxconv.verify.domain import Motion, Moving, Plain, Spectrum, motion_of
from jaxconv.verify.shifted_axes import Along
from jaxconv.verify.worth_reporting import at_the_end, field_of


def explained(
    claim: Claim, within: Plain | Spectrum, around: Plain | Spectrum, along: Along, claim_at: Callable[[int], Claim]
) -> Claim:
    """Return an interior claim. If the input is too small for a proof, the reason of its culprit says so.

    Args:
        claim: the claim.
        within: result of the interior walk.
        around: result of the cyclic walk. It has a receptive field even if the border leaves the interior walk none.
        along: the shifted axis.
        claim_at: the claim for an input of another length. An exception counts as no proof.
    """
    single = next((pair for pair in map(_single_motion, (within, around)) if pair is not None), None)
    if claim.verdict == Verdict.PROVED or single is None:
        return claim
    value, motion = single
    field = field_of(motion, value.cycle)
    if field is None:
        return claim
    step = abs(value.step(motion))
    enough = field.size + value.shift + math.ceil(abs(motion.rate) * _pairs(step))  # they are `rate` cells apart
    enough = -(-max(enough, 2 * value.shift) // value.shift) * value.shift
    if enough <= along.length:
        return claim
    try:
        first = max(_estimated(field, step), 2 * value.shift, along.length + 1)
        smallest = _smallest(along.length, enough, value.shift, first, claim_at)
    except Exception:  # the function may require inputs of one size
        cure = f"{enough} cells along {along} would be enough"
    else:
        if smallest is None:
            return claim
        cure = f"Use at least {smallest} cells along {along}, the smallest size that works"
        if value.shift > 1:  # only multiples of the shift are tried, and of larger sizes some others may not work
            cure = f"Use {smallest} cells along {along}, the smallest multiple of {value.shift} that works"
    reason = f"its receptive field, {field.size} cells, leaves too few outputs of {along.length} cells clear of the "
    return replace(claim, culprit=at_the_end(f"{reason}border", cure))


def _single_motion(value: Plain | Spectrum) -> tuple[Moving, Motion] | None:
    """Return a value that moves along exactly one axis, and the motion of that axis; None for other values."""
    if not isinstance(value, Moving) or len(value.moving_axes) != 1 or len(value.axes[value.moving_axes[0]]) != 1:
        return None
    motion = motion_of(value.axes[value.moving_axes[0]])
    return None if motion is None else (value, motion)


def _pairs(step: int) -> int:
    """Return the number of pairs of positions that a law needs if it moves the output by `step`."""
    return max(step, 2)


def _estimated(field: ReceptiveField, step: int) -> int:
    """Return the number of cells that leave enough outputs clear if the receptive field alone decides which are clear.

    Of n cells, these are the outputs j with 0 <= rate*j + first and rate*j + last <= n - 1.
    """
    rate = abs(field.rate)
    before = max(math.ceil(-field.first / rate), 0)  # outputs whose receptive field begins before cell 0
    return math.ceil(rate * (before + step + _pairs(step)) + max(field.last + 1 - rate, 0))


def _smallest(length: int, enough: int, shift: int, first: int, claim_at: Callable[[int], Claim]) -> int | None:
    """Return the smallest multiple of the shift in (length, enough] with a proof; None if `enough` has none.

    The size `first` is tried first. The region of a proof tells how many positions may be left out, and so which
    size to try next. So a good first size needs one trace, and a binary search would need one for each bit.
    """
    low, high, most = length // shift, None, enough // shift  # low has no proof, and high has one
    trial = min(-(-first // shift), most)
    while True:
        claim = claim_at(trial * shift)
        if claim.verdict == Verdict.PROVED:
            high, guess = trial, trial - _spare(claim)
            if guess == high or high - low <= 1:
                return high * shift
            trial = max(guess, low + 1)
        elif trial == most:
            return None
        elif high is None:
            low, trial = trial, most
        elif high - trial <= 1:
            return high * shift
        else:
            low, trial = trial, (trial + high) // 2


def _spare(claim: Claim) -> int:
    """Return by how many shifts the input may be shortened, if each takes one step from the region of the claim."""
    spare: list[int] = []
    for (_, t), (_, lo, hi) in zip(claim.moves, claim.region, strict=True):
        spare.append((hi - lo - abs(t) - _pairs(abs(t))) // abs(t))
    return min(spare, default=0)
