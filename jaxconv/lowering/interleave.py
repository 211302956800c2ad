"""Interleaving arrays along an axis, and splitting an axis into periods."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.window_slices import pad_with_number


def interleaved(parts: Sequence[Array], axis: int) -> Array:
    """`y[j] = parts[j % p][j // p]` along an axis; the first parts may be longer by one.

    >>> interleaved([jnp.array([0, 2, 4]), jnp.array([1, 3])], 0).tolist()
    [0, 1, 2, 3, 4]
    """
    if len(parts) == 1:
        return parts[0]
    most, length = parts[0].shape[axis], sum(part.shape[axis] for part in parts)
    return merge_periods(jnp.stack([zero_extended(part, axis, most) for part in parts], axis + 1), axis, length)


def split_periods(x: Array, axis: int, period: int) -> Array:
    """Splits an axis in two: the period, and the position in it. Zeros fill the last period."""
    periods = -(-x.shape[axis] // period)
    x = zero_extended(x, axis, periods * period)
    return x.reshape(*x.shape[:axis], periods, period, *x.shape[axis + 1 :])


def merge_periods(x: Array, axis: int, length: int) -> Array:
    """The inverse: merges an axis with the next one, cut to a length."""
    x = x.reshape(*x.shape[:axis], x.shape[axis] * x.shape[axis + 1], *x.shape[axis + 2 :])
    return lax.slice_in_dim(x, 0, length, axis=axis)


def zero_extended(x: Array, axis: int, length: int) -> Array:
    """x with zeros appended along an axis up to a length; x itself if it is as long already."""
    config = tuple((0, length - n if number == axis else 0, 0) for number, n in enumerate(x.shape))
    return pad_with_number(x, config) if x.shape[axis] < length else x
