"""Conversion to and from Flax, linen and nnx: both libraries agree exactly on whole numbers."""

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
linen = pytest.importorskip("flax.linen")
nnx = pytest.importorskip("flax.nnx")

CONVS = [
    (1, {}),
    (1, {"padding": "CAUSAL", "kernel_dilation": 2}),
    (1, {"padding": "SAME_LOWER", "strides": 2}),
    (2, {"strides": 2}),
    (2, {"strides": (2, 3), "padding": "VALID", "kernel_dilation": (1, 2)}),
    (2, {"strides": 2, "padding": "CIRCULAR"}),
    (2, {"strides": (1, 2), "padding": "REFLECT", "kernel_dilation": 2}),
    (2, {"padding": 1, "feature_group_count": 2}),
    (2, {"padding": ((2, 0), (1, 3)), "strides": 2}),
    (3, {"padding": (1, 0, 2), "strides": (1, 2, 1)}),
]
TRANSPOSED = [
    (1, {}),
    (1, {"strides": 3, "padding": "VALID"}),  # a stride wider than the kernel
    (1, {"strides": 3}),
    (1, {"strides": 2, "padding": "CIRCULAR"}),
    (2, {"strides": 2}),
    (2, {"strides": (2, 1), "padding": "VALID", "kernel_dilation": (1, 2)}),
    (2, {"strides": 2, "padding": "CIRCULAR"}),
    (2, {"strides": 1, "padding": "CIRCULAR", "kernel_dilation": (1, 3)}),
    (2, {"strides": 2, "padding": ((1, 2), (1, 0))}),
    (3, {"strides": (1, 2, 2)}),
]


@pytest.mark.parametrize(("rank", "settings"), **names(CONVS))
def test_conv(rank, settings):
    groups = settings.get("feature_group_count", 1)
    x = integers(2, *LENGTHS[:rank], 4)
    params = {"kernel": integers(*WINDOW[:rank], 4 // groups, 6), "bias": integers(6)}
    y = linen.Conv(6, WINDOW[:rank], **settings).apply({"params": params}, x)
    ours = jc.settings_from_library("flax", "conv", LENGTHS[:rank], WINDOW[:rank], **settings)
    assert_door("flax", "conv", params, x, y, settings=ours, groups=groups)


@few(st.sampled_from(["SAME", "VALID", "SAME_LOWER", "CIRCULAR", "REFLECT", "CAUSAL"]) | pairs)
def test_conv_with_any_settings(length, taps, stride, dilation, padding):
    padding = padding if isinstance(padding, str) else [padding]
    theirs = {"strides": stride, "kernel_dilation": dilation, "padding": padding}
    run = lambda params, x: linen.Conv(3, (taps,), **theirs).apply({"params": params}, x)
    assert_any_settings("flax", "conv", length, taps, theirs, run)


@few(st.sampled_from(["SAME", "VALID", "CIRCULAR"]), st.booleans())
def test_conv_transpose_with_any_settings(length, taps, stride, dilation, padding, adjoint):
    theirs = {"strides": (stride,), "kernel_dilation": (dilation,), "padding": padding, "transpose_kernel": adjoint}
    run = lambda params, x: linen.ConvTranspose(3, (taps,), **theirs).apply({"params": params}, x)
    layer = "conv_transpose, transpose_kernel" if adjoint else "conv_transpose"
    assert_any_settings("flax", layer, length, taps, theirs, run)


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize(("rank", "settings"), **names(TRANSPOSED))
def test_conv_transpose(rank, settings, adjoint):
    """Without `transpose_kernel` Flax correlates with the dilated input, so the conversion flips the kernel."""
    x = integers(2, *LENGTHS[:rank], 4)
    channels = (6, 4) if adjoint else (4, 6)
    params = {"kernel": integers(*WINDOW[:rank], *channels), "bias": integers(6)}
    module = linen.ConvTranspose(6, WINDOW[:rank], transpose_kernel=adjoint, **settings)
    y = module.apply({"params": params}, x)
    settings = settings | {"transpose_kernel": adjoint}
    ours = jc.settings_from_library("flax", "conv_transpose", LENGTHS[:rank], WINDOW[:rank], **settings)
    layer = "conv_transpose, transpose_kernel" if adjoint else "conv_transpose"
    assert_door("flax", layer, params, x, y, settings=ours)


@pytest.mark.parametrize(
    ("rank", "settings"),
    **names([(1, {}), (2, {"strides": 2, "padding": "CIRCULAR"}), (2, {"padding": "VALID", "kernel_dilation": 2})]),
)
def test_locally_connected(rank, settings):
    x, module = integers(2, *LENGTHS[:rank], 4), linen.ConvLocal(6, WINDOW[:rank], **settings)
    shapes = jax.eval_shape(module.init, jax.random.key(0), x)["params"]
    params = {name: integers(*shapes[name].shape) for name in ("kernel", "bias")}
    y = module.apply({"params": params}, x)
    ours = jc.settings_from_library("flax", "locally_connected", LENGTHS[:rank], WINDOW[:rank], **settings)
    assert_door("flax", "locally_connected", params, x, y, settings=ours, rank=rank)


def test_dense():
    x, params = integers(3, 4), {"kernel": integers(4, 6), "bias": integers(6)}
    assert_door("flax", "dense", params, x, linen.Dense(6).apply({"params": params}, x))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"strides": (2, 2), "padding": "SAME"},
        {"strides": (2, 3), "padding": ((1, 0), (0, 1)), "count_include_pad": False},
        {"padding": ((1, 1), (1, 0))},
    ],
)
def test_pools(settings):
    """Windows of 4 cells make averages by the window exact. Averages by other counts agree to one or two ulps."""
    x, window = integers(2, 7, 6, 3), (2, 2)
    ours = jc.settings_from_library("flax", "avg_pool", (7, 6), window, **settings)
    np.testing.assert_allclose(jc.avg_pool(x, window, **ours), linen.avg_pool(x, window, **settings), rtol=3e-7)
    settings = {name: value for name, value in settings.items() if name != "count_include_pad"}
    ours = jc.settings_from_library("flax", "max_pool", (7, 6), window, **settings)
    np.testing.assert_array_equal(jc.max_pool(x, window, **ours), linen.max_pool(x, window, **settings))


@pytest.mark.parametrize("training", [False, True])
def test_batch_norm(training):
    x = integers(3, 4, 5, 6)
    params = {"scale": integers(6), "bias": integers(6, seed=1)}
    state = {"mean": integers(6, seed=2), "var": abs(integers(6, seed=3)) + 1}
    module = linen.BatchNorm(use_running_average=not training, momentum=0.875)
    y, updated = module.apply({"params": params, "batch_stats": state}, x, mutable=["batch_stats"])
    ours = jc.from_library("flax", "batch_norm", params), jc.from_library("flax", "batch_norm_state", state)
    found, following = jc.batch_norm(*ours, jnp.asarray(x), training=training, momentum=0.875)
    np.testing.assert_allclose(found, y, rtol=1e-5, atol=1e-5)
    back = jc.to_library("flax", "batch_norm_state", following)
    for name, array in updated["batch_stats"].items():
        np.testing.assert_allclose(back[name], array, rtol=1e-5)
    assert_same(jc.to_library("flax", "batch_norm", ours[0]), params)


def test_nnx_has_the_same_arrays():
    """The arrays are read from nnx modules and written to them."""
    x, rngs = integers(2, 7, 6, 4), nnx.Rngs(0)
    conv = nnx.Conv(4, 6, (3, 2), strides=2, padding="CIRCULAR", rngs=rngs)
    kernel, bias = integers(3, 2, 4, 6), integers(6)
    nnx.update(conv, nnx.State({"kernel": nnx.Param(jnp.asarray(kernel)), "bias": nnx.Param(jnp.asarray(bias))}))
    theirs = {"kernel": conv.kernel[...], "bias": conv.bias[...]}
    ours = jc.settings_from_library("flax", "conv", (7, 6), (3, 2), strides=2, padding="CIRCULAR")
    assert_door("flax", "conv", theirs, x, conv(x), settings=ours)
    transposed = nnx.ConvTranspose(4, 6, (3, 2), strides=2, rngs=rngs)
    nnx.update(transposed, nnx.State({"kernel": nnx.Param(jnp.asarray(kernel)), "bias": nnx.Param(jnp.asarray(bias))}))
    theirs = {"kernel": transposed.kernel[...], "bias": transposed.bias[...]}
    ours = jc.settings_from_library("flax", "conv_transpose", (7, 6), (3, 2), strides=2)
    assert_door("flax", "conv_transpose", theirs, x, transposed(x), settings=ours)
    norm = nnx.BatchNorm(4, rngs=rngs, use_running_average=True)
    state = jc.from_library("flax", "batch_norm_state", {"mean": norm.mean[...], "var": norm.var[...]})
    params = jc.from_library("flax", "batch_norm", {"scale": norm.scale[...], "bias": norm.bias[...]})
    np.testing.assert_allclose(jc.batch_norm(params, state, x, training=False)[0], norm(x), rtol=1e-6, atol=1e-6)
    dense = nnx.Linear(4, 6, use_bias=False, rngs=rngs)
    ours = jc.from_library("flax", "dense", {"kernel": dense.kernel[...], "bias": None})
    np.testing.assert_allclose(jc.dense(ours, x), dense(x), rtol=1e-6, atol=1e-6)


NORMS = {
    "layer_norm": "LayerNorm",
    "rms_norm": "RMSNorm",
    "group_norm": "GroupNorm",
    "instance_norm": "InstanceNorm",
    "batch_norm": "BatchNorm",
}


@pytest.mark.parametrize("layer", NORMS)
def test_settings_of_norms(layer):
    """The defaults of linen and nnx are the same."""
    make = getattr(linen, NORMS[layer])
    assert_defaults("flax", layer, make)
    assert_defaults("flax", layer, getattr(nnx, NORMS[layer]).__init__)
    if layer != "batch_norm":
        assert_norm("flax", layer, {}, lambda x: make().init_with_output(jax.random.key(0), jnp.asarray(x))[0])


def test_settings_of_batch_norm():
    """In training, from running averages of 0 and 1, with Flax's defaults."""
    x, (params, state) = 1e-2 * integers(2, 3, 4, 6), jc.init_batch_norm(6)
    module = linen.BatchNorm(use_running_average=False)
    variables = module.init(jax.random.key(0), jnp.asarray(x))
    y, after = module.apply(variables, jnp.asarray(x), mutable=["batch_stats"])
    ours, found = jc.batch_norm(params, state, x, training=True, **jc.settings_from_library("flax", "batch_norm"))
    np.testing.assert_allclose(ours, y, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["mean"], after["batch_stats"]["mean"], rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found["var"], after["batch_stats"]["var"], rtol=1e-6)
