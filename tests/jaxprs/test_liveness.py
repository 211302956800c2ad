"""Bytes that are alive at once, counted by hand."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxconv.jaxprs.liveness import peak_bytes

X = jax.ShapeDtypeStruct((100,), "float32")  # 400 bytes
BIG = jnp.ones((10, 100))


def needed_later(x):
    y = x + 1
    return (y * 2) * 3 + y


CASES = {
    "the input": (lambda x: x, 400),
    "one result": (lambda x: x + 1, 800),
    "a chain frees its values": (lambda x: ((x + 1) * 2) * 3, 1200),
    "a value that is needed later": (needed_later, 1600),
    "all results are kept": (lambda x: (x + 1, x * 2, x * 3), 1600),
    "a value that nobody needs": (lambda x: (lax.broadcast(x, (50,)), x + 1)[1], 20400),
    "halves": (lambda x: x.astype(jnp.float16), 600),
    "a constant": (lambda x: lax.dot(BIG, x), 4000 + 400 + 40),
    "a call": (jax.jit(lambda x: ((x + 1) * 2) * 3), 1200),
    "rows of a loop, with two values in a round": (
        lambda x: lax.scan(lambda carry, row: (carry + row, carry * 2), 0.0, x),
        400 + (4 + 400) + (4 + 4),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bytes(name):
    fn, expected = CASES[name]
    assert peak_bytes(jax.make_jaxpr(fn)(X)) == expected
