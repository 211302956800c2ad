"""Networks that label each pixel."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

import jaxconv as jc
from zoo.architecture import Architecture, Params, convolutions

WIDTH = 4
DILATIONS = (1, 1, 2, 4, 8, 16, 1, 1)


def init_unet(key: jax.Array) -> Params:
    """Two scales down, two up."""
    keys, w = jax.random.split(key, 8), WIDTH
    blocks = {"fine": (3, w), "middle": (w, 2 * w), "coarse": (2 * w, 4 * w), "up1": (4 * w, 2 * w), "up0": (2 * w, w)}
    params: Params = {
        name: convolutions(own, (3, *channels), (3, channels[1], channels[1]))
        for own, (name, channels) in zip(keys, blocks.items(), strict=False)
    }
    params["from_coarse"] = jc.init_conv_transpose(keys[5], (2, 2), channels_in=4 * w, channels_out=2 * w)
    params["from_middle"] = jc.init_conv_transpose(keys[6], (2, 2), channels_in=2 * w, channels_out=w)
    params["norm"] = jc.init_norm(w)
    return params | {"labels": jc.init_conv(keys[7], (1, 1), w, 2)}


def unet(params: Params, x: jax.Array, *, groups: int | None = None) -> jax.Array:
    """Features at three scales, joined by concatenation. With `groups`, group norm behind the first block."""

    def block(name: str, x: jax.Array) -> jax.Array:
        for layer in params[name]:
            x = jax.nn.relu(jc.conv(layer, x, padding="same"))
        return x

    fine = block("fine", x)
    if groups is not None:
        fine = jc.group_norm(params["norm"], fine, groups=groups)
    middle = block("middle", jc.max_pool(fine, (2, 2)))
    coarse = block("coarse", jc.max_pool(middle, (2, 2)))
    up = jc.conv_transpose(params["from_coarse"], coarse, stride=2, output_shape=middle.shape[1:3])
    middle = block("up1", jnp.concatenate([middle, up], -1))
    up = jc.conv_transpose(params["from_middle"], middle, stride=2, output_shape=fine.shape[1:3])
    return jc.conv(params["labels"], block("up0", jnp.concatenate([fine, up], -1)))


def init_dilated(key: jax.Array) -> Params:
    """One convolution for each dilation."""
    return convolutions(key, (3, 3, WIDTH), *[(3, WIDTH, WIDTH)] * (len(DILATIONS) - 1))


def dilated(params: Params, x: jax.Array) -> jax.Array:
    """A context module: convolutions whose dilation doubles."""
    for layer, dilation in zip(params, DILATIONS, strict=True):
        x = jax.nn.relu(jc.conv(layer, x, padding="same", dilation=dilation))
    return x


IMAGE = (1, 256, 16, 3)
ARCHITECTURES = (
    Architecture("U-Net", "Ronneberger et al., 2015", init_unet, unet, IMAGE, 128),
    Architecture("U-Net with group norm", "Wu and He, 2018", init_unet, partial(unet, groups=2), IMAGE, 128),
    Architecture("Dilated segmentation", "Yu and Koltun, 2016", init_dilated, dilated, IMAGE, 128),
)
