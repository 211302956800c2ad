"""Convolution with partly shared kernels: each overlay uses one of several kernels, and adds its deltas to that one.

The layers differ only in the choice of the kernel at position j: kernel `j mod p` for a tiled convolution, and the
kernel of the region that contains j for a regional one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from jaxconv.reference.conv import Deltas, backward, forward
from jaxconv.reference.overlays import with_border, without_border
from jaxconv.window import Axis, Padding, slide

KernelIndex: TypeAlias = Callable[[tuple[int, ...]], tuple[int, ...]]  # position -> index of its kernel


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
    """Applies periodic kernels [*period, *window, c/groups, o] to x [n, *spatial, c]: y [n, *out, o].

    >>> kernel, x = np.array([1.0, -1.0]).reshape(2, 1, 1, 1), np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
    >>> tiled_conv(kernel, 0.0, x).ravel()
    array([ 1., -2.,  3.])
    """
    axes = _axes(kernel, x, stride, padding, dilation)
    return _forward(_by_period(kernel), kernel, bias, x, axes, groups)


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
    """Returns the deltas of kernel, bias [*period, o] and x from the output deltas dy [n, *out, o]."""
    axes = _axes(kernel, x, stride, padding, dilation)
    return _backward(_by_period(kernel), kernel, x, dy, axes, groups)


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
    """Applies one kernel per region, [*count, *window, c/groups, o], to x [n, *spatial, c]: y [n, *out, o]."""
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
    """Returns the deltas of kernel, bias [*count, o] and x from the output deltas dy [n, *out, o]."""
    axes = _axes(kernel, x, stride, padding, dilation)
    return _backward(_by_region(regions), kernel, x, dy, axes, groups)


def _axes(
    kernel: np.ndarray, x: np.ndarray, stride: int | Sequence[int], padding: Padding, dilation: int | Sequence[int]
) -> tuple[Axis, ...]:
    return slide(x.shape[1:-1], kernel.shape[x.ndim - 2 : -2], stride, padding, dilation)


def _by_period(kernel: np.ndarray) -> KernelIndex:
    return lambda position: tuple(j % kernel.shape[axis] for axis, j in enumerate(position))


def _by_region(regions: Sequence[Sequence[int]]) -> KernelIndex:
    """Returns the function from a position to its region: the number of regions that end at or before it."""
    ends = [np.cumsum(lengths) for lengths in regions]
    return lambda position: tuple(int((end <= j).sum()) for end, j in zip(ends, position, strict=True))


def _forward(
    kernel_index: KernelIndex,
    kernel: np.ndarray,
    bias: np.ndarray | float,
    x: np.ndarray,
    axes: Sequence[Axis],
    groups: int,
) -> np.ndarray:
    y = forward(lambda position: kernel[kernel_index(position)], 0.0, x, axes, groups, kernel.shape[-1])
    if isinstance(bias, np.ndarray):
        for position in np.ndindex(y.shape[1:-1]):
            y[:, *position] += bias[kernel_index(position)]
        return y
    return y + bias


def _backward(
    kernel_index: KernelIndex, kernel: np.ndarray, x: np.ndarray, dy: np.ndarray, axes: Sequence[Axis], groups: int
) -> Deltas:
    kernel_deltas, bias_deltas = np.zeros(kernel.shape), np.zeros((*kernel.shape[: len(axes)], kernel.shape[-1]))
    dx = with_border(np.zeros(x.shape))
    for position, cells, kernel_delta, slice_delta in backward(lambda p: kernel[kernel_index(p)], x, dy, axes, groups):
        kernel_deltas[kernel_index(position)] += kernel_delta
        bias_deltas[kernel_index(position)] += dy[:, *position].sum(axis=0, dtype=np.float64)
        np.add.at(dx, cells, slice_delta)
    return Deltas(kernel_deltas, bias_deltas, without_border(dx))
