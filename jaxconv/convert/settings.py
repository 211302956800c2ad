"""Conversion of settings: the padding, output shape and divisor with which our layer computes the same as another's."""

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
    """The keyword arguments with which our layer computes the same as another library's layer.

    Defaults, and the library's meanings of SAME, of numbers and of "circular", become explicit: a `Pad` for each axis,
    the divisor of an average, the output shape of a transposed convolution, the epsilon of a normalisation.

    Law: with the parameters of `from_library`, both layers compute the same numbers.

    Args:
        library: "flax" (linen and nnx), "equinox", "haiku", "keras" (3) or "torch".
        layer: "conv", "conv_transpose", "max_pool", "avg_pool"; for Haiku and Keras also "depthwise_conv" (our `conv`
            with the number of channels as `groups`); for Flax also "locally_connected". And "layer_norm", "rms_norm",
            "group_norm", "batch_norm", and for Flax, Haiku and PyTorch "instance_norm".
        lengths: lengths of the spatial axes of the layer's input; SAME with a stride depends on them. Not for norms.
        window: taps along each spatial axis. Not for norms.
        settings: their settings under their names, such as `kernel_dilation=2, padding="SAME"`. The others have the
            library's defaults, such as stride 1 for the pools of Flax and Equinox. The default of PyTorch's `RMSNorm`
            depends on the dtype of x: pass `dtype` if it is float64.

    Returns:
        For `conv`: stride, padding, dilation and, if the layer has them, groups. For `conv_transpose`: these and
        output_shape. For pools: stride, padding, dilation and, for averages, divisor. For norms: epsilon; for
        `group_norm` also groups; for `batch_norm` also momentum and, for PyTorch, running_variance.

    Raises:
        ValueError: a setting that the layer does not have, or one that our layers cannot reproduce: a transposed
            convolution that is not an adjoint, an average with divisors that we do not have, a normalisation over other
            axes than our layer's.

    >>> settings_from_library("torch", "conv", (8, 8), (3, 3), stride=2, padding=1, padding_mode="circular")["padding"]
    (Pad(lo=1, hi=1, boundary='CIRCULAR'), Pad(lo=1, hi=1, boundary='CIRCULAR'))
    >>> settings_from_library("flax", "layer_norm"), settings_from_library("torch", "group_norm", num_groups=4)
    ({'epsilon': 1e-06}, {'epsilon': 1e-05, 'groups': 4})
    >>> settings_from_library("torch", "avg_pool", (7,), (3,), padding=1)
    {'stride': (3,), 'padding': (Pad(lo=1, hi=1, boundary='ZERO'),), 'dilation': (1,), 'divisor': 'window'}

    Source: the tables in docs/conversion.md. Tests run both libraries for each row.
    """
    _check_row(library, layer)
    if layer in NORMS[library]:
        if lengths or window:
            cure = f'Write settings_from_library("{library}", "{layer}", ...)'
            expected = f"left out, since {layer} has no window"
            raise ValueError(explain(WHERE, "lengths, window", (lengths, window), expected, cure))
        return norm_settings(WHERE, library, layer, settings)
    options = in_our_words(WHERE, library, layer, settings)
    window = window_sizes(WHERE, window)
    lengths = positive(WHERE, "lengths", lengths, len(window))
    options["stride"] = stride_of(WHERE, options["stride"], window)
    options["dilation"] = positive(WHERE, "dilation", options.get("dilation", 1), len(window))
    options["padding"] = padding_of(WHERE, library, layer, options["padding"], len(window))
    for name in ("ceil_mode", "count_include_pad", "transpose_kernel"):
        if name in options:
            options[name] = flag(WHERE, name, options[name])
    if "groups" in options:
        options["groups"] = integer(WHERE, "groups", options["groups"], least=1, cure="Leave it out for 1")
    if "padding_mode" in options:
        options["padding_mode"] = boundary_of(WHERE, options["padding_mode"], layer)
    if layer == "conv_transpose":
        return _transposed(library, lengths, window, options)
    if layer in ("max_pool", "avg_pool"):
        return _pool(library, layer, lengths, window, options)
    options["padding"] = _fitted(lengths, window, options, _pads(library, lengths, window, options))
    return {name: options[name] for name in ("stride", "padding", "dilation", "groups") if name in options}


def _check_row(library: str, layer: str) -> None:
    """Raise an error for a library or a layer without settings."""
    checked_name(WHERE, "library", library, DEFAULTS, f"one of {', '.join(DEFAULTS)}")
    layers = [*DEFAULTS[library], *NORMS[library]]
    checked_name(WHERE, "layer", layer, layers, f"one of {library}'s {', '.join(layers)}")


def _pads(library: str, lengths: Sequence[int], window: Sequence[int], options: dict[str, Any]) -> tuple[Pad, ...]:
    """The padding of each axis and its boundary."""
    padding, boundary = options["padding"], options.get("padding_mode")
    spans = [d * (k - 1) + 1 for d, k in zip(options["dilation"], window, strict=True)]
    if library == "torch" and padding == "SAME":
        if set(options["stride"]) != {1}:
            expected, cure = "a number if there is a stride, as for PyTorch", "Write padding=1, or stride=1"
            raise ValueError(explain(WHERE, "padding", "'same'", expected, cure))
        padding = [((span - 1) // 2, span // 2) for span in spans]
    if isinstance(padding, str):
        axes = slide(WHERE, lengths, window, options["stride"], padding, options["dilation"])
        return tuple(Pad(axis.pad.lo, axis.pad.hi, boundary or axis.pad.boundary) for axis in axes)
    return tuple(Pad(lo, hi, boundary or "ZERO") for lo, hi in padding)


def _fitted(
    lengths: Sequence[int], window: Sequence[int], options: dict[str, Any], pads: tuple[Pad, ...]
) -> tuple[Pad, ...]:
    """The padding; `slide` refuses a window wider than x with it. `ceil_mode` adds padding for a last window."""
    ceil_mode = options.get("ceil_mode", False)
    axes = slide(WHERE, lengths, window, options["stride"], pads, options["dilation"], ceil_mode=ceil_mode)
    return tuple(axis.pad for axis in axes)


def _pool(
    library: str, layer: str, lengths: Sequence[int], window: Sequence[int], options: dict[str, Any]
) -> dict[str, Any]:
    """Stride, padding and divisor. PyTorch's `ceil_mode` becomes padding at the end."""
    pads = _pads(library, lengths, window, options)
    wider = _fitted(lengths, window, options, pads)
    settings = {"stride": options["stride"], "padding": wider, "dilation": options["dilation"]}
    if layer == "max_pool":
        return settings
    return settings | {"divisor": _divisor(library, pads, wider, options)}


def _divisor(library: str, pads: Sequence[Pad], wider: Sequence[Pad], options: dict[str, Any]) -> str | int:
    """The divisor of the library's average."""
    if options.get("divisor_override") is not None:
        cure = "Leave it out for the number of taps"
        return size(WHERE, "divisor_override", options["divisor_override"], cure=cure)
    counts_padding = options.get("count_include_pad", library == "equinox")  # Haiku and Keras never count the padding
    if not counts_padding:
        return "inside"
    if wider == pads:
        return "window"
    if all((pad.lo, pad.hi) == (0, 0) for pad in pads):
        return "inside"  # the padding that ceil_mode adds is not counted
    expected = "False with padding: the padding's zeros are counted, but not those that ceil_mode adds"
    raise ValueError(explain(WHERE, "ceil_mode", True, expected, "Pass count_include_pad=False in both libraries"))


def _transposed(library: str, lengths: Sequence[int], window: Sequence[int], options: dict[str, Any]) -> dict[str, Any]:
    """The convolution of which it is the adjoint, and the shape of that convolution's input."""
    rank, padding, strides, dilations = len(window), options["padding"], options["stride"], options["dilation"]
    boundary = "CIRCULAR" if padding == "CIRCULAR" else options.get("padding_mode", "ZERO")
    axes = [
        Transposed(n, d * (k - 1) + 1, s, pad, extra, options.get("transpose_kernel", False))
        for n, k, s, d, pad, extra in zip(
            lengths, window, strides, dilations, each_axis(padding, rank),
            output_padding_of(WHERE, options.get("output_padding"), rank), strict=True,
        )
    ]  # fmt: skip
    pads, shape = zip(*(adjoint(WHERE, library, axis, boundary) for axis in axes), strict=True)
    settings = {"stride": strides, "padding": pads, "dilation": dilations, "output_shape": shape}
    return settings | ({"groups": options["groups"]} if "groups" in options else {})
