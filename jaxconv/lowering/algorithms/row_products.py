"""The kernel gradient of a dense convolution as one matrix product of rows of x and y, a few examples at a time.

im2col writes every cell of x once per tap. Here x is written once per tap of all axes but the first, and y once per tap
of the first axis. With a first axis of stride 1,

    g[u,v,c,o] = sum_{n,i,j} X[n,i,j,v,c] Y[n,i,j,u,o],    i over the rows of x,
    X[n,i,j,v,c] = x[n, i, j*stride + v*dilation - lo', c],      Y[n,i,j,u,o] = y[n, i + lo - u*dilation, j, o].

So a 3x3 kernel takes the product of [3*c, rows] and [rows, 3*o], which reads a third of what the product of [9*c, rows]
and [rows, o] reads, for c = o. A stride s of the first axis splits the rows of x into s interleaved arrays, each with
the taps that read it.

Y is zero where y has no such row. A zero times an infinite cell of x is a NaN that the gradient does not have. Such a
NaN reaches the result, so a result that is not finite is computed again by `nhwc`. The convolution and the input
gradient are those of `nhwc`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.algorithms.algorithm import Algorithm, Conv, finite, matrix_product
from jaxconv.lowering.algorithms.nhwc import conv_nhwc
from jaxconv.lowering.arrays import zeros_like
from jaxconv.lowering.conv_spec import CONV_OPERANDS, ConvSpec
from jaxconv.lowering.im2col import im2col
from jaxconv.lowering.machine import machine
from jaxconv.window import Axis


def _run(operation: str, spec: ConvSpec, lhs: Array, rhs: Array, *, inner_conv: Conv) -> Array:
    n = lhs.shape[0]
    if operation != "conv_kernel_grad" or not isinstance(n, int):  # a batch size that is not known yet is not split
        return conv_nhwc(operation, spec, lhs, rhs)
    c, o, parts = lhs.shape[-1], rhs.shape[-1], interleaved(spec.axes[0])
    length = examples_in_a_block(n, numbers(spec, c, o), machine().l2_bytes // 4)
    split = n - n % length
    blocks = [a[:split].reshape(n // length, length, *a.shape[1:]) for a in (lhs, rhs)]

    def add(sums: list[Array], block: Sequence[Array]) -> list[Array]:
        return [total + product for total, product in zip(sums, _products(spec, parts, *block), strict=True)]

    sums = [zeros_like(lhs, (_terms(spec, c), len(part.offsets) * o)) for part in parts]
    sums, _ = lax.scan(lambda sums, block: (add(sums, block), None), sums, blocks)
    if split < n:
        sums = add(sums, (lhs[split:], rhs[split:]))
    by_tap: dict[int, Array] = {}
    for part, products in zip(parts, sums, strict=True):
        by_tap |= zip(part.offsets, jnp.split(products, len(part.offsets), axis=1), strict=True)
    zeros = zeros_like(lhs, (_terms(spec, c), o))  # of a tap that reads padding only
    result = jnp.stack([by_tap.get(u, zeros) for u in range(spec.axes[0].taps)])
    result = result.reshape(spec.shape_of("kernel", lhs.shape, rhs.shape))
    if not jnp.issubdtype(result.dtype, jnp.inexact):
        return result
    return lax.cond(finite(result), lambda: result, lambda: conv_nhwc(operation, spec, lhs, rhs))


def numbers(spec: ConvSpec, c: int, o: int) -> int:
    """Numbers of X and Y in one example."""
    first, *others = spec.axes
    columns = math.prod(axis.out for axis in others)
    return -(-first.length // first.stride) * columns * (first.stride * _terms(spec, c) + first.taps * o)


def examples_in_a_block(n: int, size: int, most: int) -> int:
    """Number of examples in a block: the largest divisor of n that fits, unless much fewer than fit.

    Args:
        n: batch size.
        size: numbers of X and Y in one example.
        most: numbers that a block may have, if it has more than one example.

    >>> [examples_in_a_block(n, 2**16, 2**19) for n in (32, 36, 31, 4)]
    [8, 6, 8, 4]
    >>> examples_in_a_block(32, 2**20, 2**19)
    1
    """
    fitting = min(max(most // size, 1), n)
    divisor = max(count for count in range(1, fitting + 1) if n % count == 0)
    return divisor if 2 * divisor > fitting else fitting


@dataclass(frozen=True)
class Interleaved:
    """Every `stride`-th row of x from row `phase` on, and the taps that read these rows.

    Tap u reads row t of them at position `t - offsets[u]`.
    """

    phase: int
    offsets: dict[int, int]


def interleaved(axis: Axis) -> list[Interleaved]:
    """The rows of x by the taps that read them, without rows that no tap reads.

    >>> from jaxconv.window import slide
    >>> [part.offsets for part in interleaved(slide((8,), (3,), 2, padding=((1, 1),))[0])]
    [{1: 0}, {0: -1, 2: 0}]
    """
    parts = []
    for phase in range(min(axis.stride, axis.length)):
        ahead = {u: u * axis.dilation - axis.pad.lo - phase for u in range(axis.taps)}
        parts.append(Interleaved(phase, {u: by // axis.stride for u, by in ahead.items() if by % axis.stride == 0}))
    return [part for part in parts if part.offsets]


def _terms(spec: ConvSpec, c: int) -> int:
    """Numbers of X for one position: taps of all axes but the first, times channels."""
    return math.prod(axis.taps for axis in spec.axes[1:]) * c


def _products(spec: ConvSpec, parts: Sequence[Interleaved], x: Array, y: Array) -> list[Array]:
    """`sum_{n,i,j} X[n,i,j,v,c] Y[n,i,j,u,o]` as [v*c, u*o], for each part, perhaps with NaNs."""
    first, *others = spec.axes
    products = []
    for part in parts:
        rows = lax.slice_in_dim(x, part.phase, first.length, first.stride, axis=1)
        shifted = _shifted(y, [*part.offsets.values()], rows.shape[1])
        patches = im2col(rows.reshape(-1, *rows.shape[2:]), others).reshape(-1, _terms(spec, x.shape[-1]))
        products.append(matrix_product("conv_kernel_grad", patches, shifted.reshape(len(patches), -1), spec.precision))
    return products


def _shifted(y: Array, offsets: Sequence[int], length: int) -> Array:
    """[n, length, *out, offsets*o]: for each offset, row t is row `t - offset` of y, or zero if y has no such row."""
    before, after = max(*offsets, 0), max(length - min(offsets) - y.shape[1], 0)
    # One padding for all offsets: XLA would pad again inside of each slice.
    y = lax.pad(y, jnp.zeros((), y.dtype), [(before, after, 0) if axis == 1 else (0, 0, 0) for axis in range(y.ndim)])
    return jnp.concatenate([y[:, before - offset : before - offset + length] for offset in offsets], axis=-1)


ROW_PRODUCTS = Algorithm(tuple(CONV_OPERANDS), lambda spec, c, o: spec.groups == 1, _run)
