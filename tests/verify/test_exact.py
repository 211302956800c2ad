"""Integer mode's own judge: which operations are exact on which values."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxconv.verify.numeric import exact


def excess(fn, *values, live=None):
    """The most bits beyond those of the type, over the equations."""
    values = [jnp.asarray(value, jnp.float32) if isinstance(value, float | list) else value for value in values]
    closed = jax.make_jaxpr(fn)(*values)
    outputs, bits = exact.evaluate(closed.jaxpr, closed.consts, values, live or [True] * len(values))
    return int(bits.max(initial=-exact.NEVER)), outputs


@pytest.mark.parametrize(
    ("fn", "values", "is_exact"),
    [
        (jnp.add, (2.0**24, 1.0), False),
        (jnp.add, (2.0**23, 1.0), True),
        (jnp.subtract, (2.0**23, 2.0**-3), False),
        (jnp.multiply, (4097.0, 4097.0), False),
        (jnp.multiply, (4095.0, 4095.0), True),
        (jnp.multiply, (0.1, 2.0), True),  # a power of two moves no digit
        (jnp.multiply, (0.1, 3.0), False),
        (jnp.divide, (7.0, 4.0), True),
        (jnp.divide, (1.0, 3.0), False),
        (jnp.square, (4097.0,), False),
        (lambda x: x**3, (255.0,), True),
        (lambda x: x**3, (257.0,), False),
        (lambda x: x**-1, (2.0,), False),
        (jnp.sum, ([2.0**24, 1.0, -(2.0**24)],), False),  # the result is small, a partial sum is not
        (jnp.sum, ([2.0**22, 1.0, -(2.0**22)],), True),
        (jnp.dot, ([4096.0, 1.0], [4096.0, 1.0]), False),
        (jnp.dot, ([2048.0, 1.0], [2048.0, 1.0]), True),
        (jnp.cumsum, ([2.0**24, 1.0],), False),
        (jnp.exp, (0.0,), False),
        (lambda x: jnp.where(x > 0, jnp.floor(x), -x), (2.5,), True),
        (lambda x: x.astype(jnp.bfloat16), (257.0,), False),
        (lambda x: x.astype(jnp.bfloat16), (256.0,), True),
        (lambda x: x + jnp.inf, (1.0,), False),
        (lambda x: jax.lax.fori_loop(0, 3, lambda _, y: y + 1.0, x), (1.0,), False),  # is not looked into
        (jax.jit(lambda y: y + 1.0), (2.0**24,), False),
    ],
)
def test_what_is_exact(fn, values, is_exact):
    assert (excess(fn, *values)[0] <= 0) == is_exact


def test_what_no_shift_changes_may_round():
    fn = lambda x, scale: x * jnp.floor(jnp.exp(scale))
    assert excess(fn, 3.0, 1.0, live=[True, False])[0] <= 0
    assert excess(fn, 3.0, 1.0)[0] > 0


@given(
    st.sampled_from([jnp.add, jnp.subtract, jnp.multiply, jnp.divide]),
    st.integers(-(2**24), 2**24),
    st.integers(-(2**24), 2**24).filter(bool),
    st.integers(-9, 9),
)
def test_never_exact_where_fractions_differ(fn, a, b, shift):
    """Judged by Python's fractions: whatever is called exact is."""
    x, y = float(a), float(np.float32(b * 2.0**shift))
    bits, (result,) = excess(fn, x, y)
    truth = {
        "add": Fraction(x) + Fraction(y),
        "subtract": Fraction(x) - Fraction(y),
        "multiply": Fraction(x) * Fraction(y),
        "divide": Fraction(x) / Fraction(y),
    }[fn.__name__]
    assert bits > 0 or Fraction(float(result)) == truth


def test_the_draws_are_small_whole_numbers_of_both_signs():
    rng = np.random.default_rng(0)
    x = exact.draw(rng, (50, 20), np.float32, parameter=False)
    assert set(np.unique(x)) == set(range(-4, 5))
    kernel = exact.draw(rng, (3, 3, 64, 200), np.float32, parameter=True)
    assert set(np.unique(kernel)) == {-2, -1, 0, 1, 2}
    assert np.abs(kernel).sum((0, 1, 2)).mean() == pytest.approx(6, abs=0.5)  # four of 1.5 each
    assert 0 not in exact.draw(rng, (99,), np.float32, parameter=True)
