"""`mixes` distinguishes arithmetic between positions from data movement and element-wise operations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.certificates_to_recheck import conv

from jaxconv.verify.recheck.mixing import mixes
from jaxconv.verify.recheck.values import Held

X = jax.ShapeDtypeStruct((2, 6, 3), "float32")
INDICES = jax.ShapeDtypeStruct((4, 2), "int32")

BY_POSITION = {
    "sin": (jnp.sin, [X]),
    "two operands": (jnp.maximum, [X, X]),
    "select": (jnp.where, [jax.ShapeDtypeStruct(X.shape, "bool"), X, X]),
    "reversed": (lambda x: x[:, ::-1], [X]),
    "padded": (lambda x: jnp.pad(x, ((0, 0), (1, 2), (0, 0))), [X]),
    "joined": (lambda x, y: jnp.concatenate([x, y], 1), [X, X]),
    "spread": (lambda x: jnp.broadcast_to(x[..., None], (*X.shape, 4)), [X]),
    "read at indices of two numbers": (lambda x, i: x[i[:, 0] % 2, i[:, 1] % 6], [X, INDICES]),
    "isnan": (jnp.isnan, [X]),
    "to whole numbers": (lambda x: x.astype("int32"), [X]),
}
BETWEEN_POSITIONS = {
    "a sum": (jnp.sum, [X]),
    "a maximum": (jnp.max, [X]),
    "a pool": (lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 1), (1, 2, 1), "VALID"), [X]),
    "cumulative": (lambda x: jnp.cumsum(x, 1), [X]),
    "sorted": (lambda x: jnp.sort(x, 1), [X]),
    "the largest": (lambda x: jnp.argmax(x, 1), [X]),
    "neighbours": (lambda x: x[:, 1:] + x[:, :-1], [X]),
    "a kernel": (lambda k: conv(jnp.ones((1, 8, 2)), padding="SAME") * jnp.sum(k), [X]),
    "an identity matrix": (lambda x: x @ jnp.eye(3), [X]),
    "fft": (lambda x: jnp.fft.fft(x, axis=1), [X]),
    "the second operand": (lambda x, y: x + jnp.mean(y), [X, X]),
}


def held(avals):
    return [Held(number, number, None, aval) for number, aval in enumerate(avals)]


def run_of(fn):
    return lambda arrays: jax.tree.leaves(fn(*map(jnp.asarray, arrays)))


@pytest.mark.parametrize("name", BY_POSITION)
def test_each_cell_of_its_own(name):
    fn, avals = BY_POSITION[name]
    assert not mixes(run_of(fn), held(avals))


@pytest.mark.parametrize("name", BETWEEN_POSITIONS)
def test_cells_of_several(name):
    fn, avals = BETWEEN_POSITIONS[name]
    assert mixes(run_of(fn), held(avals))


def test_constants_are_not_exchanged():
    values = [Held(0, 0, None, X), Held(1, 1, None, X, np.ones(X.shape, np.float32))]
    assert not mixes(run_of(lambda x, y: x * jnp.sum(y)), values)
    assert mixes(run_of(lambda x, y: x * jnp.sum(y)), [values[0], values[0]])
