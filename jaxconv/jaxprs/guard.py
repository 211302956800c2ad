"""Queries of the table of primitives about one equation, shared by every interpreter of jaxprs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar, cast

import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn, Literal

from jaxconv.jaxprs.layout import called, opened
from jaxconv.jaxprs.primitives import PRIMITIVES, SEVERAL, Primitive
from jaxconv.jaxprs.traverse import within
from jaxconv.jaxprs.typing import AnyJaxpr, Params

T = TypeVar("T")
# The answers so far, by the query and the address of the equation, which is kept so that no other gets its address.
_answers: ContextVar[dict[tuple[object, int], tuple[JaxprEqn, object]] | None] = ContextVar("answers", default=None)


@contextmanager
def remembered() -> Generator[None]:
    """Answer each query about an equation once until the block ends; several walks ask the same of each equation."""
    token = _answers.set({})
    try:
        yield
    finally:
        _answers.reset(token)


def _query(ask: Callable[[JaxprEqn], T]) -> Callable[[JaxprEqn], T]:
    """Make a function of an equation a query, which `remembered` may answer from memory."""

    @functools.wraps(ask)
    def answer(equation: JaxprEqn) -> T:
        answers = _answers.get()
        if answers is None:
            return ask(equation)
        key = answer, id(equation)
        if key not in answers:
            answers[key] = equation, ask(equation)
        return cast(T, answers[key][1])

    return answer


@_query
def objection(equation: JaxprEqn) -> str:
    """Return why an equation is not understood, or the empty string if it is."""
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


@_query
def understood(equation: JaxprEqn) -> Params:
    """Return the parameters that a rule may read: all those that can change the meaning of the equation."""
    row = PRIMITIVES[equation.primitive.name]
    return {key: value for key, value in equation.params.items() if key in row.understood or key in row.only}


@_query
def impurity(equation: JaxprEqn) -> str:
    """Return why an equation's results are not a function of its operands, or the empty string if they are.

    The check includes jaxprs among the parameters. An inner equation counts only if the results of its jaxpr depend on
    it: a print whose result is unused does not make the outer equation impure.
    """
    reason = objection(equation)
    if reason:
        return reason
    body = called(equation)
    inner = [body] if body is not None else list(within(equation))
    row = PRIMITIVES[equation.primitive.name]
    if not row.function or row.effects or (equation.effects and not inner):
        return f"the result of {equation.primitive.name} is not a function of its operands"
    return next((reason for jaxpr in inner if (reason := impurity_of(jaxpr))), "")


def impurity_of(jaxpr: AnyJaxpr) -> str:
    """Return why the results of a jaxpr are not a function of its operands, or the empty string if they are."""
    body, _ = opened(jaxpr)
    if any(not hasattr(variable.aval, "dtype") for variable in (*body.invars, *body.constvars)):
        return "it reads a mutable reference"
    live = {atom for atom in body.outvars if not isinstance(atom, Literal)}
    for equation in reversed(body.eqns):
        if live.isdisjoint(equation.outvars):
            continue
        reason = impurity(equation)
        if reason:
            return reason
        live |= {atom for atom in equation.invars if not isinstance(atom, Literal)}
    return ""


def is_real(dtype: np.dtype | None) -> bool:
    """Whether arithmetic in this dtype equals real or complex arithmetic up to rounding.

    Integers wrap. Floats of 8 bits or fewer are excluded because casts to them quantise.
    """
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact) and cast(int, jnp.finfo(dtype).bits) >= 16


@_query
def is_linear(equation: JaxprEqn) -> bool:
    """Whether an equation is affine over the reals in the operands that its row names, with the others fixed."""
    linear = row_of(equation).linear
    if not linear or objection(equation):
        return False
    operands = [atom for number, atom in enumerate(equation.invars) if number in linear]
    return all(is_real(getattr(atom.aval, "dtype", None)) for atom in (*operands, *equation.outvars))


def lax_name(equation: JaxprEqn) -> str:
    """Return the name of the lax primitive that computes the same, or else the name of the primitive itself."""
    return row_of(equation).lax or equation.primitive.name


def terms(equation: JaxprEqn) -> float | None:
    """Return how many numbers are added or multiplied per cell of the result, at least 1; None if this is undefined."""
    count = row_of(equation).terms
    return None if count is None else max(1, count(equation))


def rounds(equation: JaxprEqn) -> str:
    """Return how an equation's results are rounded: SEVERAL, the coarsest, if the equation is not understood."""
    return SEVERAL if objection(equation) else row_of(equation).rounds


def row_of(equation: JaxprEqn) -> Primitive:
    """Return the row of an equation's primitive, or a row without traits if the table has none."""
    return PRIMITIVES.get(equation.primitive.name, Primitive("unknown"))


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 40 else f"{text[:37]}..."
