"""A convolution with one spatial axis less: the taps along the first axis become input channels."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
from jaxtyping import Array

from jaxconv.lowering.algorithms.algorithm import Conv, Rewrite, by_rewrite
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.window_slices import padded, under


def _rewrite(spec: ConvSpec, c: int, o: int, inner_conv: Conv) -> Rewrite:
    """`y[n,i,j,o] = sum_{u,(a,c)} X[(n,i), j*stride + u*dilation - lo, (a,c)] kernel[a,u,c,o]`.

    `X[(n,i), :, (a,c)]` is the slice of x that tap a of the first axis reads at position i.
    """
    first, rest = spec.axes[0], spec.axes[1:]

    def slices(x: Array) -> Array:
        """[n, length, *rest, c] to [n*out, *rest, taps*c]."""
        x = padded([first], x)
        x = jnp.stack([under([first], x, (a,)) for a in range(first.taps)], axis=-2)
        return x.reshape(-1, *x.shape[2:-2], first.taps * c)

    def channels(kernel: Array) -> Array:
        """[taps, *window, c, o] to [*window, taps*c, o]."""
        kernel = jnp.moveaxis(kernel, 0, -3)
        return kernel.reshape(*kernel.shape[:-3], first.taps * c, o)

    return Rewrite(
        x=slices,
        kernel=channels,
        y=lambda y: y.reshape(-1, *y.shape[2:]),
        compute=lambda operation, lhs, rhs: inner_conv(operation, replace(spec, axes=rest), lhs, rhs),
    )


CONV3D_AS_2D = by_rewrite(lambda spec, c, o: spec.groups == 1 and len(spec.axes) >= 2, _rewrite)
