"""The smallest input length for an interior law: enough outputs have receptive fields clear of the border."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from jaxconv.verify.claims import Claim, Verdict
from jaxconv.verify.domain import Motion, Moving, Plain, Spectrum, motion_of
from jaxconv.verify.worth_reporting import at_the_end, field_of


def explained(
    claim: Claim, within: Plain | Spectrum, around: Plain | Spectrum, length: int, proved_at: Callable[[int], bool]
) -> Claim:
    """Return an interior claim. If the input is too small for a proof, the reason of its culprit says so.

    Args:
        claim: the claim.
        within: result of the interior walk.
        around: result of the cyclic walk. It has a receptive field even if the border leaves the interior walk none.
        length: length of the input.
        proved_at: whether the claim is proved for an input of another length. An exception counts as no.
    """
    single = next((pair for pair in map(_single_motion, (within, around)) if pair is not None), None)
    if claim.verdict == Verdict.PROVED or single is None:
        return claim
    value, motion = single
    field = field_of(motion, value.cycle)
    if field is None:
        return claim
    step = abs(value.step(motion))
    enough = field.size + value.shift + math.ceil(abs(motion.rate) * max(step, 2))  # the pairs are `rate` cells apart
    enough = -(-max(enough, 2 * value.shift) // value.shift) * value.shift
    if enough <= length:
        return claim
    try:
        smallest = _smallest(length, enough, value.shift, proved_at)
    except Exception:  # the function may require inputs of one size
        cure = f"{enough} cells would be enough"
    else:
        if smallest is None:
            return claim
        cure = f"Use {smallest} cells, the smallest size that works"
    reason = f"its receptive field, {field.size} cells, leaves too few outputs of {length} cells clear of the border"
    return replace(claim, culprit=at_the_end(reason, cure))


def _single_motion(value: Plain | Spectrum) -> tuple[Moving, Motion] | None:
    """Return a value that moves along exactly one axis, and the motion of that axis; None for other values."""
    if not isinstance(value, Moving) or len(value.moving_axes) != 1 or len(value.axes[value.moving_axes[0]]) != 1:
        return None
    motion = motion_of(value.axes[value.moving_axes[0]])
    return None if motion is None else (value, motion)


def _smallest(length: int, enough: int, shift: int, proved_at: Callable[[int], bool]) -> int | None:
    """Return the smallest multiple of the shift in (length, enough] with a proof; None if `enough` has none."""
    low, high = length // shift, enough // shift
    if not proved_at(enough):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if proved_at(middle * shift) else (middle, high)
    return high * shift
