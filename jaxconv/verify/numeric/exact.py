"""Integer mode: is every operation exact on these values? Then a comparison needs no tolerance.

A float is `i * 2^g` with whole i. An operation is exact if its exact result needs no more bits than the type holds (24
in float32). What it needs is read from the values: the largest magnitude above, the finest bit of the operands below.
Sums are held to the sum of their terms' absolute values, which bounds every partial sum in every order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.primitives import NEVER
from jaxconv.verify import jaxprs
from jaxconv.verify.numeric import intermediates
from jaxconv.verify.rounding import is_kind

TOO_WIDE = 2**14  # bits too many: an operation that is not exact on whole numbers, or that cannot be looked into
SUMS = {"conv_general_dilated", "cumsum", "dot_general", "reduce_sum", "reduce_window_sum", "scatter-add"}
BILINEAR = {"conv_general_dilated", "dot_general"}


def evaluate(jaxpr: Any, consts: Sequence[Any], operands: Sequence[Any], live: Sequence[bool]) -> tuple[list, Any]:
    """The outputs, and for each equation by how many bits its values are too wide for its type: 0 or less is exact.

    `live` says which operands change with the shift. What depends on none of them is the same on both sides of the
    comparison, exact or not.
    """
    alive, excess = iter(depends(jaxpr, live)), []

    def visit(equation: Any, inputs: list[Any], outputs: list[Any]) -> list[Any]:
        floats = [y for y in outputs if is_kind(y, np.inexact)]
        counted = next(alive) and floats and guard.rounds(equation) != NEVER
        excess.append(_excess(equation, inputs, floats[0]) if counted else jnp.int32(-TOO_WIDE))
        return outputs

    outputs = intermediates.run(jaxpr, consts, operands, visit)
    return outputs, jnp.stack(excess) if excess else jnp.zeros(0, jnp.int32)


def blame(jaxpr: Any, excess: np.ndarray) -> str:
    """Which operation was not exact, and why; empty if all were."""
    for (equation, stack), bits in zip(intermediates.equations(jaxpr), excess, strict=True):
        if bits > 0:
            kind = equation.outvars[0].aval.dtype
            where = f"{equation.primitive.name} at {jaxprs.source(equation, stack)}"
            if bits >= TOO_WIDE // 2:
                return f"not exact: {where} does not keep numbers whole, or cannot be looked into"
            return f"not exact: {where} needs {bits + _digits(kind)} bits, and {kind} holds {_digits(kind)}"
    return ""


def depends(jaxpr: Any, live: Sequence[bool]) -> list[bool]:
    """Of each equation that `intermediates.run` visits, in order: does it depend on a live operand?"""
    found: list[bool] = []

    def follow(jaxpr: Any, live: Sequence[bool]) -> list[bool]:
        known = dict(zip(jaxpr.invars, live, strict=True))
        read = lambda atom: not jaxprs.is_literal(atom) and known.get(atom, False)
        for equation in jaxpr.eqns:
            inputs = [read(atom) for atom in equation.invars]
            inner = jaxprs.called(equation)
            if inner is None:
                found.append(any(inputs))
                results = [any(inputs)] * len(equation.outvars)
            else:
                results = follow(jaxprs.opened(inner)[0], inputs)
            known.update(zip(equation.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    follow(jaxpr, live)
    return found


def _excess(equation: Any, inputs: list[Any], output: Any) -> Any:
    """Bits beyond those that the type holds."""
    name, holds = jaxprs.laxs_name(equation), _digits(output.dtype)
    if not is_kind(output, np.floating) or guard.objection(equation):
        return jnp.int32(TOO_WIDE)
    if name in SUMS:
        terms = [jnp.abs(x) if is_kind(x, np.floating) else x for x in inputs]
        (total,) = jaxprs.executed(equation, terms)
        top = _top(total)
        parts = [_finest(x) for x in inputs if is_kind(x, np.floating)]
        needs = top - (sum(parts) if name in BILINEAR else _least(parts))
    elif name in NEEDS:
        needs = NEEDS[name](equation, inputs, output)
    else:
        return jnp.int32(TOO_WIDE)
    whole = jnp.all(jnp.isfinite(output))
    return jnp.where(whole, needs - holds, TOO_WIDE).astype(jnp.int32)


def _least(parts: Sequence[Any]) -> Any:
    """The least of traced numbers."""
    return functools.reduce(jnp.minimum, parts)


def _quotient(equation: Any, inputs: list[Any], q: Any) -> Any:
    """a/b is exact if q*b, computed exactly, is a."""
    a, b = inputs
    exact = jnp.all(q * b == a)
    return jnp.where(exact, _top(q * b) - _finest(q) - _finest(b), TOO_WIDE)


def _converted(equation: Any, inputs: list[Any], y: Any) -> Any:
    """From integers: held by the bits of the result; from wider floats: the value must not change."""
    (x,) = inputs
    if not is_kind(x, np.floating):
        return _top(y)
    return jnp.where(jnp.all(y.astype(x.dtype) == x), 0, TOO_WIDE)


def _placed(equation: Any, inputs: list[Any], y: Any) -> Any:
    """A cell takes the numbers of all windows over it at most."""
    p = equation.params
    dilations = p.get("window_dilation", (1,) * len(p["window_dimensions"]))
    windows = math.prod(
        -(-(dilation * (taps - 1) + 1) // stride)
        for taps, dilation, stride in zip(p["window_dimensions"], dilations, p["window_strides"], strict=True)
    )
    placed = inputs[0 if equation.primitive.name == "select_and_scatter_add" else 1]
    return _top(placed) + math.ceil(math.log2(windows)) - _finest(placed)


# The bits that a result needs, by primitive: log2 of its magnitude above its operands' finest bit.
NEEDS: dict[str, Callable[[Any, list[Any], Any], Any]] = {
    "add": lambda e, xs, y: _top(y) - _least([_finest(x) for x in xs]),
    "add_any": lambda e, xs, y: _top(y) - _least([_finest(x) for x in xs]),
    "sub": lambda e, xs, y: _top(y) - _least([_finest(x) for x in xs]),
    "mul": lambda e, xs, y: _top(y) - _finest(xs[0]) - _finest(xs[1]),
    "square": lambda e, xs, y: _top(y) - 2 * _finest(xs[0]),
    "integer_pow": lambda e, xs, y: TOO_WIDE if e.params["y"] < 0 else _top(y) - e.params["y"] * _finest(xs[0]),
    "div": _quotient,
    "rem": lambda e, xs, y: _top(y) - _least([_finest(x) for x in xs]),
    "convert_element_type": _converted,
    "select_and_scatter_add": _placed,
}


def _parts(x: Any) -> tuple[Any, Any]:
    """x = i * 2^e with whole i, of a float."""
    wide = x if x.dtype in (jnp.float32, jnp.float64) else x.astype(jnp.float32)
    mantissa, exponent = jnp.frexp(wide)
    digits = _digits(wide.dtype)
    whole = jnp.ldexp(mantissa, digits).astype(jnp.int64 if digits > 31 else jnp.int32)
    return whole, exponent.astype(jnp.int32) - digits


def _top(x: Any) -> Any:
    """The least e with |x| < 2^e everywhere; very low if all are 0."""
    x = jnp.asarray(x)
    x = x if x.dtype in (jnp.float32, jnp.float64) else x.astype(jnp.float32)
    exponent = jnp.frexp(x)[1].astype(jnp.int32)
    return jnp.max(jnp.where(x == 0, -1024, exponent), initial=-1024)


def _finest(x: Any) -> Any:
    """The largest g such that every value is a multiple of 2^g; 0 if all are 0."""
    whole, exponent = _parts(jnp.asarray(x))
    lowest = jax.lax.population_count((whole & -whole) - 1).astype(jnp.int32)
    finest = jnp.min(jnp.where(whole == 0, 1024, exponent + lowest), initial=1024)
    return jnp.where(finest == 1024, 0, finest)


def _digits(dtype: Any) -> int:
    """Bits of the significand, the leading one included: 24 in float32."""
    return jnp.finfo(dtype).nmant + 1


def draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, *, parameter: bool) -> np.ndarray:
    """Small whole numbers of both signs; a kernel's are few, four for each output, lest deep networks overflow.

    An input is drawn from -4 to 4; a parameter of two axes or more from -2 to 2, 0 with probability 1 - 4/fan-in,
    where the fan-in is the product of all axes but the last; any other parameter from -2 to 2 but 0.
    """
    if not parameter:
        return rng.integers(-4, 5, shape).astype(dtype)
    value = rng.choice([-2, -1, 1, 2], shape)
    if len(shape) > 1:
        value = value * (rng.random(shape) < 4 / max(4, math.prod(shape[:-1])))
    return value.astype(dtype)
