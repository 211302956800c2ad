"""Proved claims as plain data, and the changes between a snapshot and a run.

`snapshot_file.py` describes the file format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jaxconv.testing import tilings
from jaxconv.testing.tilings import TILING
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.claim_kinds import KINDS
from jaxconv.verify.claims import Claim, KindName, Verdict

Entry = dict[str, dict[str, Any]]  # one function: output and axis -> length and claims, about shifts or tiles
Tests = dict[str, dict[str, Entry]]


@dataclass(frozen=True)
class Change:
    """A claim that differs from the snapshot."""

    where: str  # the output and the axis
    kind: KindName | Literal["tiling"]
    before: dict[str, Any] | None
    now: dict[str, Any] | None
    lost: bool

    def __str__(self) -> str:
        text, kind = (tilings.described, TILING) if self.kind == TILING else (described, f"{self.kind} shifts")
        return f"{self.where}, {kind}: {text(self.before)} before, {text(self.now)} now"


def entry(certificate: Certificate) -> Entry:
    """The proved claims of a certificate.

    >>> import jax, jaxconv as jc
    >>> certificate = jc.certify(lambda x: jc.max_pool(x, (2,)), jax.ShapeDtypeStruct((1, 8, 3), "float32"), axes=(1,))
    >>> entry(certificate)["output along axis 1 of argument 0"]["cyclic"]
    {'shift': 2, 'moves': [[1, 1]]}
    """
    claims_of = {}
    for leaf in certificate.leaves:
        for axis in leaf.axes:
            along = " and ".join(f"axis {number} of argument {argument}" for argument, number in axis.shifted)
            claims = {kind: _proved(claim) for kind, claim in axis.claims.items()}
            claims_of[f"output{leaf.path} along {along}"] = {"length": axis.length, **claims}
    return claims_of


def _proved(claim: Claim) -> dict[str, Any] | None:
    if claim.verdict != Verdict.PROVED:
        return None
    data = {"shift": claim.shift, "moves": [list(move) for move in claim.moves]}
    return data | ({"region": [list(part) for part in claim.region]} if claim.region else {})


def described(claim: Mapping[str, Any] | None) -> str:
    """A claim as text.

    >>> described({"shift": 2, "moves": [[1, 1]], "region": [[1, 1, 5]]}), described({"shift": 1, "moves": []})
    ('2 -> 1 on [1, 5)', 'invariant by 1')
    """
    if claim is None:
        return "not proved"
    if not claim["moves"]:
        return f"invariant by {claim['shift']}"
    regions = {axis: f" on [{lo}, {hi})" for axis, lo, hi in claim.get("region", ())}
    steps = " and ".join(f"{t}{regions.get(axis, '')}" for axis, t in claim["moves"])
    return f"{claim['shift']} -> {steps}"


def changes(before: Entry, now: Entry, kinds: Sequence[KindName] = tuple(KINDS)) -> list[Change]:
    """The claims that differ. A claim is lost unless the new claim has the same moves for all shifts of the old claim,
    on at least the same region. (Regions are not compared if the image has another size.) A claim about tiles is lost
    unless the new claim includes it: see `tilings.includes`.

    Args:
        before: the entry in the snapshot.
        now: the entry of a certificate.
        kinds: the kinds of claims to compare.
    """
    differing = []
    for where, old in before.items():
        new = now.get(where)
        same_size = new is not None and [new["length"], new.get("tile")] == [old["length"], old.get("tile")]
        own: Sequence[KindName | Literal["tiling"]] = (TILING,) if TILING in old else kinds
        for kind in own:
            includes = tilings.includes if kind == TILING else _has
            old_claim, claim = old[kind], new.get(kind) if new else None
            lost = old_claim is not None and not includes(claim, old_claim, same_size)
            if lost or (claim is not None and not includes(old_claim, claim, same_size)):
                differing.append(Change(where, kind, old_claim, claim, lost))
    return differing


def _has(claim: Mapping[str, Any] | None, other: Mapping[str, Any], same_size: bool) -> bool:
    """Whether a claim includes another claim."""
    if claim is None or other["shift"] % claim["shift"]:
        return False
    times = other["shift"] // claim["shift"]
    if {axis: t * times for axis, t in claim["moves"]} != dict(other["moves"]):
        return False
    regions = {axis: (lo, hi) for axis, lo, hi in claim.get("region", ())}
    parts = other.get("region", ()) if same_size else ()
    return all(axis in regions and regions[axis][0] <= lo and hi <= regions[axis][1] for axis, lo, hi in parts)
