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
from dataclasses import dataclass
from typing import Any

import jax
from jax.extend.core import jaxprs_in_params

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.primitives import NEVER, ONCE
from jaxconv.verify import jaxprs
from jaxconv.verify.terms import ELEMENTARY, SUMS, terms

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
    known = dict(zip(jaxpr.invars, operands or [Depth()] * len(jaxpr.invars), strict=True))
    read = lambda atom: Depth() if jaxprs.is_literal(atom) else known.get(atom, Depth())
    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        inner = jaxprs.called(equation)
        if inner is not None and len(jaxprs.opened(inner)[0].invars) == len(inputs):
            results = depths(jaxprs.opened(inner)[0], inputs)
        else:
            start = deepest(inputs)
            settled = jaxprs.laxs_name(equation) in SUMS or guard.rounds(equation) == NEVER
            bodies = [] if settled else [jaxprs.opened(body)[0] for body in jaxprs_in_params(equation.params)]
            turns = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
            body = deepest(depth for body in bodies for depth in depths(body))
            end = Depth(start.units + turns * body.units, start.roundings + turns * body.roundings)
            results = [end if bodies else start.then(roundings(equation), _unit(v.aval)) for v in equation.outvars]
        known |= zip(equation.outvars, results, strict=True)
    return [read(atom) for atom in jaxpr.outvars]


def roundings(equation: Any) -> float:
    """How many roundings one result of an equation may be off by: see the table."""
    how, count = guard.rounds(equation), terms(equation)
    if how == NEVER or all(_unit(v.aval) == 0 for v in equation.outvars):
        return 0
    if count is not None:
        return min(count, LAMBDA * math.sqrt(count))
    if equation.primitive.name == "integer_pow":
        return max(1, abs(equation.params["y"]) - 1) + (equation.params["y"] < 0)
    if equation.primitive.name == "convert_element_type":
        return 0 if _unit(equation.outvars[0].aval) <= _unit(equation.invars[0].aval) != 0 else 1
    return 1 if how == ONCE else ELEMENTARY


def _unit(aval: Any) -> float:
    """u = eps/2 of a float's type, 0 of anything else."""
    dtype = getattr(aval, "dtype", None)
    if dtype is None or not jax.numpy.issubdtype(dtype, jax.numpy.inexact):
        return 0.0
    return float(jax.numpy.finfo(dtype).eps) / 2
