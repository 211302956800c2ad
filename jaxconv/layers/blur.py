"""Anti-aliased down-sampling: a binomial blur, then every s-th cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.errors import explain
from jaxconv.layers.arithmetic import accumulator
from jaxconv.layers.images import Layout
from jaxconv.layers.pool import enter_windows
from jaxconv.lowering.boundary import copy_boundary
from jaxconv.lowering.compiled import compiled
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.convolution import convolve
from jaxconv.window import Axis, Pad, Padding, window_sizes

MOST_TAPS = 2**10  # along an axis: each weight has an equation of its own; of so many, 408 are not 0 in float32


def blur_pool(
    x: Shaped[ArrayLike, "n *spatial c"],
    window: Sequence[int],
    *,
    stride: int | Sequence[int] = 2,
    padding: Padding = "VALID",
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *out c"]:
    """Blur with a binomial filter, then keep every s-th cell; each channel by itself. With k taps along an axis,

        y[n,i,j,c] = sum_{u,v} b[u] b[v] x[n, i*s + u - lo, j*s + v - lo, c],   b[u] = binomial(k - 1, u) / 2^(k - 1).

    The weights add up to one: 1 1 for two taps, 1 2 1 for three, 1 3 3 1 for four, divided. A stride alone folds detail
    that is finer than its steps into coarse patterns, which change as x shifts (aliasing); the blur takes most of that
    detail away beforehand. Half-precision floats are summed in float32; no platform computes in less.

    Law: as for `conv`: with padding "CIRCULAR" and s dividing the length, shifting x by s shifts y by one; and linear
    in x. Shifts by less than s are answered more smoothly than without the blur, and still not exactly: see
    `polyphase_down`. Constant images stay constant, up to the border with every padding that copies; zeros darken
    them there.

    Args:
        x: [n, *spatial, c], floats, real or complex; see `batched` and `layout`.
        window: k, taps along each spatial axis, (3, 3) for images; its length is the number of spatial axes.
        stride: s, cells from one output to the next; one integer, or one for each spatial axis. 1 blurs, and no more.
        padding: as for `conv`; "REFLECT" is the source's.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *out, c], of x's dtype.

    Raises:
        ValueError: sizes that do not fit together, or a window that would see nothing but padding.
        TypeError: x is of integers or booleans: their averages are not.

    >>> x = jnp.array([0.0, 0.0, 4.0, 0.0, 0.0, 4.0]).reshape(1, 6, 1)
    >>> blur_pool(x, (3,), padding="reflect").ravel()
    Array([0., 2., 1.], dtype=float32)

    Source: Zhang, Making convolutional networks shift-invariant again, ICML 2019.
    """
    if max(window_sizes("blur_pool", window)) > MOST_TAPS:
        cure = "Blur more than once: the variances of the filters add up"
        raise ValueError(explain("blur_pool", "window", window, f"at most {MOST_TAPS} taps along each axis", cure))
    x, leave, axes = enter_windows("blur_pool", x, window, stride, padding, batched=batched, layout=layout)
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise TypeError(explain("blur_pool", "x", x.dtype, "floats", "Cast it first: x.astype(jnp.float32)"))
    y, axes = copy_boundary(x.astype(accumulator("blur_pool", x)), axes)
    for number, axis in enumerate(axes):
        y = _blurred(y, number, axis)
    return leave(y.astype(x.dtype))


def _blurred(x: Array, number: int, axis: Axis) -> Array:
    """The blur along one spatial axis: the filter of all is the product of each axis's."""
    rank, channels = x.ndim - 2, x.shape[-1]
    shape = tuple(axis.taps if n == number else 1 for n in range(rank))
    kernel = _binomial(axis.taps, channels, x.dtype).reshape(*shape, 1, channels)
    axes = [axis if n == number else Axis(size, 1, 1, 1, Pad(0, 0)) for n, size in enumerate(x.shape[1:-1])]
    return convolve(x, kernel, ConvSpec(tuple(axes), channels, lax.Precision.HIGHEST))


@partial(compiled, static_argnames=("taps", "channels", "dtype"))
def _binomial(taps: int, channels: int, dtype: DTypeLike) -> Array:
    """The filter [taps, channels], one number after the other, so that they are no parameters of a layer."""
    weights = [math.comb(taps - 1, u) / 2 ** (taps - 1) for u in range(taps)]
    return jnp.concatenate([jnp.full((1, channels), weight, dtype) for weight in weights])
