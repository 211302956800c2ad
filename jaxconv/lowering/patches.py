"""The cells under a window at each of its positions, as one array (im2col, one axis at a time)."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array

from jaxconv.lowering.extend import extend
from jaxconv.lowering.taps import along, padded
from jaxconv.window import Axis


def patches(x: Array, axes: Sequence[Axis]) -> Array:
    """`p[n, *j, *u, c] = x[n, *(j*stride + u*dilation - lo), c]`, with the boundary's cells beyond the border.

    One strided slice for each tap of each axis: their number is the sum of the window's sides, not their product.

    Args:
        x: [n, *spatial, c].
        axes: the window along each spatial axis.

    Returns:
        [n, *out, *window, c].
    """
    x, axes = extend(x, axes)
    x = padded(axes, x)
    for position, axis in enumerate(axes, start=1):
        x = jnp.stack([along(axis, x, position, u) for u in range(axis.taps)], axis=len(axes) + position)
    return x
