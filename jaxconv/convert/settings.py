"""Conversion of settings: the padding, output shape and divisor with which our layer computes the same as another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from jaxconv.checks import flag, fraction, integer, positive_number, several, shown
from jaxconv.convert import LIBRARIES, LibraryName, find
from jaxconv.convert.library import GIVEN, Layer, Options, Transposed
from jaxconv.errors import explain, public
from jaxconv.sizes import size
from jaxconv.window import Pad, positive, slide, window_sizes


@public
def settings_from_library(
    library: LibraryName, layer: str, lengths: Sequence[int] = (), window: Sequence[int] = (), **settings: Any
) -> dict[str, Any]:
    """The keyword arguments with which our layer computes the same as another library's layer.

    Defaults, and the library's meanings of SAME, of numbers and of "circular", become explicit: a `Pad` for each axis,
    the divisor of an average, the output shape of a transposed convolution, the epsilon of a normalisation.

    Law: with the parameters of `from_library`, both layers compute the same numbers.

    Args:
        library: "flax" (linen and nnx), "equinox", "haiku", "keras" (3) or "torch".
        layer: "conv", "conv_transpose", "max_pool", "avg_pool"; for Haiku and Keras also "depthwise_conv" (our `conv`
            with the number of channels as `groups`); for Flax also "locally_connected". And "layer_norm", "rms_norm",
            "group_norm", "batch_norm", and for Flax, Haiku and PyTorch "instance_norm". For PyTorch also "unfold" (and
            "fold", with the lengths of the result) and, for PyTorch and Keras, "resize".
        lengths: lengths of the spatial axes of the layer's input; SAME with a stride depends on them. Not for norms
            and "resize".
        window: taps along each spatial axis. Not for norms and "resize".
        settings: their settings under their names, such as `kernel_dilation=2, padding="SAME"`. The others have the
            library's defaults, such as stride 1 for the pools of Flax and Equinox. The default of PyTorch's `RMSNorm`
            depends on the dtype of x: pass `dtype` if it is float64.

    Returns:
        For `conv`: stride, padding, dilation and, if the layer has them, groups. For `conv_transpose`: these and
        output_shape. For pools: stride, padding, dilation and, for averages, divisor. For norms: epsilon; for
        `group_norm` also groups; for `batch_norm` also momentum and, for PyTorch, running_variance. For `resize`:
        method and those of its other settings that differ from our defaults.

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
    row = find(library, layer, "settings")
    if "padding" not in row.settings:
        if lengths or window:
            cure = f'Write settings_from_library("{library}", "{layer}", ...)'
            expected = f"left out, since {layer} has no window"
            raise ValueError(explain("lengths, window", (lengths, window), expected, cure))
        options = _in_our_words(library, layer, row, settings)
        return row.adapt(options) if layer == "resize" else _norm(library, row, options)
    options = _in_our_words(library, layer, row, settings)
    window = window_sizes(window)
    lengths = positive("lengths", lengths, len(window))
    options = row.adapt(_checked(library, layer, row, options, window))
    if layer == "conv_transpose":
        return _transposed(library, lengths, window, options)
    if layer in ("max_pool", "avg_pool"):
        return _pool(layer, lengths, window, options)
    options["padding"] = _fitted(lengths, window, options, _pads(lengths, window, options))
    return {name: options[name] for name in ("stride", "padding", "dilation", "groups") if name in options}


def _in_our_words(library: str, layer: str, row: Layer, settings: Mapping[str, Any]) -> Options:
    """Their settings under our names. Settings that were not given have the library's defaults.

    >>> _in_our_words("keras", "max_pool", LIBRARIES["keras"].layers["max_pool"], {"padding": "same"})
    {'stride': None, 'padding': 'same'}
    """
    defaults = row.settings
    if not settings.keys() <= defaults.keys():
        unknown = sorted(settings.keys() - defaults.keys())
        near = get_close_matches(unknown[0], defaults, 1)
        cure = f'Perhaps you mean "{near[0]}"' if near else "Leave out settings that the layer does not have"
        expected = f"among {', '.join(defaults)}"
        raise ValueError(explain(f"settings of {library}'s {layer}", unknown, expected, cure))
    values = {**defaults, **settings}
    missing = [name for name, value in values.items() if value is GIVEN]
    if missing:
        expected, cure = f"given, since {library}'s {layer} has no default for it", f"Pass {missing[0]}=..."
        raise ValueError(explain(missing[0], "left out", expected, cure))
    words = LIBRARIES[library].words
    return {words.get(name, name): value for name, value in values.items()} | dict(row.fixed)


def _their_names(library: str, row: Layer) -> dict[str, str]:
    """Our name of each setting of a layer -> theirs.

    >>> _their_names("flax", LIBRARIES["flax"].layers["max_pool"])
    {'stride': 'strides', 'padding': 'padding'}
    """
    words = LIBRARIES[library].words
    return {words.get(name, name): name for name in row.settings}


def _norm(library: str, row: Layer, options: Options) -> dict[str, Any]:
    """Epsilon, groups and momentum, and the kind of running variance."""
    for name in LIBRARIES[library].axes:
        if name in options and options[name] not in (-1, (-1,), [-1]):
            cure = "Use group_norm with groups=1 for all axes of an example; move the channels of another layout"
            raise ValueError(explain(name, options[name], "-1, the channels", cure))
    options = row.adapt(options)
    theirs = _their_names(library, row)
    cure = f"Write {theirs['epsilon']}=1e-5"
    ours: dict[str, Any] = {"epsilon": positive_number(theirs["epsilon"], options["epsilon"], cure=cure)}
    if "groups" in options:
        ours["groups"] = integer(theirs["groups"], options["groups"], least=1, cure="Write it as a number of groups")
    if "momentum" in options:
        cure = "Write it as the share of the old average"
        ours["momentum"] = fraction(theirs["momentum"], options["momentum"], cure=cure)
    return ours | {name: options[name] for name in ("running_variance",) if name in options}


def _checked(library: str, layer: str, row: Layer, options: Options, window: Sequence[int]) -> Options:
    """The settings of a layer with a window, each with a value for each axis, or refused."""
    rank, theirs = len(window), _their_names(library, row)
    stride = window if options["stride"] is None else options["stride"]
    checked = {
        "stride": positive(theirs["stride"], stride, rank),
        "dilation": positive(theirs["dilation"], options["dilation"], rank) if "dilation" in theirs else (1,) * rank,
        "padding": _padding(library, layer, row, options["padding"], rank),
    }
    for name in ("ceil_mode", "count_include_pad", "transpose_kernel"):
        if name in options:
            checked[name] = flag(name, options[name])
    if "groups" in options:
        checked["groups"] = integer(theirs["groups"], options["groups"], least=1, cure="Leave it out for 1")
    if "padding_mode" in options:
        checked["padding_mode"] = _boundary(row, options["padding_mode"])
    return options | checked


def _padding(library: str, layer: str, row: Layer, padding: Any, rank: int) -> str | list[tuple[int, int]]:
    """A padding's name in upper case, or for each axis the cells before and after.

    One number applies to both sides of all axes. One number for each axis applies to both sides of that axis.

    >>> _padding("torch", "conv", LIBRARIES["torch"].layers["conv"], (1, 2), rank=2)
    [(1, 1), (2, 2)]
    """
    names = ", ".join(sorted(row.paddings))
    if isinstance(padding, str):
        if padding.upper() not in row.paddings:
            expected = f"one that {library}'s {layer} has: {names or 'numbers only'}"
            raise ValueError(explain("padding", repr(padding), expected, "Name the padding as that library does"))
        return padding.upper()
    if not row.numbers:
        expected = f"one of {library.capitalize()}'s names: {names}"
        raise ValueError(explain("padding", padding, expected, 'Write padding="same"'))
    cure, items = "Write padding=1 for one cell on every side", several(padding)
    cells = lambda value: size("padding", value, least=0, cure=cure)
    if items is None:
        return [(cells(padding), cells(padding))] * rank
    pairs = [several(item) or (item, item) for item in items]
    if len(pairs) != rank or any(len(pair) != 2 for pair in pairs):
        expected = f"a number, or one or two for each of {rank} spatial axes"
        raise ValueError(explain("padding", shown(padding), expected, cure))
    return [(cells(lo), cells(hi)) for lo, hi in pairs]


def _boundary(row: Layer, mode: object) -> str:
    """Our name for the boundary of a padding."""
    if not isinstance(mode, str) or mode.upper() not in row.modes:
        error = ValueError if isinstance(mode, str) else TypeError
        expected = f"one of {', '.join(row.modes)}, in any case"
        raise error(explain("padding_mode", shown(mode), expected, "Leave it out for zeros"))
    return row.modes[mode.upper()]


def _pads(lengths: Sequence[int], window: Sequence[int], options: Options) -> tuple[Pad, ...]:
    """The padding of each axis and its boundary."""
    padding, boundary = options["padding"], options.get("padding_mode")
    if isinstance(padding, str):
        axes = slide(lengths, window, options["stride"], padding, options["dilation"])
        return tuple(Pad(axis.pad.lo, axis.pad.hi, boundary or axis.pad.boundary) for axis in axes)
    return tuple(Pad(lo, hi, boundary or "ZERO") for lo, hi in padding)


def _fitted(lengths: Sequence[int], window: Sequence[int], options: Options, pads: tuple[Pad, ...]) -> tuple[Pad, ...]:
    """The padding; `slide` refuses a window wider than x with it. `ceil_mode` adds padding for a last window."""
    ceil_mode = options.get("ceil_mode", False)
    axes = slide(lengths, window, options["stride"], pads, options["dilation"], ceil_mode=ceil_mode)
    return tuple(axis.pad for axis in axes)


def _pool(layer: str, lengths: Sequence[int], window: Sequence[int], options: Options) -> dict[str, Any]:
    """Stride, padding and divisor. PyTorch's `ceil_mode` becomes padding at the end."""
    pads = _pads(lengths, window, options)
    wider = _fitted(lengths, window, options, pads)
    settings = {"stride": options["stride"], "padding": wider, "dilation": options["dilation"]}
    if layer == "max_pool":
        return settings
    return settings | {"divisor": _divisor(pads, wider, options)}


def _divisor(pads: Sequence[Pad], wider: Sequence[Pad], options: Options) -> str | int:
    """The divisor of the library's average."""
    if options.get("divisor_override") is not None:
        cure = "Leave it out for the number of taps"
        return size("divisor_override", options["divisor_override"], cure=cure)
    if not options["count_include_pad"]:
        return "inside"
    if wider == pads:
        return "window"
    if all((pad.lo, pad.hi) == (0, 0) for pad in pads):
        return "inside"  # the padding that ceil_mode adds is not counted
    expected = "False with padding: the padding's zeros are counted, but not those that ceil_mode adds"
    raise ValueError(explain("ceil_mode", True, expected, "Pass count_include_pad=False in both libraries"))


def _transposed(library: str, lengths: Sequence[int], window: Sequence[int], options: Options) -> dict[str, Any]:
    """The convolution of which it is the adjoint, and the shape of that convolution's input."""
    rank, padding, strides, dilations = len(window), options["padding"], options["stride"], options["dilation"]
    boundary = "CIRCULAR" if padding == "CIRCULAR" else options.get("padding_mode", "ZERO")
    axes = [
        Transposed(n, d * (k - 1) + 1, s, pad, extra, options.get("transpose_kernel", False))
        for n, k, s, d, pad, extra in zip(
            lengths, window, strides, dilations, [padding] * rank if isinstance(padding, str) else padding,
            _output_padding(options.get("output_padding"), rank), strict=True,
        )
    ]  # fmt: skip
    pads, shape = zip(*(_adjoint(library, axis, boundary) for axis in axes), strict=True)
    settings = {"stride": strides, "padding": pads, "dilation": dilations, "output_shape": shape}
    return settings | ({"groups": options["groups"]} if "groups" in options else {})


def _output_padding(setting: Any, rank: int) -> tuple[int | None, ...]:
    """The number of cells by which each axis of the output is longer; None if the library computes it."""
    if setting is None:
        return (None,) * rank
    cure, values = "Write output_padding=1 for one cell along every axis", several(setting)
    items = (setting,) * rank if values is None else values
    if len(items) != rank:
        expected = f"a number, or one for each of {rank} spatial axes"
        raise ValueError(explain("output_padding", shown(setting), expected, cure))
    return tuple(size("output_padding", item, least=0, cure=cure) for item in items)


def _adjoint(library: str, axis: Transposed, boundary: str) -> tuple[Pad, int]:
    """The padding of the convolution whose adjoint this is, and the output's length.

    >>> _adjoint("torch", Transposed(5, span=3, stride=2, padding=(1, 1), output_padding=1), "ZERO")
    (Pad(lo=1, hi=0, boundary='ZERO'), 10)
    """
    lo, out = LIBRARIES[library].transposed(axis)
    most = axis.length * axis.stride + axis.span - 1 - lo  # with one more cell, one more window would fit
    if lo < 0 or not 0 < out <= most:
        actual = f"{axis.padding} (output padding {axis.output_padding})"
        wrong = f"begins {-lo} cells before the kernel's first cell" if lo < 0 else f"has {out} cells, not 1 to {most}"
        expected = f"such that the output is a valid input of the convolution; here it {wrong}"
        raise ValueError(explain("padding", actual, expected, "Convert with less padding, and pad the output"))
    return Pad(lo, max(axis.reach - lo - out, 0), boundary), out
