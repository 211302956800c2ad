"""Layers as pairs of functions, from which the networks of the zoo are composed.

A batch norm in evaluation is a scale and an offset of each channel. Where it follows a convolution, the convolution's
own kernel and bias contain it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

import jaxconv as jc

Params: TypeAlias = Any
Function: TypeAlias = Callable[[jax.Array], jax.Array]
Padding: TypeAlias = Any  # any padding of `jc.conv`, a number of zeros at every end, or None: zeros around the window


@dataclass(frozen=True)
class Layer:
    """A layer, which does not know how many channels its input has.

    Attributes:
        init: returns the parameters, as shapes, and the number of channels of the output from that of the input.
        apply: computes the output from parameters and input, both with channels last.
    """

    init: Callable[[int], tuple[Params, int]]
    apply: Callable[[Params, jax.Array], jax.Array]


def floats(*shape: int) -> jax.ShapeDtypeStruct:
    """The shape of a float32 array."""
    return jax.ShapeDtypeStruct(shape, "float32")


def function(fn: Function) -> Layer:
    """A function without parameters, which preserves the number of channels."""
    return Layer(lambda channels: (None, channels), lambda _, x: fn(x))


relu, relu6 = jax.nn.relu, jax.nn.relu6
identity = lambda x: x


def conv(
    window: int | Sequence[int],
    channels: int | None = None,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    padding: Padding = None,
    activation: Function = relu,
) -> Layer:
    """A convolution and an activation. Without `channels` it is depthwise; an integer is a square window."""
    window = (window, window) if isinstance(window, int) else tuple(window)
    if padding is None:
        padding = [((taps - 1) * dilation // 2, taps // 2 * dilation) for taps in window]
    elif isinstance(padding, int):
        padding = [(padding, padding)] * len(window)

    def init(channels_in: int) -> tuple[Params, int]:
        out, parts = (channels_in, channels_in) if channels is None else (channels, groups)
        return {"kernel": floats(*window, channels_in // parts, out), "bias": floats(out)}, out

    def apply(params: Params, x: jax.Array) -> jax.Array:
        parts = x.shape[-1] if channels is None else groups
        return activation(jc.conv(params, x, stride=stride, padding=padding, dilation=dilation, groups=parts))

    return Layer(init, apply)


def up(window: Sequence[int], channels: int, *, stride: int, padding: Padding = "valid") -> Layer:
    """A transposed convolution, whose output is `stride` times as large as its input."""

    def apply(params: Params, x: jax.Array) -> jax.Array:
        shape = [stride * size for size in x.shape[1:-1]]
        return jc.conv_transpose(params, x, stride=stride, padding=padding, output_shape=shape)

    # `conv_transpose` takes the kernel of the convolution whose adjoint it is.
    return Layer(lambda c: ({"kernel": floats(*window, channels, c), "bias": floats(channels)}, channels), apply)


def max_pool(window: int, stride: int | None = None, padding: Padding = 0) -> Layer:
    """The maximum of each square window. By default windows are disjoint."""
    padding = [(padding, padding)] * 2 if isinstance(padding, int) else padding
    return function(lambda x: jc.max_pool(x, (window, window), stride=stride, padding=padding))


def avg_pool(window: int, stride: int | None = None, padding: Padding = 0) -> Layer:
    """The mean of the cells of each square window, without padding. By default windows are disjoint."""
    padding = [(padding, padding)] * 2 if isinstance(padding, int) else padding
    return function(lambda x: jc.avg_pool(x, (window, window), stride=stride, padding=padding, divisor="inside"))


def per_channel(x: jax.Array, numbers: jax.Array) -> jax.Array:
    """Numbers [c], to be combined with x [..., c]."""
    return jnp.broadcast_to(numbers, x.shape)


def scale() -> Layer:
    """A batch norm in evaluation that no convolution contains: a scale and an offset of each channel."""
    return Layer(
        lambda c: ({"scale": floats(c), "bias": floats(c)}, c),
        lambda params, x: x * per_channel(x, params["scale"]) + per_channel(x, params["bias"]),
    )


def layer_norm() -> Layer:
    """Normalises the channels of each position."""
    own = scale()
    return Layer(own.init, lambda params, x: own.apply(params, jax.nn.standardize(x, -1)))


def serial(*layers: Layer) -> Layer:
    """One layer after the other. Without layers it is the identity."""

    def init(channels: int) -> tuple[Params, int]:
        params: list[Params] = []
        for layer in layers:
            own, channels = layer.init(channels)
            params.append(own)
        return params, channels

    def apply(params: Params, x: jax.Array) -> jax.Array:
        for layer, own in zip(layers, params, strict=True):
            x = layer.apply(own, x)
        return x

    return Layer(init, apply)


def added(*layers: Layer) -> Layer:
    """The sum of layers of the same input."""

    def init(channels: int) -> tuple[Params, int]:
        params, outs = zip(*(layer.init(channels) for layer in layers), strict=True)
        return list(params), outs[0]

    def apply(params: Params, x: jax.Array) -> jax.Array:
        return reduce(operator.add, (layer.apply(own, x) for layer, own in zip(layers, params, strict=True)))

    return Layer(init, apply)


def joined(*layers: Layer) -> Layer:
    """The channels of layers of the same input, one after the other."""

    def init(channels: int) -> tuple[Params, int]:
        params, outs = zip(*(layer.init(channels) for layer in layers), strict=True)
        return list(params), sum(outs)

    def apply(params: Params, x: jax.Array) -> jax.Array:
        return jnp.concatenate([layer.apply(own, x) for layer, own in zip(layers, params, strict=True)], -1)

    return Layer(init, apply)


def residual(*body: Layer, shortcut: Layer | None = None, activation: Function = relu) -> Layer:
    """The activation of the sum of a body and a shortcut, which is the identity by default."""
    return serial(added(serial(*body), shortcut or serial()), function(activation))


def squeeze_excite(channels: int, gate: Function = jax.nn.sigmoid) -> Layer:
    """A factor for each channel, computed from the mean of all positions (Hu et al., 2018)."""
    down, expand = conv(1, channels), lambda c: conv(1, c, activation=gate)

    def init(c: int) -> tuple[Params, int]:
        return [down.init(c)[0], expand(c).init(channels)[0]], c

    def apply(params: Params, x: jax.Array) -> jax.Array:
        mean = x.mean((1, 2), keepdims=True)
        factors = expand(x.shape[-1]).apply(params[1], down.apply(params[0], mean))
        return x * jnp.broadcast_to(factors, x.shape)

    return Layer(init, apply)
