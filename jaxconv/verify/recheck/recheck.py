"""The independent checker: executes each step of a derivation separately, and uses no rule.

A derivation is an inductive invariant. Each state is a relation between two runs of the function (`relation.py`).
Suppose that every equation maps operands that satisfy the relations of their states to results that satisfy theirs.
Then the function maps related inputs to related outputs. So each equation is executed alone, on random operands that
satisfy the relations of their states. Its results must satisfy the relations of the states that the derivation claims
for them (`steps.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import get_args

import jax
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn

from jaxconv.checks import flag, shown
from jaxconv.errors import explain, public
from jaxconv.jaxprs.evaluate import Path, evaluate
from jaxconv.jaxprs.layout import called, entered
from jaxconv.jaxprs.traverse import coarsest, with_paths, within
from jaxconv.jaxprs.typing import ArrayValue, PyTree, Shaped, Stack, aval_of
from jaxconv.verify import json_codec
from jaxconv.verify.arguments import check_call, checked_seed
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.claims import Claim, KindName, Verdict
from jaxconv.verify.coarsening import coarsenings
from jaxconv.verify.derivation import Row
from jaxconv.verify.domain import Factor, Motion, Value
from jaxconv.verify.execution.run import rechecking
from jaxconv.verify.numpy_rows import other_bits
from jaxconv.verify.progress import Bar, reported
from jaxconv.verify.receptive_fields import ONE_CELL
from jaxconv.verify.recheck.claim import claim_objection
from jaxconv.verify.recheck.culprits import culprits_of, nested, wrong_culprit, wrong_factors
from jaxconv.verify.recheck.outline import outline_objection
from jaxconv.verify.recheck.steps import NOTHING, Steps, same
from jaxconv.verify.recheck.tilings import tiling_objections
from jaxconv.verify.recheck.values import Held
from jaxconv.verify.recheck.witness import Setting, witness_objection
from jaxconv.verify.tiling.certificate import TilingCertificate
from jaxconv.verify.tracing import trace

WRAPS: dict[KindName, bool] = {"cyclic": True, "interior": False}  # a new kind fails here, until it is checked


class _MismatchError(Exception):
    """The derivation does not follow the jaxpr, so the check of the walk ends."""


@public
def recheck(
    certificate: Certificate | TilingCertificate,
    fn: Callable[..., object],
    *arguments: PyTree,
    seed: int = 0,
    progress: bool = False,
) -> tuple[str, ...]:
    """Execute every step of a certificate's derivations separately, and check every claim against them.

    The result is evidence for each step, not a proof, because operands are random. For primitives that move numbers or
    compute polynomials of them, a false step passes only with a tiny probability (Schwartz and Zippel).

    A claim must state exactly what the last state of its derivation implies. If that state proves no law, the claim
    must name the culprit, or the input if it is too small. The culprit must exist. Witnesses are executed, and must
    refute every shift that they name. Not checked: the function's name, the text of reasons and cures, folders of
    files, lines inside a function that JAX traced before, and the names of signals as such.

    A certificate of `certify_tiling` is checked in the same way: each pair of equations, of the whole and of a tile, is
    executed on random numbers that agree as the states of the operands say, for tiles at both ends of the whole
    and at random places.

    Args:
        certificate: the result of `certify` or `certify_tiling` for `fn`.
        fn: the function, which is traced again.
        arguments: the arguments that it was certified for: arrays, shapes, or pytrees of them.
        seed: seed of the random operands.
        progress: whether to show on stderr how many rows are checked, as `tiled` shows tiles.

    Returns:
        The objections, each with its row and primitive, or its output; empty if every step and every claim passes.

    Raises:
        TypeError: `certificate` is neither, or `progress` is no bool.
        ValueError: a field of the certificate has an invalid value, or a shape has symbolic dimensions.
        Exception: an error that tracing `fn` raises propagates, with a note of the shapes.

    Law: no execution refutes what a certificate without objections proves, up to chance.

    >>> import jax, jaxconv as jc
    >>> x = jax.ShapeDtypeStruct((1, 12, 1), "float32")
    >>> smooth = lambda x: x[:, :-1] + x[:, 1:]
    >>> certificate = jc.certify(smooth, x, axes=(1,), search=False)
    >>> jc.recheck(certificate, smooth, x)
    ()
    >>> jc.recheck(certificate, lambda x: x[:, :-1] - x[:, 1:], x)[0]
    'cyclic walk for shifts of ((0, 1),), row 2: the function has sub here, but the derivation has add'
    """
    if not isinstance(certificate, TilingCertificate):
        _refuse_malformed(certificate)
    check_call(fn, arguments)
    seed, progress = checked_seed(seed), flag("progress", progress)
    if isinstance(certificate, TilingCertificate):
        return tiling_objections(certificate, fn, arguments, seed, progress=progress)
    rows = sum(len(rows) for walks in certificate.derivations for rows in walks.values())
    with reported(rows, 0, shown=progress, title="recheck", unit="row") as bar:
        return _objections(certificate, fn, arguments, seed, bar)


def _objections(
    certificate: Certificate, fn: Callable[..., object], arguments: tuple[PyTree, ...], seed: int, bar: Bar
) -> tuple[str, ...]:
    """Return the objections to a certificate; `bar` counts the rows."""
    jaxpr, constants, shapes = trace(fn, arguments)
    problem = outline_objection(certificate, shapes, arguments)
    if problem:
        return (problem,)
    objections: list[str] = []
    epsilon = coarsest(jaxpr)
    for axis, walks in enumerate(certificate.derivations):
        reports = [leaf.axes[axis] for leaf in certificate.leaves]
        shifted, length = reports[0].shifted, reports[0].length
        around: list[Value] = []
        for kind in get_args(KindName):
            rows, claims = walks[kind], [report.claims[kind] for report in reports]
            shifts = frozenset(claim.shift for claim in claims if claim.verdict == Verdict.PROVED and claim.shift)
            steps = Steps(length if WRAPS[kind] else None, length, shifts, certificate.values, seed)
            title = f"{kind} walk for shifts of {shifted}"
            setting = Setting(fn, arguments, shifted, length, certificate.values, WRAPS[kind], epsilon)
            with jax.default_device(jax.devices("cpu")[0]), np.errstate(all="ignore"), rechecking(), other_bits():
                walk = _Walk(title, rows, steps, around, bar)
                objections += walk.objections(jaxpr, constants, arguments, dict(shifted), claims)
                around = walk.ends
                for leaf, claim in enumerate(claims):
                    if claim.witness and (problem := witness_objection(claim.witness, leaf, setting)):
                        objections.append(f"{title}, claim about output {leaf}: {problem}")
    return tuple(objections)


def _refuse_malformed(certificate: object) -> None:
    """Raise an error if something is not a Certificate, or a field has an invalid value."""
    cure = "Pass the result of certify or of Certificate.from_json"
    if not isinstance(certificate, Certificate):
        raise TypeError(explain("certificate", shown(certificate), "a Certificate", cure))
    try:
        json_codec.encode(certificate, Certificate, "certificate")
    except json_codec.MalformedError as error:
        raise ValueError(error.explained(cure)) from None


@dataclass
class _Walk:
    """Checks the rows and claims of one walk.

    Attributes:
        title: the walk, as objections name it.
        rows: the rows.
        steps: checks the equations.
        around: the states of the outputs in the cyclic walk, for the interior walk; empty for the cyclic walk.
        bar: counts the rows.
        at: number of rows checked so far.
        problems: the objections so far.
        ends: the states of the outputs.
    """

    title: str
    rows: Sequence[Row]
    steps: Steps
    around: Sequence[Value]
    bar: Bar
    at: int = 0
    problems: list[str] = field(default_factory=list[str])
    ends: list[Value] = field(default_factory=list[Value])

    def objections(
        self,
        jaxpr: Jaxpr,
        constants: Sequence[ArrayValue],
        arguments: Sequence[PyTree],
        moving: Mapping[int, int],
        claims: Sequence[Claim],
    ) -> list[str]:
        """Return the objections to the rows and the claims."""
        variables = iter(jaxpr.invars)
        inputs = [
            self.input(aval_of(next(variables)), leaf, number, moving.get(number))
            for number, argument in enumerate(arguments)
            for leaf in jax.tree.leaves(argument)
        ]
        try:
            outputs = self.follow(jaxpr, constants, inputs, (), ())
            if self.at < len(self.rows):
                raise _MismatchError(f"row {self.at}: the function has no equation for this row")
        except _MismatchError as mismatch:
            return [f"{self.title}, {mismatch}", *self.problems]
        self.ends = [(held.second or held).state for held in outputs]
        factors = coarsenings(jaxpr, constants, self.rows)
        length, cyclic, around = self.steps.length, self.steps.cycle is not None, self.around or self.ends
        for leaf, (claim, held, *states) in enumerate(zip(claims, outputs, self.ends, around, strict=True)):
            if states[0] is NOTHING:
                continue  # there is an objection to its row already
            problem = claim_objection(claim, states[0], held.aval.shape, length, states[1], cyclic=cyclic)
            problem = problem or wrong_factors(claim, factors[leaf], self.rows)
            if problem:
                self.problems.append(f"{self.title}, claim about output {leaf}: {problem}")
        return self.problems

    def input(self, aval: Shaped, leaf: ArrayValue, number: int, axis: int | None) -> Held[Value]:
        """Return an argument: with the signal along its shifted axis, or invariant; a constant if `values` is set."""
        state = self.steps.still(aval)
        if axis is None:
            known = self.steps.values and isinstance(leaf, jax.Array | np.ndarray | np.generic | float | int)
            return self.steps.constant(aval, leaf) if known else self.steps.hold(state, aval)
        motion = Motion(Fraction(1), 0, self.steps.length, ONE_CELL, f"argument {number}")
        axes = (*state.axes[:axis], (Factor(self.steps.length, motion=motion),), *state.axes[axis + 1 :])
        held = self.steps.hold(replace(state, axes=axes), aval)
        self.steps.remember([], [(same, [held], (0, held))])
        return held

    def follow(
        self,
        jaxpr: Jaxpr,
        constants: Sequence[ArrayValue],
        inputs: Sequence[Held[Value]],
        stack: Stack,
        within_path: Path,
    ) -> list[Held[Value]]:
        """Check the rows of a jaxpr's equations, including those inside calls, and return its outputs.

        `stack`: the calls around the jaxpr, innermost first. `within_path`: the path of the jaxpr.
        """

        def step(equation: JaxprEqn, operands: list[Held[Value]], path: Path) -> list[Held[Value]]:
            before, body = operands, entered(equation, operands)
            whole = body is None or self.is_abbreviated(path, body[0])
            if body is not None and not whole:
                operands = self.follow(*body, (equation, *stack), (*path, 0))
                before = [*before, *operands]
            row, rows_within = self.next_row(equation, path)
            results, problem = self.steps.check(equation, operands, row.outputs, whole=whole)
            problem = problem or self.misnamed_culprit(equation, stack, before, row, rows_within)
            if problem:
                self.problems.append(f"{self.title}, row {row.number} ({row.primitive}): {problem}")
            return results

        def constant(value: ArrayValue, aval: Shaped) -> Held[Value]:
            return self.steps.constant(aval, value)

        def literal(value: ArrayValue, aval: Shaped) -> Held[Value]:
            return self.steps.hold(self.steps.still(aval), aval, np.asarray(value, aval.dtype))

        return evaluate(
            jaxpr, constants, inputs, step, constant=constant, literal=literal, calls=False, path=within_path
        )

    def is_abbreviated(self, path: Path, body: Jaxpr) -> bool:
        """Whether the derivation leaves out the rows inside a call, so that it is executed as one equation."""
        return bool(body.eqns) and self.at < len(self.rows) and self.rows[self.at].path == path

    def misnamed_culprit(
        self,
        equation: JaxprEqn,
        stack: Stack,
        operands: Sequence[Held[Value]],
        row: Row,
        rows_within: Sequence[Row],
    ) -> str:
        """Return an objection to the culprits in a row's states, or the empty string."""
        before = [culprit for held in operands for culprit in culprits_of(held.state)]
        candidates = list(nested(equation, stack)) if rows_within else [(equation, *stack)]
        problems = (wrong_culprit(state, row, before, rows_within, candidates) for state in row.outputs)
        return next(filter(None, problems), "")

    def next_row(self, equation: JaxprEqn, path: Path) -> tuple[Row, Sequence[Row]]:
        """Return the row of an equation, and the rows inside it: loop bodies and branches, which are executed whole."""
        name, first = equation.primitive.name, self.at
        if called(equation) is None and any(True for _ in within(equation)):
            bodies = enumerate(within(equation))
            inside = {one: inner for body, jaxpr in bodies for one, inner in with_paths(jaxpr, (*path, body))}
            while self.at < len(self.rows) and len((inner := self.rows[self.at]).path) > len(path):
                there = inside.get(inner.path)
                kind = None if there is None else (there.primitive.name, len(there.outvars))
                if inner.number != self.at or (inner.primitive, len(inner.outputs)) != kind:
                    raise _MismatchError(f"row {self.at}: {inner.primitive} has a wrong number, or is not in {name}")
                self.at += 1
        if self.at == len(self.rows):
            raise _MismatchError(f"row {self.at}: the function has {name} here, but the derivation ends")
        row = self.rows[self.at]
        if row.primitive != name:
            raise _MismatchError(f"row {self.at}: the function has {name} here, but the derivation has {row.primitive}")
        if (row.number, row.path, len(row.outputs)) != (self.at, path, len(equation.outvars)):
            raise _MismatchError(f"row {self.at} ({name}): its number, path or number of results does not match {name}")
        self.at += 1
        self.bar.update(self.at - first)
        return row, self.rows[first : self.at - 1]
