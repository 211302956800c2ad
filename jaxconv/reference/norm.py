"""Normalisation and its deltas. The normalisations differ only in the groups of cells that share statistics.

For a group of m cells that share a mean and a variance, with d = scale * output delta and
h = (x - mean) / sqrt(variance + epsilon),

    scale's delta  +=  h * output delta
    bias's delta   +=  output delta
    input's delta   =  (d - mean of d - h * mean of (d * h)) / sqrt(variance + epsilon)

because the mean and the variance depend on each cell. (Without centring, the mean of d is not subtracted.)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jaxconv.reference.conv import Deltas
from jaxconv.reference.overlays import Index


def batch_cells(shape: tuple[int, ...]) -> Iterator[Index]:
    """Yields the groups of batch norm: all cells of one channel of x [n, *spatial, c]."""
    for c in range(shape[-1]):
        yield (..., slice(c, c + 1))


def group_cells(shape: tuple[int, ...], groups: int) -> Iterator[Index]:
    """Yields the groups of group norm: the cells of `c / groups` neighbouring channels of one example.

    With `groups` equal to c these are the groups of instance norm.
    """
    size = shape[-1] // groups
    for n in range(shape[0]):
        for g in range(groups):
            yield (n, ..., slice(g * size, (g + 1) * size))


def layer_cells(shape: tuple[int, ...]) -> Iterator[Index]:
    """Yields the groups of layer and RMS norm: the channels of one position."""
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
    """Normalises each group: subtracts the mean if `centred`, divides by the spread, then applies scale and bias.

    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> norm(1.0, 0.0, x, batch_cells(x.shape), epsilon=0.0).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    """
    return standardised(x, together, epsilon, centred=centred)[0] * scale + bias


def standardised(
    x: np.ndarray, together: Iterator[Index], epsilon: float, *, centred: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the normalised cells before scale and bias, and the divisor of each cell."""
    x = np.asarray(x, np.float64)
    h, spread = np.zeros(x.shape), np.zeros(x.shape)
    for cells in together:
        centred_cells = x[cells] - (x[cells].mean() if centred else 0.0)
        spread[cells] = np.sqrt((centred_cells**2).mean() + epsilon)
        h[cells] = centred_cells / spread[cells]
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
    """Returns the deltas of the scale (as `kernel`), the bias and the input.

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
