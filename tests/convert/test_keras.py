"""Conversion to and from Keras 3, on its JAX backend: both libraries agree exactly on whole numbers."""

import os

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from support.converted_layers import (
    LENGTHS,
    WINDOW,
    assert_any_settings,
    assert_defaults,
    assert_door,
    assert_norm,
    assert_same,
    few,
    integers,
    names,
)

import jaxconv as jc

os.environ.setdefault("KERAS_BACKEND", "jax")  # read at the first import; the default backend is TensorFlow
pytestmark = pytest.mark.peers
keras = pytest.importorskip("keras")

CONVS = [
    (1, {"padding": "causal", "dilation_rate": 2}),
    (1, {"padding": "same", "strides": 2}),
    (2, {}),
    (2, {"padding": "same", "strides": (2, 3)}),
    (2, {"padding": "same", "dilation_rate": (1, 2), "groups": 2}),
    (3, {"padding": "same", "strides": 2}),
]
DEPTHWISE = [
    (1, {}),
    (1, {"padding": "same", "strides": 2}),
    (2, {"padding": "same", "strides": 2}),
    (2, {"dilation_rate": 2}),
]
TRANSPOSED = [
    (1, {"padding": "same", "strides": 2}),
    (1, {"strides": 4}),
    (1, {"padding": "same", "strides": 4}),
    (2, {}),
    (2, {"padding": "same", "strides": 2}),
    (2, {"padding": "same", "strides": 3, "output_padding": (1, 2)}),
    (2, {"strides": (3, 2), "output_padding": 1}),
    (2, {"padding": "same", "dilation_rate": 2}),
    (3, {"padding": "same", "strides": (1, 2, 2)}),
]


def applied(layer, x):
    """A layer's arrays, filled with whole numbers, and its output."""
    layer.build(x.shape)
    layer.set_weights([integers(*weight.shape, seed=n) for n, weight in enumerate(layer.weights)])
    return {weight.name: np.asarray(weight.value) for weight in layer.weights}, np.asarray(layer(jnp.asarray(x)))


@pytest.mark.parametrize(("rank", "settings"), **names(CONVS))
def test_conv(rank, settings):
    x = integers(2, *LENGTHS[:rank], 4)
    make = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}[rank]
    params, y = applied(make(6, WINDOW[:rank], **settings), x)
    ours = jc.settings_from_library("keras", "conv", LENGTHS[:rank], WINDOW[:rank], **settings)
    assert_door("keras", "conv", params, x, y, settings=ours, groups=settings.get("groups", 1))


@pytest.mark.parametrize(("rank", "settings"), **names(DEPTHWISE))
def test_depthwise_conv(rank, settings):
    """Keras's kernel is [h, w, c, m], with m outputs for each of c channels. The outputs are ordered by channel."""
    x = integers(2, *LENGTHS[:rank], 4)
    make = {1: keras.layers.DepthwiseConv1D, 2: keras.layers.DepthwiseConv2D}[rank]
    params, y = applied(make(WINDOW[:rank], depth_multiplier=3, **settings), x)
    assert params["kernel"].shape == (*WINDOW[:rank], 4, 3)
    ours = jc.settings_from_library("keras", "depthwise_conv", LENGTHS[:rank], WINDOW[:rank], **settings)
    assert_door("keras", "depthwise_conv", params, x, y, settings=ours, groups=4)


@pytest.mark.parametrize(("rank", "settings"), **names(TRANSPOSED))
def test_conv_transpose(rank, settings):
    x = integers(2, *LENGTHS[:rank], 4)
    layers = keras.layers
    make = {1: layers.Conv1DTranspose, 2: layers.Conv2DTranspose, 3: layers.Conv3DTranspose}[rank]
    params, y = applied(make(6, WINDOW[:rank], **settings), x)
    ours = jc.settings_from_library("keras", "conv_transpose", LENGTHS[:rank], WINDOW[:rank], **settings)
    assert_door("keras", "conv_transpose", params, x, y, settings=ours)


def test_a_separable_convolution_is_two():
    """A depthwise convolution with the layer's settings, then a convolution of one tap with its bias."""
    x, theirs = integers(2, 7, 6, 4), {"padding": "same", "strides": 2}
    arrays, y = applied(keras.layers.SeparableConv2D(6, (3, 2), depth_multiplier=3, **theirs), x)
    depthwise = jc.from_library("keras", "depthwise_conv", {"kernel": arrays["depthwise_kernel"]}, groups=4)
    settings = jc.settings_from_library("keras", "depthwise_conv", (7, 6), (3, 2), **theirs)
    pointwise = {"kernel": arrays["pointwise_kernel"], "bias": arrays["bias"]}
    between = jc.conv(depthwise, jnp.asarray(x), groups=4, **settings)
    np.testing.assert_array_equal(jc.conv(jc.from_library("keras", "conv", pointwise), between), y)


def run(make):
    """The Keras layer with given arrays."""

    def with_arrays(params, x):
        layer = make()
        layer.build(x.shape)
        layer.set_weights(list(params.values()))
        return layer(jnp.asarray(x))

    return with_arrays


@few(st.sampled_from(["same", "valid", "causal"]), examples=15)
def test_conv_with_any_settings(length, taps, stride, dilation, padding):
    theirs = {"strides": stride, "dilation_rate": dilation if stride == 1 else 1, "padding": padding}
    make = lambda: keras.layers.Conv1D(3, taps, **theirs)
    assert_any_settings("keras", "conv", length, taps, theirs, run(make))


@few(st.sampled_from(["same", "valid"]), st.none() | st.integers(0, 4))
def test_conv_transpose_with_any_settings(length, taps, stride, dilation, padding, extra):
    extra = extra if extra is None else extra % stride
    theirs = {"strides": stride, "dilation_rate": dilation if stride == 1 else 1, "padding": padding}
    theirs |= {"output_padding": extra}
    make = lambda: keras.layers.Conv1DTranspose(3, taps, **theirs)
    assert_any_settings("keras", "conv_transpose", length, taps, theirs, run(make))


def test_dense():
    x = integers(3, 4)
    params, y = applied(keras.layers.Dense(6), x)
    assert_door("keras", "dense", params, x, y)


@pytest.mark.parametrize("settings", [{}, {"padding": "same"}, {"strides": (2, 1), "padding": "same"}, {"strides": 3}])
def test_pools(settings):
    """Keras's averages do not count padding: they are over 1, 2 or 4 cells, so they are exact."""
    x = integers(2, 7, 5, 3)
    ours = jc.settings_from_library("keras", "avg_pool", (7, 5), (2, 2), **settings)
    expected = keras.layers.AveragePooling2D((2, 2), **settings)(jnp.asarray(x))
    np.testing.assert_array_equal(jc.avg_pool(x, (2, 2), **ours), expected)
    ours = jc.settings_from_library("keras", "max_pool", (7, 5), (2, 2), **settings)
    expected = keras.layers.MaxPooling2D((2, 2), **settings)(jnp.asarray(x))
    np.testing.assert_array_equal(jc.max_pool(x, (2, 2), **ours), expected)


@pytest.mark.parametrize("training", [False, True])
def test_batch_norm(training):
    """Keras's momentum is the share that is kept, as ours. Its running variance is the biased one."""
    x = integers(3, 4, 5, 6)
    layer = keras.layers.BatchNormalization(momentum=0.75, epsilon=1e-3)
    layer.build(x.shape)
    values = [integers(6), integers(6, seed=1), integers(6, seed=2), abs(integers(6, seed=3)) + 1]
    layer.set_weights(values)
    theirs = {weight.name: np.asarray(weight.value) for weight in layer.weights}
    params = {name: theirs[name] for name in ("gamma", "beta")}
    state = {name: theirs[name] for name in ("moving_mean", "moving_variance")}
    y = layer(jnp.asarray(x), training=training)
    ours = jc.from_library("keras", "batch_norm", params), jc.from_library("keras", "batch_norm_state", state)
    found, following = jc.batch_norm(*ours, jnp.asarray(x), training=training, momentum=0.75, epsilon=1e-3)
    np.testing.assert_allclose(found, y, rtol=1e-5, atol=1e-5)
    back = jc.to_library("keras", "batch_norm_state", following)
    np.testing.assert_allclose(back["moving_mean"], layer.moving_mean.value, rtol=1e-5)
    np.testing.assert_allclose(back["moving_variance"], layer.moving_variance.value, rtol=1e-5)
    assert_same(jc.to_library("keras", "batch_norm", ours[0]), params)


def test_other_norms():
    """Keras's layer norm takes the last axis and its group norm neighbouring channels, as ours do."""
    x = integers(3, 4, 5, 6)
    for layer, ours, settings in (
        (keras.layers.LayerNormalization(), jc.layer_norm, {"epsilon": 1e-3}),
        (keras.layers.GroupNormalization(groups=2), jc.group_norm, {"groups": 2, "epsilon": 1e-3}),
        (keras.layers.GroupNormalization(groups=-1), jc.instance_norm, {"epsilon": 1e-3}),
    ):
        params, y = applied(layer, x)
        found = ours(jc.from_library("keras", "norm", params), jnp.asarray(x), **settings)
        np.testing.assert_allclose(found, y, rtol=1e-5, atol=1e-5)


def test_settings_of_norms():
    layers = keras.layers
    assert_norm("keras", "layer_norm", {}, lambda x: layers.LayerNormalization()(jnp.asarray(x)))
    assert_norm("keras", "rms_norm", {}, lambda x: layers.RMSNormalization()(jnp.asarray(x)))
    assert_norm("keras", "group_norm", {}, lambda x: layers.GroupNormalization()(jnp.asarray(x)))
    for layer, make in (
        ("layer_norm", layers.LayerNormalization),
        ("rms_norm", layers.RMSNormalization),
        ("group_norm", layers.GroupNormalization),
        ("batch_norm", layers.BatchNormalization),
    ):
        assert_defaults("keras", layer, make.__init__)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"])
def test_resize(interpolation, antialias):
    x, settings = integers(2, 7, 6, 3), {"interpolation": interpolation, "antialias": antialias}
    theirs = keras.ops.image.resize(x, (3, 9), **settings, data_format="channels_last")
    found = jc.resize(x, (3, 9), **jc.settings_from_library("keras", "resize", **settings))
    np.testing.assert_allclose(found, theirs, rtol=0, atol=2e-5)
