"""One equation out of a function's jaxpr, to pin down what rules assume of it.

All sizes in these contracts differ from one another wherever the layout allows it, so that a swapped order fails.
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
    """All equations, those inside calls too; calls themselves are left out."""
    found = []
    for equation in jaxpr.eqns:
        is_call = equation.primitive.name in CALLS
        found += flat(opened(called(equation))[0]) if is_call else [equation]
    return found


def names(fn, *arguments):
    return [equation.primitive.name for equation in flat(trace(fn, arguments)[0])]


def only(name, fn, *arguments):
    """The one equation of this name."""
    (found,) = (equation for equation in flat(trace(fn, arguments)[0]) if equation.primitive.name == name)
    return found


def call(fn, *arguments):
    """The one equation, a call, of a function."""
    (found,) = trace(fn, arguments)[0].eqns
    return found


def operands(equation):
    return [atom.aval.shape for atom in equation.invars]


def results(equation):
    return [variable.aval.shape for variable in equation.outvars]


def parameters(equation, *keys):
    return tuple(equation.params[key] for key in keys)


def alone(equation: Any, **changed: Any) -> Callable[..., list]:
    """A function that is this one equation, with other parameters."""
    equation = equation.replace(params={**equation.params, **changed})

    def run(*operands: Any) -> list:
        given = dict(zip(variables_of(equation), operands, strict=True))
        atoms = [atom.val if isinstance(atom, Literal) else given[atom] for atom in equation.invars]
        return evaluate.executed(equation, atoms)

    return run


def variables_of(equation: Any) -> list[Any]:
    """The operands that are no literals, each once."""
    return list(dict.fromkeys(atom for atom in equation.invars if not isinstance(atom, Literal)))
