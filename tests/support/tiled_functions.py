"""Functions that can be computed from tiles, and functions that cannot, with the primitive that is the culprit."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jaxconv as jc

CHANNELS = 3


def weights(*shape, seed=1):
    """A kernel of whole numbers, none of which is 0."""
    numbers = np.random.default_rng(seed).integers(1, 5, shape) * np.random.default_rng(seed + 1).choice([-1, 1], shape)
    return jnp.asarray(numbers.astype(np.float32))


KERNEL = {"kernel": weights(3, 5, CHANNELS, CHANNELS), "bias": weights(CHANNELS)}


def conv(x, **how):
    return jc.conv(jc.LayerParams(**KERNEL), x, **how)


def raw_conv(x, padding, strides=(1, 1), **how):
    dims = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, KERNEL["kernel"], strides, padding, dimension_numbers=dims, **how)


def upsampled(x, by=2):
    return jnp.repeat(jnp.repeat(x, by, 1), by, 2)


def unet(x, padding="same"):
    inner = jax.nn.relu(conv(jc.max_pool(conv(x, padding=padding), (2, 2)), padding=padding))
    return conv(jnp.concatenate([x, upsampled(inner)], -1)[..., 1:4], padding=padding)


def in_a_loop(x):
    return lax.fori_loop(0, 3, lambda _, y: jnp.round(conv(y, padding="same") / 8), x)


def counted(x):
    ones = jnp.ones((1, *x.shape[1:3], 1))
    dims = (1, 3, 3, 1)
    pool = lambda v: lax.reduce_window(v, 0.0, lax.add, dims, (1, 1, 1, 1), "SAME")
    return pool(x) * jnp.round(12 / pool(ones))


def conv_same(x):
    return conv(x, padding="same")


def branched(x):
    """The second branch runs; the first one reads less."""
    return lax.cond(weights(1).max() > 9, lambda x: 2 * x, conv_same, x)


def until_the_sum_is_large(x):
    return lax.while_loop(lambda y: y.sum() < 99, lambda y: y + 1, x)


def blocks(x):
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, h // 2, w // 2, 4 * c)


def from_blocks(x):
    n, h, w, c = x.shape
    return (
        x.reshape(n, h, w, 1, c)
        .repeat(4, 3)
        .reshape(n, h, w, 2, 2, c)
        .transpose(0, 1, 3, 2, 4, 5)
        .reshape(n, 2 * h, 2 * w, c)
    )


PROVED = {
    "the input": lambda x: x,
    "a convolution without padding": conv,
    "zero padding": lambda x: conv(x, padding="same"),
    "reflection": lambda x: conv(x, padding="reflect"),
    "copies of the border": lambda x: conv(x, padding="edge"),
    "copies of the border at one end": lambda x: jnp.pad(x, ((0, 0), (2, 0), (0, 3), (0, 0)), mode="edge"),
    "circular padding": lambda x: conv(x, padding="circular"),
    "a stride": lambda x: conv(x, padding="same", stride=2),
    "two strides": lambda x: conv(conv(x, padding="same", stride=2), padding="same", stride=2),
    "dilation": lambda x: conv(x, padding="same", dilation=2),
    "one-sided padding": lambda x: raw_conv(x, [(2, 0), (0, 0)]),
    "more padding than the window": lambda x: raw_conv(x, [(4, 5), (2, 2)]),
    "zeros between the cells": lambda x: raw_conv(x, [(2, 1), (2, 2)], lhs_dilation=(2, 1)),
    "cropping by a convolution": lambda x: raw_conv(x, [(-2, -1), (0, 0)]),
    "max pooling": lambda x: jc.max_pool(x, (3, 2), stride=2, padding="same"),
    "average pooling that counts": counted,
    "up-sampling": upsampled,
    "the nearest cells": lambda x: jax.image.resize(x, (1, 2 * x.shape[1], 3 * x.shape[2], 3), "nearest"),
    "space to depth": blocks,
    "depth to space": from_blocks,
    "a U-Net": unet,
    "a U-Net with reflection": lambda x: unet(x, "reflect"),
    "a circular U-Net": lambda x: unet(x, "circular"),
    "reversed": lambda x: conv(x, padding="same")[:, ::-1],
    "cropped": lambda x: x[:, 2:-3] * x[:, 3:-2],
    "differences": lambda x: x[:, 1:] - x[:, :-1],
    "every other cell": lambda x: x[:, 1::2],
    "a loop of convolutions": in_a_loop,
    "sorted channels": lambda x: jnp.sort(x, -1),
    "channels sorted by constants": lambda x: lax.sort((jnp.broadcast_to(-jnp.arange(3), x.shape), x), num_keys=1)[1],
    "layer norm of channels": lambda x: jnp.round(8 * jax.nn.standardize(x, -1)),
    "the largest channels": lambda x: lax.top_k(x, 2)[0],
    "a Fourier transform of four channels": lambda x: jnp.fft.fft(jnp.concatenate([x, x[..., :1]], -1)).imag,
    "a branch": branched,
    "repeated along the other axis": lambda x: jnp.tile(x, (1, 1, 2, 1)),
    "the largest channel": lambda x: jnp.argmax(x, -1).astype(x.dtype),
    "a dense layer": lambda x: x @ weights(3, 7) + weights(1, 1, 1, 7),
    "the other axis averaged": lambda x: x - jnp.round(x.sum(2, keepdims=True)),
    "a row": lambda x: x + x[:, :, :1],
    "part of the other axis": lambda x: lax.dynamic_slice_in_dim(x, 1, 4, axis=2),
    "padded with ones": lambda x: lax.pad(x, jnp.float32(1), [(0, 0, 0), (3, 1, 0), (0, 0, 0), (0, 0, 0)]),
    "zeros between": lambda x: lax.pad(x, jnp.float32(0), [(0, 0, 0), (1, 2, 2), (0, 0, 0), (0, 0, 0)]),
    "a transposed axis": lambda x: jnp.swapaxes(conv(x, padding="same"), 1, 2),
    "an embedding": lambda x: weights(19, 4)[(x[..., 0] + 9).astype(int)],
    "a mask that is uniform inside": lambda x: jnp.where((jnp.arange(x.shape[1]) < 2)[None, :, None, None], 0.0, x),
}


NOT_PROVED = {
    "a global mean": (lambda x: x - x.mean((1, 2), keepdims=True), "reduce_sum"),
    "group norm": (lambda x: jc.group_norm(jc.init_norm(3), x, groups=1), "reduce_sum"),
    "the length": (lambda x: x / x.shape[1], "div"),
    "positions": (lambda x: x + jnp.arange(x.shape[1], dtype=x.dtype)[None, :, None, None], "add"),
    "positions from the end": (lambda x: x * jnp.arange(x.shape[1], 0, -1.0, dtype=x.dtype)[None, :, None, None], "mul"),
    "a running sum": (lambda x: jnp.cumsum(x, 1), "cumsum"),
    "attention": (lambda x: jax.nn.softmax(x[:, :, 0] @ x[:, :, 0].mT, -1), "dot_general"),
    "a cell of the whole": (lambda x: x - x[:, :1], "sub"),
    "sorted": (lambda x: jnp.sort(x, 1), "sort"),
    "a Fourier transform": (lambda x: jnp.fft.fft(x, axis=1), "fft"),
    "the largest cells": (lambda x: lax.top_k(x.swapaxes(1, 3), 2)[0], "top_k"),
    "a loop until a sum is large": (until_the_sum_is_large, "while"),
    "repeated along the tiled axis": (lambda x: jnp.tile(x, (1, 2, 1, 1)), ""),
    "branches of which one depends on the whole": (
        lambda x: lax.cond(weights(1).max() > 9, lambda x: x - x.sum(1, keepdims=True), conv_same, x), "reduce_sum"
    ),
    "a branch by a sum": (lambda x: lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x), "reduce_sum"),
    "a branch on the size": (lambda x: x + 1 if x.shape[1] > 16 else jnp.sin(x), ""),
    "a kernel as long as the input": (
        lambda x: raw_conv(x, "SAME") * lax.slice_in_dim(x, 0, 1, axis=1).sum(), "reduce_sum"
    ),
    "windows whose stride is the length": (
        lambda x: lax.reduce_window(x, 0.0, lax.add, (1, x.shape[1] // 4, 1, 1), (1, x.shape[1] // 4, 1, 1), "VALID"),
        "reduce_window_sum",
    ),
    "a dilation that grows": (lambda x: raw_conv(x, "SAME", rhs_dilation=(x.shape[1] // 12, 1)), "conv_general_dilated"),
    "padding that grows": (lambda x: jnp.pad(x, ((0, 0), (x.shape[1] // 12, 0), (0, 0), (0, 0)))[:, :1], "slice"),
    "the first cell again and again": (lambda x: x[:, :8][:, np.zeros(x.shape[1], int)], "gather"),
    "random numbers": (lambda x: x + jax.random.normal(jax.random.key(0), x.shape), ""),
    "a tile without inner cells": (lambda x: conv(conv(x, padding="same", dilation=6), padding="same"), ""),
}  # fmt: skip
