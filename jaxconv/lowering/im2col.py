"""im2col, one axis at a time: the cells that a window reads at each position, as one array."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array

from jaxconv.lowering.boundary import copy_boundary
from jaxconv.lowering.window_slices import along, padded
from jaxconv.window import Axis


def im2col(x: Array, axes: Sequence[Axis]) -> Array:
    """`p[n, *j, *u, c] = x[n, *(j*stride + u*dilation - lo), c]`; the boundary gives the cells beyond the border.

    It takes one strided slice per tap of each axis: the sum of the window's sides, not their product.

    Args:
        x: [n, *spatial, c].
        axes: the window along each spatial axis.

    Returns:
        [n, *out, *window, c].
    """
    x, axes = copy_boundary(x, axes)
    x = padded(axes, x)
    for position, axis in enumerate(axes, start=1):
        x = jnp.stack([along(axis, x, position, u) for u in range(axis.taps)], axis=len(axes) + position)
    return x
