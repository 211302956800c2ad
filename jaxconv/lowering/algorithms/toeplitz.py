"""Few input channels: one matrix product per block of t neighbouring outputs of a row, with a Toeplitz matrix.

The product of one window with few channels is too small to be fast. A block of t outputs reads a slab of
`(t-1)*stride + span` cells, and the matrix holds the kernel once per output of the block:

    y[n, i, b*t + j, o] = sum_{u,q,c} x[n, i*stride + u*dilation - lo, b*t*stride + q - lo', c] K[u,q,c,j,o],
    K[u,q,c,j,o] = kernel[u,v,c,o]  where q = j*stride + v*dilation, and 0 elsewhere.

With t = 1 this is the unrolling of Chellapilla et al., "High performance convolutional neural networks for document
processing", IWFHR 2006.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.algorithms.algorithm import Conv, Rewrite, by_rewrite, matrix_product
from jaxconv.lowering.algorithms.nhwc import conv_nhwc
from jaxconv.lowering.arrays import zeros_like
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.window_slices import under, window_taps

BLOCK = 8  # outputs per block, about: larger blocks multiply more zeros, smaller ones are smaller products
# A sum over at most LONGEST rows is made in at most MOST chunks of at least FEWEST rows.
LONGEST, MOST, FEWEST = 2048, 16, 96


def _rewrite(spec: ConvSpec, c: int, o: int, _: Conv) -> Rewrite:
    *rows, last = spec.axes
    blocks = max(round(last.out / BLOCK), 1)
    t = -(-last.out // blocks)
    slab, taps = (t - 1) * last.stride + last.span, window_taps(rows)

    step = t * last.stride  # cells from one slab to the next; a slab overlaps the slabs after it
    parts = range(-(-slab // step))

    def part_of_slabs(x: Array, part: int) -> Array:
        """[..., padded, c] to [..., blocks, cells, c]: the cells of each slab from `part * step` on, at most `step`."""
        before = _before(part, slab, step)
        x = lax.slice_in_dim(x, before, before + blocks * step, axis=-2)
        x = x.reshape(*x.shape[:-2], blocks, step, c)
        return lax.slice_in_dim(x, part * step - before, min(slab - before, step), axis=-2)

    def slabs(x: Array) -> Array:
        """[n, *length, c] to [n*positions*blocks, taps*slab*c]."""
        edges = [(axis.pad.lo, axis.pad.hi, 0) for axis in spec.axes]
        missing = _before(parts[-1], slab, step) + blocks * step - last.padded
        edges[-1] = (last.pad.lo, last.pad.hi + max(missing, 0), 0)
        x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
        rows_of_slabs = [
            jnp.concatenate([part_of_slabs(under(rows, x, tap), part) for part in parts], axis=-2) for tap in taps
        ]
        return jnp.stack(rows_of_slabs, axis=-3).reshape(-1, len(taps) * slab * c)

    # on_cell[v,q,j]: tap v of output j reads cell q of the slab.
    tap, cell, output = np.ix_(range(last.taps), range(slab), range(t))
    on_cell = jnp.asarray(cell == output * last.stride + tap * last.dilation).reshape(1, last.taps, slab, 1, t, 1)

    def toeplitz(kernel: Array) -> Array:
        """[*window, c, o] to [taps*slab*c, t*o]."""
        kernel = kernel.reshape(len(taps), last.taps, 1, c, 1, o)
        return (
            jnp.where(on_cell, kernel, jnp.zeros((), kernel.dtype)).sum(axis=1, dtype=kernel.dtype).reshape(-1, t * o)
        )

    def blocked(y: Array) -> Array:
        """[n, *out, o] to [n*positions*blocks, t*o]."""
        config = [(0, 0, 0)] * (y.ndim - 2) + [(0, blocks * t - last.out, 0), (0, 0, 0)]
        return lax.pad(y, jnp.zeros((), y.dtype), config).reshape(-1, t * o)

    def compute(operation: str, lhs: Array, rhs: Array) -> Array:
        product = partial(matrix_product, operation, precision=spec.precision)
        return sum_in_chunks(product, lhs, rhs) if operation == "conv_kernel_grad" else product(lhs, rhs)

    return Rewrite(x=slabs, kernel=toeplitz, y=blocked, compute=compute)


def sum_in_chunks(product: Callable[[Array, Array], Array], lhs: Array, rhs: Array) -> Array:
    """A product that sums over rows, in chunks of rows: XLA may add hundreds of rows one after the other.

    That would round more than lax's own kernel gradient does. XLA splits longer sums itself.
    """
    rows = lhs.shape[0]
    counts = range(2, MOST + 1) if isinstance(rows, int) and rows <= LONGEST else ()
    count = max((n for n in counts if rows % n == 0 and rows // n >= FEWEST), default=1)
    if count == 1:
        return product(lhs, rhs)
    chunks = [a.reshape(count, rows // count, a.shape[1]) for a in (lhs, rhs)]
    add = lambda total, chunk: (total + product(*chunk), None)
    return lax.scan(add, zeros_like(lhs, (lhs.shape[1], rhs.shape[1])), chunks)[0]


def _before(part: int, slab: int, step: int) -> int:
    """First cell of the blocks of `step` cells from which a part of every slab is cut, within the last slab."""
    return max(min(part * step, slab - step), 0)


TOEPLITZ = by_rewrite(lambda spec, c, o: spec.groups == 1, _rewrite, adds_zeros=True, fallback=conv_nhwc)
