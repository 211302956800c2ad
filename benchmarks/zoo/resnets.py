"""Networks of residual or dense blocks: features, before the global average."""

from __future__ import annotations

from collections.abc import Sequence

import jax

from zoo.architecture import ARAUJO, Architecture, Published, photo
from zoo.layers import Layer, avg_pool, conv, function, identity, joined, max_pool, relu, residual, scale, serial

WIDTH = 4
STEM = (conv(7, WIDTH, stride=2), max_pool(3, 2, padding=1))


def basic(channels: int, stride: int) -> Layer:
    """Two convolutions, and a projection if the block is strided."""
    shortcut = conv(1, channels, stride=stride, activation=identity) if stride > 1 else None
    return residual(conv(3, channels, stride=stride), conv(3, channels, activation=identity), shortcut=shortcut)


def bottleneck(
    channels: int, stride: int, *, taps: int = 3, groups: int = 1, dilation: int = 1, project: bool = False
) -> Layer:
    """A convolution between two pointwise ones, which has the stride."""
    body = (
        conv(1, channels),
        conv(taps, channels, stride=stride, groups=groups, dilation=dilation),
        conv(1, 4 * channels, activation=identity),
    )
    if project:
        return residual(*body, shortcut=conv(1, 4 * channels, stride=stride, activation=identity))
    return residual(*body, shortcut=max_pool(1, stride) if stride > 1 else None)


def resnet(counts: Sequence[int]) -> Layer:
    """Stages of basic blocks. The first block of a stage is strided."""
    blocks = [
        basic(WIDTH * 2**stage, 2 if stage and not number else 1)
        for stage, count in enumerate(counts)
        for number in range(count)
    ]
    return serial(*STEM, *blocks)


def resnet_v1(counts: Sequence[int]) -> Layer:
    """Stages of bottlenecks, as TF-Slim builds them: the last block of a stage is strided, except in the last stage."""
    blocks = [
        bottleneck(WIDTH, 2 if number == count - 1 and stage < 3 else 1, project=stage + number == 0)
        for stage, count in enumerate(counts)
        for number in range(count)
    ]
    return serial(*STEM, *blocks)


def resnext() -> Layer:
    """ResNet-50 with grouped convolutions. The first block of a stage is strided, from the second stage on."""
    blocks = [
        bottleneck(WIDTH, 2 if stage and not number else 1, groups=2, project=number == 0)
        for stage, count in enumerate((3, 4, 6, 3))
        for number in range(count)
    ]
    return serial(*STEM, *blocks)


def bagnet(stages: int) -> Layer:
    """ResNet-50 whose windows are single cells, except in the first block of so many stages. Nothing is padded."""
    strides, layers = (2, 2, 2, 1), [conv(1, WIDTH), conv(3, WIDTH, padding=0)]
    for stage, (count, stride) in enumerate(zip((3, 4, 6, 3), strides, strict=True)):
        taps = 3 if stage < stages else 1
        layers.append(cropped(taps, stride))
        layers += [bottleneck(WIDTH, 1, taps=1)] * (count - 1)
    return serial(*layers)


def cropped(taps: int, stride: int) -> Layer:
    """A bottleneck without padding. The shortcut loses the rows at the end that the body lacks."""
    body = serial(conv(1, WIDTH), conv(taps, WIDTH, stride=stride, padding=0), conv(1, 4 * WIDTH, activation=identity))
    project = conv(1, 4 * WIDTH, stride=stride, activation=identity)

    def apply(params, x: jax.Array) -> jax.Array:
        y, shortcut = body.apply(params[0], x), project.apply(params[1], x)
        return relu(y + shortcut[:, : y.shape[1], : y.shape[2]])

    return Layer(lambda c: ([body.init(c)[0], project.init(c)[0]], 4 * WIDTH), apply)


def densenet(counts: Sequence[int], growth: int = 2) -> Layer:
    """Blocks that add channels to all those before them. Transitions halve the size."""
    before = lambda: (scale(), function(relu))
    grow = serial(*before(), conv(1, 4 * growth), conv(3, growth, activation=identity))
    layers: list[Layer] = [*STEM]
    for stage, count in enumerate(counts):
        if stage:
            layers += [*before(), conv(1, 2 * WIDTH, activation=identity), avg_pool(2)]
        layers += [joined(serial(), grow)] * count
    return serial(*layers)


HE, BRENDEL = "He et al., 2016", "Brendel and Bethge, 2019"
ARCHITECTURES = (
    Architecture("ResNet-18", HE, resnet((2, 2, 2, 2)), photo(640)),
    Architecture("ResNet-34", HE, resnet((3, 4, 6, 3)), photo(1280)),
    Architecture("ResNet-50", HE, resnet_v1((3, 4, 6, 3)), photo(768), published=Published(483, ARAUJO)),
    Architecture("ResNet-101", HE, resnet_v1((3, 4, 23, 3)), photo(1280), published=Published(1027, ARAUJO)),
    Architecture("ResNet-152", HE, resnet_v1((3, 8, 36, 3)), photo(1792), published=Published(1507, ARAUJO)),
    Architecture("ResNeXt-50", "Xie et al., 2017", resnext(), photo(640)),
    Architecture("DenseNet-121", "Huang et al., 2017", densenet((6, 12, 24, 16)), photo(2560)),
    Architecture("BagNet-9", BRENDEL, bagnet(2), photo(64, 48), published=Published(9, BRENDEL)),
    Architecture("BagNet-17", BRENDEL, bagnet(3), photo(64, 48), published=Published(17, BRENDEL)),
    Architecture("BagNet-33", BRENDEL, bagnet(4), photo(96, 48), published=Published(33, BRENDEL)),
)
