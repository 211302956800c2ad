"""What rounding can explain: a mismatch counts where it is larger than that.

- half a unit where every value is a whole number that the arithmetic holds exactly, else `3*sqrt(eps)` of the output's
  magnitude (1e-3 in float32, 5e-8 in float64), `eps` being that of the coarsest float in the jaxpr;
- on top of that, however far the two cells move when every operation that rounds does so eight times as coarsely, this
  way and that. It silences ties: a floor or a comparison on its very edge answers rounding with a jump (do these
  probabilities reach 1?), and such a jump refutes nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.primitives import NEVER
from jaxconv.verify import jaxprs

PHASES = [first + half for first in (0.0, 1.0, 2.0, 3.0) for half in (0.0, math.pi)]
EPSILONS = {"f64": 2.0**-52, "c128": 2.0**-52, "f32": 2.0**-23, "c64": 2.0**-23, "f16": 2.0**-10, "bf16": 2.0**-7}


def coarsest(jaxpr: Any) -> float:
    """The coarsest eps of the floats in a jaxpr, inner ones included; 0 if there are none."""
    floats = re.findall(r"\b(b?f\d+|c\d+)(?:_\w+)?\[", str(jaxpr))
    return max((EPSILONS.get(name, 0.25) for name in floats), default=0.0)


Operand = tuple[Any, bool]  # a value, and whether it depends on the arguments


def shaken(jaxpr: Any, operands: list[Operand], phase: Any, consts: Any = ()) -> list[Operand]:
    """What the jaxpr computes if it rounds more coarsely, in calls, bodies of loops and branches as well."""
    known = dict(zip(jaxpr.invars, operands, strict=True))
    known |= {variable: (const, False) for variable, const in zip(jaxpr.constvars, consts, strict=True)}
    read = lambda atom: (atom.val, False) if jaxprs.is_literal(atom) else known[atom]
    for number, equation in enumerate(jaxpr.eqns):
        inputs = [read(atom) for atom in equation.invars]
        inner, loop = jaxprs.called(equation), CONTROL.get(equation.primitive.name)
        if inner is not None:
            results = _body(inner, inputs, phase + number)
        elif loop is not None and any(depends for _, depends in inputs):
            results = [(y, True) for y in loop(equation.params, [value for value, _ in inputs], phase + number)]
        else:
            live = any(depends for _, depends in inputs)
            values = equation.primitive.bind(*(value for value, _ in inputs), **equation.params)
            values = values if equation.primitive.multiple_results else [values]
            rounds = live and guard.rounds(equation) != NEVER
            results = [(_shake(y, phase + number) if rounds else y, live) for y in values]
        known |= zip(equation.outvars, results, strict=True)
    return [read(atom) for atom in jaxpr.outvars]


def _body(closed: Any, operands: list[Operand], phase: Any) -> list[Operand]:
    jaxpr, consts = jaxprs.opened(closed)
    return shaken(jaxpr, operands, phase, consts)


def _function(closed: Any, phase: Any, *, coarse: bool = True) -> Callable[..., list[Any]]:
    """A loop's body or a branch as a function; if it rounds more coarsely, all that enters it counts as dependent."""
    return lambda *operands: [value for value, _ in _body(closed, [(one, coarse) for one in operands], phase)]


def _scan(params: Mapping[str, Any], operands: list[Any], phase: Any) -> list[Any]:
    """Each round shakes as the others do; a chaotic map makes much of that."""
    constants, carry = jaxprs.scan_sizes(dict(params))
    body = _function(params["jaxpr"], phase)
    fixed, first, rows = operands[:constants], operands[constants : constants + carry], operands[constants + carry :]

    def step(state: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
        found = body(*fixed, *state, *row)
        return found[:carry], found[carry:]

    last, stacked = jax.lax.scan(step, first, rows, length=params["length"], reverse=params["reverse"])
    return [*last, *stacked]


def _while(params: Mapping[str, Any], operands: list[Any], phase: Any) -> list[Any]:
    """Rounded more coarsely a loop may end earlier or later, or never: twice as many rounds and a few are its limit."""
    of_test, of_body = params["cond_nconsts"], params["body_nconsts"]
    closed = params["cond_jaxpr"], params["body_jaxpr"]
    test, body = (_function(one, phase, coarse=False) for one in closed)
    coarse_test, coarse_body = (_function(one, phase) for one in closed)
    for_test, for_body, first = operands[:of_test], operands[of_test:][:of_body], operands[of_test + of_body :]
    count = lambda state: (state[0] + 1, body(*for_body, *state[1]))
    rounds, _ = jax.lax.while_loop(lambda state: test(*for_test, *state[1])[0], count, (0, first))

    def goes_on(state: tuple[Any, list[Any]]) -> Any:
        return (state[0] < 2 * rounds + 8) & coarse_test(*for_test, *state[1])[0]

    return jax.lax.while_loop(goes_on, lambda state: (state[0] + 1, coarse_body(*for_body, *state[1])), (0, first))[1]


def _cond(params: Mapping[str, Any], operands: list[Any], phase: Any) -> list[Any]:
    index, *others = operands
    return jax.lax.switch(index, [_function(branch, phase) for branch in params["branches"]], *others)


CONTROL = {"scan": _scan, "while": _while, "cond": _cond}


def _shake(y: Any, phase: Any) -> Any:
    """Each float moved by up to eight roundings, its own way; phases half a turn apart move it opposite ways."""
    if not is_kind(y, np.inexact):
        return y
    cells = jax.lax.iota(np.int32, y.size).reshape(y.shape) % 8191
    step = 8 * float(jax.numpy.finfo(y.dtype).eps) * jax.numpy.cos(cells.astype(np.float32) * 1.618 + phase)
    return y * (1 + step).astype(y.dtype)


def tolerance(before: np.ndarray, after: np.ndarray, epsilon: float) -> float:
    """The mismatch beyond which a cell counts; none does where an overflow is near."""
    both = np.concatenate([before.ravel(), after.ravel()])
    both = both[np.isfinite(both)]
    scale = float(np.abs(both).max(initial=0))
    if scale > 1e15:
        return math.inf
    return 0.5 if 64 * epsilon * scale < 1 and (both == np.rint(both)).all() else 3 * math.sqrt(epsilon) * scale


def gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a - b|; 0 where both are NaN, or the same infinity; infinite where only one of them is."""
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.abs(a - b)
    if np.isfinite(gap).all():
        return gap
    return np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.where(np.isnan(gap), np.inf, gap))


def is_kind(leaf: Any, kind: Any) -> bool:
    """Whether the leaf is an array of that kind of numbers."""
    return hasattr(leaf, "dtype") and jax.numpy.issubdtype(leaf.dtype, kind)
