"""The locally connected layer: errors and initialisation. tests/laws covers its laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy
from support.whole_parameters import whole_like

import jaxconv as jc

X = np.random.default_rng(0).integers(-4, 5, (2, 5, 6, 4)).astype(np.float32)
GEOMETRY = {"stride": (2, 1), "padding": ("circular", "valid"), "groups": 2}
PARAMS = whole_like(jc.init_locally_connected, (5, 6), (3, 2), 4, 6, **GEOMETRY)


def test_init_has_the_shapes_that_the_layer_takes():
    assert jax.tree.map(jnp.shape, PARAMS) == {"kernel": (3, 5, 3, 2, 2, 6), "bias": (3, 5, 6)}
    assert by_numpy.locally_connected(PARAMS, X, **GEOMETRY).shape == (2, 3, 5, 6)


def test_init_draws_each_position_as_conv_would():
    """The kernels of all positions have the variance of a shared kernel, 1 / (taps * c / groups), and all differ."""
    params = by_numpy.init_locally_connected(jax.random.key(0), (20, 20), (3, 3), 8, 8)
    kernels = np.asarray(params["kernel"]).reshape(18 * 18, -1)
    np.testing.assert_allclose(kernels.std(), (3 * 3 * 8) ** -0.5, rtol=0.02)
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels)


def test_layouts_and_batches():
    y = by_numpy.locally_connected(PARAMS, X, **GEOMETRY)
    one = by_numpy.locally_connected(PARAMS, X[1], **GEOMETRY, batched=False)
    np.testing.assert_allclose(one, y[1], rtol=1e-5, atol=1e-5)
    first = by_numpy.locally_connected(PARAMS, np.moveaxis(X, -1, 1), **GEOMETRY, layout="channels_first")
    np.testing.assert_allclose(np.moveaxis(first, 1, -1), y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.int32])
def test_dtype_is_kept(dtype):
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), PARAMS)
    wide = jax.tree.map(lambda leaf: leaf.astype(np.float32), params)
    y = by_numpy.locally_connected(params, X.astype(dtype), **GEOMETRY)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.astype(np.float32), by_numpy.locally_connected(wide, X, **GEOMETRY))


def test_preferred_element_type():
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), PARAMS)
    layer = lambda params, x: by_numpy.locally_connected(params, x, **GEOMETRY, preferred_element_type=np.float32)
    assert layer(params, X.astype(jnp.bfloat16)).dtype == np.float32


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": X[0]}, ValueError, r"locally_connected: x is \(5, 6, 4\), 3 axes, but should be \[n, h, w, c\], 4 axes"),
        ({"x": X[..., :3]}, ValueError, "locally_connected: x's number of channels is 3, but should be 4: kernel"),
        ({"groups": 4}, ValueError, "locally_connected: groups is 4, but should be a divisor of the kernel's 6 output"),
        ({"x": X[:, :, :5]}, ValueError, r"kernel's \*out is \(3, 5\), but should be \(3, 4\), the positions of the window"),
        ({"stride": 1}, ValueError, r"kernel's \*out is \(3, 5\), but should be \(5, 5\)"),
        ({"x": X[:, :, :1]}, ValueError, "locally_connected: window along axis w is 2 cells wide"),
        ({"padding": "wrap"}, ValueError, "locally_connected: padding is 'wrap', but should be one of"),
        ({"x": X.astype(np.float16)}, TypeError, "locally_connected: x is float16, but should be float32"),
        ({"params": {"kernel": np.ones((3, 5, 3, 2, 6), np.float32)}}, ValueError, r"kernel is .*, 5 axes, but should be .* even number"),
        ({"params": {"kernel": np.ones((4, 6), np.float32)}}, ValueError, "kernel is .*, 2 axes, but should be .* 4 or more"),
        ({"params": PARAMS | {"bias": np.zeros(6, np.float32)}}, ValueError, r"bias is \(6,\), but should be \(3, 5, 6\) \[\*out, o\]"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_cure(change, error, message):
    arguments = {"params": PARAMS, "x": X} | GEOMETRY | change
    with pytest.raises(error, match=message):
        jc.locally_connected(arguments.pop("params"), arguments.pop("x"), **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((5, 6), 3, 1, 1), "init_locally_connected: window is 3, but should be one integer per spatial axis"),
        (((5,), (3, 3), 1, 1), r"init_locally_connected: spatial is \(5,\), but should be one integer, or 2 of them"),
        (((2, 6), (3, 3), 1, 1), "init_locally_connected: window along axis h is 3 cells wide"),
    ],
)
def test_init_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        jc.init_locally_connected(jax.random.key(0), *arguments)
