"""Traversal of a jaxpr and of the jaxprs inside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import cast

import jax.numpy as jnp
from jax.extend.core import JaxprEqn

from jaxconv.jaxprs.evaluate import Path
from jaxconv.jaxprs.layout import called, opened
from jaxconv.jaxprs.typing import AnyJaxpr, Stack, aval_of, eps_of, is_jaxpr, shape_of


def within(equation: JaxprEqn) -> Iterator[AnyJaxpr]:
    """Yield the jaxprs among an equation's parameters, including those in tuples and lists; first that of a call."""
    found: list[AnyJaxpr] = []
    for value in equation.params.values():
        items = cast("Sequence[object]", value) if isinstance(value, tuple | list) else (value,)
        found += [item for item in items if is_jaxpr(item)]
    body = called(equation) if len(found) > 1 else None
    yield from sorted(found, key=lambda jaxpr: jaxpr is not body)


def number_within(equation: JaxprEqn, jaxpr: AnyJaxpr) -> int:
    """The number of a jaxpr among those of an equation's parameters."""
    return next(number for number, one in enumerate(within(equation)) if one is jaxpr)


def with_paths(jaxpr: AnyJaxpr, path: Path = ()) -> Iterator[tuple[Path, JaxprEqn]]:
    """Yield every equation of a jaxpr and of the jaxprs inside it, with its path.

    The path of an equation ends with its number in its jaxpr. Before it stand the path of the equation that has this
    jaxpr, and the number of the jaxpr among the parameters.
    """
    for number, equation in enumerate(opened(jaxpr)[0].eqns):
        yield (*path, number), equation
        for body, inner in enumerate(within(equation)):
            yield from with_paths(inner, (*path, number, body))


def steps(jaxpr: AnyJaxpr, stack: Stack = ()) -> Iterator[tuple[JaxprEqn, Stack]]:
    """Yield the steps of `evaluate` in order: each equation with its enclosing calls, outermost first."""
    for equation in opened(jaxpr)[0].eqns:
        body = called(equation)
        if body is None:
            yield equation, stack
        else:
            yield from steps(body, (*stack, equation))


def equations(jaxpr: AnyJaxpr, stack: Stack = ()) -> Iterator[tuple[JaxprEqn, Stack]]:
    """Yield every equation of a jaxpr and of the jaxprs inside it, with the enclosing equations, outermost first."""
    for equation in opened(jaxpr)[0].eqns:
        yield equation, stack
        for inner in within(equation):
            yield from equations(inner, (*stack, equation))


def work(jaxpr: AnyJaxpr) -> tuple[int, int]:
    """Return the total size of all results in a jaxpr, counting each iteration of a `scan`, and the largest size."""
    total, largest = 0, 0
    for equation in opened(jaxpr)[0].eqns:
        sizes = [math.prod(shape_of(variable)) for variable in equation.outvars]
        bodies = [work(body) for body in within(equation)]
        total += sum(sizes) + equation.params.get("length", 1) * sum(body for body, _ in bodies)
        largest = max(largest, *sizes, *(size for _, size in bodies), 0)
    return total, largest


def coarsest(jaxpr: AnyJaxpr) -> float:
    """Return the largest eps of the float dtypes in a jaxpr and the jaxprs inside it; 0 if there are none."""
    body, _ = opened(jaxpr)
    variables = [*body.invars, *body.constvars, *(v for equation, _ in equations(jaxpr) for v in equation.outvars)]
    dtypes = {aval_of(v).dtype for v in variables if hasattr(v.aval, "dtype")}
    return max((eps_of(dtype) for dtype in dtypes if jnp.issubdtype(dtype, jnp.inexact)), default=0.0)
