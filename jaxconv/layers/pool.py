"""Pooling: the maximum, the minimum or the average of every window, separately for each channel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

from jax.typing import ArrayLike
from jaxtyping import Array, Shaped

from jaxconv.checks import choice
from jaxconv.errors import explain, public, spatial_names
from jaxconv.layers.arithmetic import accumulator, check_ordered, divide
from jaxconv.layers.images import Layout, to_nhwc
from jaxconv.lowering import pooling
from jaxconv.lowering.boundary import copy_boundary
from jaxconv.lowering.explicit_sharding import gathered, keeps_no_padding
from jaxconv.sizes import size
from jaxconv.window import Axis, Padding, slide, window_sizes

Divisor = Literal["inside", "window"]


@public
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
    """Returns the maximum of each window:  y[n,i,j,c] = max_{u,v} x[n, i*s + u*d - lo, j*s + v*d - lo, c].

    Cells of zero padding never win: they count as minus infinity, or as the smallest integer. The derivative of a
    window goes to its largest cell. If several cells are equal, it goes to the first in row-major order, in forward and
    reverse mode, with any dilation. A NaN counts as larger than any number: a window with NaNs returns NaN, and its
    derivative goes to the first NaN.

    Law: as for `conv`: with padding "CIRCULAR" and s dividing the length, shifting x by s shifts y by one. With the
    default stride, the window, this covers shifts by whole windows only: pooling is not invariant to small shifts.

    Args:
        x: [n, *spatial, c], real numbers of any dtype; see `batched` and `layout`.
        window: number of taps along each spatial axis, for example (2, 2) for images. Its length is the number of
            spatial axes.
        stride: s, number of cells between neighbouring windows. The default is the window, so windows do not overlap.
        padding: as for `conv`.
        dilation: d, number of cells between neighbouring taps; one integer, or one per spatial axis.
        ceil_mode: True for one more window if cells remain after the last window. It overhangs the padded input and
            reads padding there. As in PyTorch, no window starts after the end of x. Only for padding "VALID" and zeros
            (lo, hi); every other name gives ceil(length / s) windows without it.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *out, c], with the dtype of x.

    Raises:
        ValueError: sizes do not match, a window lies entirely in the padding, or `ceil_mode` is used with a padding
            that does not support it.
        TypeError: x is complex, and complex numbers have no order.

    >>> import jax.numpy as jnp
    >>> max_pool(jnp.array([[3, 1, 4, 1, 5, 9, 2]]).reshape(1, 7, 1), (2,)).ravel()
    Array([3, 4, 9], dtype=int32)
    >>> max_pool(jnp.array([[3, 1, 4, 1, 5, 9, 2]]).reshape(1, 7, 1), (2,), ceil_mode=True).ravel()
    Array([3, 4, 9, 2], dtype=int32)

    Source: Yamaguchi et al., A neural network for speaker-independent isolated word recognition, ICSLP 1990.
    """
    stride = window if stride is None else stride
    x, from_nhwc, axes = enter_windows(
        x, window, stride, padding, dilation, ceil_mode=ceil_mode, batched=batched, layout=layout
    )
    check_ordered(x)
    return from_nhwc(pooling.max_pool(*copy_boundary(x, axes)))


@public
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
    """Returns the minimum of each window:  y[n,i,j,c] = min_{u,v} x[n, i*s + u*d - lo, j*s + v*d - lo, c].

    This is -max_pool(-x) for every dtype. Padded cells never win: they count as infinity, or as the largest integer.
    The derivative goes to the first of the smallest cells. NaNs are as for `max_pool`.

    Law: as for `max_pool`.

    Args:
        x: [n, *spatial, c], real numbers of any dtype; see `batched` and `layout`.
        window: number of taps along each spatial axis, for example (2, 2) for images. Its length is the number of
            spatial axes.
        stride: s, number of cells between neighbouring windows. The default is the window, so windows do not overlap.
        padding: as for `conv`.
        dilation: as for `max_pool`.
        ceil_mode: as for `max_pool`.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *out, c], with the dtype of x.

    Raises:
        ValueError: as for `max_pool`.
        TypeError: x is complex, and complex numbers have no order.

    >>> import jax.numpy as jnp
    >>> min_pool(jnp.array([[3, 1, 4, 1, 5, 9]]).reshape(1, 6, 1), (2,), stride=1, dilation=3).ravel()
    Array([1, 1, 4], dtype=int32)
    """
    stride = window if stride is None else stride
    x, from_nhwc, axes = enter_windows(
        x, window, stride, padding, dilation, ceil_mode=ceil_mode, batched=batched, layout=layout
    )
    check_ordered(x)
    return from_nhwc(pooling.min_pool(*copy_boundary(x, axes)))


@public
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
    """Returns the average of each window:  y[n,i,j,c] = sum_{u,v} x[n, i*s + u*d - lo, j*s + v*d - lo, c] / divisor.

    Half-precision floats are summed in float32. Integers stay integers: their sum, in 32 bits or more, is divided and
    rounded down, as by `//`.

    Law: as for `max_pool`; and linear in x, except for that rounding. With zero padding, `divisor="inside"` keeps
    constant images constant up to the border, and `divisor="window"` darkens them there.

    Args:
        x: [n, *spatial, c]; see `batched` and `layout`.
        window: number of taps along each spatial axis, for example (2, 2) for images. Its length is the number of
            spatial axes.
        stride: s, number of cells between neighbouring windows. The default is the window, so windows do not overlap.
        padding: as for `conv`.
        dilation: as for `max_pool`.
        ceil_mode: as for `max_pool`. An overhanging window reads zeros beyond the padded input. They count as zero
            padding, so a divisor is needed.
        divisor: "window": the number of taps; "inside": the number of taps that read a cell of x rather than zero
            padding; or a positive integer (1 gives the sum). It is required only if windows reach zero padding, where
            libraries differ; elsewhere "window" and "inside" are equal. (PyTorch's `count_include_pad=True` counts
            requested zeros but not those that `ceil_mode` adds. Without `count_include_pad` it is "inside"; with it and
            without `ceil_mode` it is "window"; with both it is neither.)
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *out, c], with the dtype of x.

    Raises:
        ValueError: as for `max_pool`, or the divisor is missing and windows reach zero padding.
        TypeError: x is boolean.

    >>> import jax.numpy as jnp
    >>> x = jnp.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)
    >>> avg_pool(x, (2,), padding=((1, 1),), divisor="inside").ravel()
    Array([1. , 2.5, 4. ], dtype=float32)
    >>> avg_pool(x, (2,), padding=((1, 1),), divisor="window").ravel()
    Array([0.5, 2.5, 2. ], dtype=float32)

    Source: LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 86 (1998), II.B.
    """
    stride = window if stride is None else stride
    x, from_nhwc, axes = enter_windows(
        x, window, stride, padding, dilation, ceil_mode=ceil_mode, batched=batched, layout=layout
    )
    counts = _counts(axes, divisor)
    total = pooling.sum_pool(*copy_boundary(x.astype(accumulator(x)), axes))
    return from_nhwc(divide(total, counts).astype(x.dtype))


def enter_windows(
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
    """Returns x as [n, *spatial, c], the function that restores the layout, and the axes of the window.

    Raises:
        ValueError: a window lies entirely in the padding, or as for `slide`.
    """
    window = window_sizes(window)
    x, from_nhwc = to_nhwc(x, len(window), batched=batched, layout=layout)
    axes = slide(x.shape[1:-1], window, stride, padding, dilation, ceil_mode=ceil_mode)
    for name, axis in zip(spatial_names(len(axes)), axes, strict=True):
        if min(_inside(axis)) == 0:
            actual = f"{(axis.pad.lo, axis.pad.hi)} along axis {name}"
            expected = "small enough that no window lies entirely in the padding"
            less = (
                f"Pad by at most {axis.taps - 1} at each end" if axis.dilation == 1 else "Use less padding or dilation"
            )
            cure = f"{less}; or pad x first by jnp.pad, with the values that such windows should read"
            raise ValueError(explain("padding", actual, expected, cure))
    x, back = gathered(x, keeps_no_padding(x, axes))
    return x, lambda y: from_nhwc(back(y)), axes


def _inside(axis: Axis) -> tuple[int, ...]:
    """The number of taps that read a cell of x, for every position along one axis."""
    return tuple(axis.inside(j) for j in range(axis.out))


def _counts(axes: Sequence[Axis], divisor: Divisor | int | None) -> int | list[tuple[int, ...]]:
    """Returns one divisor for all windows, or for each axis one number per position, which multiply."""
    cure = 'Pass divisor="inside" to count cells of x only, or "window" to count the zeros of the padding too'
    taps = math.prod(axis.taps for axis in axes)
    inside = [_inside(axis) for axis in axes]
    full = all(count == axis.taps for axis, counts in zip(axes, inside, strict=True) for count in counts)
    if divisor is not None and not isinstance(divisor, str):
        return size("divisor", divisor, cure=cure)
    if divisor is None and not full:
        raise ValueError(explain("divisor", None, "given where windows reach zero padding", cure))
    counted = (
        "window"
        if divisor is None
        else choice("divisor", divisor, ("inside", "window"), cure=cure, besides="a positive integer")
    )
    return taps if full or counted == "window" else inside
