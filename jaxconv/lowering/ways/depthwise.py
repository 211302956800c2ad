"""Every channel by itself: a sum over taps, of which XLA makes one loop."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.form import Face, Form
from jaxconv.lowering.interleaving import interleaved
from jaxconv.lowering.taps import padded, taps_of, under
from jaxconv.lowering.version import OLD
from jaxconv.lowering.ways.way import Compute, Way, summed, zeros_like
from jaxconv.window import Axis, Pad

# Products, for each tap, that one turn of the loop over y makes: they stay in the processor's first cache. Before 0.12
# a turn takes longer to start.
ROWS = 2**13 if OLD else 2**10


def _run(face: Face, form: Form, one: Array, other: Array, _: Compute) -> Array:
    return {"conv": _forward, "conv_dx": _delta_of_x, "conv_dkernel": _delta_of_kernel}[face](form, one, other)


def _forward(form: Form, x: Array, kernel: Array) -> Array:
    """`y[n,j,c] = sum_u x[n, j*stride + u*dilation - lo, c] kernel[u,0,c]`."""
    x, weights = padded(form.axes, x), _weights(kernel)
    return summed([under(form.axes, x, tap) * weights[tap] for tap in taps_of(form.axes)])


def _delta_of_x(form: Form, y: Array, kernel: Array) -> Array:
    """`x[n,i,c] = sum_u y[n,j,c] kernel[u,0,c]` over the taps that stand on i, at j*stride + u*dilation - lo == i.

    The cells of one phase, a stride apart along each axis, all meet the same taps: they are a sum of slices of y, one
    for each, as y is of x. (As a sum of what each tap gives to all of x, every cell asks of every tap whether it stands
    there.)
    """
    phases, weights = [_phases(axis) for axis in form.axes], _weights(kernel)
    before = [max([0, *(-first for phase in along for _, first in phase.taps)]) for along in phases]
    after = [
        max([0, *(first + phase.cells - axis.out for phase in along for _, first in phase.taps)])
        for along, axis in zip(phases, form.axes, strict=True)
    ]
    y = lax.pad(y, jnp.zeros((), y.dtype), [(0, 0, 0), *zip(before, after, [0] * len(after), strict=True), (0, 0, 0)])

    def cells(chosen: list[_Phase]) -> Array:
        """Of one phase along each axis."""
        terms = []
        for tap in product(*(phase.taps for phase in chosen)):
            part = y
            for number, ((_, first), phase, lo) in enumerate(zip(tap, chosen, before, strict=True), start=1):
                part = lax.slice_in_dim(part, first + lo, first + lo + phase.cells, axis=number)
            terms.append(part * weights[tuple(u for u, _ in tap)])
        return summed(terms) if terms else nothing([phase.cells for phase in chosen])

    def nothing(shape: list[int]) -> Array:
        """Zeros made of y, so that inside shard_map they vary as it does."""
        empty = lax.slice_in_dim(y, 0, 0, axis=1)
        config = [(0, count - there, 0) for count, there in zip(shape, empty.shape[1:-1], strict=True)]
        return lax.pad(empty, jnp.zeros((), y.dtype), [(0, 0, 0), *config, (0, 0, 0)])

    def together(chosen: list[_Phase]) -> Array:
        """The phases along the first axis for which none is chosen yet, cell by cell in turn."""
        number = len(chosen)
        if number == len(phases):
            return cells(chosen)
        return interleaved([together([*chosen, phase]) for phase in phases[number]], number + 1)

    return together([])


class _Phase(NamedTuple):
    """Cells i = p, p + stride, ... of an axis of x: cell number m of them meets tap u at position m + k of y."""

    cells: int
    taps: list[tuple[int, int]]  # (u, k)


def _phases(axis: Axis) -> list[_Phase]:
    """Those that have cells.

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


def _delta_of_kernel(form: Form, x: Array, y: Array) -> Array:
    """`kernel[u,0,c] = sum_{n,j} x[n, j*stride + u*dilation - lo, c] y[n,j,c]`, a few rows of y after the other.

    Within these nothing is added until the end, so every tap's products are one loop over cells that lie side by side.
    (A sum for each tap reads x and y once for each of them: 2 times slower for 3 x 3 taps, 6 times for 7 x 7.)
    """
    x, axes = padded(form.axes, x), [replace(axis, length=axis.padded, pad=Pad(0, 0)) for axis in form.axes]
    c = x.shape[-1]
    if axes[-1].stride == 1:
        # Without the barrier XLA pads x a second time, in rows, where the convolution has it padded already.
        x, y = _in_rows(lax.optimization_barrier(x)), _in_rows(y)
        axes = [*axes[:-1], _in_a_row(axes[-1], c)]
    channels = x.shape[len(axes) + 1 :]  # none, where they are in rows
    # How many positions along each axis, the batch first, are one turn of the loop.
    at_once = [1] * len(axes) + [axes[-1].out]
    if len(axes) > 1:
        at_once[-2] = _most(axes[-2].out, ROWS // math.prod((axes[-1].out, *channels)))
    turns = [x.shape[0], *(axis.out // some for axis, some in zip(axes, at_once[1:], strict=True))]
    part = [
        replace(axis, length=(some - 1) * axis.stride + axis.span) for axis, some in zip(axes, at_once[1:], strict=True)
    ]
    strides = [1, *(axis.stride for axis in axes)]

    def add(number: Array, totals: list[Array]) -> list[Array]:
        first: list[Array] = []
        for count, some in zip(reversed(turns), reversed(at_once), strict=True):
            number, turn = number // count, number % count
            first.insert(0, turn * some)
        corner = [j * stride for j, stride in zip(first, strides, strict=True)]
        every = [0] * len(channels)
        cells = lax.dynamic_slice(x, (*corner, *every), (1, *(axis.length for axis in part), *channels))
        deltas = lax.dynamic_slice(y, (*first, *every), (*at_once, *channels))
        return [total + under(part, cells, tap) * deltas for total, tap in zip(totals, taps_of(axes), strict=True)]

    nothing = zeros_like(x, (*at_once, *channels))
    totals = lax.fori_loop(0, math.prod(turns), add, [nothing] * len(taps_of(axes)))
    each = [jnp.sum(total.reshape(-1, c), axis=0, dtype=x.dtype) for total in totals]
    return jnp.stack(each).reshape(*(axis.taps for axis in axes), 1, c)


def _in_rows(x: Array) -> Array:
    """The last axis and the channels as one: a longer loop over numbers that lie side by side."""
    return x.reshape(*x.shape[:-2], -1)


def _in_a_row(axis: Axis, c: int) -> Axis:
    """The windows along an unpadded axis of stride 1, whose cells are c numbers each, as windows along the numbers.

    >>> axis = Axis(length=5, taps=3, stride=1, dilation=1, pad=Pad(0, 0))
    >>> axis.out, _in_a_row(axis, 4).out
    (3, 12)
    """
    return replace(axis, length=axis.length * c, dilation=axis.dilation * c)


def _most(count: int, limit: int) -> int:
    """The largest divisor of a count up to a limit, or 1."""
    return max(divisor for divisor in range(1, count + 1) if count % divisor == 0 and divisor <= max(limit, 1))


def _weights(kernel: Array) -> Array:
    """kernel [*window, 1, c] as [*window, 1, *ones, c], to be multiplied with x."""
    *window, _, c = kernel.shape
    return kernel.reshape(*window, *[1] * (len(window) + 1), c)


TAPS = Way(lambda form, c, o: form.groups == c == o, _run)
