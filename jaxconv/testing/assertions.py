"""Assertions about shifts and actions. The result is a proof, an executed counterexample, or undecided."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast, overload

from jaxconv.checks import choice
from jaxconv.errors import public
from jaxconv.testing.action_assertions import PASS, Undecided, UndecidedWarning, assert_under_action
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.certify import SEARCHED, certify
from jaxconv.verify.claim_kinds import KINDS
from jaxconv.verify.claims import AxisReport, Claim, Culprit, KindName, LeafReport, Verdict, Witness
from jaxconv.verify.execution.actions import Action, ActionName, refuse_beside_action
from jaxconv.verify.execution.counterexample import pixels
from jaxconv.verify.execution.falsify import ActionFalsification, Falsification, checked_request, falsify
from jaxconv.verify.report import factors, where
from jaxconv.verify.shifted_axes import Axes


@overload
def assert_equivariant(
    fn: Callable[..., Any],
    *arguments: Any,
    axes: Axes,
    action: None = None,
    kind: KindName = ...,
    shift: int | None = ...,
    undecided: Undecided = ...,
    values: bool = ...,
    examples: int = ...,
    seed: int = ...,
) -> Certificate: ...
@overload
def assert_equivariant(
    fn: Callable[..., Any],
    *arguments: Any,
    axes: Axes | None = None,
    action: Action,
    undecided: Undecided = ...,
    values: bool = ...,
    examples: int = ...,
    seed: int = ...,
) -> ActionFalsification: ...
@public
def assert_equivariant(
    fn: Callable[..., Any],
    *arguments: Any,
    axes: Axes | None = None,
    action: Action | None = None,
    kind: KindName = "cyclic",
    shift: int | None = None,
    undecided: Undecided = "fail",
    values: bool = False,
    examples: int = 100,
    seed: int = 0,
) -> Certificate | ActionFalsification:
    """Assert that shifting the input shifts every output, `f(roll(x, k*s)) == roll(f(x), k*t)` for some lattice s -> t.

    A claim that `certify` proves passes. A claim that it refutes fails, with the culprit line, the executed
    counterexample and the fix. For an undecided claim `falsify` searches for a violation. A violation fails; otherwise
    `undecided` decides. Inputs of more than 2**16 cells are not executed and count as undecided.
    An output that does not move passes: invariance is equivariance with t = 0. `certify` does not report lattices with
    shifts by more than half of the input.

    With an action, the law is `f(g x) == g f(x)` for each of its elements g. No proof covers it, so `falsify` searches
    for a violation: one fails, and a search without one passes. If the output is the same for every example, nothing
    was tested, and `undecided` decides.

    Args:
        fn: any JAX function of arrays.
        arguments: as for `certify`: arrays, shapes, or pytrees of them. Small shapes make counterexamples readable.
        axes: as for `certify`.
        action: as for `falsify`; it excludes `kind` and `shift`.
        kind: "cyclic", or "interior" for shifts at which new content enters at the border.
        shift: the number of cells of the asserted shifts, 1 for every shift. None: the lattice that is proved.
        undecided: "fail" or "pass" without a proof and without a violation; "pass" warns with `UndecidedWarning`.
        values: as for `certify`: assert for these parameters only, instead of all.
        examples: as for `falsify`.
        seed: seed of the searches.

    Returns:
        The certificate; with an action, the `ActionFalsification`.

    Raises:
        AssertionError: the function is not equivariant, or neither proved nor refuted.
        ValueError: an argument that `certify` or `falsify` refuses, or an unknown `undecided`.

    Law: a function that fails with a counterexample is not equivariant: replaying the counterexample shows it.

    >>> import jax, jaxconv as jc
    >>> from jaxconv.testing import assert_equivariant
    >>> params = jc.init_conv(jax.random.key(0), (3, 3), 1, 2)
    >>> x = jax.ShapeDtypeStruct((1, 6, 8, 1), "float32")
    >>> certificate = assert_equivariant(lambda x: jc.conv(params, x, padding="circular"), x, axes=(1, 2), shift=1)
    >>> assert_equivariant(lambda x: jc.conv(params, x, padding="same"), x, axes=(1, 2))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: <lambda> is not equivariant: cyclic shifts along axis 1 of argument 0 (6 cells) have no ...
    >>> searched = assert_equivariant(lambda x: x * x[:, ::-1], x, action="flip", axes=(1, 2))
    >>> searched.counterexample is None, searched.elements
    (True, 3)

    Source: Cohen and Welling, Group equivariant convolutional networks, ICML 2016, section 2.
    """
    __tracebackhide__ = True
    if action is not None:
        refuse_beside_action(kind=(kind, "cyclic"), shift=(shift, None))
        return assert_under_action(fn, arguments, axes, action, False, undecided, values, examples, seed)
    return _assert(fn, arguments, cast(Axes, axes), kind, shift, False, undecided, values, examples, seed)


@overload
def assert_invariant(
    fn: Callable[..., Any],
    *arguments: Any,
    axes: Axes,
    action: None = None,
    kind: KindName = ...,
    shift: int | None = ...,
    undecided: Undecided = ...,
    values: bool = ...,
    examples: int = ...,
    seed: int = ...,
) -> Certificate: ...
@overload
def assert_invariant(
    fn: Callable[..., Any],
    *arguments: Any,
    axes: Axes | None = None,
    action: ActionName,
    undecided: Undecided = ...,
    values: bool = ...,
    examples: int = ...,
    seed: int = ...,
) -> ActionFalsification: ...
@public
def assert_invariant(
    fn: Callable[..., Any],
    *arguments: Any,
    axes: Axes | None = None,
    action: ActionName | None = None,
    kind: KindName = "cyclic",
    shift: int | None = None,
    undecided: Undecided = "fail",
    values: bool = False,
    examples: int = 100,
    seed: int = 0,
) -> Certificate | ActionFalsification:
    """Assert that shifting the input changes no output, `f(roll(x, k*s)) == f(x)`.

    As `assert_equivariant`, but an output that moves fails.

    Args:
        fn: any JAX function of arrays.
        arguments: as for `assert_equivariant`.
        axes: as for `assert_equivariant`.
        action: the name of an action, as for `falsify`; for a pair of functions, assert equivariance.
        kind: as for `assert_equivariant`.
        shift: as for `assert_equivariant`.
        undecided: as for `assert_equivariant`.
        values: as for `assert_equivariant`.
        examples: as for `assert_equivariant`.
        seed: as for `assert_equivariant`.

    Returns:
        The certificate; with an action, the `ActionFalsification`.

    Raises:
        AssertionError: the function is not invariant, or neither proved nor refuted.
        ValueError: as for `assert_equivariant`.

    Law: a function that fails with a counterexample is not invariant: replaying the counterexample shows it.

    >>> import jax, jaxconv as jc
    >>> from jaxconv.testing import assert_invariant
    >>> x = jax.ShapeDtypeStruct((1, 6, 8, 1), "float32")
    >>> assert_invariant(jc.global_avg_pool, x, axes=(1, 2), shift=1).cyclic.value
    'PROVED'
    """
    __tracebackhide__ = True
    if action is not None:
        refuse_beside_action(kind=(kind, "cyclic"), shift=(shift, None))
        return assert_under_action(fn, arguments, axes, action, True, undecided, values, examples, seed)
    return _assert(fn, arguments, cast(Axes, axes), kind, shift, True, undecided, values, examples, seed)


def _assert(
    fn: Callable[..., Any],
    arguments: tuple[Any, ...],
    axes: Axes,
    kind: KindName,
    shift: int | None,
    invariant: bool,
    undecided: Undecided,
    values: bool,
    examples: int,
    seed: int,
) -> Certificate:
    """Check the claims one by one. Searches run only for claims that are not proved."""
    __tracebackhide__ = True
    choice("undecided", undecided, ("fail", "pass"))
    request = {"kind": kind, "shift": shift, "values": values, "examples": examples, "seed": seed}
    shift, examples, seed = checked_request(fn, arguments, axes, **request)
    certificate = certify(fn, *arguments, axes=axes, values=values, search=False)
    failing = [
        (leaf, axis)
        for leaf, report in enumerate(certificate.leaves)
        for axis, axis_report in enumerate(report.axes)
        if not _holds(axis_report.claims[kind], shift, invariant)
    ]
    if not failing:
        return certificate
    searched = certify(fn, *arguments, axes=axes, values=values, search=not invariant, seed=seed)
    cells = [
        math.prod(arguments[number].shape) for leaf, axis in failing for number, _ in _shifted(searched, leaf, axis)
    ]
    small = max(cells) <= SEARCHED
    violated, open_ = [], []
    for leaf, axis in failing:
        single = _single(searched, leaf, axis)
        settings = {"kind": kind, "shift": shift, "invariant": invariant, "values": values, "examples": examples}
        tried = falsify(fn, *arguments, axes=axes, certificate=single, seed=seed, **settings) if small else None
        report = searched.leaves[leaf]
        claim = report.axes[axis].claims[kind]
        refuted = claim.verdict == Verdict.REFUTED and _refutes(report.axes[axis], kind, shift)
        text = _report(report, report.axes[axis], claim, shift, invariant, tried, kind, refuted)
        (violated if refuted or (tried and tried.counterexample) else open_).append(text)
    law = "invariant" if invariant else "equivariant"
    name = certificate.function
    if violated:
        raise AssertionError("\n\n".join(f"{name} is not {law}: {text}" for text in violated))
    texts = "\n\n".join(f"{name} is neither proved nor refuted to be {law}: {text}" for text in open_)
    if undecided == "fail":
        raise AssertionError(f"{texts}\n\n{PASS}")
    warnings.warn(texts, UndecidedWarning, stacklevel=3)
    return searched


def _shifted(certificate: Certificate, leaf: int, axis: int) -> tuple[tuple[int, int], ...]:
    return certificate.leaves[leaf].axes[axis].shifted


def _holds(claim: Claim, shift: int | None, invariant: bool) -> bool:
    """Whether the claim proves the assertion."""
    if claim.verdict != Verdict.PROVED or claim.shift is None or (invariant and claim.moves):
        return False
    return shift is None or shift % claim.shift == 0


def _refutes(axis: AxisReport, kind: KindName, shift: int | None) -> bool:
    """Whether a refuted claim applies to a shift."""
    if shift is None:
        return True
    size = shift % axis.length if KINDS[kind].wraps else abs(shift)
    return 0 < size <= KINDS[kind].covered(axis.length)


def _single(certificate: Certificate, leaf: int, axis: int) -> Certificate:
    """The certificate restricted to one leaf and one axis. The leaves keep their numbers."""
    leaves = [replace(report, axes=()) for report in certificate.leaves]
    leaves[leaf] = replace(leaves[leaf], axes=certificate.leaves[leaf].axes[axis : axis + 1])
    return replace(certificate, leaves=tuple(leaves))


def _report(
    leaf: LeafReport,
    axis: AxisReport,
    claim: Claim,
    shift: int | None,
    invariant: bool,
    tried: Falsification | None,
    kind: KindName,
    refuted: bool,
) -> str:
    """The text of a failure: the violated claim, the culprit line, the witness and the fix."""
    where = " and ".join(f"axis {number} of argument {argument}" for argument, number in axis.shifted)
    start = f"{kind} shifts along {where} ({axis.length} cells)"
    output = f"output{leaf.path} {leaf.shape}"
    cure = claim.culprit.cure if claim.culprit else ""
    if claim.verdict == Verdict.PROVED and invariant and claim.moves:
        by = " and ".join(f"by {t} along its axis {number}" for number, t in claim.moves)
        lines = [f"{start} by {claim.shift} move {output} {by}"]
        cure = "Reduce over the axis that moves, as jc.global_avg_pool does, or assert that the output is equivariant"
    elif claim.verdict == Verdict.PROVED and shift is not None:
        lines = [f"{start} by {shift} are not proved for {output}; shifts by {claim.shift} are"]
        lines += factors(claim)
        cure = f"Assert shift={claim.shift}, or remove the strides whose product it is"
    elif refuted:
        lines = [f"{start} have no counterpart in {output}"]
    elif tried is not None and tried.counterexample is not None:
        lines = [f"{start} change {output}" if invariant else f"{start} do not move {output} according to its law"]
    else:
        lines = [f"{start} of {output}"]
    if claim.culprit is not None:
        lines += _culprit(claim.culprit)
    if tried is not None and tried.counterexample is not None:
        lines += [f"law:      {tried.counterexample.law}", *_witness(str(tried.counterexample).splitlines())]
    elif claim.witness is not None:
        lines += _witness(_executed(axis, claim.witness))
    elif tried is None:
        lines.append(f"searched: nothing, since the input has more than {SEARCHED} cells; use a smaller input")
    else:
        lines += [] if tried.responded else [line.strip() for line in str(tried).splitlines()[-1:]]
        lines.append(f"searched: no violation in {tried.examples} examples with {tried.shifts} shifts each")
    return "\n  ".join([*lines, f"cure:     {cure}"] if cure else lines)


def culprit_lines(axis: AxisReport, claim: Claim) -> list[str]:
    """The culprit line of a claim, the executed counterexample if there is one, and the fix."""
    lines = [] if claim.culprit is None else _culprit(claim.culprit)
    lines += [] if claim.witness is None else _witness(_executed(axis, claim.witness))
    return [*lines, f"cure:     {claim.culprit.cure}"] if claim.culprit and claim.culprit.cure else lines


def _executed(axis: AxisReport, witness: Witness) -> list[str]:
    first = f"shift by {witness.shift}: f(shifted){list(witness.position)} is off by {witness.error:.6g} at least"
    return [first, *(f"argument {number}: {pixels(witness.arguments[number])}" for number, _ in axis.shifted)]


def _culprit(culprit: Culprit) -> list[str]:
    first, *others = where(culprit)
    return [f"culprit:  {first}", *(f"          {line}" for line in [*others, culprit.reason])]


def _witness(lines: list[str]) -> list[str]:
    first, *others = lines
    return [f"witness:  {first}", *(f"          {line}" for line in others)]
