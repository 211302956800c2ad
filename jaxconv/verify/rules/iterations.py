"""Loops with independent iterations: scans whose carries only collect terms that no such carry enters.

`jax.vmap` computes the terms of all iterations at once. The last carry is a reduction of them, or an array of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, Literal, jaxpr_as_fun
from jax.lax import ScatterDimensionNumbers

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.layout import has_own_vmap, is_conversion, opened, scan_sizes, with_outputs
from jaxconv.jaxprs.primitives import family
from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.traverse import equations
from jaxconv.jaxprs.typing import AnyJaxpr, Array, ArrayValue, Atom, aval_of, shape_of
from jaxconv.verify.domain import Broken, CannotProve, Moving, Value, main_state
from jaxconv.verify.factors import join
from jaxconv.verify.rule_table import Equation
from jaxconv.verify.rules.pointwise import widened
from jaxconv.verify.rules.reduction import COMMUTATIVE, without

Computed: TypeAlias = tuple[Value, np.ndarray | None]  # how a value moves, and its numbers if they are known


@dataclass(frozen=True)
class _Carry:
    """How a carry changes in an iteration: it stays, counts up by `step`, or collects `terms`.

    It combines the terms with itself. Or, if `axis` is a number, it writes the first term to the index along this axis
    that is the second term.
    """

    step: np.ndarray | None = None
    terms: tuple[Atom, ...] = ()
    axis: int | None = None


def independent(eqn: Equation[Value]) -> list[Value] | None:
    """The results of a scan with independent iterations, some of which may be broken; None for any other scan.

    - last carry = start * term of iteration 0 * term of iteration 1 * ..., for a commutative, associative operation. As
      in `reduction.reduction`, it does not depend on the order of the terms.
    - last carry = the array of the terms, if the iterations write one cell each, and every cell once.
    - Other carries stay, or count up. The results that are stacked depend on these carries only.

    Examples: lax.fori_loop(0, 8, lambda i, m: jnp.maximum(m, x[i]), 0.0) is invariant under cyclic shifts of x [8], and
    lax.fori_loop(0, 8, lambda i, y: y.at[i].set(2 * x[i]), y) moves with x.
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
    collecting = {jaxpr.invars[first + n] for n, carry in enumerate(kinds) if carry.terms}
    dependent = _reached(jaxpr, collecting)
    if len(kinds) < count or any(_is_variable(atom) and atom in dependent for atom in (*terms, *others)):
        return None
    inputs, known, axes = list(eqn.inputs), list(eqn.known), [None] * last + [0] * (len(eqn.inputs) - last)
    for place, carry in enumerate(kinds, first):
        start = eqn.known[place]
        if carry.step is not None and start is not None:
            numbers = np.asarray(start + carry.step * np.arange(length), start.dtype)
            known[place], axes[place] = numbers[::-1] if eqn.params["reverse"] else numbers, 0
            inputs[place] = eqn.walk.constant((length,))
    at_once = _of_all_iterations(eqn, jaxpr, [*terms, *others], axes)
    values, numbers = eqn.walk.follow_instead(at_once, inputs, known)
    computed = [(main_state(value), array) for value, array in zip(values, numbers, strict=True)]
    if any(isinstance(value, Broken) for value, _ in computed):
        return None
    results: list[Value] = []
    for number, carry in enumerate(kinds):
        found = [computed.pop(0) for _ in carry.terms]
        try:
            if carry.axis is None:
                results.append(_reduced(eqn, eqn.inputs[first + number], found, eqn.shapes[number]))
            else:
                results.append(_written(eqn, carry, found, eqn.shapes[number]))
        except CannotProve as lost:
            results.append(eqn.walk.broken(lost.reason, lost.cure))
    return [*results, *(value for value, _ in computed)]


def _carry(jaxpr: Jaxpr, place: int, number: int, start: np.ndarray | None) -> _Carry | None:
    """How the carry that is operand `place` of a body follows from the one before; None if in another way."""
    before, after = jaxpr.invars[place], jaxpr.outvars[number]
    makers = {variable: equation for equation in jaxpr.eqns for variable in equation.outvars}
    writer = None if isinstance(after, Literal) else makers.get(after)
    if writer is not None and writer.invars[0] is before and not guard.objection(writer):
        write = one_cell.get(writer.primitive.name)
        written = None if write is None else write(writer)
        if written is not None:
            return written
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


# What an equation writes that writes one cell along an axis of its first operand, by primitive; None for another one.
one_cell: Registry[Callable[[JaxprEqn], _Carry | None]] = Registry()


@one_cell("scatter")
def _scattered(equation: JaxprEqn) -> _Carry | None:
    operand, index, update = equation.invars
    numbers: ScatterDimensionNumbers = equation.params["dimension_numbers"]
    axes = numbers.inserted_window_dims
    cells = [length for n, length in enumerate(shape_of(operand)) if n not in axes]
    if shape_of(index) != (1,) or numbers.scatter_dims_to_operand_dims != axes or [*shape_of(update)] != cells:
        return None
    return _Carry(terms=(update, index), axis=axes[0])


@one_cell("dynamic_update_slice")
def _updated(equation: JaxprEqn) -> _Carry | None:
    operand, update, *starts = equation.invars
    pairs = zip(shape_of(update), shape_of(operand), strict=True)
    axes = [n for n, (length, whole) in enumerate(pairs) if length != whole]
    if len(axes) != 1 or shape_of(update)[axes[0]] != 1:
        return None
    return _Carry(terms=(update, starts[axes[0]]), axis=axes[0])


def _has_own_batching(eqn: Equation[Value]) -> bool:
    """Whether a body has a function whose author defines what `jax.vmap` makes of it, which may be anything."""
    inside = [equation for equation, _ in equations(eqn.params["jaxpr"])]
    return any(has_own_vmap(one) or one.primitive.name in family("followed nowhere") for one in inside)


def _is_variable(atom: Atom) -> bool:
    return not isinstance(atom, Literal)


def _keeps(equation: JaxprEqn) -> bool:
    """Whether an equation converts its operand to the dtype that it has."""
    dtypes = [aval_of(atom).dtype for atom in (*equation.invars, *equation.outvars)]
    return is_conversion(equation) and dtypes[0] == dtypes[1]


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


def _written(eqn: Equation[Value], carry: _Carry, terms: Sequence[Computed], shape: tuple[int, ...]) -> Value:
    """The array of the cells that all iterations write: these are along the first axis of the first of `terms`."""
    (cells, known), (_, places) = terms
    axis = carry.axis or 0
    places = np.zeros(0) if places is None else places.ravel()
    order = np.argsort(places)
    if not np.array_equal(places[order], np.arange(shape[axis])):
        raise CannotProve("writes to unknown cells, or not to every cell once", "Write every cell once")
    rest = [length for n, length in enumerate(shape) if n != axis]
    array = jax.ShapeDtypeStruct((len(order), *shape_of(carry.terms[0])), aval_of(carry.terms[0]).dtype)
    arranged: Callable[[jax.Array], Array] = lambda cells: jnp.moveaxis(cells.reshape(-1, *rest)[order], 0, axis)
    at_once = jax.make_jaxpr(arranged)(array)
    (result,), _ = eqn.walk.follow_instead(at_once, [cells], [known])
    return main_state(result)


def _reduced(eqn: Equation[Value], start: Value, terms: Sequence[Computed], shape: tuple[int, ...]) -> Value:
    """A start combined with the terms of all iterations, which are along the first axis of each of `terms`."""
    if not terms:
        return start
    values: list[Moving] = []
    for value in (start, *(value for value, _ in terms)):
        if not isinstance(value, Moving):
            raise CannotProve("accumulates values whose motion is unknown")
        values.append(value if value is start else widened(without(value, [0]), shape))
    return join(values, eqn.walk.new_signal())
