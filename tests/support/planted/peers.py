"""Modules of Flax with one line that breaks equivariance, marked by a comment. Flax is imported where it is used."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from support.planted.helpers import smooth


def _applied(module, x):
    """A module with parameters that are drawn, as a function of x."""
    variables = module.init(jax.random.key(0), jnp.zeros(x.shape, x.dtype))
    return module.apply(variables, x)


def flax_zero_padding(x):
    """One of three convolutions pads with zeros, in a block of a network."""
    from flax import linen

    class Block(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = linen.relu(linen.Conv(2, (3,), padding="CIRCULAR")(x))
            x = linen.Conv(2, (3,), padding="SAME")(x)  # culprit: zero padding in a Flax block
            return linen.relu(x)

    class Network(linen.Module):
        @linen.compact
        def __call__(self, x):
            return linen.Conv(3, (3,), padding="CIRCULAR")(Block()(x))

    return _applied(Network(), x)


def flax_positions(x):
    """An embedding that the module learns."""
    from flax import linen

    class Embedded(linen.Module):
        @linen.compact
        def __call__(self, x):
            table = self.param("table", linen.initializers.normal(), x.shape[1:])
            x = linen.Conv(2, (3,), padding="CIRCULAR")(x)
            return linen.relu(x + table)  # culprit: embedding of a Flax module

    return _applied(Embedded(), x)


def flax_mixer(x):
    """A dense layer over the positions."""
    from flax import linen

    class Mixer(linen.Module):
        @linen.compact
        def __call__(self, x):
            y = jnp.swapaxes(linen.LayerNorm()(x), 1, 2)
            y = linen.Dense(12)(y)  # culprit: dense layer of a Flax module
            return x + jnp.swapaxes(y, 1, 2)

    return smooth(_applied(Mixer(), x))


def flax_norm(x):
    """A norm whose scale differs from cell to cell."""
    from flax import linen

    class Normed(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = linen.Conv(2, (3,), padding="CIRCULAR")(x)
            scale = linen.initializers.normal()
            norm = linen.LayerNorm(reduction_axes=(1, 2), feature_axes=(1, 2), scale_init=scale)
            x = norm(x)  # culprit: norm of a Flax module
            return linen.gelu(x)

    return _applied(Normed(), x)


def nnx_zero_padding(x):
    """The same with Flax's nnx, whose modules hold their parameters."""
    from flax import nnx

    first = nnx.Conv(2, 2, (3,), padding="CIRCULAR", rngs=nnx.Rngs(0))
    second = nnx.Conv(2, 2, (3,), padding="SAME", rngs=nnx.Rngs(1))
    x = nnx.relu(first(x))
    x = second(x)  # culprit: zero padding in nnx
    return nnx.relu(x)
