"""Dropout of cells or of whole channels, with an explicit random key."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxconv.checks import flag, number
from jaxconv.errors import explain, public
from jaxconv.layers.arithmetic import at_least_float32
from jaxconv.layers.images import Layout, enter_any
from jaxconv.layers.operands import array, random_key
from jaxconv.lowering.compiled import compiled


@public
def dropout(key: Array | None, x: Float[ArrayLike, "*shape"], rate: float, *, training: bool) -> Float[Array, "*shape"]:
    """Sets each cell independently to zero with probability `rate`, and divides the other cells by `1 - rate`:

        y[i] = x[i] / (1 - rate) where kept[i], else 0.

    The expectation of y over keys is x. Without `training`, y is x.

    Law: without `training`, or with a rate of 0, the layer is the identity. Otherwise it breaks shift equivariance for
    each key: x moves, and the mask does not. Only the distribution over keys is the same at every position. Use
    `channel_dropout` if equivariance is required.

    Args:
        key: a `jax.random` key, or None if nothing is dropped. The same key drops the same cells.
        x: any shape, floats.
        rate: expected fraction of cells that are dropped, 0 <= rate < 1. A Python number.
        training: whether to drop cells. A Python bool; under `jax.jit` a static argument.

    Returns:
        An array with the shape and the dtype of x.

    Raises:
        ValueError: `rate` is outside [0, 1), or a key is required and missing.
        TypeError: x is not floating-point.

    >>> y = dropout(jax.random.key(0), jnp.ones((2, 1000)), 0.75, training=True)
    >>> sorted(set(y.ravel().tolist()))
    [0.0, 4.0]

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15 (2014).
    """
    key, x, rate = _checked(key, x, rate, training)
    return x if key is None else _drop(key, x, rate, x.shape)


@public
def channel_dropout(
    key: Array | None,
    x: Float[ArrayLike, "n *spatial c"],
    rate: float,
    *,
    training: bool,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Float[Array, "n *spatial c"]:
    """Sets each channel of each example to zero with probability `rate`, and divides the others by `1 - rate`:

        y[n,i,j,c] = x[n,i,j,c] / (1 - rate) where kept[n,c], else 0.

    Neighbouring cells of a feature map are similar, so dropping some of them removes little information. This layer
    drops whole feature maps.

    Law: for a given key, every shift of x shifts y equally, except at the border, because the mask does not depend on
    the position.

    Args:
        key: as for `dropout`.
        x: [n, *spatial, c], floats, with any number of spatial axes; see `batched` and `layout`.
        rate: expected fraction of channels that are dropped; otherwise as for `dropout`.
        training: as for `dropout`.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *spatial, c], with the dtype of x.

    Raises:
        ValueError: as for `dropout`; or x has too few axes.
        TypeError: as for `dropout`.

    >>> y = channel_dropout(jax.random.key(1), jnp.ones((1, 2, 3, 4)), 0.5, training=True)
    >>> y[0, 0, 0], bool((y == y[:, :1, :1]).all())
    (Array([2., 0., 2., 2.], dtype=float32), True)

    Source: Tompson et al., Efficient object localization using convolutional networks, CVPR 2015, section 3.2.
    """
    key, x, rate = _checked(key, x, rate, training)
    x, from_nhwc = enter_any(x, batched=batched, layout=layout)
    maps = (x.shape[0], *[1] * (x.ndim - 2), x.shape[-1])
    return from_nhwc(x if key is None else _drop(key, x, rate, maps))


def _checked(key: Array | None, x: ArrayLike, rate: float, training: bool) -> tuple[Array | None, Array, float]:
    """Checks the arguments. The returned key is None if nothing is dropped."""
    cure = "It is the share that is dropped, not the share kept"
    rate, training = number("rate", rate, cure=cure), flag("training", training)
    if not 0 <= rate < 1:
        raise ValueError(explain("rate", rate, "at least 0 and less than 1", cure))
    if key is None and training and rate:
        raise ValueError(explain("key", None, "a jax.random key in training", "Pass jax.random.key(0)"))
    key = None if key is None else random_key(key)
    x = array("x", x)
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise TypeError(explain("x", x.dtype, "floating-point numbers", "Cast it first: x.astype(jnp.float32)"))
    return key if training and rate else None, x, rate


@partial(compiled, static_argnames=("rate", "mask_shape"))
def _drop(key: Array, x: Array, rate: float, mask_shape: tuple[int, ...]) -> Array:
    """Applies a random mask of the given shape, and scales the remaining cells."""
    kept = jax.random.bernoulli(key, 1 - rate, mask_shape)
    # In float32, because half precision is too short for 1 - rate: 0.9 becomes 0.8984375, and the mean is off by that.
    scaled = (x.astype(at_least_float32(x.dtype)) / (1 - rate)).astype(x.dtype)
    return jnp.where(kept, scaled, jnp.zeros((), x.dtype))
