"""Loops that accumulate: scans whose carries are sums, products or extrema of terms that no such carry enters.

The terms of all iterations are independent, so `jax.vmap` computes them at once. The last carry is a reduction of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import cast

import jax
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, Literal, jaxpr_as_fun

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.layout import opened, scan_sizes, with_outputs
from jaxconv.jaxprs.primitives import family
from jaxconv.jaxprs.traverse import equations
from jaxconv.jaxprs.typing import AnyJaxpr, Array, ArrayValue, Atom, aval_of
from jaxconv.verify.domain import Broken, CannotProve, Moving, Value, main_state
from jaxconv.verify.factors import join
from jaxconv.verify.rule_table import Equation
from jaxconv.verify.rules.pointwise import widened
from jaxconv.verify.rules.reduction import COMMUTATIVE, without


@dataclass(frozen=True)
class _Carry:
    """How a carry changes in an iteration: it stays, counts up by `step`, or accumulates `terms`."""

    step: np.ndarray | None = None
    terms: tuple[Atom, ...] = ()


def accumulated(eqn: Equation[Value]) -> list[Value] | None:
    """The results of a scan that accumulates, some of which may be broken; None if it does anything else.

    last carry = start * term of iteration 0 * term of iteration 1 * ..., for a commutative, associative operation. As
    in `reduction.reduction`, it does not depend on the order of the terms. Other carries may stay, or count up.

    Example: lax.fori_loop(0, 8, lambda i, m: jnp.maximum(m, x[i]), x[0]) is invariant if max(x[0], *x) is.
    Theorem: `CertifierSums.permuted` in proofs/coq.
    Jaxpr: see `control.scan`.
    """
    jaxpr, closed_over = opened(eqn.params["jaxpr"])
    first, count = scan_sizes(eqn.params)
    last, length = first + count, int(eqn.params["length"])
    carries = [_carry(jaxpr, first + n, n, eqn.known[first + n]) for n in range(count)]
    if not length or closed_over or guard.impurity_of(eqn.params["jaxpr"]) or _has_own_batching(eqn):
        return None
    kinds = [carry for carry in carries if carry is not None]
    terms = [atom for carry in kinds for atom in carry.terms]
    others = jaxpr.outvars[count:]
    sums = {jaxpr.invars[first + n] for n, carry in enumerate(kinds) if carry.terms}
    if len(kinds) < count or not sums or not _reached(jaxpr, sums).isdisjoint(filter(_is_variable, [*terms, *others])):
        return None
    inputs, known, axes = list(eqn.inputs), list(eqn.known), [None] * last + [0] * (len(eqn.inputs) - last)
    for place, carry in enumerate(kinds, first):
        start = eqn.known[place]
        if carry.step is not None and start is not None:
            numbers = np.asarray(start + carry.step * np.arange(length), start.dtype)
            known[place], axes[place] = numbers[::-1] if eqn.params["reverse"] else numbers, 0
            inputs[place] = eqn.walk.constant((length,))
    at_once = _of_all_iterations(eqn, jaxpr, [*terms, *others], axes)
    computed = list(map(main_state, eqn.walk.follow_instead(at_once, inputs, known)))
    if any(isinstance(value, Broken) for value in computed):
        return None
    results: list[Value] = []
    for number, carry in enumerate(kinds):
        values = [computed.pop(0) for _ in carry.terms]
        try:
            results.append(_reduced(eqn, eqn.inputs[first + number], values, eqn.shapes[number]))
        except CannotProve as lost:
            results.append(eqn.walk.broken(lost.reason, lost.cure))
    return [*results, *computed]


def _carry(jaxpr: Jaxpr, place: int, number: int, start: np.ndarray | None) -> _Carry | None:
    """How the carry that is operand `place` of a body follows from the one before; None if in another way."""
    before, after = jaxpr.invars[place], jaxpr.outvars[number]
    makers = {variable: equation for equation in jaxpr.eqns for variable in equation.outvars}
    with_carry = _reached(jaxpr, {before})
    terms: list[Atom] = []
    names: set[str] = set()
    while after is not before:
        maker = None if isinstance(after, Literal) else makers.get(after)
        if maker is None or guard.objection(maker):
            return None
        changed = [atom for atom in maker.invars if _is_variable(atom) and atom in with_carry]
        if len(changed) != 1 or not (_keeps(maker) or maker.primitive.name in COMMUTATIVE):
            return None
        if not _keeps(maker):
            names.add(maker.primitive.name)
            terms += [atom for atom in maker.invars if atom is not changed[0]]
        (after,) = changed
    if len(names) > 1:
        return None
    if names == {"add"} and len(terms) == 1 and start is not None and not start.ndim:
        (step,) = terms
        if isinstance(step, Literal):
            value: ArrayValue = step.val
            return _Carry(step=np.asarray(value, start.dtype))
    return _Carry(terms=tuple(terms))


def _has_own_batching(eqn: Equation[Value]) -> bool:
    """Whether a body has a function whose author defines what `jax.vmap` makes of it, which may be anything."""
    names = {equation.primitive.name for equation, _ in equations(eqn.params["jaxpr"])}
    return not names.isdisjoint(family("followed nowhere") | {"call_hi_primitive"})


def _is_variable(atom: Atom) -> bool:
    return not isinstance(atom, Literal)


def _keeps(equation: JaxprEqn) -> bool:
    """Whether an equation converts its operand to the dtype that it has."""
    dtypes = [aval_of(atom).dtype for atom in (*equation.invars, *equation.outvars)]
    return equation.primitive.name == "convert_element_type" and dtypes[0] == dtypes[1]


def _reached(jaxpr: Jaxpr, variables: Collection[Atom]) -> set[Atom]:
    """The variables of a jaxpr that depend on some of its variables, and these."""
    reached = set(variables)
    for equation in jaxpr.eqns:
        if any(_is_variable(atom) and atom in reached for atom in equation.invars):
            reached.update(equation.outvars)
    return reached


def _of_all_iterations(
    eqn: Equation[Value], jaxpr: Jaxpr, outputs: Sequence[Atom], axes: Sequence[int | None]
) -> AnyJaxpr:
    """A body as a function of the operands of all iterations, with these outputs; stacked where `axes` is 0."""
    length: int = eqn.params["length"]
    body = cast("Callable[..., Sequence[Array]]", jaxpr_as_fun(with_outputs(jaxpr, outputs)))
    avals = [
        jax.ShapeDtypeStruct(aval.shape if axis is None else (length, *aval.shape), aval.dtype)
        for aval, axis in zip(map(aval_of, jaxpr.invars), axes, strict=True)
    ]
    return jax.make_jaxpr(jax.vmap(body, in_axes=[*axes], axis_size=length))(*avals)


def _reduced(eqn: Equation[Value], start: Value, terms: Sequence[Value], shape: tuple[int, ...]) -> Value:
    """A start combined with the terms of all iterations, which are along the first axis of each of `terms`."""
    if not terms:
        return start
    values: list[Moving] = []
    for value in (start, *terms):
        if not isinstance(value, Moving):
            raise CannotProve("accumulates values whose motion is unknown")
        values.append(value if value is start else widened(without(value, [0]), shape))
    return join(values, eqn.walk.new_signal())
