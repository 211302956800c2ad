"""Which lines of a function make its law what it is: for a claim that is still proved, and is weaker than it was.

A claim that is lost altogether names the line that broke it. A stride breaks nothing: it makes shifts coarser. So
every intermediate value of the function is certified, as if it were an output, and the first line is named after which
the old claim cannot hold.
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
from jaxconv.verify.claims import Claim, LeafReport, Verdict
from jaxconv.verify.shifted_axes import Axes

MOST = 5  # lines that are named where several share the blame
INPUT = -1  # in place of the number of an operation
UNMOVED = Claim(Verdict.PROVED, 1, ((0, 1),))  # the input's own claim, whichever its axis


@dataclass(frozen=True)
class Step:
    """An operation on the way to an output, and what is proved of its first result for one axis and kind of shifts."""

    primitive: str
    source: str  # "/folder/file.py:12 (function)"
    claim: Claim
    operands: frozenset[int]  # the operations that computed what it takes, as far as it moves

    def __str__(self) -> str:
        return f"{self.primitive} at {self.source}"


def weaker(before: Mapping[str, Any], now: Mapping[str, Any], steps: Mapping[int, Step]) -> list[str]:
    """The lines of a report that say where a proved claim became weaker than in the snapshot.

    Args:
        before: the claim of the snapshot.
        now: the claim that is proved.
        steps: what `Operations.steps` returns for it.
    """
    if before["shift"] % now["shift"]:
        coarser = [step for step in steps.values() if before["shift"] % (step.claim.shift or 1)][:1]
        return _said(coarser, "from here on the law is of shifts by {0.claim.shift} and their multiples")
    times = before["shift"] // now["shift"]
    if {axis: t * times for axis, t in now["moves"]} == dict(before["moves"]):
        narrower = [step for step in steps.values() if _narrower(step.claim, before)][:1]
        return _said(narrower, "from here on fewer positions are clear of the border")
    changing = _said(_unlike_operands(steps, _rates), "it changes by how many positions a shift moves its operand")
    return changing or _said(_unlike_operands(steps, _reach), "it combines neighbours, and has no stride (any more)")


def _said(steps: Sequence[Step], reason: str) -> list[str]:
    return [line for step in steps[:MOST] for line in (f"line:     {step}", f"          {reason.format(step)}")]


def _unlike_operands(steps: Mapping[int, Step], aspect: Callable[[Claim], Any]) -> list[Step]:
    """The operations whose result differs from every operand in some aspect of its claim."""
    claim_of = lambda number: steps[number].claim if number in steps else UNMOVED
    differs = lambda step: all(aspect(step.claim) != aspect(claim_of(number)) for number in step.operands)
    return [step for step in steps.values() if differs(step)]


def _rates(claim: Claim) -> list[Fraction]:
    """Positions by which one cell of the shift moves the result, along whichever axes."""
    return sorted(Fraction(t, claim.shift or 1) for _, t in claim.moves)


def _reach(claim: Claim) -> int:
    return claim.receptive_field.size if claim.receptive_field else 1


def _narrower(claim: Claim, before: Mapping[str, Any]) -> bool:
    """Whether a claim's region, in cells of the input, begins after that of the snapshot, or ends before it."""
    old = _clear(before["shift"], before["moves"], before.get("region", ()))
    new = _clear(claim.shift or 1, claim.moves, claim.region)
    return any(lo > old_lo or hi < old_hi for (lo, hi), (old_lo, old_hi) in zip(new, old, strict=False))


def _clear(shift: int, moves: Sequence[Any], region: Sequence[Any]) -> list[tuple[Fraction, Fraction]]:
    cells = {axis: Fraction(shift, abs(t)) for axis, t in moves}
    return [(lo * cells[axis], hi * cells[axis]) for axis, lo, hi in region]


@dataclass(frozen=True)
class Operations:
    """All operations of a function: their lines, what they take, and what is proved of their first results."""

    lines: tuple[tuple[str, str], ...]  # primitive and place
    operands: tuple[frozenset[int], ...]
    outputs: tuple[frozenset[int], ...]  # for each output leaf the operation that computes it
    reports: tuple[LeafReport, ...]

    @classmethod
    def of(cls, fn: Callable[..., Any], arguments: Sequence[Any], axes: Axes, *, values: bool) -> Operations:
        """Trace a function, and certify every value that it computes; the arguments are those of `certify`."""
        jaxpr, constants, _ = trace(fn, arguments)
        lines = [(one.primitive.name, full_line(source_frame(one, stack))) for one, stack in steps(jaxpr)]
        results = lambda *arguments: first_results(jaxpr, constants, jax.tree.leaves(arguments))
        reports = certify(results, *arguments, axes=axes, values=values, search=False).leaves
        shifted = {argument for one in reports[0].axes for argument, _ in one.shifted} if reports else set()
        moving = [number in shifted for number, argument in enumerate(arguments) for _ in jax.tree.leaves(argument)]
        operands, outputs = origins(jaxpr, moving)
        return cls(tuple(lines), tuple(operands), tuple(outputs), reports)

    def steps(self, leaf: int, axis: int, kind: str) -> dict[int, Step]:
        """The operations that an output is computed by, in order, as far as their results are proved to move.

        Args:
            leaf: which output leaf.
            axis: which of the shifted axes.
            kind: "cyclic" or "interior".
        """
        claims = [getattr(report.axes[axis], kind) for report in self.reports]
        return {
            number: Step(*self.lines[number], claims[number], self.operands[number])
            for number in sorted(_all_behind(self.outputs[leaf], self.operands))
            if claims[number].verdict == Verdict.PROVED and claims[number].moves
        }


def origins(jaxpr: Any, moving: Sequence[bool]) -> tuple[list[frozenset[int]], list[frozenset[int]]]:
    """Which operations' results each operation takes, and each output is; numbered as `steps` orders them.

    Args:
        jaxpr: of the function.
        moving: which of its operands are the input.

    >>> closed = jax.make_jaxpr(lambda w, x: (w * x + x, x * w))(2.0, 3.0)
    >>> operands, outputs = origins(closed.jaxpr, [False, True])
    >>> [sorted(one) for one in operands], [sorted(one) for one in outputs]
    ([[-1], [-1, 0], [-1]], [[1], [2]])
    """
    operands: list[frozenset[int]] = []

    def step(equation: Any, inputs: list[frozenset[int]], _: Path) -> list[frozenset[int]]:
        operands.append(frozenset().union(*inputs))
        return [frozenset({len(operands) - 1})] * len(equation.outvars)

    start = [frozenset({INPUT} if one else ()) for one in moving]
    outputs = evaluate(jaxpr, jaxpr.constvars, start, step, constant=lambda value, aval: frozenset())
    return operands, outputs


def _all_behind(start: frozenset[int], operands: Sequence[frozenset[int]]) -> set[int]:
    """The operations from which those of `start` are computed, themselves included."""
    found, waiting = set(), list(start)
    while waiting:
        number = waiting.pop()
        if number not in found and number != INPUT:
            found.add(number)
            waiting += operands[number]
    return found
