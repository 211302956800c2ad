"""Windows whose stride and dilation share a divisor g read every g-th cell only: windows over a subsampled array."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.window import Axis, Pad


@dataclass(frozen=True)
class Subsampling:
    """The cells `first, first + step, ...` of `length` cells, and the windows over these cells."""

    length: int
    first: int
    step: int
    axis: Axis

    @classmethod
    def of(cls, axis: Axis) -> Subsampling:
        """The cells `j*stride + u*dilation - lo`; all cells if that skips none, or if no cell would be left."""
        step = math.gcd(axis.stride, axis.dilation)
        first = -axis.pad.lo % step
        length = len(range(first, axis.length, step))
        if step == 1 or length == 0:
            return cls(axis.length, 0, 1, axis)
        stride, dilation, lo = axis.stride // step, axis.dilation // step, (axis.pad.lo + first) // step
        reach = (axis.out - 1) * stride + (axis.taps - 1) * dilation + 1
        hi = max(reach - lo - length, 0)
        return cls(axis.length, first, step, Axis(length, axis.taps, stride, dilation, Pad(lo, hi)))


def subsampled(
    compute: Callable[..., Array],
    operands: Sequence[Array],
    axes: Sequence[Axis],
    *,
    inputs: int,
    result_is_input: bool,
) -> Array:
    """`compute(axes, *operands)`, computed on the cells that some window reads.

    Args:
        compute: a window operation.
        operands: its arrays.
        axes: the window along each spatial axis.
        inputs: number of leading operands of shape [n, *spatial, c]; the others are [n, *out, c].
        result_is_input: whether the result is [n, *spatial, c]; it is zero where no window reads.
    """
    each = [Subsampling.of(axis) for axis in axes]
    if all(one.step == 1 for one in each):
        return compute(axes, *operands)
    starts, steps = [0, *(one.first for one in each), 0], [1, *(one.step for one in each), 1]
    read = lambda a: lax.slice(a, starts, a.shape, steps)
    operands = [*map(read, operands[:inputs]), *operands[inputs:]]
    result = compute(tuple(one.axis for one in each), *operands)
    if not result_is_input:
        return result
    skipped = [(one.first, one.length - one.first - (one.axis.length - 1) * one.step - 1, one.step - 1) for one in each]
    return lax.pad(result, jnp.zeros((), result.dtype), [(0, 0, 0), *skipped, (0, 0, 0)])
