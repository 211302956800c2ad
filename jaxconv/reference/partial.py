"""Partial convolution and its deltas: at each overlay, the valid cells, rescaled by their number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jaxconv.reference.conv import Deltas
from jaxconv.reference.overlays import Index, overlays, with_border, without_border
from jaxconv.window import Axis, slide


def partial_conv(
    kernel: np.ndarray, bias: np.ndarray | float, x: np.ndarray, mask: np.ndarray, *, groups: int = 1, **geometry: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Returns y [n, *out, o] and the new mask [n, *out, o] of x and mask, both [n, *spatial, c].

    >>> x, mask = np.array([2.0, 3.0, 4.0]).reshape(1, 3, 1), np.array([1, 0, 0]).reshape(1, 3, 1)
    >>> y, seen = partial_conv(np.ones((2, 1, 1)), 0.5, x, mask)
    >>> y.ravel(), seen.ravel()
    (array([4.5, 0. ]), array([1., 0.]))
    """
    axes = slide(x.shape[1:-1], kernel.shape[:-2], **geometry)
    y, seen = np.zeros((2, x.shape[0], *(axis.out for axis in axes), kernel.shape[-1]))
    biases = np.broadcast_to(bias, kernel.shape[-1:])
    for (n, position, o), _, cells, valid, weights in _windows(kernel, x, mask, axes, groups):
        if valid.sum() > 0:
            y[n, *position, o] = (weights * cells)[valid > 0].sum() * valid.size / valid.sum() + biases[o]
            seen[n, *position, o] = 1
    return y, seen


def partial_conv_deltas(
    kernel: np.ndarray, x: np.ndarray, mask: np.ndarray, dy: np.ndarray, *, groups: int = 1, **geometry: Any
) -> Deltas:
    """Returns the deltas of kernel, bias [o] and x: sums over the overlays of the rescaled deltas of the valid cells.

    >>> x, mask = np.array([2.0, 3.0]).reshape(1, 2, 1), np.array([1, 0]).reshape(1, 2, 1)
    >>> deltas = partial_conv_deltas(np.ones((2, 1, 1)), x, mask, np.array([[[10.0]]]))
    >>> [delta.ravel().tolist() for delta in deltas]
    [[40.0, 0.0], [10.0], [20.0, 0.0]]
    """
    axes = slide(x.shape[1:-1], kernel.shape[:-2], **geometry)
    dkernel, dbias, dx = np.zeros(kernel.shape), np.zeros(kernel.shape[-1]), with_border(np.zeros(x.shape))
    for (n, position, o), index, cells, valid, weights in _windows(kernel, x, mask, axes, groups):
        if valid.sum() > 0:
            delta = dy[n, *position, o]
            scaled = delta * valid.size / valid.sum() * (valid > 0)
            dbias[o] += delta
            dkernel[..., o] += scaled * np.where(valid > 0, cells, 0)
            np.add.at(dx, index, scaled * weights)
    return Deltas(dkernel, dbias, without_border(dx))


def _windows(
    kernel: np.ndarray, x: np.ndarray, mask: np.ndarray, axes: Sequence[Axis], groups: int
) -> Iterator[tuple[tuple[int, tuple[int, ...], int], Index, np.ndarray, np.ndarray, np.ndarray]]:
    """Yields for each output its place, the index of its cells, these cells, their mask and their weights."""
    channels_in, channels_out = kernel.shape[-2:]
    x, mask = with_border(x), with_border(mask != 0)
    for position, (_, *taps, _) in ((p, (*cells, None)) for p, cells in overlays(axes)):
        for n, o in np.ndindex(x.shape[0], channels_out):
            first = o * groups // channels_out * channels_in
            index = (n, *(tap[..., None] for tap in taps), np.arange(first, first + channels_in))
            yield (n, position, o), index, x[index], mask[index], kernel[..., o]
