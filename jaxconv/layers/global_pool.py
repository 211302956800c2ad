"""Pooling over whole images: one number for each channel."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Shaped

from jaxconv.layers.arithmetic import (
    accumulator,
    at_least_float32,
    check_ordered,
    check_real_floats,
    checked_norm,
    divide,
    power,
    root,
)
from jaxconv.layers.images import Layout, check_cells, enter_any


def global_max_pool(
    x: Shaped[ArrayLike, "n *spatial c"], *, batched: bool = True, layout: Layout = "channels_last"
) -> Shaped[Array, "n c"]:
    """The largest cell of each channel:  y[n,c] = max over all positions of x[n, *, c].

    Law: invariant under cyclic shifts by any amount. A NaN is the result wherever there is one. The derivative is
    shared equally by all cells that equal the result, NaNs among them, so that it moves with every cyclic shift. That
    of the first of them, as of `max_pool`, would not.

    Args:
        x: [n, *spatial, c], real numbers of any dtype, with one spatial axis or more; see `batched` and `layout`.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, c], of x's dtype.

    Raises:
        ValueError: x has no spatial axis, or an empty one.
        TypeError: x has no order (complex numbers).

    >>> global_max_pool(jnp.array([[3, 7], [1, 9], [4, 2]]), batched=False)
    Array([4, 9], dtype=int32)
    """
    x, leave = _enter_global("global_max_pool", x, batched=batched, layout=layout)
    check_ordered("global_max_pool", x)
    return leave(_extreme("max", x))


def global_min_pool(
    x: Shaped[ArrayLike, "n *spatial c"], *, batched: bool = True, layout: Layout = "channels_last"
) -> Shaped[Array, "n c"]:
    """The least cell of each channel:  y[n,c] = min over all positions of x[n, *, c].

    Law: invariant under cyclic shifts by any amount. NaNs and derivatives as for `global_max_pool`.

    Args:
        x: as for `global_max_pool`.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, c], of x's dtype.

    Raises:
        ValueError: x has no spatial axis, or an empty one.
        TypeError: x has no order (complex numbers).

    >>> global_min_pool(jnp.array([[3, 7], [1, 9], [4, 2]]), batched=False)
    Array([1, 2], dtype=int32)
    """
    x, leave = _enter_global("global_min_pool", x, batched=batched, layout=layout)
    check_ordered("global_min_pool", x)
    return leave(_extreme("min", x))


def global_lp_pool(
    x: Float[ArrayLike, "n *spatial c"], *, norm: float, batched: bool = True, layout: Layout = "channels_last"
) -> Float[Array, "n c"]:
    """The Lp norm of each channel:  y[n,c] = (sum over all positions of |x[n, *, c]|^p)^(1/p).

    Law: invariant under cyclic shifts by any amount. Sums and derivatives are treated as by `lp_pool`.

    Args:
        x: [n, *spatial, c], real floats, with one spatial axis or more; see `batched` and `layout`.
        norm: p, a positive number.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, c], of x's dtype.

    Raises:
        ValueError: x has no spatial axis, or an empty one; a norm that is not positive and finite.
        TypeError: x is not of real floats, or the norm not a number.

    >>> global_lp_pool(jnp.array([[3.0, 5.0], [-4.0, -12.0]]), norm=2, batched=False)
    Array([ 5., 13.], dtype=float32)
    """
    norm = checked_norm("global_lp_pool", norm)
    x, leave = _enter_global("global_lp_pool", x, batched=batched, layout=layout)
    check_real_floats("global_lp_pool", x)
    powers = power(x.astype(accumulator("global_lp_pool", x)), norm)
    return leave(root(jnp.sum(powers, axis=tuple(range(1, x.ndim - 1))), norm).astype(x.dtype))


def global_avg_pool(
    x: Shaped[ArrayLike, "n *spatial c"], *, batched: bool = True, layout: Layout = "channels_last"
) -> Shaped[Array, "n c"]:
    """The average of each channel:  y[n,c] = mean over all positions of x[n, *, c].

    Law: invariant under cyclic shifts by any amount. Sums and integers are treated as by `avg_pool`.

    Args:
        x: [n, *spatial, c], with one spatial axis or more; see `batched` and `layout`.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, c], of x's dtype.

    Raises:
        ValueError: x has no spatial axis, or an empty one.

    >>> global_avg_pool(jnp.array([[3.0, 7.0], [1.0, 9.0]]), batched=False)
    Array([2., 8.], dtype=float32)

    Source: Lin, Chen and Yan, Network in network, ICLR 2014, section 3.2.
    """
    x, leave = _enter_global("global_avg_pool", x, batched=batched, layout=layout)
    total = jnp.sum(x, axis=tuple(range(1, x.ndim - 1)), dtype=accumulator("global_avg_pool", x))
    return leave(divide(total, math.prod(x.shape[1:-1])).astype(x.dtype))


def _enter_global(where: str, x: ArrayLike, *, batched: bool, layout: Layout) -> tuple[Array, Callable[[Array], Array]]:
    """The input as [n, *spatial, c] with every axis but n and c a spatial one, none of them empty."""
    x, leave = enter_any(where, x, batched=batched, layout=layout, least=1)
    check_cells(where, x)
    return x, leave


def _extreme(name: Literal["max", "min"], x: Array) -> Array:
    """The largest or least cell of each channel of x [n, *spatial, c], or NaN: [n, c]."""
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return getattr(jnp, name)(x, axis=tuple(range(1, x.ndim - 1)))
    return _extreme_float(name, x)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
@partial(jax.jit, static_argnums=0)
def _extreme_float(name: Literal["max", "min"], x: Array) -> Array:
    """XLA's reductions on the CPU drop NaNs from some size on, so NaNs are looked for besides.

    By a maximum, which is twice as fast there as a disjunction of booleans.
    """
    spatial = tuple(range(1, x.ndim - 1))
    lost = jnp.max(jnp.isnan(x).astype(x.dtype), axis=spatial) > 0
    return jnp.where(lost, np.array(np.nan, x.dtype), getattr(jnp, name)(x, axis=spatial))


@_extreme_float.defjvp
@partial(jax.jit, static_argnums=0)
def _extreme_jvp(name: Literal["max", "min"], primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """Equal shares to all cells that equal the result."""
    (x,), (t,) = primals, tangents
    spatial = tuple(range(1, x.ndim - 1))
    y = _extreme_float(name, x)
    there = jnp.expand_dims(y, spatial)
    equal = (x == there) | (jnp.isnan(x) & jnp.isnan(there))
    count = jnp.sum(equal, axis=spatial, dtype=at_least_float32(x.dtype)).astype(x.dtype)
    return y, jnp.sum(jnp.where(equal, t, jnp.zeros((), t.dtype)), axis=spatial) / count
