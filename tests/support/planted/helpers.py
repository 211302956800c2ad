"""Helper functions in a module of their own, some of which break equivariance."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def smooth(x: jax.Array) -> jax.Array:
    """The mean of each cell and its neighbours, around."""
    return (jnp.roll(x, 1, axis=1) + x + jnp.roll(x, -1, axis=1)) / 3


def taps(x: jax.Array, count: int = 3) -> jax.Array:
    """The sum of each window of `count` cells that lies inside x."""
    length = x.shape[1] - count + 1
    return sum((x[:, start : start + length] * (start + 1.0) for start in range(count)), start=jnp.zeros(()))


def faded(x: jax.Array) -> jax.Array:
    """x times a window function."""
    window = jnp.hanning(x.shape[1] + 2)[1:-1, None]
    return smooth(x) * window  # culprit: faded by a helper


def embedded(x: jax.Array, table: jax.Array) -> jax.Array:
    """x plus an embedding of its positions, two calls further in."""
    return _added(smooth(x), table)


def _added(x: jax.Array, table: jax.Array) -> jax.Array:
    return jnp.tanh(x) + table  # culprit: embedding two calls further in


@jax.jit
def compiled(x: jax.Array) -> jax.Array:
    """A jitted helper."""
    x = smooth(x)
    x = jnp.cumsum(x, axis=1)  # culprit: cumulative sum in a jitted helper
    return jnp.sin(x)


def apply_twice(fn, x):
    """A wrapper that computes nothing itself."""
    return fn(fn(x))
