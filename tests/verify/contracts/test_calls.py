"""The jaxpr layout of calls, closed-over arrays and literals that the walk relies on, on every JAX version."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.equations import array, call, flat, only, results

from jaxconv.jaxprs.layout import called, is_literal, opened, trace


@jax.custom_vjp
def custom_vjp(x):
    return x * 3


custom_vjp.defvjp(lambda x: (x * 3, None), lambda _, ct: (ct * 3,))


@pytest.mark.parametrize(
    ("fn", "name"),
    [
        (jax.jit(lambda x: x * 3), "jit"),
        (jax.checkpoint(lambda x: x * 3), "remat2"),
        (jax.nn.relu, "custom_jvp_call"),
        (custom_vjp, "custom_vjp_call"),
    ],
)
def test_calls_show_their_jaxpr_under_a_name_that_is_known(fn, name):
    equation = call(fn, array(2, 6))
    assert equation.primitive.name == name
    inner, constants = opened(called(equation))
    assert (len(inner.invars), len(constants)) == (1, 0)
    assert [variable.aval.shape for variable in inner.outvars] == [(2, 6)]
    assert flat(inner)


def test_arrays_closed_over_inside_a_call_arrive_as_its_operands_or_as_constants_of_its_jaxpr():
    table = np.arange(12, dtype=np.float32).reshape(2, 6)
    jaxpr, outer, _ = trace(jax.jit(lambda x: x * table), [array(2, 6)])
    (equation,) = jaxpr.eqns
    inner, constants = opened(called(equation))
    assert len(inner.constvars) == len(constants)
    assert len(inner.invars) == len(equation.invars)
    assert sum(np.shape(constant) == (2, 6) for constant in [*outer, *constants]) == 1


def test_opened_takes_closed_and_open_jaxprs():
    table = jnp.arange(6.0)
    closed = jax.make_jaxpr(lambda x: x * table)(array(6))
    jaxpr, constants = opened(closed)
    assert len(jaxpr.constvars) == len(constants) == 1
    inside = call(jax.checkpoint(lambda x: x * 3), array(6)).params["jaxpr"]
    jaxpr, constants = opened(inside)
    assert [equation.primitive.name for equation in jaxpr.eqns] == ["mul"]
    assert constants == []


def test_nothing_is_called_by_an_ordinary_equation():
    assert called(call(jnp.sin, array(2, 6))) is None


def test_a_literal_is_told_from_a_variable_and_knows_its_number():
    x, two = only("mul", lambda x: x * 2.0, array(2, 6)).invars
    assert (is_literal(x), is_literal(two)) == (False, True)
    assert float(two.val) == 2.0


def test_what_expands_later_is_followed_like_a_call():
    """`jnp.searchsorted` is a call up to JAX 0.11, and a primitive that expands from then on. Both contain a scan."""

    def within(jaxpr):
        for equation in jaxpr.eqns:
            yield equation.primitive.name
            inner = called(equation)
            if inner is not None:
                assert len(opened(inner)[0].invars) == len(equation.invars)
                assert [v.aval.shape for v in opened(inner)[0].outvars] == results(equation)
                yield from within(opened(inner)[0])

    primitives = list(within(trace(jnp.searchsorted, (array(5), array(2, 7)))[0]))
    assert "scan" in primitives
