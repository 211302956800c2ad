"""Networks that compute an image or a field from another one."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

import jaxconv as jc
from zoo.architecture import Architecture, Published
from zoo.layers import Layer, Params, conv, floats, identity, residual, serial

WIDTH = 4
MODES = 6  # of each axis that a Fourier layer mixes


def pixel_shuffle(x: jax.Array, factor: int) -> jax.Array:
    """Channels become the pixels of a larger image."""
    n, h, w, _ = x.shape
    x = x.reshape(n, h, w, factor, factor, -1).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h * factor, w * factor, -1)


def to_pixels(factor: int, channels: int) -> Layer:
    """A convolution and a pixel shuffle."""
    own = conv(3, channels * factor**2, activation=identity)
    return Layer(lambda c: (own.init(c)[0], channels), lambda params, x: pixel_shuffle(own.apply(params, x), factor))


def espcn() -> Layer:
    """The efficient sub-pixel network: features of the small image, and the pixels of one 3 times as large."""
    return serial(conv(5, 2 * WIDTH, activation=jnp.tanh), conv(3, WIDTH, activation=jnp.tanh), to_pixels(3, 3))


def srcnn() -> Layer:
    """Windows of 9, 1 and 5."""
    return serial(conv(9, WIDTH), conv(1, WIDTH), conv(5, 3, activation=identity))


def chain(depth: int) -> Layer:
    """So many 3x3 convolutions, whose sum with the input is the result: VDSR, and DnCNN up to its sign."""
    return residual(*[conv(3, WIDTH)] * (depth - 1), conv(3, 3, activation=identity), activation=identity)


def edsr(blocks: int = 16) -> Layer:
    """The baseline: residual blocks, and a pixel shuffle by 2."""
    block = residual(conv(3, WIDTH), conv(3, WIDTH, activation=identity), activation=identity)
    body = residual(*[block] * blocks, conv(3, WIDTH, activation=identity), activation=identity)
    return serial(conv(3, WIDTH, activation=identity), body, to_pixels(2, WIDTH), conv(3, 3, activation=identity))


def patch_discriminator() -> Layer:
    """The discriminator of pix2pix: a score for each patch."""
    leaky = partial(jax.nn.leaky_relu, negative_slope=0.2)
    strided = [conv(4, WIDTH, stride=2, padding=1, activation=leaky)] * 3
    return serial(*strided, conv(4, WIDTH, padding=1, activation=leaky), conv(4, 1, padding=1, activation=identity))


def fno_params() -> Params:
    """Two Fourier layers."""
    pointwise = lambda c: {"kernel": floats(1, 1, c, WIDTH), "bias": floats(WIDTH)}
    return {
        "lift": pointwise(3),
        "spectra": floats(2, 2, MODES, MODES, WIDTH, WIDTH),  # layer, real and imaginary part
        "local": [pointwise(WIDTH)] * 2,
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


IMAGE = (1, 128, 16, 3)
DONG, KIM, ZHANG, ISOLA = "Dong et al., 2014", "Kim et al., 2016", "Zhang et al., 2017", "Isola et al., 2017"
ARCHITECTURES = (
    Architecture("SRCNN 9-1-5", DONG, srcnn(), IMAGE, published=Published(13, DONG)),
    Architecture("VDSR", KIM, chain(20), IMAGE, published=Published(41, KIM)),
    Architecture("DnCNN", ZHANG, chain(17), IMAGE, published=Published(35, ZHANG)),
    Architecture("ESPCN", "Shi et al., 2016", espcn(), IMAGE),
    Architecture("EDSR", "Lim et al., 2017", edsr(), IMAGE),
    Architecture("PatchGAN", ISOLA, patch_discriminator(), (1, 192, 32, 3), published=Published(70, ISOLA)),
    Architecture("FNO", "Li et al., 2021", fno, IMAGE, fno_params),
)
