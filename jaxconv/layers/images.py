"""Converts the inputs of layers to [n, *spatial, c] and back, and checks their number of axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxconv.checks import choice, flag
from jaxconv.errors import bracketed, explain, spatial_names
from jaxconv.layers.operands import array

Layout = Literal["channels_last", "channels_first"]


def axis_names(rank: int, *, batched: bool, layout: Layout) -> tuple[str, ...]:
    """Returns the names of an input's axes: ("n", "h", "w", "c") for a batch of images."""
    spatial = spatial_names(rank)
    return ("n",) * batched + (("c", *spatial) if layout == "channels_first" else (*spatial, "c"))


def to_nhwc(
    x: ArrayLike, rank: int, *, batched: bool, layout: Layout, argument: str = "x", otherwise: str = ""
) -> tuple[Array, Callable[[Array], Array]]:
    """Returns `x` as [n, *spatial, c], and the function that converts a result of that form to the caller's layout.

    Args:
        x: [n, *spatial, c]; without n if `batched` is False; with c before the spatial axes if `layout` is
            "channels_first".
        rank: number of spatial axes, from the kernel or the window, never from x.
        batched: whether x has a batch axis.
        layout: the position of the channel axis of x.
        argument: name of x in the layer's signature, for error messages.
        otherwise: an alternative fix for the error message about a missing batch axis.

    Raises:
        ValueError: x has another number of axes, or `layout` is unknown.
        TypeError: x is not an array of numbers, `batched` is not a boolean, or `layout` is not a string.
    """
    batched, layout = flag("batched", batched), checked_layout(layout)
    names = axis_names(rank, batched=batched, layout=layout)
    x = array(argument, x, f"an array {bracketed(names)}")
    if x.ndim != len(names):
        cure = f"Reshape it to these axes, as a window or kernel of {rank} spatial axes requires"
        if batched and x.ndim == rank + 1:
            cure = "For one example without a batch axis, pass batched=False"
            cure += otherwise
        elif not batched and x.ndim == rank + 2:
            cure = "For a batch, leave out batched=False"
        expected = f"{bracketed(names)}, {len(names)} axes of which {rank} spatial"
        raise ValueError(explain(argument, f"{x.shape}, {x.ndim} axes", expected, cure))
    if not batched:
        x = x[None]
    if layout == "channels_first":
        x = jnp.moveaxis(x, 1, -1)

    def from_nhwc(y: Array) -> Array:
        """Restores the caller's layout. A result without spatial axes is [n, c] in both layouts."""
        if layout == "channels_first":
            y = jnp.moveaxis(y, -1, 1)
        return y if batched else lax.squeeze(y, (0,))

    return x, from_nhwc


def enter_any(x: ArrayLike, *, batched: bool, layout: Layout, least: int = 0) -> tuple[Array, Callable[[Array], Array]]:
    """As `to_nhwc`, with the number of spatial axes taken from x, but at least `least`."""
    x, batched = read(x, batched)
    return to_nhwc(x, max(x.ndim - 1 - batched, least), batched=batched, layout=layout)


def read(x: ArrayLike, batched: bool, argument: str = "x") -> tuple[Array, bool]:
    """Returns an input as an array, and whether it has a batch axis. The number of spatial axes is not checked."""
    batched = flag("batched", batched)
    return array(argument, x, f"an array {'[n, *spatial, c]' if batched else '[*spatial, c]'}"), batched


def checked_layout(layout: object) -> Layout:
    """Checks the name of a layout."""
    cure = 'It is "channels_last" for [n, *spatial, c] and "channels_first" for [n, c, *spatial]'
    return choice("layout", layout, ("channels_last", "channels_first"), cure=cure)  # pyright: ignore[reportReturnType]  one of its names


def check_cells(x: Array) -> None:
    """Refuses an x [n, *spatial, c] that has no cells to pool."""
    if 0 in x.shape[1:-1]:
        cure = "Remove the layer, or pass inputs with cells"
        expected = "1 or more cells along every spatial axis"
        raise ValueError(explain("x", f"{x.shape} [n, *spatial, c]", expected, cure))
