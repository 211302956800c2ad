"""Networks of plain convolutions and of Inception blocks: features, before the global average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.architecture import ARAUJO, LONG, Architecture, Published, photo
from zoo.layers import Layer, avg_pool, conv, identity, joined, max_pool, serial

WIDTH = 4
WIDE = 2 * WIDTH


def alexnet() -> Layer:
    """The version of one column (Krizhevsky, 2014), as TF-Slim builds it: only three layers are padded."""
    return serial(
        conv(11, WIDTH, stride=4, padding=0),
        max_pool(3, 2),
        conv(5, WIDTH),
        max_pool(3, 2),
        *[conv(3, WIDTH)] * 3,
        max_pool(3, 2),
    )


def vgg(counts: Sequence[int]) -> Layer:
    """Blocks of 3x3 convolutions, and a pool behind each."""
    return serial(*(serial(*[conv(3, WIDTH)] * count, max_pool(2)) for count in counts))


def fire(squeeze: int) -> Layer:
    """A pointwise convolution to few channels, then pointwise and 3x3 convolutions beside each other."""
    return serial(conv(1, squeeze), joined(conv(1, WIDE), conv(3, WIDE)))


def squeezenet() -> Layer:
    """Version 1.0, whose pools are not padded."""
    blocks = lambda count: [fire(WIDTH)] * count
    return serial(
        conv(7, WIDE, stride=2, padding=0),
        max_pool(3, 2),
        *blocks(3),
        max_pool(3, 2),
        *blocks(4),
        max_pool(3, 2),
        fire(WIDTH),
    )


def inception(*branches: Layer, pool: Layer | None = None) -> Layer:
    """A pointwise convolution, other branches, and a pool beside each other."""
    pooled = serial(pool or max_pool(3, 1, padding=1), conv(1, WIDTH))
    return joined(conv(1, WIDTH), *branches, pooled)


def branch(*windows: int | tuple[int, int], stride: int = 1, padding: int | None = None) -> Layer:
    """A pointwise convolution, then convolutions of these windows; the last one is strided and padded."""
    *before, last = windows
    return serial(
        conv(1, WIDTH), *(conv(window, WIDTH) for window in before), conv(last, WIDTH, stride=stride, padding=padding)
    )


def googlenet() -> Layer:
    """The nine blocks of GoogLeNet."""
    block = inception(branch(3), branch(5))
    return serial(
        conv(7, WIDTH, stride=2),
        max_pool(3, 2, padding=1),
        conv(1, WIDTH),
        conv(3, WIDTH),
        max_pool(3, 2, padding=1),
        *[block] * 2,
        max_pool(3, 2, padding=1),
        *[block] * 5,
        max_pool(3, 2, padding=1),
        *[block] * 2,
    )


def inception_v2() -> Layer:
    """Two 3x3 convolutions in the place of 5x5, and strided blocks in the place of pools (Ioffe and Szegedy, 2015)."""
    block = inception(branch(3), branch(3, 3))
    strided = joined(branch(3, stride=2), branch(3, 3, stride=2), max_pool(3, 2, padding=1))
    stem = (conv(7, WIDTH, stride=2), max_pool(3, 2, padding=1), conv(1, WIDTH), conv(3, WIDTH))
    return serial(*stem, max_pool(3, 2, padding=1), *[block] * 2, strided, *[block] * 4, strided, *[block] * 2)


def inception_v3() -> Layer:
    """Windows of one row or one column. The stem and the strided blocks are not padded."""
    mean = avg_pool(3, 1, padding=1)
    first = inception(branch(5), branch(3, 3), pool=mean)
    rows, columns = (7, 1), (1, 7)
    middle = inception(branch(columns, rows), branch(rows, columns, rows, columns), pool=mean)
    split = joined(conv((1, 3), WIDTH), conv((3, 1), WIDTH))
    last = inception(serial(branch(1), split), serial(branch(3), split), pool=mean)
    cut: dict[str, Any] = {"stride": 2, "padding": 0}
    return serial(
        conv(3, WIDTH, **cut),
        conv(3, WIDTH, padding=0),
        conv(3, WIDTH),
        max_pool(3, 2),
        conv(1, WIDTH),
        conv(3, WIDTH, padding=0),
        max_pool(3, 2),
        *[first] * 3,
        joined(conv(3, WIDTH, **cut), branch(3, 3, **cut), max_pool(3, 2)),
        *[middle] * 4,
        joined(branch(3, **cut), branch(columns, rows, 3, **cut), max_pool(3, 2)),
        *[last] * 2,
    )


def scores(features: Layer, window: int, classes: int = 2) -> Layer:
    """A fully convolutional network's scores: the dense layers of a classifier as convolutions."""
    return serial(features, conv(window, WIDE, padding=0), conv(1, classes, activation=identity))


SIMONYAN, SHELHAMER = "Simonyan and Zisserman, 2015", "Long et al., 2015"
VGG16 = (2, 2, 3, 3, 3)
ARCHITECTURES = (
    Architecture("AlexNet", "Krizhevsky, 2014", alexnet(), photo(416, 96), published=Published(195, ARAUJO)),
    Architecture("VGG-11", SIMONYAN, vgg((1, 1, 2, 2, 2)), photo(256)),
    Architecture("VGG-16", SIMONYAN, vgg(VGG16), photo(384), published=Published(212, ARAUJO)),
    Architecture(
        "FCN-AlexNet, scores", SHELHAMER, scores(alexnet(), 6), photo(608, 256), published=Published(355, LONG)
    ),
    Architecture(
        "FCN-VGG16, scores", SHELHAMER, scores(vgg(VGG16), 7), photo(640, 224), published=Published(404, LONG)
    ),
    Architecture("SqueezeNet", "Iandola et al., 2016", squeezenet(), photo(416, 96)),
    Architecture("GoogLeNet", "Szegedy et al., 2015", googlenet(), photo(1024)),
    Architecture(
        "FCN-GoogLeNet, scores",
        SHELHAMER,
        serial(googlenet(), avg_pool(7, 1), conv(1, 2, activation=identity)),
        photo(1280, 224),
        published=Published(907, LONG),
    ),
    Architecture(
        "Inception-v2", "Ioffe and Szegedy, 2015", inception_v2(), photo(1024), published=Published(699, ARAUJO)
    ),
    Architecture(
        "Inception-v3", "Szegedy et al., 2016", inception_v3(), photo(1664, 96), published=Published(1311, ARAUJO)
    ),
)
