"""Rounding error bounds from a jaxpr: the number of roundings along the longest path to each output.

One rounding has an error of at most u = eps/2 relative to its result (Higham, "Accuracy and Stability of Numerical
Algorithms", 2nd ed., SIAM 2002, section 2.2). The error of a sum of n terms, in any order, is at most
`gamma_n = n u/(1 - n u)` times the sum of their absolute values (sections 3.1 and 4.2). Rounding errors have both
signs, so with high probability it is at most about `lambda sqrt(n) u` (Higham and Mary, "A New Approach to
Probabilistic Rounding Error Analysis", SIAM J. Sci. Comput. 41, 2019, theorem 2.4). With lambda = 6 the probability of
failure is `2 n exp(-18)`, or n in 30 million.

So the number of roundings of an equation is

- `min(n, 6 sqrt(n))` for a sum of n terms;
- 4 for an elementary function, because libraries are accurate to a few units in the last place;
- 1 for an arithmetic operation;
- 0 for an operation that moves, selects or compares.

To first order, the roundings along a path add up. The longest path to an output is its depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.evaluate import Path, evaluate
from jaxconv.jaxprs.layout import opened
from jaxconv.jaxprs.primitives import ELEMENTARY, NEVER, ONCE
from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.traverse import within
from jaxconv.jaxprs.typing import Atom, eps_of

LAMBDA = 6


@dataclass(frozen=True)
class Depth:
    """The roundings along the path of the largest error; `units` is their sum, each times the u of its dtype."""

    units: float = 0.0
    roundings: float = 0.0

    def then(self, roundings: float, unit: float) -> Depth:
        """The depth after one more equation on the path."""
        return Depth(self.units + roundings * unit, self.roundings + roundings * (unit > 0))


def depths(jaxpr: Jaxpr, operands: list[Depth] | None = None) -> list[Depth]:
    """The depth of each output of a jaxpr, calls, branches and loops included.

    A scan counts its body once for each iteration. The number of iterations of a `while` loop is unknown, so its body
    counts once.
    """

    def step(equation: JaxprEqn, inputs: list[Depth], _: Path) -> list[Depth]:
        start = _deepest(inputs)
        settled = guard.terms(equation) is not None or guard.rounds(equation) == NEVER
        bodies = [] if settled else [opened(body)[0] for body in within(equation)]
        iterations = equation.params.get("length", 1)  # of a scan
        body = _deepest(depth for body in bodies for depth in depths(body))
        end = Depth(start.units + iterations * body.units, start.roundings + iterations * body.roundings)
        return [end if bodies else start.then(roundings(equation), _unit(v)) for v in equation.outvars]

    start = operands or [Depth()] * len(jaxpr.invars)
    return evaluate(jaxpr, jaxpr.constvars, start, step, constant=lambda value, aval: Depth())


def _deepest(candidates: Iterable[Depth]) -> Depth:
    return max(candidates, key=lambda depth: depth.units, default=Depth())


counted: Registry[Callable[[JaxprEqn], float]] = (
    Registry()
)  # roundings that depend on the equation's parameters or dtypes


def roundings(equation: JaxprEqn) -> float:
    """The number of roundings of one equation: see the list in the module docstring."""
    how, count = guard.rounds(equation), guard.terms(equation)
    if how == NEVER or all(_unit(v) == 0 for v in equation.outvars):
        return 0
    if count is not None:
        return min(count, LAMBDA * math.sqrt(count))
    if equation.primitive.name in counted:
        return counted[equation.primitive.name](equation)
    return 1 if how == ONCE else ELEMENTARY


@counted("integer_pow")
def _power_roundings(equation: JaxprEqn) -> float:
    """One product for each factor except the first, and one quotient for a negative exponent."""
    return max(1, abs(equation.params["y"]) - 1) + (equation.params["y"] < 0)


@counted("convert_element_type")
def _cast_roundings(equation: JaxprEqn) -> float:
    """0 for a cast between floats that loses no precision, else 1."""
    return 0 if _unit(equation.outvars[0]) <= _unit(equation.invars[0]) != 0 else 1


def _unit(atom: Atom) -> float:
    """u = eps/2 of an inexact dtype, 0 of any other."""
    dtype: np.dtype | None = getattr(atom.aval, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
        return 0.0
    return eps_of(dtype) / 2
