"""Normalisation layers compared with the reference, forward and backward; and the invariances of centring and scaling."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import by_numpy
from support.by_numpy import computed
from support.geometries import examples
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv import reference

EPSILON = 1e-3
SHAPES = [(3, 2, 5, 4), (2, 7, 4), (5, 4), (2, 2, 3, 2, 4)]
STATE = {"mean": np.zeros(4, np.float32), "var": np.ones(4, np.float32)}


def batch_norm(params, x, **settings):
    """Batch norm in training mode, without the state, which tests/layers/test_batch_norm.py covers."""
    state = jax.tree.map(lambda leaf: leaf.astype(x.dtype), STATE)
    return jc.batch_norm(params, state, x, training=True, **settings)[0]


# Each layer, and the cells that it normalises together; all layers but one subtract the mean.
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
    """Random parameters, input and output deltas in double precision."""
    normal = np.random.default_rng(seed).normal
    x = 3 * normal(size=shape) + normal(size=shape[-1])
    return {"scale": normal(size=shape[-1]), "bias": normal(size=shape[-1])}, x, normal(size=shape)


def shapes(name):
    """Instance norm needs positions to average over."""
    return st.sampled_from([shape for shape in SHAPES if len(shape) > 2 or name != "instance_norm"])


@pytest.mark.parametrize("name", NORMS)
@examples(16)
@given(data=st.data(), seed=st.integers(0, 99))
def test_forward_is_the_reference(name, data, seed):
    layer, cells = NORMS[name]
    params, x, _ = drawn(name, data.draw(shapes(name)), seed)
    expected = reference.norm(*params.values(), x, cells(x.shape), EPSILON, centred=name != "rms_norm")
    single, x = jax.tree.map(np.float32, (params, x))
    np.testing.assert_allclose(computed(layer)(single, x, epsilon=EPSILON), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", NORMS)
@examples(16)
@given(data=st.data(), seed=st.integers(0, 99))
def test_gradients_are_the_deltas_by_hand(name, data, seed):
    """In double precision to 1e-9, where float32 would only reach 1e-4."""
    operands = drawn(name, data.draw(shapes(name)), seed)
    with jax.enable_x64(True):
        gives_the_deltas(name, evaluated(gradients(name))(*operands), *operands)


def test_compiled_gradients():
    """All layers in one program."""
    operands = {name: drawn(name, SHAPES[0], 0) for name in NORMS}
    with jax.enable_x64(True):
        actual = jax.jit(lambda operands: {name: gradients(name)(*arguments) for name, arguments in operands.items()})(
            operands
        )
    for name, arguments in operands.items():
        gives_the_deltas(name, actual[name], *arguments)


def gradients(name):
    """Gradients of the product of a layer with dy, by its parameters and by x."""
    loss = lambda params, x, dy: jnp.sum(NORMS[name][0](params, x, epsilon=EPSILON) * dy)
    return jax.grad(loss, argnums=(0, 1))


def gives_the_deltas(name, actual, params, x, dy):
    of_params, dx = actual
    cells = list(NORMS[name][1](x.shape))
    deltas = reference.norm_deltas(params["scale"], x, dy, cells, EPSILON, centred=name != "rms_norm")
    for result, expected_result in (
        (of_params["scale"], deltas.kernel),
        (of_params["bias"], deltas.bias),
        (dx, deltas.x),
    ):
        np.testing.assert_allclose(result, expected_result, rtol=1e-9, atol=1e-9)


@centred_norms
def test_a_large_mean_costs_no_digits(name):
    """Cells around 4096, 1 apart. The mean is rounded to 2**-11; E[x^2] - E[x]^2 would lose 2**24 * 2**-24 = 1."""
    layer, cells = NORMS[name]
    x = 4096 + np.random.default_rng(0).integers(-2, 3, (4, 8, 16, 4)).astype(np.float32)
    expected = reference.norm(1.0, 0.0, x, cells(x.shape), EPSILON)
    np.testing.assert_allclose(computed(layer)({}, x, epsilon=EPSILON), expected, atol=2e-3)
    one_pass = np.square(x).mean(dtype=np.float32) - np.square(x.mean(dtype=np.float32))
    assert abs(one_pass - x.astype(np.float64).var()) > 0.1


@centred_norms
@pytest.mark.parametrize("scale", [4.0, -0.25])
def test_contrast_and_brightness_are_undone(name, scale):
    """norm(a x + b) = sign(a) norm(x), up to epsilon."""
    layer = computed(NORMS[name][0])
    x = np.random.default_rng(1).normal(size=(3, 6, 5, 4)).astype(np.float32)
    np.testing.assert_allclose(
        layer({}, scale * x + 1.5, epsilon=1e-12), np.sign(scale) * layer({}, x, epsilon=1e-12), atol=1e-4
    )


def test_rms_norm_undoes_contrast_only():
    """RMS norm does not centre, so an added constant changes its result."""
    x = np.random.default_rng(1).normal(size=(3, 6, 5, 4)).astype(np.float32)
    norm = partial(by_numpy.rms_norm, {}, epsilon=1e-12)
    np.testing.assert_allclose(norm(-4 * x), -norm(x), atol=1e-5)
    assert abs(norm(x + 1.5) - norm(x)).max() > 0.5


@centred_norms
def test_equal_cells_give_the_bias(name):
    params = {"bias": np.arange(4, dtype=np.float32), "scale": np.full(4, 7, np.float32)}
    y = computed(NORMS[name][0])(params, np.full((2, 3, 3, 4), 100, np.float32))
    np.testing.assert_array_equal(y, np.broadcast_to(params["bias"], y.shape))


def test_the_ends_of_group_norm_are_the_others():
    group_norm, layer_norm = by_numpy.group_norm, by_numpy.layer_norm
    close = partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-6)
    x = np.random.default_rng(2).normal(size=(3, 6, 5, 4)).astype(np.float32)
    close(group_norm({}, x, groups=4), by_numpy.instance_norm({}, x))
    vectors = x[:, 0, 0]
    close(group_norm({}, vectors, groups=1), layer_norm({}, vectors))
    assert abs(group_norm({}, x, groups=1) - layer_norm({}, x)).max() > 0.1
