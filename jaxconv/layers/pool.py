"""Pooling: the maximum, the minimum or the average of every window, each channel by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

from jax.typing import ArrayLike
from jaxtyping import Array, Shaped

from jaxconv.checks import choice
from jaxconv.errors import explain, spatial_names
from jaxconv.layers.arithmetic import accumulator, check_ordered, divide
from jaxconv.layers.images import Layout, enter
from jaxconv.lowering import pooling
from jaxconv.lowering.boundary import copy_boundary
from jaxconv.lowering.explicit_sharding import gathered, keeps_no_padding
from jaxconv.sizes import size
from jaxconv.window import Axis, Padding, slide, window_sizes

Divisor = Literal["inside", "window"]


def max_pool(
    x: Shaped[ArrayLike, "n *spatial c"],
    window: Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *out c"]:
    """The largest cell of every window:  y[n,i,j,c] = max_{u,v} x[n, i*s + u*d - lo, j*s + v*d - lo, c].

    Padding cells never win: they count as minus infinity, or as the least integer. The derivative of a window is that
    of its largest cell, or of the first of them in row-major order if several are equal, in forward and reverse mode
    alike, with any dilation. A NaN is larger than any number: it wins its windows, and the first one takes their
    derivative.

    Law: as for `conv`: with padding "CIRCULAR" and s dividing the length, shifting x by s shifts y by one. With the
    default stride, the window, it does so for shifts by whole windows only: pooling is not invariant to small shifts.

    Args:
        x: [n, *spatial, c], real numbers of any dtype; see `batched` and `layout`.
        window: taps along each spatial axis, (2, 2) for images; its length is the number of spatial axes.
        stride: s, cells from one window to the next; by default the window's own size, so that windows do not overlap.
        padding: as for `conv`.
        dilation: d, cells from one tap of the window to the next; one integer, or one for each spatial axis.
        ceil_mode: True for one more window where cells are left over behind the last: it overhangs the padded input,
            and reads padding there. None that would start behind x: PyTorch's rule. For padding "VALID" and zeros
            (lo, hi) only; every other name gives ceil(length / s) windows without it.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *out, c], of x's dtype.

    Raises:
        ValueError: sizes that do not fit together, a window that would see nothing but padding, or `ceil_mode` with a
            padding that it is not for.
        TypeError: x has no order (complex numbers).

    >>> import jax.numpy as jnp
    >>> max_pool(jnp.array([[3, 1, 4, 1, 5, 9, 2]]).reshape(1, 7, 1), (2,)).ravel()
    Array([3, 4, 9], dtype=int32)
    >>> max_pool(jnp.array([[3, 1, 4, 1, 5, 9, 2]]).reshape(1, 7, 1), (2,), ceil_mode=True).ravel()
    Array([3, 4, 9, 2], dtype=int32)

    Source: Yamaguchi et al., A neural network for speaker-independent isolated word recognition, ICSLP 1990.
    """
    stride = window if stride is None else stride
    x, leave, axes = enter_windows(
        "max_pool", x, window, stride, padding, dilation, ceil_mode=ceil_mode, batched=batched, layout=layout
    )
    check_ordered("max_pool", x)
    return leave(pooling.max_pool(*copy_boundary(x, axes)))


def min_pool(
    x: Shaped[ArrayLike, "n *spatial c"],
    window: Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *out c"]:
    """The least cell of every window:  y[n,i,j,c] = min_{u,v} x[n, i*s + u*d - lo, j*s + v*d - lo, c].

    The mirror of `max_pool`, -max_pool(-x), for every dtype: padding cells never win, and count as infinity, or as the
    greatest integer; the derivative is that of the first of the least cells; the same is true of NaNs.

    Law: as for `max_pool`.

    Args:
        x: [n, *spatial, c], real numbers of any dtype; see `batched` and `layout`.
        window: taps along each spatial axis, (2, 2) for images; its length is the number of spatial axes.
        stride: s, cells from one window to the next; by default the window's own size, so that windows do not overlap.
        padding: as for `conv`.
        dilation: as for `max_pool`.
        ceil_mode: as for `max_pool`.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *out, c], of x's dtype.

    Raises:
        ValueError: as for `max_pool`.
        TypeError: x has no order (complex numbers).

    >>> import jax.numpy as jnp
    >>> min_pool(jnp.array([[3, 1, 4, 1, 5, 9]]).reshape(1, 6, 1), (2,), stride=1, dilation=3).ravel()
    Array([1, 1, 4], dtype=int32)
    """
    stride = window if stride is None else stride
    x, leave, axes = enter_windows(
        "min_pool", x, window, stride, padding, dilation, ceil_mode=ceil_mode, batched=batched, layout=layout
    )
    check_ordered("min_pool", x)
    return leave(pooling.min_pool(*copy_boundary(x, axes)))


def avg_pool(
    x: Shaped[ArrayLike, "n *spatial c"],
    window: Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    divisor: Divisor | int | None = None,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *out c"]:
    """The average of every window:  y[n,i,j,c] = sum_{u,v} x[n, i*s + u*d - lo, j*s + v*d - lo, c] / divisor.

    Half-precision floats are summed in float32. Integers stay integers: the sum, in 32 bits or more, is divided
    rounding down, as `//` does.

    Law: as for `max_pool`; and linear in x (but for that rounding). With zero padding, `divisor="inside"` keeps
    constant images constant up to the border, `divisor="window"` darkens them there.

    Args:
        x: [n, *spatial, c]; see `batched` and `layout`.
        window: taps along each spatial axis, (2, 2) for images; its length is the number of spatial axes.
        stride: s, cells from one window to the next; by default the window's own size, so that windows do not overlap.
        padding: as for `conv`.
        dilation: as for `max_pool`.
        ceil_mode: as for `max_pool`; what an overhanging window reads beyond the padded input are zeros of the padding
            like all others, so that a divisor is needed.
        divisor: "window": the number of taps; "inside": the number of taps that read a cell of x rather than a zero of
            the padding; or a positive integer (1 gives the sum). Needed only where windows reach zero padding, since
            other libraries differ there; elsewhere the two are the same number. (PyTorch's `count_include_pad=True`
            counts the zeros that are asked for and not those that `ceil_mode` adds: without the former it is "inside",
            without the latter "window", and with both neither.)
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *out, c], of x's dtype.

    Raises:
        ValueError: as for `max_pool`, or no divisor where it makes a difference.
        TypeError: x is of booleans.

    >>> import jax.numpy as jnp
    >>> x = jnp.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)
    >>> avg_pool(x, (2,), padding=((1, 1),), divisor="inside").ravel()
    Array([1. , 2.5, 4. ], dtype=float32)
    >>> avg_pool(x, (2,), padding=((1, 1),), divisor="window").ravel()
    Array([0.5, 2.5, 2. ], dtype=float32)

    Source: LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 86 (1998), II.B.
    """
    stride = window if stride is None else stride
    x, leave, axes = enter_windows(
        "avg_pool", x, window, stride, padding, dilation, ceil_mode=ceil_mode, batched=batched, layout=layout
    )
    counts = _counts("avg_pool", axes, divisor)
    total = pooling.sum_pool(*copy_boundary(x.astype(accumulator("avg_pool", x)), axes))
    return leave(divide(total, counts).astype(x.dtype))


def enter_windows(
    where: str,
    x: ArrayLike,
    window: Sequence[int],
    stride: int | Sequence[int],
    padding: Padding,
    dilation: int | Sequence[int] = 1,
    *,
    ceil_mode: bool = False,
    batched: bool,
    layout: Layout,
) -> tuple[Array, Callable[[Array], Array], tuple[Axis, ...]]:
    """The input as [n, *spatial, c], the way back, and the axes of a window that sees a cell of x at every position."""
    window = window_sizes(where, window)
    x, leave = enter(where, x, len(window), batched=batched, layout=layout)
    axes = slide(where, x.shape[1:-1], window, stride, padding, dilation, ceil_mode=ceil_mode)
    for name, axis in zip(spatial_names(len(axes)), axes, strict=True):
        if min(_inside(axis)) == 0:
            found = f"{(axis.pad.lo, axis.pad.hi)} along axis {name}"
            little = "less than" if axis.dilation == 1 else f"so little, with dilation {axis.dilation}, for"
            expected = f"{little} the window's {axis.taps} taps, so that every window sees a cell of x"
            cure = "Pad x itself first, by jnp.pad, with the numbers that windows beyond it should see"
            raise ValueError(explain(where, "padding", found, expected, cure))
    x, back = gathered(x, keeps_no_padding(x, axes))
    return x, lambda y: leave(back(y)), axes


def _inside(axis: Axis) -> tuple[int, ...]:
    """For every position along one axis, how many taps read a cell of x."""
    return tuple(axis.inside(j) for j in range(axis.out))


def _counts(where: str, axes: Sequence[Axis], divisor: Divisor | int | None) -> int | list[tuple[int, ...]]:
    """What to divide by: one number for all windows, or for each axis one number per position (they multiply)."""
    cure = 'Pass divisor="inside" to count cells of x only, or "window" to count the zeros of the padding too'
    taps = math.prod(axis.taps for axis in axes)
    inside = [_inside(axis) for axis in axes]
    full = all(count == axis.taps for axis, counts in zip(axes, inside, strict=True) for count in counts)
    if divisor is not None and not isinstance(divisor, str):
        return size(where, "divisor", divisor, cure=cure)
    if divisor is None and not full:
        raise ValueError(explain(where, "divisor", None, "given where windows reach zero padding", cure))
    counted = (
        "window"
        if divisor is None
        else choice(where, "divisor", divisor, ("inside", "window"), cure=cure, besides="a positive integer")
    )
    return taps if full or counted == "window" else inside
