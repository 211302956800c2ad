"""What stands in a jaxpr, and in those within it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp

from jaxconv.jaxprs.layout import called, opened


def within(equation: Any) -> Iterator[Any]:
    """The jaxprs among an equation's parameters, those in tuples too."""
    for value in equation.params.values():
        for one in value if isinstance(value, tuple | list) else (value,):
            if hasattr(opened(one)[0], "eqns"):
                yield one


def number_within(equation: Any, jaxpr: Any) -> int:
    """The number of a jaxpr among those of an equation's parameters."""
    return next(number for number, one in enumerate(within(equation)) if one is jaxpr)


def steps(jaxpr: Any, stack: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The steps of `evaluate` in their order, each equation with the calls around it, outermost first."""
    for equation in opened(jaxpr)[0].eqns:
        body = called(equation)
        if body is None:
            yield equation, stack
        else:
            yield from steps(body, (*stack, equation))


def equations(jaxpr: Any, stack: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """All equations of a jaxpr and of the jaxprs within it, each with those that it stands in, outermost first."""
    for equation in opened(jaxpr)[0].eqns:
        yield equation, stack
        for inner in within(equation):
            yield from equations(inner, (*stack, equation))


def work(jaxpr: Any) -> tuple[int, int]:
    """Number of elements of all results in a jaxpr together, and of the largest; each round of a `scan` counts."""
    total, largest = 0, 0
    for equation in opened(jaxpr)[0].eqns:
        sizes = [math.prod(getattr(variable.aval, "shape", ())) for variable in equation.outvars]
        bodies = [work(body) for body in within(equation)]
        total += sum(sizes) + equation.params.get("length", 1) * sum(body for body, _ in bodies)
        largest = max(largest, *sizes, *(most for _, most in bodies), 0)
    return total, largest


def coarsest(jaxpr: Any) -> float:
    """The coarsest eps of the floats in a jaxpr, inner ones included; 0 if there are none."""
    jaxpr, _ = opened(jaxpr)
    variables = [*jaxpr.invars, *jaxpr.constvars, *(v for equation, _ in equations(jaxpr) for v in equation.outvars)]
    dtypes = {v.aval.dtype for v in variables if hasattr(v.aval, "dtype")}
    return max((float(jnp.finfo(dtype).eps) for dtype in dtypes if jnp.issubdtype(dtype, jnp.inexact)), default=0.0)
