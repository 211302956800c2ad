"""Flax, linen and nnx: our layouts, except for transposed and locally connected kernels."""

from __future__ import annotations

from jaxconv.convert.library import SAME_OR_VALID, Layer, Library, Stored, Transposed, padded_input

ANY = SAME_OR_VALID | {"SAME_LOWER", "CAUSAL", "CIRCULAR", "REFLECT"}


def transposed(axis: Transposed) -> tuple[int, int]:
    """The rule of `jax.lax.conv_transpose`.

    CIRCULAR wraps the VALID result around `length * stride` cells, and shifts it by half of the excess.
    """
    if axis.padding == "CIRCULAR":
        return (axis.overlap + axis.transpose_kernel) // 2, axis.length * axis.stride
    return padded_input(axis)


LIBRARY = Library(
    words={"strides": "stride", "kernel_dilation": "dilation", "feature_group_count": "groups", "num_groups": "groups"},
    axes=("axis", "reduction_axes", "feature_axes"),
    transposed=transposed,
    named_after_class="key",
    layers={
        "conv": Layer(
            arrays={"kernel": Stored("kernel", "*w i (g o)"), "bias": Stored("bias", "(g o)")},
            settings={"strides": 1, "padding": "SAME", "kernel_dilation": 1, "feature_group_count": 1},
            paddings=ANY,
        ),
        "conv_transpose": Layer(
            arrays={"kernel": Stored("kernel", "*w (g o) c", flip=True), "bias": Stored("bias", "(g c)")},
            settings={"strides": 1, "padding": "SAME", "kernel_dilation": 1, "transpose_kernel": False},
            paddings=SAME_OR_VALID | {"CIRCULAR"},
        ),
        "conv_transpose, transpose_kernel": Layer(
            arrays={"kernel": Stored("kernel", "*w c (g o)"), "bias": Stored("bias", "(g c)")},
        ),
        "locally_connected": Layer(
            arrays={"kernel": Stored("kernel", "*p (i *w) (g o)"), "bias": Stored("bias", "*p (g o)")},
            settings={"strides": 1, "padding": "SAME", "kernel_dilation": 1},
            paddings=ANY,
        ),
        "dense": Layer(arrays={"kernel": Stored("kernel", "i o"), "bias": Stored("bias", "o")}),
        "max_pool": Layer(settings={"strides": 1, "padding": "VALID"}, paddings=SAME_OR_VALID),
        "avg_pool": Layer(
            settings={"strides": 1, "padding": "VALID", "count_include_pad": True}, paddings=SAME_OR_VALID
        ),
        "norm": Layer(arrays={"scale": Stored("scale", "c"), "bias": Stored("bias", "c")}),
        "layer_norm": Layer(settings={"epsilon": 1e-6, "reduction_axes": -1, "feature_axes": -1}),
        "rms_norm": Layer(settings={"epsilon": 1e-6, "reduction_axes": -1, "feature_axes": -1}),
        "group_norm": Layer(settings={"num_groups": 32, "epsilon": 1e-6}),
        "instance_norm": Layer(settings={"epsilon": 1e-6, "feature_axes": -1}),
        "batch_norm": Layer(
            arrays={"scale": Stored("scale", "c"), "bias": Stored("bias", "c")},
            settings={"momentum": 0.99, "epsilon": 1e-5, "axis": -1},
        ),
        "batch_norm_state": Layer(arrays={"mean": Stored("mean", "c"), "var": Stored("var", "c")}),
    },
)
