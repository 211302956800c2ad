"""The networks of the training benchmarks, as data. Every library builds them from the same sizes and weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

Weights: TypeAlias = dict[str, np.ndarray]  # "kernel" [*window, c/groups, o] or [c, o], and "bias" [o]


@dataclass(frozen=True)
class Conv:
    """A convolution with a square kernel, `pad` zeros on every side of x, and a bias."""

    window: int
    channels: tuple[int, int]
    stride: int = 1
    pad: int = 0
    groups: int = 1


@dataclass(frozen=True)
class Dense:
    """A dense layer with a bias."""

    features: tuple[int, int]


@dataclass(frozen=True)
class Pool:
    """Pooling over disjoint 2x2 windows: "max" or "average"."""

    kind: str


@dataclass(frozen=True)
class Relu:
    """max(x, 0)."""


@dataclass(frozen=True)
class Flatten:
    """[n, 1, 1, c] to [n, c]."""


@dataclass(frozen=True)
class GlobalAverage:
    """[n, h, w, c] to [n, c]."""


@dataclass(frozen=True)
class Residual:
    """`relu(body(x) + shortcut(x))`; an empty shortcut is the identity."""

    body: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()


Layer: TypeAlias = Conv | Dense | Pool | Relu | Flatten | GlobalAverage | Residual
Network: TypeAlias = tuple[Layer, ...]


def parameters(network: Network) -> Iterator[Conv | Dense]:
    """The layers with weights, in the order of every list of weights: a body before its shortcut."""
    for layer in network:
        if isinstance(layer, Conv | Dense):
            yield layer
        elif isinstance(layer, Residual):
            yield from parameters(layer.body)
            yield from parameters(layer.shortcut)


def weights(network: Network) -> list[Weights]:
    """Kernels of variance 2 / inputs, which preserve the scale of activations through a ReLU, and small biases."""
    generator = np.random.default_rng(0)
    layers = []
    for layer in parameters(network):
        if isinstance(layer, Dense):
            shape = layer.features
        else:
            shape = (layer.window, layer.window, layer.channels[0] // layer.groups, layer.channels[1])
        kernel = generator.normal(size=shape) * math.sqrt(2 / math.prod(shape[:-1]))
        bias = generator.normal(size=shape[-1:]) / 10
        layers.append({"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)})
    return layers


def lenet(kind: str) -> Network:
    """LeNet-5 in its modern form (`jaxconv.training.lenet`), with max or average pooling."""
    stages = [(Conv(5, channels), Relu(), Pool(kind)) for channels in ((1, 6), (6, 16))]
    head = Conv(5, (16, 120)), Relu(), Flatten(), Dense((120, 84)), Relu(), Dense((84, 10))
    return (*stages[0], *stages[1], *head)


def resnet() -> Network:
    """A stem of 16 channels, and a block each of 16, 32 and 64 channels. The later blocks halve the size. No norm."""
    layers: list[Layer] = [Conv(3, (3, 16), pad=1), Relu()]
    for c, o in ((16, 16), (16, 32), (32, 64)):
        stride = o // c
        body = Conv(3, (c, o), stride, pad=1), Relu(), Conv(3, (o, o), pad=1)
        layers.append(Residual(body, (Conv(1, (c, o), stride),) if stride > 1 else ()))
    return (*layers, GlobalAverage(), Dense((64, 10)))


def mobilenet() -> Network:
    """A strided stem and six depthwise-separable blocks, up to 128 channels (Howard et al., MobileNets, 2017)."""
    layers: list[Layer] = [Conv(3, (3, 16), stride=2, pad=1), Relu()]
    for c, o, stride in ((16, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 128, 1)):
        layers += [Conv(3, (c, c), stride, pad=1, groups=c), Relu(), Conv(1, (c, o)), Relu()]
    return (*layers, GlobalAverage(), Dense((128, 10)))


@dataclass(frozen=True)
class Case:
    """A network and the shape [n, h, w, c] of its training images."""

    network: Network
    images: tuple[int, int, int, int]

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Normally distributed images, and labels below 10."""
        generator = np.random.default_rng(1)
        images = generator.normal(size=self.images).astype(np.float32)
        return images, generator.integers(0, 10, self.images[0]).astype(np.int32)


CASES = {
    "LeNet-5, max, batch 1": Case(lenet("max"), (1, 32, 32, 1)),
    "LeNet-5, max, batch 128": Case(lenet("max"), (128, 32, 32, 1)),
    "LeNet-5, average, batch 1": Case(lenet("average"), (1, 32, 32, 1)),
    "LeNet-5, average, batch 128": Case(lenet("average"), (128, 32, 32, 1)),
    "ResNet, batch 32": Case(resnet(), (32, 32, 32, 3)),
    "MobileNet, batch 32": Case(mobilenet(), (32, 32, 32, 3)),
}
