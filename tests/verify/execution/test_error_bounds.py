"""Test the number of roundings, counted by hand, for one equation of each kind and for paths of equations."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.verify.execution.error_bounds import depths

X = jax.ShapeDtypeStruct((2, 9, 4), np.float32)
SIX = lambda n: min(n, 6 * math.sqrt(n))
KERNEL = np.ones((5, 4, 3), np.float32)


def roundings(fn, *arguments):
    return [depth.roundings for depth in depths(jax.make_jaxpr(fn)(*arguments).jaxpr)]


def correlate(x, kernel, groups=1):
    numbers = ("NWC", "WIO", "NWC")
    return jax.lax.conv_general_dilated(x, kernel, (1,), "SAME", dimension_numbers=numbers, feature_group_count=groups)


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (lambda x: x[:, ::-1].reshape(-1), 0),  # moved
        (lambda x: jnp.where(x > 0, x, -x).max(1), 0),  # chosen
        (lambda x: x + x, 1),
        (jnp.exp, 4),
        (lambda x: jnp.sum(x, 1), 9),
        (jnp.sum, SIX(72)),
        (lambda x: jnp.mean(x, (0, 1)), 19),  # 18 terms, and a division
        (lambda x: correlate(x, KERNEL), 20),  # 5 taps, 4 channels
        (lambda x: correlate(x, KERNEL[:, :2, :2], 2), 10),  # 5 taps, 2 channels per group
        (lambda x: x @ np.ones((4, 7), np.float32), 4),
        (lambda x: jnp.cumsum(x, 1), 9),
        (lambda x: jax.lax.reduce(x, np.float32(1), lambda a, b: a * b + 0.0, (1,)), 9),
        (lambda x: jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 3, 1), (1, 1, 1), "SAME"), 3),
        (lambda x: jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 1), (1, 1, 1), "SAME"), 0),
        (lambda x: x**3, 2),
        (lambda x: x**-3, 3),
        (lambda x: x.astype(jnp.bfloat16), 1),
        (lambda x: x.astype(jnp.bfloat16).astype(jnp.float32), 1),  # widening is exact
        (lambda x: jnp.fft.fft(x, axis=1).real, 4 * math.log2(9)),
        (
            lambda x: jnp.zeros(3).at[x[0, :, 0].astype(int)].add(x[0, :, 1]),
            10,
        ),  # all 9 updates may have the same index
        (lambda x: (x * 2.0) + jnp.exp(jnp.exp(x)), 9),  # the longer of two paths
        (lambda x: jax.jit(lambda y: y * 2.0)(x) + 1.0, 2),
        (lambda x: jax.nn.relu(x * 2.0), 1),
        (
            lambda x: jax.lax.fori_loop(0, 5, lambda _, y: y * 2.0 + 1.0, x * 2.0),
            11,
        ),  # 5 iterations of 2 roundings, after 1
        (lambda x: jax.lax.cond(x.sum() > 0, lambda y: y * 2.0, jnp.exp, x), SIX(72) + 4),
    ],
)
def test_roundings(fn, expected):
    assert roundings(fn, X) == [pytest.approx(expected)]


def test_each_output_has_its_own_depth_and_integers_none():
    assert roundings(lambda x: (x * 2.0, jnp.argmax(x * 2.0, 1), jnp.exp(x)), X) == [1, 1, 4]
    units = [depth.units for depth in depths(jax.make_jaxpr(lambda x: (x * 2, (2 * x).astype(jnp.float16)))(X).jaxpr)]
    assert units == [2.0**-24, 2.0**-24 + 2.0**-11]


@pytest.mark.parametrize("terms", [4, 64, 4096])
def test_sums_err_by_less_than_they_may(terms):
    """For random data, two orders of a sum differ by less than the derived bound and more than a thousandth of it."""
    x = np.random.default_rng(0).normal(size=(200, terms)).astype(np.float32)
    forward, backward = np.add.accumulate(x, 1)[:, -1], np.add.accumulate(x[:, ::-1], 1)[:, -1]
    relative = np.abs(forward - backward).max() / np.abs(forward).max()
    assert 1e-3 < relative / (2 * SIX(terms) * 2**-24) < 1
