"""Small networks that show one thing each."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp

import jaxconv as jc
from support.networks.arguments import kernel, matrix, picture
from support.networks.expectation import Culprit, H, W, field_of, unbounded, windowed


def small_cnn(height=48, width=48, channels=4, padding="CIRCULAR"):
    """Three times convolution, ReLU and pooling."""

    def fn(params, x):
        for layer in params:
            x = jax.nn.relu(jc.conv(layer, x, padding=padding))
            x = jc.max_pool(x, (2, 2))
        return x

    image = picture(height, width)
    params = [kernel(3, 3, channels), kernel(3, channels, channels), kernel(3, channels, channels)]
    field = field_of(*[(3, 1, 1), (2, 2)] * 3)  # 3, 4; 8, 10; 18, 22 cells: [8j - 7, 8j + 14]
    cyclic = padding == "CIRCULAR"
    culprit = None if cyclic else Culprit("jaxconv_conv", "jc.conv(layer, x, padding=padding)")
    return fn, (params, image), (H, W), windowed(image, field, cyclic=cyclic, culprit=culprit)


def dilated(height=24, width=24, channels=4):
    """Dilations 1, 2 and 4, with a residual sum: 1 + 2 * (1 + 2 + 4) = 15 cells, and no stride."""

    def fn(params, x):
        x = jc.conv(params["stem"], x)
        for layer, dilation in zip(params["layers"], (1, 2, 4), strict=True):
            x = x + jax.nn.silu(jc.conv(layer, x, dilation=dilation, padding="CIRCULAR"))
        return x

    params = {"stem": kernel(1, 3, channels), "layers": [kernel(3, channels, channels) for _ in range(3)]}
    image = picture(height, width)
    field = field_of(*[(3, 1, dilation, dilation) for dilation in (1, 2, 4)])
    return fn, (params, image), (H, W), windowed(image, field, cyclic=True)


def squeeze_excite(height=12, width=12, channels=8):
    """Features gated by their global mean, and the gate itself, which no shift changes."""

    def fn(params, image):
        x = jax.nn.relu(jc.conv(params["conv"], image, padding="CIRCULAR"))
        hidden = jax.nn.relu(jc.dense(params["squeeze"], jc.global_avg_pool(x)))
        gate = jax.nn.sigmoid(jc.dense(params["excite"], hidden))
        return x * gate[:, None, None, :], gate

    c = channels
    params = {"conv": kernel(3, 3, c), "squeeze": matrix(c, c // 4), "excite": matrix(c // 4, c)}
    expect = unbounded(shift=1, cyclic=True) + unbounded(shift=1, cyclic=True, moves=False, leaf=1)
    return fn, (params, picture(height, width)), (H, W), expect


def flatten_head(height=8, width=8, channels=4):
    """A circular convolution under a dense layer over all positions, each with weights of its own."""

    def fn(params, image):
        x = jax.nn.relu(jc.conv(params["conv"], image, padding="CIRCULAR"))
        return jc.dense(params["head"], x.reshape(x.shape[0], -1))

    params = {"conv": kernel(3, 3, channels), "head": matrix(height * width * channels, 10)}
    culprit = Culprit("reshape", 'jc.dense(params["head"]')
    expect = unbounded(shift=1, cyclic=False, moves=False, culprit=culprit)
    return fn, (params, picture(height, width)), (H, W), expect


def coord_conv(height=12, width=12, channels=4):
    """A circular convolution that is told where it stands, by two channels of coordinates."""

    def fn(params, image):
        n, h, w, _ = image.shape
        grid = jnp.meshgrid(jnp.linspace(-1.0, 1.0, h), jnp.linspace(-1.0, 1.0, w), indexing="ij")
        coordinates = jnp.broadcast_to(jnp.stack(grid, axis=-1)[None], (n, h, w, 2))
        x = jnp.concatenate([image, coordinates], axis=-1)
        return jc.conv(params, x, padding="CIRCULAR")

    image = picture(height, width)
    culprit = Culprit("concatenate", "jnp.concatenate([image, coordinates]")
    expect = windowed(image, field_of((3, 1, 1)), cyclic=False, culprit=culprit)
    return fn, (kernel(3, 5, channels), image), (H, W), tuple(replace(row, region=None) for row in expect)
