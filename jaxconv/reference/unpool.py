"""Max pooling with indices, unpooling and its deltas: one loop over the cells of each window, and one over indices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from jaxconv.window import Padding, slide


def max_pool_indices(
    x: np.ndarray,
    window: Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> np.ndarray:
    """Returns the flat index of the largest cell under each overlay, for each example and channel of x.

    The first NaN of a window wins, or else the first of its largest cells. Cells beyond x are skipped.

    >>> max_pool_indices(np.array([3.0, 4.0, 4.0, 1.0]).reshape(1, 4, 1), (3,), stride=1).ravel()
    array([1, 1])
    """
    stride = window if stride is None else stride
    axes = slide(x.shape[1:-1], window, stride, padding, dilation, ceil_mode=ceil_mode)
    indices = np.zeros((x.shape[0], *(axis.out for axis in axes), x.shape[-1]), int)
    for position in product(*(range(axis.out) for axis in axes)):
        reads = (axis.reads(j) for axis, j in zip(axes, position, strict=True))
        cells = list(product(*([cell for cell in taps if cell is not None] for taps in reads)))
        for n, c in product(range(x.shape[0]), range(x.shape[-1])):
            winner = cells[0]
            for cell in cells[1:]:
                value, largest = x[n, *cell, c], x[n, *winner, c]
                if not np.isnan(largest) and (np.isnan(value) or value > largest):
                    winner = cell
            indices[n, *position, c] = np.ravel_multi_index(winner, x.shape[1:-1])
    return indices


def max_unpool(y: np.ndarray, indices: np.ndarray, output_shape: Sequence[int]) -> np.ndarray:
    """Writes each value of y [n, *out, c] to the cell that its index names; later values replace earlier ones.

    >>> max_unpool(np.array([4.0, 9.0]).reshape(1, 2, 1), np.array([2, 0]).reshape(1, 2, 1), (3,)).ravel()
    array([9., 0., 4.])
    """
    x = np.zeros((y.shape[0], *output_shape, y.shape[-1]))
    for n, *position, c in np.ndindex(y.shape):
        x[n, *np.unravel_index(indices[n, *position, c], tuple(output_shape)), c] = y[n, *position, c]
    return x


def max_unpool_deltas(indices: np.ndarray, dx: np.ndarray) -> np.ndarray:
    """Returns the deltas of y: that of the cell to which it was written, and 0 if a later value replaced it.

    >>> indices = np.array([2, 1, 2]).reshape(1, 3, 1)
    >>> max_unpool_deltas(indices, np.array([5.0, 6.0, 7.0]).reshape(1, 3, 1)).ravel()
    array([0., 6., 7.])
    """
    dy, written = np.zeros(indices.shape), set()
    for n, *position, c in reversed(list(np.ndindex(indices.shape))):
        cell = (n, *np.unravel_index(indices[n, *position, c], dx.shape[1:-1]), c)
        if cell not in written:
            dy[n, *position, c] = dx[cell]
        written.add(cell)
    return dy
