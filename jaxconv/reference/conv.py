"""Convolution and its deltas: a loop over the overlays that multiplies and adds at each of them.

This is the seeds' arithmetic in float64 NumPy. For every overlay of the kernel on the input:

    output            =  sum of (input slice * kernel), plus the bias
    kernel's delta   +=  input slice * output delta
    bias's delta     +=  output delta
    input's delta    +=  kernel * output delta, into the slice under the overlay

A locally connected layer has the same overlays with a separate kernel for each, so it sums no kernel deltas. Its kernel
deltas are those of the shared kernel before the sum over overlays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxconv.reference.overlays import Index, overlays, with_border, without_border
from jaxconv.window import Axis, Padding, slide

Kernels = Callable[[tuple[int, ...]], np.ndarray]  # position -> the kernel [*window, c/groups, o] at that position


class Deltas(NamedTuple):
    """The derivatives of a loss with respect to a layer's kernel, bias and input."""

    kernel: np.ndarray
    bias: np.ndarray
    x: np.ndarray


def conv(
    kernel: np.ndarray,
    bias: np.ndarray | float,
    x: np.ndarray,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> np.ndarray:
    """Convolves x [n, *spatial, c] with one kernel [*window, c/groups, o] at all positions: y [n, *out, o].

    >>> conv(np.array([0.3, 0.5]).reshape(2, 1, 1), 0.0, np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)).ravel()
    array([1.3, 2.1])
    """
    axes = slide(x.shape[1:-1], kernel.shape[:-2], stride, padding, dilation)
    return forward(lambda position: kernel, bias, x, axes, groups, kernel.shape[-1])


def locally_connected(
    kernel: np.ndarray,
    bias: np.ndarray | float,
    x: np.ndarray,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> np.ndarray:
    """Applies a separate kernel per position, [*out, *window, c/groups, o], to x [n, *spatial, c]: y [n, *out, o]."""
    rank = x.ndim - 2
    axes = slide(x.shape[1:-1], kernel.shape[rank:-2], stride, padding, dilation)
    return forward(lambda position: kernel[position], bias, x, axes, groups, kernel.shape[-1])


def conv_deltas(
    kernel: np.ndarray,
    x: np.ndarray,
    dy: np.ndarray,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Deltas:
    """Returns the deltas of kernel, bias [o] and x from the output deltas dy [n, *out, o], by the summed-delta rule.

    >>> kernel, x = np.array([0.3, 0.5]).reshape(2, 1, 1), np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
    >>> deltas = conv_deltas(kernel, x, np.array([-0.1, 0.2]).reshape(1, 2, 1))
    >>> [delta.ravel().round(9).tolist() for delta in deltas]
    [[0.3, 0.4], [0.1], [-0.03, 0.01, 0.1]]
    """
    axes = slide(x.shape[1:-1], kernel.shape[:-2], stride, padding, dilation)
    total = np.zeros(kernel.shape)
    dx = with_border(np.zeros(x.shape))
    for _, cells, kernel_delta, slice_delta in backward(lambda position: kernel, x, dy, axes, groups):
        total += kernel_delta
        np.add.at(dx, cells, slice_delta)  # near a border that copies cells, two taps may read the same cell
    return Deltas(total, dy.sum(axis=tuple(range(dy.ndim - 1)), dtype=np.float64), without_border(dx))


def locally_connected_deltas(
    kernel: np.ndarray,
    x: np.ndarray,
    dy: np.ndarray,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Deltas:
    """Returns the deltas of kernel, bias [*out, o] and x from dy [n, *out, o], without a sum over positions."""
    rank = x.ndim - 2
    axes = slide(x.shape[1:-1], kernel.shape[rank:-2], stride, padding, dilation)
    kernel_deltas = np.zeros(kernel.shape)
    dx = with_border(np.zeros(x.shape))
    for position, cells, kernel_delta, slice_delta in backward(lambda p: kernel[p], x, dy, axes, groups):
        kernel_deltas[position] = kernel_delta
        np.add.at(dx, cells, slice_delta)
    return Deltas(kernel_deltas, dy.sum(axis=0, dtype=np.float64), without_border(dx))


def kernel_deltas_per_overlay(
    kernel: np.ndarray,
    x: np.ndarray,
    dy: np.ndarray,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> np.ndarray:
    """Returns the shared kernel's deltas before the sum over overlays, [*out, *window, c/groups, o].

    >>> kernel, x = np.array([0.3, 0.5]).reshape(2, 1, 1), np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
    >>> kernel_deltas_per_overlay(kernel, x, np.array([-0.1, 0.2]).reshape(1, 2, 1)).squeeze().tolist()
    [[-0.1, -0.2], [0.4, 0.6000000000000001]]
    """
    axes = slide(x.shape[1:-1], kernel.shape[:-2], stride, padding, dilation)
    per_overlay = backward(lambda position: kernel, x, dy, axes, groups)
    return np.stack([kernel_delta for _, _, kernel_delta, _ in per_overlay]).reshape(*dy.shape[1:-1], *kernel.shape)


def forward(
    kernels: Kernels, bias: np.ndarray | float, x: np.ndarray, axes: Sequence[Axis], groups: int, channels_out: int
) -> np.ndarray:
    """Returns the output for kernels and a bias that may differ between overlays."""
    y = np.zeros((x.shape[0], *(axis.out for axis in axes), channels_out))
    x = with_border(x)
    for position, cells in overlays(axes):
        kernel = kernels(position)
        for ins, outs in _groups(x.shape[-1], channels_out, groups):
            y[:, *position, outs] = np.tensordot(x[cells][..., ins], kernel[..., outs], axes=kernel.ndim - 1)
    return y + bias


def backward(
    kernels: Kernels, x: np.ndarray, dy: np.ndarray, axes: Sequence[Axis], groups: int
) -> Iterator[tuple[tuple[int, ...], Index, np.ndarray, np.ndarray]]:
    """Yields for each overlay: position, index of its cells, kernel delta, and delta of the slice under it."""
    x, dy = with_border(x), np.asarray(dy, np.float64)
    for position, cells in overlays(axes):
        kernel = kernels(position)
        kernel_delta = np.zeros(kernel.shape)
        slice_delta = np.zeros(x[cells].shape)
        for ins, outs in _groups(x.shape[-1], dy.shape[-1], groups):
            output_delta = dy[:, *position, outs]
            kernel_delta[..., outs] = np.einsum("n...c,no->...co", x[cells][..., ins], output_delta)
            slice_delta[..., ins] = np.einsum("...co,no->n...c", kernel[..., outs], output_delta)
        yield position, cells, kernel_delta, slice_delta


def _groups(channels_in: int, channels_out: int, groups: int) -> Iterator[tuple[slice, slice]]:
    """Yields the input and output channels of each group."""
    ins, outs = channels_in // groups, channels_out // groups
    for g in range(groups):
        yield slice(g * ins, (g + 1) * ins), slice(g * outs, (g + 1) * outs)
