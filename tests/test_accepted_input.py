"""Other ways to write a setting that are accepted: each gives the numbers of the usual way, by the NumPy reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.converted_layers import integers
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv import reference

X, KERNEL, BIAS = integers(1, 6, 8, 2), integers(3, 2, 2, 4), integers(4)
PARAMS = {"kernel": KERNEL, "bias": BIAS}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"stride": [2, 1]}, {"stride": (2, 1)}),
        ({"stride": np.array([2, 1])}, {"stride": (2, 1)}),
        ({"stride": jnp.array([2, 1])}, {"stride": (2, 1)}),
        ({"stride": range(1, 3)}, {"stride": (1, 2)}),
        ({"stride": np.int64(2)}, {"stride": 2}),
        ({"stride": np.array(2)}, {"stride": 2}),
        ({"dilation": (np.int32(1), 2)}, {"dilation": (1, 2)}),
        ({"padding": "Circular"}, {"padding": "CIRCULAR"}),
        ({"padding": [(1, 1), [0, 1]]}, {"padding": ((1, 1), (0, 1))}),
        ({"padding": [np.array([1, 1]).tolist(), "same"]}, {"padding": ((1, 1), "SAME")}),
        ({"batched": np.True_}, {}),
        ({"precision": "highest"}, {}),
        ({"precision": ["highest", "highest"]}, {}),
        ({"precision": (jax.lax.Precision.HIGH, jax.lax.Precision.HIGH)}, {}),
        ({"preferred_element_type": "float32"}, {}),
        ({"preferred_element_type": np.dtype("float32")}, {}),
        pytest.param({"params": {"kernel": KERNEL.tolist(), "bias": BIAS.tolist()}, "x": X.tolist()}, {}, id="lists"),
    ],
    ids=str,
)
def test_a_convolution_takes_other_ways_to_write_its_settings(written, meant):
    call = lambda: jc.conv(**{"params": PARAMS, "x": X, **written})
    found = call() if isinstance(written.get("stride"), jax.Array) else evaluated(call)()  # a trace hides its numbers
    np.testing.assert_array_equal(found, reference.conv(**PARAMS, x=X, **meant))


@pytest.mark.parametrize("window", [[2, 2], np.array([2, 2]), (np.int8(2), 2)], ids=str)
def test_a_pool_takes_other_ways_to_write_its_window(window):
    np.testing.assert_array_equal(
        evaluated(lambda: jc.max_pool(X, window))(), X.reshape(1, 3, 2, 4, 2, 2).max(axis=(2, 4))
    )


@pytest.mark.parametrize("pool", [jc.max_pool, jc.min_pool], ids=["max_pool", "min_pool"])
def test_booleans_are_ordered(pool):
    """False before True: any and all."""
    image = X > 0
    windows = image.reshape(1, 3, 2, 4, 2, 2)
    expected = windows.any(axis=(2, 4)) if pool is jc.max_pool else windows.all(axis=(2, 4))
    np.testing.assert_array_equal(evaluated(lambda: pool(image, (2, 2)))(), expected)


@pytest.mark.parametrize("epsilon", [np.float64(0.5), np.float32(0.5), np.array(0.5), jnp.array(0.5)], ids=repr)
def test_an_epsilon_may_be_any_real_number_and_promotes_no_dtype(epsilon):
    x = np.array([[1.0, 3.0]], np.float32)
    found = evaluated(lambda: jc.layer_norm({}, x, epsilon=epsilon))()
    np.testing.assert_allclose(found, [[-(1.5**-0.5), 1.5**-0.5]], rtol=1e-6)
    assert found.dtype == jnp.float32


@pytest.mark.parametrize("one", [np.int64(2), np.array(2), jnp.array(2)], ids=["NumPy", "an array", "JAX"])
def test_searches_and_checks_take_integers_of_any_kind(one):
    reverse = lambda x: jnp.flip(x, 1)
    small = jax.ShapeDtypeStruct((1, 6, 1), "float32")
    search = lambda number: jc.falsify(reverse, small, axes=(1,), shift=number, examples=number, seed=number)
    assert str(search(one).counterexample) == str(search(2).counterexample)
    assert jc.check(reverse, X, axes=(1,), batch=one, seed=one).finding == jc.check(reverse, X, axes=(1,)).finding


@pytest.mark.parametrize("epsilon", [2**120, 2.0**-126], ids=["an integer of 121 bits", "the least normal number"])
def test_an_epsilon_may_be_any_number_that_float32_holds(epsilon):
    x = np.array([[2.0**50, -(2.0**50)]], np.float32)
    found = evaluated(lambda: jc.rms_norm({}, x, epsilon=epsilon))()
    np.testing.assert_allclose(found, x / np.sqrt(2.0**100 + epsilon), rtol=1e-6)


@pytest.mark.parametrize(
    "key",
    [jax.random.key, jax.random.PRNGKey, lambda seed: np.asarray(jax.random.PRNGKey(seed))],
    ids=["new", "old", "NumPy's"],
)
def test_keys_of_the_new_style_and_of_the_old_draw_the_same(key):
    found = jc.init_conv(key(3), (3, 3), 1, 2)["kernel"]
    expected = jax.nn.initializers.lecun_normal()(jax.random.split(jax.random.key(3))[0], (3, 3, 1, 2), jnp.float32)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "axes", [[1, 2], np.array([1, 2]), (np.int64(1), -2), {0: (1, 2)}, {np.int64(0): [1, 2]}], ids=str
)
def test_axes_may_be_any_sequence_of_integers(axes):
    certificate = jc.certify(lambda x: jnp.roll(x, 1, axis=1), X, axes=axes, search=False)
    assert [report.shifted for report in certificate.leaves[0].axes] == [((0, 1),), ((0, 2),)]
    assert certificate.cyclic.value == "PROVED"


def test_a_rate_of_0_needs_no_key():
    np.testing.assert_array_equal(jc.dropout(None, X, 0, training=True), X)
