"""Claims about cyclic shifts: `f(roll(x, k*s)) == roll(f(x), k*t)` for all integers k."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jaxconv.verify.claim_kinds.kind import ClaimKind
from jaxconv.verify.claims import Claim, KindName


class Cyclic(ClaimKind):
    """Shifts by which the cells that leave at one end enter at the other.

    The shifts under which a function is equivariant form a subgroup of Z/n. A proper subgroup lies in a maximal one,
    which n/p generates for a prime p that divides n. So counterexamples for all n/p leave no shift.
    """

    name: ClassVar[KindName] = "cyclic"
    title = "cyclic shifts"
    wraps = True

    def needed(self, length: int) -> tuple[int, ...]:
        """n/p for each prime p that divides the length n, largest first."""
        primes = (p for p in range(2, length + 1) if length % p == 0 and all(p % q for q in range(2, p)))
        return tuple(length // p for p in primes)

    def covered(self, length: int) -> int:
        """All shifts but whole turns."""
        return length - 1

    def tried(self, length: int, claims: Mapping[KindName, Claim]) -> tuple[int, ...]:
        """Also the shift proved in the interior, or else one cell, since a report shows the smallest refuted shift."""
        shown = (claims["interior"].shift or 1) % length or 1
        return tuple(sorted({*self.needed(length), shown}))
