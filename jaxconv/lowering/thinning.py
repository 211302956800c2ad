"""Windows whose stride and dilation have a common divisor g read every g-th cell: they are windows over those alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.window import Axis, Pad


@dataclass(frozen=True)
class Thinned:
    """Every `step`-th of `length` cells from `first` on, and the windows over them."""

    length: int
    first: int
    step: int
    axis: Axis

    @classmethod
    def of(cls, axis: Axis) -> Thinned:
        """The cells j*stride + u*dilation - lo; all of them where that skips none, or the windows see no cell."""
        step = math.gcd(axis.stride, axis.dilation)
        first = -axis.pad.lo % step
        length = len(range(first, axis.length, step))
        if step == 1 or length == 0:
            return cls(axis.length, 0, 1, axis)
        stride, dilation, lo = axis.stride // step, axis.dilation // step, (axis.pad.lo + first) // step
        reach = (axis.out - 1) * stride + (axis.taps - 1) * dilation + 1
        hi = max(reach - lo - length, 0)
        return cls(axis.length, first, step, Axis(length, axis.taps, stride, dilation, Pad(lo, hi)))


def thinned(
    compute: Callable[..., Array], operands: Sequence[Array], axes: Sequence[Axis], *, over_cells: int, to_cells: bool
) -> Array:
    """compute(*operands, axes=axes), on the cells that some window reads.

    Args:
        compute: an operation of windows.
        operands: its arrays.
        axes: of the windows.
        over_cells: how many of the operands, from the first on, are [n, *spatial, c]; the others are [n, *out, c].
        to_cells: whether the result is [n, *spatial, c]; it has zeros where no window reads.
    """
    thin = [Thinned.of(axis) for axis in axes]
    if all(one.step == 1 for one in thin):
        return compute(*operands, axes=axes)
    starts, steps = [0, *(one.first for one in thin), 0], [1, *(one.step for one in thin), 1]
    read = lambda a: lax.slice(a, starts, a.shape, steps)
    operands = [*map(read, operands[:over_cells]), *operands[over_cells:]]
    found = compute(*operands, axes=tuple(one.axis for one in thin))
    if not to_cells:
        return found
    between = [(one.first, one.length - one.first - (one.axis.length - 1) * one.step - 1, one.step - 1) for one in thin]
    return lax.pad(found, jnp.zeros((), found.dtype), [(0, 0, 0), *between, (0, 0, 0)])
