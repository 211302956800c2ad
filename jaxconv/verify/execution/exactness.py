"""Integer mode: test whether every operation is exact on the given values, so that a comparison needs no tolerance.

A float is `i * 2^g` with a whole number i. An operation is exact if its exact result needs no more bits than the dtype
has (24 in float32). The number of bits is computed from the values: from the largest magnitude of the result down to
the finest bit of the operands. For a sum, the magnitude is the sum of the terms' absolute values, which bounds every
partial sum in every order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.evaluate import Path, evaluate, executed
from jaxconv.jaxprs.primitives import NEVER, PRODUCTS, SUM
from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.source import source_line
from jaxconv.jaxprs.traverse import steps
from jaxconv.jaxprs.typing import ArrayValue, aval_of
from jaxconv.verify.execution.tolerance import is_kind

TOO_WIDE = 2**14  # excess bits of an operation that is not exact on whole numbers, or that cannot be analysed
Bits: TypeAlias = jax.Array | int


def with_excess(
    jaxpr: Jaxpr, consts: Sequence[ArrayValue], operands: Sequence[ArrayValue], live: Sequence[bool]
) -> tuple[list[ArrayValue], jax.Array]:
    """The outputs, and the excess of each equation: the bits that its values need beyond those of its dtype.

    An equation with an excess of 0 or less is exact. `live` says which operands change with the shift. Values that
    depend on none of them are the same on both sides of the comparison, exact or not.
    """
    alive = iter(depends(jaxpr, live))
    excess: list[jax.Array] = []

    def step(equation: JaxprEqn, inputs: list[ArrayValue], _: Path) -> list[ArrayValue]:
        outputs = executed(equation, inputs)
        floats = [y for y in outputs if is_kind(y, np.inexact)]
        counted = next(alive) and floats and guard.rounds(equation) != NEVER
        excess.append(_excess(equation, inputs, floats[0]) if counted else jnp.int32(-TOO_WIDE))
        return outputs

    outputs = evaluate(jaxpr, consts, operands, step)
    return outputs, jnp.stack(excess) if excess else jnp.zeros(0, jnp.int32)


def blame(jaxpr: Jaxpr, excess: np.ndarray) -> str:
    """A message that names the first operation that is not exact, and why; empty if all are exact."""
    for (equation, stack), bits in zip(steps(jaxpr), excess, strict=True):
        if bits > 0:
            kind = aval_of(equation.outvars[0]).dtype
            where = f"{equation.primitive.name} at {source_line(equation, stack)}"
            if bits >= TOO_WIDE // 2:
                return f"not exact: {where} does not keep numbers whole, or cannot be analysed"
            return f"not exact: {where} needs {bits + _digits(kind)} bits, and {kind} holds {_digits(kind)}"
    return ""


def depends(jaxpr: Jaxpr, live: Sequence[bool]) -> list[bool]:
    """Whether each step of `evaluate`, in order, depends on a live operand."""
    dependent: list[bool] = []

    def step(equation: JaxprEqn, inputs: list[bool], _: Path) -> list[bool]:
        dependent.append(any(inputs))
        return [any(inputs)] * len(equation.outvars)

    evaluate(jaxpr, jaxpr.constvars, live, step, constant=lambda value, aval: False)
    return dependent


def _excess(equation: JaxprEqn, inputs: list[ArrayValue], output: ArrayValue) -> jax.Array:
    """The number of bits that the result needs beyond those of its dtype."""
    name, how, holds = guard.lax_name(equation), guard.rounds(equation), _digits(output.dtype)
    if not is_kind(output, np.floating) or guard.objection(equation):
        return jnp.int32(TOO_WIDE)
    if name in needs:
        bits = needs[name](equation, inputs, output)
    elif how in (SUM, PRODUCTS):
        terms = [jnp.abs(x) if is_kind(x, np.floating) else x for x in inputs]
        (total,) = executed(equation, terms)
        top = _top(total)
        parts = [_finest(x) for x in inputs if is_kind(x, np.floating)]
        bits = top - (sum(parts) if how == PRODUCTS else _least(parts))
    else:
        return jnp.int32(TOO_WIDE)
    whole = jnp.all(jnp.isfinite(output))
    return jnp.where(whole, bits - holds, TOO_WIDE).astype(jnp.int32)


def _least(parts: Sequence[jax.Array]) -> jax.Array:
    """The least of several traced numbers."""
    return functools.reduce(jnp.minimum, parts)


# The number of bits that a result needs, by primitive: from its largest magnitude down to its operands' finest bit.
needs: Registry[Callable[[JaxprEqn, list[ArrayValue], ArrayValue], Bits]] = Registry()


@needs("add", "add_any", "sub", "rem")
def _sum(equation: JaxprEqn, inputs: list[ArrayValue], y: ArrayValue) -> Bits:
    return _top(y) - _least([_finest(x) for x in inputs])


@needs("mul")
def _product(equation: JaxprEqn, inputs: list[ArrayValue], y: ArrayValue) -> Bits:
    return _top(y) - _finest(inputs[0]) - _finest(inputs[1])


@needs("square")
def _square(equation: JaxprEqn, inputs: list[ArrayValue], y: ArrayValue) -> Bits:
    return _top(y) - 2 * _finest(inputs[0])


@needs("integer_pow")
def _power(equation: JaxprEqn, inputs: list[ArrayValue], y: ArrayValue) -> Bits:
    exponent = equation.params["y"]
    return TOO_WIDE if exponent < 0 else _top(y) - exponent * _finest(inputs[0])


@needs("div")
def _quotient(equation: JaxprEqn, inputs: list[ArrayValue], q: ArrayValue) -> Bits:
    """a/b is exact if q*b equals a and q*b is exact."""
    a, b = inputs
    exact = jnp.all(q * b == a)
    return jnp.where(exact, _top(q * b) - _finest(q) - _finest(b), TOO_WIDE)


@needs("convert_element_type")
def _converted(equation: JaxprEqn, inputs: list[ArrayValue], y: ArrayValue) -> Bits:
    """From integers, the result must have enough bits; from floats, the value must not change."""
    (x,) = inputs
    if not is_kind(x, np.floating):
        return _top(y)
    return jnp.where(jnp.all(y.astype(x.dtype) == x), 0, TOO_WIDE)


@needs("select_and_scatter_add")
def _placed(equation: JaxprEqn, inputs: list[ArrayValue], y: ArrayValue) -> Bits:
    """A cell receives at most one number from each window that covers it."""
    p = equation.params
    dilations = p.get("window_dilation", (1,) * len(p["window_dimensions"]))
    windows = math.prod(
        -(-(dilation * (taps - 1) + 1) // stride)
        for taps, dilation, stride in zip(p["window_dimensions"], dilations, p["window_strides"], strict=True)
    )
    placed = next(x for number, x in enumerate(inputs) if number in guard.row_of(equation).linear)
    return _top(placed) + math.ceil(math.log2(windows)) - _finest(placed)


def _parts(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The whole number i and the exponent e with x = i * 2^e, for floats x."""
    wide = x if x.dtype in (jnp.float32, jnp.float64) else x.astype(jnp.float32)
    mantissa, exponent = jnp.frexp(wide)
    digits = _digits(wide.dtype)
    whole = jnp.ldexp(mantissa, digits).astype(jnp.int64 if digits > 31 else jnp.int32)
    return whole, exponent.astype(jnp.int32) - digits


def _top(x: ArrayValue) -> jax.Array:
    """The least e with |x| < 2^e everywhere; -1024 if all are 0."""
    x = jnp.asarray(x)
    x = x if x.dtype in (jnp.float32, jnp.float64) else x.astype(jnp.float32)
    exponent = jnp.frexp(x)[1].astype(jnp.int32)
    return jnp.max(jnp.where(x == 0, -1024, exponent), initial=-1024)


def _finest(x: ArrayValue) -> jax.Array:
    """The largest g such that every value is a multiple of 2^g; 0 if all values are 0."""
    whole, exponent = _parts(jnp.asarray(x))
    lowest = jax.lax.population_count((whole & -whole) - 1).astype(jnp.int32)
    finest = jnp.min(jnp.where(whole == 0, 1024, exponent + lowest), initial=1024)
    return jnp.where(finest == 1024, 0, finest)


def _digits(dtype: np.dtype) -> int:
    """Number of bits of the significand, including the leading one: 24 in float32."""
    return cast(int, jnp.finfo(dtype).nmant) + 1
