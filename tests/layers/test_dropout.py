"""Dropout: which cells are dropped, how often, and the scale of the others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy
from support.numpy_evaluation import evaluated

import jaxconv as jc

KEY = jax.random.key(7)
X = np.random.default_rng(0).normal(size=(4, 6, 5, 8)).astype(np.float32)
LAYERS = [by_numpy.dropout, by_numpy.channel_dropout]
both = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)


@both
def test_cells_are_dropped_or_scaled_up(layer):
    """The scale is 1 / (1 - 3/4) = 4, exactly."""
    y = layer(KEY, X, 0.75, training=True)
    np.testing.assert_array_equal(y, np.where(y == 0, 0, 4 * np.asarray(X)))
    assert 0 < np.mean(y == 0) < 1


@both
def test_the_average_is_kept(layer):
    """5000 keys: the mean of a cell is x, within 4 standard deviations of 1 / sqrt(5000 * 0.75 / 0.25)."""
    keys = jax.random.split(KEY, 5000)
    x = np.ones((1, 2, 2, 2), np.float32)
    y = evaluated(jax.vmap(lambda key: layer(key, x, 0.25, training=True)))(keys)
    assert abs(y.mean(axis=0) - 1).max() < 4 * (0.25 / 0.75 / 5000) ** 0.5
    assert abs((y == 0).mean() - 0.25) < 0.02


def test_whole_maps_of_each_example_are_dropped():
    y = np.asarray(by_numpy.channel_dropout(KEY, X, 0.5, training=True))
    dropped = (y == 0).reshape(4, 30, 8)
    assert (dropped == dropped[:, :1]).all()
    assert len({row.tobytes() for row in dropped[:, 0]}) > 1  # the examples drop different feature maps
    assert (
        (by_numpy.dropout(KEY, X, 0.5, training=True) == 0).reshape(4, 30, 8).any(axis=1)
    ).all()  # cells are separate


@both
@pytest.mark.parametrize("key", [KEY, None])
def test_without_training_or_rate_nothing_happens(layer, key):
    np.testing.assert_array_equal(layer(key, X, 0.5, training=False), X)
    np.testing.assert_array_equal(layer(key, X, 0.0, training=True), X)


@both
def test_the_key_decides(layer):
    one = layer(KEY, X, 0.5, training=True)
    np.testing.assert_array_equal(layer(KEY, X, 0.5, training=True), one)
    assert (layer(jax.random.key(8), X, 0.5, training=True) != one).any()
    old = jax.random.PRNGKey(7)
    assert (layer(old, X, 0.5, training=True) == 0).any()


def test_layouts_and_single_examples():
    y = by_numpy.channel_dropout(KEY, X, 0.5, training=True)
    first = by_numpy.channel_dropout(KEY, np.moveaxis(X, -1, 1), 0.5, training=True, layout="channels_first")
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), y)
    one = by_numpy.channel_dropout(KEY, X[0], 0.5, training=True, batched=False)
    np.testing.assert_array_equal(one, by_numpy.channel_dropout(KEY, X[:1], 0.5, training=True)[0])


@both
def test_half_precision_is_scaled_in_single(layer):
    """Divided by 0.9 and rounded once. In bfloat16 0.9 is 0.8984375, and some of these quotients would differ."""
    x = np.arange(1, 257, dtype=np.float32).reshape(1, 16, 16, 1).astype(jnp.bfloat16)
    y = layer(jax.random.key(1), x, 0.1, training=True)
    assert y.dtype == jnp.bfloat16
    exact = (np.asarray(x, np.float32) / np.float32(0.9)).astype(jnp.bfloat16)
    kept = np.asarray(y != 0)
    assert kept.any()
    np.testing.assert_array_equal(np.asarray(y)[kept], exact[kept])
    assert (np.asarray(x / jnp.bfloat16(0.9)) != exact)[kept].any()


@both
def test_what_is_dropped_takes_no_gradient_and_hides_no_nan(layer):
    gradient = evaluated(jax.grad(lambda x: layer(KEY, x, 0.5, training=True).sum()))(X)
    np.testing.assert_array_equal(gradient, np.where(layer(KEY, X, 0.5, training=True) == 0, 0.0, 2.0))
    poisoned = np.full(X.shape, np.nan, np.float32)
    np.testing.assert_array_equal(np.isnan(layer(KEY, poisoned, 0.5, training=True)), gradient != 0)


@both
@pytest.mark.parametrize(
    ("key", "x", "rate", "error", "message"),
    [
        (KEY, X, 1.0, ValueError, "rate is 1.0, but should be at least 0 and less than 1. It is the share that is dropped"),
        (KEY, X, -0.1, ValueError, "rate is -0.1, but should be at least 0"),
        (KEY, X, float("nan"), ValueError, "rate is nan, but should be at least 0"),
        (None, X, 0.5, ValueError, "key is None, but should be a jax.random key in training"),
        (KEY, X.astype(np.int32), 0.5, TypeError, "x is int32, but should be floating-point numbers"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_cure(layer, key, x, rate, error, message):
    with pytest.raises(error, match=f"{layer.__name__}: {message}"):
        getattr(jc, layer.__name__)(key, x, rate, training=True)


def test_maps_have_channels():
    with pytest.raises(ValueError, match=r"channel_dropout: x is \(8,\), 1 axes, but should be \[n, "):
        jc.channel_dropout(KEY, X[0, 0, 0], 0.5, training=True)
