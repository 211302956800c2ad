"""Networks of signals."""

from __future__ import annotations

import jax
import jax.numpy as jnp

import jaxconv as jc
from zoo.architecture import Architecture, Params, convolutions

WIDTH = 4
DILATIONS = (1, 2, 4, 8, 16)


def init_wavenet(key: jax.Array) -> Params:
    """A causal stem, and a gate for each dilation."""
    stem, gates = jax.random.split(key)
    sizes = [(2, WIDTH, 2 * WIDTH)] * len(DILATIONS)
    return {
        "stem": convolutions(stem, (2, 1, WIDTH), rank=1)[0],
        "gates": convolutions(gates, *sizes, rank=1),
    }


def wavenet(params: Params, x: jax.Array) -> jax.Array:
    """Causal gated convolutions of growing dilation, with residual and skip connections."""
    x = jc.conv(params["stem"], x, padding="causal")
    skips = jnp.zeros_like(x)
    for layer, dilation in zip(params["gates"], DILATIONS, strict=True):
        filtered, gate = jnp.split(jc.conv(layer, x, padding="causal", dilation=dilation), 2, -1)
        gated = jnp.tanh(filtered) * jax.nn.sigmoid(gate)
        x, skips = x + gated, skips + gated
    return jax.nn.relu(skips)


ARCHITECTURES = (Architecture("WaveNet", "van den Oord et al., 2016", init_wavenet, wavenet, (1, 256, 1), 128),)
