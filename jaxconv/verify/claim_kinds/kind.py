"""`ClaimKind`: the questions that the walk, the search and the report ask of a kind of claims."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

from jaxconv.verify.claims import Claim, KindName
from jaxconv.verify.domain import Plain, Spectrum
from jaxconv.verify.shifted_axes import Along


class ClaimKind(ABC):
    """A kind of claims about the shifts of an input along an axis of `length` cells.

    Attributes:
        name: the key of its claims, in Python and in JSON.
        title: how a report names it.
        wraps: whether the cells that leave at one end enter at the other. If not, new content enters.
    """

    name: ClassVar[KindName]
    title: ClassVar[str]
    wraps: ClassVar[bool]

    def cycle(self, length: int) -> int | None:
        """The number of cells after which the shifted scene repeats; None if it does not."""
        return length if self.wraps else None

    @abstractmethod
    def needed(self, length: int) -> tuple[int, ...]:
        """The shifts that a refutation needs: if each has a counterexample, no shift is equivariant."""

    @abstractmethod
    def covered(self, length: int) -> int:
        """The largest shift that such a refutation covers; it covers all smaller ones."""

    def tried(self, length: int, claims: Mapping[KindName, Claim]) -> tuple[int, ...]:
        """The shifts for which a search looks for counterexamples, given the claims of all kinds."""
        del claims
        return self.needed(length)

    def explained(
        self,
        claim: Claim,
        states: Mapping[KindName, Plain | Spectrum],
        along: Along,
        claim_at: Callable[[int], Claim],
    ) -> Claim:
        """A claim from the walk, with a better reason if there is one.

        Args:
            claim: the claim.
            states: the output's state in the walk of each kind.
            along: the shifted axis.
            claim_at: the claim for an input of another length.
        """
        del states, along, claim_at
        return claim
