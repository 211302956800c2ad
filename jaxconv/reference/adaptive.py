"""Adaptive pooling and its deltas, computed window by window with PyTorch's window boundaries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from jaxconv.reference.overlays import Index


def windows(lengths: Sequence[int], counts: Sequence[int]) -> Iterator[tuple[tuple[int, ...], Index]]:
    """Yields each output position, and the index of the cells of x [n, *spatial, c] in the window at that position.

    >>> [(position, cells[1]) for position, cells in windows([5], [2])]
    [((0,), slice(0, 3, None)), ((1,), slice(2, 5, None))]
    """
    for position in product(*map(range, counts)):
        cells = [
            slice(j * n // m, ((j + 1) * n + m - 1) // m) for j, n, m in zip(position, lengths, counts, strict=True)
        ]
        yield position, (slice(None), *cells)


def adaptive_max_pool(x: np.ndarray, output_shape: Sequence[int]) -> np.ndarray:
    """Returns the maximum of each window.

    >>> adaptive_max_pool(np.array([3.0, 1.0, 4.0]).reshape(1, 3, 1), (2,)).ravel()
    array([3., 4.])
    """
    y = np.zeros((x.shape[0], *output_shape, x.shape[-1]))
    for position, cells in windows(x.shape[1:-1], output_shape):
        y[:, *position] = x[cells].max(axis=tuple(range(1, x.ndim - 1)))
    return y


def adaptive_max_pool_deltas(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Returns the input deltas: each output delta is added to the largest cell, the first in row-major order if equal.

    >>> x = np.array([3.0, 4.0, 4.0]).reshape(1, 3, 1)
    >>> adaptive_max_pool_deltas(x, np.array([10.0, 1.0]).reshape(1, 2, 1)).ravel()
    array([ 0., 11.,  0.])
    """
    dx = np.zeros(x.shape)
    for position, cells in windows(x.shape[1:-1], dy.shape[1:-1]):
        for n, c in product(range(x.shape[0]), range(x.shape[-1])):
            window = x[n][(*cells[1:], c)]
            winner = np.unravel_index(window.argmax(), window.shape)
            dx[n][(*cells[1:], c)][winner] += dy[(n, *position, c)]
    return dx


def adaptive_avg_pool(x: np.ndarray, output_shape: Sequence[int]) -> np.ndarray:
    """Returns the mean of each window.

    >>> adaptive_avg_pool(np.array([2.0, 4.0]).reshape(1, 2, 1), (3,)).ravel()
    array([2., 3., 4.])
    """
    y = np.zeros((x.shape[0], *output_shape, x.shape[-1]))
    for position, cells in windows(x.shape[1:-1], output_shape):
        y[:, *position] = x[cells].mean(axis=tuple(range(1, x.ndim - 1)))
    return y


def adaptive_avg_pool_deltas(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Returns the input deltas: each cell of a window gets an equal share of the output delta.

    >>> adaptive_avg_pool_deltas(np.zeros((1, 3, 1)), np.array([2.0, 4.0]).reshape(1, 2, 1)).ravel()
    array([1., 3., 2.])
    """
    dx = np.zeros(x.shape)
    for position, cells in windows(x.shape[1:-1], dy.shape[1:-1]):
        taps = np.prod(dx[cells].shape[1:-1])
        share = np.asarray(dy[:, *position], np.float64) / taps
        dx[cells] += share.reshape(dy.shape[0], *[1] * (x.ndim - 2), dy.shape[-1])
    return dx
