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
    """`kernel[u,0,c] = sum_{n,j} x[n, j*stride + u*dilation - lo, c] y[n,j,c]`, row after row of y.

    Along a row nothing is added until the end, so every tap's products are one loop over cells that lie side by side.
    (A sum for each tap reads x and y once for each of them: 2 times slower for 3 x 3 taps, 6 times for 7 x 7.)
    """
    x = padded(form.axes, x)
    *rows, last = form.axes
    counts, row = (*(axis.out for axis in rows), 1, 1), (last.out, x.shape[-1])
    one_row = (*(replace(axis, length=axis.span, pad=Pad(0, 0)) for axis in rows), last)

    def add(number: Array, total: Array) -> Array:
        position: list[Array] = []
        for count in reversed(counts):
            number, j = number // count, number % count
            position.insert(0, j)
        starts = [j * stride for j, stride in zip(position, (*(axis.stride for axis in rows), 1, 1), strict=True)]
        cells = lax.dynamic_slice(x, (number, *starts), (1, *(axis.span for axis in rows), *x.shape[-2:]))
        deltas = lax.dynamic_slice(y, (number, *position), (1,) * (len(rows) + 1) + row).reshape(row)
        return total + jnp.stack([under(one_row, cells, tap).reshape(row) * deltas for tap in taps_of(form.axes)])

    taps = tuple(axis.taps for axis in form.axes)
    number_of_rows = x.shape[0] * math.prod(counts)
    nothing = jnp.zeros((math.prod(taps), *row), x.dtype)
    if over_mesh := tuple(sorted(jax.typeof(x).manual_axis_type.varying)):  # inside shard_map: a loop keeps its types
        nothing = lax.pcast(nothing, over_mesh, to="varying")
    total = lax.fori_loop(0, number_of_rows, add, nothing)
    return jnp.sum(total, axis=1, dtype=x.dtype).reshape(*taps, 1, x.shape[-1])


def _weights(kernel: Array) -> Array:
    """kernel [*window, 1, c] as [*window, 1, *ones, c], to be multiplied with x."""
    *window, _, c = kernel.shape
    return kernel.reshape(*window, *[1] * (len(window) + 1), c)


TAPS = Way(lambda form, c, o: form.groups == c == o, _run)
