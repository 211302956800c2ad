"""Numeric helpers of the layers: checks of dtypes, accumulation dtypes, division, powers and roots."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array

from jaxconv.checks import positive_number, shown
from jaxconv.errors import explain
from jaxconv.lowering.arrays import at_least_float32
from jaxconv.lowering.compiled import compiled


def check_ordered(x: Array) -> None:
    """Refuses complex arrays, whose elements have no order."""
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        expected = "real, because complex numbers have no order"
        raise TypeError(explain("x", x.dtype, expected, "Pool abs(x), or its real and imaginary parts"))


def accumulator(x: Array, argument: str = "x") -> DTypeLike:
    """The dtype for sums: at least 32 bits, so that short floats keep their digits and short integers do not overflow.

    Raises:
        TypeError: x is boolean.
    """
    if jnp.issubdtype(x.dtype, jnp.inexact):
        return at_least_float32(x.dtype)
    if jnp.issubdtype(x.dtype, jnp.integer):
        short = jnp.int32 if jnp.issubdtype(x.dtype, jnp.signedinteger) else jnp.uint32
        return short if jnp.iinfo(x.dtype).bits < 32 else x.dtype
    raise TypeError(explain(argument, x.dtype, "numbers", f"Cast it first: {argument}.astype(jnp.float32)"))


def divide(total: Array, counts: int | Sequence[Sequence[int]]) -> Array:
    """Divides `total` [n, *out, c] by one number, or by the product over the axes of one number per position.

    Integers are rounded down. The counts of each axis stay a small vector until the division.
    """
    return _divided(total, counts if isinstance(counts, int) else tuple(map(tuple, counts)))


@partial(compiled, static_argnames="counts")
def _divided(total: Array, counts: int | tuple[tuple[int, ...], ...]) -> Array:
    if isinstance(counts, int):
        # A float, because the number of cells of a large volume may exceed the range of 32-bit integers.
        divisor = counts if jnp.issubdtype(total.dtype, jnp.integer) else float(counts)
    else:
        divisor = jnp.ones((1,) * total.ndim, total.dtype)
        for position, count in enumerate(counts, start=1):
            others = tuple(axis for axis in range(total.ndim) if axis != position)
            factors = jnp.array(count, jnp.int32)  # integers, because the certifier reads integer constants, not floats
            divisor = divisor * jnp.expand_dims(factors, others).astype(total.dtype)
    return total // divisor if jnp.issubdtype(total.dtype, jnp.integer) else total / divisor


def checked_norm(norm: float) -> float:
    """Returns p, the exponent of an Lp norm, as a positive number."""
    cure = "Write 2 for the Euclidean norm; for the largest magnitude use max_pool of abs(x)"
    value = positive_number("norm", norm, cure=cure)
    smallest, largest = 2.0**-126, 2.0**126  # the reciprocals are also float32 numbers
    if not smallest <= value <= largest:
        raise ValueError(explain("norm", shown(value), f"from {smallest:.3g} to {largest:.3g}", cure))
    return value


def check_real_floats(x: Array) -> None:
    """Refuses an array that is not of real floating-point numbers, for which powers and roots are not closed."""
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(explain("x", x.dtype, "real floats", "Cast it first, or take abs(x) of complex numbers"))


@partial(compiled, static_argnames="norm")
def power(x: Array, norm: float) -> Array:
    """|x|^p. The derivative at 0 is 0 for every p."""
    if norm % 2 == 0:
        return lax.integer_pow(x, int(norm))
    zero = x == 0  # JAX's derivative of |x| at 0 is 1
    size = jnp.where(zero, 1, jnp.abs(x))
    return jnp.where(zero, 0, lax.integer_pow(size, int(norm)) if norm == int(norm) else size ** float(norm))


@partial(compiled, static_argnames="norm")
def root(total: Array, norm: float) -> Array:
    """total^(1/p) for non-negative sums. The derivative at 0 is 0 instead of infinite, except for p = 1."""
    if norm == 1:
        return total
    zero = total == 0
    positive = jnp.where(zero, 1, total)
    return jnp.where(zero, 0, jnp.sqrt(positive) if norm == 2 else positive ** (1 / norm))
