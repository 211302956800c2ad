"""Calls with a derivative of their own, such as `jax.nn.relu`, which chunks keep.

JAX holds such a derivative as a function of arrays of the traced shapes. So it is traced at both lengths, too, and
followed like any other function. This is for calls that compute each position of the signal by itself. The equations of
other calls are followed one by one, and differentiated as they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn

from jaxconv.apply.streaming.segment import Segment
from jaxconv.apply.streaming.values import Constant, Part, Signal, Value
from jaxconv.jaxprs.layout import entered, trace
from jaxconv.jaxprs.primitives import PRIMITIVES, Primitive
from jaxconv.jaxprs.traverse import equations
from jaxconv.jaxprs.typing import ArrayValue, Atom, aval_of, shape_of

Traced: TypeAlias = tuple[Jaxpr, Sequence[ArrayValue]]  # a jaxpr and its constants
Traces: TypeAlias = tuple[Traced, Traced]  # at the two lengths
Follow: TypeAlias = Callable[[Traces, Sequence[Value]], list[Value]]
BY_POSITION = {
    "broadcast_in_dim", "transpose", "squeeze", "dot_general", "reduce_sum", "reduce_max", "reduce_min", "argmax",
}  # fmt: skip


def has_own_derivative(equation: JaxprEqn, inputs: Sequence[Value]) -> bool:
    """Whether an equation is a call with a derivative of its own, which `with_derivative` can keep.

    A reverse rule adds the cotangents of parameters over all positions, so it is kept for signals alone.
    """
    forward, reverse = (equation.primitive.name == name for name in ("custom_jvp_call", "custom_vjp_call"))
    varying = sum(isinstance(value, Signal | Constant) for value in inputs)
    real = all(jnp.issubdtype(aval_of(atom).dtype, jnp.inexact) for atom in equation.invars)
    if any(isinstance(value, Part) for value in inputs) or not (forward or reverse) or not varying or not real:
        return False
    return (forward or varying == len(inputs)) and _is_by_position(equation)


def _is_by_position(equation: JaxprEqn) -> bool:
    """Whether a call computes each position by itself, as far as the names of its operations tell."""
    body = entered(equation, equation.invars)
    inner = [] if body is None else [one for one, _ in equations(body[0]) if entered(one, one.invars) is None]
    rows = {one.primitive.name: PRIMITIVES.get(one.primitive.name, Primitive("unknown")) for one in inner}
    return all(row.family in ("pointwise", "identity") or name in BY_POSITION for name, row in rows.items())


def with_derivative(
    equation: JaxprEqn, other: JaxprEqn, inputs: Sequence[Value], segment: Segment, follow: Follow
) -> list[Value]:
    """The results of a call, with its own derivative.

    Args:
        equation: the call in the first trace.
        other: the same in the second.
        inputs: its operands.
        segment: the segment of the stream.
        follow: returns the results of a jaxpr that was traced at both lengths.
    """
    signals = iter(segment.aligned(inputs))
    operands = [next(signals) if isinstance(value, Signal | Constant) else value for value in inputs]
    arrays = [_array(value) for value in operands]
    results: list[Value] = []

    def followed(traces: Traces, like: Sequence[Value], given: Sequence[ArrayValue]) -> list[ArrayValue]:
        found = follow(traces, [_with(value, array) for value, array in zip(like, given, strict=True)])
        results[:] = results or found
        return [_array(value) for value in found]

    def call(*own: ArrayValue) -> list[ArrayValue]:
        one, two = entered(equation, own), entered(other, own)
        if one is None or two is None:
            raise TypeError(equation)
        return followed((one[:2], two[:2]), operands[len(operands) - len(one[2]) :], one[2])

    jax.eval_shape(call, *arrays)
    if equation.primitive.name == "custom_jvp_call":
        derived = jax.custom_jvp(call)

        @derived.defjvp
        def forward(primals: Sequence[ArrayValue], tangents: Sequence[ArrayValue]):
            jvp = lambda one: lambda p, t: jax.jvp(_function(one), p, t)
            traces = _both(equation, other, lambda one: trace(jvp(one), [_shapes(one.invars)] * 2)[:2])
            both = followed(traces, [*operands, *operands], [*primals, *tangents])
            return both[: len(results)], both[len(results) :]
    else:
        derived = jax.custom_vjp(call)

        def backward(primals: Sequence[ArrayValue], cotangents: Sequence[ArrayValue]):
            vjp = lambda one: lambda p, c: jax.vjp(_function(one), *p)[1](c)
            shapes = lambda one: [_shapes(one.invars), list(_shapes(one.outvars))]
            traces = _both(equation, other, lambda one: trace(vjp(one), shapes(one))[:2])
            return tuple(followed(traces, [*operands, *results], [*primals, *cotangents]))

        derived.defvjp(lambda *primals: (call(*primals), primals), backward)
    return [_with(value, array) for value, array in zip(results, derived(*arrays), strict=True)]


def _both(equation: JaxprEqn, other: JaxprEqn, traced: Callable[[JaxprEqn], Traced]) -> Traces:
    return traced(equation), traced(other)


def _function(equation: JaxprEqn) -> Callable[..., list[ArrayValue]]:
    """The call as a function of arrays of the traced shapes."""
    params = equation.primitive.get_bind_params(equation.params)
    return lambda *operands: equation.primitive.bind(*operands, **params)


def _shapes(atoms: Sequence[Atom]) -> tuple[jax.ShapeDtypeStruct, ...]:
    return tuple(jax.ShapeDtypeStruct(shape_of(atom), aval_of(atom).dtype) for atom in atoms)


def _array(value: Value) -> ArrayValue:
    return value.array if isinstance(value, Signal) else value


def _with(value: Value, array: ArrayValue) -> Value:
    return replace(value, array=array) if isinstance(value, Signal) else array
