"""A table of the names and layouts of each library's arrays, for each layer; and of ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stored:
    """One array of a layer as a library stores it: its name, its axes, and whether the window is reversed."""

    name: str
    layout: str
    flip: bool = False


Layer = dict[str, Stored]  # our name -> theirs

# Axes: *w taps of the window, *p positions of the output, i and o input and output channels of a kernel, g groups of
# channels, c the output channels of a transposed convolution (its input channels are o), or those of a normalisation.
OURS: dict[str, dict[str, str]] = {
    "conv": {"kernel": "*w i (g o)", "bias": "(g o)"},
    "depthwise_conv": {"kernel": "*w 1 (g m)", "bias": "(g m)"},  # conv with groups=g and m kernels per channel
    "conv_transpose": {"kernel": "*w c (g o)", "bias": "(g c)"},
    "locally_connected": {"kernel": "*p *w i (g o)", "bias": "*p (g o)"},
    "dense": {"kernel": "i o", "bias": "o"},
    "norm": {"scale": "c", "bias": "c"},
    "batch_norm": {"scale": "c", "bias": "c"},
    "batch_norm_state": {"mean": "c", "var": "c"},
}
NEEDED = frozenset({"kernel", "mean", "var"})  # the other arrays of a layer are useless without these


def _same(layer: str, kernel: str = "kernel", bias: str = "bias") -> Layer:
    """A layer stored in our layout."""
    return {"kernel": Stored(kernel, OURS[layer]["kernel"]), "bias": Stored(bias, OURS[layer]["bias"])}


def _norm(scale: str, bias: str, layout: str = "c") -> Layer:
    """The scale and bias of a normalisation."""
    return {"scale": Stored(scale, layout), "bias": Stored(bias, layout)}


def _state(mean: str, var: str, layout: str = "c") -> Layer:
    """The running averages of batch normalisation."""
    return {"mean": Stored(mean, layout), "var": Stored(var, layout)}


# A transposed kernel is flipped if the library correlates it with the dilated input instead of taking the adjoint.
LAYOUTS: dict[str, dict[str, Layer]] = {
    "flax": {
        "conv": _same("conv"),
        "conv_transpose": {"kernel": Stored("kernel", "*w (g o) c", flip=True), "bias": Stored("bias", "(g c)")},
        "conv_transpose, transpose_kernel": _same("conv_transpose"),
        "locally_connected": {"kernel": Stored("kernel", "*p (i *w) (g o)"), "bias": Stored("bias", "*p (g o)")},
        "dense": _same("dense"),
        "norm": _norm("scale", "bias"),
        "batch_norm": _norm("scale", "bias"),
        "batch_norm_state": _state("mean", "var"),
    },
    "equinox": {
        "conv": {"kernel": Stored("weight", "(g o) i *w"), "bias": Stored("bias", "(g o) *1")},
        "conv_transpose": {"kernel": Stored("weight", "(g c) o *w", flip=True), "bias": Stored("bias", "(g c) *1")},
        "dense": {"kernel": Stored("weight", "o i"), "bias": Stored("bias", "o")},
        "norm": _norm("weight", "bias"),
        "batch_norm": _norm("weight", "bias"),
        "batch_norm_state": _state("mean", "var"),
    },
    "haiku": {
        "conv": _same("conv", "w", "b"),
        "depthwise_conv": _same("depthwise_conv", "w", "b"),
        "conv_transpose": {"kernel": Stored("w", "*w c (g o)", flip=True), "bias": Stored("b", "(g c)")},
        "dense": _same("dense", "w", "b"),
        "norm": _norm("scale", "offset"),
        "batch_norm": _norm("scale", "offset", "1 *1 c"),
        "batch_norm_state": _state("mean_ema", "var_ema", "1 *1 c"),
    },
    "keras": {
        "conv": _same("conv"),
        "depthwise_conv": {"kernel": Stored("kernel", "*w g m"), "bias": Stored("bias", "(g m)")},
        "conv_transpose": _same("conv_transpose"),
        "dense": _same("dense"),
        "norm": _norm("gamma", "beta"),
        "batch_norm": _norm("gamma", "beta"),
        "batch_norm_state": _state("moving_mean", "moving_variance"),
    },
    "torch": {
        "conv": {"kernel": Stored("weight", "(g o) i *w"), "bias": Stored("bias", "(g o)")},
        "conv_transpose": {"kernel": Stored("weight", "(g o) c *w"), "bias": Stored("bias", "(g c)")},
        "dense": {"kernel": Stored("weight", "o i"), "bias": Stored("bias", "o")},
        "norm": _norm("weight", "bias"),
        "batch_norm": _norm("weight", "bias"),
        "batch_norm_state": _state("running_mean", "running_var"),
    },
}
