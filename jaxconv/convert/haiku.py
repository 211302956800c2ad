"""Haiku: our layouts under short names. Averages never count the padding."""

from __future__ import annotations

from jaxconv.convert.library import GIVEN, SAME_OR_VALID, Layer, Library, Stored, padded_input

LIBRARY = Library(
    words={
        "strides": "stride",
        "rate": "dilation",
        "feature_group_count": "groups",
        "eps": "epsilon",
        "decay_rate": "momentum",
    },
    axes=("axis",),
    transposed=padded_input,
    layers={
        "conv": Layer(
            arrays={"kernel": Stored("w", "*w i (g o)"), "bias": Stored("b", "(g o)")},
            settings={"stride": 1, "rate": 1, "padding": "SAME", "feature_group_count": 1},
            paddings=SAME_OR_VALID,
        ),
        "depthwise_conv": Layer(
            arrays={"kernel": Stored("w", "*w 1 (g m)"), "bias": Stored("b", "(g m)")},
            settings={"stride": 1, "rate": 1, "padding": "SAME"},
            paddings=SAME_OR_VALID,
        ),
        "conv_transpose": Layer(
            arrays={"kernel": Stored("w", "*w c (g o)", flip=True), "bias": Stored("b", "(g c)")},
            settings={"stride": 1, "padding": "SAME"},
            paddings=SAME_OR_VALID,
        ),
        "dense": Layer(arrays={"kernel": Stored("w", "i o"), "bias": Stored("b", "o")}),
        "max_pool": Layer(settings={"strides": GIVEN, "padding": GIVEN}, paddings=SAME_OR_VALID),
        "avg_pool": Layer(
            settings={"strides": GIVEN, "padding": GIVEN}, paddings=SAME_OR_VALID, fixed={"count_include_pad": False}
        ),
        "norm": Layer(arrays={"scale": Stored("scale", "c"), "bias": Stored("offset", "c")}),
        "layer_norm": Layer(settings={"axis": GIVEN, "eps": 1e-5}),
        "rms_norm": Layer(settings={"axis": GIVEN, "eps": 1e-5}),
        "group_norm": Layer(settings={"groups": GIVEN, "eps": 1e-5}),
        "instance_norm": Layer(settings={"eps": 1e-5}),
        "batch_norm": Layer(
            arrays={"scale": Stored("scale", "1 *1 c"), "bias": Stored("offset", "1 *1 c")},
            settings={"decay_rate": GIVEN, "eps": 1e-5},
        ),
        "batch_norm_state": Layer(arrays={"mean": Stored("mean_ema", "1 *1 c"), "var": Stored("var_ema", "1 *1 c")}),
    },
)
