"""Circular, reflecting and edge boundaries: copies the cells beyond an array's border, by slices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.compiled import compiled
from jaxconv.window import Axis, Pad, runs

MANY = 16  # slices at one border, as for one several times as wide as x, from which one gather compiles faster


def copy_boundary(x: Array, axes: Sequence[Axis]) -> tuple[Array, tuple[Axis, ...]]:
    """x with every boundary that copies cells written out, and the axes of the same window over it.

    The new axes pad with zeros only. That padding is left to the window operation: a convolution pads with 0, a maximum
    with minus infinity.

    Args:
        x: [n, *spatial, c].
        axes: the window along each spatial axis.

    Returns:
        x, longer along the axes whose boundary copies cells; and the new axes.
    """
    copied = [axis.pad.boundary != "ZERO" for axis in axes]
    written = [replace(axis, length=axis.padded, pad=Pad(0, 0)) for axis in axes]
    remaining = tuple(new if copies else axis for axis, new, copies in zip(axes, written, copied, strict=True))
    return _written(x, tuple(axes)) if any(copied) else x, remaining


@partial(compiled, static_argnames="axes")
def _written(x: Array, axes: tuple[Axis, ...]) -> Array:
    """x with copied cells at its borders."""
    for position, axis in enumerate(axes, start=1):
        if axis.pad.boundary == "ZERO":
            continue
        lo, hi = axis.pad.lo, axis.pad.hi
        before = _copies(x, position, (axis.cell(i) for i in range(-lo, 0)))
        after = _copies(x, position, (axis.cell(i) for i in range(axis.length, axis.length + hi)))
        if before or after:
            x = jnp.concatenate([*before, x, *after], axis=position)
    return x


def _copies(x: Array, position: int, cells: Iterable[int | None]) -> list[Array]:
    """The cells of x along one axis, by one slice per run of neighbours."""
    cells, pieces = list(cells), []
    found = runs(cells)
    if len(found) > MANY:
        return [jnp.take(x, np.array(cells), axis=position, mode="clip")]
    for first, count, step in found:
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
