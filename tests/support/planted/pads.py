"""Functions with one line that pads, crops or strides so that equivariance is lost. The line has a comment."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

import jaxconv as jc
from support.planted.helpers import smooth, taps

KERNEL = jnp.arange(1.0, 13.0).reshape(3, 2, 2)


def zero_padded(x):
    """One convolution of three pads with zeros."""
    x = jc.conv({"kernel": KERNEL}, x, padding="circular")
    x = jc.conv({"kernel": KERNEL}, x, padding="same")  # culprit: zero padding between circular ones
    return jax.nn.relu(jc.conv({"kernel": KERNEL}, x, padding="circular"))


def zero_padded_then_dense(x):
    """Zeros at the ends, and a dense layer over the positions behind them."""
    x = jc.conv({"kernel": KERNEL}, smooth(x), padding="same")  # culprit: zero padding before a dense layer
    x = jnp.tanh(x)
    return x.reshape(1, 24) @ jnp.arange(48.0).reshape(24, 2)


def wide_wrap(x):
    """A wrap that is one cell too wide for its window."""
    x = jnp.pad(smooth(x), ((0, 0), (1, 2), (0, 0)), mode="wrap")  # culprit: wrap one cell too wide
    x = taps(x)
    return jnp.tanh(x)


def wide_wrap_then_circular(x):
    """The same, with a circular convolution behind it."""
    x = jnp.pad(x, ((0, 0), (2, 1), (0, 0)), mode="wrap")  # culprit: wrap too wide, then circular
    x = taps(x)
    return smooth(x)


def narrow_wrap(x):
    """A wrap that is one cell too narrow for its window."""
    x = jnp.pad(smooth(x), ((0, 0), (1, 0), (0, 0)), mode="wrap")  # culprit: wrap one cell too narrow
    x = taps(x)
    return jnp.tanh(x)


def narrow_wrap_residual(x):
    """The same, with the missing cell filled by a zero."""
    y = jnp.pad(x, ((0, 0), (1, 0), (0, 0)), mode="wrap")  # culprit: wrap too narrow, then zeros
    y = taps(y)
    return x + jnp.pad(y, ((0, 0), (0, 1), (0, 0)))


def wrap_of_wrong_cells(x):
    """A wrap that repeats the first cells in front."""
    padded = jnp.concatenate([x[:, :1], x, x[:, :1]], axis=1)  # culprit: wrap of the wrong cells
    return taps(padded)


def reflected(x):
    """A mirror at both ends."""
    x = smooth(x)
    x = jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="reflect")  # culprit: reflection at the ends
    return taps(x)


def repeated_edge(x):
    """The last cell again."""
    x = jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="edge")  # culprit: edge cells repeated
    x = taps(x)
    return x * x


def cropped(x):
    """The first cell left out, and a circular convolution behind it."""
    x = smooth(x)
    x = x[:, 1:]  # culprit: crop before a circular layer
    return smooth(jnp.tanh(x))


def cropped_then_added(x):
    """The first cell left out, and a zero in its place."""
    y = x[:, 1:]  # culprit: crop, then zeros
    y = jnp.pad(y, ((0, 0), (0, 1), (0, 0)))
    return x + y


def stride_that_does_not_divide(x):
    """A stride of 5 on 12 cells."""
    x = smooth(x)
    x = jc.conv({"kernel": KERNEL}, x, stride=5, padding="circular")  # culprit: stride that does not divide
    return jnp.tanh(x)


def pool_that_does_not_fit(x):
    """Windows of 5 on 12 cells, the last two cells left out."""
    x = jnp.tanh(smooth(x))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 5, 1), (1, 5, 1), "VALID")  # culprit: pool that does not fit
    return x + 1.0


def enlarged_and_cropped(x):
    """Each cell twice, and one cell cut off."""
    x = jnp.repeat(x, 2, axis=1)
    x = x[:, :-1]  # culprit: enlarged, then cropped
    return smooth(x)


def with_class_token(x):
    """A token in front of the positions, as a transformer has it, and a convolution over all."""
    token = jnp.ones((1, 1, x.shape[2]))
    x = jnp.concatenate([token, x], axis=1)  # culprit: token in front
    return smooth(x)
