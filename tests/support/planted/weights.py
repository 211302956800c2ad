"""Functions with one line whose numbers depend on the position. The line has a comment."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import jaxconv as jc
from support.planted.helpers import embedded, faded, smooth

TABLE = jnp.asarray(np.random.default_rng(0).normal(size=(12, 2)), jnp.float32)
DENSE = jnp.asarray(np.random.default_rng(1).normal(size=(24, 24)), jnp.float32)
MIXING = jnp.asarray(np.random.default_rng(2).normal(size=(12, 12)), jnp.float32)


def position_embedding(x):
    """A learned embedding of the positions."""
    x = smooth(x)
    x = x + TABLE  # culprit: position embedding
    return smooth(jnp.tanh(x))


def coordinates_as_channel(x):
    """The coordinate of each cell as one more channel."""
    place = jnp.broadcast_to(jnp.linspace(-1, 1, 12)[None, :, None], (1, 12, 1))
    x = jnp.concatenate([x, place], axis=-1)  # culprit: coordinates as a channel
    return smooth(x)


def dense_over_positions(x):
    """A dense layer over all cells, flattened in one line."""
    x = smooth(x)
    x = (x.reshape(1, 24) @ DENSE).reshape(1, 12, 2)  # culprit: dense over positions
    return jnp.tanh(x)


def flattened(x):
    """A dense layer over all cells. The flattening, not the product behind it, loses the positions."""
    x = smooth(x)
    flat = x.reshape(1, 24)  # culprit: flattened before a dense layer
    flat = jnp.tanh(flat)
    return flat @ DENSE


def mixed_positions(x):
    """A mixer whose matrix is not circulant."""
    x = jnp.tanh(smooth(x))
    x = jnp.einsum("nhc,hk->nkc", x, MIXING)  # culprit: mixer over positions
    return x + 1.0


def local_kernels(x):
    """A kernel of its own for each position."""
    kernel = MIXING.reshape(12, 3, 2, 2)
    x = smooth(x)
    x = jc.locally_connected({"kernel": kernel}, x, padding="circular")  # culprit: locally connected
    return x * 2.0


def masked(x):
    """Zeros behind the fifth cell."""
    inside = jnp.arange(12)[None, :, None] < 5
    x = jnp.where(inside, smooth(x), 0.0)  # culprit: mask of positions
    return smooth(x)


def dropout_of_a_fixed_key(x):
    """One mask for all inputs."""
    keep = jax.random.bernoulli(jax.random.key(0), 0.5, (1, 12, 2))
    x = smooth(x)
    x = x * keep.astype(x.dtype)  # culprit: dropout with a fixed mask
    return jnp.tanh(x)


def causal_attention(x):
    """Attention of each position to those before it."""
    scores = jnp.einsum("nac,nbc->nab", x, x)
    scores = jnp.where(jnp.tril(jnp.ones((12, 12), bool)), scores, -1e9)  # culprit: causal mask
    return jnp.einsum("nab,nbc->nac", jax.nn.softmax(scores), x)


def attention_bias(x):
    """Attention with a bias for each pair of positions."""
    scores = jnp.einsum("nac,nbc->nab", x, x)
    scores = scores + MIXING  # culprit: attention bias for each pair
    return jnp.einsum("nab,nbc->nac", jax.nn.softmax(scores), x)


def window_in_a_helper(x):
    """A window function in another module."""
    x = jnp.sin(x)
    x = faded(x)
    return smooth(x)


def embedding_in_a_helper(x):
    """An embedding two calls further in."""
    return smooth(embedded(x, TABLE))


def affine_per_position(x):
    """A norm over channels whose scale differs from position to position."""
    scale = 1.0 + TABLE[:, :1]
    mean = x.mean(axis=-1, keepdims=True)
    x = x - mean
    x = x * scale  # culprit: scale of each position
    return smooth(x)


def spectrum_with_a_bias(x):
    """A bias on every mode of the spectrum."""
    modes = jnp.fft.rfft(smooth(x), axis=1)
    modes = modes + (1 + 1j)  # culprit: bias on every mode
    return jnp.fft.irfft(modes, n=12, axis=1)


def shifted_modes(x):
    """Modes moved by one."""
    modes = jnp.fft.fft(x, axis=1)
    modes = jnp.roll(modes, 1, axis=1)  # culprit: modes rolled
    return jnp.fft.ifft(modes, axis=1).real


def weighted_mean(x):
    """A mean with weights of each position."""
    x = smooth(x)
    x = x * TABLE[:, :1]  # culprit: weighted mean
    return x.mean(axis=1)
