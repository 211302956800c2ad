"""What a converter states about a library: its `Library`, with a `Layer` for each of our layers that it has.

The file of a library, such as `torch.py`, holds every fact about it. `params.py` converts arrays and `settings.py`
settings by these facts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Options = dict[str, Any]  # settings under our names

# Our arrays. The layout of theirs has the same axes: *w taps of the window, *p positions of the output, i and o input
# and output channels of a kernel, g groups of channels, c the output channels of a transposed convolution (its input
# channels are o), or those of a normalisation.
OURS: dict[str, dict[str, str]] = {
    "conv": {"kernel": "*w i (g o)", "bias": "(g o)"},
    "depthwise_conv": {"kernel": "*w 1 (g m)", "bias": "(g m)"},  # conv with groups=g and m kernels per channel
    "conv_transpose": {"kernel": "*w c (g o)", "bias": "(g c)"},
    "locally_connected": {"kernel": "*p *w i (g o)", "bias": "*p (g o)"},
    "dense": {"kernel": "i o", "bias": "o"},
    "norm": {"scale": "c", "bias": "c"},
    "batch_norm": {"scale": "c", "bias": "c"},
    "batch_norm_state": {"mean": "c", "var": "c"},
    "weight_norm": {"kernel": "*w i (g o)", "scale": "(g o)", "bias": "(g o)"},
    "spectral_norm_state": {"u": "(g o)", "v": "*w i"},
}
GIVEN = object()  # in place of a default: the library has none
SAME_OR_VALID = frozenset({"SAME", "VALID"})
PADDING_MODES = {"ZEROS": "ZERO", "CIRCULAR": "CIRCULAR", "REFLECT": "REFLECT", "REPLICATE": "EDGE"}  # PyTorch's words


@dataclass(frozen=True)
class Stored:
    """One array of a layer as a library stores it: its name, its axes, and whether the window is reversed.

    A transposed kernel is reversed if the library correlates it with the dilated input instead of taking the adjoint.
    """

    name: str
    layout: str
    flip: bool = False


def unchanged(options: Options) -> Options:
    """The settings as they are, with our meaning."""
    return options


@dataclass(frozen=True)
class Layer:
    """One layer of a library.

    Attributes:
        arrays: our name of each array -> the array as the library stores it.
        settings: their name of each setting -> its default. A layer with a setting `padding` has a window.
        fixed: settings under our names for which the library leaves no choice.
        paddings: names of paddings that it accepts, in upper case. They mean what they mean for our layers.
        numbers: whether it accepts numbers as padding.
        modes: their names of boundaries (`padding_mode`), in upper case -> ours.
        classes: names of the library's classes for this layer, without "1d", "2d" and "3d"; those whose attributes have
            the names of the settings.
        adapt: `adapt(options)` converts the settings whose values mean something else than ours, and refuses
            those without a counterpart. Names are ours by then; those of a layer with a window are checked, too.
    """

    arrays: Mapping[str, Stored] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    paddings: frozenset[str] = frozenset()
    numbers: bool = True
    modes: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    adapt: Callable[[Options], Options] = unchanged


@dataclass(frozen=True)
class Transposed:
    """A transposed convolution along one axis.

    Attributes:
        length: input cells.
        span: cells from the first tap of the kernel to the last.
        stride: output cells from one input cell to the next.
        padding: a name in upper case, or the cells before and after as the library defines them.
        output_padding: cells by which the output is longer; None if the library computes it.
        transpose_kernel: the setting of Flax.
    """

    length: int
    span: int
    stride: int
    padding: str | tuple[int, int]
    output_padding: int | None = None
    transpose_kernel: bool = False

    @property
    def reach(self) -> int:
        """Number of cells from the first one that the kernel writes to the last."""
        return (self.length - 1) * self.stride + self.span

    @property
    def overlap(self) -> int:
        """Number of cells that two neighbouring kernels share."""
        return max(self.span - self.stride, 0)


# A library's rule for one axis. Tap u of the kernel adds cell p of the input to the output's cell
# `p*stride + u*dilation - lo`. The rule returns `lo` and the output's length.
Rule = Callable[[Transposed], tuple[int, int]]


def padded_input(axis: Transposed) -> tuple[int, int]:
    """The rule of `jax.lax.conv_transpose`. Numbers are the padding of the dilated input.

    >>> padded_input(Transposed(length=5, span=3, stride=2, padding="SAME"))
    (0, 10)
    """
    if axis.padding == "VALID":
        return 0, (axis.length - 1) * axis.stride + max(axis.span, axis.stride)
    if isinstance(axis.padding, str):
        return axis.overlap // 2, axis.length * axis.stride
    before, after = axis.padding
    return axis.span - 1 - before, axis.reach - 2 * (axis.span - 1) + before + after


def cropped_output(axis: Transposed) -> tuple[int, int]:
    """The rule of PyTorch. Numbers crop the output; `output_padding` extends it.

    >>> cropped_output(Transposed(length=5, span=3, stride=2, padding=(1, 1), output_padding=1))
    (1, 10)
    """
    before, after = (0, 0) if isinstance(axis.padding, str) else axis.padding
    return before, axis.reach - before - after + (axis.output_padding or 0)


@dataclass(frozen=True)
class Library:
    """All facts about a library.

    Attributes:
        layers: our name of each layer -> the layer. The row `norm` has the arrays of all normalisations except
            `batch_norm`. A name such as `"conv_transpose, transpose_kernel"` is a second layout of the layer's arrays.
        words: their names of settings -> ours, where they differ. Settings without an equal of ours have the names
            `ceil_mode`, `count_include_pad`, `divisor_override`, `output_padding`, `padding_mode` (of PyTorch) and
            `transpose_kernel` (of Flax).
        named_after_class: how the library names a layer after its class: "module" by the class of the node of a
            pytree, "key" by the last key of its path. Empty if it does not.
        counters: names of entries of a state dict that no layer of ours has.
        axes: names of settings that choose axes of a normalisation. Only the last axis, the channels, is converted.
        transposed: the rule of transposed convolutions.
    """

    layers: Mapping[str, Layer]
    words: Mapping[str, str]
    transposed: Rule
    axes: tuple[str, ...] = ()
    named_after_class: Literal["module", "key", ""] = ""
    counters: frozenset[str] = frozenset()
