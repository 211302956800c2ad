"""The culprit lines of a claim that is still proved but is weaker than in the snapshot.

A claim that is lost names the line that broke it. A stride breaks no claim: it makes the shifts coarser. So every
intermediate value of the function is certified as if it were an output. The culprit is the first line after which the
old claim cannot hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax

from jaxconv.jaxprs.evaluate import Path, evaluate, first_results
from jaxconv.jaxprs.layout import trace
from jaxconv.jaxprs.source import full_line, source_frame
from jaxconv.jaxprs.traverse import steps
from jaxconv.verify.certify import certify
from jaxconv.verify.claims import Claim, KindName, LeafReport, Verdict
from jaxconv.verify.shifted_axes import Axes

MOST = 5  # maximum number of lines to name
INPUT = -1  # replaces the number of an operation
UNMOVED = Claim(Verdict.PROVED, 1, ((0, 1),))  # the claim of the input, for any axis


@dataclass(frozen=True)
class Step:
    """An operation that an output depends on, and the claim of its first result for one axis and kind of shifts."""

    primitive: str
    source: str  # "/folder/file.py:12 (function)"
    claim: Claim
    operands: frozenset[int]  # the operations that computed its moving operands

    def __str__(self) -> str:
        return f"{self.primitive} at {self.source}"


def weaker(before: Mapping[str, Any], now: Mapping[str, Any], steps: Mapping[int, Step]) -> list[str]:
    """Report lines that name the culprits of a claim that became weaker than in the snapshot.

    Args:
        before: the claim in the snapshot.
        now: the claim that is proved.
        steps: the result of `Operations.steps` for the claim.
    """
    if before["shift"] % now["shift"]:
        coarser = [step for step in steps.values() if before["shift"] % (step.claim.shift or 1)][:1]
        return _report(coarser, "from here on the law holds for shifts by {0.claim.shift} and their multiples")
    times = before["shift"] // now["shift"]
    if {axis: t * times for axis, t in now["moves"]} == dict(before["moves"]):
        narrower = [step for step in steps.values() if _narrower(step.claim, before)][:1]
        return _report(narrower, "from here on fewer positions are unaffected by the border")
    changing = _report(_unlike_operands(steps, _rates), "it changes the number of positions by which its operand moves")
    return changing or _report(_unlike_operands(steps, _reach), "it combines neighbours and has no stride (any more)")


def _report(steps: Sequence[Step], reason: str) -> list[str]:
    return [line for step in steps[:MOST] for line in (f"culprit:  {step}", f"          {reason.format(step)}")]


def _unlike_operands(steps: Mapping[int, Step], aspect: Callable[[Claim], Any]) -> list[Step]:
    """The operations whose result differs from every operand in an aspect of its claim."""
    claim_of = lambda number: steps[number].claim if number in steps else UNMOVED
    differs = lambda step: all(aspect(step.claim) != aspect(claim_of(number)) for number in step.operands)
    return [step for step in steps.values() if differs(step)]


def _rates(claim: Claim) -> list[Fraction]:
    """The number of positions by which a shift by one cell moves the result, for each of its axes."""
    return sorted(Fraction(t, claim.shift or 1) for _, t in claim.moves)


def _reach(claim: Claim) -> int:
    return claim.receptive_field.size if claim.receptive_field else 1


def _narrower(claim: Claim, before: Mapping[str, Any]) -> bool:
    """Whether a claim's region, in cells of the input, begins later or ends earlier than that of the snapshot."""
    old = _in_cells(before["shift"], before["moves"], before.get("region", ()))
    new = _in_cells(claim.shift or 1, claim.moves, claim.region)
    return any(lo > old_lo or hi < old_hi for (lo, hi), (old_lo, old_hi) in zip(new, old, strict=False))


def _in_cells(shift: int, moves: Sequence[Any], region: Sequence[Any]) -> list[tuple[Fraction, Fraction]]:
    """A region in cells of the input."""
    cells = {axis: Fraction(shift, abs(t)) for axis, t in moves}
    return [(lo * cells[axis], hi * cells[axis]) for axis, lo, hi in region]


@dataclass(frozen=True)
class Operations:
    """All operations of a function: their lines, their operands, and the claims of their first results."""

    lines: tuple[tuple[str, str], ...]  # primitive and source line
    operands: tuple[frozenset[int], ...]
    outputs: tuple[frozenset[int], ...]  # the operation that computes each output leaf
    reports: tuple[LeafReport, ...]

    @classmethod
    def of(cls, fn: Callable[..., Any], arguments: Sequence[Any], axes: Axes, *, values: bool) -> Operations:
        """Trace a function and certify every value that it computes. The arguments are those of `certify`."""
        jaxpr, constants, _ = trace(fn, arguments)
        lines = [
            (equation.primitive.name, full_line(source_frame(equation, stack))) for equation, stack in steps(jaxpr)
        ]
        results = lambda *arguments: first_results(jaxpr, constants, jax.tree.leaves(arguments))
        reports = certify(results, *arguments, axes=axes, values=values, search=False).leaves
        shifted = {argument for axis in reports[0].axes for argument, _ in axis.shifted} if reports else set()
        moving = [number in shifted for number, argument in enumerate(arguments) for _ in jax.tree.leaves(argument)]
        operands, outputs = origins(jaxpr, moving)
        return cls(tuple(lines), tuple(operands), tuple(outputs), reports)

    def steps(self, leaf: int, axis: int, kind: KindName) -> dict[int, Step]:
        """The operations that an output depends on and whose results are proved to move, in order.

        Args:
            leaf: the number of the output leaf.
            axis: the number of the shifted axis.
            kind: the kind of claims.
        """
        claims = [report.axes[axis].claims[kind] for report in self.reports]
        return {
            number: Step(*self.lines[number], claims[number], self.operands[number])
            for number in sorted(_ancestors(self.outputs[leaf], self.operands))
            if claims[number].verdict == Verdict.PROVED and claims[number].moves
        }


def origins(jaxpr: Any, moving: Sequence[bool]) -> tuple[list[frozenset[int]], list[frozenset[int]]]:
    """For each operation and for each output the operations that computed it, numbered in the order of `steps`.

    Args:
        jaxpr: the jaxpr of the function.
        moving: for each of its operands whether it is the input.

    >>> closed = jax.make_jaxpr(lambda w, x: (w * x + x, x * w))(2.0, 3.0)
    >>> operands, outputs = origins(closed.jaxpr, [False, True])
    >>> [sorted(numbers) for numbers in operands], [sorted(numbers) for numbers in outputs]
    ([[-1], [-1, 0], [-1]], [[1], [2]])
    """
    operands: list[frozenset[int]] = []

    def step(equation: Any, inputs: list[frozenset[int]], _: Path) -> list[frozenset[int]]:
        operands.append(frozenset().union(*inputs))
        return [frozenset({len(operands) - 1})] * len(equation.outvars)

    start = [frozenset({INPUT} if moves else ()) for moves in moving]
    outputs = evaluate(jaxpr, jaxpr.constvars, start, step, constant=lambda value, aval: frozenset())
    return operands, outputs


def _ancestors(start: frozenset[int], operands: Sequence[frozenset[int]]) -> set[int]:
    """The operations of `start` and all operations that they depend on."""
    ancestors, pending = set(), list(start)
    while pending:
        number = pending.pop()
        if number not in ancestors and number != INPUT:
            ancestors.add(number)
            pending += operands[number]
    return ancestors
