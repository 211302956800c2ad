"""Networks of signals."""

from __future__ import annotations

import jax
import jax.numpy as jnp

import jaxconv as jc
from zoo.architecture import Architecture, Published
from zoo.layers import Layer, Params, conv, floats, residual, serial

WIDTH = 4
DILATIONS = tuple(2**power for power in range(10))  # of one block: 1 to 512


def wavenet_params() -> Params:
    """A convolution for each dilation. The first one reads the signal."""
    channels = [1, *[WIDTH] * (len(DILATIONS) - 1)]
    return [{"kernel": floats(2, c, 2 * WIDTH), "bias": floats(2 * WIDTH)} for c in channels]


def wavenet(params: Params, x: jax.Array) -> jax.Array:
    """One block: causal gated convolutions of growing dilation, with residual and skip connections."""
    skips: list[jax.Array] = []
    for layer, dilation in zip(params, DILATIONS, strict=True):
        filtered, gate = jnp.split(jc.conv(layer, x, padding="causal", dilation=dilation), 2, -1)
        skips.append(jnp.tanh(filtered) * jax.nn.sigmoid(gate))
        x = jnp.broadcast_to(x, skips[-1].shape) + skips[-1]
    return jax.nn.relu(sum(skips[1:], skips[0]))


def tcn(levels: int = 6) -> Layer:
    """Residual blocks of two causal convolutions of three taps, whose dilation doubles."""
    layer = lambda level: conv((3,), WIDTH, dilation=2**level, padding="causal")
    project = conv((1,), WIDTH)
    return serial(project, *(residual(layer(level), layer(level)) for level in range(levels)))


OORD = "van den Oord et al., 2016"
ARCHITECTURES = (
    Architecture("WaveNet, one block", OORD, wavenet, (1, 2048, 1), wavenet_params, Published(1024, OORD)),
    Architecture("TCN", "Bai et al., 2018", tcn(), (1, 512, 1)),
)
