"""Adaptive pooling: a given number of windows, distributed evenly over each spatial axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Shaped

from jaxconv.errors import public
from jaxconv.layers.arithmetic import accumulator, check_ordered, divide
from jaxconv.layers.images import Layout, check_cells, to_nhwc
from jaxconv.lowering import pooling
from jaxconv.lowering.compiled import compiled
from jaxconv.lowering.explicit_sharding import gathered
from jaxconv.sizes import WIDENED
from jaxconv.window import Axis, Pad, window_sizes

Pool = Callable[[Array, tuple[Axis, ...]], Array]
MANY = 16  # maximum number of slices along an axis; each slice and its derivative add compile time


@public
def adaptive_max_pool(
    x: Shaped[ArrayLike, "n *spatial c"],
    output_shape: Sequence[int],
    *,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *out c"]:
    """Returns the maximum of each of m windows along an axis of n cells. As in PyTorch, window j covers the cells

        floor(j*n/m) <= i < ceil((j + 1)*n/m).

    The windows overlap if m does not divide n. Cells are repeated if m > n. Ties, NaNs and derivatives are as for
    `max_pool`. The computation takes m / gcd(n, m) slices along each axis. If that is more than 16, it pools at every
    cell and selects windows. An m that shares a large factor with n is the cheapest.

    Law: with g = gcd(n, m), shifting x by n/g cells shifts y by m/g windows. If m divides n, the layer is ordinary
    pooling, and shifting x by n/m shifts y by one. If n and m have no common factor, only shifts of x by its whole
    length shift y; for m = 1 no shift does.

    Args:
        x: [n, *spatial, c], real numbers of any dtype; see `batched` and `layout`.
        output_shape: m, the number of windows along each spatial axis, for example (7, 7) for images. Its length is the
            number of spatial axes.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *output_shape, c], with the dtype of x.

    Raises:
        ValueError: the number of axes of x does not match `output_shape`, or a spatial axis is empty.
        TypeError: x is complex, and complex numbers have no order.

    >>> adaptive_max_pool(jnp.array([3, 1, 4, 1, 5, 9, 2]).reshape(1, 7, 1), (3,)).ravel()   # 3 1 4, 4 1 5, 5 9 2
    Array([4, 5, 9], dtype=int32)

    Source: He et al., Spatial pyramid pooling in deep convolutional networks for visual recognition, IEEE TPAMI 37
    (2015), appendix A.
    """
    x, from_nhwc, counts = _to_nhwc_windows(x, output_shape, batched=batched, layout=layout)
    check_ordered(x)
    return from_nhwc(_pooled(pooling.max_pool, x, counts))


@public
def adaptive_avg_pool(
    x: Shaped[ArrayLike, "n *spatial c"],
    output_shape: Sequence[int],
    *,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *out c"]:
    """Returns the average of each of m windows along an axis of n cells. The windows are those of `adaptive_max_pool`.

    Each window is divided by its number of cells. Accumulation and integers are as for `avg_pool`.

    Law: as for `adaptive_max_pool`; and linear in x, except for the rounding of integers.

    Args:
        x: [n, *spatial, c]; see `batched` and `layout`.
        output_shape: as for `adaptive_max_pool`.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *output_shape, c], with the dtype of x.

    Raises:
        ValueError: as for `adaptive_max_pool`.
        TypeError: x is boolean.

    >>> adaptive_avg_pool(jnp.arange(7.0).reshape(1, 7, 1), (3,)).ravel()                    # 0 1 2, 2 3 4, 4 5 6
    Array([1., 3., 5.], dtype=float32)
    >>> adaptive_avg_pool(jnp.array([2.0, 4.0]).reshape(1, 2, 1), (3,)).ravel()              # 2, 2 4, 4
    Array([2., 3., 4.], dtype=float32)
    """
    x, from_nhwc, counts = _to_nhwc_windows(x, output_shape, batched=batched, layout=layout)
    lengths = x.shape[1:-1]
    total = _pooled(pooling.sum_pool, x.astype(accumulator(x)), counts)
    sizes = [[taps for _, taps in _windows(n, m)] * math.gcd(n, m) for n, m in zip(lengths, counts, strict=True)]
    even = all(len(set(each)) == 1 for each in sizes)
    return from_nhwc(divide(total, math.prod(each[0] for each in sizes) if even else sizes).astype(x.dtype))


def _to_nhwc_windows(
    x: ArrayLike, output_shape: Sequence[int], *, batched: bool, layout: Layout
) -> tuple[Array, Callable[[Array], Array], tuple[int, ...]]:
    """Returns x as [n, *spatial, c], the function that restores the layout, and the number of windows per axis."""
    counts = window_sizes(output_shape, "output_shape")
    x, from_nhwc = to_nhwc(x, len(counts), batched=batched, layout=layout)
    check_cells(x)
    WIDENED.check("output_shape", counts, x.shape[1:-1], "Ask for fewer windows")
    x, back = gathered(x)
    return x, lambda y: from_nhwc(back(y)), counts


def _windows(length: int, count: int) -> list[tuple[int, int]]:
    """Returns the first cell and the number of cells of the first m/g windows.

    Each later window is a translated copy: window j + m/g is window j moved by n/g cells.
    """
    starts = [(j * length // count, -(-(j + 1) * length // count)) for j in range(count // math.gcd(length, count))]
    return [(start, stop - start) for start, stop in starts]


def _pooled(pool: Pool, x: Array, counts: tuple[int, ...]) -> Array:
    """Pools one axis after the other, the last axis first, so that ties go to the first cell in row-major order."""
    lengths = x.shape[1:-1]
    if all(length % count == 0 for length, count in zip(lengths, counts, strict=True)):
        return pool(x, tuple(_axis(n, n // m, n // m) for n, m in zip(lengths, counts, strict=True)))
    for number in reversed(range(1, x.ndim - 1)):
        x = _pooled_along(pool, x, number, counts[number - 1])
    return x


def _pooled_along(pool: Pool, x: Array, number: int, count: int) -> Array:
    """Pools along one axis: for each of the first windows, ordinary pooling with a stride of n/g; then interleaves."""
    length, first_windows = x.shape[number], _windows(x.shape[number], count)
    repeats = math.gcd(length, count)
    distance, pooled = length // repeats, []
    if len(first_windows) > MANY:
        windows = [(repeat * distance + first, taps) for repeat in range(repeats) for first, taps in first_windows]
        return _selected_along(pool, x, number, windows)
    for first, taps in first_windows:
        extent = (repeats - 1) * distance + taps
        part = lax.slice_in_dim(x, first, first + extent, axis=number)
        pooled.append(pool(part, _along(part, number, taps, distance)))
    if len(pooled) == 1:
        return pooled[0]
    return jnp.stack(pooled, number + 1).reshape(*x.shape[:number], count, *x.shape[number + 1 :])


def _selected_along(pool: Pool, x: Array, number: int, windows: Sequence[tuple[int, int]]) -> Array:
    """Pools at every cell with both window sizes, then selects the requested windows."""
    pooled, offsets, total = [], {}, 0
    for taps in sorted({taps for _, taps in windows}):
        pooled.append(pool(x, _along(x, number, taps, 1)))
        offsets[taps], total = total, total + pooled[-1].shape[number]
    indices = [offsets[taps] + first for first, taps in windows]
    unique = len(set(indices)) == len(indices)
    return _taken(jnp.concatenate(pooled, number), tuple(indices), number, unique)


@partial(compiled, static_argnames=("indices", "number", "unique"))
def _taken(x: Array, indices: Sequence[int], number: int, unique: bool) -> Array:
    return jnp.take(x, np.array(indices), axis=number, mode="clip", unique_indices=unique)


def _along(x: Array, number: int, taps: int, stride: int) -> tuple[Axis, ...]:
    """The axes of a window that slides along one axis only."""
    axes = [_axis(length, 1, 1) for length in x.shape[1:-1]]
    axes[number - 1] = _axis(x.shape[number], taps, stride)
    return tuple(axes)


def _axis(length: int, taps: int, stride: int) -> Axis:
    return Axis(length, taps, stride, 1, Pad(0, 0))
