"""Images and parameters, abstract until they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxconv as jc
from support.networks.expectation import Network


def picture(height: int, width: int, channels: int = 3) -> jax.ShapeDtypeStruct:
    """An abstract image [1, h, w, c]."""
    return jax.ShapeDtypeStruct((1, height, width, channels), jnp.float32)


def weights(*shape: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    """Abstract weights."""
    return jax.ShapeDtypeStruct(shape, dtype)


def kernel(taps: int, channels_in: int, channels_out: int, *, groups: int = 1, rank: int = 2) -> Any:
    """Abstract parameters of a convolution, `taps` along each axis."""
    return abstract(
        jc.init_conv, window=(taps,) * rank, channels_in=channels_in, channels_out=channels_out, groups=groups
    )


def matrix(features_in: int, features_out: int) -> Any:
    """Abstract parameters of a dense layer."""
    return abstract(jc.init_dense, features_in=features_in, features_out=features_out)


def abstract(init: Callable, *arguments: Any, **settings: Any) -> Any:
    """What `init(key, ...)` would return, without computing it."""
    return jax.eval_shape(lambda: init(jax.random.key(0), *arguments, **settings))


def concrete(network: Network, seed: int = 0) -> tuple[Any, ...]:
    """The arguments with random numbers in place of every ShapeDtypeStruct."""
    rng = np.random.default_rng(seed)

    def fill(path: Any, leaf: Any) -> Any:
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        if leaf.ndim == 1:  # biases, scales, running variances: positive, so that no ReLU is dead and no root is of -1
            return np.asarray(rng.uniform(0.25, 1.0, leaf.shape), leaf.dtype)
        values = rng.normal(size=leaf.shape)
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            values = values + 1j * rng.normal(size=leaf.shape)
        fan_in = leaf.size / max(leaf.shape[0], leaf.shape[-1])  # channels come last, in PyTorch's layout first
        return np.asarray(values / np.sqrt(fan_in), leaf.dtype)

    *parameters, image = network.arguments
    filled = jax.tree_util.tree_map_with_path(fill, tuple(parameters))
    return (*filled, np.asarray(rng.normal(size=image.shape), image.dtype))


def lenient(fn: Callable) -> Callable:
    """`fn` under JAX's default promotion: peers mix dtypes and ranks, which our tests forbid to us."""

    @wraps(fn)
    def run(*arguments):
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return fn(*arguments)

    return run
