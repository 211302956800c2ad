"""Pooling and its deltas: at each overlay the delta goes to one cell, or to all taps in equal shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from jaxconv.reference.overlays import overlays, with_border, without_border
from jaxconv.window import Axis, Padding, slide


def max_pool(
    x: np.ndarray,
    window: Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> np.ndarray:
    """Returns the maximum under each overlay of the window on x [n, *spatial, c]. Padding never wins; NaN always does.

    >>> max_pool(np.array([3.0, 1.0, 4.0, 1.0, 5.0]).reshape(1, 5, 1), (3,), stride=2).ravel()
    array([4., 5.])
    """
    axes = _axes(x, window, stride, padding, dilation, ceil_mode)
    y = np.zeros((x.shape[0], *(axis.out for axis in axes), x.shape[-1]))
    x = with_border(x, -np.inf)
    for position, cells in overlays(axes):
        y[:, *position] = x[cells].max(axis=tuple(range(1, x.ndim - 1)))
    return y


def max_pool_deltas(
    x: np.ndarray,
    dy: np.ndarray,
    window: Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> np.ndarray:
    """Returns the input deltas: each output delta is added to the largest cell, the first in row-major order if equal.

    If the window has NaNs, the first NaN gets the delta. (NumPy's `max` and `argmax` follow this rule.)

    >>> x = np.array([3.0, 4.0, 4.0, 1.0]).reshape(1, 4, 1)
    >>> max_pool_deltas(x, np.array([10.0, 1.0]).reshape(1, 2, 1), (3,), stride=1).ravel()
    array([ 0., 11.,  0.,  0.])
    """
    axes = _axes(x, window, stride, padding, dilation, ceil_mode)
    x = with_border(x, -np.inf)
    dx = np.zeros(x.shape)
    for position, cells in overlays(axes):
        window_cells = x[cells]
        flat = window_cells.reshape(x.shape[0], -1, x.shape[-1])
        winner = np.arange(flat.shape[1])[:, None] == flat.argmax(axis=1)[:, None, :]
        np.add.at(
            dx, cells, winner.reshape(window_cells.shape) * dy[:, *position].reshape(_one_per_channel(window_cells))
        )
    return without_border(dx)


def min_pool(x: np.ndarray, window: Sequence[int], **geometry: Any) -> np.ndarray:
    """Returns the minimum under each overlay, or NaN; `geometry` as for `max_pool`.

    >>> min_pool(np.array([3.0, 1.0, 4.0, 1.0, 5.0]).reshape(1, 5, 1), (2,), ceil_mode=True).ravel()
    array([1., 1., 5.])
    """
    return -max_pool(-np.asarray(x, np.float64), window, **geometry)


def min_pool_deltas(x: np.ndarray, dy: np.ndarray, window: Sequence[int], **geometry: Any) -> np.ndarray:
    """Returns the input deltas: each output delta is added to the smallest cell, the first in row-major order if equal.

    >>> x = np.array([3.0, 1.0, 1.0, 4.0]).reshape(1, 4, 1)
    >>> min_pool_deltas(x, np.array([10.0, 1.0]).reshape(1, 2, 1), (3,), stride=1).ravel()
    array([ 0., 11.,  0.,  0.])
    """
    return max_pool_deltas(-np.asarray(x, np.float64), dy, window, **geometry)


def avg_pool(
    x: np.ndarray,
    window: Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    divisor: Literal["inside", "window"] | int = "window",
) -> np.ndarray:
    """Returns the sum under each overlay of the window on x [n, *spatial, c], divided by `divisor`.

    >>> avg_pool(np.array([1.0, 2.0, 6.0]).reshape(1, 3, 1), (2,), stride=1, padding="SAME", divisor="inside").ravel()
    array([1.5, 4. , 6. ])
    """
    axes = _axes(x, window, stride, padding, dilation, ceil_mode)
    y = np.zeros((x.shape[0], *(axis.out for axis in axes), x.shape[-1]))
    x = with_border(x)
    for position, cells in overlays(axes):
        y[:, *position] = x[cells].sum(axis=tuple(range(1, x.ndim - 1))) / _divisor(axes, position, divisor)
    return y


def avg_pool_deltas(
    x: np.ndarray,
    dy: np.ndarray,
    window: Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    divisor: Literal["inside", "window"] | int = "window",
) -> np.ndarray:
    """Returns the input deltas: each cell under an overlay gets the output delta divided by `divisor`.

    >>> x, dy = np.zeros((1, 3, 1)), np.array([2.0, 4.0]).reshape(1, 2, 1)
    >>> avg_pool_deltas(x, dy, (2,), stride=1).ravel()
    array([1., 3., 2.])
    """
    axes = _axes(x, window, stride, padding, dilation, ceil_mode)
    dx = with_border(np.zeros(x.shape))
    for position, cells in overlays(axes):
        share = np.asarray(dy[:, *position], np.float64) / _divisor(axes, position, divisor)
        np.add.at(dx, cells, share.reshape(_one_per_channel(dx)))
    return without_border(dx)


def lp_pool(x: np.ndarray, window: Sequence[int], norm: float, **geometry: Any) -> np.ndarray:
    """Returns the Lp norm of the cells under each overlay; `geometry` as for `max_pool`.

    >>> lp_pool(np.array([3.0, -4.0, 0.0]).reshape(1, 3, 1), (2,), 2, stride=1).ravel()
    array([5., 4.])
    """
    return avg_pool(np.abs(np.asarray(x, np.float64)) ** norm, window, **geometry, divisor=1) ** (1 / norm)


def lp_pool_deltas(x: np.ndarray, dy: np.ndarray, window: Sequence[int], norm: float, **geometry: Any) -> np.ndarray:
    """Returns the input deltas: dy * sign(x) (|x| / norm of the window)^(p - 1), and 0 for a cell that is 0.

    >>> x = np.array([3.0, -4.0, 0.0, 0.0]).reshape(1, 4, 1)
    >>> lp_pool_deltas(x, np.full((1, 2, 1), 5.0), (2,), 2).ravel()
    array([ 3., -4.,  0.,  0.])
    """
    x = np.asarray(x, np.float64)
    y = lp_pool(x, window, norm, **geometry)
    per_norm = np.where(y == 0, 0, dy / np.where(y == 0, 1, y) ** (norm - 1))
    at_cell = np.where(x == 0, 0, np.sign(x) * np.where(x == 0, 1, np.abs(x)) ** (norm - 1))
    return at_cell * avg_pool_deltas(x, per_norm, window, **geometry, divisor=1)


def _axes(
    x: np.ndarray,
    window: Sequence[int],
    stride: int | Sequence[int] | None,
    padding: Padding,
    dilation: int | Sequence[int],
    ceil_mode: bool,
) -> tuple[Axis, ...]:
    stride = window if stride is None else stride
    return slide(x.shape[1:-1], window, stride, padding, dilation, ceil_mode=ceil_mode)


def _one_per_channel(window_cells: np.ndarray) -> tuple[int, ...]:
    """The shape that broadcasts [n, c] over the cells under an overlay, [n, *window, c]."""
    return (window_cells.shape[0], *[1] * (window_cells.ndim - 2), window_cells.shape[-1])


def _divisor(axes: Sequence[Axis], position: tuple[int, ...], divisor: str | int) -> int:
    if isinstance(divisor, int):
        return divisor
    counts = [axis.taps if divisor == "window" else axis.inside(j) for axis, j in zip(axes, position, strict=True)]
    return int(np.prod(counts))
