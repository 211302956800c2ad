"""Partial convolution: a convolution of the cells that a mask marks as valid, rescaled by how many there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Inexact, Shaped

from jaxconv.errors import explain, public
from jaxconv.layers.conv import convolved, enter_conv
from jaxconv.layers.images import Layout, to_nhwc
from jaxconv.layers.params import LayerParams, add_bias
from jaxconv.lowering import pooling
from jaxconv.lowering.arrays import at_least_float32
from jaxconv.lowering.boundary import copy_boundary
from jaxconv.lowering.compiled import compiled
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.explicit_sharding import gathered
from jaxconv.window import Padding


@public
def partial_conv(
    params: LayerParams,
    x: Inexact[ArrayLike, "n *spatial c"],
    mask: Shaped[ArrayLike, "n *spatial m"],
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    batched: bool = True,
    layout: Layout = "channels_last",
    precision: lax.PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> tuple[Inexact[Array, "n *out o"], Shaped[Array, "n *out k"]]:
    """Convolves the valid cells only, rescales by their number, and marks the outputs that saw a valid cell.

    For the window X of x at a position, its mask M, the kernel W and the bias b,

        y  = sum(W * X * M) * sum(1) / sum(M) + b   if sum(M) > 0,   otherwise 0;
        m' = 1                                      if sum(M) > 0,   otherwise 0,

    where sum(1) is the number of taps (times that of the channels of a group, for a mask of each channel). Holes are
    not read: cells there may be NaN, and get the derivative 0. Zeros of the padding are holes, so constant images stay
    constant up to the border; every other padding copies cells together with their mask.

    Law: with a mask without holes, and padding that reads no zeros, y is that of `conv`. If x and mask shift together,
    y and the new mask shift as the output of `conv` does. A mask that stays where it is breaks equivariance.

    Args:
        params: `{"kernel": [*window, c/groups, o], "bias": [o]}`, as for `conv`; draw them by `init_conv`.
        x: [n, *spatial, c], floats with the dtype of the kernel; see `batched` and `layout`.
        mask: [n, *spatial, 1] for all channels, or [n, *spatial, c] for each of them: booleans, or numbers of which
            all but 0 mark valid cells. The axes are those of x.
        stride: as for `conv`.
        padding: as for `conv`.
        dilation: as for `conv`.
        groups: as for `conv`. With a mask of each channel, each group counts the cells of its own channels.
        batched: as for `conv`.
        layout: as for `conv`, of x, mask and the results.
        precision: as for `conv`.
        preferred_element_type: as for `conv`.

    Returns:
        y: [n, *out, o], with the dtype of the kernel, or `preferred_element_type` if given. Half-precision floats are
            rescaled in float32.
        mask: [n, *out, 1] or [n, *out, o], ones and zeros with the dtype of the given mask: the mask of the next layer.

    Raises:
        ValueError: as for `conv`, or the mask has another shape.
        TypeError: as for `conv`, or x is not floating-point.

    >>> params = {"kernel": jnp.ones((3, 1, 1))}
    >>> x = jnp.array([1.0, 1.0, jnp.nan, 1.0, jnp.nan, jnp.nan, jnp.nan]).reshape(1, 7, 1)
    >>> y, mask = partial_conv(params, x, ~jnp.isnan(x))
    >>> y.ravel(), mask.ravel().astype(int)
    (Array([3., 3., 3., 3., 0.], dtype=float32), Array([1, 1, 1, 1, 0], dtype=int32))

    Source: Liu et al., Image inpainting for irregular holes using partial convolutions, ECCV 2018, equations 1 and 2.
    """
    kernel, bias, x, from_nhwc, spec = enter_conv(
        params,
        x,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        batched=batched,
        layout=layout,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise TypeError(explain("x", x.dtype, "floats", "Cast it first: x.astype(jnp.float32)"))
    mask, _ = to_nhwc(mask, x.ndim - 2, batched=batched, layout=layout, argument="mask")
    if mask.shape not in (x.shape, (*x.shape[:-1], 1)):
        expected = f"{(*x.shape[:-1], 1)} for all channels or {x.shape} for each, as x in the layout [n, *spatial, c]"
        cure = "Broadcast it to the examples of x; it has one channel, or those of x"
        raise ValueError(explain("mask", f"{mask.shape} in that layout", expected, cure))
    (x, back), (valid, _) = gathered(x), gathered(mask != jnp.zeros((), mask.dtype))
    zero = jnp.zeros((), x.dtype)
    y = convolved(kernel, jnp.where(valid, x, zero), spec)
    counts, most = _counted(valid, spec, kernel.shape)
    y, seen = _rescaled(y, counts, most), counts > 0
    y = jnp.where(seen, add_bias(y, bias), jnp.zeros((), y.dtype))
    return from_nhwc(back(y)), from_nhwc(back(seen.astype(mask.dtype)))


def _counted(valid: Array, spec: ConvSpec, kernel_shape: tuple[int, ...]) -> tuple[Array, int]:
    """The number of valid cells under each window, [n, *out, 1] or [n, *out, o], and that of a window without holes."""
    *window, channels_in, channels_out = kernel_shape
    number, most = valid.astype(jnp.int32), math.prod(window)
    if valid.shape[-1] == 1:
        return pooling.sum_pool(*copy_boundary(number, spec.axes)), most
    number = number.reshape(*number.shape[:-1], spec.groups, channels_in).sum(axis=-1)
    counts = pooling.sum_pool(*copy_boundary(number, spec.axes))
    return jnp.repeat(counts, channels_out // spec.groups, axis=-1), most * channels_in


@partial(compiled, static_argnames="most")
def _rescaled(y: Array, counts: Array, most: int) -> Array:
    """y * most / counts, and 0 where counts is 0; exactly y where the window has no holes."""
    wide = at_least_float32(y.dtype)
    scale = float(most) / jnp.maximum(counts, 1).astype(wide)
    return (y.astype(wide) * scale).astype(y.dtype)
