"""A depthwise convolution as a sum over taps of element-wise products, which XLA fuses into one loop."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.algorithms.algorithm import Algorithm, Conv
from jaxconv.lowering.arrays import summed, zeros_like
from jaxconv.lowering.conv_spec import CONV_OPERANDS, ConvSpec
from jaxconv.lowering.interleave import interleaved
from jaxconv.lowering.version import jax_in
from jaxconv.lowering.window_slices import padded, under, window_taps
from jaxconv.window import Axis, Pad

# Products per tap in one iteration of the loop over y, few enough for the first-level cache. Before JAX 0.12 an
# iteration takes longer to start, so it makes more.
ROWS = 2**13 if jax_in("<0.12") else 2**10


def _run(operation: str, spec: ConvSpec, lhs: Array, rhs: Array, *, inner_conv: Conv) -> Array:
    return {"conv": _forward, "conv_input_grad": _input_grad, "conv_kernel_grad": _kernel_grad}[operation](
        spec, lhs, rhs
    )


def _forward(spec: ConvSpec, x: Array, kernel: Array) -> Array:
    """`y[n,j,c] = sum_u x[n, j*stride + u*dilation - lo, c] kernel[u,0,c]`."""
    x, weights = padded(spec.axes, x), _weights(kernel)
    return summed([under(spec.axes, x, tap) * weights[tap] for tap in window_taps(spec.axes)])


def _input_grad(spec: ConvSpec, y: Array, kernel: Array) -> Array:
    """`x[n,i,c] = sum_u y[n,j,c] kernel[u,0,c]` over the taps u that meet cell i: j*stride + u*dilation - lo == i.

    The cells of one phase are a stride apart along each axis and meet the same taps. So they are a sum of slices of y,
    as y is a sum of slices of x. (Scattering each tap to all of x would test every tap at every cell.)
    """
    phases, weights = [_phases(axis) for axis in spec.axes], _weights(kernel)
    before = [max([0, *(-first for phase in along for _, first in phase.taps)]) for along in phases]
    after = [
        max([0, *(first + phase.cells - axis.out for phase in along for _, first in phase.taps)])
        for along, axis in zip(phases, spec.axes, strict=True)
    ]
    y = lax.pad(y, jnp.zeros((), y.dtype), [(0, 0, 0), *zip(before, after, [0] * len(after), strict=True), (0, 0, 0)])

    def cells(phase_per_axis: list[_Phase]) -> Array:
        """The cells of one phase along each axis."""
        terms = []
        for tap in product(*(phase.taps for phase in phase_per_axis)):
            part = y
            for number, ((_, first), phase, lo) in enumerate(zip(tap, phase_per_axis, before, strict=True), start=1):
                part = lax.slice_in_dim(part, first + lo, first + lo + phase.cells, axis=number)
            terms.append(part * weights[tuple(u for u, _ in tap)])
        return summed(terms) if terms else zeros([phase.cells for phase in phase_per_axis])

    def zeros(shape: list[int]) -> Array:
        """Zeros made from y, so that inside `shard_map` they vary over the same mesh axes."""
        empty = lax.slice_in_dim(y, 0, 0, axis=1)
        config = [(0, count - there, 0) for count, there in zip(shape, empty.shape[1:-1], strict=True)]
        return lax.pad(empty, jnp.zeros((), y.dtype), [(0, 0, 0), *config, (0, 0, 0)])

    def all_phases(phase_per_axis: list[_Phase]) -> Array:
        """All phases of the axes for which none is phase_per_axis yet, interleaved axis by axis."""
        number = len(phase_per_axis)
        if number == len(phases):
            return cells(phase_per_axis)
        return interleaved([all_phases([*phase_per_axis, phase]) for phase in phases[number]], number + 1)

    return all_phases([])


class _Phase(NamedTuple):
    """The cells i = p, p + stride, ... of an axis of x. The m-th of them meets tap u at position m + k of y."""

    cells: int
    taps: list[tuple[int, int]]  # (u, k)


def _phases(axis: Axis) -> list[_Phase]:
    """The phases that have cells.

    >>> _phases(Axis(length=5, taps=3, stride=2, dilation=1, pad=Pad(1, 1)))
    [_Phase(cells=3, taps=[(1, 0)]), _Phase(cells=2, taps=[(0, 1), (2, 0)])]
    """
    apart = lambda p, u: p + axis.pad.lo - u * axis.dilation
    return [
        _Phase(
            len(range(p, axis.length, axis.stride)),
            [(u, apart(p, u) // axis.stride) for u in range(axis.taps) if apart(p, u) % axis.stride == 0],
        )
        for p in range(min(axis.stride, axis.length))
    ]


def _kernel_grad(spec: ConvSpec, x: Array, y: Array) -> Array:
    """`kernel[u,0,c] = sum_{n,j} x[n, j*stride + u*dilation - lo, c] y[n,j,c]`.

    It loops over a few rows of y at a time. Products of different cells are summed only after the loop, so each tap is
    one loop over contiguous cells. (One reduction per tap reads x and y once per tap: 2 times slower for 3 x 3 taps, 6
    times for 7 x 7.)
    """
    x, axes = padded(spec.axes, x), [replace(axis, length=axis.padded, pad=Pad(0, 0)) for axis in spec.axes]
    c = x.shape[-1]
    if axes[-1].stride == 1:
        # Without the barrier XLA pads x a second time, in this layout, if the convolution has padded it already.
        x, y = _merge_channels(lax.optimization_barrier(x)), _merge_channels(y)
        axes = [*axes[:-1], _merge_axis(axes[-1], c)]
    channels = x.shape[len(axes) + 1 :]  # empty if the channels are merged into the last axis
    # Positions per iteration along each axis, the batch first.
    at_once = [1] * len(axes) + [axes[-1].out]
    if len(axes) > 1:
        at_once[-2] = _largest_divisor(axes[-2].out, ROWS // math.prod((axes[-1].out, *channels)))
    iterations = [x.shape[0], *(axis.out // some for axis, some in zip(axes, at_once[1:], strict=True))]
    part = [
        replace(axis, length=(some - 1) * axis.stride + axis.span) for axis, some in zip(axes, at_once[1:], strict=True)
    ]
    strides = [1, *(axis.stride for axis in axes)]

    def add(number: Array, totals: list[Array]) -> list[Array]:
        first: list[Array] = []
        for count, some in zip(reversed(iterations), reversed(at_once), strict=True):
            number, index = number // count, number % count
            first.insert(0, index * some)
        corner = [j * stride for j, stride in zip(first, strides, strict=True)]
        starts = [0] * len(channels)
        cells = lax.dynamic_slice(x, (*corner, *starts), (1, *(axis.length for axis in part), *channels))
        part_of_y = lax.dynamic_slice(y, (*first, *starts), (*at_once, *channels))
        return [
            total + under(part, cells, tap) * part_of_y for total, tap in zip(totals, window_taps(axes), strict=True)
        ]

    zeros = zeros_like(x, (*at_once, *channels))
    totals = lax.fori_loop(0, math.prod(iterations), add, [zeros] * len(window_taps(axes)))
    each = [jnp.sum(total.reshape(-1, c), axis=0, dtype=x.dtype) for total in totals]
    return jnp.stack(each).reshape(*(axis.taps for axis in axes), 1, c)


def _merge_channels(x: Array) -> Array:
    """The last axis and the channels merged into one, for a longer loop over contiguous numbers."""
    return x.reshape(*x.shape[:-2], -1)


def _merge_axis(axis: Axis, c: int) -> Axis:
    """Windows along an unpadded axis of stride 1 with c channels, as windows along the axis merged with its channels.

    >>> axis = Axis(length=5, taps=3, stride=1, dilation=1, pad=Pad(0, 0))
    >>> axis.out, _merge_axis(axis, 4).out
    (3, 12)
    """
    return replace(axis, length=axis.length * c, dilation=axis.dilation * c)


def _largest_divisor(count: int, limit: int) -> int:
    """The largest divisor of `count` that is at most `limit`, or 1."""
    return max(divisor for divisor in range(1, count + 1) if count % divisor == 0 and divisor <= max(limit, 1))


def _weights(kernel: Array) -> Array:
    """The kernel [*window, 1, c] as [*window, 1, *ones, c], which broadcasts against x."""
    *window, _, c = kernel.shape
    return kernel.reshape(*window, *[1] * (len(window) + 1), c)


DEPTHWISE = Algorithm(tuple(CONV_OPERANDS), lambda spec, c, o: spec.groups == c == o, _run)
