"""Cells that take turns along an axis: apart, and put together again."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.taps import extended


def interleaved(parts: Sequence[Array], axis: int) -> Array:
    """`y[j] = parts[j % p][j // p]` along an axis; the first parts may be longer by one.

    >>> interleaved([jnp.array([0, 2, 4]), jnp.array([1, 3])], 0).tolist()
    [0, 1, 2, 3, 4]
    """
    if len(parts) == 1:
        return parts[0]
    most, length = parts[0].shape[axis], sum(part.shape[axis] for part in parts)
    return in_one(jnp.stack([lengthened(part, axis, most) for part in parts], axis + 1), axis, length)


def in_periods(x: Array, axis: int, period: int) -> Array:
    """An axis as two: which period, and where in it. Zeros fill up the last one."""
    turns = -(-x.shape[axis] // period)
    x = lengthened(x, axis, turns * period)
    return x.reshape(*x.shape[:axis], turns, period, *x.shape[axis + 1 :])


def in_one(x: Array, axis: int, length: int) -> Array:
    """The way back: an axis and the one after it as one of this length."""
    x = x.reshape(*x.shape[:axis], x.shape[axis] * x.shape[axis + 1], *x.shape[axis + 2 :])
    return lax.slice_in_dim(x, 0, length, axis=axis)


def lengthened(x: Array, axis: int, length: int) -> Array:
    """x with zeros at the end of an axis, if it is not so long already."""
    config = tuple((0, length - n if number == axis else 0, 0) for number, n in enumerate(x.shape))
    return extended(x, config) if x.shape[axis] < length else x
