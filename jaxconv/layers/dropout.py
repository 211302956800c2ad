"""Dropout: cells, or whole channels, set to zero at random, with the key in the caller's hand."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxconv.checks import flag, number
from jaxconv.errors import explain
from jaxconv.layers.arithmetic import at_least_float32
from jaxconv.layers.images import Layout, enter_any
from jaxconv.layers.operands import array, random_key
from jaxconv.lowering.compiled import compiled


def dropout(key: Array | None, x: Float[ArrayLike, "*shape"], rate: float, *, training: bool) -> Float[Array, "*shape"]:
    """Set each cell to zero with probability `rate`, by itself, and divide the others by `1 - rate`:

        y[i] = x[i] / (1 - rate) where kept[i], else 0.

    So y is x on the average over keys. Without `training` it is x.

    Law: without `training` or with a rate of 0 it is the identity. Else it breaks shift equivariance for any one key:
    x moves, what is dropped stays where it is (only the distribution over keys is the same at every position). Use
    `channel_dropout` where the law matters.

    Args:
        key: a `jax.random` key; None will do where nothing is dropped. The same key drops the same cells.
        x: of any shape, floats.
        rate: the share that is dropped, on the average: at least 0, less than 1. A Python number.
        training: whether to drop anything. A Python bool: under `jax.jit` a static argument.

    Returns:
        Of x's shape and dtype.

    Raises:
        ValueError: a rate outside [0, 1), or no key where one is needed.
        TypeError: x is not of floats.

    >>> y = dropout(jax.random.key(0), jnp.ones((2, 1000)), 0.75, training=True)
    >>> sorted(set(y.ravel().tolist()))
    [0.0, 4.0]

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15 (2014).
    """
    key, x, rate = _checked("dropout", key, x, rate, training)
    return x if key is None else _drop(key, x, rate, x.shape)


def channel_dropout(
    key: Array | None,
    x: Float[ArrayLike, "n *spatial c"],
    rate: float,
    *,
    training: bool,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Float[Array, "n *spatial c"]:
    """Set whole channels of an example to zero, each with probability `rate`, and divide the others by `1 - rate`:

        y[n,i,j,c] = x[n,i,j,c] / (1 - rate) where kept[n,c], else 0.

    Neighbouring cells of a feature map are so alike that dropping some of them drops little; this drops maps.

    Law: with a given key, every shift of x is the same shift of y, up to the border: what is dropped knows no position.

    Args:
        key: as for `dropout`.
        x: [n, *spatial, c], floats, with any number of spatial axes; see `batched` and `layout`.
        rate: as for `dropout`: of channels.
        training: as for `dropout`.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *spatial, c], of x's dtype.

    Raises:
        ValueError: as for `dropout`; or x has too few axes.
        TypeError: as for `dropout`.

    >>> y = channel_dropout(jax.random.key(1), jnp.ones((1, 2, 3, 4)), 0.5, training=True)
    >>> y[0, 0, 0], bool((y == y[:, :1, :1]).all())
    (Array([2., 0., 2., 2.], dtype=float32), True)

    Source: Tompson et al., Efficient object localization using convolutional networks, CVPR 2015, section 3.2.
    """
    key, x, rate = _checked("channel_dropout", key, x, rate, training)
    x, leave = enter_any("channel_dropout", x, batched=batched, layout=layout)
    maps = (x.shape[0], *[1] * (x.ndim - 2), x.shape[-1])
    return leave(x if key is None else _drop(key, x, rate, maps))


def _checked(
    where: str, key: Array | None, x: ArrayLike, rate: float, training: bool
) -> tuple[Array | None, Array, float]:
    """The key, None where nothing is dropped; x and the rate."""
    cure = "It is the share that is dropped, not the share kept"
    rate, training = number(where, "rate", rate, cure=cure), flag(where, "training", training)
    if not 0 <= rate < 1:
        raise ValueError(explain(where, "rate", rate, "at least 0 and less than 1", cure))
    if key is None and training and rate:
        raise ValueError(explain(where, "key", None, "a jax.random key in training", "Pass jax.random.key(0)"))
    key = None if key is None else random_key(where, key)
    x = array(where, "x", x)
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise TypeError(explain(where, "x", x.dtype, "floating-point numbers", "Cast it first: x.astype(jnp.float32)"))
    return key if training and rate else None, x, rate


@partial(compiled, static_argnames=("rate", "mask_shape"))
def _drop(key: Array, x: Array, rate: float, mask_shape: tuple[int, ...]) -> Array:
    """Zeros where a mask of the given shape says so, the rest scaled up."""
    kept = jax.random.bernoulli(key, 1 - rate, mask_shape)
    # In float32, since half precision is too short for 1 - rate: 0.9 would be 0.8984375, and the average off by that.
    scaled = (x.astype(at_least_float32(x.dtype)) / (1 - rate)).astype(x.dtype)
    return jnp.where(kept, scaled, jnp.zeros((), x.dtype))
