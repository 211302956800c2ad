"""Depthwise separable convolution: a depthwise convolution, then a pointwise one. Nothing but `conv`, twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import jax
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.errors import explain
from jaxconv.layers.conv import checked_channels, conv
from jaxconv.layers.images import Layout, enter
from jaxconv.layers.operands import checked_precision, random_key, result_dtype
from jaxconv.layers.params import Initializer, LayerParams, init_layer, named, same_dtype, unpack
from jaxconv.sizes import size
from jaxconv.window import Padding, slide, window_sizes


class SeparableParams(TypedDict):
    """The parameters of two convolutions: over space channel by channel, and over channels position by position."""

    depthwise: LayerParams
    pointwise: LayerParams


def separable_conv(
    params: SeparableParams,
    x: Shaped[ArrayLike, "n *spatial c"],
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    batched: bool = True,
    layout: Layout = "channels_last",
    precision: lax.PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Shaped[Array, "n *out o"]:
    """Convolve each channel by itself, m times, then mix channels at each position. In two dimensions, without biases,

        y[n,i,j,o] = sum_{u,v,c,k} x[n, i*s + u*d - lo, j*s + v*d - lo, c] a[u,v,0,c*m + k] b[0,0,c*m + k,o]

    and likewise in any number of them, which is that of the kernels. The settings are the depthwise convolution's.

    Law: without a bias between the two it is `conv` with the kernel

        w[u,v,c,o] = sum_k a[u,v,0,c*m + k] b[0,0,c*m + k,o],

    and with one it is equivariant all the same, as `conv` is: see there.

    Args:
        params: `{"depthwise": {"kernel": [*window, 1, c*m]}, "pointwise": {"kernel": [1, ..., 1, c*m, o]}}`, each of
            them with a "bias", [c*m] or [o], if wanted.
        x: [n, *spatial, c]; see `batched` and `layout`. Its dtype is the kernels'.
        stride: as for `conv`, and so are the arguments after it.
        padding: see `conv`.
        dilation: see `conv`.
        batched: see `conv`.
        layout: see `conv`.
        precision: of both, see `conv`.
        preferred_element_type: of the pointwise convolution, see `conv`. What is between has the kernels' dtype.

    Returns:
        [n, *out, o], of the kernels' dtype unless `preferred_element_type` says otherwise.

    Raises:
        ValueError: shapes or sizes that do not fit together.
        TypeError: x and the parameters differ in dtype.

    >>> import jax.numpy as jnp
    >>> depthwise = {"kernel": jnp.array([[1.0, 1.0], [-1.0, 1.0]]).reshape(2, 1, 2)}        # a difference and a sum
    >>> pointwise = {"kernel": jnp.array([[1.0], [10.0]]).reshape(1, 2, 1)}
    >>> x = jnp.array([[1.0, 2.0], [3.0, 5.0]]).reshape(1, 2, 2)
    >>> separable_conv({"depthwise": depthwise, "pointwise": pointwise}, x)
    Array([[[68.]]], dtype=float32)

    Source: Sifre, Rigid-motion scattering for image classification, 2014; Howard et al., MobileNets, 2017, section 3.1.
    """
    where = "separable_conv"
    given = named(where, "params", params, required=("depthwise", "pointwise"))
    depthwise, _ = unpack(f"{where}, depthwise", given["depthwise"])
    pointwise, _ = unpack(f"{where}, pointwise", given["pointwise"])
    rank = depthwise.ndim - 2
    if rank < 1 or depthwise.shape[-2] != 1:
        expected, cure = "[*window, 1, c*m], 3 axes or more", "Draw it by init_separable_conv"
        raise ValueError(explain(where, "the depthwise kernel", depthwise.shape, expected, cure))
    if pointwise.shape[:-1] != (*[1] * rank, depthwise.shape[-1]):
        expected = f"({'1, ' * rank}{depthwise.shape[-1]}, o), after the depthwise kernel {depthwise.shape}"
        cure = "Draw both together, by init_separable_conv"
        raise ValueError(explain(where, "the pointwise kernel", pointwise.shape, expected, cure))
    x, leave = enter(where, x, rank, batched=batched, layout=layout)
    channels = x.shape[-1]
    if not channels or depthwise.shape[-1] % channels:
        expected = f"a divisor of {depthwise.shape[-1]}, the depthwise kernel's output channels"
        cure = "Draw kernels for that many channels, or check the layout of x"
        raise ValueError(explain(where, "x's number of channels", channels, expected, cure))
    same_dtype(where, "the pointwise kernel", pointwise, depthwise)
    same_dtype(where, "x", x, depthwise)
    slide(where, x.shape[1:-1], depthwise.shape[:-2], stride, padding, dilation)  # what it refuses is not conv's
    precision = checked_precision(where, precision)
    preferred_element_type = result_dtype(where, preferred_element_type, x.dtype)
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": channels}
    y = conv(params["depthwise"], x, **settings, precision=precision)
    return leave(conv(params["pointwise"], y, precision=precision, preferred_element_type=preferred_element_type))


def init_separable_conv(
    key: Array,
    window: Sequence[int],
    channels_in: int,
    channels_out: int,
    *,
    multiplier: int = 1,
    bias: bool = True,
    kernel_init: Initializer = jax.nn.initializers.lecun_normal(),
    bias_init: Initializer = jax.nn.initializers.zeros,
    dtype: DTypeLike | None = None,
) -> SeparableParams:
    """Parameters for `separable_conv`: those of a depthwise convolution and of a pointwise one.

    Args:
        key: a `jax.random` key.
        window: taps along each spatial axis; its length is the number of spatial axes.
        channels_in: c.
        channels_out: o.
        multiplier: m, depthwise channels for each channel of x.
        bias: False for a layer without one. It is the pointwise convolution's: what one between the two would add is
            the same at all positions, so this one can add it.
        kernel_init: one of `jax.nn.initializers`, for both kernels.
        bias_init: likewise.
        dtype: of all. By default JAX's: float32, or float64 under `jax_enable_x64`.

    Raises:
        ValueError: a size that is not positive, or a window without a length;
            or an initializer returns an array of another shape.
        TypeError: an initializer returns an array of another dtype.

    >>> import jax.numpy as jnp
    >>> jax.tree.map(jnp.shape, init_separable_conv(jax.random.key(0), (3, 3), 8, 16))["depthwise"]
    {'kernel': (3, 3, 1, 8)}
    """
    where = "init_separable_conv"
    window = window_sizes(where, window)
    channels_in, channels_out = checked_channels(where, channels_in, channels_out)
    multiplier = size(where, "multiplier", multiplier, cure="Write 1 for one kernel for each channel")
    depthwise, pointwise = jax.random.split(random_key(where, key))
    between, alike = channels_in * multiplier, {"kernel_init": kernel_init, "bias_init": bias_init, "dtype": dtype}
    mixing = (*(1,) * len(window), between, channels_out)
    return {
        "depthwise": init_layer(where, depthwise, (*window, 1, between), (between,), bias=False, **alike),
        "pointwise": init_layer(where, pointwise, mixing, mixing[-1:], bias=bias, **alike),
    }
