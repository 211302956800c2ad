"""Unfolding: the cells under a window at each position, as features; and folding, its adjoint, which sums them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
from jax.typing import ArrayLike
from jaxtyping import Array, Shaped

from jaxconv.errors import explain, public
from jaxconv.layers.arithmetic import accumulator
from jaxconv.layers.images import Layout, to_nhwc
from jaxconv.lowering.explicit_sharding import gathered
from jaxconv.lowering.im2col import im2col
from jaxconv.sizes import UPSAMPLED
from jaxconv.window import Axis, Padding, slide, window_sizes

MOST_TAPS = 2**12  # along an axis: each tap is a separate slice and adds compile time


@public
def unfold(
    x: Shaped[ArrayLike, "n *spatial c"],
    window: Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *out f"]:
    """Returns the cells under the window at each position, as features (patches, im2col). In two dimensions

        y[n,i,j,f] = x[n, i*s + u*d - lo, j*s + v*d - lo, c],   f = (u*V + v)*C + c,

    for a window of V columns and an x of C channels. Features are ordered by tap, in row-major order, and within a tap
    by channel: the order of a kernel [*window, c, o]. (PyTorch orders them by channel first: f = (c*U + u)*V + v, and
    merges the axes of the positions into one.)

    Law: `unfold(x) @ kernel.reshape(-1, o) == conv(kernel, x)`, without bias and groups; shifts as for `conv`; and
    linear in x.

    Args:
        x: [n, *spatial, c], numbers of any dtype; see `batched` and `layout`.
        window: number of taps along each spatial axis, for example (3, 3) for images. Its length is the number of
            spatial axes.
        stride: as for `conv`.
        padding: as for `conv`.
        dilation: as for `conv`.
        batched: as for `conv`.
        layout: as for `conv`; "channels_first" gives [n, f, *out].

    Returns:
        [n, *out, f], f = number of taps * c, with the dtype of x.

    Raises:
        ValueError: sizes do not match, the window has more than 4096 taps along an axis, or the result is more than
            1024 times as large as x and has more than 2^24 cells.

    >>> import jax.numpy as jnp
    >>> unfold(jnp.array([1, 2, 3, 4]).reshape(1, 4, 1), (3,), padding="circular")[0]
    Array([[4, 1, 2],
           [1, 2, 3],
           [2, 3, 4],
           [3, 4, 1]], dtype=int32)

    Source: Chellapilla, Puri and Simard, High performance convolutional neural networks for document processing, IWFHR
    2006.
    """
    window = window_sizes(window)
    x, from_nhwc = to_nhwc(x, len(window), batched=batched, layout=layout)
    axes = _checked_axes(x.shape[1:-1], window, stride, padding, dilation)
    x, back = gathered(x)
    return from_nhwc(back(_unfolded(x, axes)))


@public
def fold(
    y: Shaped[ArrayLike, "n *out f"],
    window: Sequence[int],
    output_shape: Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *spatial c"]:
    """Adds each feature to the cell from which `unfold` with the same settings takes it (col2im). In two dimensions

        x[n,p,q,c] = sum_{i,j,u,v} y[n, i, j, (u*V + v)*C + c]   over   i*s + u*d - lo == p,  j*s + v*d - lo == q,

    and over the taps that read a copy of the cell beyond the border. Features that `unfold` reads from zeros of the
    padding are dropped. Half-precision floats are summed in float32, integers in 32 bits or more.

    Law: the adjoint of `unfold`, `<unfold(x), y> = <x, fold(y)>`. `fold(unfold(x))` is x times the number of taps that
    read each cell; divide by `fold(unfold(ones))` to average overlapping patches. Shifts as for `conv_transpose`.

    Args:
        y: [n, *out, f], numbers, features in the order of `unfold`; see `batched` and `layout`.
        window: as for `unfold`.
        output_shape: the lengths of the spatial axes of the result, for example (32, 48).
        stride: as for `unfold`.
        padding: as for `unfold`: the padding of the result.
        dilation: as for `unfold`.
        batched: as for `conv`.
        layout: as for `conv`; "channels_first" takes [n, f, *out].

    Returns:
        [n, *output_shape, c], c = f / number of taps, with the dtype of y.

    Raises:
        ValueError: sizes do not match, or y has another number of positions than `unfold` gives for `output_shape`.
        TypeError: y is boolean.

    >>> import jax.numpy as jnp
    >>> fold(jnp.array([[1, 2], [10, 20]]).reshape(1, 2, 2), (2,), (3,)).ravel()
    Array([ 1, 12, 20], dtype=int32)

    Source: Chellapilla, Puri and Simard, High performance convolutional neural networks for document processing, IWFHR
    2006.
    """
    window, lengths = window_sizes(window), window_sizes(output_shape, "output_shape")
    if len(lengths) != len(window):
        cure = "Write the length of each spatial axis"
        raise ValueError(explain("output_shape", lengths, f"{len(window)} integers, one for each axis of window", cure))
    y, from_nhwc = to_nhwc(y, len(window), batched=batched, layout=layout, argument="y")
    UPSAMPLED.check("output_shape", lengths, y.shape[1:-1], "Pass the lengths of the unfolded input")
    axes = _checked_axes(lengths, window, stride, padding, dilation)
    if y.shape[1:-1] != tuple(axis.out for axis in axes):
        expected = f"{tuple(axis.out for axis in axes)}, the positions of the window over {lengths} cells"
        cure = "Pass the settings and the lengths with which x was unfolded"
        raise ValueError(explain("y's spatial shape", y.shape[1:-1], expected, cure))
    channels, rest = divmod(y.shape[-1], math.prod(window))
    if rest or not channels:
        cure = "Pass the window with which x was unfolded, or check the layout of y"
        raise ValueError(
            explain("y's number of features", y.shape[-1], f"a multiple of {math.prod(window)} taps", cure)
        )
    y, back = gathered(y)
    wide = y.astype(accumulator(y, "y"))
    x = jax.typeof(wide).update(shape=(y.shape[0], *lengths, channels))
    (x,) = jax.linear_transpose(lambda x: _unfolded(x, axes), x)(wide)
    return from_nhwc(back(x.astype(y.dtype)))


def _checked_axes(
    lengths: Sequence[int],
    window: tuple[int, ...],
    stride: int | Sequence[int],
    padding: Padding,
    dilation: int | Sequence[int],
) -> tuple[Axis, ...]:
    """As `slide`. Refuses windows with too many taps, and too many copies of a cell."""
    axes = slide(lengths, window, stride, padding, dilation)
    if max(window) > MOST_TAPS:
        cure = "Unfold with a smaller window, and with dilation if it should span as many cells"
        raise ValueError(explain("window", window, f"at most {MOST_TAPS} taps along each axis", cure))
    UPSAMPLED.check("x unfolded", [axis.out * axis.taps for axis in axes], lengths, "Use a larger stride")
    return axes


def _unfolded(x: Array, axes: tuple[Axis, ...]) -> Array:
    """x [n, *spatial, c] as [n, *out, f]."""
    cells = im2col(x, axes)
    return cells.reshape(*cells.shape[: len(axes) + 1], math.prod(cells.shape[len(axes) + 1 :]))
