"""Numbers that cells have whatever the input is: each is compared with executions on random inputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxconv.jaxprs.layout import opened
from jaxconv.verify.equal_cells import EqualCells
from jaxconv.verify.fold import Folder

INFINITY = np.float32(np.inf)
EVEN = np.array([True, False, True, False])


def halved(x):
    """x times zero at even places."""
    return x * jnp.asarray(~EVEN).astype(x.dtype)


def settled_in(fn, *dtypes):
    """The numbers that are settled in the result of `fn`, which is the operand of the last equation."""
    arguments = [jax.ShapeDtypeStruct((4,), dtype) for dtype in dtypes or ("float32",)]
    closed = jax.make_jaxpr(lambda *x: jnp.asarray(fn(*x)).reshape(2, 2))(*arguments)
    jaxpr, constants = opened(closed)
    folder, unknown = Folder(), [None] * len(arguments)
    cells = EqualCells(jaxpr, constants, unknown, folder.fold(jaxpr, constants, unknown), folder.numbers)
    numbers = cells.settled_in((len(jaxpr.eqns) - 1,), 0)
    return None if numbers is None else [None if np.isnan(n) else n for n in numbers.tolist()]


SETTLED = {
    "masked": (lambda x: jnp.where(EVEN, -INFINITY, x), -np.inf),
    "minus an unknown number": (lambda x: jnp.where(EVEN, -INFINITY, x) - x[::-1], -np.inf),
    "subtracted from an unknown number": (lambda x: x - jnp.where(EVEN, -INFINITY, x), np.inf),
    "plus an unknown number": (lambda x: x[::-1] + jnp.where(EVEN, INFINITY, x), np.inf),
    "exp": (lambda x: jnp.exp(jnp.where(EVEN, -INFINITY, x) - x.max()), 0),
    "exp2": (lambda x: jnp.exp2(jnp.where(EVEN, -INFINITY, x)), 0),
    "sigmoid": (lambda x: jax.nn.sigmoid(jnp.where(EVEN, -INFINITY, x)), 0),
    "scaled": (lambda x: jnp.where(EVEN, -INFINITY, x) * np.float32(0.25), -np.inf),
    "times zero": (halved, 0),
    "times zero, twice": (lambda x: halved(x) * x, 0),
    "minus times zero": (lambda x: -(halved(x)), 0),
    "divided": (lambda x: (halved(x)) / x[::-1], 0),
    "zero plus zero": (lambda x: halved(x) + halved(x[::-1]), 0),
    "zero minus zero": (lambda x: halved(x) - halved(x[::-1]), 0),
    "one plus zero": (lambda x: 1 + halved(x), 1),
    "squared": (lambda x: (halved(x)) ** 2, 0),
    "cubed": (lambda x: (halved(x)) ** 3, 0),
    "the sine": (lambda x: jnp.sin(halved(x)), 0),
    "rectified": (lambda x: jax.nn.relu(halved(x)), 0),
    "cast": (lambda x: (halved(x)).astype(jnp.bfloat16), 0),
    "a zero cast to an integer": (lambda x: (halved(x)).astype(jnp.int32), 0),
    "and": (lambda x: (x > 0) & ~EVEN, 0),
}


@pytest.mark.parametrize("name", SETTLED)
def test_a_zero_or_an_infinity_settles_a_result(name):
    fn, number = SETTLED[name]
    found = settled_in(fn)
    assert [n for n, one in enumerate(found) if one is not None] == [0, 2]
    assert found[0] == found[2] == number
    x = np.random.default_rng(0).normal(size=4).astype(np.float32)
    assert np.asarray(fn(x))[::2].astype(float).tolist() == [number, number]


UNSETTLED = {
    "infinity times an unknown number": lambda x: jnp.where(EVEN, INFINITY, x) * x[::-1],
    "infinity minus infinity": lambda x: jnp.where(EVEN, INFINITY, x) - jnp.where(EVEN, INFINITY, x),
    "infinity times zero": lambda x: jnp.where(EVEN, INFINITY, x) * (halved(x)),
    "zero divided by zero": lambda x: (halved(x)) / (halved(x[::-1])),
    "divided by zero": lambda x: x / (halved(x[::-1])),
    "plus an unknown number": lambda x: halved(x) + x[::-1],
    "a large number plus an unknown one": lambda x: jnp.where(EVEN, np.float32(-1e30), x) + x[::-1],
    "exp of a large number": lambda x: jnp.exp(jnp.where(EVEN, np.float32(-1e30), x) - x[::-1]),
    "the cosine": lambda x: jnp.cos(halved(x)),
    "to the power of zero": lambda x: lax.integer_pow(halved(x), -1),
    "the larger of zero and an unknown number": lambda x: jnp.maximum(halved(x), x[::-1]),
    "or": lambda x: (x > 0) | ~EVEN & (x[::-1] > 0),
    "infinity cast to an integer": lambda x: jnp.where(EVEN, INFINITY, x).astype(jnp.int32),
}


@pytest.mark.parametrize("name", UNSETTLED)
def test_other_results_are_not_settled(name):
    assert settled_in(UNSETTLED[name]) is None


def test_integers_are_settled_by_zeros_only():
    """-1 is 255 as an unsigned integer, and the sum of the largest integers wraps."""
    assert settled_in(lambda x: jnp.where(EVEN, jnp.uint8(0), x) - jnp.uint8(1), "uint8") is None
    assert settled_in(lambda x: x * jnp.asarray(~EVEN).astype(jnp.uint8), "uint8") == [0, None, 0, None]


def test_numbers_that_are_not_a_number_are_unknown():
    assert settled_in(lambda x: jnp.where(EVEN, np.float32(np.nan), x)) is None
