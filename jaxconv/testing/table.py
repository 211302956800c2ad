"""The table at the end of a run: the proved claims of every recorded function, and the culprits of the others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxconv.testing import snapshot
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.claim_kinds import KINDS
from jaxconv.verify.claims import Claim


def shown(certificate: Certificate) -> dict[str, dict[str, str]]:
    """For each output and axis the text of its claims."""
    proved = snapshot.entry(certificate)
    axes = [axis for leaf in certificate.leaves for axis in leaf.axes]
    return {
        where: {kind: _text(claim, entry[kind]) for kind, claim in axis.claims.items()}
        for (where, entry), axis in zip(proved.items(), axes, strict=True)
    }


def _text(claim: Claim, proved: dict[str, Any] | None) -> str:
    if proved is not None:
        return snapshot.described(proved)
    source = claim.culprit.source.split(" (")[0] if claim.culprit else ""
    return f"{claim.verdict} at {Path(source).name}" if source else str(claim.verdict)


def _cells(name: str, row: Mapping[str, Any]) -> list[list[str]]:
    """The table rows of one function. The status is in the last column of the first row."""
    lines = []
    for number, (where, claims) in enumerate(row["shown"].items()):
        own = row["entry"][where]
        cells = f"tiles of {own['tile']} of {own['length']} cells" if "tile" in own else f"{own['length']} cells"
        first = [name, row["status"]] if number == 0 else ["", ""]
        claimed = [f"{kind} {text}" for kind, text in claims.items()]
        lines.append([first[0], f"{where} ({cells})", *claimed, *[""] * (len(KINDS) - len(claimed)), first[1]])
    return lines


def lines(rows: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, bool]]:
    """The lines of one test, one for each output and axis, and whether the line is of a claim that became weaker.

    Args:
        rows: name of a function -> the row that `Recorder` has recorded.
    """
    cells = [cell for name, row in rows.items() for cell in _cells(name, row)]
    widths = [max(len(cell[column]) for cell in cells) for column in range(4)]
    padded = ([text.ljust(width) for text, width in zip(cell, widths, strict=False)] for cell in cells)
    return [
        (f"  {'  '.join(texts)}  {cell[4]}".rstrip(), "weaker" in cell[4])
        for texts, cell in zip(padded, cells, strict=True)
    ]
