"""Rules for primitives that reduce, sort or scan along an axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

import jax
import jax.numpy as jnp

from jaxconv.jaxprs.layout import opened, trace
from jaxconv.jaxprs.primitives import named
from jaxconv.jaxprs.typing import AnyJaxpr, aval_of, shape_of
from jaxconv.verify.domain import CannotProve, Moving, Plain, everywhere, fit, is_moving, length_of, renamed
from jaxconv.verify.factors import also_on, check_whole_periods, invariant_axis, join
from jaxconv.verify.fold import order_of
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules import bands, rows_of_reshapes
from jaxconv.verify.rules.advancing_rows import in_order

LOG_SUMS = (jnp.logaddexp, jnp.logaddexp2)
COMMUTATIVE = named(lambda row: row.commutative)


def without(value: Moving, axes: Iterable[int]) -> Moving:
    """A value after a commutative reduction over some of its axes.

    A reduction over whole periods of a periodic signal does not depend on where the period starts. So the result does
    not move along that axis any more. An interior walk has no periodic signals, and a reduction over a moving axis
    includes its border.
    """
    dropped = set(axes)
    depends = value.depends
    for number in dropped:
        axis = value.axes[number]
        if not is_moving(axis):
            continue
        check_whole_periods(value, number)
        depends = True
    kept = replace(value, axes=tuple(a for n, a in enumerate(value.axes) if n not in dropped), depends=depends)
    return everywhere(kept) if depends else kept


@rule("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "reduce_xor")
def reduction(eqn: Equation[Moving]) -> list[Moving]:
    """out = the sum (or max, ...) of x over `axes`. If one of them moves, it must show whole periods.

    Over rows of a reshape, it is a function of parts of the axis before the reshape: see `rows_of_reshapes.py`. In the
    interior, it may be over the cells of a band: see `bands.py`.

    Over an axis of no cells, it is a constant.

    Example: x.sum(1) is invariant under cyclic shifts along axis 1, and x.sum(2) keeps the motion along axis 1.
    Theorems: `CertifierSums.permuted` and `CertifierSums.mixed_local` in proofs/coq.
    Jaxpr: `axes`.
    """
    (value,) = eqn.moving()[:1]
    dropped: Sequence[int] = eqn.params["axes"]
    if any(length_of(value.axes[number]) == 0 for number in dropped):
        return [Moving(1, value.cycle, tuple(invariant_axis(length, 1) for length in eqn.shapes[0]))]
    try:
        return [renamed(without(value, dropped), (eqn.name, dropped))]
    except CannotProve:
        for other in (rows_of_reshapes.reduced, _over_a_band):
            with suppress(CannotProve):
                return [other(eqn)]
        raise


def _over_a_band(eqn: Equation[Moving]) -> Moving:
    """A reduction of an operand that is one known number outside a band. See `bands.py`."""
    return bands.reduced(eqn, eqn.moving()[0], eqn.params["axes"], bands.background(eqn.settled(0)))


@rule("reduce")
def reduce(eqn: Equation[Moving]) -> list[Moving]:
    """out_i = the operands reduced over `dimensions` by a function of the user, from an initial value.

    Along axes that do not move, the function may be any. Over whole periods of an axis that moves, each result must be
    its own operand's sum, product, maximum, minimum, or bitwise reduction, which do not depend on the order. So does
    the logarithm of a sum of exponentials, by `jnp.logaddexp`.

    Example: lax.reduce(x, 0.0, lax.add, (1,)) is invariant under cyclic shifts along axis 1.
    Theorems: `CertifierSums.permuted` and `CertifierSums.mixed_local` in proofs/coq.
    Jaxpr: the operands, then an initial value for each; `jaxpr`, `dimensions`.
    """
    count = len(eqn.shapes)
    axes: Sequence[int] = eqn.params["dimensions"]
    operands, starts = eqn.moving()[:count], eqn.moving()[count:]
    if not any(is_moving(operand.axes[number]) for operand in operands for number in axes):
        joined = join(operands, eqn.walk.new_signal())
        return [renamed(also_on(without(joined, axes), starts), n) for n in range(count)]
    adds_exponentials = count == 1 and _is_log_sum(eqn.params["jaxpr"])
    if not adds_exponentials and not all(_is_commutative(eqn.params["jaxpr"], number) for number in range(count)):
        reason = "reduces over the shifted axis by a function that may depend on the order of the cells"
        raise CannotProve(reason, "Reduce by lax.add, lax.mul, lax.max or lax.min, one operand at a time")
    reduced = [also_on(without(value, axes), [start]) for value, start in zip(operands, starts, strict=True)]
    return [renamed(value, eqn.walk.new_signal()) for value in reduced]


def _is_commutative(closed: AnyJaxpr, number: int) -> bool:
    """Whether a jaxpr of (a_1, ..., a_n, b_1, ..., b_n) returns a_i * b_i for a commutative, associative operation."""
    jaxpr, _ = opened(closed)
    a, b = jaxpr.invars[number], jaxpr.invars[number + len(jaxpr.outvars)]
    makers = [equation for equation in jaxpr.eqns if jaxpr.outvars[number] in equation.outvars]
    return len(makers) == 1 and makers[0].primitive.name in COMMUTATIVE and makers[0].invars in ([a, b], [b, a])


def _is_log_sum(closed: AnyJaxpr) -> bool:
    """Whether a jaxpr of (a, b) is that of log(exp(a) + exp(b)), which is commutative and associative."""
    jaxpr, constants = opened(closed)
    if constants or len(jaxpr.invars) != 2:
        return False
    pair = [jax.ShapeDtypeStruct(shape_of(variable), aval_of(variable).dtype) for variable in jaxpr.invars]
    return any(str(jaxpr) == str(trace(function, pair)[0]) for function in LOG_SUMS)


@rule("argmax", "argmin")
def index_of_extreme(eqn: Equation[Moving]) -> list[Moving]:
    """The index of the largest (or smallest) cell along `axes`, which must not move: the index would shift too.

    Example: jnp.argmax(x, 2) keeps the motion along axis 1.
    Theorem: `CertifierAxis.local_still` in proofs/coq.
    Jaxpr: `axes`; `index_dtype`, in which an index may wrap.
    """
    (value,) = eqn.moving()[:1]
    axes: Sequence[int] = eqn.params["axes"]
    for number in axes:
        if is_moving(value.axes[number]):
            raise CannotProve(f"{eqn.name} over the shifted axis: the index of the extremum shifts with the input")
    key = (eqn.name, eqn.params["axes"], str(eqn.params["index_dtype"]))
    return [renamed(without(value, eqn.params["axes"]), key)]


@rule("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def cumulative(eqn: Equation[Moving]) -> list[Moving]:
    """out[j] = sum over i <= j of x[i] along `axis`, which must not move. The other axes keep their motion.

    Example: jnp.cumsum(x, 2) keeps the motion along axis 1.
    Theorem: `CertifierAxis.local_still` in proofs/coq.
    Jaxpr: `axis`, `reverse`.
    """
    return [_mixed(eqn.moving(), eqn.params["axis"], eqn)]


@rule("sort")
def sort(eqn: Equation[Moving]) -> list[Plain]:
    """The operands sorted along `dimension` by the first `num_keys` of them, the keys.

    The dimension does not move, or it shows whole periods of all keys, which move together. Whole periods have the same
    tuples of keys wherever they start, so the sorted keys do not move. The other operands follow the keys. Where the
    keys are equal, their order depends on where the axis starts, so nothing is known about them. Keys that compare
    equal may differ in their bits: -0 and 0, and NaNs. These are one number here. If the keys are known and differ,
    their order is known, and all operands are read in this order.

    Example: jnp.sort(x, 1) is invariant under cyclic shifts along axis 1.
    Theorems: `CertifierSums.permuted`, `CertifierSums.mixed_local` and `CertifierWeigh.weigh_local` in proofs/coq.
    Jaxpr: `dimension`, `num_keys`.
    """
    operands = eqn.moving()
    number: int = eqn.params["dimension"]
    keys = operands[: eqn.params["num_keys"]]
    known = [numbers for numbers in eqn.known[: len(keys)] if numbers is not None]
    order = order_of(known, number) if len(known) == len(keys) else None
    if order is not None and (order == order[:, :1]).all():
        return [fit(renamed(in_order(eqn, value, number, order[:, 0]), eqn.walk.new_signal())) for value in operands]
    if any(is_moving(key.axes[number]) for key in keys):
        ordered = _in_any_order(join(keys, eqn.walk.new_signal()), number, eqn.shapes[0][number])
        reason = f"{eqn.name} along the shifted axis: where keys are equal, the others depend on where the axis starts"
        others = [eqn.walk.broken(reason, "Use the keys only, or make everything a key")] * (len(operands) - len(keys))
        return [*(renamed(ordered, eqn.walk.new_signal()) for _ in keys), *others]
    mixed = _mixed(operands, number, eqn)
    return [renamed(mixed, n) for n in range(len(eqn.shapes))]


@rule("top_k")
def top_k(eqn: Equation[Moving]) -> list[Plain]:
    """The k largest cells along the last axis (or `axis`), and their indices.

    The axis must not move, or hold whole periods. A whole period has the same cells wherever it starts, so the largest
    cells are invariant, as for `sort`. Their indices move with the cells.

    Example: lax.top_k(x, 2) of x [n, w, c] keeps the motion along w.
    Theorem: `CertifierAxis.local_still` in proofs/coq, for an axis that does not move.
    Jaxpr: `axis`; if it is absent, the last axis.
    """
    (value,) = eqn.moving()[:1]
    number: int = eqn.params.get("axis", -1) % len(value.axes)
    if is_moving(value.axes[number]):
        largest = renamed(_in_any_order(value, number, eqn.shapes[0][number]), eqn.walk.new_signal())
        reason = "the indices of the largest cells along the shifted axis move with the cells"
        return [largest, eqn.walk.broken(reason, "Use the values, not the indices")]
    mixed = _mixed([value], number, eqn)
    mixed = mixed.with_axis(number, invariant_axis(eqn.shapes[0][number]))
    return [renamed(mixed, n) for n in range(len(eqn.shapes))]


def _in_any_order(value: Moving, number: int, length: int) -> Moving:
    """A function with `length` results of the cells along one axis that does not depend on their order."""
    return without(value, [number]).with_new_axis(number, invariant_axis(length))


def _mixed(values: Sequence[Moving], number: int, eqn: Equation[Moving]) -> Moving:
    """A function of values of one shape that mixes cells along one axis, which must not move."""
    for value in values:
        if is_moving(value.axes[number]):
            raise CannotProve(
                f"{eqn.name} along the shifted axis: the result depends on where the axis starts",
                f"Use {eqn.name} along another axis",
            )
    joined = join(values, eqn.walk.new_signal())
    return joined.with_axis(number, invariant_axis(length_of(joined.axes[number])))
