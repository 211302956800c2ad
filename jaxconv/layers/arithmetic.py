"""What layers ask of the numbers in x: an order, a dtype to add up in, divisions, powers and roots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array

from jaxconv.checks import number, shown
from jaxconv.errors import explain
from jaxconv.lowering.arrays import at_least_float32
from jaxconv.lowering.compiled import compiled


def check_ordered(where: str, x: Array) -> None:
    """Refuse numbers of which none is the largest."""
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        expected = "real: complex numbers have no largest one, and no least"
        raise TypeError(explain(where, "x", x.dtype, expected, "Pool abs(x), or parts"))


def accumulator(where: str, x: Array) -> DTypeLike:
    """The dtype to sum in: 32 bits at least, so that short floats keep their digits and short integers do not wrap."""
    if jnp.issubdtype(x.dtype, jnp.inexact):
        return at_least_float32(x.dtype)
    if jnp.issubdtype(x.dtype, jnp.integer):
        short = jnp.int32 if jnp.issubdtype(x.dtype, jnp.signedinteger) else jnp.uint32
        return short if jnp.iinfo(x.dtype).bits < 32 else x.dtype
    raise TypeError(explain(where, "x", x.dtype, "numbers", "Cast it first: x.astype(jnp.float32)"))


def divide(total: Array, counts: int | Sequence[Sequence[int]]) -> Array:
    """Divide `total` [n, *out, c] by one number, or for each axis by one for each position (they multiply).

    Integers round down. Counts per axis stay small vectors until they meet the data.
    """
    return _divided(total, counts if isinstance(counts, int) else tuple(map(tuple, counts)))


@partial(compiled, static_argnames="counts")
def _divided(total: Array, counts: int | tuple[tuple[int, ...], ...]) -> Array:
    if isinstance(counts, int):
        # A float, since the cells of a large volume are more than 32-bit integers count.
        by = counts if jnp.issubdtype(total.dtype, jnp.integer) else float(counts)
    else:
        by = jnp.ones((1,) * total.ndim, total.dtype)
        for position, count in enumerate(counts, start=1):
            others = tuple(axis for axis in range(total.ndim) if axis != position)
            whole = jnp.array(count, jnp.int32)  # whole numbers, since the certifier reads these and no floats
            by = by * jnp.expand_dims(whole, others).astype(total.dtype)
    return total // by if jnp.issubdtype(total.dtype, jnp.integer) else total / by


def checked_norm(where: str, norm: float) -> float:
    """A positive number, the p of an Lp norm."""
    cure = "Write 2 for the Euclidean norm; for the largest magnitude use max_pool of abs(x)"
    found = number(where, "norm", norm, cure=cure)
    if not 0 < found < math.inf:
        raise ValueError(explain(where, "norm", found, "positive and finite", cure))
    least, most = 2.0**-126, 2.0**126  # whose reciprocals float32 holds, too
    if not least <= found <= most:
        raise ValueError(explain(where, "norm", shown(found), f"from {least:.3g} to {most:.3g}", cure))
    return found


def check_real_floats(where: str, x: Array) -> None:
    """Refuse numbers that have no powers and roots among their own."""
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(explain(where, "x", x.dtype, "real floats", "Cast it first, or take abs(x) of complex numbers"))


@partial(compiled, static_argnames="norm")
def power(x: Array, norm: float) -> Array:
    """|x|^p; its derivative at 0 is 0, whatever p."""
    if norm % 2 == 0:
        return lax.integer_pow(x, int(norm))
    zero = x == 0  # where JAX's derivative of |x| is 1
    size = jnp.where(zero, 1, jnp.abs(x))
    return jnp.where(zero, 0, lax.integer_pow(size, int(norm)) if norm == int(norm) else size ** float(norm))


@partial(compiled, static_argnames="norm")
def root(total: Array, norm: float) -> Array:
    """total^(1/p) of sums that are not negative; its derivative at 0 is 0 rather than infinite, unless p is 1."""
    if norm == 1:
        return total
    zero = total == 0
    positive = jnp.where(zero, 1, total)
    return jnp.where(zero, 0, jnp.sqrt(positive) if norm == 2 else positive ** (1 / norm))
