"""Blur pooling and its deltas, overlay by overlay; the weights of the taps are rows of Pascal's triangle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxconv.reference.overlays import overlays, with_border, without_border
from jaxconv.window import Padding, slide


def filter_of(window: Sequence[int]) -> np.ndarray:
    """Returns the weights of a window's taps: the outer product of normalised rows of Pascal's triangle.

    >>> (filter_of((3, 2)) * 8).tolist()
    [[1.0, 1.0], [2.0, 2.0], [1.0, 1.0]]
    """
    weights = np.ones(())
    for taps in window:
        row = np.ones(1)
        for _ in range(taps - 1):
            row = np.append(row, 0) + np.insert(row, 0, 0)
        weights = np.multiply.outer(weights, row / row.sum())
    return weights


def blur_pool(
    x: np.ndarray, window: Sequence[int], *, stride: int | Sequence[int] = 2, padding: Padding = "VALID"
) -> np.ndarray:
    """Returns the weighted sum under each overlay of the window on x [n, *spatial, c].

    >>> blur_pool(np.array([0.0, 4.0, 0.0, 8.0, 0.0]).reshape(1, 5, 1), (3,)).ravel()
    array([2., 4.])
    """
    axes, weights = slide(x.shape[1:-1], window, stride, padding), filter_of(window)
    y = np.zeros((x.shape[0], *(axis.out for axis in axes), x.shape[-1]))
    x = with_border(x)
    for position, cells in overlays(axes):
        y[:, *position] = (x[cells] * weights[..., None]).sum(axis=tuple(range(1, x.ndim - 1)))
    return y


def blur_pool_deltas(
    x: np.ndarray, dy: np.ndarray, window: Sequence[int], *, stride: int | Sequence[int] = 2, padding: Padding = "VALID"
) -> np.ndarray:
    """Returns the input deltas: each cell under an overlay gets the output delta times the weight of its tap.

    >>> blur_pool_deltas(np.zeros((1, 5, 1)), np.array([4.0, 8.0]).reshape(1, 2, 1), (3,)).ravel()
    array([1., 2., 3., 4., 2.])
    """
    axes, weights = slide(x.shape[1:-1], window, stride, padding), filter_of(window)
    dx = with_border(np.zeros(x.shape))
    for position, cells in overlays(axes):
        output_delta = dy[:, *position].reshape(dy.shape[0], *[1] * weights.ndim, dy.shape[-1])
        np.add.at(dx, cells, output_delta * weights[..., None])
    return without_border(dx)
