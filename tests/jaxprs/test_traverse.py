"""Equations of a jaxpr, including calls, loops and branches.

`tests/verify/execution/test_tolerance.py` tests `coarsest`.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxconv.jaxprs.layout import called
from jaxconv.jaxprs.traverse import equations, within

X = np.float32([3, -4, 5])


def names(jaxpr):
    return [
        (equation.primitive.name, *(outer.primitive.name for outer in stack)) for equation, stack in equations(jaxpr)
    ]


def test_equations_of_calls_branches_and_loops_are_among_them():
    def fn(x):
        y = jax.jit(lambda y: lax.cond(y[0] > 0, jnp.sin, jnp.cos, y))(x)
        return lax.while_loop(lambda u: jnp.all(u < 9), lambda u: u * u, y)

    stacks = names(jax.make_jaxpr(fn)(X))
    assert {("sin", "jit", "cond"), ("cos", "jit", "cond"), ("lt", "while"), ("mul", "while")} <= set(stacks)
    assert [stack for stack in stacks if len(stack) == 1] == [("jit",), ("while",)]


def test_jaxprs_in_tuples_are_seen():
    """The branches of a cond are in a tuple, the jaxprs of a linear solver in a named tuple."""
    branches = jax.make_jaxpr(lambda i, x: lax.switch(i, [jnp.sin, jnp.cos, jnp.tan], x))(np.int32(0), X)
    (cond,) = [equation for equation, _ in equations(branches) if equation.primitive.name == "cond"]
    assert len(list(within(cond))) == 3
    solver = lambda b: lax.custom_linear_solve(lambda x: 2 * x, b, lambda _, b: b / 2, lambda _, b: b / 2)
    (solve,) = [one for one, _ in equations(jax.make_jaxpr(solver)(X)) if one.primitive.name == "custom_linear_solve"]
    assert {equation.primitive.name for inner in within(solve) for equation, _ in equations(inner)} == {"mul", "div"}
    assert next(within(solve)) is called(solve)  # as the paths of rows have it
    assert [equation.primitive.name for equation, _ in equations(next(within(solve)))] == ["div"]
