"""Networks of depthwise convolutions: features, before the global average."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from zoo.architecture import ARAUJO, Architecture, Published, photo
from zoo.layers import (
    Function,
    Layer,
    avg_pool,
    conv,
    function,
    identity,
    joined,
    layer_norm,
    max_pool,
    relu6,
    residual,
    serial,
    squeeze_excite,
)

WIDTH = 4
GROUPS = 2


def mobilenet_v1() -> Layer:
    """Depthwise separable convolutions, padded as TF-Slim does."""
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    block = lambda stride: serial(
        conv(3, stride=stride, padding="same", activation=relu6), conv(1, WIDTH, activation=relu6)
    )
    return serial(conv(3, WIDTH, stride=2, padding="same", activation=relu6), *map(block, strides))


def inverted(
    taps: int, stride: int, *, excite: bool = False, activation: Function = relu6, first: bool = False
) -> Layer:
    """An inverted bottleneck: more channels, a depthwise convolution, a projection. Residual if size and width stay."""
    body = serial(
        conv(1, 2 * WIDTH, activation=activation),
        conv(taps, stride=stride, activation=activation),
        squeeze_excite(2) if excite else serial(),
        conv(1, WIDTH, activation=identity),
    )
    return body if first or stride > 1 else residual(body, activation=identity)


def stages(rows: Sequence[tuple[int, int, int]], activation: Function = relu6, excite: Sequence[int] = ()) -> Layer:
    """A strided stem, and stages of (blocks, window, stride of the first block). Those of `excite` have its factors."""
    blocks = [
        inverted(taps, 1 if number else stride, excite=stage in excite, activation=activation, first=not number)
        for stage, (count, taps, stride) in enumerate(rows)
        for number in range(count)
    ]
    return serial(conv(3, WIDTH, stride=2, activation=activation), *blocks, conv(1, 2 * WIDTH, activation=activation))


MOBILENET_V2 = ((1, 3, 1), (2, 3, 2), (3, 3, 2), (4, 3, 2), (3, 3, 1), (3, 3, 2), (1, 3, 1))
MOBILENET_V3 = ((1, 3, 1), (2, 3, 2), (3, 5, 2), (4, 3, 2), (2, 3, 1), (3, 5, 2))  # the large one
EFFICIENTNET = ((1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2), (3, 5, 1), (4, 5, 2), (1, 3, 1))  # B0


def shuffled(x: jax.Array) -> jax.Array:
    """The channels of the groups, one of each in turn."""
    parts = x.reshape(*x.shape[:-1], GROUPS, -1)
    return jnp.swapaxes(parts, -1, -2).reshape(x.shape)


def shuffle_unit(stride: int) -> Layer:
    """Grouped pointwise convolutions around a depthwise one. A strided unit joins the mean of its input."""
    body = (
        conv(1, 2 * WIDTH, groups=GROUPS),
        function(shuffled),
        conv(3, stride=stride, activation=identity),
        conv(1, 2 * WIDTH, groups=GROUPS, activation=identity),
    )
    if stride == 1:
        return residual(*body)
    return serial(joined(avg_pool(3, 2, padding=1), serial(*body)), conv(1, 2 * WIDTH))


def shufflenet() -> Layer:
    """Three stages, of 4, 8 and 4 units."""
    units = [shuffle_unit(1 if number else 2) for count in (4, 8, 4) for number in range(count)]
    return serial(conv(3, 2 * WIDTH, stride=2), max_pool(3, 2, padding=1), *units)


def convnext(counts: Sequence[int] = (3, 3, 9, 3)) -> Layer:
    """A stem of patches, and blocks of a depthwise 7x7 convolution and two pointwise ones; steps down by 2."""
    block = residual(
        conv(7, activation=identity),
        layer_norm(),
        conv(1, 4 * WIDTH, activation=jax.nn.gelu),
        conv(1, WIDTH, activation=identity),
        activation=identity,
    )
    layers: list[Layer] = [conv(4, WIDTH, stride=4, padding=0, activation=identity), layer_norm()]
    for stage, count in enumerate(counts):
        if stage:
            layers += [layer_norm(), conv(2, WIDTH, stride=2, padding=0, activation=identity)]
        layers += [block] * count
    return serial(*layers)


TAN, HOWARD = "Tan and Le, 2019", "Howard et al., 2019"
ARCHITECTURES = (
    Architecture("MobileNetV1", "Howard et al., 2017", mobilenet_v1(), photo(512), published=Published(315, ARAUJO)),
    Architecture("MobileNetV2", "Sandler et al., 2018", stages(MOBILENET_V2), photo(768)),
    Architecture("MobileNetV3-Large", HOWARD, stages(MOBILENET_V3, jax.nn.hard_swish, (2, 4, 5)), photo(768)),
    Architecture("EfficientNet-B0", TAN, stages(EFFICIENTNET, jax.nn.silu, range(7)), photo(1280)),
    Architecture("EfficientNet-B0 without squeeze-and-excite", TAN, stages(EFFICIENTNET), photo(1280)),
    Architecture("ShuffleNet", "Zhang et al., 2018", shufflenet(), photo(768)),
    Architecture("ConvNeXt-T", "Liu et al., 2022", convnext(), photo(2048)),
)
