"""Claims about the interior: wherever the input is shifted and new content does not reach, the output is shifted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from jaxconv.verify.claim_kinds.kind import ClaimKind
from jaxconv.verify.claims import Claim, KindName
from jaxconv.verify.domain import Plain, Spectrum
from jaxconv.verify.shifted_axes import Along
from jaxconv.verify.smallest_size import explained


class Interior(ClaimKind):
    """Shifts at which new content enters at the border. They form no subgroup, so that each needs a counterexample."""

    name: ClassVar[KindName] = "interior"
    title = "interior"
    wraps = False

    def needed(self, length: int) -> tuple[int, ...]:
        """All shifts up to n/2, the largest that a claim may have."""
        return tuple(range(1, length // 2 + 1))

    def covered(self, length: int) -> int:
        """All shifts up to n/2."""
        return length // 2

    def explained(
        self,
        claim: Claim,
        states: Mapping[KindName, Plain | Spectrum],
        along: Along,
        claim_at: Callable[[int], Claim],
    ) -> Claim:
        """If the input is too small for a proof, the reason says so, and which size is enough."""
        return explained(claim, states["interior"], states["cyclic"], along, claim_at)
