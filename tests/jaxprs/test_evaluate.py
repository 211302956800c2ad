"""`evaluate` against JAX's own evaluation, and the arguments that it passes to its steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.jaxprs.evaluate import evaluate, executed
from jaxconv.jaxprs.layout import called, opened
from jaxconv.jaxprs.traverse import steps

TABLE = np.arange(3, dtype=np.float32)
X = np.float32([3, -4, 5])
nested = jax.jit(lambda x, y: jax.nn.relu(x) * y + jax.checkpoint(jnp.sin)(y))
FUNCTIONS = {
    "constants": lambda x: x * TABLE + 2,
    "calls": lambda x: nested(x, 2 * x) - nested(TABLE, x),
    "branches and loops": lambda x: jax.lax.fori_loop(0, 3, lambda i, y: jax.lax.cond(i > 1, jnp.sin, jnp.cos, y), x),
    "an argument as it is, and a number": lambda x: (x, 1.0, x + x),
}


def traced(name):
    return jax.make_jaxpr(FUNCTIONS[name])(X)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_computes_what_jax_does(name):
    closed = traced(name)
    outputs = evaluate(closed.jaxpr, closed.consts, [X])
    for actual, expected in zip(outputs, jax.tree.leaves(FUNCTIONS[name](X)), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_path_leads_to_its_equation(name):
    closed, paths = traced(name), []

    def step(equation, inputs, path):
        paths.append(path)
        assert equation_at(closed, path) is equation
        return executed(equation, inputs)

    evaluate(closed.jaxpr, closed.consts, [X], step)
    assert len(set(paths)) == len(paths) == len(list(steps(closed)))


def equation_at(closed, path):
    """Return the equation at a path; every index but the last is that of a call."""
    *calls, last = path
    for index in calls:
        closed = called(opened(closed)[0].eqns[index])
    return opened(closed)[0].eqns[last]


def test_steps_are_in_the_order_of_the_evaluation_and_stand_in_their_calls():
    closed, names = traced("calls"), []
    step = lambda equation, inputs, path: names.append(equation.primitive.name) or executed(equation, inputs)
    evaluate(closed.jaxpr, closed.consts, [X], step)
    assert names == [equation.primitive.name for equation, _ in steps(closed)]
    stacks = {equation.primitive.name: [call.primitive.name for call in stack] for equation, stack in steps(closed)}
    assert stacks["max"] == ["jit", "custom_jvp_call", "jit"]
    assert stacks["sub"] == []


def test_constants_and_literals_are_told_apart():
    closed = traced("constants")
    recorded = []
    constant = lambda value, aval: recorded.append(("constant", np.shape(value), aval.shape)) or "constant"
    literal = lambda value, aval: recorded.append(("literal", float(value), aval.shape)) or "literal"
    step = lambda equation, inputs, path: [" ".join([equation.primitive.name, *inputs])]
    (output,) = evaluate(closed.jaxpr, closed.consts, ["x"], step, constant=constant, literal=literal)
    assert output == "add mul x constant literal"
    assert recorded == [("constant", (3,), (3,)), ("literal", 2.0, ())]
    (output,) = evaluate(closed.jaxpr, closed.consts, ["x"], step, constant=constant)
    assert output == "add mul x constant constant"


def test_calls_are_steps_where_nothing_is_entered():
    closed, names = traced("calls"), []

    def step(equation, inputs, path):
        names.append(equation.primitive.name)
        body = called(equation)
        return executed(equation, inputs) if body is None else evaluate(*opened(body), inputs)

    (output,) = evaluate(closed.jaxpr, closed.consts, [X], step, calls=False)
    np.testing.assert_allclose(output, FUNCTIONS["calls"](X), rtol=1e-6)
    assert names == ["mul", "jit", "jit", "sub"]
