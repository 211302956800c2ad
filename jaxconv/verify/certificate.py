"""`Certificate`: the claims about a function, their verdicts, and the culprits of those that are not proved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from jaxconv.errors import public
from jaxconv.verify import json_codec, report
from jaxconv.verify.claim_kinds import KINDS
from jaxconv.verify.claims import AxisReport, Claim, Culprit, KindName, LeafReport, ReceptiveField, Verdict, Witness
from jaxconv.verify.derivation import Derivation

__all__ = ["AxisReport", "Certificate", "Claim", "Culprit", "LeafReport", "ReceptiveField", "Verdict", "Witness"]

FORMAT = 4  # version of the JSON format; every change of the written data raises it


@dataclass(frozen=True)
class Certificate:
    """The claims about a function: one of each kind for each output leaf and each shifted axis.

    `print` shows a report. Each derivation has one row per equation that a walk followed, which holds how the results
    of the equation move. Certificates with equal contents are equal and have the same hash. They can be pickled, and
    written to and read from JSON.
    """

    function: str
    leaves: tuple[LeafReport, ...]
    derivations: tuple[Derivation, ...]  # per shifted axis: the rows of the walk of each kind of claims
    values: bool = False  # True: proved for the given parameter values only; False: for all values

    @property
    def cyclic(self) -> Verdict:
        """The weakest cyclic verdict over all leaves and axes."""
        return self.verdict("cyclic")

    @property
    def interior(self) -> Verdict:
        """The weakest interior verdict over all leaves and axes."""
        return self.verdict("interior")

    def verdict(self, kind: KindName) -> Verdict:
        """The weakest verdict of one kind of claims over all leaves and axes."""
        return _weakest(axis.claims[kind].verdict for leaf in self.leaves for axis in leaf.axes)

    def __hash__(self) -> int:
        derivations = tuple(frozenset(rows.items()) for rows in self.derivations)
        return hash((self.function, self.leaves, derivations, self.values))

    @property
    def equations(self) -> int:
        """Number of equations that one walk followed."""
        return max((len(rows) for walks in self.derivations for rows in walks.values()), default=0)

    def __str__(self) -> str:
        verdicts: dict[KindName, Verdict] = {kind: self.verdict(kind) for kind in KINDS}
        return report.text(self.function, verdicts, self.leaves, self.equations, self.values)

    def _repr_html_(self) -> str:
        return report.as_html(str(self))

    @public
    def to_json(self) -> str:
        """Return the certificate as JSON, including the derivation. `from_json` reads it.

        Fractions are strings such as "3/2", and infinities are "inf" and "-inf". An array has a dtype, a shape, and the
        flat indices and values of its non-zero cells. `format` is the version of the format.

        Raises:
            ValueError: a field holds a value that its annotation does not allow.
        """
        return json_codec.to_text(self, Certificate, FORMAT)

    @classmethod
    @public
    def from_json(cls, text: str) -> Self:
        """Return the certificate that `to_json` wrote: an equal one.

        A container of arrays other than a dict, list or tuple is read as `jaxconv.verify.array_json.Leaves`.

        Args:
            text: the JSON.

        Raises:
            TypeError: `text` is not a string.
            ValueError: `text` is not JSON, has another format version, or does not encode a certificate. The message
                names the wrong field.
        """
        return json_codec.from_text(text, cls, FORMAT)


def _weakest(verdicts: Iterable[Verdict]) -> Verdict:
    order = [Verdict.REFUTED, Verdict.UNDECIDED, Verdict.PROVED]
    return min(verdicts, key=order.index, default=Verdict.UNDECIDED)
