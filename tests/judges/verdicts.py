"""What the certifier says of a judge, compared with the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import jax
from support.bare_proofs import bare

import jaxconv as jc
from jaxconv.verify import failures
from jaxconv.verify.certificate import Certificate, Claim, Verdict
from judges.judge import Judge, lenient
from judges.laws import Law
from judges.truth import Truth, read

KINDS = ("cyclic", "interior")
OTHER = {"cyclic": "interior", "interior": "cyclic"}


@dataclass(frozen=True)
class Result:
    """One claim about one output leaf of a judge.

    `falsehoods` are proved and false, `omissions` are true and not proved, and `failure` is an exception of a rule.
    """

    judge: Judge
    leaf: int
    kind: str
    claim: Claim
    expected: Law | None
    falsehoods: tuple[str, ...] = ()
    omissions: tuple[str, ...] = ()
    failure: str = ""

    @property
    def name(self) -> str:
        """A name of the claim that identifies it."""
        leaf = f"[{self.leaf}]" if self.leaf else ""
        return f"{self.judge.name}{leaf} {self.kind}"

    @property
    def proved(self) -> bool:
        """Whether a claim is proved."""
        return self.claim.verdict == Verdict.PROVED

    @property
    def line(self) -> tuple[str, int] | None:
        """The file and line that the certifier blames, within the function itself and not in what it calls."""
        frames = () if self.claim.culprit is None else self.claim.culprit.frames
        lines = [(file, int(number)) for file, _, number in (frame.split(" ")[0].rpartition(":") for frame in frames)]
        return next((line for line in lines if line in self.judge.lines()), None)

    @property
    def marked(self) -> bool:
        """Whether a person marked the line that breaks this claim, which is neither true nor proved."""
        return self.expected is None and not self.proved and bool(self.judge.culprits(self.kind))

    @property
    def right_line(self) -> bool:
        """Whether the certifier blames a marked line."""
        return any(self.line == (file, number) for file, number in self.judge.culprits(self.kind))


def certified(judge: Judge) -> tuple[Certificate, str]:
    """The certificate of a judge, without a search, and the exception that a rule raised, if one did."""
    fn, parameters = judge.build()
    x = jax.ShapeDtypeStruct(judge.shape, judge.dtype)
    settings = {"axes": {0: (judge.axis,)}, "values": judge.values, "search": False}
    run = lambda: jc.certify(lenient(fn), x, *parameters, **settings)
    try:
        with bare(), mock.patch.object(failures, "RAISE_FAILURES", True):
            return run(), ""
    except Exception as error:  # whatever a rule raises
        with bare(), mock.patch.object(failures, "RAISE_FAILURES", False):
            return run(), repr(error)


def results(judge: Judge, rows: list[dict[str, Any]]) -> Iterator[Result]:
    """The claims about a judge."""
    certificate, failure = certified(judge)
    for leaf, row in enumerate(rows):
        truths = {kind: read(row, kind) for kind in KINDS}
        for kind in KINDS:
            claim = certificate.leaves[leaf].axes[0].claims[kind]
            truth, expected = truths[kind], truths[kind].expected(truths[OTHER[kind]])
            yield Result(judge, leaf, kind, claim, expected, *compared(claim, truth, expected, kind), failure)


def compared(claim: Claim, truth: Truth, expected: Law | None, kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is proved and false, and, if nothing is, what is true and not proved."""
    falsehoods = tuple(_falsehoods(claim, truth, kind)) if claim.verdict == Verdict.PROVED else ()
    omissions = tuple(_omissions(claim, truth, expected, kind)) if expected and not falsehoods else ()
    return falsehoods, omissions


def _falsehoods(claim: Claim, truth: Truth, kind: str) -> Iterator[str]:
    """What is proved although an execution refutes it."""
    regions = truth.regions(claim.shift or 0, claim.moves, cyclic=kind == "cyclic")
    if regions is None:
        yield "shift"
        return
    claimed = _region(claim)
    if not any(all(a <= lo and hi <= b for (lo, hi), (a, b) in zip(claimed, box, strict=True)) for box in regions):
        yield "region"
    if claim.receptive_field is not None and _same_axis(claim, truth):
        read_by = [[i % truth.length if kind == "cyclic" else i for i in cells] for cells in _fields(claim, truth)]
        if not all(truth.depends[j] <= set(cells) for j, cells in zip(_outputs(claim, truth), read_by, strict=True)):
            yield "receptive field"


def _omissions(claim: Claim, truth: Truth, expected: Law, kind: str) -> Iterator[str]:
    """What is true and not proved: the law, or else its shift, its region and its receptive field.

    Receptive fields of more than half of the input are not judged, nor are laws of a smaller shift than expected.
    """
    if claim.verdict != Verdict.PROVED:
        yield "law"
    elif (claim.shift or 0) > expected.shift:
        yield "shift"
    elif claim.shift == expected.shift:
        size = lambda box: [hi - lo for lo, hi in box]
        if expected.regions and size(_region(claim)) < max(map(size, expected.regions)):
            yield "region"
        if _same_axis(claim, truth):
            width = truth.width(_outputs(claim, truth), cyclic=kind == "cyclic")
            claimed = truth.length if claim.receptive_field is None else claim.receptive_field.size
            if min(claimed, truth.length) > width and 2 * width <= truth.length:
                yield "receptive field"


def _region(claim: Claim) -> list[tuple[int, int]]:
    """The range along each moved axis, in the order of the axes."""
    return [(lo, hi) for _, lo, hi in sorted(claim.region)]


def _same_axis(claim: Claim, truth: Truth) -> bool:
    """Whether the truth has receptive fields along the only axis that the claim moves."""
    return bool(truth.depends) and [axis for axis, _ in claim.moves] == [axis for axis, _ in truth.laws[0].moves]


def _outputs(claim: Claim, truth: Truth) -> range:
    """The positions of the moved axis of which a claim speaks."""
    return range(*claim.region[0][1:]) if claim.region else range(len(truth.depends))


def _fields(claim: Claim, truth: Truth) -> list[range]:
    """The claimed receptive field of each of these positions."""
    return [claim.receptive_field.cells(j) for j in _outputs(claim, truth)] if claim.receptive_field else []
