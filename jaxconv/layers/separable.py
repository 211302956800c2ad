"""Depthwise separable convolution: a depthwise convolution followed by a pointwise one, both computed by `conv`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import jax
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.errors import explain, public, public_as
from jaxconv.layers.conv import checked_channels, conv
from jaxconv.layers.images import Layout, to_nhwc
from jaxconv.layers.operands import checked_precision, random_key, result_dtype
from jaxconv.layers.params import Initializer, LayerParams, init_layer, named, same_dtype, unpack
from jaxconv.sizes import size
from jaxconv.window import Padding, slide, window_sizes


class SeparableParams(TypedDict):
    """The parameters of a depthwise convolution, over space, and of a pointwise convolution, over channels."""

    depthwise: LayerParams
    pointwise: LayerParams


@public
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
    """Convolves each channel with m kernels, then mixes the channels at each position. In two dimensions, without bias,

        y[n,i,j,o] = sum_{u,v,c,k} x[n, i*s + u*d - lo, j*s + v*d - lo, c] a[u,v,0,c*m + k] b[0,0,c*m + k,o]

    and likewise in any number of dimensions, which the kernels determine. The settings are those of the depthwise
    convolution.

    Law: without a bias between the two convolutions, the layer equals `conv` with the kernel

        w[u,v,c,o] = sum_k a[u,v,0,c*m + k] b[0,0,c*m + k,o].

    With a bias between them it is also equivariant, with the same conditions as `conv`.

    Args:
        params: `{"depthwise": {"kernel": [*window, 1, c*m]}, "pointwise": {"kernel": [1, ..., 1, c*m, o]}}`, each with
            an optional "bias", [c*m] or [o].
        x: [n, *spatial, c], with the dtype of the kernels; see `batched` and `layout`.
        stride: see `conv`.
        padding: see `conv`.
        dilation: see `conv`.
        batched: see `conv`.
        layout: see `conv`.
        precision: precision of both convolutions; see `conv`.
        preferred_element_type: of the pointwise convolution; see `conv`. The intermediate array has the dtype of the
            kernels.

    Returns:
        [n, *out, o], with the dtype of the kernels, or `preferred_element_type` if given.

    Raises:
        ValueError: shapes or sizes do not match.
        TypeError: x and the parameters have different dtypes.

    >>> import jax.numpy as jnp
    >>> depthwise = {"kernel": jnp.array([[1.0, 1.0], [-1.0, 1.0]]).reshape(2, 1, 2)}        # a difference and a sum
    >>> pointwise = {"kernel": jnp.array([[1.0], [10.0]]).reshape(1, 2, 1)}
    >>> x = jnp.array([[1.0, 2.0], [3.0, 5.0]]).reshape(1, 2, 2)
    >>> separable_conv({"depthwise": depthwise, "pointwise": pointwise}, x)
    Array([[[68.]]], dtype=float32)

    Source: Sifre, Rigid-motion scattering for image classification, 2014; Howard et al., MobileNets, 2017, section 3.1.
    """
    entries = named("params", params, required=("depthwise", "pointwise"))
    depthwise, _ = _depthwise(entries["depthwise"])
    pointwise, _ = _pointwise(entries["pointwise"])
    rank = depthwise.ndim - 2
    if rank < 1 or depthwise.shape[-2] != 1:
        expected, cure = "[*window, 1, c*m], 3 axes or more", "Draw it by init_separable_conv"
        raise ValueError(explain("the depthwise kernel", depthwise.shape, expected, cure))
    if pointwise.shape[:-1] != (*[1] * rank, depthwise.shape[-1]):
        expected = f"({'1, ' * rank}{depthwise.shape[-1]}, o), after the depthwise kernel {depthwise.shape}"
        cure = "Draw both together, by init_separable_conv"
        raise ValueError(explain("the pointwise kernel", pointwise.shape, expected, cure))
    x, from_nhwc = to_nhwc(x, rank, batched=batched, layout=layout)
    channels = x.shape[-1]
    if not channels or depthwise.shape[-1] % channels:
        expected = f"a divisor of {depthwise.shape[-1]}, the depthwise kernel's output channels"
        cure = "Draw kernels for that many channels, or check the layout of x"
        raise ValueError(explain("x's number of channels", channels, expected, cure))
    same_dtype("the pointwise kernel", pointwise, depthwise)
    same_dtype("x", x, depthwise)
    slide(x.shape[1:-1], depthwise.shape[:-2], stride, padding, dilation)  # so that its errors do not name conv
    precision = checked_precision(precision)
    preferred_element_type = result_dtype(preferred_element_type, x.dtype)
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": channels}
    y = conv(params["depthwise"], x, **settings, precision=precision)
    return from_nhwc(conv(params["pointwise"], y, precision=precision, preferred_element_type=preferred_element_type))


@public_as("separable_conv, depthwise")
def _depthwise(params: LayerParams) -> tuple[Array, Array | None]:
    """As `unpack`, with messages that name the convolution."""
    return unpack(params)


@public_as("separable_conv, pointwise")
def _pointwise(params: LayerParams) -> tuple[Array, Array | None]:
    """As `unpack`, with messages that name the convolution."""
    return unpack(params)


@public
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
    """Returns parameters for `separable_conv`: those of a depthwise and of a pointwise convolution.

    Args:
        key: a `jax.random` key.
        window: number of taps along each spatial axis; its length is the number of spatial axes.
        channels_in: c.
        channels_out: o.
        multiplier: m, number of depthwise channels for each channel of x.
        bias: False for a layer without bias. The bias is that of the pointwise convolution. A bias between the two
            would add the same at all positions, which the pointwise bias can also add.
        kernel_init: one of `jax.nn.initializers`, for both kernels.
        bias_init: one of `jax.nn.initializers`.
        dtype: dtype of all parameters. The default is JAX's: float32, or float64 under `jax_enable_x64`.

    Raises:
        ValueError: a size is not positive, `window` is empty, or an initializer returns an array of another shape.
        TypeError: an initializer returns an array of another dtype.

    >>> import jax.numpy as jnp
    >>> jax.tree.map(jnp.shape, init_separable_conv(jax.random.key(0), (3, 3), 8, 16))["depthwise"]
    {'kernel': (3, 3, 1, 8)}
    """
    window = window_sizes(window)
    channels_in, channels_out = checked_channels(channels_in, channels_out)
    multiplier = size("multiplier", multiplier, cure="Write 1 for one kernel for each channel")
    depthwise, pointwise = jax.random.split(random_key(key))
    intermediate, settings = (
        channels_in * multiplier,
        {"kernel_init": kernel_init, "bias_init": bias_init, "dtype": dtype},
    )
    pointwise_shape = (*(1,) * len(window), intermediate, channels_out)
    return {
        "depthwise": init_layer(depthwise, (*window, 1, intermediate), (intermediate,), bias=False, **settings),
        "pointwise": init_layer(pointwise, pointwise_shape, pointwise_shape[-1:], bias=bias, **settings),
    }
