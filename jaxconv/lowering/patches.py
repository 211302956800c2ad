"""The cells under a window at each of its positions, as one array (im2col, one axis at a time)."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.extend import extend_with_zeros
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
    x = extend_with_zeros(x, axes)
    rank = len(axes)
    for position, axis in enumerate(axes, start=1):
        reach = (axis.out - 1) * axis.stride + 1
        taps = [
            lax.slice_in_dim(x, u * axis.dilation, u * axis.dilation + reach, axis.stride, axis=position)
            for u in range(axis.taps)
        ]
        x = jnp.stack(taps, axis=rank + position)
    return x
