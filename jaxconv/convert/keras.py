"""Keras 3: our layouts, except for depthwise kernels. Paddings are names. Averages never count the padding."""

from __future__ import annotations

from jaxconv.checks import choice, flag
from jaxconv.convert.library import SAME_OR_VALID, Layer, Library, Options, Stored, Transposed, padded_input
from jaxconv.errors import explain


def transposed(axis: Transposed) -> tuple[int, int]:
    """TensorFlow's rule, which Keras uses on its JAX backend; and another rule if there is an output padding."""
    if axis.output_padding is None:
        return padded_input(axis)
    if axis.padding == "VALID":
        return 0, axis.reach + axis.output_padding
    pads = axis.span + axis.span % 2 - 2 + axis.output_padding
    before = min(pads - pads // 2, axis.span - 1)
    return axis.span - 1 - before, axis.reach - 2 * (axis.span - 1) + pads


def _groups(options: Options) -> Options:
    """GroupNormalization with groups=-1 has one group for each channel."""
    if options["groups"] == -1:
        raise ValueError(explain("groups", -1, "a number of groups", "Use instance_norm with the same epsilon"))
    return options


def _resizing(options: Options) -> Options:
    """Keras resizes by `jax.image` on its JAX backend."""
    methods = {
        "nearest": "nearest",
        "bilinear": "linear",
        "bicubic": "cubic",
        "lanczos3": "lanczos3",
        "lanczos5": "lanczos5",
    }
    method = methods[choice("interpolation", options["interpolation"], tuple(methods))]
    antialias = flag("antialias", options["antialias"])
    return {"method": method, "antialias": antialias and method != "nearest"}


LIBRARY = Library(
    words={"strides": "stride", "dilation_rate": "dilation"},
    axes=("axis",),
    transposed=transposed,
    layers={
        "conv": Layer(
            arrays={"kernel": Stored("kernel", "*w i (g o)"), "bias": Stored("bias", "(g o)")},
            settings={"strides": 1, "padding": "valid", "dilation_rate": 1, "groups": 1},
            paddings=SAME_OR_VALID | {"CAUSAL"},
            numbers=False,
        ),
        "depthwise_conv": Layer(
            arrays={"kernel": Stored("kernel", "*w g m"), "bias": Stored("bias", "(g m)")},
            settings={"strides": 1, "padding": "valid", "dilation_rate": 1},
            paddings=SAME_OR_VALID,
            numbers=False,
        ),
        "conv_transpose": Layer(
            arrays={"kernel": Stored("kernel", "*w c (g o)"), "bias": Stored("bias", "(g c)")},
            settings={"strides": 1, "padding": "valid", "output_padding": None, "dilation_rate": 1},
            paddings=SAME_OR_VALID,
            numbers=False,
        ),
        "dense": Layer(arrays={"kernel": Stored("kernel", "i o"), "bias": Stored("bias", "o")}),
        "max_pool": Layer(settings={"strides": None, "padding": "valid"}, paddings=SAME_OR_VALID, numbers=False),
        "avg_pool": Layer(
            settings={"strides": None, "padding": "valid"},
            fixed={"count_include_pad": False},
            paddings=SAME_OR_VALID,
            numbers=False,
        ),
        "resize": Layer(settings={"interpolation": "bilinear", "antialias": False}, adapt=_resizing),
        "norm": Layer(arrays={"scale": Stored("gamma", "c"), "bias": Stored("beta", "c")}),
        "layer_norm": Layer(settings={"axis": -1, "epsilon": 1e-3}),
        "rms_norm": Layer(settings={"axis": -1, "epsilon": 1e-6}),
        "group_norm": Layer(settings={"groups": 32, "axis": -1, "epsilon": 1e-3}, adapt=_groups),
        "batch_norm": Layer(
            arrays={"scale": Stored("gamma", "c"), "bias": Stored("beta", "c")},
            settings={"axis": -1, "momentum": 0.99, "epsilon": 1e-3},
        ),
        "batch_norm_state": Layer(arrays={"mean": Stored("moving_mean", "c"), "var": Stored("moving_variance", "c")}),
    },
)
