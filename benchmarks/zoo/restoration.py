"""Networks that compute an image or a field from another one."""

from __future__ import annotations

import jax
import jax.numpy as jnp

import jaxconv as jc
from zoo.architecture import Architecture, Params, convolutions

WIDTH, SCALE = 4, 3
MODES = 6  # of each axis that a Fourier layer mixes


def init_super_resolution(key: jax.Array) -> Params:
    """The efficient sub-pixel network: three convolutions."""
    return convolutions(key, (5, 3, 2 * WIDTH), (3, 2 * WIDTH, WIDTH), (3, WIDTH, 3 * SCALE**2))


def super_resolution(params: Params, x: jax.Array) -> jax.Array:
    """Features of the small image; their channels become the pixels of the large one."""
    for layer in params[:-1]:
        x = jnp.tanh(jc.conv(layer, x, padding="same"))
    x = jc.conv(params[-1], x, padding="same")
    n, h, w, _ = x.shape
    x = x.reshape(n, h, w, SCALE, SCALE, 3).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h * SCALE, w * SCALE, 3)


def init_fno(key: jax.Array) -> Params:
    """Two Fourier layers."""
    first, second, third = jax.random.split(key, 3)
    shape = (2, 2, MODES, MODES, WIDTH, WIDTH)  # layer, real and imaginary part
    return {
        "lift": convolutions(first, (1, 3, WIDTH))[0],
        "spectra": jax.random.normal(second, shape),
        "local": convolutions(third, *[(1, WIDTH, WIDTH)] * 2),
    }


def fno(params: Params, x: jax.Array) -> jax.Array:
    """A Fourier neural operator: low modes of the spectrum are mixed by a matrix each."""
    x = jc.conv(params["lift"], x)
    for spectrum, local in zip(params["spectra"], params["local"], strict=True):
        modes = jnp.fft.rfft2(x, axes=(1, 2))
        low = modes[:, :MODES, :MODES]
        mixed = jnp.einsum("nhwc,hwcd->nhwd", low, jax.lax.complex(spectrum[0], spectrum[1]))
        padding = [(0, 0), *((0, size - MODES) for size in modes.shape[1:3]), (0, 0)]
        y = jnp.fft.irfft2(jnp.pad(mixed, padding), x.shape[1:3], axes=(1, 2))
        x = jax.nn.gelu(jc.conv(local, x) + y)
    return x


IMAGE = (1, 256, 16, 3)
ARCHITECTURES = (
    Architecture("Super-resolution", "Shi et al., 2016", init_super_resolution, super_resolution, IMAGE, 128),
    Architecture("FNO", "Li et al., 2021", init_fno, fno, IMAGE, 128),
)
