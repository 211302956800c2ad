"""Conversion of settings without the other libraries: defaults, different phases, and refusals."""

from itertools import product

import numpy as np
import pytest
from jax import lax
from support.converted_layers import integers

import jaxconv as jc
from jaxconv.convert import LIBRARIES

settings_of = jc.settings_from_library


def pads(*arguments, **settings):
    return [(pad.lo, pad.hi, pad.boundary) for pad in settings_of(*arguments, **settings)["padding"]]


def test_every_layer_with_a_window_has_settings():
    """A layer with a kernel has settings, except dense layers; a flag of Flax and weight norm have a row of arrays only."""
    without = {"dense", "conv_transpose, transpose_kernel", "weight_norm"}
    for library in LIBRARIES.values():
        kernels = {name for name, layer in library.layers.items() if "kernel" in layer.arrays}
        windows = {name for name, layer in library.layers.items() if "padding" in layer.settings}
        assert kernels - without == windows - {"max_pool", "avg_pool", "unfold"}


def test_the_same_word_means_four_things():
    """The first window of a circular convolution of three taps with stride 2 on 8 cells differs between libraries."""
    circular = {"padding": "CIRCULAR", "strides": 2}, {"padding": "SAME", "padding_mode": "CIRCULAR", "stride": 2}
    assert pads("flax", "conv", (8,), (3,), **circular[0]) == [(1, 1, "CIRCULAR")]
    assert pads("equinox", "conv", (8,), (3,), **circular[1]) == [(0, 1, "CIRCULAR")]
    assert pads("equinox", "conv", (7,), (3,), **circular[1]) == [(1, 1, "CIRCULAR")]
    assert pads("torch", "conv", (8,), (3,), padding=1, padding_mode="circular", stride=2) == [(1, 1, "CIRCULAR")]
    x, params = integers(1, 8, 2), {"kernel": integers(3, 2, 2)}
    one, other = (
        jc.conv(params, x, **settings_of(library, "conv", (8,), (3,), **settings))
        for library, settings in zip(("flax", "equinox"), circular, strict=True)
    )
    assert one.shape == other.shape
    assert (one != other).any()


def test_the_defaults_are_theirs():
    assert settings_of("flax", "max_pool", (8,), (2,))["stride"] == (1,)
    assert settings_of("torch", "max_pool", (8,), (2,))["stride"] == (2,)
    divisors = [settings_of(name, "avg_pool", (8,), (2,))["divisor"] for name in ("flax", "equinox", "keras", "torch")]
    assert divisors == ["window", "window", "inside", "window"]
    assert pads("flax", "conv", (8,), (3,)) == [(1, 1, "ZERO")]
    assert pads("torch", "conv", (8,), (3,)) == [(0, 0, "ZERO")]


def test_pytorchs_same_puts_the_odd_zero_behind():
    """In torch.nn.Conv1d, `total // 2` of `total = dilation*(taps - 1)` zeros are on the left."""
    assert pads("torch", "conv", (8,), (4,), padding="same") == [(1, 2, "ZERO")]
    assert pads("torch", "conv", (8,), (2,), padding="same", dilation=3) == [(1, 2, "ZERO")]


def test_settings_fit_the_layer():
    """The result has exactly the settings that the layer takes."""
    x, params = integers(1, 5, 6, 4), {"kernel": integers(3, 3, 4, 4)}
    jc.conv(params, x, **settings_of("keras", "conv", (5, 6), (3, 3), padding="same"))
    jc.conv_transpose(params, x, **settings_of("keras", "conv_transpose", (5, 6), (3, 3), strides=2))
    jc.max_pool(x, (2, 2), **settings_of("haiku", "max_pool", (5, 6), (2, 2), strides=1, padding="SAME"))
    jc.avg_pool(x, (2, 2), **settings_of("torch", "avg_pool", (5, 6), (2, 2), padding=1))


@pytest.mark.parametrize("library", ["flax", "haiku"])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("taps", "stride"), [(2, 1), (3, 2), (4, 2), (2, 3), (5, 3)])
def test_transposed_convolutions_stand_where_laxs_do(library, padding, taps, stride):
    """The other libraries' transposed convolution is `lax.conv_transpose`, which does not flip the kernel."""
    x, kernel = integers(1, 4, 2), integers(taps, 2, 3)
    word = "strides" if library == "flax" else "stride"
    ours = settings_of(library, "conv_transpose", (4,), (taps,), **{word: stride, "padding": padding})
    theirs = lax.conv_transpose(x, kernel, (stride,), padding, dimension_numbers=("NWC", "WIO", "NWC"))
    np.testing.assert_array_equal(jc.conv_transpose({"kernel": kernel[::-1].swapaxes(1, 2)}, x, **ours), theirs)


@pytest.mark.parametrize(
    ("taps", "stride", "padding", "dilation", "extra"),
    [(3, 2, 1, 1, 1), (3, 2, 1, 1, 0), (2, 3, 0, 1, 2), (3, 2, 2, 2, 1), (4, 1, 1, 1, 0)],
)
def test_pytorchs_transposed_convolution_by_its_formula(taps, stride, padding, dilation, extra):
    """The length is `(n - 1)*stride - 2*padding + dilation*(taps - 1) + output_padding + 1`; x[j] w[u] adds to one cell."""
    x, kernel = integers(1, 4, 1), integers(taps, 1, 1)
    cells = 3 * stride - 2 * padding + dilation * (taps - 1) + extra + 1
    expected = np.zeros(cells)
    for j, u in product(range(4), range(taps)):
        if 0 <= (i := j * stride + u * dilation - padding) < cells:
            expected[i] += x[0, j, 0] * kernel[u, 0, 0]
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "output_padding": extra}
    ours = settings_of("torch", "conv_transpose", (4,), (taps,), **settings)
    np.testing.assert_array_equal(jc.conv_transpose({"kernel": kernel}, x, **ours).ravel(), expected)


EPSILONS = {  # from the libraries' documentation
    "flax": {"layer_norm": 1e-6, "rms_norm": 1e-6, "group_norm": 1e-6, "instance_norm": 1e-6, "batch_norm": 1e-5},
    "equinox": {"layer_norm": 1e-5, "rms_norm": 1e-5, "group_norm": 1e-5, "batch_norm": 1e-5},
    "haiku": {"layer_norm": 1e-5, "rms_norm": 1e-5, "group_norm": 1e-5, "instance_norm": 1e-5, "batch_norm": 1e-5},
    "keras": {"layer_norm": 1e-3, "rms_norm": 1e-6, "group_norm": 1e-3, "batch_norm": 1e-3},
    "torch": {"layer_norm": 1e-5, "rms_norm": 2**-23, "group_norm": 1e-5, "instance_norm": 1e-5, "batch_norm": 1e-5},
}
GIVEN = {
    "group_norm": {"groups": 2},
    "layer_norm": {"axis": -1},
    "rms_norm": {"axis": -1},
    "batch_norm": {"decay_rate": 0.75},
}
HAIKU = {name: GIVEN.get(name, {}) for name in EPSILONS["haiku"]}
NEEDED = {"haiku": HAIKU, "equinox": {"group_norm": {"groups": 2}}, "torch": {"group_norm": {"num_groups": 2}}}


def norm_settings(library, layer, **settings):
    return settings_of(library, layer, **NEEDED.get(library, {}).get(layer, {}) | settings)


def test_every_norm_has_settings():
    assert {
        name: {layer for layer, row in library.layers.items() if row.settings and "padding" not in row.settings}
        - {"resize"}
        for name, library in LIBRARIES.items()
    } == {library: set(layers) for library, layers in EPSILONS.items()}


@pytest.mark.parametrize(("library", "layer"), [(library, layer) for library, its in EPSILONS.items() for layer in its])
def test_epsilons_are_theirs(library, layer):
    assert norm_settings(library, layer)["epsilon"] == EPSILONS[library][layer]
    name = "epsilon" if library in ("flax", "keras") else "eps"
    assert norm_settings(library, layer, **{name: 0.25})["epsilon"] == 0.25


@pytest.mark.parametrize(
    ("library", "expected"), [("flax", 0.5**0.5), ("equinox", 1 / 11**0.5), ("keras", 1 / 1001**0.5)]
)
def test_an_epsilon_is_what_small_numbers_come_to(library, expected):
    """The layer norm of (-a, a) is a / sqrt(a^2 + epsilon), here for a = 0.001; computed by hand."""
    y = jc.layer_norm({}, np.float32([[-1e-3, 1e-3]]), **settings_of(library, "layer_norm"))
    np.testing.assert_allclose(y, [[-expected, expected]], rtol=1e-6)


@pytest.mark.parametrize("library", EPSILONS)
def test_only_pytorchs_rms_norm_has_an_epsilon_of_none(library):
    for layer in EPSILONS[library].keys() - ({"rms_norm"} if library == "torch" else set()):
        name = "epsilon" if library in ("flax", "keras") else "eps"
        with pytest.raises(TypeError, match=f"{name} is None, but should be a number"):
            norm_settings(library, layer, **{name: None})


@pytest.mark.parametrize(
    ("dtype", "bits"), [("float16", 23), ("bfloat16", 23), (np.float32, 23), ("torch.bfloat16", 23), ("float64", 52)]
)
def test_pytorchs_rms_norm_has_the_epsilon_of_the_dtype_that_it_computes_in(dtype, bits):
    assert settings_of("torch", "rms_norm", dtype=np.dtype(dtype) if dtype is np.float32 else dtype) == {
        "epsilon": 2.0**-bits
    }


def test_momentum_is_kept_or_taken():
    assert settings_of("torch", "batch_norm") == {"epsilon": 1e-5, "momentum": 0.9, "running_variance": "unbiased"}
    assert settings_of("torch", "batch_norm", momentum=0.25)["momentum"] == 0.75
    assert settings_of("flax", "batch_norm", momentum=0.25) == {"epsilon": 1e-5, "momentum": 0.25}
    assert settings_of("keras", "batch_norm") == {"epsilon": 1e-3, "momentum": 0.99}
    assert settings_of("haiku", "batch_norm", decay_rate=0.5) == {"epsilon": 1e-5, "momentum": 0.5}


def test_groups_are_theirs():
    assert settings_of("flax", "group_norm")["groups"] == settings_of("keras", "group_norm")["groups"] == 32
    assert norm_settings("torch", "group_norm")["groups"] == 2


@pytest.mark.parametrize("library", EPSILONS)
def test_settings_fit_the_norm(library):
    """The result has exactly the settings that the layer takes."""
    x = integers(2, 3, 4, 6)
    params, state = jc.init_batch_norm(6)
    for layer in EPSILONS[library]:
        settings = norm_settings(library, layer) | ({"groups": 2} if layer == "group_norm" else {})
        if layer == "batch_norm":
            assert jc.batch_norm(params, state, x, training=True, **settings)[0].shape == x.shape
        else:
            assert getattr(jc, layer)(params, x, **settings).shape == x.shape


def test_same_is_not_a_number():
    """PyTorch's padding=1 and SAME agree on 7 cells and differ on 8: the phase of SAME depends on the length."""
    x, params = integers(1, 8, 2), {"kernel": integers(3, 2, 2)}
    for length, equal in ((7, True), (8, False)):
        found = settings_of("torch", "conv", (length,), (3,), stride=2, padding=1)
        one = jc.conv(params, x[:, :length], **found)
        assert np.array_equal(one, jc.conv(params, x[:, :length], stride=2, padding="SAME")) is equal


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (("mxnet", "conv", (8,), (3,)), {}, "library is 'mxnet', but should be one of flax, equinox"),
        (("torch", "dense", (8,), (3,)), {}, "layer is 'dense', but should be one of torch's conv, conv_transpose, max_pool"),
        (("torch", "conv", (8,), (3,)), {"strides": 2}, r"settings of torch's conv is \['strides'\], but should be among stride, padding"),
        (("haiku", "max_pool", (8,), (3,)), {"padding": "SAME"}, "strides is left out, but should be given, since haiku's max_pool has no default"),
        (("keras", "conv", (8,), (3,)), {"padding": "circular"}, "padding is 'circular', but should be one that keras's conv has: CAUSAL, SAME, VALID"),
        (("keras", "depthwise_conv", (8,), (3,)), {"padding": "causal"}, "padding is 'causal', but should be one that keras's depthwise_conv has: SAME, VALID"),
        (("flax", "conv_transpose", (8,), (3,)), {"padding": "REFLECT"}, "padding is 'REFLECT', but should be one that flax's conv_transpose has: CIRCULAR, SAME, VALID"),
        (("torch", "conv_transpose", (8,), (3,)), {"padding": "same"}, "padding is 'same', but should be one that torch's conv_transpose has: numbers only"),
        (("equinox", "max_pool", (8,), (3,)), {"padding": "same"}, "padding is 'same', but should be one that equinox's max_pool has: numbers only"),
        (("equinox", "conv_transpose", (8,), (3,)), {"padding_mode": "reflect"}, "padding_mode is 'reflect', but should be one of ZEROS, CIRCULAR, in any case"),
        (("keras", "conv", (8,), (3,)), {"padding": 1}, "padding is 1, but should be one of Keras's names"),
        (("torch", "conv", (8, 8), (3, 3)), {"padding": (1, 1, 1)}, r"padding is \(1, 1, 1\), but should be a number, or one or two for each of 2"),
        (("torch", "conv", (8,), (3,)), {"padding_mode": "wrap"}, "padding_mode is 'wrap', but should be one of ZEROS, CIRCULAR"),
        (("torch", "conv", (8,), (3,)), {"padding": "same", "stride": 2}, "padding is 'same', but should be a number if there is a stride"),
        (("torch", "batch_norm"), {"momentum": None}, "momentum is None, but should be a number. For a cumulative average"),
        (("torch", "instance_norm"), {"track_running_stats": True}, "track_running_stats is True, but should be False. jaxconv uses"),
        (("torch", "rms_norm"), {"dtype": "int8"}, "dtype is 'int8', but should be a floating-point dtype, that of x"),
        (("torch", "group_norm"), {}, "num_groups is left out, but should be given, since torch's group_norm has no default"),
        (("haiku", "layer_norm"), {}, "axis is left out, but should be given"),
        (("torch", "group_norm"), {"num_groups": -1}, "num_groups is -1, but should be 1 or more. Write it as a number of groups"),
        (("torch", "batch_norm"), {"eps": -1}, "eps is -1, but should be positive and finite. Write eps=1e-5"),
        (("keras", "layer_norm"), {"epsilon": 0}, "epsilon is 0, but should be positive and finite. Write epsilon=1e-5"),
        (("torch", "batch_norm"), {"momentum": 1.5}, "momentum is 1.5, but should be between 0 and 1"),
        (("haiku", "batch_norm"), {"decay_rate": -0.5}, "decay_rate is -0.5, but should be between 0 and 1"),
        (("flax", "conv", (8,), (3,)), {"strides": 0}, "strides is 0, but should be 1 or more"),
        (("flax", "conv", (8,), (3,)), {"kernel_dilation": 0}, "kernel_dilation is 0, but should be 1 or more"),
        (("flax", "conv", (8,), (3,)), {"feature_group_count": 0}, "feature_group_count is 0, but should be 1 or more"),
        (("keras", "conv", (8,), (3,)), {"dilation_rate": (1, 1)}, r"dilation_rate is \(1, 1\), but should be"),
        (("haiku", "layer_norm"), {"axis": (1, 2, 3)}, r"axis is \(1, 2, 3\), but should be -1, the channels. Use group_norm"),
        (("flax", "layer_norm"), {"reduction_axes": (1, 2, 3)}, r"reduction_axes is \(1, 2, 3\), but should be -1"),
        (("keras", "batch_norm"), {"axis": 1}, "axis is 1, but should be -1, the channels"),
        (("keras", "group_norm"), {"groups": -1}, "groups is -1, but should be a number of groups. Use instance_norm"),
        (("equinox", "batch_norm"), {"mode": "ema"}, r"settings of equinox's batch_norm is \['mode'\], but should be among momentum, eps"),
        (("keras", "instance_norm"), {}, "layer is 'instance_norm', but should be one of keras's conv, .* batch_norm"),
        (("flax", "layer_norm", (8, 8), (3, 3)), {}, r"lengths, window is .*, but should be left out, since layer_norm has no window"),
        (("flax", "conv"), {}, r"window is \(\), but should be one integer per spatial axis"),
        (("torch", "conv", (8, 8), (3,)), {}, r"lengths is \(8, 8\), but should be one integer"),
        (("torch", "conv", (8,), 3), {}, "window is 3, but should be one integer per spatial axis"),
        (("torch", "avg_pool", (4,), (3,)), {"padding": 1, "stride": 4, "ceil_mode": True}, "ceil_mode is True, but should be False with padding"),
        (("flax", "conv_transpose", (4,), (3,)), {"padding": ((4, 0),)}, r"padding is \(4, 0\) \(output padding None\), but should be such that .* begins 2 cells before the kernel's first cell"),
        (("keras", "conv_transpose", (4,), (3,)), {"strides": 2, "output_padding": 2}, r"padding is VALID \(output padding 2\), .* it has 11 cells, not 1 to 10"),
        (("torch", "conv_transpose", (2,), (3,)), {"padding": 2}, r"padding is \(2, 2\) .* it has 0 cells, not 1 to 2"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_cure(arguments, settings, message):
    with pytest.raises(ValueError, match=f"settings_from_library: {message}"):
        settings_of(*arguments, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "area"}, "mode is 'area', .* Use adaptive_avg_pool"),
        ({"mode": "nearest", "align_corners": True}, "align_corners is True, but should be False for mode='nearest'"),
        (
            {"mode": "nearest-exact", "antialias": True},
            "antialias is True, but should be False for mode='nearest-exact'",
        ),
        (
            {"mode": "bicubic", "align_corners": True, "antialias": True},
            "antialias is True, but should be False unless",
        ),
    ],
)
def test_resizing_that_pytorch_refuses_or_that_is_another_layer(settings, message):
    with pytest.raises(ValueError, match=f"settings_from_library: {message}"):
        settings_of("torch", "resize", **settings)


def test_resizing_of_pytorch_and_keras():
    """Antialiased, PyTorch's cubic is that of other libraries."""
    cubic = settings_of("torch", "resize", mode="bicubic", antialias=True)
    assert cubic == settings_of("keras", "resize", interpolation="bicubic", antialias=True)
    assert settings_of("torch", "resize", mode="bicubic")["coefficient"] == -0.75
    assert settings_of("torch", "resize") == {"method": "nearest", "corners": "asymmetric", "antialias": False}
    assert settings_of("keras", "resize") == {"method": "linear", "antialias": False}
