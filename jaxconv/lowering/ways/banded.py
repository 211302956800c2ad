"""Few input channels: one matrix product for every few neighbouring outputs of a row, by a banded (Toeplitz) matrix.

A window of few channels is too small a product to be fast. The t outputs side by side read a slab of
`(t-1)*stride + span` cells together, so that for each of them the kernel stands in the matrix once, t times in all:

    y[n, i, b*t + j, o] = sum_{u,q,c} x[n, i*stride + u*dilation - lo, b*t*stride + q - lo', c] K[u,q,c,j,o],
    K[u,q,c,j,o] = kernel[u,v,c,o]  where q = j*stride + v*dilation, and 0 elsewhere.

With t = 1 this is the unrolling of Chellapilla et al., High performance convolutional neural networks for document
processing, IWFHR 2006.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.form import Form
from jaxconv.lowering.taps import padded, taps_of, under
from jaxconv.lowering.ways.canonical import CANONICAL
from jaxconv.lowering.ways.way import Compute, Rewriting, matrix_product, rewritten

BLOCK = 8  # outputs side by side, about: more are more zeros, fewer are smaller products


def _as_a_banded_product(form: Form, c: int, o: int, _: Compute) -> Rewriting:
    *rows, last = form.axes
    blocks = max(round(last.out / BLOCK), 1)
    t = -(-last.out // blocks)
    slab, taps = (t - 1) * last.stride + last.span, taps_of(rows)

    def slabs(x: Array) -> Array:
        """[n, *length, c] to [n*positions*blocks, taps*slab*c]."""
        x = padded(form.axes, x)
        fresh = t * last.stride  # cells from one slab to the next: a slab is its own and the first of those after it
        parts = -(-slab // fresh)
        missing = (blocks + parts - 1) * fresh - x.shape[-2]
        x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0)] * (x.ndim - 2) + [(0, missing, 0), (0, 0, 0)])
        x = x.reshape(*x.shape[:-2], -1, fresh, c)
        each = [lax.slice_in_dim(x, part, part + blocks, axis=-3) for part in range(parts)]
        x = lax.slice_in_dim(jnp.concatenate(each, axis=-2), 0, slab, axis=-2)
        x = jnp.stack([under(rows, x, tap) for tap in taps], axis=-3)
        return x.reshape(-1, len(taps) * slab * c)

    # stands[v,q,j]: tap v of output j stands on cell q of the slab.
    tap, cell, output = np.ix_(range(last.taps), range(slab), range(t))
    stands = jnp.asarray(cell == output * last.stride + tap * last.dilation).reshape(1, last.taps, slab, 1, t, 1)

    def band(kernel: Array) -> Array:
        """[*window, c, o] to [taps*slab*c, t*o]."""
        kernel = kernel.reshape(len(taps), last.taps, 1, c, 1, o)
        return jnp.where(stands, kernel, jnp.zeros((), kernel.dtype)).sum(axis=1, dtype=kernel.dtype).reshape(-1, t * o)

    def blocked(y: Array) -> Array:
        """[n, *out, o] to [n*positions*blocks, t*o]."""
        config = [(0, 0, 0)] * (y.ndim - 2) + [(0, blocks * t - last.out, 0), (0, 0, 0)]
        return lax.pad(y, jnp.zeros((), y.dtype), config).reshape(-1, t * o)

    return Rewriting(
        x=slabs,
        kernel=band,
        y=blocked,
        compute=lambda face, one, other: matrix_product(face, one, other, form.precision),
    )


BANDED = rewritten(lambda form, c, o: form.groups == 1, _as_a_banded_product, adds_zeros=True, otherwise=CANONICAL)
