"""Normalisation within one example, over the channels of a position or also over positions; stateless."""

from __future__ import annotations

import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float

from jaxconv.checks import flag
from jaxconv.errors import explain, public
from jaxconv.layers.images import Layout
from jaxconv.layers.norm_common import NormParams, checked_epsilon, divided, enter_norm, moments
from jaxconv.layers.operands import real_dtype
from jaxconv.sizes import size


@public
def layer_norm(
    params: NormParams,
    x: Float[ArrayLike, "n *spatial c"],
    *,
    epsilon: float = 1e-5,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Float[Array, "n *spatial c"]:
    """Standardises the channels of each position:

        y[n,i,j,c] = scale[c] (x[n,i,j,c] - mean) / sqrt(variance + epsilon) + bias[c],

    where `mean` and the biased `variance` are those of x[n,i,j,:], separately for each position. For normalisation over
    the positions as well, which other libraries also call layer norm, use `group_norm` with `groups=1`.

    Law: every shift of x shifts y equally, except at the border, because each position of y depends on the same
    position of x only.

    Args:
        params: `{"scale": [c], "bias": [c]}`; both are optional. Their dtype is that of x.
        x: [n, *spatial, c], floats, with zero or more spatial axes; see `batched` and `layout`.
        epsilon: added to the variance; equal cells therefore give the bias.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *spatial, c], with the dtype of x. Half precision is computed in float32 and rounded once.

    Raises:
        ValueError: shapes do not match, or `epsilon` is not positive.
        TypeError: x is not floating-point, or the parameters have another dtype.

    >>> layer_norm({}, jnp.array([[1.0, 3.0], [-20.0, 20.0]])).round(3)
    Array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)

    Source: Ba, Kiros and Hinton, Layer normalization, 2016; over channels alone as in Liu et al., A ConvNet for the
    2020s, CVPR 2022.
    """
    x, from_nhwc = enter_norm(params, x, batched=batched, layout=layout)
    epsilon = checked_epsilon(epsilon, x)
    centred, _, variance = moments(x, (x.ndim - 1,))
    return from_nhwc(divided(centred, variance, epsilon))


@public
def rms_norm(
    params: NormParams,
    x: Float[ArrayLike, "n *spatial c"],
    *,
    epsilon: float = 1e-5,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Float[Array, "n *spatial c"]:
    """Divides the channels of each position by their root mean square:

        y[n,i,j,c] = scale[c] x[n,i,j,c] / sqrt(mean(x[n,i,j,:]**2) + epsilon) + bias[c].

    Law: every shift of x shifts y equally, as for `layer_norm`.

    Args:
        params: as for `layer_norm`; usually only a scale.
        x: as for `layer_norm`.
        epsilon: added to the mean square.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *spatial, c], with the dtype of x. Half precision is computed in float32 and rounded once.

    Raises:
        ValueError: as for `layer_norm`.
        TypeError: as for `layer_norm`.

    >>> rms_norm({"scale": jnp.array([5.0, 10.0])}, jnp.array([[3.0, 4.0], [-1.0, 1.0]])).round(3)
    Array([[ 4.243, 11.314],
           [-5.   , 10.   ]], dtype=float32)

    Source: Zhang and Sennrich, Root mean square layer normalization, NeurIPS 2019.
    """
    x, from_nhwc = enter_norm(params, x, batched=batched, layout=layout)
    epsilon = checked_epsilon(epsilon, x)
    return from_nhwc(divided(x, jnp.mean(jnp.square(x), axis=-1, keepdims=True), epsilon))


@public
def group_norm(
    params: NormParams,
    x: Float[ArrayLike, "n *spatial c"],
    *,
    groups: int,
    epsilon: float = 1e-5,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Float[Array, "n *spatial c"]:
    """Standardises groups of channels of each example over all positions:

        y[n,i,j,c] = scale[c] (x[n,i,j,c] - mean) / sqrt(variance + epsilon) + bias[c],

    where `mean` and the biased `variance` are those of x[n, *, channels of c's group]. A group is `c / groups`
    neighbouring channels. `groups=1` normalises a whole example; `groups=c` is `instance_norm`.

    Law: cyclic shifts of x shift y equally, because they do not change the mean and the variance. New content at the
    border changes both, and so every cell of y. The law therefore holds on no part of the interior.

    Args:
        params: as for `layer_norm`.
        x: as for `layer_norm`.
        groups: number of groups; divides c.
        epsilon: added to the variance.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *spatial, c], with the dtype of x. Half precision is computed in float32 and rounded once.

    Raises:
        ValueError: as for `layer_norm`; or `groups` does not divide the number of channels.
        TypeError: as for `layer_norm`.

    >>> group_norm({}, jnp.array([[[1.0, 10.0], [3.0, 30.0]]]), groups=2).round(3)
    Array([[[-1., -1.],
            [ 1.,  1.]]], dtype=float32)

    Source: Wu and He, Group normalization, ECCV 2018.
    """
    x, from_nhwc = enter_norm(params, x, batched=batched, layout=layout)
    epsilon = checked_epsilon(epsilon, x)
    cure = "Write 1 for one group of all channels"
    groups = size("groups", groups, cure=cure)
    if x.shape[-1] % groups:
        raise ValueError(explain("groups", groups, f"a divisor of x's {x.shape[-1]} channels", cure))
    grouped = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
    centred, _, variance = moments(grouped, (*range(1, x.ndim - 1), x.ndim))
    return from_nhwc(divided(centred, variance, epsilon).reshape(x.shape))


@public
def instance_norm(
    params: NormParams,
    x: Float[ArrayLike, "n *spatial c"],
    *,
    epsilon: float = 1e-5,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Float[Array, "n *spatial c"]:
    """Standardises each channel of each example over all positions:

        y[n,i,j,c] = scale[c] (x[n,i,j,c] - mean) / sqrt(variance + epsilon) + bias[c],

    where `mean` and the biased `variance` are those of x[n, *, c].

    Law: as for `group_norm`: cyclic shifts only.

    Args:
        params: as for `layer_norm`.
        x: as for `layer_norm`, with one or more spatial axes.
        epsilon: added to the variance.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *spatial, c], with the dtype of x. Half precision is computed in float32 and rounded once.

    Raises:
        ValueError: as for `layer_norm`; or x has no spatial axis.
        TypeError: as for `layer_norm`.

    >>> instance_norm({"scale": jnp.array([1.0, 2.0])}, jnp.array([[[1.0, 10.0], [3.0, 30.0]]])).round(3)
    Array([[[-1., -2.],
            [ 1.,  2.]]], dtype=float32)

    Source: Ulyanov, Vedaldi and Lempitsky, Instance normalization, 2016.
    """
    x, from_nhwc = enter_norm(params, x, batched=batched, layout=layout, spatial=1)
    epsilon = checked_epsilon(epsilon, x)
    centred, _, variance = moments(x, range(1, x.ndim - 1))
    return from_nhwc(divided(centred, variance, epsilon))


@public
def init_norm(channels: int, *, scale: bool = True, bias: bool = True, dtype: DTypeLike | None = None) -> NormParams:
    """Returns parameters for `layer_norm`, `rms_norm`, `group_norm` and `instance_norm`: scale 1 and bias 0, [c].

    Args:
        channels: c.
        scale: False for a layer without scale.
        bias: False for a layer without bias.
        dtype: dtype of both. The default is JAX's: float32, or float64 under `jax_enable_x64`.

    Raises:
        ValueError: `channels` is not positive.
        TypeError: `dtype` is not a floating-point dtype.

    >>> init_norm(2)
    {'scale': Array([1., 1.], dtype=float32), 'bias': Array([0., 0.], dtype=float32)}
    """
    return norm_params(channels, scale=scale, bias=bias, dtype=dtype)


def norm_params(channels: int, *, scale: bool, bias: bool, dtype: DTypeLike | None) -> NormParams:
    """Returns a scale of 1 and a bias of 0, each only if requested."""
    channels = size("channels", channels, cure="It is the length of x's channel axis")
    dtype, params = real_dtype(dtype), NormParams()
    if flag("scale", scale):
        params["scale"] = jnp.ones(channels, dtype)
    if flag("bias", bias):
        params["bias"] = jnp.zeros(channels, dtype)
    return params
