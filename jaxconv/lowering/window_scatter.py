"""From windows back to cells: adds every y [n, *out, c] to the cells of x that its window reads, or to its argmax.

`x[n,i,c] = sum of y[n,j,c] over j*stride + u*dilation - lo == i`; with `argmax`, over the taps `u == argmax[n,j,c]`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.arrays import summed, zeros_like
from jaxconv.lowering.window_slices import pitch
from jaxconv.window import Axis


def scatter_adjacent_taps(axes: Sequence[Axis], y: Array, argmax: Array | None = None) -> Array:
    """One pass over x for each run of taps less than a stride apart, which write to adjacent cells.

    Args:
        axes: the window along each spatial axis.
        y: [n, *out, c].
        argmax: [n, *out, c], the number of the tap that receives y, in row-major order; None for all taps.

    Returns:
        [n, *spatial, c].
    """
    return summed([_scatter_run(axes, y, argmax, first) for first in product(*map(_run_starts, axes))])


def scatter_each_tap(axes: Sequence[Axis], y: Array, argmax: Array | None = None) -> Array:
    """The same in one pass over x per tap."""
    return summed([_scatter_tap(axes, y, argmax, number) for number in range(_taps(axes))])


def scatter_by_loop(axes: Sequence[Axis], y: Array, argmax: Array) -> Array:
    """The same by a loop over the taps, for windows of more than one tap along one axis only."""
    ((number, axis),) = [(at, axis) for at, axis in enumerate(axes, start=1) if axis.taps > 1]
    config = [(0, 0, (axis.stride - 1) * (at == number)) for at in range(y.ndim)]
    y = lax.pad(y, jnp.zeros((), y.dtype), config)
    argmax = lax.pad(argmax, argmax.dtype.type(axis.taps), config)
    zero = jnp.zeros((), y.dtype)

    def add_tap(u: Array, x: Array) -> Array:
        start = u * axis.dilation
        cells = lax.dynamic_slice_in_dim(x, start, y.shape[number], axis=number)
        received = jnp.where(argmax == u.astype(argmax.dtype), y, zero)
        return lax.dynamic_update_slice_in_dim(x, cells + received, start, axis=number)

    zeros = zeros_like(y, [axis.padded if at == number else n for at, n in enumerate(y.shape)])
    x = lax.fori_loop(0, axis.taps, add_tap, zeros)
    return lax.slice_in_dim(x, axis.pad.lo, axis.pad.lo + axis.length, axis=number)


def adjacent_passes(axes: Sequence[Axis]) -> int:
    """Number of passes over x that `scatter_adjacent_taps` makes."""
    return math.prod(len(_run_starts(axis)) for axis in axes)


def _scatter_tap(axes: Sequence[Axis], y: Array, argmax: Array | None, number: int) -> Array:
    """What one tap receives, on the cells of x that it reads."""
    zero = jnp.zeros((), y.dtype)
    config = [(0, 0, 0)]
    for axis, u in zip(axes, np.unravel_index(number, [axis.taps for axis in axes]), strict=True):
        first = int(u) * axis.dilation - axis.pad.lo
        config.append((first, axis.length - first - ((axis.out - 1) * axis.stride + 1), axis.stride - 1))
    return lax.pad(y if argmax is None else jnp.where(argmax == number, y, zero), zero, [*config, (0, 0, 0)])


def _scatter_run(axes: Sequence[Axis], y: Array, argmax: Array | None, first: Sequence[int]) -> Array:
    """What the taps of one run along each axis receive: [n, out, pitch, out, pitch, c], reshaped to the cells of x."""
    numbers = _tap_numbers(axes, first)
    taps = numbers[numbers < _taps(axes)]
    if len(taps) == 1:  # with dilation, or stride 1
        return _scatter_tap(axes, y, argmax, int(taps[0]))
    with_pitch = lambda a: a.reshape(a.shape[0], *(n for axis in axes for n in (axis.out, 1)), a.shape[-1])
    numbers = numbers.reshape(1, *(n for axis in axes for n in (1, pitch(axis))), 1)
    receives = numbers < _taps(axes) if argmax is None else with_pitch(argmax) == numbers.astype(argmax.dtype)
    zero = jnp.zeros((), y.dtype)
    cells = jnp.where(receives, with_pitch(y), zero)
    cells = cells.reshape(y.shape[0], *(axis.out * pitch(axis) for axis in axes), y.shape[-1])
    config = [(0, 0, 0)]
    for axis, at in zip(axes, first, strict=True):
        start = at - axis.pad.lo
        config.append((start, axis.length - start - axis.out * pitch(axis), 0))
    return lax.pad(cells, zero, [*config, (0, 0, 0)])


def _run_starts(axis: Axis) -> list[int]:
    """First cells, within a window, of the runs of one pitch that contain a tap."""
    step = pitch(axis)
    return sorted({u * axis.dilation // step * step for u in range(axis.taps)})


def _tap_numbers(axes: Sequence[Axis], first: Sequence[int]) -> np.ndarray:
    """The number of the tap at each cell of a run, [pitch, pitch]; the number of taps where there is none."""
    number, inside = 0, True
    for axis, at, place in zip(axes, first, np.indices([pitch(axis) for axis in axes]), strict=True):
        tap, rest = np.divmod(at + place, axis.dilation)
        number = number * axis.taps + tap
        inside = inside & (rest == 0) & (tap < axis.taps)
    return np.where(inside, number, _taps(axes))


def _taps(axes: Sequence[Axis]) -> int:
    return math.prod(axis.taps for axis in axes)
