"""Numbers that cells have whatever the input is, because a zero or an infinity settles the result of an equation.

`where(near, scores, -inf)` has cells that are -inf, and `exp` of what is left after subtracting the largest score is 0
there, whatever this score is. Arithmetic is exact, and unknown numbers are finite: 0 times an unknown number is 0, and
-inf minus an unknown number is -inf. Zeros have no sign here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import jax.numpy as jnp
from jax.extend.core import JaxprEqn

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.typing import Params, aval_of

# The numbers of one cell of each operand; None if unknown.
Operands: TypeAlias = Sequence[float | None]
# The number of the result, or None if the operands do not settle it; from the parameters and the operands.
settling: Registry[Callable[[Params, Operands], float | None]] = Registry()


def settled(equation: JaxprEqn, operands: Operands) -> float | None:
    """The number of a cell of a pointwise result; None if the operands do not settle it.

    Integers wrap and booleans saturate, so of these only zeros are settled.
    """
    function, dtype = settling.get(equation.primitive.name), aval_of(equation.outvars[0]).dtype
    found = None if function is None else function(guard.understood(equation), operands)
    if found is None or math.isnan(found):
        return None
    is_float = guard.is_real(dtype) and not jnp.issubdtype(dtype, jnp.complexfloating)
    return found + 0.0 if is_float or found == 0 else None  # + 0.0 drops the sign of zero


def _infinite(operands: Operands) -> float | None:
    """The infinity among the operands, if there is one."""
    return next((number for number in operands if number is not None and math.isinf(number)), None)


@settling("add", "add_any")
def _sum(params: Params, operands: Operands) -> float | None:
    a, b = operands
    if a is None or b is None:
        return _infinite(operands)
    return a + b if a == 0 or b == 0 or math.isinf(a) or math.isinf(b) else None


@settling("sub")
def _difference(params: Params, operands: Operands) -> float | None:
    a, b = operands
    return _sum(params, (a, None if b is None else -b))


@settling("mul")
def _product(params: Params, operands: Operands) -> float | None:
    """0 times anything but an infinity, or an infinity times a known number."""
    a, b = operands
    if _infinite(operands) is not None:
        return None if a is None or b is None else a * b
    return 0.0 if 0 in operands else None


@settling("div")
def _quotient(params: Params, operands: Operands) -> float | None:
    """0 divided by what is not 0. An unknown divisor is taken not to be 0, since there is no quotient otherwise."""
    a, b = operands
    return 0.0 if a == 0 and b != 0 else None


@settling("neg")
def _negative(params: Params, operands: Operands) -> float | None:
    return None if operands[0] is None else -operands[0]


@settling("exp", "exp2")
def _exponential(params: Params, operands: Operands) -> float | None:
    return {-math.inf: 0.0, 0.0: 1.0}.get(math.nan if operands[0] is None else operands[0])


@settling("logistic")
def _sigmoid(params: Params, operands: Operands) -> float | None:
    return {-math.inf: 0.0, math.inf: 1.0}.get(math.nan if operands[0] is None else operands[0])


@settling("abs", "square", "sign", "tanh", "sin", "sqrt", "floor", "ceil", "round")
def _zero_of_zero(params: Params, operands: Operands) -> float | None:
    return 0.0 if operands[0] == 0 else None


@settling("integer_pow")
def _power(params: Params, operands: Operands) -> float | None:
    return 0.0 if operands[0] == 0 and params["y"] > 0 else None


@settling("convert_element_type")
def _cast(params: Params, operands: Operands) -> float | None:
    """A cast keeps these numbers. It may round others."""
    return operands[0] if operands[0] in (0.0, 1.0, math.inf, -math.inf) else None


@settling("max", "min")
def _extreme(params: Params, operands: Operands) -> float | None:
    a, b = operands
    return a if a == b else None


@settling("and")
def _both(params: Params, operands: Operands) -> float | None:
    return 0.0 if 0 in operands else None
