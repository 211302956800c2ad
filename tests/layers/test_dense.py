"""The dense layer: batches, dtypes and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy

import jaxconv as jc

PARAMS = {"kernel": np.arange(-3.0, 3.0, dtype=np.float32).reshape(3, 2), "bias": np.float32([0.5, -0.5])}


@pytest.mark.parametrize("batch", [(), (4,), (2, 0), (2, 4, 5)])
def test_every_axis_but_the_last_is_a_batch(batch):
    x = np.random.default_rng(0).integers(-4, 5, (*batch, 3)).astype(np.float32)
    y = by_numpy.dense(PARAMS, x)
    assert y.shape == (*batch, 2)
    np.testing.assert_array_equal(y, np.asarray(x) @ np.asarray(PARAMS["kernel"]) + np.asarray(PARAMS["bias"]))


def test_on_a_feature_map_it_is_a_convolution_with_one_tap():
    x = np.random.default_rng(1).integers(-4, 5, (2, 4, 5, 3)).astype(np.float32)
    one_tap = PARAMS | {"kernel": PARAMS["kernel"][None, None]}
    np.testing.assert_array_equal(by_numpy.dense(PARAMS, x), by_numpy.conv(one_tap, x))


def test_preferred_element_type():
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), PARAMS)
    x = np.ones((1, 3), jnp.bfloat16)
    assert by_numpy.dense(params, x).dtype == jnp.bfloat16
    assert by_numpy.dense(params, x, preferred_element_type=np.float32).dtype == np.float32


@pytest.mark.parametrize(
    ("params", "x", "error", "message"),
    [
        (
            PARAMS,
            np.ones((2, 4), np.float32),
            ValueError,
            r"dense: x is \(2, 4\), but should be \[\.\.\., i\] with i = 3, the kernel's",
        ),
        (
            PARAMS,
            np.ones((2, 5, 5, 16), np.float32),
            ValueError,
            r"dense: x is .* Flatten the features of each example first",
        ),
        (PARAMS, np.float32(1), ValueError, r"dense: x is \(\), but should be"),
        (PARAMS, np.ones((2, 3), np.int32), TypeError, "dense: x is int32, but should be float32, as the kernel is"),
        (
            {"kernel": np.ones((2, 3, 4), np.float32)},
            np.ones(3, np.float32),
            ValueError,
            r"dense: kernel is \(2, 3, 4\), but should be \[i, o\]",
        ),
        (
            PARAMS | {"bias": np.ones(3, np.float32)},
            np.ones(3, np.float32),
            ValueError,
            r"dense: bias is \(3,\), but should be \(2,\)",
        ),
    ],
)
def test_errors_name_the_argument_and_the_cure(params, x, error, message):
    with pytest.raises(error, match=message):
        jc.dense(params, x)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [((0, 1), "init_dense: features_in is 0"), ((1, -2), "init_dense: features_out is -2, but should be 1 or more")],
)
def test_init_errors(sizes, message):
    with pytest.raises(ValueError, match=message):
        jc.init_dense(jax.random.key(0), *sizes)


def test_init_without_a_bias():
    assert jax.tree.map(jnp.shape, by_numpy.init_dense(jax.random.key(0), 3, 2, bias=False)) == {"kernel": (3, 2)}
