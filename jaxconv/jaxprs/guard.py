"""What may be said of an equation: the questions that every engine asks of the table of primitives."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax.extend.core import Literal

from jaxconv.jaxprs.layout import called, opened
from jaxconv.jaxprs.primitives import PRIMITIVES, SEVERAL, Primitive
from jaxconv.jaxprs.traverse import within


def objection(equation: Any) -> str:
    """Why an equation is not understood; empty if it is."""
    name = equation.primitive.name
    row = PRIMITIVES.get(name)
    if row is None:
        return f"the primitive {name} is not known"
    for key, value in equation.params.items():
        if key in row.only:
            if not row.only[key](value):
                return f"{name} with {key}={_short(value)} is not understood"
        elif key not in row.understood and key not in row.irrelevant:
            return f"the parameter {key} of {name} is not known"
    return ""


def understood(equation: Any) -> dict[str, Any]:
    """The parameters that a rule may read: all that can change the meaning."""
    row = PRIMITIVES[equation.primitive.name]
    return {key: value for key, value in equation.params.items() if key in row.understood or key in row.only}


def impurity(equation: Any) -> str:
    """Why an equation's results are not a function of its operands; empty if they are.

    Jaxprs among the parameters are looked into, as far as their results depend on them: a print inside of them, whose
    result nobody reads, spoils nothing.
    """
    found = objection(equation)
    if found:
        return found
    body = called(equation)
    inner = [body] if body is not None else list(within(equation))
    row = PRIMITIVES[equation.primitive.name]
    if not row.function or row.effects or (equation.effects and not inner):
        return f"the result of {equation.primitive.name} is not a function of its operands"
    return next((reason for jaxpr in inner if (reason := impurity_of(jaxpr))), "")


def impurity_of(jaxpr: Any) -> str:
    """Why the results of a jaxpr are not a function of its operands; empty if they are."""
    jaxpr, _ = opened(jaxpr)
    if any(not hasattr(variable.aval, "dtype") for variable in (*jaxpr.invars, *jaxpr.constvars)):
        return "it reads a mutable reference"
    live = {atom for atom in jaxpr.outvars if not isinstance(atom, Literal)}
    for equation in reversed(jaxpr.eqns):
        if live.isdisjoint(equation.outvars):
            continue
        found = impurity(equation)
        if found:
            return found
        live |= {atom for atom in equation.invars if not isinstance(atom, Literal)}
    return ""


def is_real(dtype: Any) -> bool:
    """Whether arithmetic in this dtype is that of the real or complex numbers, but for rounding.

    Integers wrap, and floats of 8 bits and fewer are so coarse that their casts quantise.
    """
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact) and jnp.finfo(dtype).bits >= 16


def is_linear(equation: Any) -> bool:
    """Whether an equation is affine over the reals in some of its operands, the others fixed: the row says in which."""
    if not row_of(equation).linear or objection(equation):
        return False
    return all(is_real(getattr(atom.aval, "dtype", None)) for atom in (*equation.invars, *equation.outvars))


def lax_name(equation: Any) -> str:
    """The name of the primitive, or of the one of lax that computes the same."""
    name: str = row_of(equation).lax or equation.primitive.name
    return name


def terms(equation: Any) -> float | None:
    """How many numbers one result adds up or multiplies, at least 1; None where that is no matter of terms."""
    count = row_of(equation).terms
    return None if count is None else max(1, count(equation))


def rounds(equation: Any) -> str:
    """How an equation's results are rounded; the most where it is not understood."""
    return SEVERAL if objection(equation) else row_of(equation).rounds


def row_of(equation: Any) -> Primitive:
    """The row of an equation's primitive; one that claims nothing where there is none."""
    return PRIMITIVES.get(equation.primitive.name, Primitive("unknown"))


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 40 else f"{text[:37]}..."
