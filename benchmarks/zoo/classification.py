"""Features of networks that classify images: their last map, before the global average."""

from __future__ import annotations

import jax
import jax.numpy as jnp

import jaxconv as jc
from zoo.architecture import Architecture, Params, convolutions

WIDTH = 4
PATCH, PATCHES = 16, 64  # pixels along a patch, and most patches of an image
HEADS = 2


def init_resnet(key: jax.Array) -> Params:
    """A stem, and two stages of two blocks, with the scales of batch norms in evaluation."""
    keys, w = iter(jax.random.split(key, 6)), WIDTH
    block = lambda channels, width: {
        "convs": convolutions(next(keys), (3, channels, width), (3, width, width)),
        "project": convolutions(next(keys), (1, channels, width))[0] if channels != width else None,
    }
    stem = convolutions(next(keys), (7, 3, w))[0]
    return {"stem": stem, "norm": jc.init_norm(w), "blocks": [block(w, w), block(w, w), block(w, 2 * w)]}


def resnet(params: Params, x: jax.Array) -> jax.Array:
    """Residual blocks; the last one halves the image. A batch norm in evaluation is a scale and an offset."""
    x = jc.conv(params["stem"], x, stride=2, padding=((3, 3), (3, 3)))
    x = jax.nn.relu(x * params["norm"]["scale"][None, None, None] + params["norm"]["bias"][None, None, None])
    x = jc.max_pool(x, (3, 3), stride=2, padding=((1, 1), (1, 1)))
    for block in params["blocks"]:
        stride = 1 if block["project"] is None else 2
        y = jax.nn.relu(jc.conv(block["convs"][0], x, stride=stride, padding=((1, 1), (1, 1))))
        y = jc.conv(block["convs"][1], y, padding=((1, 1), (1, 1)))
        x = jax.nn.relu(y + (x if block["project"] is None else jc.conv(block["project"], x, stride=2)))
    return x


def init_mobilenet(key: jax.Array) -> Params:
    """A strided stem, and depthwise and pointwise convolutions."""
    keys, w = jax.random.split(key, 6), WIDTH
    return {
        "stem": convolutions(keys[0], (3, 3, w))[0],
        "depthwise": [convolutions(own, (3, c, c), groups=c)[0] for own, c in zip(keys[1:3], (w, 2 * w), strict=True)],
        "pointwise": convolutions(keys[3], (1, w, 2 * w), (1, 2 * w, 4 * w)),
    }


def mobilenet(params: Params, x: jax.Array) -> jax.Array:
    """Depthwise separable convolutions; the second one is strided."""
    x = jax.nn.relu6(jc.conv(params["stem"], x, stride=2, padding="same"))
    for depthwise, pointwise, stride in zip(params["depthwise"], params["pointwise"], (1, 2), strict=True):
        x = jax.nn.relu6(jc.conv(depthwise, x, stride=stride, padding="same", groups=x.shape[-1]))
        x = jax.nn.relu6(jc.conv(pointwise, x))
    return x


def init_convnext(key: jax.Array) -> Params:
    """A stem of patches, two blocks, and a step down by 2."""
    keys, w = jax.random.split(key, 6), WIDTH
    block = lambda own: {
        "depthwise": convolutions(own, (7, w, w), groups=w)[0],
        "pointwise": convolutions(own, (1, w, 4 * w), (1, 4 * w, w)),
        "norm": jc.init_norm(w),
    }
    stem, down = convolutions(keys[0], (4, 3, w), (2, w, 2 * w))
    return {"stem": stem, "norm": jc.init_norm(w), "blocks": list(map(block, keys[1:3])), "down": down}


def convnext(params: Params, x: jax.Array) -> jax.Array:
    """Depthwise 7x7 convolutions, and layer norms over the channels of each position."""
    norm = lambda params, x: jax.nn.standardize(x, -1) * params["scale"] + params["bias"]
    with jax.numpy_rank_promotion("allow"):
        x = norm(params["norm"], jc.conv(params["stem"], x, stride=4))
        for block in params["blocks"]:
            y = norm(block["norm"], jc.conv(block["depthwise"], x, padding="same", groups=x.shape[-1]))
            x = x + jc.conv(block["pointwise"][1], jax.nn.gelu(jc.conv(block["pointwise"][0], y)))
        return jc.conv(params["down"], norm(params["norm"], x), stride=2)


def init_vit(key: jax.Array) -> Params:
    """A stem of patches, positions, and one block of attention."""
    keys, w = jax.random.split(key, 6), 2 * WIDTH
    return {
        "stem": convolutions(keys[0], (PATCH, 3, w))[0],
        "positions": jax.random.normal(keys[1], (1, PATCHES, w)),
        "attention": jc.init_dense(keys[2], w, 3 * w),
        "mlp": [jc.init_dense(keys[3], w, 4 * w), jc.init_dense(keys[4], 4 * w, w)],
    }


def vit(params: Params, x: jax.Array) -> jax.Array:
    """Attention over patches. Each patch has a learned position."""
    x = jc.conv(params["stem"], x, stride=PATCH)
    x = x.reshape(len(x), -1, x.shape[-1])
    x = x + params["positions"][:, : x.shape[1]]
    query, key, value = (
        part.reshape(*x.shape[:2], HEADS, -1) for part in jnp.split(jc.dense(params["attention"], x), 3, -1)
    )
    x = x + jax.nn.dot_product_attention(query, key, value).reshape(x.shape)
    return x + jc.dense(params["mlp"][1], jax.nn.gelu(jc.dense(params["mlp"][0], x)))


IMAGE = (1, 256, 16, 3)
ARCHITECTURES = (
    Architecture("ResNet", "He et al., 2016", init_resnet, resnet, IMAGE, 128),
    Architecture("MobileNet", "Howard et al., 2017", init_mobilenet, mobilenet, IMAGE, 128),
    Architecture("ConvNeXt", "Liu et al., 2022", init_convnext, convnext, IMAGE, 128),
    Architecture("ViT", "Dosovitskiy et al., 2021", init_vit, vit, IMAGE, 128),
)
