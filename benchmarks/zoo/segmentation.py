"""Networks that label each pixel."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

import jaxconv as jc
from zoo.architecture import Architecture, Published, photo
from zoo.layers import Layer, Params, conv, floats, function, identity, joined, serial, up
from zoo.plain import VGG16, vgg
from zoo.resnets import STEM, basic, bottleneck

WIDTH = 4


def convolutions(key: jax.Array, *sizes: tuple[int, int, int]) -> list[Params]:
    """Parameters of convolutions of (taps along each axis, channels in, channels out)."""
    return [
        jc.init_conv(own, (taps, taps), channels_in, channels_out)
        for own, (taps, channels_in, channels_out) in zip(jax.random.split(key, len(sizes)), sizes, strict=True)
    ]


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


def unet_params() -> Params:
    """The parameters, as shapes."""
    return jax.eval_shape(init_unet, jax.random.key(0))


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


def context() -> Layer:
    """The basic context module: convolutions whose dilation doubles."""
    dilations = (1, 1, 2, 4, 8, 16, 1)
    return serial(*(conv(3, WIDTH, dilation=one) for one in dilations), conv(1, WIDTH, activation=identity))


def published_unet(rank: int, steps: int) -> Layer:
    """So many steps down by pooling, and up by transposed convolutions. All convolutions are padded."""
    block = serial(*[conv((3,) * rank, WIDTH)] * 2)
    pool = function(lambda x: jc.max_pool(x, (2,) * rank))
    net = block
    for _ in range(steps):
        net = serial(block, joined(serial(), serial(pool, net, up((2,) * rank, WIDTH, stride=2))), block)
    return serial(net, conv((1,) * rank, 2, activation=identity))


def segnet(params: Params, x: jax.Array) -> jax.Array:
    """VGG-16 and its mirror image. A maximum goes back to where it was found."""
    found = []
    for block in params[: len(VGG16)]:
        for layer in block:
            x = jax.nn.relu(jc.conv(layer, x, padding="same"))
        found.append(x.shape[1:-1])
        x, indices = jc.max_pool_with_indices(x, (2, 2))
        found[-1] = (indices, found[-1])
    for block, (indices, shape) in zip(params[len(VGG16) :], reversed(found), strict=True):
        x = jc.max_unpool(x, indices, shape)
        for layer in block:
            x = jax.nn.relu(jc.conv(layer, x, padding="same"))
    return x


def segnet_params() -> Params:
    """The parameters of the encoder's blocks, and of the decoder's."""
    layer = lambda channels: {"kernel": floats(3, 3, channels, WIDTH), "bias": floats(WIDTH)}
    counts = (*VGG16, *reversed(VGG16))
    return [[layer(WIDTH if number + one else 3) for one in range(count)] for number, count in enumerate(counts)]


def fcn() -> Layer:
    """FCN-32s with padded dense layers: scores, and one step up by 32."""
    head = (conv(7, WIDTH), conv(1, 2, activation=identity))
    return serial(vgg(VGG16), *head, up((64, 64), 2, stride=32, padding=[(16, 16)] * 2))


def deeplab(*, pooling: bool) -> Layer:
    """DeepLabv3 over a ResNet-50 of stride 16: dilated branches beside each other; or also the mean of the image."""
    blocks = [
        bottleneck(WIDTH, 2 if stage in (1, 2) and not number else 1, dilation=2 if stage == 3 else 1)
        for stage, count in enumerate((3, 4, 6, 3))
        for number in range(count)
    ]
    branches = [conv(1, WIDTH), *(conv(3, WIDTH, dilation=rate) for rate in (6, 12, 18))]
    mean = function(lambda x: jnp.broadcast_to(x.mean((1, 2), keepdims=True), x.shape))
    pooled = [serial(mean, conv(1, WIDTH))] if pooling else []
    scores = (conv(1, WIDTH), conv(1, 2, activation=identity))
    larger = function(lambda x: jc.resize(x, [16 * size for size in x.shape[1:-1]]))
    return serial(*STEM, conv(1, 4 * WIDTH), *blocks, joined(*branches, *pooled), *scores, larger)


def hrnet() -> Layer:
    """Two resolutions beside each other, which are exchanged three times."""
    down = conv(3, WIDTH, stride=2)
    twice = function(lambda x: jc.resize(x, [2 * size for size in x.shape[1:-1]], method="nearest"))
    blocks = serial(*[basic(WIDTH, 1)] * 4)

    def init(c: int) -> tuple[Params, int]:
        module = [blocks.init(WIDTH)[0], blocks.init(WIDTH)[0], down.init(WIDTH)[0]]
        return [stem.init(c)[0], down.init(WIDTH)[0], [module] * 3], WIDTH

    def apply(params: Params, x: jax.Array) -> jax.Array:
        fine = stem.apply(params[0], x)
        coarse = down.apply(params[1], fine)
        for first, second, step in params[2]:
            fine, coarse = blocks.apply(first, fine), blocks.apply(second, coarse)
            fine, coarse = fine + twice.apply(None, coarse), coarse + down.apply(step, fine)
        return fine

    stem = serial(*[conv(3, WIDTH, stride=2)] * 2, *[basic(WIDTH, 1)] * 4)
    return Layer(init, apply)


IMAGE = (1, 128, 16, 3)
YU = "Yu and Koltun, 2016"
ARCHITECTURES = (
    Architecture("U-Net", "Ronneberger et al., 2015", published_unet(2, 4), photo(512)),
    Architecture("U-Net, two steps", "Ronneberger et al., 2015", unet, IMAGE, unet_params),
    Architecture("U-Net, two steps, with group norm", "Wu and He, 2018", partial(unet, groups=2), IMAGE, unet_params),
    Architecture("3-D U-Net", "Çiçek et al., 2016", published_unet(3, 3), (1, 224, 8, 8, 1)),
    Architecture("Dilated context module", YU, context(), IMAGE, published=Published(67, f"{YU}, table 1")),
    Architecture("SegNet", "Badrinarayanan et al., 2017", segnet, photo(768), segnet_params),
    Architecture("FCN-32s", "Long et al., 2015", fcn(), photo(768)),
    Architecture("DeepLabv3 without image pooling", "Chen et al., 2017", deeplab(pooling=False), photo(1280)),
    Architecture("DeepLabv3", "Chen et al., 2017", deeplab(pooling=True), photo(1280)),
    Architecture("HRNet, two resolutions", "Sun et al., 2019", hrnet(), photo(640)),
)
