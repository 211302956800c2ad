"""Test programs: every row of the stacks is executed once, whatever the number of rows in one call."""

import math
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.compilations import compilations

from jaxconv.verify.execution.perturbed import NOISES
from jaxconv.verify.execution.program import TooLateError, traced

X = np.arange(12, dtype=np.float32).reshape(4, 3)  # four rows
WEIGHT = np.array([2.0, -1.0, 3.0], np.float32)
CLOSED = np.float32(7)


def two(weight, x):
    return {"a": x * weight + CLOSED, "b": jnp.sum(x)}


def program(fn=two):
    return traced(fn, (WEIGHT, jax.ShapeDtypeStruct((3,), "float32")))


@pytest.mark.parametrize("size", [None, 1, 2, 3, 4, 7])
def test_every_row_is_executed_once(size):
    (a, b), unknown = program().execute((0, 1), [WEIGHT, None], {1: X}, size=size)
    np.testing.assert_array_equal(a, X * WEIGHT + 7)
    np.testing.assert_array_equal(b, X.sum(1))
    assert (a.dtype, unknown.tolist()) == (np.float64, [False] * 4)


def test_several_leaves_are_stacked_together():
    (a, _), _ = program().execute((0, 1), [None, None], {0: X[::-1], 1: X})
    np.testing.assert_array_equal(a, X * X[::-1] + 7)


def test_only_the_outputs_asked_for_are_computed():
    (b,), _ = program().execute((1,), [WEIGHT, None], {1: X})
    np.testing.assert_array_equal(b, X.sum(1))
    assert program().outputs[1][0] == "['b']"


def test_a_program_is_compiled_once():
    subject = program(lambda weight, x: jnp.cos(x) @ weight)
    subject.execute((0,), [WEIGHT, None], {1: X}, size=2)
    with compilations() as compiled:
        subject.execute((0,), [WEIGHT + 1, None], {1: X + 1}, size=2)
    assert compiled == []


def test_a_function_is_traced_once_for_the_same_shapes():
    assert program() is program()
    assert program() is not traced(two, (WEIGHT, jax.ShapeDtypeStruct((1,), "float32")))


def test_what_cannot_be_batched_runs_row_by_row():
    def total(weight, x):
        return jax.pure_callback(lambda x: x.sum(), jax.ShapeDtypeStruct((), "float32"), x) * weight[0]

    (y,), _ = program(total).execute((0,), [WEIGHT, None], {1: X})
    np.testing.assert_array_equal(y, 2 * X.sum(1))


def test_keys_are_given_and_returned_as_numbers():
    keys = jax.random.split(jax.random.key(0), 5)
    subject = traced(lambda key: (key, jax.random.uniform(key)), (keys[0],))
    (data, y), _ = subject.execute((0, 1), [None], {0: np.asarray(jax.random.key_data(keys))}, size=2)
    np.testing.assert_array_equal(data, jax.random.key_data(keys))
    np.testing.assert_array_equal(y, [jax.random.uniform(key) for key in keys])


def test_a_loop_without_end_is_unknown():
    def endless(weight, x):
        return jax.lax.while_loop(lambda s: s[0] >= 0, lambda s: (s[0], s[1] + 1), (x[0], weight))[1]

    _, unknown = program(endless).execute((0,), [WEIGHT, None], {1: np.array([[1, 0, 0], [-1, 0, 0]], np.float32)})
    assert unknown.tolist() == [True, False]


def bounds(fn, rows=X):
    subject = program(fn)
    (exact,), _ = subject.execute((0,), [WEIGHT, None], {1: rows})
    return exact, subject.rounding_bounds(0, [WEIGHT, None], {1: rows}, exact, size=2)


def test_rounding_bounds_cover_every_noise():
    """A sum that cancels is uncertain by its terms; a permutation is certain."""
    cancels = lambda weight, x: (x + 1000) * weight - 1000 * weight
    exact, found = bounds(cancels, X + 1)
    assert (found > 1000 * np.finfo(np.float32).eps).all()
    each = [program(cancels).execute((0,), [WEIGHT, None], {1: X + 1}, noise=noise)[0][0] for noise in NOISES]
    np.testing.assert_allclose(found, np.max(np.abs(np.array(each) - exact), axis=0))
    assert (bounds(lambda weight, x: x[::-1])[1] == 0).all()


def test_no_call_starts_after_the_time_limit():
    with pytest.raises(TooLateError):
        program().execute((0,), [WEIGHT, None], {1: X}, until=time.monotonic() - 1)
    program().execute((0,), [WEIGHT, None], {1: X}, until=math.inf)
