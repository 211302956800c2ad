"""Normalisation and its deltas by hand: which cells are taken together, and the two averages that they share.

Every normalisation is one arithmetic over another choice of cells. Among m cells that are taken together, with
d = scale * output delta and h = (x - mean) / sqrt(variance + epsilon),

    scale's delta  +=  h * output delta
    bias's delta   +=  output delta
    input's delta   =  (d - mean of d - h * mean of (d * h)) / sqrt(variance + epsilon)

since the mean and the variance of the cells move with each of them. (Without centring the mean of d is not taken off.)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jaxconv.reference.conv import Deltas
from jaxconv.reference.overlays import Index


def batch_cells(shape: tuple[int, ...]) -> Iterator[Index]:
    """Batch norm: all cells of a channel of x [n, *spatial, c], in turn."""
    for c in range(shape[-1]):
        yield (..., slice(c, c + 1))


def group_cells(shape: tuple[int, ...], groups: int) -> Iterator[Index]:
    """Group norm: the cells of one example, of `c / groups` neighbouring channels. Instance norm has as many as c."""
    size = shape[-1] // groups
    for n in range(shape[0]):
        for g in range(groups):
            yield (n, ..., slice(g * size, (g + 1) * size))


def layer_cells(shape: tuple[int, ...]) -> Iterator[Index]:
    """Layer and RMS norm: the channels of one position."""
    yield from np.ndindex(*shape[:-1])


def norm(
    scale: np.ndarray | float,
    bias: np.ndarray | float,
    x: np.ndarray,
    together: Iterator[Index],
    epsilon: float,
    *,
    centred: bool = True,
) -> np.ndarray:
    """Centre the cells that are taken together (unless they are not to be), divide by their spread, scale and shift.

    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> norm(1.0, 0.0, x, batch_cells(x.shape), epsilon=0.0).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    """
    return standardised(x, together, epsilon, centred=centred)[0] * scale + bias


def standardised(
    x: np.ndarray, together: Iterator[Index], epsilon: float, *, centred: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """The cells before scale and bias, and what each was divided by."""
    x = np.asarray(x, np.float64)
    h, spread = np.zeros(x.shape), np.zeros(x.shape)
    for cells in together:
        left = x[cells] - (x[cells].mean() if centred else 0.0)
        spread[cells] = np.sqrt((left**2).mean() + epsilon)
        h[cells] = left / spread[cells]
    return h, spread


def norm_deltas(
    scale: np.ndarray | float,
    x: np.ndarray,
    dy: np.ndarray,
    together: list[Index],
    epsilon: float,
    *,
    centred: bool = True,
) -> Deltas:
    """The deltas of the scale (as `kernel`), the bias and the input.

    >>> x, dy = np.array([[1.0], [3.0]]), np.array([[1.0], [0.0]])
    >>> [delta.ravel().tolist() for delta in norm_deltas(1.0, x, dy, list(batch_cells(x.shape)), epsilon=0.0)]
    [[-1.0], [1.0], [0.0, 0.0]]
    """
    dy = np.asarray(dy, np.float64)
    h, spread = standardised(x, iter(together), epsilon, centred=centred)
    d, dx = dy * scale, np.zeros(h.shape)
    for cells in together:
        common = d[cells].mean() if centred else 0.0
        dx[cells] = (d[cells] - common - h[cells] * (d[cells] * h[cells]).mean()) / spread[cells]
    positions = tuple(range(h.ndim - 1))
    return Deltas((dy * h).sum(axis=positions), dy.sum(axis=positions), dx)
