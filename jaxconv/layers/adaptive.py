"""Adaptive pooling: as many windows as are asked for, spread over the image as evenly as whole cells allow."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Shaped

from jaxconv.layers.arithmetic import accumulator, check_ordered, divide
from jaxconv.layers.images import Layout, check_cells, enter
from jaxconv.lowering import pooling
from jaxconv.lowering.compiled import compiled
from jaxconv.lowering.explicit_sharding import gathered
from jaxconv.sizes import WIDENED
from jaxconv.window import Axis, Pad, window_sizes

Pool = Callable[[Array, tuple[Axis, ...]], Array]
MANY = 16  # slices along an axis: each takes its time to compile, with its derivative


def adaptive_max_pool(
    x: Shaped[ArrayLike, "n *spatial c"],
    output_shape: Sequence[int],
    *,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *out c"]:
    """The largest cell of each of m windows along an axis of n cells, of which, as in PyTorch, window j has the cells

        floor(j*n/m) <= i < ceil((j + 1)*n/m).

    They overlap where m does not divide n, and repeat cells where m > n. Ties, NaNs and derivatives are as for
    `max_pool`. It is made of m / gcd(n, m) slices along each axis, or where these are more than 16 of windows at every
    cell: an m that shares a large factor with n is the cheapest.

    Law: with g = gcd(n, m), shifting x by n/g shifts y by m/g. So where m divides n, it is ordinary pooling, and
    shifting x by n/m shifts y by one; where n and m have no common factor, only shifts of x by its whole length shift
    y (and where m is one, none does).

    Args:
        x: [n, *spatial, c], real numbers of any dtype; see `batched` and `layout`.
        output_shape: m, the number of windows along each spatial axis, (7, 7) for images; its length is the number of
            spatial axes.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *output_shape, c], of x's dtype.

    Raises:
        ValueError: x has other axes than `output_shape` says, or an empty one.
        TypeError: x has no order (complex numbers).

    >>> adaptive_max_pool(jnp.array([3, 1, 4, 1, 5, 9, 2]).reshape(1, 7, 1), (3,)).ravel()   # 3 1 4, 4 1 5, 5 9 2
    Array([4, 5, 9], dtype=int32)

    Source: He et al., Spatial pyramid pooling in deep convolutional networks for visual recognition, IEEE TPAMI 37
    (2015), appendix A.
    """
    x, leave, counts = _enter("adaptive_max_pool", x, output_shape, batched=batched, layout=layout)
    check_ordered("adaptive_max_pool", x)
    return leave(_pooled(pooling.max_pool, x, counts))


def adaptive_avg_pool(
    x: Shaped[ArrayLike, "n *spatial c"],
    output_shape: Sequence[int],
    *,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *out c"]:
    """The average of each of m windows along an axis of n cells: those of `adaptive_max_pool`, each over its own size.

    Sums and integers are treated as by `avg_pool`.

    Law: as for `adaptive_max_pool`; and linear in x (but for the rounding of integers).

    Args:
        x: [n, *spatial, c]; see `batched` and `layout`.
        output_shape: as for `adaptive_max_pool`.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *output_shape, c], of x's dtype.

    Raises:
        ValueError: as for `adaptive_max_pool`.
        TypeError: x is of booleans.

    >>> adaptive_avg_pool(jnp.arange(7.0).reshape(1, 7, 1), (3,)).ravel()                    # of 0 1 2, 2 3 4, 4 5 6
    Array([1., 3., 5.], dtype=float32)
    >>> adaptive_avg_pool(jnp.array([2.0, 4.0]).reshape(1, 2, 1), (3,)).ravel()              # of 2, 2 4, 4
    Array([2., 3., 4.], dtype=float32)
    """
    x, leave, counts = _enter("adaptive_avg_pool", x, output_shape, batched=batched, layout=layout)
    lengths = x.shape[1:-1]
    total = _pooled(pooling.sum_pool, x.astype(accumulator("adaptive_avg_pool", x)), counts)
    sizes = [[taps for _, taps in _windows(n, m)] * math.gcd(n, m) for n, m in zip(lengths, counts, strict=True)]
    even = all(len(set(each)) == 1 for each in sizes)
    return leave(divide(total, math.prod(each[0] for each in sizes) if even else sizes).astype(x.dtype))


def _enter(
    where: str, x: ArrayLike, output_shape: Sequence[int], *, batched: bool, layout: Layout
) -> tuple[Array, Callable[[Array], Array], tuple[int, ...]]:
    """The input as [n, *spatial, c], the way back, and how many windows there are along each axis."""
    counts = window_sizes(where, output_shape, "output_shape")
    x, leave = enter(where, x, len(counts), batched=batched, layout=layout)
    check_cells(where, x)
    WIDENED.check(where, "output_shape", counts, x.shape[1:-1], "Ask for fewer windows")
    x, back = gathered(x)
    return x, lambda y: leave(back(y)), counts


def _windows(length: int, count: int) -> list[tuple[int, int]]:
    """First cell and number of cells of the first windows: those that are not an earlier one, moved.

    Since m/g windows cover just n/g cells, window j + m/g is window j moved by n/g.
    """
    starts = [(j * length // count, -(-(j + 1) * length // count)) for j in range(count // math.gcd(length, count))]
    return [(start, stop - start) for start, stop in starts]


def _pooled(pool: Pool, x: Array, counts: tuple[int, ...]) -> Array:
    """Axis by axis, the last one first, so that the first of equals is still the first in row-major order."""
    lengths = x.shape[1:-1]
    if all(length % count == 0 for length, count in zip(lengths, counts, strict=True)):
        return pool(x, tuple(_axis(n, n // m, n // m) for n, m in zip(lengths, counts, strict=True)))
    for number in reversed(range(1, x.ndim - 1)):
        x = _pooled_along(pool, x, number, counts[number - 1])
    return x


def _pooled_along(pool: Pool, x: Array, number: int, count: int) -> Array:
    """Windows along one axis: ordinary ones, n/g cells apart, from each of the first on; then in turn."""
    length, first_ones = x.shape[number], _windows(x.shape[number], count)
    turns = math.gcd(length, count)
    apart, found = length // turns, []
    if len(first_ones) > MANY:
        every = [(turn * apart + first, taps) for turn in range(turns) for first, taps in first_ones]
        return _picked_along(pool, x, number, every)
    for first, taps in first_ones:
        reach = (turns - 1) * apart + taps
        part = lax.slice_in_dim(x, first, first + reach, axis=number)
        found.append(pool(part, _along(part, number, taps, apart)))
    if len(found) == 1:
        return found[0]
    return jnp.stack(found, number + 1).reshape(*x.shape[:number], count, *x.shape[number + 1 :])


def _picked_along(pool: Pool, x: Array, number: int, windows: Sequence[tuple[int, int]]) -> Array:
    """Windows of each of their two sizes at every cell, of which those that are asked for are picked out."""
    found, begins, total = [], {}, 0
    for taps in sorted({taps for _, taps in windows}):
        found.append(pool(x, _along(x, number, taps, 1)))
        begins[taps], total = total, total + found[-1].shape[number]
    at = [begins[taps] + first for first, taps in windows]
    once = len(set(at)) == len(at)
    return _taken(jnp.concatenate(found, number), tuple(at), number, once)


@partial(compiled, static_argnames=("at", "number", "once"))
def _taken(x: Array, at: Sequence[int], number: int, once: bool) -> Array:
    return jnp.take(x, np.array(at), axis=number, mode="clip", unique_indices=once)


def _along(x: Array, number: int, taps: int, stride: int) -> tuple[Axis, ...]:
    """The axes of a window that slides along one of them."""
    axes = [_axis(length, 1, 1) for length in x.shape[1:-1]]
    axes[number - 1] = _axis(x.shape[number], taps, stride)
    return tuple(axes)


def _axis(length: int, taps: int, stride: int) -> Axis:
    return Axis(length, taps, stride, 1, Pad(0, 0))
