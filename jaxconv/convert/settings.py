"""Conversion of settings: padding, phase and divisor with which our layer computes what another library's does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxconv.checks import flag, integer
from jaxconv.convert.axes import checked_name
from jaxconv.convert.norms import NORMS, norm_settings
from jaxconv.convert.params import Library
from jaxconv.convert.phases import Transposed, adjoint, each_axis
from jaxconv.convert.words import DEFAULTS, boundary_of, in_our_words, output_padding_of, padding_of, stride_of
from jaxconv.errors import explain
from jaxconv.sizes import size
from jaxconv.window import Pad, positive, slide, window_sizes

WHERE = "settings_from_library"


def settings_from_library(
    library: Library, layer: str, lengths: Sequence[int] = (), window: Sequence[int] = (), **settings: Any
) -> dict[str, Any]:
    """The keyword arguments with which our layer computes what another library's does.

    What a library does by default, and what it means by SAME, by a number or by "circular", is made explicit: each axis
    has a `Pad`, an average its divisor, a transposed convolution its output's shape, a normalisation its epsilon.

    Law: with `from_library` for the parameters, both layers give the same numbers.

    Args:
        library: "flax" (linen and nnx), "equinox", "haiku", "keras" (3) or "torch".
        layer: "conv", "conv_transpose", "max_pool", "avg_pool"; of Haiku and Keras "depthwise_conv" (pass it to our
            `conv` with the channels as `groups`), of Flax "locally_connected". And "layer_norm", "rms_norm",
            "group_norm", "batch_norm", and of Flax, Haiku and PyTorch "instance_norm".
        lengths: of the spatial axes of what goes into the layer; SAME with a stride depends on them. Not for norms.
        window: taps along each spatial axis. Not for norms.
        settings: their settings under their names, `kernel_dilation=2, padding="SAME"`; what is left out has their
            default, such as the stride of 1 that Flax's and Equinox's pools have. PyTorch's `RMSNorm` takes its default
            from x's dtype: pass `dtype` if that is float64.

    Returns:
        For `conv`: stride, padding, dilation and, where they have them, groups. For `conv_transpose`: these and
        output_shape. For pools: stride, padding, dilation and, for averages, divisor. For norms: epsilon; groups of
        `group_norm`; of `batch_norm` momentum and, of PyTorch's, running_variance.

    Raises:
        ValueError: a setting that the layer does not have, or one that our layers cannot reproduce: a transposed
            convolution that is no adjoint, an average whose divisors no rule of ours gives, a normalisation over other
            axes than our layer takes.

    >>> settings_from_library("torch", "conv", (8, 8), (3, 3), stride=2, padding=1, padding_mode="circular")["padding"]
    (Pad(lo=1, hi=1, boundary='CIRCULAR'), Pad(lo=1, hi=1, boundary='CIRCULAR'))
    >>> settings_from_library("flax", "layer_norm"), settings_from_library("torch", "group_norm", num_groups=4)
    ({'epsilon': 1e-06}, {'epsilon': 1e-05, 'groups': 4})
    >>> settings_from_library("torch", "avg_pool", (7,), (3,), padding=1)
    {'stride': (3,), 'padding': (Pad(lo=1, hi=1, boundary='ZERO'),), 'dilation': (1,), 'divisor': 'window'}

    Source: the tables in docs/conversion.md, each row of which is proved by running both libraries.
    """
    _check_row(library, layer)
    if layer in NORMS[library]:
        if lengths or window:
            cure = f'Write settings_from_library("{library}", "{layer}", ...)'
            expected = f"left out, as {layer} has no window"
            raise ValueError(explain(WHERE, "lengths, window", (lengths, window), expected, cure))
        return norm_settings(WHERE, library, layer, settings)
    found = in_our_words(WHERE, library, layer, settings)
    window = window_sizes(WHERE, window)
    lengths = positive(WHERE, "lengths", lengths, len(window))
    found["stride"] = stride_of(WHERE, found["stride"], window)
    found["dilation"] = positive(WHERE, "dilation", found.get("dilation", 1), len(window))
    found["padding"] = padding_of(WHERE, library, layer, found["padding"], len(window))
    for name in ("ceil_mode", "count_include_pad", "transpose_kernel"):
        if name in found:
            found[name] = flag(WHERE, name, found[name])
    if "groups" in found:
        found["groups"] = integer(WHERE, "groups", found["groups"], least=1, cure="Leave it out for 1")
    if "padding_mode" in found:
        found["padding_mode"] = boundary_of(WHERE, found["padding_mode"], layer)
    if layer == "conv_transpose":
        return _transposed(library, lengths, window, found)
    if layer in ("max_pool", "avg_pool"):
        return _pool(library, layer, lengths, window, found)
    found["padding"] = _standing(lengths, window, found, _pads(library, lengths, window, found))
    return {name: found[name] for name in ("stride", "padding", "dilation", "groups") if name in found}


def _check_row(library: str, layer: str) -> None:
    """Refuse a library or a layer without settings."""
    checked_name(WHERE, "library", library, DEFAULTS, f"one of {', '.join(DEFAULTS)}")
    layers = [*DEFAULTS[library], *NORMS[library]]
    checked_name(WHERE, "layer", layer, layers, f"one of {library}'s {', '.join(layers)}")


def _pads(library: str, lengths: Sequence[int], window: Sequence[int], found: dict[str, Any]) -> tuple[Pad, ...]:
    """Cells before and after each axis, and what they hold."""
    padding, boundary = found["padding"], found.get("padding_mode")
    spans = [d * (k - 1) + 1 for d, k in zip(found["dilation"], window, strict=True)]
    if library == "torch" and padding == "SAME":
        if set(found["stride"]) != {1}:
            expected, cure = "a number where there is a stride, as PyTorch has it", "Write padding=1, or stride=1"
            raise ValueError(explain(WHERE, "padding", "'same'", expected, cure))
        padding = [((span - 1) // 2, span // 2) for span in spans]
    if isinstance(padding, str):
        axes = slide(WHERE, lengths, window, found["stride"], padding, found["dilation"])
        return tuple(Pad(axis.pad.lo, axis.pad.hi, boundary or axis.pad.boundary) for axis in axes)
    return tuple(Pad(lo, hi, boundary or "ZERO") for lo, hi in padding)


def _standing(
    lengths: Sequence[int], window: Sequence[int], found: dict[str, Any], pads: tuple[Pad, ...]
) -> tuple[Pad, ...]:
    """The padding under a window that is no wider than all of it and x; by `ceil_mode` so much that a last one fits."""
    ceil_mode = found.get("ceil_mode", False)
    axes = slide(WHERE, lengths, window, found["stride"], pads, found["dilation"], ceil_mode=ceil_mode)
    return tuple(axis.pad for axis in axes)


def _pool(
    library: str, layer: str, lengths: Sequence[int], window: Sequence[int], found: dict[str, Any]
) -> dict[str, Any]:
    """Stride, padding and divisor; PyTorch's `ceil_mode` is more padding after."""
    pads = _pads(library, lengths, window, found)
    wider = _standing(lengths, window, found, pads)
    settings = {"stride": found["stride"], "padding": wider, "dilation": found["dilation"]}
    if layer == "max_pool":
        return settings
    return settings | {"divisor": _divisor(library, pads, wider, found)}


def _divisor(library: str, pads: Sequence[Pad], wider: Sequence[Pad], found: dict[str, Any]) -> str | int:
    """What their average divides by."""
    if found.get("divisor_override") is not None:
        cure = "Leave it out for the number of taps"
        return size(WHERE, "divisor_override", found["divisor_override"], cure=cure)
    counts_padding = found.get("count_include_pad", library == "equinox")  # Haiku and Keras never count it
    if not counts_padding:
        return "inside"
    if wider == pads:
        return "window"
    if all((pad.lo, pad.hi) == (0, 0) for pad in pads):
        return "inside"  # what ceil_mode adds is not counted
    expected = "False where there is padding as well: it counts the padding's zeros, but not those of ceil_mode"
    raise ValueError(explain(WHERE, "ceil_mode", True, expected, "Pass count_include_pad=False in both libraries"))


def _transposed(library: str, lengths: Sequence[int], window: Sequence[int], found: dict[str, Any]) -> dict[str, Any]:
    """The convolution whose adjoint it is, and the shape of its input."""
    rank, padding, strides, dilations = len(window), found["padding"], found["stride"], found["dilation"]
    boundary = "CIRCULAR" if padding == "CIRCULAR" else found.get("padding_mode", "ZERO")
    axes = [
        Transposed(n, d * (k - 1) + 1, s, pad, extra, found.get("transpose_kernel", False))
        for n, k, s, d, pad, extra in zip(
            lengths, window, strides, dilations, each_axis(padding, rank),
            output_padding_of(WHERE, found.get("output_padding"), rank), strict=True,
        )
    ]  # fmt: skip
    pads, shape = zip(*(adjoint(WHERE, library, axis, boundary) for axis in axes), strict=True)
    settings = {"stride": strides, "padding": pads, "dilation": dilations, "output_shape": shape}
    return settings | ({"groups": found["groups"]} if "groups" in found else {})
