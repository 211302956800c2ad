"""Conversion to and from Haiku: both libraries agree exactly on whole numbers."""

import jax
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
    pairs,
)

import jaxconv as jc

pytestmark = pytest.mark.peers
hk = pytest.importorskip("haiku")

CONVS = [
    (1, {}),
    (1, {"stride": 2, "padding": "VALID"}),
    (2, {"stride": 2}),
    (2, {"rate": (1, 2), "padding": "VALID", "feature_group_count": 2}),
    (2, {"padding": ((2, 0), (1, 3)), "stride": (2, 1)}),
    (3, {"stride": (1, 2, 1)}),
]
DEPTHWISE = [(1, {}), (2, {"stride": 2}), (2, {"rate": 2, "padding": "VALID"}), (3, {})]
TRANSPOSED = [(1, {}), (1, {"stride": 3, "padding": "VALID"}), (2, {"stride": 2}), (2, {"padding": "VALID"}),
              (2, {"stride": 2, "padding": ((1, 2), (1, 0))}), (3, {"stride": (1, 2, 2)})]  # fmt: skip


def applied(make, x):
    """A layer's parameters, filled with whole numbers, and its output."""

    def forward(x):
        return make()(x)

    model = hk.without_apply_rng(hk.transform(forward))
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.asarray(x))
    params = jax.tree.map(lambda leaf: integers(*leaf.shape), shapes)
    ((_, leaves),) = params.items()
    return leaves, model.apply(params, jnp.asarray(x))


@pytest.mark.parametrize(("rank", "settings"), **names(CONVS))
def test_conv(rank, settings):
    x = integers(2, *LENGTHS[:rank], 4)
    params, y = applied(lambda: hk.ConvND(rank, 6, WINDOW[:rank], **settings), x)
    ours = jc.settings_from_library("haiku", "conv", LENGTHS[:rank], WINDOW[:rank], **settings)
    groups = settings.get("feature_group_count", 1)
    assert_door("haiku", "conv", params, x, y, settings=ours, groups=groups)


@pytest.mark.parametrize(("rank", "settings"), **names(DEPTHWISE))
def test_depthwise_conv(rank, settings):
    x = integers(2, *LENGTHS[:rank], 4)
    make = {1: hk.DepthwiseConv1D, 2: hk.DepthwiseConv2D, 3: hk.DepthwiseConv3D}[rank]
    params, y = applied(lambda: make(3, WINDOW[:rank], **settings), x)
    ours = jc.settings_from_library("haiku", "depthwise_conv", LENGTHS[:rank], WINDOW[:rank], **settings)
    assert_door("haiku", "depthwise_conv", params, x, y, settings=ours, groups=4)


@pytest.mark.parametrize(("rank", "settings"), **names(TRANSPOSED))
def test_conv_transpose(rank, settings):
    x = integers(2, *LENGTHS[:rank], 4)
    params, y = applied(lambda: hk.ConvNDTranspose(rank, 6, WINDOW[:rank], **settings), x)
    ours = jc.settings_from_library("haiku", "conv_transpose", LENGTHS[:rank], WINDOW[:rank], **settings)
    assert_door("haiku", "conv_transpose", params, x, y, settings=ours)


@few(st.sampled_from(["SAME", "VALID"]) | pairs, examples=15)
def test_conv_with_any_settings(length, taps, stride, dilation, padding):
    padding = padding if isinstance(padding, str) else [padding]
    theirs = {"stride": stride, "rate": dilation if stride == 1 else 1, "padding": padding}
    assert_any_settings("haiku", "conv", length, taps, theirs, run(lambda: hk.Conv1D(3, taps, name="m", **theirs)))


@few(st.sampled_from(["SAME", "VALID"]), examples=15)
def test_conv_transpose_with_any_settings(length, taps, stride, dilation, padding):
    del dilation  # Haiku's transposed convolution has no dilation
    theirs = {"stride": stride, "padding": padding}
    make = lambda: hk.Conv1DTranspose(3, taps, name="m", **theirs)
    assert_any_settings("haiku", "conv_transpose", length, taps, theirs, run(make))


def run(make):
    """The Haiku layer with given arrays."""

    def forward(x):
        return make()(x)

    return lambda params, x: hk.without_apply_rng(hk.transform(forward)).apply({"m": params}, jnp.asarray(x))


def test_dense():
    x = integers(3, 4)
    params, y = applied(lambda: hk.Linear(6), x)
    assert_door("haiku", "dense", params, x, y)


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
@pytest.mark.parametrize("strides", [1, (2, 1), 3])
def test_pools(strides, padding):
    """Haiku's averages do not count padding: they are over 1, 2 or 4 cells, so they are exact."""
    x, settings = integers(2, 7, 6, 3), {"strides": strides, "padding": padding}
    theirs = {"strides": (*np.broadcast_to(strides, 2).tolist(), 1), "padding": padding}
    ours = jc.settings_from_library("haiku", "avg_pool", (7, 6), (2, 2), **settings)
    np.testing.assert_array_equal(jc.avg_pool(x, (2, 2), **ours), hk.avg_pool(x, (2, 2, 1), **theirs))
    ours = jc.settings_from_library("haiku", "max_pool", (7, 6), (2, 2), **settings)
    np.testing.assert_array_equal(jc.max_pool(x, (2, 2), **ours), hk.max_pool(x, (2, 2, 1), **theirs))


@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(rank, training):
    """Haiku's running averages start at 0 and are divided by their total weight: `average`, not `hidden`."""

    def forward(x, training):
        return hk.BatchNorm(True, True, decay_rate=0.75)(x, is_training=training)

    model = hk.without_apply_rng(hk.transform_with_state(forward))
    x = jnp.asarray(integers(3, *LENGTHS[:rank], 6))
    params, state = model.init(jax.random.key(0), x, True)
    params = jax.tree.map(lambda leaf: jnp.asarray(integers(*leaf.shape)), params)
    _, state = model.apply(params, state, x, True)
    y, after = model.apply(params, state, x - 2, training)
    read = lambda state: {name: state[f"batch_norm/~/{name}"]["average"] for name in ("mean_ema", "var_ema")}
    ours = jc.from_library("haiku", "batch_norm", params["batch_norm"])
    running = jc.from_library("haiku", "batch_norm_state", read(state))
    # After one step with decay 3/4 the weight of the new batch is (1 - 3/4) / (1 - (3/4)**2) = 4/7.
    found, following = jc.batch_norm(ours, running, x - 2, training=training, momentum=3 / 7)
    np.testing.assert_allclose(found, y, rtol=1e-4, atol=1e-4)
    back = jc.to_library("haiku", "batch_norm_state", following, rank=rank)
    for name, array in read(after).items():
        assert back[name].shape == array.shape
        np.testing.assert_allclose(back[name], array, rtol=1e-5, atol=1e-5)
    assert_same(jc.to_library("haiku", "batch_norm", ours, rank=rank), params["batch_norm"])


def test_settings_of_norms():
    affine = {"create_scale": False, "create_offset": False}

    def run(make):
        """Haiku modules are made inside the function that applies them."""

        def module(x):
            return make()(x)

        found = hk.without_apply_rng(hk.transform(module))
        return lambda x: found.apply({}, jnp.asarray(x))

    assert_norm("haiku", "layer_norm", {"axis": -1}, run(lambda: hk.LayerNorm(-1, **affine)))
    assert_norm("haiku", "rms_norm", {"axis": -1}, run(lambda: hk.RMSNorm(-1, create_scale=False)))
    assert_norm("haiku", "group_norm", {"groups": 4}, run(lambda: hk.GroupNorm(4, **affine)))
    assert_norm("haiku", "instance_norm", {}, run(lambda: hk.InstanceNorm(**affine)))
    for layer, make in (
        ("layer_norm", hk.LayerNorm),
        ("rms_norm", hk.RMSNorm),
        ("group_norm", hk.GroupNorm),
        ("instance_norm", hk.InstanceNorm),
        ("batch_norm", hk.BatchNorm),
    ):
        assert_defaults("haiku", layer, make)
