"""Explicit sharding: window operations along an axis that an array's type says is split over devices.

JAX propagates such a type only if every device gets equally many positions, and not through copies at a border. In the
other cases the axis is gathered before the operation, and the result is split again as the input was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array

from jaxconv.lowering.primitive import is_explicit
from jaxconv.window import Axis


def shards(a: Array) -> list[int]:
    """For each axis, the number of devices that the array's type splits it over; 1 without explicit sharding."""
    if not is_explicit(a):
        return [1] * a.ndim
    sharding = jax.typeof(a).sharding
    names = [entry if isinstance(entry, tuple) else (entry,) for entry in sharding.spec]
    return [math.prod(sharding.mesh.shape[name] for name in each if name is not None) for each in names]


def gathered(x: Array, keeps: Sequence[bool] | None = None) -> tuple[Array, Callable[[Array], Array]]:
    """x gathered along its spatial axes, and a function that splits a result again.

    Args:
        x: [n, *spatial, c].
        keeps: for each spatial axis, whether it may stay split; by default none may.

    Returns:
        x, and a function that splits an array [n, *out, c] as x was, along the axes whose length allows it.
    """
    split = shards(x)
    keeps = [False] * (x.ndim - 2) if keeps is None else keeps
    if all(count == 1 or keep for count, keep in zip(split[1:-1], keeps, strict=True)):
        return x, lambda y: y
    sharding = jax.typeof(x).sharding

    def back(y: Array) -> Array:
        spec = [_entry(y, axis) for axis in range(y.ndim)]
        for axis, keep in enumerate(keeps, start=1):
            if not keep and y.shape[axis] % split[axis] == 0:
                spec[axis] = sharding.spec[axis]
        return _resharded(y, spec)

    spec = [entry if axis in (0, x.ndim - 1) or keeps[axis - 1] else None for axis, entry in enumerate(sharding.spec)]
    return _resharded(x, spec), back


def keeps_zero_padding(x: Array, axes: Sequence[Axis]) -> list[bool]:
    """For each axis, whether a convolution of x may stay split: zero padding, and equally many outputs per device."""
    return [
        axis.pad.boundary == "ZERO" and axis.out % count == 0 for axis, count in zip(axes, shards(x)[1:-1], strict=True)
    ]


def keeps_no_padding(x: Array, axes: Sequence[Axis]) -> list[bool]:
    """The same for a reduction, which may not pad at all: the derivative of lax's maximum pads x itself."""
    unpadded = [(axis.pad.lo, axis.pad.hi) == (0, 0) for axis in axes]
    return [a and b for a, b in zip(unpadded, keeps_zero_padding(x, axes), strict=True)]


def _entry(y: Array, axis: int) -> Any:
    return jax.typeof(y).sharding.spec[axis]


def _resharded(x: Array, spec: Sequence[Any]) -> Array:
    return jax.sharding.reshard(x, NamedSharding(jax.typeof(x).sharding.mesh, PartitionSpec(*spec)))
