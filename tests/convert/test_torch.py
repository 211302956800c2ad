"""Conversion to and from PyTorch: both libraries agree exactly on whole numbers. Run with `-m torch`: its wheel is large."""

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
from jaxconv import reference

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

CONVS = [
    (1, {}),
    (1, {"padding": "same", "dilation": 3}),
    (2, {"stride": (2, 1), "padding": 1, "groups": 2}),
    (2, {"padding": "same", "padding_mode": "circular"}),
    (2, {"padding": (2, 1), "padding_mode": "circular", "stride": 2}),
    (2, {"padding": (1, 2), "padding_mode": "reflect", "stride": (3, 2)}),
    (2, {"padding": 2, "padding_mode": "replicate", "dilation": 2, "stride": 2}),
    (2, {"padding": "valid", "groups": 4}),
    (3, {"padding": (1, 0, 2), "stride": (1, 2, 1)}),
]
TRANSPOSED = [
    (1, {}),
    (1, {"stride": 3, "output_padding": 2}),
    (2, {"stride": 2, "padding": 1, "output_padding": (1, 0), "groups": 2}),
    (2, {"stride": (1, 2), "padding": (2, 0), "dilation": (2, 1)}),
    (2, {"stride": 4, "output_padding": 3}),
    (2, {"groups": 4, "stride": 2, "padding": 1}),
    (3, {"stride": (2, 1, 2), "padding": (1, 0, 0), "output_padding": (0, 0, 1)}),
]
POOLS = [
    {},
    {"stride": (2, 1), "padding": 1},
    {"stride": 3, "ceil_mode": True},  # x has 7 and 6 cells: one more window along the first axis, which ends beyond x
    {"stride": (7, 2), "padding": (1, 0), "ceil_mode": True},  # one more window, which ends beyond the padding
    {"stride": (4, 5), "padding": 1, "ceil_mode": True},  # no more windows: they would begin in the padding after x
]

DILATED = [{"dilation": (2, 3), "stride": 1, "padding": 1}, {"dilation": 2, "stride": 2, "ceil_mode": True}]


def filled(module):
    """A module with whole numbers as parameters."""
    with torch.no_grad():
        for n, array in enumerate(module.parameters()):
            array.copy_(torch.from_numpy(integers(*array.shape, seed=n)))
    return module


def arrays(module):
    """The arrays of a module's `state_dict`, in NumPy."""
    return {name: array.numpy() for name, array in module.state_dict().items()}


def applied(module, x):
    """A module applied to x [n, *spatial, c] as [n, c, *spatial]."""
    with torch.no_grad():
        return np.moveaxis(module(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).numpy(), 1, -1)


@pytest.mark.parametrize(("rank", "settings"), **names(CONVS))
def test_conv(rank, settings):
    x = integers(2, *LENGTHS[:rank], 4)
    make = {1: torch.nn.Conv1d, 2: torch.nn.Conv2d, 3: torch.nn.Conv3d}[rank]
    module = filled(make(4, 8, WINDOW[:rank], **settings))
    ours = jc.settings_from_library("torch", "conv", LENGTHS[:rank], WINDOW[:rank], **settings)
    groups = settings.get("groups", 1)
    assert_door("torch", "conv", arrays(module), x, applied(module, x), settings=ours, groups=groups)


@pytest.mark.parametrize(("rank", "settings"), **names(TRANSPOSED))
def test_conv_transpose(rank, settings):
    x = integers(2, *LENGTHS[:rank], 4)
    make = {1: torch.nn.ConvTranspose1d, 2: torch.nn.ConvTranspose2d, 3: torch.nn.ConvTranspose3d}[rank]
    module = filled(make(4, 8, WINDOW[:rank], **settings))
    ours = jc.settings_from_library("torch", "conv_transpose", LENGTHS[:rank], WINDOW[:rank], **settings)
    groups = settings.get("groups", 1)
    assert_door("torch", "conv_transpose", arrays(module), x, applied(module, x), settings=ours, groups=groups)


def run(module):
    """The PyTorch layer with given arrays."""

    def with_arrays(params, x):
        module.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in params.items()})
        return applied(module, x)

    return with_arrays


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@few(
    st.sampled_from(["same", "valid", 0, 1, 2]),
    st.sampled_from(["zeros", "circular", "reflect", "replicate"]),
    examples=100,
)
def test_conv_with_any_settings(length, taps, stride, dilation, padding, mode):
    theirs = {
        "stride": 1 if padding == "same" else stride,
        "padding": padding,
        "dilation": dilation,
        "padding_mode": mode,
    }
    assert_any_settings("torch", "conv", length, taps, theirs, run(torch.nn.Conv1d(2, 3, taps, **theirs)))


@few(st.integers(0, 3), st.integers(0, 4), examples=100)
def test_conv_transpose_with_any_settings(length, taps, stride, dilation, padding, extra):
    theirs = {"stride": stride, "padding": padding, "dilation": dilation, "output_padding": extra % stride}
    module = torch.nn.ConvTranspose1d(2, 3, taps, **theirs)
    assert_any_settings("torch", "conv_transpose", length, taps, theirs, run(module))


def test_dense():
    x, module = integers(3, 4), filled(torch.nn.Linear(4, 6))
    assert_door("torch", "dense", arrays(module), x, module(torch.from_numpy(x)).detach().numpy())


@pytest.mark.parametrize("settings", [*POOLS, *DILATED])
def test_max_pool(settings):
    x = integers(2, 7, 6, 3)
    ours = jc.settings_from_library("torch", "max_pool", (7, 6), (3, 2), **settings)
    np.testing.assert_array_equal(jc.max_pool(x, (3, 2), **ours), applied(torch.nn.MaxPool2d((3, 2), **settings), x))


@pytest.mark.parametrize("divisor", [{}, {"count_include_pad": False}, {"divisor_override": 4}])
@pytest.mark.parametrize("settings", POOLS)
def test_avg_pool(settings, divisor):
    """The same average, or an error if `ceil_mode` mixes counted and uncounted zeros."""
    x, settings = integers(2, 7, 6, 3), settings | divisor
    if settings == POOLS[3]:
        with pytest.raises(ValueError, match="settings_from_library: ceil_mode is True, but should be False where"):
            jc.settings_from_library("torch", "avg_pool", (7, 6), (3, 2), **settings)
        return
    ours = jc.settings_from_library("torch", "avg_pool", (7, 6), (3, 2), **settings)
    expected = applied(torch.nn.AvgPool2d((3, 2), **settings), x)
    np.testing.assert_allclose(jc.avg_pool(x, (3, 2), **ours), expected, rtol=3e-7, atol=1e-7)


@few(st.sampled_from(["max_pool", "avg_pool"]), st.integers(0, 2), st.booleans(), st.booleans(), examples=200)
def test_pools_with_any_settings(length, taps, stride, dilation, layer, padding, ceil, counted):
    """Pools are compared with the reference. Errors are the one documented case, or cases that PyTorch refuses, too."""
    x, theirs = integers(1, length, 2), {"stride": stride, "padding": min(padding, taps // 2), "ceil_mode": ceil}
    theirs |= {"count_include_pad": counted} if layer == "avg_pool" else {"dilation": dilation}
    module = {"max_pool": torch.nn.MaxPool1d, "avg_pool": torch.nn.AvgPool1d}[layer](taps, **theirs)
    try:
        ours = jc.settings_from_library("torch", layer, (length,), (taps,), **theirs)
    except ValueError as error:
        if "ceil_mode is True" not in str(error):
            with pytest.raises(RuntimeError, match=r"(?i)output size"):
                applied(module, x)
        return
    np.testing.assert_allclose(applied(module, x), getattr(reference, layer)(x, (taps,), **ours), rtol=3e-7, atol=1e-7)


@pytest.mark.parametrize("training", [False, True])
def test_batch_norm(training):
    """PyTorch's momentum is the share of the new batch, and its running variance is the unbiased one."""
    x = integers(3, 4, 5, 6)
    module = filled(torch.nn.BatchNorm2d(6, momentum=0.25)).train(training)
    module.running_mean.copy_(torch.from_numpy(integers(6, seed=2)))
    module.running_var.copy_(torch.from_numpy(abs(integers(6, seed=3)) + 1))
    theirs = {name: array.copy() for name, array in arrays(module).items()}
    params = {name: theirs[name] for name in ("weight", "bias")}
    state = {name: theirs[name] for name in ("running_mean", "running_var")}
    y = applied(module, x)
    ours = jc.from_library("torch", "batch_norm", params), jc.from_library("torch", "batch_norm_state", state)
    settings = {"training": training, "momentum": 0.75, "running_variance": "unbiased"}
    found, following = jc.batch_norm(*ours, jnp.asarray(x), **settings)
    np.testing.assert_allclose(found, y, rtol=1e-5, atol=1e-5)
    for name, array in jc.to_library("torch", "batch_norm_state", following).items():
        np.testing.assert_allclose(array, arrays(module)[name], rtol=1e-5)
    assert_same(jc.to_library("torch", "batch_norm", ours[0]), params)
    assert_same(jc.to_library("torch", "batch_norm_state", ours[1]), state)


def test_other_norms():
    """PyTorch's layer norm over [c] normalises each position; over a whole example it has a scale for each cell."""
    x = integers(3, 4, 5, 6)
    for module, ours, settings in (
        (torch.nn.GroupNorm(2, 6), jc.group_norm, {"groups": 2}),
        (torch.nn.InstanceNorm2d(6, affine=True), jc.instance_norm, {}),
    ):
        params = jc.from_library("torch", "norm", arrays(filled(module)))
        found = ours(params, jnp.asarray(x), **settings)
        np.testing.assert_allclose(found, applied(module, x), rtol=1e-5, atol=1e-5)
    for module, ours in ((torch.nn.LayerNorm(6), jc.layer_norm), (torch.nn.RMSNorm(6, eps=1e-5), jc.rms_norm)):
        params = jc.from_library("torch", "norm", arrays(filled(module)))
        expected = module(torch.from_numpy(x)).detach().numpy()
        np.testing.assert_allclose(ours(params, jnp.asarray(x)), expected, rtol=1e-5, atol=1e-5)


def test_settings_of_norms():
    last = lambda module: lambda x: module(torch.from_numpy(x)).detach().numpy()
    assert_norm("torch", "layer_norm", {}, last(torch.nn.LayerNorm(64)))
    assert_norm("torch", "rms_norm", {}, last(torch.nn.RMSNorm(64)))
    assert_norm("torch", "group_norm", {"num_groups": 4}, lambda x: applied(torch.nn.GroupNorm(4, 64), x))
    assert_norm("torch", "instance_norm", {}, lambda x: applied(torch.nn.InstanceNorm2d(64), x))
    nn = torch.nn
    for layer, make in (
        ("layer_norm", nn.LayerNorm),
        ("rms_norm", nn.RMSNorm),
        ("group_norm", nn.GroupNorm),
        ("instance_norm", nn.InstanceNorm2d),
        ("batch_norm", nn.BatchNorm2d),
    ):
        assert_defaults("torch", layer, make)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_rms_norms_epsilon_is_its_dtypes(dtype):
    module = torch.nn.RMSNorm(64, dtype=getattr(torch, dtype))
    x = torch.from_numpy(1e-3 * integers(2, 3, 64)).to(getattr(torch, dtype))
    settings = jc.settings_from_library("torch", "rms_norm", dtype=module.weight.dtype)
    ours = jc.rms_norm({}, jnp.asarray(x.float().numpy()), **settings)
    np.testing.assert_allclose(
        ours, module(x).detach().float().numpy(), rtol=2e-2 if dtype == "bfloat16" else 2e-3, atol=1e-6
    )


def test_settings_of_batch_norm():
    """In training, from running averages of 0 and 1, with PyTorch's defaults."""
    x, (params, state) = 1e-2 * integers(2, 3, 4, 6), jc.init_batch_norm(6)
    module = torch.nn.BatchNorm2d(6)
    y = applied(module, x)
    ours, found = jc.batch_norm(params, state, x, training=True, **jc.settings_from_library("torch", "batch_norm"))
    np.testing.assert_allclose(ours, y, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["mean"], module.running_mean.numpy(), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found["var"], module.running_var.numpy(), rtol=1e-5)


def test_a_large_mean_costs_no_more_digits_than_there():
    """Errors of batch normalisation for mean 1000 and standard deviation 1 are compared with float64."""
    x = np.random.default_rng(0).normal(1000, 1, (8, 10, 10, 4)).astype(np.float32)
    wide = x.astype(np.float64)
    exact = (wide - wide.mean((0, 1, 2))) / np.sqrt(wide.var((0, 1, 2)) + 1e-5)
    params, state = jc.init_batch_norm(4)
    ours = jc.batch_norm(params, state, x, training=True)[0]
    theirs = applied(torch.nn.BatchNorm2d(4), x)
    assert np.abs(ours - exact).max() <= np.abs(theirs - exact).max()


@pytest.mark.parametrize("groups", [1, 2])
def test_weight_norm(groups):
    """The layer with separate lengths; the vectors of PyTorch's older function, which have these names."""
    x, conv = integers(2, 7, 6, 4), filled(torch.nn.Conv2d(4, 8, (3, 2), groups=groups))
    module = torch.nn.utils.parametrizations.weight_norm(conv)
    names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    params = {names.get(name, name): array for name, array in arrays(module).items()}
    ours = jc.from_library("torch", "weight_norm", params, groups=groups)
    found = jc.conv(jc.weight_norm(ours), jnp.asarray(x), groups=groups)
    np.testing.assert_allclose(found, applied(module, x), rtol=1e-5, atol=1e-4)
    assert_same(jc.to_library("torch", "weight_norm", ours, groups=groups), params)


def test_spectral_norm():
    """Two steps of training from PyTorch's vectors, and evaluation."""
    x, conv = integers(2, 7, 6, 4), filled(torch.nn.Conv2d(4, 8, (3, 2)))
    module = torch.nn.utils.parametrizations.spectral_norm(conv)
    before = {name: array.copy() for name, array in arrays(module).items()}
    vectors = lambda held: {name: held[f"parametrizations.weight.0.{name}"] for name in ("_u", "_v")}
    state = jc.from_library("torch", "spectral_norm_state", vectors(before), window=(3, 2))
    assert_same(jc.to_library("torch", "spectral_norm_state", state), vectors(before))
    weight = {"weight": before["parametrizations.weight.original"], "bias": before["bias"]}
    params = jc.from_library("torch", "conv", weight)
    for training in (True, True, False):
        expected = applied(module.train(training), x)
        normalised, state = jc.spectral_norm(params, state, training=training)
        np.testing.assert_allclose(jc.conv(normalised, jnp.asarray(x)), expected, rtol=1e-4, atol=1e-4)
    following = jc.to_library("torch", "spectral_norm_state", state)
    for name, array in vectors(arrays(module)).items():
        np.testing.assert_allclose(following[name], array, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [{"stride": (2, 1), "padding": 1}, {"dilation": (2, 3), "padding": (0, 2)}])
def test_unfold_and_fold(settings):
    x, ours = integers(2, 7, 6, 3), jc.settings_from_library("torch", "unfold", (7, 6), (3, 2), **settings)
    y = np.asarray(jc.unfold(x, (3, 2), **ours))
    by_channel = y.reshape(2, -1, 6, 3).swapaxes(2, 3).reshape(2, -1, 18).swapaxes(1, 2).copy()
    unfolded = torch.nn.Unfold((3, 2), **settings)(torch.from_numpy(np.moveaxis(x, -1, 1).copy()))
    np.testing.assert_array_equal(unfolded.numpy(), by_channel)
    folded = torch.nn.Fold((7, 6), (3, 2), **settings)(unfolded).numpy()
    np.testing.assert_array_equal(jc.fold(y, (3, 2), (7, 6), **ours), np.moveaxis(folded, 1, -1))


RESIZED = [
    {"mode": mode, **more}
    for mode, several in {
        "nearest": [{}],
        "nearest-exact": [{}],
        "bilinear": [{}, {"align_corners": True}, {"antialias": True}],
        "bicubic": [{}, {"align_corners": True}, {"antialias": True}],
    }.items()
    for more in several
]


@pytest.mark.parametrize("settings", RESIZED, ids=str)
@pytest.mark.parametrize("shape", [(9, 4), (3, 13), (1, 1)])
def test_resize(settings, shape):
    x, ours = integers(2, 7, 6, 3), jc.settings_from_library("torch", "resize", **settings)
    theirs = torch.nn.functional.interpolate(torch.from_numpy(np.moveaxis(x, -1, 1).copy()), shape, **settings)
    found = jc.resize(x, shape, **ours)
    np.testing.assert_allclose(found, np.moveaxis(theirs.numpy(), 1, -1), rtol=0, atol=2e-5)
