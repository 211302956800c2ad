"""Padding made real: the cells beyond an array's border, copied by slices as `window.py` says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.window import Axis, runs


def extend(x: Array, axes: Sequence[Axis]) -> tuple[Array, list[tuple[int, int]]]:
    """`x` with every boundary that copies cells written out, and the zero padding that is left to do.

    The zeros are left to the operation that follows: a convolution pads with 0 as it goes, a maximum with -inf.

    Args:
        x: [n, *spatial, c].
        axes: the window along each spatial axis.

    Returns:
        x, longer along the axes that copy; and for each spatial axis the pair (lo, hi) of zeros still missing.
    """
    zeros = []
    for position, axis in enumerate(axes, start=1):
        lo, hi = axis.pad.lo, axis.pad.hi
        if axis.pad.boundary == "ZERO":
            zeros.append((lo, hi))
            continue
        zeros.append((0, 0))
        before = _copies(x, position, (axis.cell(i) for i in range(-lo, 0)))
        after = _copies(x, position, (axis.cell(i) for i in range(axis.length, axis.length + hi)))
        if before or after:
            x = jnp.concatenate([*before, x, *after], axis=position)
    return x, zeros


def extend_with_zeros(x: Array, axes: Sequence[Axis]) -> Array:
    """`x` [n, *spatial, c] with all of its padding written out, zeros included."""
    x, zeros = extend(x, axes)
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((lo, hi, 0) for lo, hi in zeros), (0, 0, 0)])


def _copies(x: Array, position: int, cells: Iterable[int | None]) -> list[Array]:
    """The cells of `x` along one axis, one slice for each run of neighbours."""
    pieces = []
    for first, count, step in runs(cells):
        if first is None:
            pieces.append(jnp.zeros((*x.shape[:position], count, *x.shape[position + 1 :]), x.dtype))
            continue
        low = first - count + 1 if step < 0 else first
        piece = lax.slice_in_dim(x, low, low + (count if step else 1), axis=position)
        if step < 0:
            piece = lax.rev(piece, (position,))
        elif step == 0 and count > 1:
            piece = jnp.repeat(piece, count, axis=position)
        pieces.append(piece)
    return pieces
