"""Pooling over all positions: one number per channel."""

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

from jaxconv.errors import public
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


@public
def global_max_pool(
    x: Shaped[ArrayLike, "n *spatial c"], *, batched: bool = True, layout: Layout = "channels_last"
) -> Shaped[Array, "n c"]:
    """Returns the maximum of each channel:  y[n,c] = max over all positions of x[n, *, c].

    Law: invariant under cyclic shifts by any amount. The result is NaN if the channel has a NaN. The derivative is
    distributed equally over all cells that equal the result, NaNs included, and therefore shifts with x under every
    cyclic shift. The rule of `max_pool`, the first of equal cells, would not.

    Args:
        x: [n, *spatial, c], real numbers of any dtype, with one or more spatial axes; see `batched` and `layout`.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, c], with the dtype of x.

    Raises:
        ValueError: x has no spatial axis, or an empty one.
        TypeError: x is complex, and complex numbers have no order.

    >>> global_max_pool(jnp.array([[3, 7], [1, 9], [4, 2]]), batched=False)
    Array([4, 9], dtype=int32)
    """
    x, from_nhwc = _to_nhwc_global(x, batched=batched, layout=layout)
    check_ordered(x)
    return from_nhwc(_extreme("max", x))


@public
def global_min_pool(
    x: Shaped[ArrayLike, "n *spatial c"], *, batched: bool = True, layout: Layout = "channels_last"
) -> Shaped[Array, "n c"]:
    """Returns the minimum of each channel:  y[n,c] = min over all positions of x[n, *, c].

    Law: invariant under cyclic shifts by any amount. NaNs and derivatives as for `global_max_pool`.

    Args:
        x: as for `global_max_pool`.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, c], with the dtype of x.

    Raises:
        ValueError: x has no spatial axis, or an empty one.
        TypeError: x is complex, and complex numbers have no order.

    >>> global_min_pool(jnp.array([[3, 7], [1, 9], [4, 2]]), batched=False)
    Array([1, 2], dtype=int32)
    """
    x, from_nhwc = _to_nhwc_global(x, batched=batched, layout=layout)
    check_ordered(x)
    return from_nhwc(_extreme("min", x))


@public
def global_lp_pool(
    x: Float[ArrayLike, "n *spatial c"], *, norm: float, batched: bool = True, layout: Layout = "channels_last"
) -> Float[Array, "n c"]:
    """Returns the Lp norm of each channel:  y[n,c] = (sum over all positions of |x[n, *, c]|^p)^(1/p).

    Law: invariant under cyclic shifts by any amount. Accumulation and derivatives are as for `lp_pool`.

    Args:
        x: [n, *spatial, c], real floats, with one or more spatial axes; see `batched` and `layout`.
        norm: p, a positive number.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, c], with the dtype of x.

    Raises:
        ValueError: x has no spatial axis, or an empty one; or `norm` is not positive and finite.
        TypeError: x is not real floating-point, or `norm` is not a number.

    >>> global_lp_pool(jnp.array([[3.0, 5.0], [-4.0, -12.0]]), norm=2, batched=False)
    Array([ 5., 13.], dtype=float32)
    """
    norm = checked_norm(norm)
    x, from_nhwc = _to_nhwc_global(x, batched=batched, layout=layout)
    check_real_floats(x)
    powers = power(x.astype(accumulator(x)), norm)
    return from_nhwc(root(jnp.sum(powers, axis=tuple(range(1, x.ndim - 1))), norm).astype(x.dtype))


@public
def global_avg_pool(
    x: Shaped[ArrayLike, "n *spatial c"], *, batched: bool = True, layout: Layout = "channels_last"
) -> Shaped[Array, "n c"]:
    """Returns the average of each channel:  y[n,c] = mean over all positions of x[n, *, c].

    Law: invariant under cyclic shifts by any amount. Accumulation and integers are as for `avg_pool`.

    Args:
        x: [n, *spatial, c], with one or more spatial axes; see `batched` and `layout`.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, c], with the dtype of x.

    Raises:
        ValueError: x has no spatial axis, or an empty one.
        TypeError: x is boolean.

    >>> global_avg_pool(jnp.array([[3.0, 7.0], [1.0, 9.0]]), batched=False)
    Array([2., 8.], dtype=float32)

    Source: Lin, Chen and Yan, Network in network, ICLR 2014, section 3.2.
    """
    x, from_nhwc = _to_nhwc_global(x, batched=batched, layout=layout)
    total = jnp.sum(x, axis=tuple(range(1, x.ndim - 1)), dtype=accumulator(x))
    return from_nhwc(divide(total, math.prod(x.shape[1:-1])).astype(x.dtype))


def _to_nhwc_global(x: ArrayLike, *, batched: bool, layout: Layout) -> tuple[Array, Callable[[Array], Array]]:
    """Returns x as [n, *spatial, c], with no empty spatial axis, and the function that restores the layout."""
    x, from_nhwc = enter_any(x, batched=batched, layout=layout, least=1)
    check_cells(x)
    return x, from_nhwc


def _extreme(name: Literal["max", "min"], x: Array) -> Array:
    """Returns the maximum or minimum of each channel of x [n, *spatial, c], or NaN: [n, c]."""
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return getattr(jnp, name)(x, axis=tuple(range(1, x.ndim - 1)))
    return _extreme_float(name, x)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
@partial(jax.jit, static_argnums=0)
def _extreme_float(name: Literal["max", "min"], x: Array) -> Array:
    """Returns the maximum or minimum, and NaN if there is one. XLA's CPU reductions lose NaNs from some size on.

    NaNs are detected with a maximum, which is twice as fast on the CPU as a disjunction of booleans.
    """
    spatial = tuple(range(1, x.ndim - 1))
    has_nan = jnp.max(jnp.isnan(x).astype(x.dtype), axis=spatial) > 0
    return jnp.where(has_nan, np.array(np.nan, x.dtype), getattr(jnp, name)(x, axis=spatial))


@_extreme_float.defjvp
@partial(jax.jit, static_argnums=0)
def _extreme_jvp(name: Literal["max", "min"], primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """Distributes the derivative equally over all cells that equal the result."""
    (x,), (t,) = primals, tangents
    spatial = tuple(range(1, x.ndim - 1))
    y = _extreme_float(name, x)
    expanded = jnp.expand_dims(y, spatial)
    equal = (x == expanded) | (jnp.isnan(x) & jnp.isnan(expanded))
    count = jnp.sum(equal, axis=spatial, dtype=at_least_float32(x.dtype)).astype(x.dtype)
    return y, jnp.sum(jnp.where(equal, t, jnp.zeros((), t.dtype)), axis=spatial) / count
