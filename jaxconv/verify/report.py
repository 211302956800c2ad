"""Formatting of a certificate as text, and as HTML for notebooks."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from jaxconv.jaxprs.source import call_path
from jaxconv.verify.claim_kinds import KINDS
from jaxconv.verify.claims import AxisReport, Claim, Culprit, KindName, LeafReport, ReceptiveField, Verdict

MOST_PHASES = 4  # largest number of phases whose receptive fields are listed separately


def text(
    function: str, verdicts: Mapping[KindName, Verdict], leaves: Sequence[LeafReport], equations: int, values: bool
) -> str:
    """Return a report: each claim, its verdict, and the culprit of each claim that is not proved.

    Each claim names its shifts: cyclic shifts, or the interior, where new content may enter at the border.
    """
    parameters = "the parameters as they are" if values else "all parameter values"
    followed = "1 equation" if equations == 1 else f"{equations} equations"
    lines = [
        f"{function}: " + ", ".join(f"{KINDS[kind].title} {verdict}" for kind, verdict in verdicts.items()),
        f"  exact arithmetic, all inputs, {parameters}; {followed} followed",
    ]
    for leaf in leaves:
        name = f"output{leaf.path}" if len(leaves) > 1 else "output"
        lines.append(f"  {name} {leaf.shape}")
        for axis in leaf.axes:
            lines += [f"    {line}" for line in _axis(axis, leaf)]
    return "\n".join(lines)


def _axis(report: AxisReport, leaf: LeafReport) -> list[str]:
    """Return the lines about shifts along one axis."""
    where = " and ".join(f"axis {axis} of argument {argument}" for argument, axis in report.shifted)
    lines = [f"shifts along {where} ({report.length} cells)"]
    for kind, claim in report.claims.items():
        first, *others = _claim(claim, leaf, KINDS[kind].covered(report.length))
        lines += [f"  {kind:<10}{first}", *(f"            {line}" for line in others)]
    return lines


def _claim(claim: Claim, leaf: LeafReport, most: int) -> list[str]:
    """Return the lines about a claim; `most` is the largest shift that a refutation covers."""
    lines = [f"{claim.verdict}{_law(claim, leaf, most)}"]
    lines += factors(claim)
    field = claim.receptive_field
    if field is not None and claim.moves:
        lines += _field(field)
    if claim.culprit is not None:
        lines += _culprit(claim.culprit)
    if claim.witness is not None:
        lines.append(f"counterexample executed: shift {claim.witness.shift}, error {claim.witness.error:.3g} at output "
                     f"{claim.witness.position}")  # fmt: skip
    if claim.standing is not None:
        refuted = spans(claim.witness.shifts) if claim.witness else ""
        outcome = f"shifts by {refuted} are refuted, by {claim.standing} are not" if refuted else "none was found"
        limit = "" if claim.ended_after is None else f"; the limit of {claim.ended_after:g} s ended the search"
        lines.append(f"counterexamples were searched: {outcome}{limit}")
    return lines


def factors(claim: Claim) -> list[str]:
    """Return the lines that name the equations whose factors make up the shift of a claim; one for each source line."""
    of_line: dict[str, int] = {}
    for one in claim.coarsened:
        line = f"{one.primitive} at {one.source}"
        of_line[line] = of_line.get(line, 1) * one.factor
    title = f"shift {claim.shift}: "
    return [
        f"{' ' * len(title) if number else title}{factor} by {line}"
        for number, (line, factor) in enumerate(of_line.items())
    ]


def spans(numbers: Sequence[int]) -> str:
    """Return ascending integers in words.

    >>> spans([1, 2, 3, 5, 8, 9])
    '1 to 3, 5, 8, 9'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = [[f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run) for run in runs]
    return ", ".join(word for run in words for word in run)


def _law(claim: Claim, leaf: LeafReport, most: int) -> str:
    """Return the law of a claim; "" if there is none."""
    if claim.verdict == Verdict.REFUTED:
        return f": no shift of {'1 cell' if most == 1 else f'1 to {most} cells'} is equivariant"
    if claim.shift is None:
        return ""
    if not claim.moves:
        return f": invariant, shifts by {claim.shift} -> 0"
    regions = {axis: (lo, hi) for axis, lo, hi in claim.region}
    on: Callable[[int], str] = lambda axis: (
        f", on [{regions[axis][0]}, {regions[axis][1]}) of {leaf.shape[axis]}" if axis in regions else ""
    )
    moves = [f"{t} along output axis {axis}{on(axis)}" for axis, t in claim.moves]
    return f": shifts by {claim.shift} -> " + " and ".join(moves)


def _field(field: ReceptiveField) -> list[str]:
    """Return the receptive field of each phase, or of a whole period if there are more than `MOST_PHASES`."""
    step = field.rate * field.period
    phases = field.phases if len(field.phases) <= MOST_PHASES else (_envelope(field),)
    block = field.period // len(phases)
    lines = [f"receptive field {field.size}:"]
    for number, (first, last) in enumerate(phases):
        outputs = [_affine(Fraction(field.period), Fraction(number * block + end)) for end in (0, block - 1)]
        subject = f"output {outputs[0]} sees" if block == 1 else f"outputs {outputs[0]} to {outputs[1]} see"
        ends = [_affine(step, Fraction(cell)) for cell in (first, last)]
        cells = f"inputs {ends[0]} to {ends[1]}" if first < last else f"input {ends[0]}"
        lines.append(f"{subject} {cells if first <= last else 'no input'}")
    return [" ".join(lines[:2]), *(f"  {line}" for line in lines[2:])]


def _envelope(field: ReceptiveField) -> tuple[int, int]:
    seen = [cells for cells in field.phases if cells[0] <= cells[1]]
    return min(first for first, _ in seen), max(last for _, last in seen)


def _culprit(culprit: Culprit) -> list[str]:
    first, *others = where(culprit)
    lines = [f"culprit: {first}", *(f"  {line}" for line in others), f"  {culprit.reason}"]
    return [*lines, f"  cure: {culprit.cure}"] if culprit.cure else lines


def where(culprit: Culprit) -> list[str]:
    """Return the lines that say where a culprit is: the user's line, the module, and the calls through libraries."""
    module = [f"in module {culprit.module}"] if culprit.module else []
    through = [f"through {line}" for line in call_path(culprit.frames, culprit.source)]
    return [f"{culprit.primitive} at {culprit.source}", *module, *through]


def _affine(rate: Fraction, offset: Fraction) -> str:
    """Return an affine function of j, written as 2j - 3."""
    slope = {Fraction(1): "j", Fraction(-1): "-j"}.get(rate, f"{rate}j")
    return slope if offset == 0 else f"{slope} {'+' if offset > 0 else '-'} {abs(offset)}"


def as_html(text: str) -> str:
    """Return a report as HTML, with coloured verdicts."""
    colours = {"PROVED": "#1a7f37", "REFUTED": "#cf222e", "UNDECIDED": "#9a6700"}
    body = html.escape(text)
    for verdict, colour in colours.items():
        body = body.replace(verdict, f'<b style="color:{colour}">{verdict}</b>')
    return f"<pre>{body}</pre>"
