"""Access to one equation of a function's jaxpr, for the contract tests of what rules assume about it.

All sizes in the contract tests are distinct wherever the layout allows it, so that a swapped order fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import Literal

from jaxconv.jaxprs import evaluate
from jaxconv.jaxprs.layout import called, opened, trace

CALLS = ("jit", "remat2", "custom_jvp_call", "custom_vjp_call")


def array(*shape, dtype="float32"):
    return jax.ShapeDtypeStruct(shape, dtype)


def flat(jaxpr):
    """Return all equations, including those inside calls, but without the calls themselves."""
    collected = []
    for equation in jaxpr.eqns:
        is_call = equation.primitive.name in CALLS
        collected += flat(opened(called(equation))[0]) if is_call else [equation]
    return collected


def names(fn, *arguments):
    return [equation.primitive.name for equation in flat(trace(fn, arguments)[0])]


def only(name, fn, *arguments):
    """Return the only equation with a primitive of this name."""
    (match,) = (equation for equation in flat(trace(fn, arguments)[0]) if equation.primitive.name == name)
    return match


def call(fn, *arguments):
    """Return the only equation of a function, which is a call."""
    (equation,) = trace(fn, arguments)[0].eqns
    return equation


def operands(equation):
    return [atom.aval.shape for atom in equation.invars]


def results(equation):
    return [variable.aval.shape for variable in equation.outvars]


def parameters(equation, *keys):
    return tuple(equation.params[key] for key in keys)


def alone(equation: Any, **changed: Any) -> Callable[..., list]:
    """Return a function that executes this one equation with some parameters changed."""
    equation = equation.replace(params={**equation.params, **changed})

    def run(*operands: Any) -> list:
        env = dict(zip(variables_of(equation), operands, strict=True))
        atoms = [atom.val if isinstance(atom, Literal) else env[atom] for atom in equation.invars]
        return evaluate.executed(equation, atoms)

    return run


def variables_of(equation: Any) -> list[Any]:
    """Return the operands that are not literals, without duplicates."""
    return list(dict.fromkeys(atom for atom in equation.invars if not isinstance(atom, Literal)))
