"""Partly shared kernels by hand: at each overlay one of a few kernels lies, and its deltas are added to that one's.

Which of them lies where is all that tells the layers apart: kernel `j mod p` where kernels take turns, that of the
region into which `j` falls where there are regions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from jaxconv.reference.conv import Deltas, backward, forward
from jaxconv.reference.overlays import with_border, without_border
from jaxconv.window import Axis, Padding, slide

Which: TypeAlias = Callable[[tuple[int, ...]], tuple[int, ...]]  # position -> the kernel that lies there


def tiled_conv(
    kernel: np.ndarray,
    bias: np.ndarray | float,
    x: np.ndarray,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> np.ndarray:
    """Kernels [*period, *window, c/groups, o] that take turns, on x [n, *spatial, c]: y [n, *out, o].

    >>> kernel, x = np.array([1.0, -1.0]).reshape(2, 1, 1, 1), np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
    >>> tiled_conv(kernel, 0.0, x).ravel()
    array([ 1., -2.,  3.])
    """
    axes = _axes(kernel, x, stride, padding, dilation)
    return _forward(_in_turn(kernel), kernel, bias, x, axes, groups)


def tiled_conv_deltas(
    kernel: np.ndarray,
    x: np.ndarray,
    dy: np.ndarray,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Deltas:
    """From the output's deltas dy [n, *out, o] to those of kernel, bias [*period, o] and x."""
    axes = _axes(kernel, x, stride, padding, dilation)
    return _backward(_in_turn(kernel), kernel, x, dy, axes, groups)


def regional_conv(
    kernel: np.ndarray,
    bias: np.ndarray | float,
    x: np.ndarray,
    *,
    regions: Sequence[Sequence[int]],
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> np.ndarray:
    """A kernel for each region, [*count, *window, c/groups, o], on x [n, *spatial, c]: y [n, *out, o]."""
    axes = _axes(kernel, x, stride, padding, dilation)
    return _forward(_by_region(regions), kernel, bias, x, axes, groups)


def regional_conv_deltas(
    kernel: np.ndarray,
    x: np.ndarray,
    dy: np.ndarray,
    *,
    regions: Sequence[Sequence[int]],
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Deltas:
    """From the output's deltas dy [n, *out, o] to those of kernel, bias [*count, o] and x."""
    axes = _axes(kernel, x, stride, padding, dilation)
    return _backward(_by_region(regions), kernel, x, dy, axes, groups)


def _axes(
    kernel: np.ndarray, x: np.ndarray, stride: int | Sequence[int], padding: Padding, dilation: int | Sequence[int]
) -> tuple[Axis, ...]:
    return slide("reference.partly", x.shape[1:-1], kernel.shape[x.ndim - 2 : -2], stride, padding, dilation)


def _in_turn(kernel: np.ndarray) -> Which:
    return lambda position: tuple(j % kernel.shape[axis] for axis, j in enumerate(position))


def _by_region(regions: Sequence[Sequence[int]]) -> Which:
    """The number of regions that end at or before the position."""
    ends = [np.cumsum(lengths) for lengths in regions]
    return lambda position: tuple(int((end <= j).sum()) for end, j in zip(ends, position, strict=True))


def _forward(
    which: Which, kernel: np.ndarray, bias: np.ndarray | float, x: np.ndarray, axes: Sequence[Axis], groups: int
) -> np.ndarray:
    y = forward(lambda position: kernel[which(position)], 0.0, x, axes, groups, kernel.shape[-1])
    if isinstance(bias, np.ndarray):
        for position in np.ndindex(y.shape[1:-1]):
            y[:, *position] += bias[which(position)]
        return y
    return y + bias


def _backward(
    which: Which, kernel: np.ndarray, x: np.ndarray, dy: np.ndarray, axes: Sequence[Axis], groups: int
) -> Deltas:
    of_kernel, of_bias = np.zeros(kernel.shape), np.zeros((*kernel.shape[: len(axes)], kernel.shape[-1]))
    dx = with_border(np.zeros(x.shape))
    for position, cells, kernel_delta, slice_delta in backward(lambda p: kernel[which(p)], x, dy, axes, groups):
        of_kernel[which(position)] += kernel_delta
        of_bias[which(position)] += dy[:, *position].sum(axis=0, dtype=np.float64)
        np.add.at(dx, cells, slice_delta)
    return Deltas(of_kernel, of_bias, without_border(dx))
