"""Convolutional architectures as they were published."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

import jaxconv as jc
from support.networks.arguments import kernel, matrix, picture, weights
from support.networks.expectation import Culprit, Expectation, Field, H, W, field_of, windowed

VGG16 = (2, 2, 3, 3, 3)  # convolutions in each block
VGG16_FIELD = field_of(*(window for count in VGG16 for window in [(3, 1, 1)] * count + [(2, 2)]))


def vgg16(height=288, width=64, base=2):
    """The features of VGG-16. Its last pooling sees [32j - 90, 32j + 121]: 212 cells, of 224 only j = 3 all inside."""

    def fn(params, x):
        for block in params:
            for layer in block:
                x = jax.nn.relu(jc.conv(layer, x, padding="SAME"))
            x = jc.max_pool(x, (2, 2), padding="SAME")
        return x

    widths = [3, base, 2 * base, 4 * base, 8 * base, 8 * base]
    params = [
        [kernel(3, channels_in if layer == 0 else channels_out, channels_out) for layer in range(count)]
        for count, channels_in, channels_out in zip(VGG16, widths, widths[1:], strict=False)
    ]
    image = picture(height, width)
    culprit = Culprit("jaxconv_conv", 'jc.conv(layer, x, padding="SAME")')
    return fn, (params, image), (H, W), windowed(image, VGG16_FIELD, cyclic=False, culprit=culprit)


RESNET50, RESNET101 = (3, 4, 6, 3), (3, 4, 23, 3)  # units in each block
RESNET_STRIDES = (2, 2, 2, 1)  # of each block, in its last unit


def resnet_field(blocks: Sequence[int]) -> Field:
    """The field of a ResNet: of each unit the 3x3 convolution counts, the shortcut sees its centre.

    The pooling's SAME padding of an even length puts its one odd cell behind, so nothing stands before.
    """
    units = [
        (3, stride, 1)
        for count, last in zip(blocks, RESNET_STRIDES, strict=True)
        for stride in [1] * (count - 1) + [last]
    ]
    return field_of((7, 2, 3), (3, 2, 0), *units)


def resnet(blocks, height, width=64, base=1):
    """ResNet-v1 as TF-Slim builds it, the stride in the last unit of a block, zeros around every strided convolution."""
    strides = [[1] * (count - 1) + [last] for count, last in zip(blocks, RESNET_STRIDES, strict=True)]

    def fn(params, image):
        x = jax.nn.relu(jc.conv(params["stem"], image, stride=2, padding=((3, 3), (3, 3))))
        x = jc.max_pool(x, (3, 3), stride=2, padding="SAME")
        for block, block_strides in zip(params["blocks"], strides, strict=True):
            for unit, stride in zip(block, block_strides, strict=True):
                x = bottleneck(unit, x, stride)
        return x

    channels, params = base, {"stem": kernel(7, 3, base), "blocks": []}
    for number, count in enumerate(blocks):
        params["blocks"].append([])
        for _ in range(count):
            params["blocks"][-1].append(bottleneck_params(channels, base * 2**number))
            channels = 4 * base * 2**number
    image = picture(height, width)
    culprit = Culprit("jaxconv_conv", 'jc.conv(params["stem"], image')
    return fn, (params, image), (H, W), windowed(image, resnet_field(blocks), cyclic=False, culprit=culprit)


def bottleneck_params(channels, depth):
    """1x1, 3x3 and 1x1 kernels, and a projection where the number of channels changes."""
    unit = {
        "reduce": kernel(1, channels, depth),
        "conv": kernel(3, depth, depth),
        "expand": kernel(1, depth, 4 * depth),
    }
    return unit if channels == 4 * depth else unit | {"project": kernel(1, channels, 4 * depth)}


def bottleneck(params, x, stride):
    """A residual unit; its shortcut keeps every `stride`-th cell."""
    y = jax.nn.relu(jc.conv(params["reduce"], x))
    y = jax.nn.relu(jc.conv(params["conv"], y, stride=stride, padding=((1, 1), (1, 1))))
    y = jc.conv(params["expand"], y)
    shortcut = (
        jc.conv(params["project"], x, stride=stride) if "project" in params else jc.max_pool(x, (1, 1), stride=stride)
    )
    return jax.nn.relu(y + shortcut)


def lenet5(height=32, width=32):
    """LeNet-5's convolutions. VALID keeps the interior law at every output; the output is shorter than a full turn."""

    def fn(params, image):
        x = jc.max_pool(jax.nn.relu(jc.conv(params["c1"], image)), (2, 2))
        return jc.max_pool(jax.nn.relu(jc.conv(params["c3"], x)), (2, 2))

    image = picture(height, width, 1)
    field = field_of((5,), (2, 2), (5,), (2, 2))  # 5, 6, 14, 16 cells: [4j, 4j + 15]
    return fn, ({"c1": kernel(5, 1, 6), "c3": kernel(5, 6, 16)}, image), (H, W), windowed(image, field, cyclic=False)


def wavenet(length=40, channels=4):
    """Causal gated convolutions of two taps, dilated by 1, 2, 4, 8, over a signal: 16 cells, the last of them j."""

    def fn(params, x):
        skips = []
        for layer, dilation in zip(params, (1, 2, 4, 8), strict=True):
            filtered, gate = jnp.split(jc.conv(layer, x, dilation=dilation, padding="CAUSAL"), 2, axis=-1)
            skips.append(jnp.tanh(filtered) * jax.nn.sigmoid(gate))
            x = x + skips[-1]
        return jnp.concatenate(skips, axis=-1)

    image = jax.ShapeDtypeStruct((1, length, channels), jnp.float32)
    params = [kernel(2, channels, 2 * channels, rank=1) for _ in range(4)]
    field = field_of(*[(2, 1, dilation, dilation) for dilation in (1, 2, 4, 8)])
    culprit = Culprit("jaxconv_conv", 'jc.conv(layer, x, dilation=dilation, padding="CAUSAL")')
    return fn, (params, image), (1,), windowed(image, field, cyclic=False, axes=(1,), culprit=culprit)


def unet(height=32, width=32, channels=3):
    """Two levels down by pooling, two up by nearest neighbours, joined by concatenation; the lattice is 4 -> 4.

    With conv and pool as below, the bottom b[q] sees x[4q-7 .. 4q+10]. The output j = 4q + phase sees the bottoms
    b[((j-1)//2 - 1)//2 .. ((j+1)//2 + 1)//2]: (q-1, q), (q-1, q+1), (q-1, q+1), (q, q+1) for phases 0 to 3, that is
    x[j-11 .. j+10], x[j-12 .. j+13], x[j-13 .. j+12], x[j-10 .. j+11], in all [j-13, j+13]. The skips see less.
    So the first output that sees no border is j = 11, of phase 3, and the last is n - 12, of phase 0.
    """

    def fn(params, image):
        block = lambda name, x: jax.nn.relu(jc.conv(params[name], x, padding="CIRCULAR"))
        up = lambda x: jnp.repeat(jnp.repeat(x, 2, axis=H), 2, axis=W)
        fine = block("down0", image)
        coarse = block("down1", jc.max_pool(fine, (2, 2)))
        x = block("bottom", jc.max_pool(coarse, (2, 2)))
        x = block("up1", jnp.concatenate([up(x), coarse], axis=-1))
        return block("up0", jnp.concatenate([up(x), fine], axis=-1))

    c = channels
    sizes = {"down0": (3, c), "down1": (c, 2 * c), "bottom": (2 * c, 4 * c), "up1": (6 * c, 2 * c), "up0": (3 * c, c)}
    image = picture(height, width)
    expect = tuple(
        Expectation(axis, 4, ((axis, 4),), True, (11, image.shape[axis] - 11), Field(1, -13, 13)) for axis in (H, W)
    )
    return fn, ({name: kernel(3, *size) for name, size in sizes.items()}, image), (H, W), expect


def mobilenet(height=32, width=32, channels=4):
    """A strided stem and two depthwise separable layers, the second of them strided."""

    def fn(params, x):
        x = jax.nn.relu6(jc.conv(params["stem"], x, stride=2, padding="CIRCULAR"))
        for layer, stride in zip(params["layers"], (1, 2), strict=True):
            groups = x.shape[-1]
            x = jax.nn.relu6(jc.conv(layer["depthwise"], x, stride=stride, padding="CIRCULAR", groups=groups))
            x = jax.nn.relu6(jc.conv(layer["pointwise"], x))
        return x

    c = channels
    layers = [{"depthwise": kernel(3, i, i, groups=i), "pointwise": kernel(1, i, 2 * i)} for i in (c, 2 * c)]
    image = picture(height, width)
    field = field_of((3, 2, 1), (3, 1, 1), (3, 2, 1))  # [4j - 5, 4j + 5]
    return fn, ({"stem": kernel(3, 3, c), "layers": layers}, image), (H, W), windowed(image, field, cyclic=True)


def densenet(height=24, width=24, growth=4):
    """Three layers that each see all before them, and a transition of 1x1 convolution and average."""

    def fn(params, x):
        for layer in params["layers"]:
            x = jnp.concatenate([x, jc.conv(layer, jax.nn.relu(x), padding="CIRCULAR")], axis=-1)
        return jc.avg_pool(jc.conv(params["transition"], x), (2, 2))

    layers = [kernel(3, 3 + number * growth, growth) for number in range(3)]
    image = picture(height, width)
    field = field_of((3, 1, 1), (3, 1, 1), (3, 1, 1), (2, 2))  # [2j - 3, 2j + 4]
    params = {"layers": layers, "transition": kernel(1, 3 + 3 * growth, growth)}
    return fn, (params, image), (H, W), windowed(image, field, cyclic=True)


def convnext(height=64, width=64, channels=4):
    """A stem of 4x4 patches, a block (7x7 depthwise, layer norm over channels, GELU, layer scale), a step down by 2."""

    def fn(params, image):
        x = layer_norm(params["norm0"], jc.conv(params["stem"], image, stride=4))
        y = jc.conv(params["depthwise"], x, padding="CIRCULAR", groups=x.shape[-1])
        y = jax.nn.gelu(jc.dense(params["widen"], layer_norm(params["norm1"], y)))
        x = x + params["scale"][None, None, None] * jc.dense(params["narrow"], y)
        return jc.conv(params["down"], layer_norm(params["norm2"], x), stride=2)

    c = channels
    params = {"stem": kernel(4, 3, c), "depthwise": kernel(7, c, c, groups=c), "down": kernel(2, c, 2 * c)}
    params |= {"widen": matrix(c, 4 * c), "narrow": matrix(4 * c, c), "scale": weights(c)}
    params |= {f"norm{number}": {"scale": weights(c), "offset": weights(c)} for number in range(3)}
    image = picture(height, width)
    field = field_of((4, 4), (7, 1, 3), (2, 2))  # 4, 28, 32 cells: [8j - 12, 8j + 19]
    return fn, (params, image), (H, W), windowed(image, field, cyclic=True)


def layer_norm(params, x):
    """Each position by itself, over its channels."""
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    scale, offset = (jnp.expand_dims(params[name], range(x.ndim - 1)) for name in ("scale", "offset"))
    return (x - mean) * jax.lax.rsqrt(variance + 1e-6) * scale + offset
