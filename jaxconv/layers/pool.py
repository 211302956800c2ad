"""Pooling: the maximum or the average of every window, each channel by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Shaped

from jaxconv.errors import explain, spatial_names
from jaxconv.layers.images import Layout, at_least_single, enter
from jaxconv.lowering import pooling
from jaxconv.lowering.extend import extend
from jaxconv.window import Axis, Padding, positive, slide, window_sizes

Divisor = Literal["inside", "window"]


def max_pool(
    x: Shaped[ArrayLike, "n *spatial c"],
    window: Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *out c"]:
    """The largest cell of every window:  y[n,i,j,c] = max_{u,v} x[n, i*s + u - lo, j*s + v - lo, c].

    Padding cells never win: they count as minus infinity, or as the least integer. The derivative of a window is that
    of its largest cell, or of the first of them in row-major order if several are equal, in forward and reverse mode
    alike. Whether a NaN in the window wins is left to XLA where lax computes (see docs/lowering.md); on CPU it may be
    lost there.

    Law: as for `conv`: with padding "CIRCULAR" and s dividing the length, shifting x by s shifts y by one. With the
    default stride, the window, it does so for shifts by whole windows only: pooling is not invariant to small shifts.

    Args:
        x: [n, *spatial, c], real numbers of any dtype; see `batched` and `layout`.
        window: taps along each spatial axis, (2, 2) for images; its length is the number of spatial axes.
        stride: s, cells from one window to the next; by default the window's own size, so that windows do not overlap.
        padding: as for `conv`.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *out, c], of x's dtype.

    Raises:
        ValueError: sizes that do not fit together, or a window that would see nothing but padding.
        TypeError: x has no order (complex numbers).

    >>> max_pool(jnp.array([[3, 1, 4, 1, 5, 9]]).reshape(1, 6, 1), (2,)).ravel()
    Array([3, 4, 9], dtype=int32)

    Source: Yamaguchi et al., A neural network for speaker-independent isolated word recognition, ICSLP 1990.
    """
    x, leave, axes = _enter("max_pool", x, window, stride, padding, batched=batched, layout=layout)
    _check_ordered("max_pool", x)
    return leave(pooling.max_pool(*extend(x, axes)))


def avg_pool(
    x: Shaped[ArrayLike, "n *spatial c"],
    window: Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    divisor: Divisor | int | None = None,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *out c"]:
    """The average of every window:  y[n,i,j,c] = sum_{u,v} x[n, i*s + u - lo, j*s + v - lo, c] / divisor.

    Half-precision floats are summed in float32. Integers stay integers: the sum, in 32 bits or more, is divided
    rounding down, as `//` does.

    Law: as for `max_pool`; and linear in x (but for that rounding). With zero padding, `divisor="inside"` keeps
    constant images constant up to the border, `divisor="window"` darkens them there.

    Args:
        x: [n, *spatial, c]; see `batched` and `layout`.
        window: taps along each spatial axis, (2, 2) for images; its length is the number of spatial axes.
        stride: s, cells from one window to the next; by default the window's own size, so that windows do not overlap.
        padding: as for `conv`.
        divisor: "window": the number of taps; "inside": the number of taps that read a cell of x rather than a zero of
            the padding; or a positive integer (1 gives the sum). Needed only where windows reach zero padding, since
            other libraries differ there; elsewhere the two are the same number.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *out, c], of x's dtype.

    Raises:
        ValueError: sizes that do not fit together, a window that would see nothing but padding, or no divisor where it
            makes a difference.

    >>> x = jnp.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)
    >>> avg_pool(x, (2,), padding=((1, 1),), divisor="inside").ravel()
    Array([1. , 2.5, 4. ], dtype=float32)
    >>> avg_pool(x, (2,), padding=((1, 1),), divisor="window").ravel()
    Array([0.5, 2.5, 2. ], dtype=float32)

    Source: LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 86 (1998), II.B.
    """
    x, leave, axes = _enter("avg_pool", x, window, stride, padding, batched=batched, layout=layout)
    counts = _counts("avg_pool", axes, divisor)
    total = pooling.sum_pool(*extend(x.astype(_accumulator("avg_pool", x)), axes))
    return leave(_divide(total, counts).astype(x.dtype))


def global_max_pool(
    x: Shaped[ArrayLike, "n *spatial c"], *, batched: bool = True, layout: Layout = "channels_last"
) -> Shaped[Array, "n c"]:
    """The largest cell of each channel:  y[n,c] = max over all positions of x[n, *, c].

    Law: invariant under cyclic shifts by any amount.

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
    _check_ordered("global_max_pool", x)
    return leave(jnp.max(x, axis=tuple(range(1, x.ndim - 1))))


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
    total = jnp.sum(x, axis=tuple(range(1, x.ndim - 1)), dtype=_accumulator("global_avg_pool", x))
    return leave(_divide(total, math.prod(x.shape[1:-1])).astype(x.dtype))


def _enter(
    where: str,
    x: ArrayLike,
    window: Sequence[int],
    stride: int | Sequence[int] | None,
    padding: Padding,
    *,
    batched: bool,
    layout: Layout,
) -> tuple[Array, Callable[[Array], Array], tuple[Axis, ...]]:
    """The input as [n, *spatial, c], the way back, and the axes of a window that sees a cell of x at every position."""
    window = window_sizes(where, window)
    x, leave = enter(where, x, len(window), batched=batched, layout=layout)
    axes = slide(where, x.shape[1:-1], window, window if stride is None else stride, padding)
    for name, axis in zip(spatial_names(len(axes)), axes, strict=True):
        if min(_inside(axis)) == 0:
            found = f"{(axis.pad.lo, axis.pad.hi)} along axis {name}"
            expected = f"less than the window's {axis.taps} taps, so that every window sees a cell of x"
            raise ValueError(explain(where, "padding", found, expected))
    return x, leave, axes


def _enter_global(where: str, x: ArrayLike, *, batched: bool, layout: Layout) -> tuple[Array, Callable[[Array], Array]]:
    """The input as [n, *spatial, c] with every axis but n and c a spatial one, none of them empty."""
    x = jnp.asarray(x)
    x, leave = enter(where, x, max(x.ndim - 1 - batched, 1), batched=batched, layout=layout)
    if 0 in x.shape[1:-1]:
        raise ValueError(explain(where, "x", f"{x.shape} [n, *spatial, c]", "1 or more cells along every spatial axis"))
    return x, leave


def _check_ordered(where: str, x: Array) -> None:
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise TypeError(
            explain(where, "x", x.dtype, "real: complex numbers have no largest one", "Pool abs(x), or parts")
        )


def _accumulator(where: str, x: Array) -> DTypeLike:
    """The dtype to sum in: 32 bits at least, so that short floats keep their digits and short integers do not wrap."""
    if jnp.issubdtype(x.dtype, jnp.inexact):
        return at_least_single(x.dtype)
    if jnp.issubdtype(x.dtype, jnp.integer):
        short = jnp.int32 if jnp.issubdtype(x.dtype, jnp.signedinteger) else jnp.uint32
        return short if jnp.iinfo(x.dtype).bits < 32 else x.dtype
    raise TypeError(explain(where, "x", x.dtype, "numbers", "Cast it first: x.astype(jnp.float32)"))


def _inside(axis: Axis) -> tuple[int, ...]:
    """For every position along one axis, how many taps read a cell of x."""
    return tuple(axis.inside(j) for j in range(axis.out))


def _counts(where: str, axes: Sequence[Axis], divisor: Divisor | int | None) -> int | list[tuple[int, ...]]:
    """What to divide by: one number for all windows, or for each axis one number per position (they multiply)."""
    taps = math.prod(axis.taps for axis in axes)
    inside = [_inside(axis) for axis in axes]
    full = all(count == axis.taps for axis, counts in zip(axes, inside, strict=True) for count in counts)
    if divisor is None and not full:
        cure = 'Pass divisor="inside" to count cells of x only, or "window" to count the zeros of the padding too'
        raise ValueError(explain(where, "divisor", None, "given where windows reach zero padding", cure))
    if divisor is None or divisor == "window":
        return taps
    if divisor == "inside":
        return taps if full else inside
    if isinstance(divisor, str):
        raise ValueError(explain(where, "divisor", repr(divisor), '"inside", "window" or a positive integer'))
    (number,) = positive(where, "divisor", divisor, 1)
    return number


def _divide(total: Array, counts: int | list[tuple[int, ...]]) -> Array:
    """Divide `total` by `counts`; integers round down. Counts per axis stay small vectors until they meet the data."""
    if isinstance(counts, int):
        # A float, since the cells of a large volume are more than 32-bit integers count.
        by = counts if jnp.issubdtype(total.dtype, jnp.integer) else float(counts)
    else:
        by = jnp.ones((1,) * total.ndim, total.dtype)
        for position, count in enumerate(counts, start=1):
            others = tuple(axis for axis in range(total.ndim) if axis != position)
            by = by * jnp.expand_dims(jnp.array(count, total.dtype), others)
    return total // by if jnp.issubdtype(total.dtype, jnp.integer) else total / by
