"""Every channel by itself: a sum over taps, of which XLA makes one loop."""

from __future__ import annotations

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.form import Face, Form
from jaxconv.lowering.taps import over, padded, taps_of, under
from jaxconv.lowering.ways.way import Compute, Way, summed
from jaxconv.window import Pad

ROWS = 2**12  # products, for each tap, that one turn of the loop over y makes: they stay in the processor's cache


def _run(face: Face, form: Form, one: Array, other: Array, _: Compute) -> Array:
    return {"conv": _forward, "conv_dx": _delta_of_x, "conv_dkernel": _delta_of_kernel}[face](form, one, other)


def _forward(form: Form, x: Array, kernel: Array) -> Array:
    """`y[n,j,c] = sum_u x[n, j*stride + u*dilation - lo, c] kernel[u,0,c]`."""
    x, weights = padded(form.axes, x), _weights(kernel)
    return summed([under(form.axes, x, tap) * weights[tap] for tap in taps_of(form.axes)])


def _delta_of_x(form: Form, y: Array, kernel: Array) -> Array:
    """`x[n,i,c] = sum_u y[n,j,c] kernel[u,0,c]` over the taps that stand on i, at j*stride + u*dilation - lo == i."""
    weights = _weights(kernel)
    return summed([over(form.axes, y * weights[tap], tap) for tap in taps_of(form.axes)])


def _delta_of_kernel(form: Form, x: Array, y: Array) -> Array:
    """`kernel[u,0,c] = sum_{n,j} x[n, j*stride + u*dilation - lo, c] y[n,j,c]`, a few rows of y after the other.

    Within these nothing is added until the end, so every tap's products are one loop over cells that lie side by side.
    (A sum for each tap reads x and y once for each of them: 2 times slower for 3 x 3 taps, 6 times for 7 x 7.)
    """
    x, axes = padded(form.axes, x), [replace(axis, length=axis.padded, pad=Pad(0, 0)) for axis in form.axes]
    # How many positions along each axis, the batch first, are one turn of the loop.
    at_once = [1] * len(axes) + [axes[-1].out]
    if len(axes) > 1:
        at_once[-2] = _most(axes[-2].out, ROWS // (axes[-1].out * x.shape[-1]))
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
        cells = lax.dynamic_slice(x, (*corner, 0), (1, *(axis.length for axis in part), x.shape[-1]))
        deltas = lax.dynamic_slice(y, (*first, 0), (*at_once, y.shape[-1]))
        return [total + under(part, cells, tap) * deltas for total, tap in zip(totals, taps_of(axes), strict=True)]

    nothing = jnp.zeros((*at_once, x.shape[-1]), x.dtype)
    if over_mesh := tuple(sorted(jax.typeof(x).manual_axis_type.varying)):  # inside shard_map: a loop keeps its types
        nothing = lax.pcast(nothing, over_mesh, to="varying")
    totals = lax.fori_loop(0, math.prod(turns), add, [nothing] * len(taps_of(axes)))
    each = [jnp.sum(total, axis=range(total.ndim - 1), dtype=x.dtype) for total in totals]
    return jnp.stack(each).reshape(*(axis.taps for axis in axes), 1, x.shape[-1])


def _most(count: int, limit: int) -> int:
    """The largest divisor of a count up to a limit, or 1."""
    return max(divisor for divisor in range(1, count + 1) if count % divisor == 0 and divisor <= max(limit, 1))


def _weights(kernel: Array) -> Array:
    """kernel [*window, 1, c] as [*window, 1, *ones, c], to be multiplied with x."""
    *window, _, c = kernel.shape
    return kernel.reshape(*window, *[1] * (len(window) + 1), c)


TAPS = Way(lambda form, c, o: form.groups == c == o, _run)
