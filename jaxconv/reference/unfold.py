"""Unfolding and folding, overlay by overlay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxconv.reference.overlays import overlays, with_border, without_border
from jaxconv.window import slide


def unfold(x: np.ndarray, window: Sequence[int], **geometry: Any) -> np.ndarray:
    """Returns the cells under each overlay of the window on x [n, *spatial, c], by tap and within it by channel.

    `geometry` is stride, padding and dilation, as for `conv`.

    >>> unfold(np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1), (2,))[0].tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    axes = slide(x.shape[1:-1], window, **geometry)
    y = np.zeros((x.shape[0], *(axis.out for axis in axes), int(np.prod(window)) * x.shape[-1]))
    x = with_border(x)
    for position, cells in overlays(axes):
        y[:, *position] = x[cells].reshape(x.shape[0], -1)
    return y


def fold(y: np.ndarray, window: Sequence[int], output_shape: Sequence[int], **geometry: Any) -> np.ndarray:
    """Adds the features [n, *out, f] at each overlay to the cells under it: the deltas of `unfold`.

    >>> fold(np.array([[1.0, 2.0], [10.0, 20.0]])[None], (2,), (3,)).ravel()
    array([ 1., 12., 20.])
    """
    axes = slide(output_shape, window, **geometry)
    x = with_border(np.zeros((y.shape[0], *output_shape, y.shape[-1] // int(np.prod(window)))))
    for position, cells in overlays(axes):
        np.add.at(x, cells, y[:, *position].reshape(x[cells].shape))
    return without_border(x)
