"""Executions of equations: by NumPy or XLA, and one program for equal equations."""

from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxconv.verify import numpy_rows
from jaxconv.verify.domain import Factor, Moving
from jaxconv.verify.recheck.runs import _program, compiled_by_xla, executions
from jaxconv.verify.recheck.values import Held

X = np.float32([1, 2, 4])


def only_equation(fn, *operands):
    (equation,) = jax.make_jaxpr(fn)(*operands).eqns
    return equation


def held(constant=None):
    state = Moving(1, None, ((Factor(3),),))
    return Held(0, 0, state, jax.ShapeDtypeStruct((3,), "float32"), constant)


def test_numpy_executes_no_equation_of_constants():
    """NumPy computes the constants on which a derivation rests: a false row would mislead both."""
    equation = only_equation(lax.add, X, X)
    with mock.patch.dict(numpy_rows.rows, add=lambda x, y: x - y):
        found = {
            name: executions(equation, operands)[0]([X, X])[0].tolist()
            for name, operands in {"constants": [held(X), held(X)], "values": [held(X), held()]}.items()
        }
    assert found == {"constants": [2, 4, 8], "values": [0, 0, 0]}


def test_what_has_no_row_is_executed_by_xla():
    (run,) = executions(only_equation(lax.cos, X), [held()])
    np.testing.assert_allclose(run([X])[0], np.cos(X), rtol=1e-6)
    (run,) = executions(only_equation(lambda x: x.astype("int32"), X), [held()])
    assert run([np.float32([np.inf, -np.inf, 2.5])])[0].tolist() == [2**31 - 1, -(2**31), 2]  # as XLA defines casts


def test_equal_equations_share_a_program():
    _program.cache_clear()
    for number in range(3):
        by = jnp.full(3, number, "float32")
        assert compiled_by_xla(only_equation(lax.add, X, by))([X, by])[0].tolist() == [
            1 + number,
            2 + number,
            4 + number,
        ]
    assert _program.cache_info().currsize == 1
    compiled_by_xla(only_equation(lambda x: lax.reduce_sum(x, (0,)), X))
    assert _program.cache_info().currsize == 2
