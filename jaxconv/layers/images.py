"""The one door through which images, signals and volumes enter the layers: rank checked, made [n, *spatial, c]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxconv.errors import bracketed, explain, spatial_names

Layout = Literal["channels_last", "channels_first"]


def axis_names(rank: int, *, batched: bool, layout: Layout) -> tuple[str, ...]:
    """The names of an input's axes: ("n", "h", "w", "c") for a batch of images."""
    spatial = spatial_names(rank)
    return ("n",) * batched + (("c", *spatial) if layout == "channels_first" else (*spatial, "c"))


def enter(
    where: str, x: ArrayLike, rank: int, *, batched: bool, layout: Layout, argument: str = "x"
) -> tuple[Array, Callable[[Array], Array]]:
    """`x` as [n, *spatial, c], and the function that brings a result of that form back to the caller's.

    Args:
        where: the layer's name, for messages.
        x: [n, *spatial, c]; without n if not `batched`; with c before the spatial axes if `layout` says so.
        rank: the number of spatial axes, known from the kernel or the window, never from x.
        batched: whether x has a batch axis.
        layout: where x has its channels.
        argument: what the layer calls x, for messages.

    Raises:
        ValueError: x has another number of axes, or `layout` is unknown.
    """
    if layout not in ("channels_last", "channels_first"):
        raise ValueError(explain(where, "layout", repr(layout), '"channels_last" or "channels_first"'))
    x = jnp.asarray(x)
    names = axis_names(rank, batched=batched, layout=layout)
    if x.ndim != len(names):
        cure = ""
        if batched and x.ndim == rank + 1:
            cure = "For one example without a batch axis, pass batched=False"
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
        return y if batched else y[0]

    return x, leave


def check_cells(where: str, x: Array) -> None:
    """Refuse an x [n, *spatial, c] with nothing to pool."""
    if 0 in x.shape[1:-1]:
        raise ValueError(explain(where, "x", f"{x.shape} [n, *spatial, c]", "1 or more cells along every spatial axis"))
