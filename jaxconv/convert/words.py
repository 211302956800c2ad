"""Settings of other libraries: the names and defaults of each layer, and their conversion to our names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from jaxconv.checks import several, shown
from jaxconv.errors import explain
from jaxconv.sizes import size
from jaxconv.window import positive

GIVEN = object()  # a setting without a default

# library -> layer -> its settings and their defaults.
DEFAULTS: dict[str, dict[str, dict[str, Any]]] = {
    "flax": {
        "conv": {"strides": 1, "padding": "SAME", "kernel_dilation": 1, "feature_group_count": 1},
        "conv_transpose": {"strides": 1, "padding": "SAME", "kernel_dilation": 1, "transpose_kernel": False},
        "locally_connected": {"strides": 1, "padding": "SAME", "kernel_dilation": 1},
        "max_pool": {"strides": 1, "padding": "VALID"},
        "avg_pool": {"strides": 1, "padding": "VALID", "count_include_pad": True},
    },
    "equinox": {
        "conv": {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "padding_mode": "ZEROS"},
        "conv_transpose": {
            "stride": 1, "output_padding": 0, "padding": 0, "dilation": 1, "groups": 1, "padding_mode": "ZEROS",
        },
        "max_pool": {"stride": 1, "padding": 0},
        "avg_pool": {"stride": 1, "padding": 0},
    },
    "haiku": {
        "conv": {"stride": 1, "rate": 1, "padding": "SAME", "feature_group_count": 1},
        "depthwise_conv": {"stride": 1, "rate": 1, "padding": "SAME"},
        "conv_transpose": {"stride": 1, "padding": "SAME"},
        "max_pool": {"strides": GIVEN, "padding": GIVEN},
        "avg_pool": {"strides": GIVEN, "padding": GIVEN},
    },
    "keras": {
        "conv": {"strides": 1, "padding": "valid", "dilation_rate": 1, "groups": 1},
        "depthwise_conv": {"strides": 1, "padding": "valid", "dilation_rate": 1},
        "conv_transpose": {"strides": 1, "padding": "valid", "output_padding": None, "dilation_rate": 1},
        "max_pool": {"strides": None, "padding": "valid"},
        "avg_pool": {"strides": None, "padding": "valid"},
    },
    "torch": {
        "conv": {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "padding_mode": "zeros"},
        "conv_transpose": {"stride": 1, "padding": 0, "output_padding": 0, "groups": 1, "dilation": 1},
        "max_pool": {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False},
        "avg_pool": {
            "stride": None, "padding": 0, "ceil_mode": False, "count_include_pad": True, "divisor_override": None,
        },
    },
}  # fmt: skip
OUR_WORDS = {
    "strides": "stride",
    "kernel_dilation": "dilation",
    "rate": "dilation",
    "dilation_rate": "dilation",
    "feature_group_count": "groups",
}
SAME = frozenset({"SAME", "VALID"})
ANY = SAME | {"SAME_LOWER", "CAUSAL", "CIRCULAR", "REFLECT"}
# The names of paddings that each layer accepts, in any case.
NAMED: dict[str, dict[str, frozenset[str]]] = {
    "flax": {
        "conv": ANY, "locally_connected": ANY, "conv_transpose": SAME | {"CIRCULAR"},
        "max_pool": SAME, "avg_pool": SAME,
    },
    "equinox": {"conv": SAME | {"SAME_LOWER"}, "conv_transpose": SAME | {"SAME_LOWER"}},
    "haiku": dict.fromkeys(("conv", "depthwise_conv", "conv_transpose", "max_pool", "avg_pool"), SAME),
    "keras": {
        "conv": SAME | {"CAUSAL"}, "depthwise_conv": SAME, "conv_transpose": SAME, "max_pool": SAME, "avg_pool": SAME,
    },
    "torch": {"conv": SAME},
}  # fmt: skip
BOUNDARIES = {"ZEROS": "ZERO", "CIRCULAR": "CIRCULAR", "REFLECT": "REFLECT", "REPLICATE": "EDGE"}


def in_our_words(where: str, library: str, layer: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Their settings under our names. Settings that were not given have the library's defaults.

    >>> in_our_words("example", "keras", "max_pool", {"padding": "same"})
    {'stride': None, 'padding': 'same'}
    """
    theirs = merged(where, library, layer, DEFAULTS[library][layer], settings)
    return {OUR_WORDS.get(name, name): value for name, value in theirs.items()}


def merged(
    where: str, library: str, layer: str, defaults: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Their settings under their names. Settings that were not given have the library's defaults."""
    if not settings.keys() <= defaults.keys():
        unknown = sorted(settings.keys() - defaults.keys())
        near = get_close_matches(unknown[0], defaults, 1)
        cure = f'Perhaps you mean "{near[0]}"' if near else "Leave out settings that the layer does not have"
        expected = f"among {', '.join(defaults)}"
        raise ValueError(explain(where, f"settings of {library}'s {layer}", unknown, expected, cure))
    values = {**defaults, **settings}
    missing = [name for name, value in values.items() if value is GIVEN]
    if missing:
        expected, cure = f"given, since {library}'s {layer} has no default for it", f"Pass {missing[0]}=..."
        raise ValueError(explain(where, missing[0], "left out", expected, cure))
    return values


def boundary_of(where: str, mode: str, layer: str) -> str:
    """Our name for the boundary of a padding."""
    modes = ("ZEROS", "CIRCULAR") if layer == "conv_transpose" else tuple(BOUNDARIES)
    if not isinstance(mode, str) or mode.upper() not in modes:
        error = ValueError if isinstance(mode, str) else TypeError
        cure = "Leave it out for zeros"
        raise error(explain(where, "padding_mode", shown(mode), f"one of {', '.join(modes)}, in any case", cure))
    return BOUNDARIES[mode.upper()]


def padding_of(where: str, library: str, layer: str, padding: Any, rank: int) -> str | list[tuple[int, int]]:
    """A padding's name in upper case, or for each axis the cells before and after.

    One number applies to both sides of all axes. One number for each axis applies to both sides of that axis.

    >>> padding_of("example", "torch", "conv", (1, 2), rank=2), padding_of("example", "keras", "conv", "same", rank=2)
    ([(1, 1), (2, 2)], 'SAME')
    """
    names = NAMED[library].get(layer, frozenset())
    if isinstance(padding, str):
        if padding.upper() not in names:
            expected = f"one that {library}'s {layer} has: {', '.join(sorted(names)) or 'numbers only'}"
            cure = "Name the padding as that library does"
            raise ValueError(explain(where, "padding", repr(padding), expected, cure))
        return padding.upper()
    if library == "keras":
        expected = f"one of Keras's names: {', '.join(sorted(names))}"
        raise ValueError(explain(where, "padding", padding, expected, 'Write padding="same"'))
    cure, items = "Write padding=1 for one cell on every side", several(padding)
    cells = lambda value: size(where, "padding", value, least=0, cure=cure)
    if items is None:
        return [(cells(padding), cells(padding))] * rank
    pairs = [several(item) or (item, item) for item in items]
    if len(pairs) != rank or any(len(pair) != 2 for pair in pairs):
        expected = f"a number, or one or two for each of {rank} spatial axes"
        raise ValueError(explain(where, "padding", shown(padding), expected, cure))
    return [(cells(lo), cells(hi)) for lo, hi in pairs]


def stride_of(where: str, stride: Any, window: Sequence[int]) -> tuple[int, ...]:
    """The stride along each axis. None means the size of the window."""
    return positive(where, "stride", window if stride is None else stride, len(window))


def output_padding_of(where: str, setting: Any, rank: int) -> tuple[int | None, ...]:
    """The number of cells by which each axis of the output is longer; None if the library computes it."""
    if setting is None:
        return (None,) * rank
    cure, values = "Write output_padding=1 for one cell along every axis", several(setting)
    items = (setting,) * rank if values is None else values
    if len(items) != rank:
        expected = f"a number, or one for each of {rank} spatial axes"
        raise ValueError(explain(where, "output_padding", shown(setting), expected, cure))
    return tuple(size(where, "output_padding", item, least=0, cure=cure) for item in items)
