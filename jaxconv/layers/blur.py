"""Anti-aliased downsampling: a binomial blur, then every s-th cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.errors import explain, public
from jaxconv.layers.arithmetic import accumulator
from jaxconv.layers.images import Layout
from jaxconv.layers.pool import enter_windows
from jaxconv.lowering.boundary import copy_boundary
from jaxconv.lowering.compiled import compiled
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.convolution import convolve
from jaxconv.window import Axis, Pad, Padding, window_sizes

MOST_TAPS = 2**10  # along an axis: each weight is a separate equation, and 408 of these weights are not 0 in float32


@public
def blur_pool(
    x: Shaped[ArrayLike, "n *spatial c"],
    window: Sequence[int],
    *,
    stride: int | Sequence[int] = 2,
    padding: Padding = "VALID",
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *out c"]:
    """Blurs each channel with a binomial filter and keeps every s-th cell. With k taps along an axis,

        y[n,i,j,c] = sum_{u,v} b[u] b[v] x[n, i*s + u - lo, j*s + v - lo, c],   b[u] = binomial(k - 1, u) / 2^(k - 1).

    The weights sum to one. They are proportional to 1 1 for two taps, 1 2 1 for three and 1 3 3 1 for four. A stride
    without a blur aliases: detail finer than the stride becomes coarse patterns that change as x shifts. The blur
    removes most of that detail first. Half-precision floats are summed in float32. No platform multiplies in less than
    float32.

    Law: as for `conv`: with padding "CIRCULAR" and s dividing the length, shifting x by s shifts y by one; and linear
    in x. For shifts by less than s the output changes more smoothly than without the blur, but the layer is not
    equivariant: see `polyphase_down`. Constant images stay constant away from the border, and at the border with every
    padding that copies cells. Zero padding darkens them there.

    Args:
        x: [n, *spatial, c], floats, real or complex; see `batched` and `layout`.
        window: k, number of taps along each spatial axis, for example (3, 3) for images. Its length is the number of
            spatial axes.
        stride: s, number of cells between neighbouring outputs; one integer, or one per spatial axis. With 1 the layer
            only blurs.
        padding: as for `conv`; the source uses "REFLECT".
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *out, c], with the dtype of x.

    Raises:
        ValueError: sizes do not match, or a window lies entirely in the padding.
        TypeError: x is integer or boolean; its averages are not.

    >>> x = jnp.array([0.0, 0.0, 4.0, 0.0, 0.0, 4.0]).reshape(1, 6, 1)
    >>> blur_pool(x, (3,), padding="reflect").ravel()
    Array([0., 2., 1.], dtype=float32)

    Source: Zhang, Making convolutional networks shift-invariant again, ICML 2019.
    """
    if max(window_sizes(window)) > MOST_TAPS:
        cure = "Blur more than once: the variances of the filters add up"
        raise ValueError(explain("window", window, f"at most {MOST_TAPS} taps along each axis", cure))
    x, from_nhwc, axes = enter_windows(x, window, stride, padding, batched=batched, layout=layout)
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise TypeError(explain("x", x.dtype, "floats", "Cast it first: x.astype(jnp.float32)"))
    y, axes = copy_boundary(x.astype(accumulator(x)), axes)
    for number, axis in enumerate(axes):
        y = _blurred(y, number, axis)
    return from_nhwc(y.astype(x.dtype))


def _blurred(x: Array, number: int, axis: Axis) -> Array:
    """Blurs along one spatial axis; the complete filter is the outer product over the axes."""
    rank, channels = x.ndim - 2, x.shape[-1]
    shape = tuple(axis.taps if n == number else 1 for n in range(rank))
    kernel = _binomial(axis.taps, channels, x.dtype).reshape(*shape, 1, channels)
    axes = [axis if n == number else Axis(size, 1, 1, 1, Pad(0, 0)) for n, size in enumerate(x.shape[1:-1])]
    return convolve(x, kernel, ConvSpec(tuple(axes), channels, lax.Precision.HIGHEST))


@partial(compiled, static_argnames=("taps", "channels", "dtype"))
def _binomial(taps: int, channels: int, dtype: DTypeLike) -> Array:
    """The filter [taps, channels], built from separate constants so that it does not count as a layer's parameters."""
    weights = [math.comb(taps - 1, u) / 2 ** (taps - 1) for u in range(taps)]
    return jnp.concatenate([jnp.full((1, channels), weight, dtype) for weight in weights])
