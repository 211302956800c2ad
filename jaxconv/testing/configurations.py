"""Configurations of windows, and networks, as data. The strategies draw them."""

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
    """Random integers from -most to most as float32, determined by the shape and the seed.

    >>> small_integers((2, 3), 7).dtype, float(abs(small_integers((9, 9), 7)).max())
    (dtype('float32'), 4.0)
    """
    return np.random.default_rng(seed).integers(-most, most + 1, shape).astype(np.float32)


@dataclass(frozen=True)
class Configuration:
    """The geometry of one layer, with data for it: integers from -4 to 4, so that sums in float32 are exact.

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
        """Number of channel groups; 1 if the layer has none."""
        return self.geometry.get("groups", 1)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The window along each spatial axis."""
        g = self.geometry
        ceil_mode = g.get("ceil_mode", False)
        return slide(self.lengths, self.window, g["stride"], g["padding"], g.get("dilation", 1), ceil_mode=ceil_mode)

    @property
    def out(self) -> tuple[int, ...]:
        """Number of positions along each axis."""
        return tuple(axis.out for axis in self.axes)

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        """[*window, c/groups, o]."""
        return (*self.window, self.channels[0] // self.groups, self.channels[1])

    def integers(self, shape: tuple[int, ...], salt: int = 0) -> np.ndarray:
        """Random integers from -4 to 4 as float32, determined by the configuration and the salt."""
        return small_integers(shape, self.seed, salt)

    def x(self) -> np.ndarray:
        """An input [n, *spatial, c]."""
        return self.integers((self.batch, *self.lengths, self.channels[0]), 1)

    def params(self) -> dict[str, np.ndarray]:
        """A shared kernel [*window, c/groups, o] and a bias [o]."""
        return {"kernel": self.integers(self.kernel_shape, 2), "bias": self.integers(self.channels[1:], 3)}

    def local_params(self, count: tuple[int, ...] | None = None) -> dict[str, np.ndarray]:
        """A kernel and a bias for each position, [*out, ...], or for each of `count` positions along the axes."""
        count = self.out if count is None else count
        kernel = self.integers((*count, *self.kernel_shape), 2)
        return {"kernel": kernel, "bias": self.integers((*count, self.channels[1]), 3)}

    def dy(self, channels: int | None = None) -> np.ndarray:
        """Deltas of an output [n, *out, o]."""
        return self.integers((self.batch, *self.out, channels or self.channels[1]), 4)


@dataclass(frozen=True)
class LayerConfiguration:
    """One layer of a `Network`: "conv", "dense", "max_pool", "avg_pool" or "relu", with its settings."""

    kind: str
    window: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: Padding = "VALID"
    channels: int = 0  # output channels

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
    """A composition of layers, called as `network(params, x)`.

    Values are integers, and multiples of 1/4 or 1/2 after average pooling, so that float32 is exact.

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
        """Product of the strides along each spatial axis: the shift that should move the output by one position."""
        each = [layer.stride for layer in self.layers if layer.stride]
        return tuple(math.prod(stride[axis] for stride in each) for axis in range(len(self.shape) - 2))

    def params(self) -> dict[str, dict[str, np.ndarray]]:
        """Parameters of the layers: integers from -2 to 2."""
        params, channels = {}, self.shape[-1]
        for number, layer in enumerate(self.layers):
            if layer.channels:
                kernel = (*layer.window, channels, layer.channels)
                draw = lambda shape, salt, number=number: small_integers(shape, self.seed, number, salt, most=2)
                params[f"{layer.kind}{number}"] = {"kernel": draw(kernel, 0), "bias": draw((layer.channels,), 1)}
                channels = layer.channels
        return params

    def x(self) -> np.ndarray:
        """An input [n, *spatial, c] of integers from -4 to 4."""
        return small_integers(self.shape, self.seed)

    def __call__(self, params: dict[str, Any], x: ArrayLike) -> Array:
        """[n, *spatial, c] to [n, *out, o]."""
        for number, layer in enumerate(self.layers):
            x = APPLY[layer.kind](params.get(f"{layer.kind}{number}"), x, layer)
        return jax.numpy.asarray(x)


# Kind of layer -> the function that applies it to its parameters and an input.
APPLY: dict[str, Callable[[Any, Any, LayerConfiguration], Array]] = {
    "conv": lambda params, x, layer: conv(params, x, stride=layer.stride, padding=layer.padding),
    "dense": lambda params, x, layer: dense(params, x),
    "max_pool": lambda params, x, layer: max_pool(x, layer.window, stride=layer.stride, padding=layer.padding),
    "avg_pool": lambda params, x, layer: avg_pool(
        x, layer.window, stride=layer.stride, padding=layer.padding, divisor="window"
    ),
    "relu": lambda params, x, layer: jax.nn.relu(x),
}
