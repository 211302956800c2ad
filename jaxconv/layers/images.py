"""The one check of the images, signals and volumes that layers take: their rank, and the form [n, *spatial, c]."""

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
    """The names of an input's axes: ("n", "h", "w", "c") for a batch of images."""
    spatial = spatial_names(rank)
    return ("n",) * batched + (("c", *spatial) if layout == "channels_first" else (*spatial, "c"))


def enter(
    where: str, x: ArrayLike, rank: int, *, batched: bool, layout: Layout, argument: str = "x", otherwise: str = ""
) -> tuple[Array, Callable[[Array], Array]]:
    """`x` as [n, *spatial, c], and the function that brings a result of that form back to the caller's.

    Args:
        where: the layer's name, for messages.
        x: [n, *spatial, c]; without n if not `batched`; with c before the spatial axes if `layout` says so.
        rank: the number of spatial axes, known from the kernel or the window, never from x.
        batched: whether x has a batch axis.
        layout: where x has its channels.
        argument: what the layer calls x, for messages.
        otherwise: another cure, where x has no batch axis.

    Raises:
        ValueError: x has another number of axes, or `layout` is unknown.
        TypeError: x is no array of numbers, `batched` no boolean, or `layout` no name.
    """
    batched, layout = flag(where, "batched", batched), checked_layout(where, layout)
    names = axis_names(rank, batched=batched, layout=layout)
    x = array(where, argument, x, f"an array {bracketed(names)}")
    if x.ndim != len(names):
        cure = f"Reshape it to these axes; a window or a kernel of {rank} spatial axes asks for them"
        if batched and x.ndim == rank + 1:
            cure = "For one example without a batch axis, pass batched=False"
            cure += otherwise
        elif not batched and x.ndim == rank + 2:
            cure = "For a batch, leave out batched=False"
        expected = f"{bracketed(names)}, {len(names)} axes of which {rank} spatial"
        raise ValueError(explain(where, argument, f"{x.shape}, {x.ndim} axes", expected, cure))
    if not batched:
        x = x[None]
    if layout == "channels_first":
        x = jnp.moveaxis(x, 1, -1)

    def leave(y: Array) -> Array:
        """Back to the caller's layout; a result without spatial axes is [n, c] in both."""
        if layout == "channels_first":
            y = jnp.moveaxis(y, -1, 1)
        return y if batched else lax.squeeze(y, (0,))

    return x, leave


def enter_any(
    where: str, x: ArrayLike, *, batched: bool, layout: Layout, least: int = 0
) -> tuple[Array, Callable[[Array], Array]]:
    """As `enter`, with as many spatial axes as x has beside those of the batch and of channels: `least` or more."""
    x, batched = read(where, x, batched)
    return enter(where, x, max(x.ndim - 1 - batched, least), batched=batched, layout=layout)


def read(where: str, x: ArrayLike, batched: bool, argument: str = "x") -> tuple[Array, bool]:
    """An input as an array, and whether it has a batch axis; how many spatial axes it has is not asked here."""
    batched = flag(where, "batched", batched)
    return array(where, argument, x, f"an array {'[n, *spatial, c]' if batched else '[*spatial, c]'}"), batched


def checked_layout(where: str, layout: object) -> Layout:
    """A layout by its name."""
    cure = 'It is "channels_last" for [n, *spatial, c] and "channels_first" for [n, c, *spatial]'
    return choice(where, "layout", layout, ("channels_last", "channels_first"), cure=cure)  # pyright: ignore[reportReturnType]  one of its names


def check_cells(where: str, x: Array) -> None:
    """Refuse an x [n, *spatial, c] with nothing to pool."""
    if 0 in x.shape[1:-1]:
        cure = "Leave the layer out for images without cells"
        expected = "1 or more cells along every spatial axis"
        raise ValueError(explain(where, "x", f"{x.shape} [n, *spatial, c]", expected, cure))
