"""The smallest image that has an interior law: enough outputs have receptive fields that lie clear of the border."""

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
    """An interior claim; if it is not proved because the image is too small, with that for a reason.

    Args:
        claim: the claim.
        within: the result of the interior walk.
        around: the result of the cyclic walk, which no border cuts, and so knows the receptive field all the same.
        length: of the image.
        proved_at: whether the claim is proved of an image of another length; what it raises is a no.
    """
    seen = next((one for one in map(_seen, (within, around)) if one is not None), None)
    if claim.verdict == Verdict.PROVED or seen is None:
        return claim
    value, motion = seen
    field = field_of(motion, value.cycle)
    if field is None:
        return claim
    step = abs(value.step(motion))
    enough = field.size + value.shift + math.ceil(abs(motion.rate) * max(step, 2))  # each pair is a rate apart
    enough = -(-max(enough, 2 * value.shift) // value.shift) * value.shift
    if enough <= length:
        return claim
    try:
        smallest = _smallest(length, enough, value.shift, proved_at)
    except Exception:  # the function may take images of its own size only
        cure = f"{enough} cells would be enough"
    else:
        if smallest is None:
            return claim
        cure = f"Use {smallest} cells, the smallest size that works"
    reason = f"its receptive field, {field.size} cells, leaves too few outputs of {length} cells clear of the border"
    return replace(claim, broken=at_the_end(reason, cure))


def _seen(value: Plain | Spectrum) -> tuple[Moving, Motion] | None:
    """A value that moves along one axis, and what that axis carries."""
    if not isinstance(value, Moving) or len(value.moving_axes) != 1 or len(value.axes[value.moving_axes[0]]) != 1:
        return None
    motion = motion_of(value.axes[value.moving_axes[0]])
    return None if motion is None else (value, motion)


def _smallest(length: int, enough: int, shift: int, proved_at: Callable[[int], bool]) -> int | None:
    """The smallest multiple of the shift at which the claim is proved, from `length` to `enough`; None if not there."""
    low, high = length // shift, enough // shift
    if not proved_at(enough):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if proved_at(middle * shift) else (middle, high)
    return high * shift
