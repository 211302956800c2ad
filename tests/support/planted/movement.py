"""Functions with one line that moves cells to fixed places, or reads from there. The line has a comment."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from support.planted.helpers import apply_twice, compiled, smooth

ORDER = np.random.default_rng(0).permutation(12)


def permuted(x):
    """A fixed permutation of the cells."""
    x = smooth(x)
    x = x[:, ORDER]  # culprit: permutation
    return jnp.tanh(x)


def half_reversed(x):
    """The first half in reverse order."""
    x = jnp.concatenate([x[:, :6][:, ::-1], x[:, 6:]], axis=1)  # culprit: half of the cells reversed
    return smooth(x)


def mirrored_sum(x):
    """Each cell plus its mirror image."""
    y = x[:, ::-1]
    x = x + y  # culprit: sum with the mirror image
    return smooth(x)


def relative_to_the_first(x):
    """Each cell relative to the first."""
    x = smooth(x)
    x = x - x[:, :1]  # culprit: relative to the first cell
    return jnp.tanh(x)


def overwritten(x):
    """The first cell overwritten."""
    x = smooth(x)
    x = x.at[:, 0].set(0.0)  # culprit: first cell overwritten
    return smooth(x)


def last_cell(x):
    """Classifies by the last cell, as a recurrent network does."""
    x = jnp.tanh(smooth(x))
    x = x[:, -1]  # culprit: last cell
    return x @ jnp.ones((2, 3))


def scaled_by_a_place(x):
    """Scales by the place of the largest cell of one channel."""
    first = x[0, :, 0]
    place = jnp.argmax(first)  # culprit: place of the largest cell
    return x * place.astype(x.dtype)


def transposed_by_reshape(x):
    """A reshape where a transposition was meant. x is [n, h, w, c]."""
    x = jnp.tanh(x)
    x = x.reshape(1, 8, 12, 2)  # culprit: reshape for a transposition
    return smooth(x)


def patches_of_wrong_order(x):
    """Patches of four cells of a flattened image: they straddle rows. x is [n, h, w, c], with rows of 6 cells."""
    x = x.reshape(1, 72, 2)
    x = x.reshape(1, 18, 4, 2)  # culprit: patches that straddle rows
    return x.sum(axis=2)


def cumulative(x):
    """A running mean from the first cell on."""
    x = smooth(x)
    x = jnp.cumsum(x, axis=1)  # culprit: cumulative sum
    x = x / 12.0
    return jnp.tanh(x)


def in_a_jitted_helper(x):
    """A running sum inside a jitted function of another module."""
    x = jnp.tanh(x)
    x = compiled(x)
    return smooth(x)


def through_a_wrapper(x):
    """The helper computes nothing itself: it calls this module's function twice."""

    def block(x):
        x = smooth(x)
        return x * jnp.arange(1.0, 13.0)[:, None]  # culprit: called by a wrapper

    return apply_twice(block, x)


def standardised(x):
    """Standardised over all positions: new content anywhere shows everywhere."""
    x = smooth(x)
    x = x - x.mean(axis=1, keepdims=True)  # culprit: mean over all positions
    return jnp.tanh(x)


def soft_argmax(x):
    """The mean place of each channel, a number that moves with the scene."""
    weights = jax.nn.softmax(x, axis=1)
    places = weights * jnp.arange(12.0)[:, None]  # culprit: soft argmax
    return places.sum(axis=1)
