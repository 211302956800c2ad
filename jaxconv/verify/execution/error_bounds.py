"""How far rounding may carry an output, read from the jaxpr: the depth of accumulation, longest path.

One rounding of one operation errs by u = eps/2 of its result (Higham, "Accuracy and Stability of Numerical
Algorithms", 2nd ed., SIAM 2002, section 2.2). A sum of n terms in any order errs by at most `gamma_n = n u/(1 - n u)`
of the terms' absolute sum (sections 3.1 and 4.2); rounding errors being of both signs, with high probability by no more
than about `lambda sqrt(n) u` (Higham and Mary, "A New Approach to Probabilistic Rounding Error Analysis", SIAM J. Sci.
Comput. 41, 2019, theorem 2.4), where lambda = 6 makes a failure as rare as `2 n exp(-18)`, or n in 30 million.

So an equation that sums n terms counts `min(n, 6 sqrt(n))` roundings, an elementary function four (libraries are
accurate to a few units in the last place), an arithmetic operation one, one that moves, chooses or compares none. Along
a path the roundings add up, to first order; the longest path to an output is its depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.evaluate import Path, evaluate
from jaxconv.jaxprs.layout import opened
from jaxconv.jaxprs.primitives import ELEMENTARY, NEVER, ONCE
from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.traverse import within

LAMBDA = 6


@dataclass(frozen=True)
class Depth:
    """Roundings along the longest path that carries them furthest: `units` is their sum, each times its own u."""

    units: float = 0.0
    roundings: float = 0.0

    def then(self, roundings: float, unit: float) -> Depth:
        """One more equation on the path."""
        return Depth(self.units + roundings * unit, self.roundings + roundings * (unit > 0))


def depths(jaxpr: Any, operands: list[Depth] | None = None) -> list[Depth]:
    """The depth of each output of a jaxpr, calls, branches and loops included.

    A scan counts its body once for each turn. How often a `while` turns is not known before it runs: it counts once.
    """
    deepest = lambda found: max(found, key=lambda depth: depth.units, default=Depth())

    def step(equation: Any, inputs: list[Depth], _: Path) -> list[Depth]:
        start = deepest(inputs)
        settled = guard.terms(equation) is not None or guard.rounds(equation) == NEVER
        bodies = [] if settled else [opened(body)[0] for body in within(equation)]
        turns = equation.params.get("length", 1)  # of a scan
        body = deepest(depth for body in bodies for depth in depths(body))
        end = Depth(start.units + turns * body.units, start.roundings + turns * body.roundings)
        return [end if bodies else start.then(roundings(equation), _unit(v.aval)) for v in equation.outvars]

    start = operands or [Depth()] * len(jaxpr.invars)
    return evaluate(jaxpr, jaxpr.constvars, start, step, constant=lambda value, aval: Depth())


counted: Registry[Callable[[Any], float]] = Registry()  # roundings of what is not the same for every equation


def roundings(equation: Any) -> float:
    """How many roundings one result of an equation may be off by: see the table."""
    how, count = guard.rounds(equation), guard.terms(equation)
    if how == NEVER or all(_unit(v.aval) == 0 for v in equation.outvars):
        return 0
    if count is not None:
        return min(count, LAMBDA * math.sqrt(count))
    if equation.primitive.name in counted:
        return counted[equation.primitive.name](equation)
    return 1 if how == ONCE else ELEMENTARY


@counted("integer_pow")
def _of_a_power(equation: Any) -> float:
    """A product for each factor but the first, and a quotient."""
    return max(1, abs(equation.params["y"]) - 1) + (equation.params["y"] < 0)


@counted("convert_element_type")
def _of_a_cast(equation: Any) -> float:
    """None to a finer type."""
    return 0 if _unit(equation.outvars[0].aval) <= _unit(equation.invars[0].aval) != 0 else 1


def _unit(aval: Any) -> float:
    """u = eps/2 of a float's type, 0 of anything else."""
    dtype = getattr(aval, "dtype", None)
    if dtype is None or not jax.numpy.issubdtype(dtype, jax.numpy.inexact):
        return 0.0
    return float(jax.numpy.finfo(dtype).eps) / 2
