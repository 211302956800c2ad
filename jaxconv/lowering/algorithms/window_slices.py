"""Pooling by slices: one strided slice of x per tap, combined element-wise."""

from __future__ import annotations

from collections.abc import Sequence

from jax import lax
from jaxtyping import Array

from jaxconv.lowering.algorithms.algorithm import Algorithm, Conv
from jaxconv.lowering.arrays import summed
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.window_argmax import gather_argmax, identity_axis
from jaxconv.lowering.window_extrema import extrema, greatest, least
from jaxconv.lowering.window_scatter import scatter_adjacent_taps, scatter_each_tap
from jaxconv.lowering.window_slices import along, disjoint, padded
from jaxconv.window import Axis


def _sum(axes: Sequence[Axis], x: Array) -> Array:
    """Sums along one axis after the other: as many slices as the sum of the window's sides."""
    x = padded(axes, x)
    for number, axis in enumerate(axes, start=1):
        x = summed([along(axis, x, number, u) for u in range(axis.taps)])
    return x


def _sum_grad(axes: Sequence[Axis], y: Array) -> Array:
    """The transpose: one pass for all axes along which windows are disjoint, and one per tap along the others."""
    if any(map(disjoint, axes)):
        y = scatter_adjacent_taps([axis if disjoint(axis) else identity_axis(axis.out) for axis in axes], y)
    return scatter_each_tap([identity_axis(axis.length) if disjoint(axis) else axis for axis in axes], y)


_COMPUTE = {
    "sum_pool": _sum,
    "sum_pool_grad": _sum_grad,
    "max_pool": lambda axes, x: extrema(lax.max, least(x.dtype), x, axes),
    "min_pool": lambda axes, x: extrema(lax.min, greatest(x.dtype), x, axes),
    "max_pool_gather": gather_argmax,
}


def _run(operation: str, spec: ConvSpec, *operands: Array, inner_conv: Conv) -> Array:
    return _COMPUTE[operation](spec.axes, *operands)


WINDOW_SLICES = Algorithm(tuple(_COMPUTE), lambda spec, c, o: True, _run)
