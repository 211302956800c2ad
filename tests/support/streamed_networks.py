"""Networks of whole numbers over signals [n, t, c] of two channels, whose input arrives in chunks."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxconv as jc
from support.split_networks import KEY, whole_numbers

relu = jax.nn.relu
THREE, FIVE, FOUR = (
    whole_numbers(jc.init_conv(KEY, (taps,), channels, 3)) for taps, channels in ((3, 2), (5, 2), (4, 2))
)
MORE = whole_numbers(jc.init_conv(KEY, (3,), 3, 3))
PAIR = whole_numbers(jc.init_conv(KEY, (2,), 3, 3))
UP = whole_numbers(jc.init_conv_transpose(KEY, (4,), channels_in=2, channels_out=3))


def wavenet(x):
    """Gated layers of growing dilation, residual connections, and a sum over skip connections."""
    hidden, skip = jc.conv(PAIR | {"kernel": PAIR["kernel"][:, :2]}, x, padding="causal"), 0
    for dilation in (1, 2, 4):
        filtered = jnp.clip(jc.conv(PAIR, hidden, padding="causal", dilation=dilation), -3, 3)
        gate = jnp.sign(jc.conv(PAIR, hidden, padding="causal", dilation=dilation))
        skip, hidden = skip + filtered * gate, hidden + filtered * gate
    return relu(skip)


def unet(x, padding="same"):
    """Two scales, and a skip connection."""
    wide = relu(jc.conv(THREE, x, padding=padding))
    inner = jnp.round(jc.conv(MORE, jc.max_pool(wide, (2,)), padding=padding) / 16)
    return jc.conv(MORE, wide + jnp.repeat(inner, 2, 1), padding=padding)


def upsampled(x, stride=2, more=0, **settings):
    return jc.conv_transpose(UP, x, stride=stride, output_shape=(stride * x.shape[1] + more,), **settings)


def padded(x, before, after, mode):
    return jnp.pad(x, ((0, 0), (before, after), (0, 0)), mode=mode)


def weighted(x):
    weights = np.ones((1, x.shape[1], 1), np.float32)
    weights[:, 0], weights[:, -2:] = 2, 3
    return x * weights


def gated(x):
    return x * jnp.sign(x - 1)


def strided(x, padding):
    return jc.conv(MORE, jc.conv(THREE, x, stride=2, padding=padding), stride=2, padding=padding)


def lax_conv(x, padding=((3, 4),), **settings):
    return jax.lax.conv_general_dilated(
        x, FIVE["kernel"], padding=padding, dimension_numbers=("NWC", "WIO", "NWC"), **settings
    )


def over_layers(x):
    kernels = jnp.stack([THREE["kernel"][..., :2], THREE["kernel"][..., 1:], FIVE["kernel"][1:4, :, :2]])
    layer = lambda hidden, kernel: (jnp.round(jc.conv({"kernel": kernel}, hidden, padding="same") / 8), ())
    return jax.lax.scan(layer, x, kernels)[0]


def batch_normed(x):
    mean, scale = jnp.array([[[1.0, -2.0]]]), jnp.array([[[2.0, 3.0]]])
    return (x - mean) * scale + 1


NETWORKS = {
    "products of channels": lambda x: jnp.einsum("ntc,ntd->ntcd", x, jnp.flip(x, 2)),
    "WaveNet": wavenet,
    "dilated and causal": lambda x: jc.conv(THREE, x, padding="causal", dilation=3),
    "two that look ahead": lambda x: jc.conv(MORE, relu(jc.conv(FIVE, x, padding="same")), padding="same"),
    "no padding": lambda x: jc.conv(MORE, jc.conv(FIVE, x)),
    "an even window": lambda x: jc.conv(FOUR, x, padding="same"),
    "a strided encoder": lambda x: strided(x, "same"),
    "a strided causal encoder": lambda x: strided(x, "causal"),
    "a stride longer than the window": lambda x: jc.conv(THREE, x, stride=4),
    "U-Net": unet,
    "causal U-Net": lambda x: unet(x, "causal"),
    "U-Net that reflects": lambda x: unet(x, "reflect"),
    "U-Net that copies its border": lambda x: unet(x, "edge"),
    "copies of the border": lambda x: jc.conv(FIVE, x, padding="edge"),
    "reflection": lambda x: jc.conv(FIVE, x, padding="reflect"),
    "symmetric reflection": lambda x: jc.conv(FIVE, x, padding="symmetric"),
    "copies before a stride": lambda x: jc.conv(FIVE, x, padding="edge", stride=2),
    "many copies": lambda x: padded(x, 7, 2, "edge"),
    "a long reflection": lambda x: padded(x, 5, 3, "reflect"),
    "a causal reflection": lambda x: jc.conv(THREE, padded(x, 2, 0, "reflect")),
    "causal copies of the border": lambda x: jc.conv(THREE, padded(x, 2, 0, "edge")),
    "copies that are gated": lambda x: jc.conv(THREE, gated(padded(x, 1, 1, "edge"))),
    "copies of two signals": lambda x: padded(x, 2, 0, "edge") + padded(x[:, ::1] * 2, 1, 1, "constant"),
    "a decoder": lambda x: upsampled(x, padding="same"),
    "a decoder of a stride beyond the window": lambda x: upsampled(x, 6, 0),
    "a full transposed convolution": lambda x: upsampled(x, 2, 2),
    "an encoder and a decoder": lambda x: upsampled(jc.conv(THREE, x, stride=3, padding=((2, 0),))[..., :2], 3, 1),
    "repeated": lambda x: jc.conv(THREE, jnp.repeat(x, 3, 1), padding="same"),
    "average pooling": lambda x: jc.avg_pool(6 * x, (3,), stride=1, padding="same", divisor="inside"),
    "average pooling that looks behind": lambda x: jc.avg_pool(6 * x, (3,), padding=((2, 0),), divisor="inside"),
    "max pooling": lambda x: jc.max_pool(x, (3,), stride=2, padding="same"),
    "min pooling": lambda x: jc.min_pool(x, (4,), stride=1, padding="same"),
    "max pooling after a convolution": lambda x: jc.max_pool(jc.conv(FIVE, x, padding="same"), (3,), stride=1, padding="same"),
    "a convolution and a pool of one signal": lambda x: (
        jc.conv(THREE, x, padding="causal")[..., :2] + jc.max_pool(x, (3,), stride=1, padding=((2, 0),))),
    "batch norm in evaluation": lambda x: jc.conv(THREE, batch_normed(x), padding="same"),
    "weights that differ at both ends": weighted,
    "a window over such weights": lambda x: jc.conv(THREE, weighted(x) - x, padding="causal"),
    "cropped": lambda x: x[:, 3:-2],
    "cropped and padded": lambda x: padded(jc.conv(FIVE, x, padding="same")[:, 1:-4], 0, 4, "constant"),
    "padding by a number": lambda x: jc.conv(MORE, jnp.pad(
        jc.conv(FIVE, x, padding="same"), ((0, 0), (1, 1), (0, 0)), constant_values=7)),
    "padding deeper than the window": lambda x: jc.conv(THREE, padded(x, 5, 6, "constant"), dilation=2),
    "a causal convolution by cropping": lambda x: jc.conv(THREE, x, padding=((2, 2),))[:, :-2],
    "joined with constants": lambda x: jc.conv(THREE, jnp.concatenate(
        [jnp.ones((1, 2, 2)), jc.conv(THREE, x, padding="same")[..., :2], 2 * jnp.ones((1, 1, 2))], 1)),
    "space to depth": lambda x: x.reshape(1, -1, 8).sum(-1, keepdims=True),
    "space to depth of what is late": lambda x: jc.conv(THREE, x, padding="same").reshape(1, -1, 12)[..., ::3],
    "pixel shuffle": lambda x: jc.conv(THREE, x, padding="same")[..., :2].reshape(1, -1, 1),
    "every fourth": lambda x: x[:, 1::4],
    "layers in a loop": over_layers,
    "outputs at three rates": lambda x: {
        "fine": jnp.repeat(x, 3, 1), "same": jc.conv(THREE, x, padding="same"), "coarse": jc.max_pool(x, (2,))},
    "vmap": jax.vmap(lambda one: jc.conv(THREE, one[None], padding="same")[0]),
    "softmax over channels": lambda x: jnp.round(9 * jax.nn.softmax(jc.conv(THREE, x, padding="same"))),
    "checkpoint": jax.checkpoint(lambda x: relu(jc.conv(THREE, x, padding="same"))),
    "an embedding": lambda x: jc.conv(THREE, jnp.arange(10.0).reshape(5, 2)[jnp.clip(x[..., 0], 0, 4).astype(int)], padding="causal"),
    "channels first": lambda x: jc.conv(THREE, x.swapaxes(1, 2).swapaxes(1, 2), padding="causal") @ jnp.ones((3, 4)),
    "lax's convolution": lambda x: lax_conv(x, window_strides=(2,), lhs_dilation=(3,), rhs_dilation=(2,)),
    "lax's cropping convolution": lambda x: lax_conv(x, ((-2, -1),), window_strides=(1,), lhs_dilation=(2,)),
    "lax's pooling": lambda x: jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 1), (1, 1, 1), "SAME"),
    "lax's padding between cells": lambda x: jax.lax.pad(x, 5.0, [(0, 0, 0), (2, 3, 2), (0, 0, 0)]),
    "lax's negative padding": lambda x: jax.lax.pad(x, 5.0, [(0, 0, 0), (-2, -3, 0), (0, 0, 0)]),
    "sorted and accumulated over channels": lambda x: jnp.cumsum(jnp.sort(jc.conv(THREE, x, padding="same")), -1),
    "stacked and split": lambda x: sum(jnp.split(jnp.concatenate([x, jc.conv(THREE, x, padding="same")], -1), 5, -1)),
}  # fmt: skip
