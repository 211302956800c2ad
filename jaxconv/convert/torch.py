"""PyTorch: channels first, kernels with the output channels first. Its padding numbers count cells of the output."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxconv.checks import choice, flag, fraction
from jaxconv.convert.library import GIVEN, PADDING_MODES, SAME_OR_VALID, Layer, Library, Options, Stored, cropped_output
from jaxconv.errors import explain


def _same(options: Options) -> Options:
    """PyTorch's "same" is ours, but PyTorch refuses it with a stride."""
    if options["padding"] == "SAME" and set(options["stride"]) != {1}:
        expected, cure = "a number if there is a stride, as for PyTorch", "Write padding=1, or stride=1"
        raise ValueError(explain("padding", "'same'", expected, cure))
    return options


def _epsilon(options: Options) -> Options:
    """RMSNorm's default epsilon is that of the dtype of x, for half precision that of float32.

    PyTorch's documentation has `torch.finfo(x.dtype).eps`; PyTorch 2.14 uses this.
    """
    if options["epsilon"] is not None:
        return options
    return options | {"epsilon": _smallest_step(options["dtype"])}


def _smallest_step(dtype: Any) -> float:
    """The epsilon of a dtype, at most that of float32. The dtype may be `torch.float16`."""
    name = str(dtype).removeprefix("torch.")
    try:
        return min(float(jnp.finfo(name).eps), float(jnp.finfo("float32").eps))
    except (TypeError, ValueError):
        cure = 'Write dtype="float32"'
        raise ValueError(explain("dtype", repr(dtype), "a floating-point dtype, that of x", cure)) from None


def _statistics_of_x(options: Options) -> Options:
    """InstanceNorm without running statistics is ours."""
    if options["track_running_stats"]:
        cure = "jaxconv uses the statistics of each example, in training and after it"
        raise ValueError(explain("track_running_stats", True, "False", cure))
    return options


def _momentum(options: Options) -> Options:
    """PyTorch's momentum is the share of the new batch. Ours is the share of the old average."""
    if options["momentum"] is None:
        cure = "For a cumulative average pass momentum=1 - 1/n to batch_norm in step n"
        raise ValueError(explain("momentum", None, "a number", cure))
    share = fraction("momentum", options["momentum"], cure="Write it as the share of the new batch")
    return options | {"momentum": 1 - share}


# Modes of `interpolate` without antialiasing -> ours. Its cubic reads copies of the border, with another slope.
MODES: dict[str, Options] = {
    "nearest": {"method": "nearest", "corners": "asymmetric"},
    "nearest-exact": {"method": "nearest"},
    "linear": {"method": "linear"},
    "bilinear": {"method": "linear"},
    "trilinear": {"method": "linear"},
    "bicubic": {"method": "cubic", "coefficient": -0.75, "border": "edge"},
}


def _interpolation(options: Options) -> Options:
    """The settings of `interpolate`. Antialiased, its cubic is that of other libraries."""
    cure = 'Use adaptive_avg_pool for mode="area"'
    mode = choice("mode", options["mode"], tuple(MODES), cure=cure)
    aligned = options["align_corners"]
    aligned = False if aligned is None else flag("align_corners", aligned)
    antialias = flag("antialias", options["antialias"])
    if mode.startswith("nearest") and (aligned or antialias):
        name = "align_corners" if aligned else "antialias"
        raise ValueError(explain(name, True, f"False for mode={mode!r}, as for PyTorch", "Leave it out"))
    if antialias and (aligned or mode not in ("bilinear", "bicubic")):
        expected = 'False unless mode is "bilinear" or "bicubic" and align_corners is False'
        raise ValueError(explain("antialias", True, expected, "Leave it out"))
    if antialias:
        return {"method": MODES[mode]["method"], "antialias": True}
    return MODES[mode] | ({"corners": "align"} if aligned else {}) | {"antialias": False}


LIBRARY = Library(
    words={"eps": "epsilon", "num_groups": "groups"},
    transposed=cropped_output,
    counters=frozenset({"num_batches_tracked"}),
    layers={
        "conv": Layer(
            arrays={"kernel": Stored("weight", "(g o) i *w"), "bias": Stored("bias", "(g o)")},
            settings={"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "padding_mode": "zeros"},
            paddings=SAME_OR_VALID,
            modes=PADDING_MODES,
            classes=("Conv",),
            adapt=_same,
        ),
        "conv_transpose": Layer(
            arrays={"kernel": Stored("weight", "(g o) c *w"), "bias": Stored("bias", "(g c)")},
            settings={"stride": 1, "padding": 0, "output_padding": 0, "groups": 1, "dilation": 1},
            classes=("ConvTranspose",),
        ),
        "dense": Layer(arrays={"kernel": Stored("weight", "o i"), "bias": Stored("bias", "o")}),
        "max_pool": Layer(
            settings={"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False}, classes=("MaxPool",)
        ),
        "avg_pool": Layer(
            settings={
                "stride": None,
                "padding": 0,
                "ceil_mode": False,
                "count_include_pad": True,
                "divisor_override": None,
            },
            classes=("AvgPool",),
        ),
        "norm": Layer(arrays={"scale": Stored("weight", "c"), "bias": Stored("bias", "c")}),
        "layer_norm": Layer(settings={"eps": 1e-5}, classes=("LayerNorm",)),
        "rms_norm": Layer(settings={"eps": None, "dtype": "float32"}, classes=("RMSNorm",), adapt=_epsilon),
        "group_norm": Layer(settings={"num_groups": GIVEN, "eps": 1e-5}, classes=("GroupNorm",)),
        "instance_norm": Layer(
            settings={"eps": 1e-5, "track_running_stats": False},
            classes=("InstanceNorm",),
            adapt=_statistics_of_x,
        ),
        "batch_norm": Layer(
            arrays={"scale": Stored("weight", "c"), "bias": Stored("bias", "c")},
            settings={"momentum": 0.1, "eps": 1e-5},
            fixed={"running_variance": "unbiased"},
            classes=("BatchNorm",),
            adapt=_momentum,
        ),
        "batch_norm_state": Layer(arrays={"mean": Stored("running_mean", "c"), "var": Stored("running_var", "c")}),
        "weight_norm": Layer(
            arrays={
                "kernel": Stored("weight_v", "(g o) i *w"),
                "scale": Stored("weight_g", "(g o) 1 *1"),
                "bias": Stored("bias", "(g o)"),
            }
        ),
        "spectral_norm_state": Layer(arrays={"u": Stored("_u", "(g o)"), "v": Stored("_v", "(i *w)")}),
        "unfold": Layer(settings={"stride": 1, "padding": 0, "dilation": 1}),
        "resize": Layer(settings={"mode": "nearest", "align_corners": None, "antialias": False}, adapt=_interpolation),
    },
)
