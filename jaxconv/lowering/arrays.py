"""Sums, zeros and dtypes that several algorithms need."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array


def zeros_like(a: Array, shape: Sequence[int]) -> Array:
    """Zeros of a shape, of the dtype of `a`; inside `shard_map` they vary over the same mesh axes, as loops require."""
    zeros = jnp.zeros(shape, a.dtype)
    over_mesh = tuple(sorted(jax.typeof(a).manual_axis_type.varying))
    return lax.pcast(zeros, over_mesh, to="varying") if over_mesh else zeros


def at_least_float32(dtype: DTypeLike) -> DTypeLike:
    """float32 for shorter floating dtypes, so that sums keep their digits; any other dtype itself."""
    return jnp.float32 if jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32 else dtype


def summed(terms: Sequence[Array]) -> Array:
    """The sum of one array or more."""
    return sum(terms[1:], start=terms[0])
