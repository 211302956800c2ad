"""Few input channels: one matrix product for every few neighbouring outputs of a row, by a banded (Toeplitz) matrix.

A window of few channels is too small a product to be fast. The t outputs side by side read a slab of
`(t-1)*stride + span` cells together, so that for each of them the kernel stands in the matrix once, t times in all:

    y[n, i, b*t + j, o] = sum_{u,q,c} x[n, i*stride + u*dilation - lo, b*t*stride + q - lo', c] K[u,q,c,j,o],
    K[u,q,c,j,o] = kernel[u,v,c,o]  where q = j*stride + v*dilation, and 0 elsewhere.

With t = 1 this is the unrolling of Chellapilla et al., High performance convolutional neural networks for document
processing, IWFHR 2006.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.form import Face, Form
from jaxconv.lowering.taps import taps_of, under
from jaxconv.lowering.ways.canonical import CANONICAL
from jaxconv.lowering.ways.way import Compute, Rewriting, matrix_product, rewritten, zeros_like

BLOCK = 8  # outputs side by side, about: more are more zeros, fewer are smaller products
SHORT, MOST, FEWEST = 2048, 16, 96  # rows of a sum in pieces, pieces, rows of a piece


def _as_a_banded_product(form: Form, c: int, o: int, _: Compute) -> Rewriting:
    *rows, last = form.axes
    blocks = max(round(last.out / BLOCK), 1)
    t = -(-last.out // blocks)
    slab, taps = (t - 1) * last.stride + last.span, taps_of(rows)

    fresh = t * last.stride  # cells from one slab to the next: a slab is its own and the first of those after it
    parts = range(-(-slab // fresh))

    def part_of_slabs(x: Array, part: int) -> Array:
        """[..., padded, c] to [..., blocks, cells, c]: of each slab as many cells, from `part * fresh` on."""
        before = _before(part, slab, fresh)
        x = lax.slice_in_dim(x, before, before + blocks * fresh, axis=-2)
        x = x.reshape(*x.shape[:-2], blocks, fresh, c)
        return lax.slice_in_dim(x, part * fresh - before, min(slab - before, fresh), axis=-2)

    def slabs(x: Array) -> Array:
        """[n, *length, c] to [n*positions*blocks, taps*slab*c]."""
        edges = [(axis.pad.lo, axis.pad.hi, 0) for axis in form.axes]
        missing = _before(parts[-1], slab, fresh) + blocks * fresh - last.padded
        edges[-1] = (last.pad.lo, last.pad.hi + max(missing, 0), 0)
        x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
        rows_of_slabs = [
            jnp.concatenate([part_of_slabs(under(rows, x, tap), part) for part in parts], axis=-2) for tap in taps
        ]
        return jnp.stack(rows_of_slabs, axis=-3).reshape(-1, len(taps) * slab * c)

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

    def compute(face: Face, one: Array, other: Array) -> Array:
        product = partial(matrix_product, face, precision=form.precision)
        return in_pieces(product, one, other) if face == "conv_dkernel" else product(one, other)

    return Rewriting(x=slabs, kernel=band, y=blocked, compute=compute)


def in_pieces(product: Callable[[Array, Array], Array], one: Array, other: Array) -> Array:
    """A sum over rows, piece after piece: XLA cuts long ones by itself, but may add hundreds of rows one to the next.

    By that it would lose more than lax's own delta does.
    """
    rows = one.shape[0]
    short = range(2, MOST + 1) if isinstance(rows, int) and rows <= SHORT else ()
    count = max((n for n in short if rows % n == 0 and rows // n >= FEWEST), default=1)
    if count == 1:
        return product(one, other)
    pieces = [a.reshape(count, rows // count, a.shape[1]) for a in (one, other)]
    add = lambda total, piece: (total + product(*piece), None)
    return lax.scan(add, zeros_like(one, (one.shape[1], other.shape[1])), pieces)[0]


def _before(part: int, slab: int, fresh: int) -> int:
    """The cell at which blocks start that end in this part of every slab, and not beyond the last slab."""
    return max(min(part * fresh, slab - fresh), 0)


BANDED = rewritten(lambda form, c, o: form.groups == 1, _as_a_banded_product, adds_zeros=True, otherwise=CANONICAL)
