"""The certificate: what was claimed of a function, what was proved of it, and what broke."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jaxconv.verify import report
from jaxconv.verify.claims import AxisReport, Break, Claim, LeafReport, ReceptiveField, Verdict, Witness

__all__ = ["AxisReport", "Break", "Certificate", "Claim", "LeafReport", "ReceptiveField", "Verdict", "Witness"]


@dataclass(frozen=True)
class Certificate:
    """What is known of a function: for each output leaf and each shifted axis a cyclic and an interior claim.

    Printed, it is a report. Each derivation has a row for each equation that was followed, with how its results move.
    """

    function: str
    leaves: tuple[LeafReport, ...]
    derivations: tuple[Any, ...]  # for each shifted axis the rows of the cyclic and of the interior walk
    values: bool = False  # whether it holds for the parameters' numbers as they were, or for all

    @property
    def cyclic(self) -> Verdict:
        """The weakest cyclic verdict over leaves and axes."""
        return _weakest(axis.cyclic.verdict for leaf in self.leaves for axis in leaf.axes)

    @property
    def interior(self) -> Verdict:
        """The weakest interior verdict over leaves and axes."""
        return _weakest(axis.interior.verdict for leaf in self.leaves for axis in leaf.axes)

    @property
    def equations(self) -> int:
        """How many equations one walk followed."""
        return max((len(cyclic) for cyclic, _ in self.derivations), default=0)

    def __str__(self) -> str:
        return report.text(self.function, (self.cyclic, self.interior), self.leaves, self.equations, self.values)

    def _repr_html_(self) -> str:
        return report.as_html(str(self))

    def to_json(self) -> str:
        """The certificate as JSON, the derivation included: fractions as "3/2", arrays as nested lists."""
        return report.as_json(self)


def _weakest(verdicts: Iterable[Verdict]) -> Verdict:
    order = [Verdict.REFUTED, Verdict.UNDECIDED, Verdict.PROVED]
    return min(verdicts, key=order.index, default=Verdict.UNDECIDED)
