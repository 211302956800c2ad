"""Operations that many judges use, with public functions of JAX only. Signals are [n, c] and images are [h, w, c]."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax


def wrap(x, before, after, axis=0):
    """Pad with cells from the other end."""
    widths = [(before, after) if a == axis else (0, 0) for a in range(x.ndim)]
    return jnp.pad(x, widths, mode="wrap")


def conv(x, kernel, padding="VALID", stride=1, **settings):
    """A convolution of a signal [n, c] by a kernel [taps, c, o]."""
    layout = ("NWC", "WIO", "NWC")
    return lax.conv_general_dilated(x[None], kernel, (stride,), padding, dimension_numbers=layout, **settings)[0]


def circular(x, kernel, stride=1, dilation=1):
    """A convolution of a signal [n, c] by a kernel [taps, c, o] of an odd number of taps, around the circle."""
    reach = dilation * (kernel.shape[0] // 2)
    return conv(wrap(x, reach, reach), kernel, stride=stride, rhs_dilation=(dilation,))


def conv_image(x, kernel, padding="VALID", stride=1, **settings):
    """A convolution of an image [h, w, c] by a kernel [u, v, c, o]."""
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x[None], kernel, (stride, stride), padding, dimension_numbers=layout, **settings)[0]


def circular_image(x, kernel, stride=1):
    """A convolution of an image [h, w, c] by a kernel [3, 3, c, o], around both circles."""
    return conv_image(wrap(wrap(x, 1, 1), 1, 1, axis=1), kernel, stride=stride)
