"""The convolution and its two gradients as primitives, each the derivative of the others.

An equation has the parameters of the `lax.conv_general_dilated` that computes the same, under the same names
(`ConvSpec.lax_params`); and the spec, the result's dtype and the algorithm, if one is forced.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching
from jax.sharding import NamedSharding
from jaxtyping import Array

from jaxconv.lowering.algorithms import ALGORITHMS
from jaxconv.lowering.algorithms.algorithm import Conv
from jaxconv.lowering.conv_spec import CONV_OPERANDS, ConvSpec, lax_conv
from jaxconv.lowering.primitive import define, is_explicit, varying_alike
from jaxconv.lowering.table import algorithm_for, fits, forced_algorithm


def convolve(x: Array, kernel: Array, spec: ConvSpec) -> Array:
    """The convolution that `spec` describes, of x [n, *spatial, c] with a kernel [*window, c/groups, o]."""
    algorithm = forced_algorithm(spec, x.shape, kernel.shape)
    if algorithm == "lax":
        return lax_conv("conv", spec, x, kernel)  # lax's own equation, which every tool for jaxprs knows
    return bind("conv", spec, x, kernel, spec.preferred or x.dtype, algorithm=algorithm)


def bind(
    operation: str,
    spec: ConvSpec,
    lhs: Any,
    rhs: Any,
    dtype: Any,
    *,
    algorithm: str | None = None,
    out_sharding: NamedSharding | None = None,
) -> Array:
    """One equation."""
    settings = {"spec": spec, "dtype": jnp.dtype(dtype), "algorithm": algorithm, "out_sharding": out_sharding}
    return PRIMITIVES[operation].bind(*varying_alike(lhs, rhs), **settings, **spec.lax_params(operation))


def _computed(
    operation: str,
    lhs: Array,
    rhs: Array,
    *,
    spec: ConvSpec,
    dtype: Any,
    algorithm: str | None,
    out_sharding: NamedSharding | None,
    platform: str | None,
    **_: Any,
) -> Array:
    """The result on a platform: by the table on the CPU and by lax elsewhere, unless an algorithm is forced."""
    if operation != "conv":
        # The cotangent of y may be wider than x and the kernel, which lax widens before it convolves.
        wide = (rhs if operation == "conv_kernel_grad" else lhs).dtype
        lhs, rhs = lhs.astype(wide), rhs.astype(wide)
    if algorithm is None and platform == "cpu":
        result = table_conv(operation, spec, lhs, rhs, out_sharding)
    else:
        # vmap may have made a convolution that the forced algorithm no longer fits.
        forced = algorithm is not None and fits(algorithm, operation, spec, lhs.shape, rhs.shape)
        result = _run(algorithm if algorithm and forced else "lax", operation, spec, lhs, rhs, lax_conv, out_sharding)
    return result.astype(dtype)


def table_conv(
    operation: str, spec: ConvSpec, lhs: Array, rhs: Array, out_sharding: NamedSharding | None = None
) -> Array:
    """One operation by the table's algorithm, and the smaller convolutions inside it by the table too."""
    algorithm = algorithm_for(operation, spec, lhs.shape[0], *spec.channels(operation, lhs.shape, rhs.shape))
    return _run(algorithm, operation, spec, lhs, rhs, table_conv, out_sharding)


def _run(
    algorithm: str,
    operation: str,
    spec: ConvSpec,
    lhs: Array,
    rhs: Array,
    inner_conv: Conv,
    out_sharding: NamedSharding | None,
) -> Array:
    """One operation by one algorithm. Empty arrays, and arrays with explicit sharding, are left to lax."""
    if algorithm == "lax" or lhs.size == 0 or rhs.size == 0 or any(map(is_explicit, (lhs, rhs))):
        return lax_conv(operation, spec, lhs, rhs, out_sharding)
    return ALGORITHMS[algorithm](operation, spec, lhs, rhs, inner_conv=inner_conv)


# The names start with "jaxconv_" because the certifier's rules go by name.
PRIMITIVES: dict[str, Primitive] = {
    operation: define(f"jaxconv_{operation}", partial(_computed, operation)) for operation in CONV_OPERANDS
}


def _transpose(
    operation: str,
    number: int,
    cotangent: Any,
    *operands: Any,
    spec: ConvSpec,
    algorithm: str | None,
    **_: Any,
) -> Array:
    """The cotangent of operand `number`: another operation, of the other operand and the result's cotangent."""
    given = dict(zip(CONV_OPERANDS[operation], (*operands, cotangent), strict=True))
    role, aval = CONV_OPERANDS[operation][number], operands[number].aval
    target = next(name for name, roles in CONV_OPERANDS.items() if roles[2] == role)
    lhs, rhs = (given[role] for role in CONV_OPERANDS[target][:2])
    out_sharding = aval.sharding if any(map(is_explicit, (lhs, rhs))) else None
    return bind(target, spec, lhs, rhs, aval.dtype, algorithm=algorithm, out_sharding=out_sharding)


# Where the axis of vmap is merged: into an index that the operand does not share with the other operand; or, if both
# are batched, into the channels as more groups. (role, index) -> axis, and whether the index is split into groups.
AXES = {
    ("x", "n"): (0, False),
    ("x", "c"): (-1, True),
    ("kernel", "c"): (-2, False),
    ("kernel", "o"): (-1, True),
    ("y", "n"): (0, False),
    ("y", "o"): (-1, True),
}
GROUPED = {"x": "c", "kernel": "o", "y": "o"}  # the index that is split into groups


def _batched(
    operation: str, operands: Any, axes: Any, *, spec: ConvSpec, dtype: Any, algorithm: str | None, **_: Any
) -> tuple[Array, int]:
    """One equation for a whole batch of convolutions."""
    roles = CONV_OPERANDS[operation]
    moved = [jnp.moveaxis(a, axis, 0) if axis is not None else a for a, axis in zip(operands, axes, strict=True)]
    count = next(a.shape[0] for a, axis in zip(moved, axes, strict=True) if axis is not None)
    if count == 0:
        shapes = [a.shape if axis is None else a.shape[1:] for a, axis in zip(moved, axes, strict=True)]
        return jnp.zeros((0, *spec.shape_of(roles[2], *shapes)), dtype), 0
    if None not in axes:
        more_groups = replace(spec, groups=spec.groups * count)
        lhs, rhs = (_merged(a, AXES[role, GROUPED[role]][0], 1) for a, role in zip(moved, roles, strict=False))
        result = bind(operation, more_groups, lhs, rhs, dtype, algorithm=algorithm)
        return _unmerged(result, AXES[roles[2], GROUPED[roles[2]]][0], 1, count), 0
    batched = 0 if axes[1] is None else 1
    role, other, target = roles[batched], roles[1 - batched], roles[2]
    index = next(i for r, i in AXES if r == role and (other, i) not in AXES)
    parts = lambda role: spec.groups if AXES[role, index][1] else 1
    moved[batched] = _merged(moved[batched], AXES[role, index][0], parts(role))
    result = bind(operation, spec, moved[0], moved[1], dtype, algorithm=algorithm)
    return _unmerged(result, AXES[target, index][0], parts(target), count), 0


def _merged(a: Array, axis: int, parts: int) -> Array:
    """[count, ..., parts*l, ...] to [..., parts*count*l, ...]: merges the first axis into each part of another axis."""
    count, *shape = a.shape
    axis %= len(shape)
    length = shape[axis] // parts
    a = a.reshape(count, *shape[:axis], parts, length, *shape[axis + 1 :])
    return jnp.moveaxis(a, 0, axis + 1).reshape(*shape[:axis], parts * count * length, *shape[axis + 1 :])


def _unmerged(a: Array, axis: int, parts: int, count: int) -> Array:
    """The inverse: [..., parts*count*l, ...] to [count, ..., parts*l, ...]."""
    axis %= a.ndim
    before, after = a.shape[:axis], a.shape[axis + 1 :]
    length = a.shape[axis] // (parts * count)
    a = jnp.moveaxis(a.reshape(*before, parts, count, length, *after), axis + 1, 0)
    return a.reshape(count, *before, parts * length, *after)


for _operation, _primitive in PRIMITIVES.items():
    ad.defbilinear(_primitive, partial(_transpose, _operation, 0), partial(_transpose, _operation, 1))
    batching.primitive_batchers[_primitive] = partial(_batched, _operation)
