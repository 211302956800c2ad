"""The independent checker: executes each step of a derivation by itself, and knows no rule.

A derivation is an inductive invariant. Each state relates two runs of the function (`relation.py`). If every equation
takes operands that stand in their states' relations to results that stand in theirs, then the whole function takes
related inputs to related outputs. So each equation is executed alone, on operands drawn at random among all that are
related as their states say, and its results are judged by the states that the derivation claims for them (`steps.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import jax
import numpy as np

from jaxconv.verify import jaxprs
from jaxconv.verify.checker.relation import Held, carries_of
from jaxconv.verify.checker.steps import Steps, same, within
from jaxconv.verify.claims import Claim, Verdict
from jaxconv.verify.tracing import trace
from jaxconv.verify.values import Carry, Factor, Moving


class _AstrayError(Exception):
    """The derivation does not follow the jaxpr, so that nothing more can be said of it."""


def recheck(certificate: Any, fn: Callable[..., Any], *arguments: Any, seed: int = 0) -> tuple[str, ...]:
    """Execute every step of a certificate's derivations by itself, and hold its claims against their last states.

    Evidence for each step, not a proof of it: operands are random. Of primitives that move numbers about or compute
    polynomials of them, a false step passes with a tiny probability only (Schwartz and Zippel).

    Args:
        certificate: what `certify` returned for `fn`.
        fn: the function, which is traced again.
        arguments: those that it was certified for: arrays, shapes, or pytrees of them.
        seed: of the operands.

    Returns:
        The objections, each with the row and the primitive that it is about; none if every step and claim stands.

    Raises:
        Exception: what tracing `fn` raises.

    Law: what a certificate without objections proves is refuted by no execution, as far as chance can tell.

    >>> import jax, jaxconv as jc
    >>> from jaxconv.verify.checker import recheck
    >>> x = jax.ShapeDtypeStruct((1, 12, 1), "float32")
    >>> smooth = lambda x: x[:, :-1] + x[:, 1:]
    >>> certificate = jc.certify(smooth, x, axes=(1,), search=False)
    >>> recheck(certificate, smooth, x)
    ()
    >>> recheck(certificate, lambda x: x[:, :-1] - x[:, 1:], x)[0]
    'cyclic walk for shifts of ((0, 1),), row 2: the function has sub here, and the derivation add'
    """
    jaxpr, constants, shapes = trace("recheck", fn, arguments)
    outputs = [tuple(leaf.shape) for leaf in jax.tree.leaves(shapes)]
    claimed = [tuple(leaf.shape) for leaf in certificate.leaves]
    axes = sorted({len(leaf.axes) for leaf in certificate.leaves})
    if claimed != outputs or axes != [len(certificate.derivations)]:
        derived = len(certificate.derivations)
        return (
            f"it is of outputs {claimed} and {axes} axes, with {derived} derivations; here the outputs are {outputs}",
        )
    found: list[str] = []
    for axis, walks in enumerate(certificate.derivations):
        reports = [leaf.axes[axis] for leaf in certificate.leaves]
        shifted, length = reports[0].shifted, reports[0].length
        if any((report.shifted, report.length) != (shifted, length) for report in reports):
            return (f"its outputs do not agree on what derivation {axis} shifts",)
        for kind, rows in zip(("cyclic", "interior"), walks, strict=True):
            claims = [getattr(report, kind) for report in reports]
            shifts = frozenset(claim.shift for claim in claims if claim.verdict == Verdict.PROVED and claim.shift)
            steps = Steps(length if kind == "cyclic" else None, length, shifts, certificate.values, seed)
            walk = _Walk(f"{kind} walk for shifts of {shifted}", rows, steps)
            with jax.default_device(jax.devices("cpu")[0]), np.errstate(all="ignore"):
                found += walk.objections(jaxpr, constants, arguments, dict(shifted), claims)
    return tuple(found)


@dataclass
class _Walk:
    """One walk's rows, of which those up to `at` have been checked."""

    title: str
    rows: Sequence[Any]
    steps: Steps
    at: int = 0
    found: list[str] = field(default_factory=list)

    def objections(
        self, jaxpr: Any, constants: Any, arguments: Any, moving: Mapping[int, int], claims: Sequence[Claim]
    ) -> list[str]:
        """What is wrong with the rows or the claims."""
        variables = iter(jaxpr.invars)
        inputs = [
            self.input(next(variables).aval, leaf, number, moving.get(number))
            for number, argument in enumerate(arguments)
            for leaf in jax.tree.leaves(argument)
        ]
        try:
            outputs = self.follow(jaxpr, constants, inputs, 0)
            if self.at < len(self.rows):
                raise _AstrayError(f"row {self.at}: the function has no equation for it")
        except _AstrayError as astray:
            return [*self.found, f"{self.title}, {astray}"]
        for leaf, (claim, held) in enumerate(zip(claims, outputs, strict=True)):
            if claim.verdict == Verdict.PROVED and (
                problem := _overclaimed(claim, (held.besides or held).state, held.aval.shape)
            ):
                self.found.append(f"{self.title}, claim about output {leaf}: {problem}")
        return self.found

    def input(self, aval: Any, leaf: Any, number: int, axis: int | None) -> Held:
        """An argument: of one that is shifted, one axis shows the scene; others may be anything, but for `values`."""
        state = self.steps.still(aval)
        if axis is None:
            known = self.steps.values and isinstance(leaf, jax.Array | np.ndarray | np.generic | float | int)
            return self.steps.constant(aval, leaf) if known else self.steps.hold(state, aval)
        scene = Carry(Fraction(1), 0, self.steps.length, Fraction(0), Fraction(0), f"argument {number}")
        axes = (*state.axes[:axis], (Factor(self.steps.length, carry=scene),), *state.axes[axis + 1 :])
        held = self.steps.hold(replace(state, axes=axes), aval)
        self.steps.remember([], [(same, [held], (0, held))])
        return held

    def follow(self, jaxpr: Any, constants: Sequence[Any], inputs: Sequence[Held], depth: int) -> list[Held]:
        """Check the rows of a jaxpr's equations, and those of the calls among them; what its outputs are."""
        known = dict(zip(jaxpr.invars, inputs, strict=True))
        known |= {v: self.steps.constant(v.aval, array) for v, array in zip(jaxpr.constvars, constants, strict=True)}

        def read(atom: Any) -> Held:
            if not jaxprs.is_literal(atom):
                return known[atom]
            return self.steps.hold(self.steps.still(atom.aval), atom.aval, np.asarray(atom.val, atom.aval.dtype))

        for equation in jaxpr.eqns:
            operands, call = [read(atom) for atom in equation.invars], jaxprs.called(equation)
            if call is not None:
                body, its_constants = jaxprs.opened(call)
                operands = self.follow(body, its_constants, operands[len(operands) - len(body.invars) :], depth + 1)
            row = self.next_row(equation, depth)
            results, problem = self.steps.check(equation, operands, row.outputs)
            if problem:
                self.found.append(f"{self.title}, row {row.number} ({row.primitive}): {problem}")
            known |= zip(equation.outvars, results, strict=True)
        return [read(atom) for atom in jaxpr.outvars]

    def next_row(self, equation: Any, depth: int) -> Any:
        """The row of an equation. Those of loops' bodies and of branches stand deeper: they are executed whole."""
        name, inner = equation.primitive.name, jaxprs.called(equation) is None and any(True for _ in within(equation))
        while inner and self.at < len(self.rows) and self.rows[self.at].depth > depth:
            self.at += 1
        if self.at == len(self.rows):
            raise _AstrayError(f"row {self.at}: the function has {name} here, and the derivation ends")
        row = self.rows[self.at]
        if row.primitive != name:
            raise _AstrayError(f"row {self.at}: the function has {name} here, and the derivation {row.primitive}")
        if (row.number, row.depth, len(row.outputs)) != (self.at, depth, len(equation.outvars)):
            raise _AstrayError(f"row {self.at} ({name}): its number, depth or number of results is not that of {name}")
        self.at += 1
        return row


def _overclaimed(claim: Claim, state: Any, shape: tuple[int, ...]) -> str:
    """What a proved claim says that the output's state does not, if anything."""
    if not isinstance(state, Moving):
        return f"the output's state is {type(state).__name__}"
    if claim.shift is None or claim.shift < 1 or claim.shift % state.shift:
        return f"it is of shifts by {claim.shift}, and the output's state of shifts by {state.shift}"
    carried = carries_of(state)
    moves = tuple((axis, int(claim.shift / carry.rate)) for axis, carry in carried)
    if tuple(claim.moves) != moves:
        return f"it moves by {claim.moves}, and the output's state by {moves}"
    regions = [_beyond(claim, state, axis, carry, shape[axis]) for axis, carry in carried]
    return next(filter(None, regions), "") or _too_narrow(claim, state)


def _beyond(claim: Claim, state: Moving, axis: int, carry: Carry, length: int) -> str:
    """Where a claim is about positions of an axis that do not show the signal."""
    if len(state.axes[axis]) > 1:
        return f"only a part of output axis {axis} moves"
    regions = {number: (lo, hi) for number, lo, hi in claim.region}
    lo, hi = (0, length) if state.cycle is not None else regions.get(axis, (0, length))
    if lo < carry.lo or hi > carry.hi:
        return f"its region along axis {axis} is [{lo}, {hi}), and the output's state's [{carry.lo}, {carry.hi})"
    if state.cycle is not None and length % (state.cycle / abs(carry.rate)):
        return f"axis {axis} has {length} positions, of a signal that repeats after {state.cycle / abs(carry.rate)}"
    return ""


def _too_narrow(claim: Claim, state: Moving) -> str:
    """Where a claim's receptive field leaves out what the output may depend on."""
    field, carried = claim.receptive_field, [carry for _, carry in carries_of(state)]
    if field is None:
        return ""
    (carry,) = carried if len(carried) == 1 else (None,)
    if carry is None or carry.first is None or carry.last is None or state.depends or field.rate != carry.rate:
        return f"its receptive field is {field}, and the output's state has none of that rate"
    if not carry.first <= carry.last:
        return ""
    turn = 0 if state.cycle is None else math.floor((carry.first - field.first) / state.cycle) * state.cycle
    if field.first <= carry.first - turn and carry.last - turn <= field.last:
        return ""
    return f"its receptive field is {field}, and the output's state's is from {carry.first} to {carry.last}"
