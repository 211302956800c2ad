"""Configurations of windows, and whole networks, as data: what the strategies draw."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxconv.layers.conv import conv
from jaxconv.layers.dense import dense
from jaxconv.layers.pool import avg_pool, max_pool
from jaxconv.window import Axis, Padding, slide


def small_integers(shape: tuple[int, ...], *seed: int, most: int = 4) -> np.ndarray:
    """Whole numbers from -most to most as float32, the same for the same shape and seed.

    >>> small_integers((2, 3), 7).dtype, float(abs(small_integers((9, 9), 7)).max())
    (dtype('float32'), 4.0)
    """
    return np.random.default_rng(seed).integers(-most, most + 1, shape).astype(np.float32)


@dataclass(frozen=True)
class Configuration:
    """One layer's geometry with data for it: whole numbers from -4 to 4, so that sums in float32 are exact.

    `layer(params, x, **configuration.geometry)` takes `params()` and `x()`; see `strategies.conv_configurations`.
    """

    lengths: tuple[int, ...]
    window: tuple[int, ...]
    geometry: dict[str, Any]
    channels: tuple[int, int]
    batch: int
    seed: int

    @property
    def groups(self) -> int:
        """Groups of channels, 1 where the layer has none."""
        return self.geometry.get("groups", 1)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The window along each axis."""
        g = self.geometry
        ceil_mode = g.get("ceil_mode", False)
        return slide(
            "configuration",
            self.lengths,
            self.window,
            g["stride"],
            g["padding"],
            g.get("dilation", 1),
            ceil_mode=ceil_mode,
        )

    @property
    def out(self) -> tuple[int, ...]:
        """Positions along each axis."""
        return tuple(axis.out for axis in self.axes)

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        """[*window, c/groups, o]."""
        return (*self.window, self.channels[0] // self.groups, self.channels[1])

    def integers(self, shape: tuple[int, ...], salt: int = 0) -> np.ndarray:
        """Small whole numbers of both signs as float32, the same for the same configuration and salt."""
        return small_integers(shape, self.seed, salt)

    def x(self) -> np.ndarray:
        """An input [n, *spatial, c]."""
        return self.integers((self.batch, *self.lengths, self.channels[0]), 1)

    def params(self) -> dict[str, np.ndarray]:
        """A shared kernel [*window, c/groups, o] and a bias [o]."""
        return {"kernel": self.integers(self.kernel_shape, 2), "bias": self.integers(self.channels[1:], 3)}

    def local_params(self, count: tuple[int, ...] | None = None) -> dict[str, np.ndarray]:
        """A kernel and a bias for each position, [*out, ...]; or another number of them along each axis."""
        count = self.out if count is None else count
        kernel = self.integers((*count, *self.kernel_shape), 2)
        return {"kernel": kernel, "bias": self.integers((*count, self.channels[1]), 3)}

    def dy(self, channels: int | None = None) -> np.ndarray:
        """Deltas of an output [n, *out, o]."""
        return self.integers((self.batch, *self.out, channels or self.channels[1]), 4)


@dataclass(frozen=True)
class LayerConfiguration:
    """One layer of a `Network`: "conv", "dense", "max_pool", "avg_pool" or "relu", and its settings."""

    kind: str
    window: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: Padding = "VALID"
    channels: int = 0  # out

    def __str__(self) -> str:
        settings = [f"{self.kind}"]
        if self.window:
            settings.append("x".join(map(str, self.window)))
        if self.channels:
            settings.append(f"-> {self.channels}")
        if any(stride > 1 for stride in self.stride):
            settings.append(f"stride {'x'.join(map(str, self.stride))}")
        return " ".join([*settings, f"{self.padding}"] if self.window else settings)


@dataclass(frozen=True)
class Network:
    """A composition of layers: call it as `network(params, x)`.

    Values are whole numbers, and halves and quarters behind average pooling: float32 computes with them exactly.

    >>> layers = LayerConfiguration("conv", (3,), (2,), "CIRCULAR", 3), LayerConfiguration("relu")
    >>> network = Network(layers, shape=(1, 8, 2), seed=0)
    >>> str(network), network.strides, network(network.params(), network.x()).shape
    ('conv 3 -> 3 stride 2 CIRCULAR > relu', (2,), (1, 4, 3))
    """

    layers: tuple[LayerConfiguration, ...]
    shape: tuple[int, ...]  # of the input [n, *spatial, c]
    seed: int

    def __str__(self) -> str:
        return " > ".join(map(str, self.layers))

    @property
    def strides(self) -> tuple[int, ...]:
        """Along each spatial axis the product of the strides: the shift that should move the output by one."""
        each = [layer.stride for layer in self.layers if layer.stride]
        return tuple(math.prod(stride[axis] for stride in each) for axis in range(len(self.shape) - 2))

    def params(self) -> dict[str, dict[str, np.ndarray]]:
        """Parameters of the layers that have some: whole numbers from -2 to 2."""
        found, channels = {}, self.shape[-1]
        for number, layer in enumerate(self.layers):
            if layer.channels:
                kernel = (*layer.window, channels, layer.channels)
                draw = lambda shape, salt, number=number: small_integers(shape, self.seed, number, salt, most=2)
                found[f"{layer.kind}{number}"] = {"kernel": draw(kernel, 0), "bias": draw((layer.channels,), 1)}
                channels = layer.channels
        return found

    def x(self) -> np.ndarray:
        """An input [n, *spatial, c]: whole numbers from -4 to 4."""
        return small_integers(self.shape, self.seed)

    def __call__(self, params: dict[str, Any], x: ArrayLike) -> Array:
        """[n, *spatial, c] to [n, *out, o]."""
        for number, layer in enumerate(self.layers):
            x = APPLY[layer.kind](params.get(f"{layer.kind}{number}"), x, layer)
        return jax.numpy.asarray(x)


# How each kind of layer is applied to its parameters and an input.
APPLY: dict[str, Callable[[Any, Any, LayerConfiguration], Array]] = {
    "conv": lambda params, x, layer: conv(params, x, stride=layer.stride, padding=layer.padding),
    "dense": lambda params, x, layer: dense(params, x),
    "max_pool": lambda params, x, layer: max_pool(x, layer.window, stride=layer.stride, padding=layer.padding),
    "avg_pool": lambda params, x, layer: avg_pool(
        x, layer.window, stride=layer.stride, padding=layer.padding, divisor="window"
    ),
    "relu": lambda params, x, layer: jax.nn.relu(x),
}
