"""The certificate: what was claimed of a function, what was proved of it, and what broke."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from jaxconv.errors import explain
from jaxconv.verify import json_codec, report, strict_json
from jaxconv.verify.claims import AxisReport, Break, Claim, LeafReport, ReceptiveField, Verdict, Witness
from jaxconv.verify.derivation import Derivation

__all__ = ["AxisReport", "Break", "Certificate", "Claim", "LeafReport", "ReceptiveField", "Verdict", "Witness"]

FORMAT = 2  # of the JSON; to be raised by every change of what is written


@dataclass(frozen=True)
class Certificate:
    """What is known of a function: for each output leaf and each shifted axis a cyclic and an interior claim.

    Printed, it is a report. Each derivation has a row for each equation that was followed, with how its results move.
    Certificates of equal contents are equal and hash alike; they can be pickled, and written and read as JSON.
    """

    function: str
    leaves: tuple[LeafReport, ...]
    derivations: tuple[Derivation, ...]  # for each shifted axis the rows of the cyclic and of the interior walk
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
        """The certificate as JSON, the derivation included; `from_json` reads it.

        Fractions are strings, "3/2"; infinities are "inf" and "-inf". An array has a dtype, a shape, and the flat
        indices and numbers of its cells that are not zero. `format` is the version of all this.

        Raises:
            ValueError: a field does not hold what a certificate holds there.
        """
        try:
            return strict_json.dumps({"format": FORMAT} | json_codec.encode(self, Certificate, "certificate"))
        except json_codec.MalformedError as error:
            raise ValueError(error.explained("to_json", "Leave it as certify returned it")) from None

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote: an equal certificate.

        A container of arrays that is no dict, list or tuple is read as its arrays (`jaxconv.verify.array_json.Leaves`).

        Args:
            text: the JSON.

        Raises:
            TypeError: `text` is no string.
            ValueError: it is no JSON, of another format, or not what `to_json` writes: the message names the place.
        """
        data = strict_json.loads("from_json", text)
        if not isinstance(data, dict):
            expected = "a certificate, an object"
            raise ValueError(explain("from_json", "the JSON", json_codec.shown(data), expected, strict_json.WRITE))
        version = data.pop("format", None)
        if type(version) is not int or version != FORMAT:
            cure = "Certify the function again"
            raise ValueError(explain("from_json", "the format", json_codec.shown(version), str(FORMAT), cure))
        try:
            return json_codec.decode(data, cls, "certificate")
        except json_codec.MalformedError as error:
            raise ValueError(error.explained("from_json", strict_json.WRITE)) from None


def _weakest(verdicts: Iterable[Verdict]) -> Verdict:
    order = [Verdict.REFUTED, Verdict.UNDECIDED, Verdict.PROVED]
    return min(verdicts, key=order.index, default=Verdict.UNDECIDED)
