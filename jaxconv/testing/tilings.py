"""Proved claims about tiles as plain data, for snapshots: margins, which do not depend on the size of a tile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from jaxconv.verify.tiling.certificate import TilingAxis, TilingCertificate

TILING: Literal["tiling"] = "tiling"  # the key of a claim about tiles in an entry
MARGINS = ("discard", "first", "last")


def entry(certificate: TilingCertificate) -> dict[str, dict[str, Any]]:
    """The proved claims of a certificate, for each output and axis.

    >>> import jax, jaxconv as jc
    >>> x = jax.ShapeDtypeStruct((1, 64, 3), "float32")
    >>> entry(jc.certify_tiling(lambda x: jc.max_pool(x, (3,), stride=2, padding="same"), x, tile=16, axes=(1,)))
    ... # doctest: +NORMALIZE_WHITESPACE
    {'output along axis 1 of argument 0': {'length': 64, 'tile': 16, 'tiling':
        {'axis': 1, 'shift': 2, 'step': 1, 'start': 0, 'discard': [0, 1], 'first': [0, 1], 'last': [0, 0]}}}
    """
    return {
        f"output{leaf.path} along {axis.along}": {"length": axis.whole, "tile": axis.tile, TILING: _proved(axis)}
        for leaf in certificate.leaves
        for axis in leaf.axes
    }


def _proved(axis: TilingAxis) -> dict[str, Any] | None:
    if not axis.proved:
        return None
    intervals = zip(MARGINS, (axis.inner, axis.first, axis.last), strict=True)
    margins = {name: [lo, axis.output_tile - hi] for name, (lo, hi) in intervals}
    return {"axis": axis.output_axis, "shift": axis.shift, "step": axis.step, "start": axis.start, **margins}


def shown(certificate: TilingCertificate) -> dict[str, dict[str, str]]:
    """For each output and axis the text of its claim, or of the culprit."""
    axes = [axis for leaf in certificate.leaves for axis in leaf.axes]
    return {
        where: {TILING: described(own[TILING]) if axis.culprit is None else _blamed(axis)}
        for (where, own), axis in zip(entry(certificate).items(), axes, strict=True)
    }


def _blamed(axis: TilingAxis) -> str:
    source = axis.culprit.source.split(" (")[0] if axis.culprit else ""
    return f"UNDECIDED at {Path(source).name}" if source else "UNDECIDED"


def described(claim: Mapping[str, Any] | None) -> str:
    """A claim as text.

    >>> margins = {"discard": [46, 46], "first": [0, 46], "last": [46, 0]}
    >>> described({"axis": 1, "shift": 8, "step": 8, "start": 0, **margins})
    'multiples of 8, which move axis 1 by 8; discard 46 and 46 (0 and 46 of the first tile, 46 and 0 of the last)'
    """
    if claim is None:
        return "not proved"
    if claim["axis"] is None:
        return "the same for every tile"
    discard, first, last = (" and ".join(map(str, claim[name])) for name in MARGINS)
    start = f" from cell {claim['start']} on" if claim["start"] else ""
    moved = f"multiples of {claim['shift']}, which move axis {claim['axis']} by {claim['step']}{start}"
    return f"{moved}; discard {discard} ({first} of the first tile, {last} of the last)"


def includes(claim: Mapping[str, Any] | None, other: Mapping[str, Any], same_size: bool) -> bool:
    """Whether a claim includes another one: tiles may begin wherever the other lets them, and discard no more.

    Args:
        claim: a claim, or None if it is not proved.
        other: another claim.
        same_size: whether both are about tiles and wholes of the same sizes. If not, `start` is not compared.
    """
    if claim is None or claim["axis"] != other["axis"] or other["shift"] % claim["shift"]:
        return False
    moves_alike = claim["step"] * (other["shift"] // claim["shift"]) == other["step"]
    starts_alike = not same_size or claim["start"] == other["start"]
    margins = [(own, old) for name in MARGINS for own, old in zip(claim[name], other[name], strict=True)]
    return moves_alike and starts_alike and all(own <= old for own, old in margins)


def culprit_lines(axis: TilingAxis) -> list[str]:
    """The culprit of a claim that is no longer proved, and the cure."""
    if axis.culprit is None:
        return []
    where = f"{axis.culprit.primitive} at {axis.culprit.source}" if axis.culprit.source else axis.culprit.primitive
    cure = [f"cure:     {axis.culprit.cure}"] if axis.culprit.cure else []
    return [f"culprit:  {where or 'the output'}", f"          {axis.culprit.reason}", *cure]
