"""What certificates prove, as a file to commit, one line for each claim; and what was lost or won since it was written.

    {"format": 1, "tests": {test: {function: {output and axis: {"length": n, "cyclic": claim, "interior": claim}}}}}

A claim is null where nothing is proved, else `{"shift": 2, "moves": [[1, 1]], "region": [[1, 1, 5]]}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxconv.errors import explain
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.claims import Claim, Verdict

FORMAT = 1
LEVELS = ("file", "tests", "test", "function", "output")  # those that are written a line for each key
KINDS = ("cyclic", "interior")
Entry = dict[str, dict[str, Any]]  # of one function: output and axis -> length and claims
Tests = dict[str, dict[str, Entry]]


@dataclass(frozen=True)
class Change:
    """A claim that is not what it was."""

    where: str  # which output and axis
    kind: str
    before: dict[str, Any] | None
    now: dict[str, Any] | None
    lost: bool

    def __str__(self) -> str:
        return f"{self.where}, {self.kind} shifts: {described(self.before)} before, {described(self.now)} now"


def entry(certificate: Certificate) -> Entry:
    """What a certificate proves.

    >>> import jax, jaxconv as jc
    >>> certificate = jc.certify(lambda x: jc.max_pool(x, (2,)), jax.ShapeDtypeStruct((1, 8, 3), "float32"), axes=(1,))
    >>> entry(certificate)["output along axis 1 of argument 0"]["cyclic"]
    {'shift': 2, 'moves': [[1, 1]]}
    """
    found = {}
    for leaf in certificate.leaves:
        for axis in leaf.axes:
            along = " and ".join(f"axis {number} of argument {argument}" for argument, number in axis.shifted)
            claims = {"cyclic": _proved(axis.cyclic), "interior": _proved(axis.interior)}
            found[f"output{leaf.path} along {along}"] = {"length": axis.length, **claims}
    return found


def _proved(claim: Claim) -> dict[str, Any] | None:
    if claim.verdict != Verdict.PROVED:
        return None
    found = {"shift": claim.shift, "moves": [list(move) for move in claim.moves]}
    return found | ({"region": [list(part) for part in claim.region]} if claim.region else {})


def described(claim: Mapping[str, Any] | None) -> str:
    """A claim in words.

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


def changes(before: Entry, now: Entry, kinds: Sequence[str] = KINDS) -> list[Change]:
    """The claims that are not what they were. One is lost unless what is proved now has all of what was proved before:
    its shifts, answered by the same moves, on the same region at least. (Images of another size have other regions.)

    Args:
        before: of a snapshot.
        now: of a certificate.
        kinds: "cyclic", "interior" or both.
    """
    found = []
    for where, old in before.items():
        new = now.get(where)
        same_size = new is not None and new["length"] == old["length"]
        for kind in kinds:
            was, claim = old[kind], new[kind] if new else None
            lost = was is not None and not _has(claim, was, same_size)
            if lost or (claim is not None and not _has(was, claim, same_size)):
                found.append(Change(where, kind, was, claim, lost))
    return found


def _has(claim: Mapping[str, Any] | None, other: Mapping[str, Any], same_size: bool) -> bool:
    """Whether a claim includes another one."""
    if claim is None or other["shift"] % claim["shift"]:
        return False
    times = other["shift"] // claim["shift"]
    if {axis: t * times for axis, t in claim["moves"]} != dict(other["moves"]):
        return False
    regions = {axis: (lo, hi) for axis, lo, hi in claim.get("region", ())}
    parts = other.get("region", ()) if same_size else ()
    return all(axis in regions and regions[axis][0] <= lo and hi <= regions[axis][1] for axis, lo, hi in parts)


def read(path: Path) -> Tests:
    """The tests of a snapshot; none if there is no such file.

    Raises:
        ValueError: the file is none of ours.
    """
    if not path.exists():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        tests = data["tests"] if data["format"] == FORMAT else None
    except (ValueError, KeyError, TypeError):
        tests = None
    if not isinstance(tests, dict):
        expected, cure = f"JSON of format {FORMAT}", "Resolve conflicts in it, or delete it and write it anew"
        raise ValueError(explain("certificates", "the snapshot", path, expected, cure))
    return tests


def write(path: Path, tests: Tests) -> None:
    """The snapshot, sorted, a line for each claim."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_lines({"format": FORMAT, "tests": tests}, 0, LEVELS) + "\n", encoding="utf-8")


def _lines(value: Any, indent: int, levels: Sequence[str]) -> str:
    """JSON of which so many levels are written a line for each key; what is below them stays on its line."""
    if not levels or not isinstance(value, dict) or not value:
        return json.dumps(value)
    pad = "  " * (indent + 1)
    rows = [f"{pad}{json.dumps(key)}: {_lines(value[key], indent + 1, levels[1:])}" for key in sorted(value)]
    return "{\n" + ",\n".join(rows) + "\n" + "  " * indent + "}"
