"""Normalisation: every layer against the arithmetic by hand, forward and backward, and what centring and scaling undo."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxconv as jc
from jaxconv import reference

EPSILON = 1e-3
SHAPES = [(3, 2, 5, 4), (2, 7, 4), (5, 4), (2, 2, 3, 2, 4)]
STATE = {"mean": jnp.zeros(4), "var": jnp.ones(4)}


def batch_norm(params, x, **settings):
    """In training, without the state; that has tests of its own in tests/layers/test_batch_norm.py."""
    state = jax.tree.map(lambda leaf: leaf.astype(x.dtype), STATE)
    return jc.batch_norm(params, state, x, training=True, **settings)[0]


# Each layer, and which cells it takes together; all center them but one.
NORMS = {
    "batch_norm": (batch_norm, reference.batch_cells),
    "layer_norm": (jc.layer_norm, reference.layer_cells),
    "rms_norm": (jc.rms_norm, reference.layer_cells),
    "group_norm": (partial(jc.group_norm, groups=2), partial(reference.group_cells, groups=2)),
    "group_norm of one": (partial(jc.group_norm, groups=1), partial(reference.group_cells, groups=1)),
    "instance_norm": (jc.instance_norm, partial(reference.group_cells, groups=4)),
}
centred_norms = pytest.mark.parametrize("name", [name for name in NORMS if name != "rms_norm"])


def drawn(name, shape, seed):
    """Parameters, an input and output deltas, in double precision."""
    normal = np.random.default_rng(seed).normal
    x = 3 * normal(size=shape) + normal(size=shape[-1])
    return {"scale": normal(size=shape[-1]), "bias": normal(size=shape[-1])}, x, normal(size=shape)


def shapes(name):
    """An instance has positions to average over."""
    return st.sampled_from([shape for shape in SHAPES if len(shape) > 2 or name != "instance_norm"])


@pytest.mark.parametrize("name", NORMS)
@given(data=st.data(), seed=st.integers(0, 99))
def test_forward_is_the_reference(name, data, seed):
    layer, cells = NORMS[name]
    params, x, _ = drawn(name, data.draw(shapes(name)), seed)
    expected = reference.norm(*params.values(), x, cells(x.shape), EPSILON, centred=name != "rms_norm")
    single = jax.tree.map(jnp.float32, params)
    np.testing.assert_allclose(layer(single, jnp.float32(x), epsilon=EPSILON), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", NORMS)
@given(data=st.data(), seed=st.integers(0, 99))
def test_gradients_are_the_deltas_by_hand(name, data, seed):
    """In double precision: to 1e-9, where float32 would leave 1e-4."""
    layer, cells = NORMS[name]
    params, x, dy = drawn(name, data.draw(shapes(name)), seed)
    deltas = reference.norm_deltas(params["scale"], x, dy, list(cells(x.shape)), EPSILON, centred=name != "rms_norm")
    with jax.enable_x64(True):
        loss = lambda params, x: jnp.sum(layer(params, x, epsilon=EPSILON) * dy)
        found, dx = jax.grad(loss, argnums=(0, 1))(jax.tree.map(jnp.asarray, params), jnp.asarray(x))
        for one, other in ((found["scale"], deltas.kernel), (found["bias"], deltas.bias), (dx, deltas.x)):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


@centred_norms
def test_a_large_mean_costs_no_digits(name):
    """Cells around 4096 that are 1 apart. The mean is rounded to 2**-11; E[x^2] - E[x]^2 would lose 2**24 * 2**-24 = 1."""
    layer, cells = NORMS[name]
    x = 4096 + np.random.default_rng(0).integers(-2, 3, (4, 8, 16, 4)).astype(np.float32)
    expected = reference.norm(1.0, 0.0, x, cells(x.shape), EPSILON)
    np.testing.assert_allclose(layer({}, x, epsilon=EPSILON), expected, atol=2e-3)
    one_pass = np.square(x).mean(dtype=np.float32) - np.square(x.mean(dtype=np.float32))
    assert abs(one_pass - x.astype(np.float64).var()) > 0.1


@centred_norms
@pytest.mark.parametrize("scale", [4.0, -0.25])
def test_contrast_and_brightness_are_undone(name, scale):
    """norm(a x + b) = sign(a) norm(x), up to epsilon."""
    layer, _ = NORMS[name]
    x = jnp.asarray(np.random.default_rng(1).normal(size=(3, 6, 5, 4)).astype(np.float32))
    np.testing.assert_allclose(
        layer({}, scale * x + 1.5, epsilon=1e-12), np.sign(scale) * layer({}, x, epsilon=1e-12), atol=1e-4
    )


def test_rms_norm_undoes_contrast_only():
    """The broken twin: it does not centre, so brightness stays."""
    x = jnp.asarray(np.random.default_rng(1).normal(size=(3, 6, 5, 4)).astype(np.float32))
    norm = partial(jc.rms_norm, {}, epsilon=1e-12)
    np.testing.assert_allclose(norm(-4 * x), -norm(x), atol=1e-5)
    assert abs(norm(x + 1.5) - norm(x)).max() > 0.5


@centred_norms
def test_equal_cells_give_the_bias(name):
    layer, _ = NORMS[name]
    bias = jnp.arange(4.0)
    y = layer({"bias": bias, "scale": jnp.full(4, 7.0)}, jnp.full((2, 3, 3, 4), 100.0))
    np.testing.assert_array_equal(y, jnp.broadcast_to(bias, y.shape))


def test_the_ends_of_group_norm_are_the_others():
    x = jnp.asarray(np.random.default_rng(2).normal(size=(3, 6, 5, 4)).astype(np.float32))
    np.testing.assert_allclose(jc.group_norm({}, x, groups=4), jc.instance_norm({}, x), rtol=1e-6, atol=1e-6)
    vectors = x[:, 0, 0]
    np.testing.assert_allclose(jc.group_norm({}, vectors, groups=1), jc.layer_norm({}, vectors), rtol=1e-6, atol=1e-6)
    assert abs(jc.group_norm({}, x, groups=1) - jc.layer_norm({}, x)).max() > 0.1
