"""The independent checker: executes each step of a derivation by itself, and knows no rule.

A derivation is an inductive invariant. Each state relates two runs of the function (`relation.py`). If every equation
takes operands that stand in their states' relations to results that stand in theirs, then the whole function takes
related inputs to related outputs. So each equation is executed alone, on operands drawn at random among all that are
related as their states say, and its results are judged by the states that the derivation claims for them (`steps.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import jax
import numpy as np

from jaxconv.checks import shown
from jaxconv.errors import explain
from jaxconv.jaxprs.evaluate import Path, evaluate
from jaxconv.jaxprs.layout import called, entered
from jaxconv.jaxprs.traverse import coarsest, within
from jaxconv.verify import json_codec
from jaxconv.verify.arguments import check_call, checked_seed
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.claims import Claim, Verdict
from jaxconv.verify.derivation import Row
from jaxconv.verify.domain import Factor, Motion
from jaxconv.verify.execution.run import rechecking
from jaxconv.verify.receptive_fields import ONE_CELL
from jaxconv.verify.recheck.claim import unfounded
from jaxconv.verify.recheck.culprits import breaks_of, misplaced, nested
from jaxconv.verify.recheck.outline import misfit
from jaxconv.verify.recheck.relation import Held
from jaxconv.verify.recheck.steps import NOTHING, Steps, same
from jaxconv.verify.recheck.witness import Setting, unwitnessed
from jaxconv.verify.tracing import trace


class _AstrayError(Exception):
    """The derivation does not follow the jaxpr, so that nothing more can be said of it."""


def recheck(certificate: Any, fn: Callable[..., Any], *arguments: Any, seed: int = 0) -> tuple[str, ...]:
    """Execute every step of a certificate's derivations by itself, and hold all that it claims against them.

    Evidence for each step, not a proof of it: operands are random. Of primitives that move numbers about or compute
    polynomials of them, a false step passes with a tiny probability only (Schwartz and Zippel).

    A claim has to say what the last state of its derivation says, no more and no less. If that is no law, it has to
    blame the equation that keeps it from one, or the image where it is too small. What is blamed has to be there.
    Witnesses are executed, and have to refute each shift that they name. Not checked: the function's name, the words of
    reasons and cures, folders of files, lines within a function that JAX traced before, and names of signals as such.

    Args:
        certificate: what `certify` returned for `fn`.
        fn: the function, which is traced again.
        arguments: those that it was certified for: arrays, shapes, or pytrees of them.
        seed: of the operands.

    Returns:
        The objections, each with the row and the primitive that it is about; none if every step and claim stands.

    Raises:
        TypeError: `certificate` is none.
        ValueError: a field of it holds what no certificate does, or a shape has symbolic dimensions.
        Exception: what tracing `fn` raises passes through, with a note of the shapes.

    Law: what a certificate without objections proves is refuted by no execution, as far as chance can tell.

    >>> import jax, jaxconv as jc
    >>> x = jax.ShapeDtypeStruct((1, 12, 1), "float32")
    >>> smooth = lambda x: x[:, :-1] + x[:, 1:]
    >>> certificate = jc.certify(smooth, x, axes=(1,), search=False)
    >>> jc.recheck(certificate, smooth, x)
    ()
    >>> jc.recheck(certificate, lambda x: x[:, :-1] - x[:, 1:], x)[0]
    'cyclic walk for shifts of ((0, 1),), row 2: the function has sub here, and the derivation add'
    """
    _refuse_malformed(certificate)
    check_call("recheck", fn, arguments)
    seed = checked_seed("recheck", seed)
    jaxpr, constants, shapes = trace("recheck", fn, arguments)
    problem = misfit(certificate, shapes, arguments)
    if problem:
        return (problem,)
    found: list[str] = []
    epsilon = coarsest(jaxpr)
    for axis, walks in enumerate(certificate.derivations):
        reports = [leaf.axes[axis] for leaf in certificate.leaves]
        shifted, length = reports[0].shifted, reports[0].length
        around: list[Any] = []
        for kind, rows in zip(("cyclic", "interior"), walks, strict=True):
            claims = [getattr(report, kind) for report in reports]
            shifts = frozenset(claim.shift for claim in claims if claim.verdict == Verdict.PROVED and claim.shift)
            steps = Steps(length if kind == "cyclic" else None, length, shifts, certificate.values, seed)
            title = f"{kind} walk for shifts of {shifted}"
            setting = Setting(fn, arguments, shifted, length, certificate.values, kind == "cyclic", epsilon)
            with jax.default_device(jax.devices("cpu")[0]), np.errstate(all="ignore"), rechecking():
                walk = _Walk(title, rows, steps, around)
                found += walk.objections(jaxpr, constants, arguments, dict(shifted), claims)
                around = walk.ends
                found += [f"{title}, claim about output {leaf}: {problem}" for leaf, claim in enumerate(claims)
                          if claim.witness and (problem := unwitnessed(claim.witness, leaf, setting))]  # fmt: skip
    return tuple(found)


def _refuse_malformed(certificate: Any) -> None:
    """Raise if something is no certificate, or holds what no certificate does."""
    cure = "Pass a certificate, or what Certificate.from_json read"
    if not isinstance(certificate, Certificate):
        raise TypeError(explain("recheck", "certificate", shown(certificate), "what certify returned", cure))
    try:
        json_codec.encode(certificate, Certificate, "certificate")
    except json_codec.MalformedError as error:
        raise ValueError(error.explained("recheck", cure)) from None


@dataclass
class _Walk:
    """One walk's rows, of which those up to `at` have been checked.

    `ends`: the states of the outputs; `around`: those of the cyclic walk, if this is the interior one.
    """

    title: str
    rows: Sequence[Any]
    steps: Steps
    around: Sequence[Any]
    at: int = 0
    found: list[str] = field(default_factory=list)
    ends: list[Any] = field(default_factory=list)

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
            outputs = self.follow(jaxpr, constants, inputs, ())
            if self.at < len(self.rows):
                raise _AstrayError(f"row {self.at}: the function has no equation for it")
        except _AstrayError as astray:
            return [f"{self.title}, {astray}", *self.found]
        self.ends = [(held.besides or held).state for held in outputs]
        length, cyclic, around = self.steps.length, self.steps.cycle is not None, self.around or self.ends
        for leaf, (claim, held, *states) in enumerate(zip(claims, outputs, self.ends, around, strict=True)):
            if states[0] is NOTHING:
                continue  # its row has been objected to
            if problem := unfounded(claim, states[0], held.aval.shape, length, states[1], cyclic=cyclic):
                self.found.append(f"{self.title}, claim about output {leaf}: {problem}")
        return self.found

    def input(self, aval: Any, leaf: Any, number: int, axis: int | None) -> Held:
        """An argument: of one that is shifted, one axis shows the scene; others may be anything, but for `values`."""
        state = self.steps.still(aval)
        if axis is None:
            known = self.steps.values and isinstance(leaf, jax.Array | np.ndarray | np.generic | float | int)
            return self.steps.constant(aval, leaf) if known else self.steps.hold(state, aval)
        scene = Motion(Fraction(1), 0, self.steps.length, ONE_CELL, f"argument {number}")
        axes = (*state.axes[:axis], (Factor(self.steps.length, motion=scene),), *state.axes[axis + 1 :])
        held = self.steps.hold(replace(state, axes=axes), aval)
        self.steps.remember([], [(same, [held], (0, held))])
        return held

    def follow(
        self, jaxpr: Any, constants: Sequence[Any], inputs: Sequence[Held], stack: tuple[Any, ...]
    ) -> list[Held]:
        """Check the rows of a jaxpr's equations, and those of the calls among them; what its outputs are.

        `stack`: the calls that it stands in, innermost first.
        """

        def step(equation: Any, operands: list[Held], _: Path) -> list[Held]:
            before, body = operands, entered(equation, operands)
            if body is not None:
                operands = self.follow(*body, (equation, *stack))
                before = [*before, *operands]
            row, rows_within = self.next_row(equation, stack)
            results, problem = self.steps.check(equation, operands, row.outputs)
            problem = problem or self.blamed(equation, stack, before, row, rows_within)
            if problem:
                self.found.append(f"{self.title}, row {row.number} ({row.primitive}): {problem}")
            return results

        constant = lambda value, aval: self.steps.constant(aval, value)
        literal = lambda value, aval: self.steps.hold(self.steps.still(aval), aval, np.asarray(value, aval.dtype))
        return evaluate(jaxpr, constants, inputs, step, constant=constant, literal=literal, calls=False)

    def blamed(
        self, equation: Any, stack: tuple[Any, ...], operands: Sequence[Held], row: Row, rows_within: Sequence[Row]
    ) -> str:
        """What is wrong with whom a row's states blame, if anything."""
        before = [one for held in operands for one in breaks_of(held.state)]
        candidates = list(nested(equation, stack)) if rows_within else [(equation, *stack)]
        found = (misplaced(state, row, before, rows_within, candidates) for state in row.outputs)
        return next(filter(None, found), "")

    def next_row(self, equation: Any, stack: tuple[Any, ...]) -> tuple[Row, Sequence[Row]]:
        """The row of an equation, and those of loops' bodies and of branches within it: they are executed whole."""
        name, depth, first = equation.primitive.name, len(stack), self.at
        if called(equation) is None and any(True for _ in within(equation)):
            kinds = {(one.primitive.name, len(one.outvars)) for one, *_ in nested(equation, ())}
            while self.at < len(self.rows) and (inner := self.rows[self.at]).depth > depth:
                if inner.number != self.at or (inner.primitive, len(inner.outputs)) not in kinds:
                    raise _AstrayError(f"row {self.at}: there is no {inner.primitive} of that number within {name}")
                self.at += 1
        if self.at == len(self.rows):
            raise _AstrayError(f"row {self.at}: the function has {name} here, and the derivation ends")
        row = self.rows[self.at]
        if row.primitive != name:
            raise _AstrayError(f"row {self.at}: the function has {name} here, and the derivation {row.primitive}")
        if (row.number, row.depth, len(row.outputs)) != (self.at, depth, len(equation.outvars)):
            raise _AstrayError(f"row {self.at} ({name}): its number, depth or number of results is not that of {name}")
        self.at += 1
        return row, self.rows[first : self.at - 1]
