"""Fourier neural operators and transformers: every output sees every input."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import jaxconv as jc
from support.networks.arguments import kernel, matrix, picture, weights
from support.networks.expectation import Culprit, Expectation, H, W, unbounded
from support.networks.published import layer_norm


def fno(height=16, width=16, channels=4, modes=4):
    """A Fourier layer: low modes times weights (low and negative ones along h), the rest zero, and a 1x1 bypass.

    A shift multiplies each mode by a phase; weights and truncation commute with it. What irfft ignores, the imaginary
    part of mode 0 along w, it ignores before the shift and after it, for there the phase is 1.
    """

    def fn(params, x):
        modes_of_x = jnp.fft.rfft2(x, axes=(H, W))[:, :, :modes]
        low, high = modes_of_x[:, :modes], modes_of_x[:, -modes:]
        low = jnp.einsum("nhwc,hwco->nhwo", low, params["low"])
        high = jnp.einsum("nhwc,hwco->nhwo", high, params["high"])
        n, h, w, _ = x.shape
        middle = jnp.zeros((n, h - 2 * modes, modes, low.shape[-1]), low.dtype)
        spectrum = jnp.concatenate([low, middle, high], axis=H)
        spectrum = jnp.pad(spectrum, ((0, 0), (0, 0), (0, w // 2 + 1 - modes), (0, 0)))
        return jax.nn.gelu(jnp.fft.irfft2(spectrum, s=(h, w), axes=(H, W)) + jc.conv(params["bypass"], x))

    c = channels
    spectral = {name: weights(modes, modes, c, c, dtype=jnp.complex64) for name in ("low", "high")}
    params = spectral | {"bypass": kernel(1, c, c)}
    return fn, (params, picture(height, width, c)), (H, W), unbounded(shift=1, cyclic=True)


def fno_1d(length=32, channels=4, modes=6):
    """The same along one axis, the low modes written into zeros as published code does it."""

    def fn(params, x):
        low = jnp.fft.rfft(x, axis=1)[:, :modes]
        spectrum = jnp.zeros((x.shape[0], x.shape[1] // 2 + 1, x.shape[2]), low.dtype)
        spectrum = spectrum.at[:, :modes].set(jnp.einsum("nkc,kco->nko", low, params))
        return jnp.fft.irfft(spectrum, n=x.shape[1], axis=1)

    image = jax.ShapeDtypeStruct((1, length, channels), jnp.float32)
    params = weights(modes, channels, channels, dtype=jnp.complex64)
    return fn, (params, image), (1,), unbounded(shift=1, cyclic=True, axes=(1,))


def vit(height=16, width=12, channels=8, patch=4, depth=2, output="grid", positions=False):
    """A transformer over patches. Attention among all tokens commutes with any permutation of them, and a shift by a
    patch is one, along h or along w: the grid of tokens moves by one and their mean stays. Position embeddings break it.
    """

    def fn(params, image):
        patches = jc.conv(params["patch"], image, stride=patch)
        tokens = patches.reshape(patches.shape[0], -1, patches.shape[-1])
        if positions:
            tokens = tokens + params["positions"][None]
        for block in params["blocks"]:
            tokens = tokens + attention(block, layer_norm(block["norm0"], tokens))
            hidden = jax.nn.gelu(jc.dense(block["widen"], layer_norm(block["norm1"], tokens)))
            tokens = tokens + jc.dense(block["narrow"], hidden)
        return tokens.reshape(patches.shape) if output == "grid" else tokens.mean(axis=1)

    c = channels
    dense = {"qkv": (c, 3 * c), "out": (c, c), "widen": (c, 4 * c), "narrow": (4 * c, c)}
    norms = {f"norm{number}": {"scale": weights(c), "offset": weights(c)} for number in range(2)}
    blocks = [{name: matrix(*size) for name, size in dense.items()} | norms for _ in range(depth)]
    params = {"patch": kernel(patch, 3, c), "blocks": blocks}
    if positions:
        params["positions"] = weights(height // patch * (width // patch), c)
    culprit = Culprit("add", 'tokens + params["positions"]') if positions else None
    expect = unbounded(shift=patch, cyclic=not positions, moves=output == "grid", culprit=culprit)
    return fn, (params, picture(height, width)), (H, W), expect


def attention(params, tokens, heads=2):
    """Multi-head self-attention over [n, t, c]."""
    n, count, channels = tokens.shape
    split = jc.dense(params["qkv"], tokens).reshape(n, count, 3, heads, channels // heads)
    query, key, value = (split[:, :, number] for number in range(3))
    scores = jnp.einsum("nqhc,nkhc->nhqk", query, key) / np.float32(np.sqrt(channels // heads))
    mixed = jnp.einsum("nhqk,nkhc->nqhc", jax.nn.softmax(scores, axis=-1), value)
    return jc.dense(params["out"], mixed.reshape(n, count, channels))


def attention_map(length=12, channels=4):
    """Who attends to whom: both axes of the map move together."""

    def fn(params, tokens):
        query, key = (
            jnp.einsum("nqc,co->nqo", tokens, params["query"]),
            jnp.einsum("nkc,co->nko", tokens, params["key"]),
        )
        return jax.nn.softmax(jnp.einsum("nqo,nko->nqk", query, key), axis=-1)

    image = jax.ShapeDtypeStruct((1, length, channels), jnp.float32)
    params = {name: weights(channels, channels) for name in ("query", "key")}
    return fn, (params, image), (1,), (Expectation(1, 1, ((1, 1), (2, 1)), True),)
