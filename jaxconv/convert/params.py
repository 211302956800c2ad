"""Conversion of a layer's arrays to and from another library's names and layouts, bit for bit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxconv.checks import integer, mapping, shown
from jaxconv.convert import LibraryName, find
from jaxconv.convert.axes import axes_of, rank_of, rearranged, sizes_of
from jaxconv.convert.library import OURS, Stored
from jaxconv.errors import explain, public
from jaxconv.window import window_sizes

MOST_AXES = 62  # spatial axes: NumPy's limit is 64 axes
NEEDED = frozenset({"kernel", "mean", "var", "u", "v"})  # the other arrays of a layer are useless without these


@public
def from_library(
    library: LibraryName,
    layer: str,
    params: Mapping[str, Any],
    *,
    groups: int = 1,
    window: tuple[int, ...] | None = None,
) -> dict[str, Any]:
    """Convert another library's arrays of one layer to ours.

    Axes are split, transposed and merged, and the window of some transposed kernels is reversed. The numbers do not
    change.

    Law: `to_library(library, layer, from_library(library, layer, params)) == params`, bit for bit and dtype for dtype.

    Args:
        library: "flax" (linen and nnx), "equinox", "haiku", "keras" (3) or "torch".
        layer: "conv", "depthwise_conv", "conv_transpose", "locally_connected" (Flax), "dense", "norm", "batch_norm",
            or "batch_norm_state" (the running averages); for PyTorch also "weight_norm" and "spectral_norm_state", of
            convolutions. Flax's `ConvTranspose(transpose_kernel=True)` is
            "conv_transpose, transpose_kernel".
        params: their arrays under their names, `{"weight": ..., "bias": ...}`. None means that an array is left out.
        groups: as for our `conv`. For a depthwise convolution, the number of channels.
        window: taps along each spatial axis. Only Flax's `ConvLocal` and PyTorch's vectors of a spectral norm need it:
            the shapes of these arrays are ambiguous.

    Returns:
        `{"kernel": ..., "bias": ...}`, or `{"scale": ..., "bias": ...}`, or `{"mean": ..., "var": ...}`. JAX arrays
        remain JAX arrays; other arrays become NumPy arrays.

    Raises:
        ValueError: an unknown library, layer or array; an array of a wrong shape; no arrays; a bias without a kernel;
            `groups` for a layer without groups, or that do not divide the channels.

    >>> weight = np.arange(12).reshape(2, 1, 3, 2)                      # PyTorch's [o, c, h, w]: two 3x2 kernels
    >>> from_library("torch", "conv", {"weight": weight})["kernel"].shape
    (3, 2, 1, 2)

    Source: the tables in docs/conversion.md. Tests run both libraries for each row.
    """
    stored, ours = _row(library, layer)
    needed = [array.name for name, array in stored.items() if name in NEEDED]
    given = _given(layer, params, [array.name for array in stored.values()], needed)
    arrays = {
        name: _Conversion(array.name, given[array.name], array.layout, ours[name], array.flip)
        for name, array in stored.items()
        if array.name in given
    }
    return _converted(layer, arrays, groups, window, None)


@public
def to_library(
    library: LibraryName,
    layer: str,
    params: Mapping[str, Any],
    *,
    groups: int = 1,
    rank: int | None = None,
) -> dict[str, Any]:
    """Convert our arrays of one layer to another library's. The inverse of `from_library`.

    Law: `from_library(library, layer, to_library(library, layer, params)) == params`, bit for bit and dtype for dtype.

    Args:
        library: as for `from_library`.
        layer: as for `from_library`.
        params: our arrays, `{"kernel": ..., "bias": ...}` or those of a normalisation or its state.
        groups: as for `from_library`.
        rank: number of spatial axes. Only Haiku's `BatchNorm` needs it: its arrays have an axis for each of them.

    Returns:
        A dict under their names. JAX arrays remain JAX arrays; other arrays become NumPy arrays.

    Raises:
        ValueError: as for `from_library`.

    >>> to_library("torch", "dense", {"kernel": np.array([[1, 2, 3], [4, 5, 6]])})
    {'weight': array([[1, 4],
           [2, 5],
           [3, 6]])}
    """
    stored, ours = _row(library, layer)
    given = _given(layer, params, list(ours), [name for name in ours if name in NEEDED])
    arrays = {
        array.name: _Conversion(name, given[name], ours[name], array.layout, array.flip)
        for name, array in stored.items()
        if name in given
    }
    return _converted(layer, arrays, groups, None, rank)


@dataclass(frozen=True)
class _Conversion:
    """An array under the name that the caller gave it, its layout, and the new one."""

    name: str
    array: Any
    before: str
    after: str
    flip: bool


def _row(library: str, layer: str) -> tuple[Mapping[str, Stored], dict[str, str]]:
    """The arrays of a layer: theirs, and the layouts of ours."""
    return find(library, layer, "arrays").arrays, OURS[layer.split(",", maxsplit=1)[0]]


def _given(layer: str, params: Mapping[str, Any], names: Sequence[str], needed: Sequence[str]) -> dict[str, Any]:
    """The arrays that were passed, as NumPy or JAX arrays. The needed ones must be among them."""
    whole = f"a dict of {', '.join(names)}, the arrays of {layer}"
    mapping("params", params, whole, cure="Pass the arrays under these names")
    given = {name: array for name, array in dict(params).items() if array is not None}
    if not params.keys() <= set(names):
        cure = "Rename them, or pass the library and layer that they come from"
        raise ValueError(explain("params", sorted(map(str, params)), f"{whole}, or some of them", cure))
    if not params:
        cure = "A layer without arrays needs no conversion"
        raise ValueError(explain("params", {}, whole, cure))
    missing = [name for name in needed if name not in given]
    if missing:
        cure = "Pass all arrays of the layer in one call"
        raise ValueError(explain(f"{layer}'s {missing[0]}", "left out", f"given, with {sorted(params)}", cure))
    return {name: as_array(name, array) for name, array in given.items()}


def as_array(name: str, value: Any) -> Any:
    """A numerical array of NumPy or JAX."""
    if isinstance(value, jax.Array):
        return value
    cure = "Pass NumPy or JAX arrays; for a PyTorch tensor write tensor.numpy()"
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(explain(name, shown(value), "an array", cure)) from error
    except (TypeError, RuntimeError) as error:  # of PyTorch: bfloat16, and tensors that require a gradient
        raise TypeError(explain(name, shown(value), f"an array of numbers that NumPy reads: {error}", cure)) from error
    if array.dtype.kind in "OUSMm":
        raise TypeError(explain(name, shown(value), "an array of numbers", cure))
    return array


def _converted(
    layer: str,
    conversions: Mapping[str, _Conversion],
    groups: int,
    window: tuple[int, ...] | None,
    rank: int | None,
) -> dict[str, Any]:
    """The arrays in their new layouts. The kernel comes first: it determines rank and sizes for the other arrays."""
    groups = integer("groups", groups, least=1, cure="Write 1 for a layer without groups")
    if groups > 1 and not any(re.search(r"\bg\b", one.before) for one in conversions.values()):
        raise ValueError(explain("groups", groups, f"1, since {layer} has no groups", "Leave it out"))
    sizes = {"g": groups}
    if window is not None:
        window = window_sizes(window)
        rank = len(window)
        sizes |= {f"w{n}": taps for n, taps in enumerate(window)}
    elif rank is not None:
        rank = integer("rank", rank, least=0, most=MOST_AXES, cure="Write 2 for images")
    converted = {}
    for name, conversion in conversions.items():
        array, before, after = conversion.array, conversion.before, conversion.after
        actual = f"{layer}'s {conversion.name}", array.shape
        rank = rank_of(before, array.ndim) if rank is None else rank
        if rank == 0 and re.search(r"\*[a-z]", before):
            expected = f"[{before}], with 1 spatial axis or more"
            raise ValueError(explain(*actual, expected, 'Use "dense" without spatial axes'))
        if rank is None and ("*" in before or "*" in after):
            unknown = "*" in after and "*" not in before
            cure = "Pass rank, the number of spatial axes" if unknown else "Pass the array with all its axes"
            raise ValueError(explain(*actual, f"[{before}]", cure))
        before_axes, after_axes = axes_of(before, rank or 0), axes_of(after, rank or 0)
        try:
            sizes = sizes_of(array.shape, before_axes, sizes)
        except ValueError as error:
            cure = f"Its channels and taps do not match groups={groups}"
            if window is None and "*w)" in before:
                cure = "Pass window, the taps along each spatial axis"
            expected = f"[{before}], with {rank or 0} spatial axes; not {error}"
            raise ValueError(explain(*actual, expected, cure)) from None
        converted[name] = rearranged(array, before_axes, after_axes, sizes, flip=conversion.flip)
    return converted
