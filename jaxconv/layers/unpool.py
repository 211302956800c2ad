"""Max pooling that also returns the position of each maximum, and unpooling, which puts values back there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Int, Shaped

from jaxconv.checks import is_traced
from jaxconv.errors import explain, public
from jaxconv.layers.arithmetic import check_ordered
from jaxconv.layers.images import Layout, to_nhwc
from jaxconv.layers.operands import array
from jaxconv.layers.pool import enter_windows
from jaxconv.lowering import pooling
from jaxconv.lowering.boundary import copy_boundary
from jaxconv.lowering.compiled import compiled
from jaxconv.lowering.explicit_sharding import gathered
from jaxconv.sizes import LARGEST, UPSAMPLED
from jaxconv.window import Padding, window_sizes


@public
def max_pool_with_indices(
    x: Shaped[ArrayLike, "n *spatial c"],
    window: Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> tuple[Shaped[Array, "n *out c"], Int[Array, "n *out c"]]:
    """Returns `max_pool` of x, and the flat index of each maximum among the cells of its example and channel:

        y[n,i,j,c] = x[n, p, q, c],   indices[n,i,j,c] = p*W + q   for images with W columns.

    As in PyTorch, cells are numbered in row-major order over all spatial axes, for each channel separately. If several
    cells of a window are equal, the index is that of the first in row-major order of the window; if the window has
    NaNs, that of the first NaN. Where padding copies cells, the index is that of the cell that is copied. An index is
    never in the padding. Indices have no derivative; that of y is as for `max_pool`.

    Law: y moves as for `max_pool`. The indices name absolute positions, so they change in value when x shifts: if y
    moves by one along the last axis, they move and increase by s.

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
        y: [n, *out, c], with the dtype of x.
        indices: [n, *out, c], int32, from 0 to the number of cells minus 1.

    Raises:
        ValueError: as for `max_pool`, or x has more cells than int32 can number.
        TypeError: x is complex, and complex numbers have no order.

    >>> y, indices = max_pool_with_indices(jnp.array([3, 1, 4, 4, 5, 9]).reshape(1, 6, 1), (3,), stride=1)
    >>> y.ravel(), indices.ravel()
    (Array([4, 4, 5, 9], dtype=int32), Array([2, 2, 4, 5], dtype=int32))

    Source: Zeiler, Taylor and Fergus, Adaptive deconvolutional networks for mid and high level feature learning,
    ICCV 2011, section 2.2, where the indices are called switches.
    """
    stride = window if stride is None else stride
    x, from_nhwc, axes = enter_windows(
        x, window, stride, padding, dilation, ceil_mode=ceil_mode, batched=batched, layout=layout
    )
    check_ordered(x)
    if math.prod(x.shape[1:-1]) > LARGEST:
        cure = "Pool parts of x separately"
        raise ValueError(explain("x", x.shape, f"of at most {LARGEST} cells, which int32 can number", cure))
    cells = _numbered(lax.stop_gradient(x))
    (copied, written), (cells, _) = copy_boundary(x, axes), copy_boundary(cells, axes)
    indices = pooling.gather_at_argmax(lax.stop_gradient(copied), cells, written)
    return from_nhwc(pooling.max_pool(copied, written)), from_nhwc(indices)


@compiled
def _numbered(x: Array) -> Array:
    """The flat index of each cell of x [n, *spatial, c], of its shape; split over devices as x is."""
    spatial = x.shape[1:-1]
    indices = lax.iota(jnp.int32, math.prod(spatial)).reshape(1, *spatial, 1)
    return jnp.zeros_like(x, jnp.int32) + indices


@public
def max_unpool(
    y: Shaped[ArrayLike, "n *out c"],
    indices: Int[ArrayLike, "n *out c"],
    output_shape: Sequence[int],
    *,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *spatial c"]:
    """Puts each value at the position that its index names, and zeros elsewhere. For images with W columns,

        x[n, p, q, c] = y[n,i,j,c]   if   indices[n,i,j,c] == p*W + q.

    If several indices name the same cell, as those of overlapping windows do, the cell gets the last of their values in
    row-major order. (So does PyTorch's on the CPU.) The derivative goes to the value that was kept; for the indices of
    a pool all of these values are equal.

    Law: `max_pool_with_indices(max_unpool(y, indices, ...))` returns y and the indices again if y is positive and
    windows do not overlap. `max_unpool(*max_pool_with_indices(x, window), ...)` keeps each window's maximum and sets
    all other cells to 0. It shifts by s when x does, if the pool does so. For fixed indices the layer is linear in y
    and not equivariant: shifting y moves no index.

    Args:
        y: [n, *out, c], numbers; see `batched` and `layout`.
        indices: [n, *out, c], integers, as `max_pool_with_indices` returns them. Inside `jax.jit`, where the values
            cannot be checked, values whose index is out of range are dropped.
        output_shape: the lengths of the spatial axes of the result, for example (32, 48). Those of the pool's input,
            since indices are meaningless for another width. Its length is the number of spatial axes.
        batched: as for `conv`.
        layout: as for `conv`, of y, the indices and the result.

    Returns:
        [n, *output_shape, c], with the dtype of y.

    Raises:
        ValueError: shapes do not match, or an index is not from 0 to the number of cells minus 1.
        TypeError: `indices` is not an integer array.

    >>> max_unpool(jnp.array([4.0, 9.0]).reshape(1, 2, 1), jnp.array([2, 5]).reshape(1, 2, 1), (6,)).ravel()
    Array([0., 0., 4., 0., 0., 9.], dtype=float32)

    Source: Zeiler, Taylor and Fergus, Adaptive deconvolutional networks for mid and high level feature learning,
    ICCV 2011, section 2.2.
    """
    lengths = window_sizes(output_shape, "output_shape")
    y, from_nhwc = to_nhwc(y, len(lengths), batched=batched, layout=layout, argument="y")
    UPSAMPLED.check("output_shape", lengths, y.shape[1:-1], "Pass the lengths of the pool's input")
    cells = math.prod(lengths)
    cure = "Take the indices that max_pool_with_indices returns, and the shape of its input"
    indices = array("indices", indices, "an array of integers")
    if not jnp.issubdtype(indices.dtype, jnp.integer):
        raise TypeError(explain("indices", indices.dtype, "integers, as max_pool_with_indices returns them", cure))
    restored = jax.eval_shape(from_nhwc, y)
    if indices.shape != restored.shape:
        raise ValueError(explain("indices", indices.shape, f"{restored.shape}, as y is", cure))
    if not is_traced(indices) and indices.is_fully_addressable:
        _check_indices(jax.device_get(indices), cells, cure)
    indices, _ = to_nhwc(indices, len(lengths), batched=batched, layout=layout, argument="indices")
    (y, back), (indices, _) = gathered(y), gathered(indices)
    return from_nhwc(back(_placed(y, indices, lengths)))


def _check_indices(indices: np.ndarray, cells: int, cure: str) -> None:
    """Refuses an index that names no cell."""
    wrong = indices[(indices < 0) | (indices >= cells)]
    if wrong.size:
        raise ValueError(explain("indices", f"an array with {wrong.flat[0]}", f"from 0 to {cells - 1}", cure))


@partial(compiled, static_argnames="lengths")
def _placed(y: Array, indices: Array, lengths: tuple[int, ...]) -> Array:
    """y [n, *out, c] at its indices among the cells of a result of these lengths."""
    n, *out, channels = y.shape
    positions, cells = math.prod(out), math.prod(lengths)
    y, indices = (a.reshape(n, positions, channels) for a in (y, indices))
    if indices.dtype.itemsize < 4:  # `cells` may exceed a short dtype
        indices = indices.astype(jnp.int32)
    indices = jnp.where((indices >= 0) & (indices < cells), indices, cells).astype(jnp.int32)
    # The number of the last position that names each cell, or -1. A maximum does not depend on the order of updates.
    numbers = lax.iota(jnp.int32, positions)
    last_of = lambda indices: jnp.full(cells, -1, jnp.int32).at[indices].max(numbers, mode="drop")
    last = jax.vmap(jax.vmap(last_of, 1, 1))(indices)
    values = jnp.take_along_axis(y, jnp.maximum(last, 0), axis=1, mode="clip")
    return jnp.where(last < 0, jnp.zeros((), y.dtype), values).reshape(n, *lengths, channels)
