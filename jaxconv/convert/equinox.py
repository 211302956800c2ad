"""Equinox: PyTorch's layouts and names for one example, with the flipped transposed kernels of lax."""

from __future__ import annotations

from jaxconv.convert.library import (
    GIVEN,
    PADDING_MODES,
    SAME_OR_VALID,
    Layer,
    Library,
    Stored,
    Transposed,
    cropped_output,
)

PADDINGS = SAME_OR_VALID | {"SAME_LOWER"}


def transposed(axis: Transposed) -> tuple[int, int]:
    """PyTorch's rule. With SAME the output has `length * stride` cells, less an output padding."""
    if axis.padding == "VALID" or not isinstance(axis.padding, str):
        return cropped_output(axis)
    extra = axis.output_padding or 0
    lo = (max(axis.span - axis.stride + extra, 0) + (axis.padding == "SAME_LOWER")) // 2
    return lo, axis.length * axis.stride - extra


LIBRARY = Library(
    words={"eps": "epsilon"},
    transposed=transposed,
    named_after_class="module",
    layers={
        "conv": Layer(
            arrays={"kernel": Stored("weight", "(g o) i *w"), "bias": Stored("bias", "(g o) *1")},
            settings={"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "padding_mode": "ZEROS"},
            paddings=PADDINGS,
            modes=PADDING_MODES,
            classes=("Conv",),
        ),
        "conv_transpose": Layer(
            arrays={"kernel": Stored("weight", "(g c) o *w", flip=True), "bias": Stored("bias", "(g c) *1")},
            settings={
                "stride": 1,
                "output_padding": 0,
                "padding": 0,
                "dilation": 1,
                "groups": 1,
                "padding_mode": "ZEROS",
            },
            paddings=PADDINGS,
            modes={"ZEROS": "ZERO", "CIRCULAR": "CIRCULAR"},
            classes=("ConvTranspose",),
        ),
        "dense": Layer(arrays={"kernel": Stored("weight", "o i"), "bias": Stored("bias", "o")}),
        "max_pool": Layer(settings={"stride": 1, "padding": 0}),
        "avg_pool": Layer(settings={"stride": 1, "padding": 0}, fixed={"count_include_pad": True}),
        "norm": Layer(arrays={"scale": Stored("weight", "c"), "bias": Stored("bias", "c")}),
        "layer_norm": Layer(settings={"eps": 1e-5}, classes=("LayerNorm",)),
        "rms_norm": Layer(settings={"eps": 1e-5}, classes=("RMSNorm",)),
        "group_norm": Layer(settings={"groups": GIVEN, "eps": 1e-5}, classes=("GroupNorm",)),
        "batch_norm": Layer(
            arrays={"scale": Stored("weight", "c"), "bias": Stored("bias", "c")},
            settings={"momentum": 0.99, "eps": 1e-5},
            classes=("BatchNorm",),
        ),
        "batch_norm_state": Layer(arrays={"mean": Stored("mean", "c"), "var": Stored("var", "c")}),
    },
)
