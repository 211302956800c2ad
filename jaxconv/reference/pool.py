"""Pooling and its deltas by hand: at every overlay, one winner takes the delta, or all taps share it."""

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
    """The largest cell under each overlay of the window on x [n, *spatial, c]; padding never wins, NaN always does.

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
    """The input's deltas: each output's delta goes to the cell that won, the first of equals in row-major order.

    Where there are NaNs, the first of them won. (NumPy's maxima and places of maxima are that already.)

    >>> x = np.array([3.0, 4.0, 4.0, 1.0]).reshape(1, 4, 1)
    >>> max_pool_deltas(x, np.array([10.0, 1.0]).reshape(1, 2, 1), (3,), stride=1).ravel()
    array([ 0., 11.,  0.,  0.])
    """
    axes = _axes(x, window, stride, padding, dilation, ceil_mode)
    x = with_border(x, -np.inf)
    dx = np.zeros(x.shape)
    for position, cells in overlays(axes):
        under = x[cells]
        flat = under.reshape(x.shape[0], -1, x.shape[-1])
        winner = np.arange(flat.shape[1])[:, None] == flat.argmax(axis=1)[:, None, :]
        np.add.at(dx, cells, winner.reshape(under.shape) * dy[:, *position].reshape(_one_per_channel(under)))
    return without_border(dx)


def min_pool(x: np.ndarray, window: Sequence[int], **geometry: Any) -> np.ndarray:
    """The least cell under each overlay, or NaN; `geometry` as for `max_pool`.

    >>> min_pool(np.array([3.0, 1.0, 4.0, 1.0, 5.0]).reshape(1, 5, 1), (2,), ceil_mode=True).ravel()
    array([1., 1., 5.])
    """
    return -max_pool(-np.asarray(x, np.float64), window, **geometry)


def min_pool_deltas(x: np.ndarray, dy: np.ndarray, window: Sequence[int], **geometry: Any) -> np.ndarray:
    """The input's deltas: each output's delta goes to the least cell, the first of equals in row-major order.

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
    """The sum under each overlay of the window on x [n, *spatial, c], divided.

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
    """The input's deltas: every cell under an overlay gets the output's delta, divided.

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
    """The norm of the cells under each overlay; `geometry` as for `max_pool`.

    >>> lp_pool(np.array([3.0, -4.0, 0.0]).reshape(1, 3, 1), (2,), 2, stride=1).ravel()
    array([5., 4.])
    """
    return avg_pool(np.abs(np.asarray(x, np.float64)) ** norm, window, **geometry, divisor=1) ** (1 / norm)


def lp_pool_deltas(x: np.ndarray, dy: np.ndarray, window: Sequence[int], norm: float, **geometry: Any) -> np.ndarray:
    """The input's deltas: the output's delta times sign(x) (|x| / norm of the window)^(p - 1); none to a cell of 0.

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
    return slide("reference.pool", x.shape[1:-1], window, stride, padding, dilation, ceil_mode=ceil_mode)


def _one_per_channel(under: np.ndarray) -> tuple[int, ...]:
    """The shape with which [n, c] spreads over the cells under an overlay, [n, *window, c]."""
    return (under.shape[0], *[1] * (under.ndim - 2), under.shape[-1])


def _divisor(axes: Sequence[Axis], position: tuple[int, ...], divisor: str | int) -> int:
    if isinstance(divisor, int):
        return divisor
    counts = [axis.taps if divisor == "window" else axis.inside(j) for axis, j in zip(axes, position, strict=True)]
    return int(np.prod(counts))
