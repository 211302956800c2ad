"""Conversion of parameters: a layer's arrays under another library's names and layouts, and back, bit for bit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax
import numpy as np

from jaxconv.checks import integer, mapping, shown
from jaxconv.convert.axes import axes_of, checked_name, rank_of, rearranged, sizes_of
from jaxconv.convert.layouts import LAYOUTS, NEEDED, OURS, Layer, Stored
from jaxconv.errors import explain
from jaxconv.window import window_sizes

MOST_AXES = 62  # spatial ones: NumPy makes arrays of 64 axes at most
Library = Literal["flax", "equinox", "haiku", "keras", "torch"]


def from_library(
    library: Library,
    layer: str,
    params: Mapping[str, Any],
    *,
    groups: int = 1,
    window: tuple[int, ...] | None = None,
) -> dict[str, Any]:
    """Another library's arrays of one layer as our layer takes them: axes split, reordered, merged, and for some
    transposed kernels the window turned around. No number is computed, so none is lost.

    Law: `to_library(library, layer, from_library(library, layer, params)) == params`, bit for bit and dtype for dtype.

    Args:
        library: "flax" (linen and nnx), "equinox", "haiku", "keras" (3) or "torch".
        layer: "conv", "depthwise_conv", "conv_transpose", "locally_connected" (Flax), "dense", "norm", "batch_norm",
            or "batch_norm_state" (the running averages). Flax's `ConvTranspose(transpose_kernel=True)` is
            "conv_transpose, transpose_kernel".
        params: their arrays under their names, `{"weight": ..., "bias": ...}`. What is None counts as left out.
        groups: as for our `conv`. Of a depthwise convolution, the channels.
        window: taps along each spatial axis. Only Flax's `ConvLocal` needs it, whose kernel does not say.

    Returns:
        `{"kernel": ..., "bias": ...}`, or `{"scale": ..., "bias": ...}`, or `{"mean": ..., "var": ...}`; JAX arrays
        where JAX arrays came in, and NumPy's otherwise.

    Raises:
        ValueError: an unknown library, layer or array; a shape that such an array does not have; no arrays at all, or a
            bias without its kernel; `groups` of a layer that has none, or that do not divide the channels.

    >>> weight = np.arange(12).reshape(2, 1, 3, 2)                      # [o, c, h, w]: two 3x2 kernels of PyTorch's
    >>> from_library("torch", "conv", {"weight": weight})["kernel"].shape
    (3, 2, 1, 2)

    Source: the tables in docs/conversion.md, each row of which is proved by running both libraries.
    """
    stored, ours = _row("from_library", library, layer)
    needed = [one.name for name, one in stored.items() if name in NEEDED]
    given = _given("from_library", layer, params, [one.name for one in stored.values()], needed)
    arrays = {name: (given[one.name], one.layout, ours[name]) for name, one in stored.items() if one.name in given}
    return _converted("from_library", layer, arrays, stored, groups, window, None)


def to_library(
    library: Library,
    layer: str,
    params: Mapping[str, Any],
    *,
    groups: int = 1,
    rank: int | None = None,
) -> dict[str, Any]:
    """Our arrays of one layer as another library's layer takes them, under its names: what `from_library` undoes.

    Law: `from_library(library, layer, to_library(library, layer, params)) == params`, bit for bit and dtype for dtype.

    Args:
        library: as for `from_library`.
        layer: as for `from_library`.
        params: our arrays, `{"kernel": ..., "bias": ...}` or those of a normalisation or its state.
        groups: as for `from_library`.
        rank: the number of spatial axes. Only Haiku's `BatchNorm` needs it, whose arrays have one axis for each.

    Returns:
        A dict of their names; JAX arrays where JAX arrays came in, and NumPy's otherwise.

    Raises:
        ValueError: as for `from_library`.

    >>> to_library("torch", "dense", {"kernel": np.array([[1, 2, 3], [4, 5, 6]])})
    {'weight': array([[1, 4],
           [2, 5],
           [3, 6]])}
    """
    stored, ours = _row("to_library", library, layer)
    given = _given("to_library", layer, params, list(ours), [name for name in ours if name in NEEDED])
    arrays = {name: (given[name], ours[name], one.layout) for name, one in stored.items() if name in given}
    found = _converted("to_library", layer, arrays, stored, groups, None, rank)
    return {stored[name].name: array for name, array in found.items()}


def _row(where: str, library: str, layer: str) -> tuple[Layer, dict[str, str]]:
    """Their arrays and ours, from the table."""
    checked_name(where, "library", library, LAYOUTS, f"one of {', '.join(LAYOUTS)}")
    checked_name(where, "layer", layer, LAYOUTS[library], f"one of {library}'s {'; '.join(LAYOUTS[library])}")
    return LAYOUTS[library][layer], OURS[layer.split(",", maxsplit=1)[0]]


def _given(
    where: str, layer: str, params: Mapping[str, Any], names: Sequence[str], needed: Sequence[str]
) -> dict[str, Any]:
    """The arrays that there are, NumPy's or JAX's, the needed ones among them."""
    whole = f"a dict of {', '.join(names)}, the arrays of {layer}"
    mapping(where, "params", params, whole, cure="Pass the arrays under the names that they have there")
    given = {name: array for name, array in dict(params).items() if array is not None}
    if not params.keys() <= set(names):
        cure = "Rename them, or name the library and layer that they are of"
        raise ValueError(explain(where, "params", sorted(map(str, params)), f"{whole}, or some of them", cure))
    if not params:
        cure = "Nothing has to be converted for a layer without arrays"
        raise ValueError(explain(where, "params", {}, whole, cure))
    missing = [name for name in needed if name not in given]
    if missing:
        cure = "Pass all arrays of the layer in one call"
        raise ValueError(explain(where, f"{layer}'s {missing[0]}", "left out", f"given, with {sorted(params)}", cure))
    return {name: _array(where, name, array) for name, array in given.items()}


def _array(where: str, name: str, value: Any) -> Any:
    """An array of numbers, NumPy's or JAX's."""
    if isinstance(value, jax.Array):
        return value
    cure = "Pass arrays, such as NumPy's: tensor.numpy() of PyTorch's"
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise ValueError(explain(where, name, shown(value), "an array", cure)) from error
    if found.dtype.kind in "OUSMm":
        raise TypeError(explain(where, name, shown(value), "an array of numbers", cure))
    return found


def _converted(
    where: str,
    layer: str,
    arrays: dict[str, tuple[Any, str, str]],
    stored: dict[str, Stored],
    groups: int,
    window: tuple[int, ...] | None,
    rank: int | None,
) -> dict[str, Any]:
    """Each array from its layout before to the one after; the kernel first, which knows rank and sizes for the rest."""
    groups = integer(where, "groups", groups, least=1, cure="Write 1 for a layer without groups")
    if groups > 1 and not any(re.search(r"\bg\b", before) for _, before, _ in arrays.values()):
        raise ValueError(explain(where, "groups", groups, f"1, since {layer} has no groups", "Leave it out"))
    sizes = {"g": groups}
    if window is not None:
        window = window_sizes(where, window)
        rank = len(window)
        sizes |= {f"w{n}": taps for n, taps in enumerate(window)}
    elif rank is not None:
        rank = integer(where, "rank", rank, least=0, most=MOST_AXES, cure="Write 2 for images")
    found = {}
    for name, (array, before, after) in arrays.items():
        rank = rank_of(before, array.ndim) if rank is None else rank
        if rank == 0 and re.search(r"\*[a-z]", before):
            expected = f"[{before}], with 1 spatial axis or more"
            raise ValueError(explain(where, f"{layer}'s {name}", array.shape, expected, "Without any it is dense"))
        if rank is None and ("*" in before or "*" in after):
            cure = "Pass rank, the number of spatial axes" if "*" in after and "*" not in before else ""
            raise ValueError(explain(where, f"{layer}'s {name}", array.shape, f"[{before}]", cure))
        axes, others = axes_of(before, rank or 0), axes_of(after, rank or 0)
        try:
            sizes = sizes_of(array.shape, axes, sizes)
        except ValueError as error:
            cure = f"Its channels, taps and the groups ({groups}) do not fit together"
            if window is None and "*w)" in before:
                cure = "Pass window, the taps along each spatial axis"
            expected = f"[{before}], with {rank or 0} spatial axes; not {error}"
            raise ValueError(explain(where, f"{layer}'s {name}", array.shape, expected, cure)) from None
        found[name] = rearranged(array, axes, others, sizes, flip=stored[name].flip)
    return found
