"""Networks of patches: attention, windows of attention, and mixed patches."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from zoo.architecture import Architecture
from zoo.layers import Layer, Params, conv, floats, identity, layer_norm, residual, serial

WIDTH, HEADS = 8, 2
PATCH, PATCHES = 16, 64  # pixels along a patch, and most patches of an image
WINDOW = 4  # patches along a window of attention: the published one has 7


def heads(x: jax.Array) -> tuple[jax.Array, ...]:
    """Queries, keys and values [..., t, heads, c] of x [..., t, 3 * heads * c]."""
    query, key, value = (part.reshape(*part.shape[:-1], HEADS, -1) for part in jnp.split(x, 3, -1))
    return query, key, value


def attend(x: jax.Array) -> jax.Array:
    """Attention over all positions of queries, keys and values [n, h, w, 3c]."""
    query, key, value = heads(x.reshape(len(x), -1, x.shape[-1]))
    return jax.nn.dot_product_attention(query, key, value).reshape(*x.shape[:-1], -1)


def attention(mix=attend) -> Layer:
    """An attention layer, and a dense layer at each position, both residual."""
    lift, project = conv(1, 3 * WIDTH, activation=identity), conv(1, WIDTH, activation=identity)
    own = Layer(
        lambda c: ([lift.init(c)[0], project.init(WIDTH)[0]], WIDTH),
        lambda params, x: project.apply(params[1], mix(lift.apply(params[0], x))),
    )
    mlp = (conv(1, 2 * WIDTH, activation=jax.nn.gelu), project)
    return serial(residual(layer_norm(), own, activation=identity), residual(layer_norm(), *mlp, activation=identity))


def patches(size: int) -> Layer:
    """The features of each patch."""
    return conv(size, WIDTH, stride=size, padding=0, activation=identity)


def positions(params: Params, x: jax.Array) -> jax.Array:
    """Adds a learned number for each position and channel."""
    return x + params[:, : x.shape[1], : x.shape[2]]


def vit() -> Layer:
    """Attention over patches. Each patch has a learned position."""
    own = Layer(lambda c: (floats(1, PATCHES, PATCHES, c), c), positions)
    return serial(patches(PATCH), own, *[attention()] * 12)


def windows(x: jax.Array, shift: int) -> jax.Array:
    """Attention inside disjoint windows, which begin `shift` patches later. Rolled patches do not see each other."""
    n, h, w, c = x.shape
    split = lambda x: x.reshape(n, h // WINDOW, WINDOW, w // WINDOW, WINDOW, -1).swapaxes(2, 3)
    region = jnp.zeros((n, h, w, 1), int)
    if shift:
        x = jnp.roll(x, (-shift, -shift), (1, 2))
        region = region.at[:, -shift:].add(1).at[:, :, -shift:].add(2)
    inside = split(region).reshape(-1, WINDOW**2)
    query, key, value = heads(split(x).reshape(-1, WINDOW**2, c))
    mask = (inside[:, :, None] == inside[:, None])[:, None]
    y = jax.nn.dot_product_attention(query, key, value, mask=mask)
    y = y.reshape(n, h // WINDOW, w // WINDOW, WINDOW, WINDOW, -1).swapaxes(2, 3).reshape(n, h, w, -1)
    return jnp.roll(y, (shift, shift), (1, 2)) if shift else y


def swin(counts: tuple[int, ...] = (2, 2, 6, 2)) -> Layer:
    """Windows of attention, which are shifted by half a window in every second block; steps down by 2."""
    layers: list[Layer] = [patches(4)]
    for stage, count in enumerate(counts):
        layers += [patches(2)] if stage else []
        layers += [attention(lambda x, shift=number % 2 * WINDOW // 2: windows(x, shift)) for number in range(count)]
    return serial(*layers)


def mix(params: Params, x: jax.Array) -> jax.Array:
    """A dense layer over all patches, for each channel. A smaller image has the first patches of a larger one."""
    first, second = (part[: x.shape[1], : x.shape[2]] for part in params)
    y = jnp.einsum("nhwc,hwt->ntc", x, first)
    return jnp.einsum("ntc,hwt->nhwc", jax.nn.gelu(y), second)


def mixer() -> Layer:
    """Dense layers over patches and over channels in turn."""
    hidden = 2 * WIDTH
    own = Layer(lambda c: ([floats(PATCHES, PATCHES, hidden)] * 2, c), mix)
    mlp = (conv(1, hidden, activation=jax.nn.gelu), conv(1, WIDTH, activation=identity))
    block = serial(residual(layer_norm(), own, activation=identity), residual(layer_norm(), *mlp, activation=identity))
    return serial(patches(PATCH), *[block] * 8)


IMAGE = (1, 256, 32, 3)
ARCHITECTURES = (
    Architecture("ViT-B/16", "Dosovitskiy et al., 2021", vit(), IMAGE),
    Architecture("Swin-T", "Liu et al., 2021", swin(), (1, 512, 128, 3)),
    Architecture("MLP-Mixer-S/16", "Tolstikhin et al., 2021", mixer(), IMAGE),
)
