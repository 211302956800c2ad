"""Normalisation within one example: over the channels of a position, or over positions too; no state, no batch."""

from __future__ import annotations

import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float

from jaxconv.checks import flag
from jaxconv.errors import explain
from jaxconv.layers.images import Layout
from jaxconv.layers.norm_common import NormParams, checked_epsilon, divided, enter_norm, moments
from jaxconv.layers.operands import real_dtype
from jaxconv.sizes import size


def layer_norm(
    params: NormParams,
    x: Float[ArrayLike, "n *spatial c"],
    *,
    epsilon: float = 1e-5,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Float[Array, "n *spatial c"]:
    """Standardise the channels of each position:

        y[n,i,j,c] = scale[c] (x[n,i,j,c] - mean) / sqrt(variance + epsilon) + bias[c],

    mean and variance (biased) being those of x[n,i,j,:], position by position. To normalise over the positions of an
    example as well, which other libraries call layer norm, too, use `group_norm` with `groups=1`.

    Law: every shift of x is the same shift of y, up to the border: a position sees itself only.

    Args:
        params: `{"scale": [c], "bias": [c]}`; one or both may be left out. Their dtype is x's.
        x: [n, *spatial, c], floats, with any number of spatial axes, none among them; see `batched` and `layout`.
        epsilon: added to the variance, so that equal cells give the bias.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *spatial, c], of x's dtype. Half precision is computed in float32 and rounded at the end.

    Raises:
        ValueError: shapes that do not fit together, or an `epsilon` that is not positive.
        TypeError: x is not of floats, or the parameters are of another dtype.

    >>> layer_norm({}, jnp.array([[1.0, 3.0], [-20.0, 20.0]])).round(3)
    Array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)

    Source: Ba, Kiros and Hinton, Layer normalization, 2016; over channels alone as in Liu et al., A ConvNet for the
    2020s, CVPR 2022.
    """
    x, leave = enter_norm("layer_norm", params, x, batched=batched, layout=layout)
    epsilon = checked_epsilon("layer_norm", epsilon, x)
    centred, _, variance = moments(x, (x.ndim - 1,))
    return leave(divided(centred, variance, epsilon))


def rms_norm(
    params: NormParams,
    x: Float[ArrayLike, "n *spatial c"],
    *,
    epsilon: float = 1e-5,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Float[Array, "n *spatial c"]:
    """Divide the channels of each position by their root mean square:

        y[n,i,j,c] = scale[c] x[n,i,j,c] / sqrt(mean(x[n,i,j,:]**2) + epsilon) + bias[c].

    Law: every shift of x is the same shift of y, as with `layer_norm`.

    Args:
        params: as for `layer_norm`; commonly a scale alone.
        x: as for `layer_norm`.
        epsilon: added to the mean square.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *spatial, c], of x's dtype. Half precision is computed in float32 and rounded at the end.

    Raises:
        ValueError: as for `layer_norm`.
        TypeError: as for `layer_norm`.

    >>> rms_norm({"scale": jnp.array([5.0, 10.0])}, jnp.array([[3.0, 4.0], [-1.0, 1.0]])).round(3)
    Array([[ 4.243, 11.314],
           [-5.   , 10.   ]], dtype=float32)

    Source: Zhang and Sennrich, Root mean square layer normalization, NeurIPS 2019.
    """
    x, leave = enter_norm("rms_norm", params, x, batched=batched, layout=layout)
    epsilon = checked_epsilon("rms_norm", epsilon, x)
    return leave(divided(x, jnp.mean(jnp.square(x), axis=-1, keepdims=True), epsilon))


def group_norm(
    params: NormParams,
    x: Float[ArrayLike, "n *spatial c"],
    *,
    groups: int,
    epsilon: float = 1e-5,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Float[Array, "n *spatial c"]:
    """Standardise each example's groups of channels, over all positions: as `layer_norm`, with mean and variance those
    of x[n, *, channels of c's group]. Groups are `c / groups` channels that stand side by side. `groups=1` takes
    everything of an example together; `groups=c` is `instance_norm`.

    Law: cyclic shifts of x are the same shifts of y, since they leave mean and variance as they are. Where new content
    enters at the border these change, and every cell of y with them: no part of the interior keeps the law.

    Args:
        params: as for `layer_norm`.
        x: as for `layer_norm`.
        groups: how many; divides c.
        epsilon: added to the variance.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *spatial, c], of x's dtype. Half precision is computed in float32 and rounded at the end.

    Raises:
        ValueError: as for `layer_norm`; or `groups` that do not divide the channels.
        TypeError: as for `layer_norm`.

    >>> group_norm({}, jnp.array([[[1.0, 10.0], [3.0, 30.0]]]), groups=2).round(3)
    Array([[[-1., -1.],
            [ 1.,  1.]]], dtype=float32)

    Source: Wu and He, Group normalization, ECCV 2018.
    """
    x, leave = enter_norm("group_norm", params, x, batched=batched, layout=layout)
    epsilon = checked_epsilon("group_norm", epsilon, x)
    cure = "Write 1 for one group of all channels"
    groups = size("group_norm", "groups", groups, cure=cure)
    if x.shape[-1] % groups:
        raise ValueError(explain("group_norm", "groups", groups, f"a divisor of x's {x.shape[-1]} channels", cure))
    grouped = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
    centred, _, variance = moments(grouped, (*range(1, x.ndim - 1), x.ndim))
    return leave(divided(centred, variance, epsilon).reshape(x.shape))


def instance_norm(
    params: NormParams,
    x: Float[ArrayLike, "n *spatial c"],
    *,
    epsilon: float = 1e-5,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Float[Array, "n *spatial c"]:
    """Standardise each channel of each example over all positions: as `layer_norm`, with mean and variance those of
    x[n, *, c].

    Law: as for `group_norm`: cyclic shifts only.

    Args:
        params: as for `layer_norm`.
        x: as for `layer_norm`, with one spatial axis or more.
        epsilon: added to the variance.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *spatial, c], of x's dtype. Half precision is computed in float32 and rounded at the end.

    Raises:
        ValueError: as for `layer_norm`; or x has no spatial axis.
        TypeError: as for `layer_norm`.

    >>> instance_norm({"scale": jnp.array([1.0, 2.0])}, jnp.array([[[1.0, 10.0], [3.0, 30.0]]])).round(3)
    Array([[[-1., -2.],
            [ 1.,  2.]]], dtype=float32)

    Source: Ulyanov, Vedaldi and Lempitsky, Instance normalization, 2016.
    """
    x, leave = enter_norm("instance_norm", params, x, batched=batched, layout=layout, spatial=1)
    epsilon = checked_epsilon("instance_norm", epsilon, x)
    centred, _, variance = moments(x, range(1, x.ndim - 1))
    return leave(divided(centred, variance, epsilon))


def init_norm(channels: int, *, scale: bool = True, bias: bool = True, dtype: DTypeLike | None = None) -> NormParams:
    """Parameters for `layer_norm`, `rms_norm`, `group_norm` and `instance_norm`: scales of 1 and biases of 0, [c].

    Args:
        channels: c.
        scale: False for a layer without one.
        bias: likewise.
        dtype: of both. By default JAX's: float32, or float64 under `jax_enable_x64`.

    Raises:
        ValueError: a number of channels that is not positive.

    >>> init_norm(2)
    {'scale': Array([1., 1.], dtype=float32), 'bias': Array([0., 0.], dtype=float32)}
    """
    return norm_params("init_norm", channels, scale=scale, bias=bias, dtype=dtype)


def norm_params(where: str, channels: int, *, scale: bool, bias: bool, dtype: DTypeLike | None) -> NormParams:
    """Scales of 1 and biases of 0, as far as they are wanted."""
    channels = size(where, "channels", channels, cure="It is the length of x's axis of channels")
    dtype, params = real_dtype(where, dtype), NormParams()
    if flag(where, "scale", scale):
        params["scale"] = jnp.ones(channels, dtype)
    if flag(where, "bias", bias):
        params["bias"] = jnp.zeros(channels, dtype)
    return params
