"""Conversion to and from Equinox (one example, channels first): both libraries agree exactly on whole numbers."""

import warnings

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
eqx = pytest.importorskip("equinox")

CONVS = [
    (1, {}),
    (1, {"padding": "SAME", "stride": 2}),
    (2, {"stride": (2, 1), "padding": 1, "groups": 2}),
    (2, {"padding": ((2, 0), (1, 1)), "padding_mode": "CIRCULAR", "dilation": 2}),
    (
        2,
        {"padding": "SAME", "padding_mode": "CIRCULAR", "stride": 2},
    ),  # the windows differ from those of Flax's CIRCULAR
    (2, {"padding": "SAME_LOWER", "padding_mode": "REFLECT"}),
    (2, {"padding": (2, 1), "padding_mode": "REPLICATE", "stride": 2}),
    (3, {"padding": "VALID", "stride": (1, 2, 1)}),
]
TRANSPOSED = [
    (1, {}),
    (1, {"stride": 3, "output_padding": 1}),
    (1, {"stride": 3, "padding": "SAME", "output_padding": 1}),
    (1, {"stride": 5, "padding": "SAME", "output_padding": 1}),
    (2, {"stride": 2, "padding": 1, "output_padding": (1, 0), "groups": 2}),
    (2, {"stride": (1, 2), "padding": ((0, 1), (1, 0)), "dilation": (2, 1)}),
    (2, {"stride": 2, "padding": "SAME"}),
    (2, {"stride": 2, "padding": "SAME_LOWER"}),
    (2, {"stride": 2, "padding": "SAME", "padding_mode": "CIRCULAR"}),
    (3, {"stride": (2, 1, 2), "padding": (1, 0, 0)}),
]


def arrays(module):
    """A module's arrays under Equinox's names."""
    return {"weight": np.asarray(module.weight), "bias": np.asarray(module.bias)}


def filled(module):
    """A module with whole numbers as parameters."""
    values = (integers(*module.weight.shape), integers(*module.bias.shape))
    return eqx.tree_at(lambda m: (m.weight, m.bias), module, tuple(map(jnp.asarray, values)))


def applied(module, x):
    """A module applied to each example of x [n, *spatial, c] as [c, *spatial]."""
    return jnp.moveaxis(jax.vmap(module)(jnp.moveaxis(jnp.asarray(x), -1, 1)), 1, -1)


@pytest.mark.parametrize(("rank", "settings"), **names(CONVS))
def test_conv(rank, settings):
    x, key = integers(2, *LENGTHS[:rank], 4), jax.random.key(0)
    module = filled(eqx.nn.Conv(rank, 4, 6, WINDOW[:rank], key=key, **settings))
    ours = jc.settings_from_library("equinox", "conv", LENGTHS[:rank], WINDOW[:rank], **settings)
    groups = settings.get("groups", 1)
    assert_door("equinox", "conv", arrays(module), x, applied(module, x), settings=ours, groups=groups)


@pytest.mark.parametrize(("rank", "settings"), **names(TRANSPOSED))
def test_conv_transpose(rank, settings):
    x, key = integers(2, *LENGTHS[:rank], 4), jax.random.key(0)
    module = filled(eqx.nn.ConvTranspose(rank, 4, 6, WINDOW[:rank], key=key, **settings))
    ours = jc.settings_from_library("equinox", "conv_transpose", LENGTHS[:rank], WINDOW[:rank], **settings)
    groups = settings.get("groups", 1)
    assert_door("equinox", "conv_transpose", arrays(module), x, applied(module, x), settings=ours, groups=groups)


def run(make):
    """The Equinox layer with given arrays."""

    def with_arrays(params, x):
        module = eqx.tree_at(lambda m: (m.weight, m.bias), make(), tuple(map(jnp.asarray, params.values())))
        return applied(module, x)

    return with_arrays


@few(
    st.sampled_from(["SAME", "VALID", "SAME_LOWER"]) | pairs,
    st.sampled_from(["ZEROS", "CIRCULAR", "REFLECT", "REPLICATE"]),
)
def test_conv_with_any_settings(length, taps, stride, dilation, padding, mode):
    padding = padding if isinstance(padding, str) else [padding]
    theirs = {"stride": stride, "dilation": dilation, "padding": padding, "padding_mode": mode}
    make = lambda: eqx.nn.Conv1d(2, 3, taps, key=jax.random.key(0), **theirs)
    assert_any_settings("equinox", "conv", length, taps, theirs, run(make))


@few(st.sampled_from(["SAME", "VALID", "SAME_LOWER"]), st.integers(0, 4), st.booleans())
def test_conv_transpose_with_any_settings(length, taps, stride, dilation, padding, extra, circular):
    theirs = {"stride": stride, "dilation": dilation, "padding": padding, "output_padding": extra % stride}
    if circular:
        theirs |= {"output_padding": 0, "padding_mode": "CIRCULAR"}
    make = lambda: eqx.nn.ConvTranspose1d(2, 3, taps, key=jax.random.key(0), **theirs)
    assert_any_settings("equinox", "conv_transpose", length, taps, theirs, run(make))


def test_dense():
    x, module = integers(3, 4), filled(eqx.nn.Linear(4, 6, key=jax.random.key(0)))
    assert_door("equinox", "dense", arrays(module), x, jax.vmap(module)(jnp.asarray(x)))


@pytest.mark.parametrize("settings", [{}, {"stride": 2, "padding": 1}, {"stride": (2, 1), "padding": ((0, 1), (1, 0))}])
def test_pools(settings):
    """All averages are over four cells, so they are exact."""
    x = integers(2, 7, 6, 3)
    for layer, ours, theirs in (
        ("max_pool", jc.max_pool, eqx.nn.MaxPool2d),
        ("avg_pool", jc.avg_pool, eqx.nn.AvgPool2d),
    ):
        found = jc.settings_from_library("equinox", layer, (7, 6), (2, 2), **settings)
        expected = applied(theirs((2, 2), **{"stride": 1} | settings), x)
        np.testing.assert_array_equal(ours(x, (2, 2), **found), expected)


@pytest.mark.parametrize(("mode", "steps"), [("ema", 1), ("ema", 3), ("batch", 3)])
def test_batch_norm_in_evaluation(mode, steps):
    """Running averages are read from the state. The mode "batch" divides them by `1 - momentum**steps`."""
    x = jnp.asarray(integers(3, 5, 4, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module, state = eqx.nn.make_with_state(eqx.nn.BatchNorm)(6, "batch", momentum=0.75, mode=mode)
    module = filled(module)
    mapped = jax.vmap(module, axis_name="batch", in_axes=(0, None), out_axes=(0, None))
    for seed in range(steps):
        _, state = mapped(jnp.moveaxis(x + seed, -1, 1), state)
    y = jnp.moveaxis(jax.vmap(eqx.nn.inference_mode(module), axis_name="batch", in_axes=(0, None))(
        jnp.moveaxis(x, -1, 1), state)[0], 1, -1)  # fmt: skip
    mean, var = state.get(module.ema_state_index if mode == "ema" else module.batch_state_index)
    share = 1 if mode == "ema" else 1 - 0.75**steps
    params = jc.from_library("equinox", "batch_norm", arrays(module))
    running = jc.from_library("equinox", "batch_norm_state", {"mean": mean / share, "var": var / share})
    np.testing.assert_allclose(jc.batch_norm(params, running, x, training=False)[0], y, rtol=1e-5, atol=1e-5)
    assert_same(jc.to_library("equinox", "batch_norm", params), arrays(module))


def test_batch_norm_in_training():
    """The mode "batch" normalises as we do; "ema" by its running averages, which at first are those of the batch."""
    x = jnp.asarray(integers(3, 5, 4, 6))
    module, state = eqx.nn.make_with_state(eqx.nn.BatchNorm)(6, "batch", momentum=0.75, mode="batch")
    module = filled(module)
    mapped = jax.vmap(module, axis_name="batch", in_axes=(0, None), out_axes=(0, None))
    y, state = mapped(jnp.moveaxis(x, -1, 1), state)
    params = jc.from_library("equinox", "batch_norm", arrays(module))
    start = {"mean": jnp.zeros(6), "var": jnp.ones(6)}
    found, running = jc.batch_norm(params, start, x, training=True, momentum=0.75)
    np.testing.assert_allclose(jnp.moveaxis(found, -1, 1), y, rtol=1e-5, atol=1e-5)
    for one, other in zip(running.values(), state.get(module.batch_state_index), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_settings_of_norms():
    """Equinox normalises over [c] at each position, or over [c, h, w]."""
    each = lambda module: jax.vmap(jax.vmap(jax.vmap(module)))
    assert_norm("equinox", "layer_norm", {}, lambda x: each(eqx.nn.LayerNorm(64))(jnp.asarray(x)))
    assert_norm("equinox", "rms_norm", {}, lambda x: each(eqx.nn.RMSNorm(64))(jnp.asarray(x)))
    first = lambda x: jnp.moveaxis(jnp.asarray(x), -1, 1)
    grouped = lambda x: jnp.moveaxis(jax.vmap(eqx.nn.GroupNorm(4, 64))(first(x)), 1, -1)
    assert_norm("equinox", "group_norm", {"groups": 4}, grouped)
    for layer, make in (
        ("layer_norm", eqx.nn.LayerNorm),
        ("rms_norm", eqx.nn.RMSNorm),
        ("group_norm", eqx.nn.GroupNorm),
        ("batch_norm", eqx.nn.BatchNorm),
    ):
        assert_defaults("equinox", layer, make)
