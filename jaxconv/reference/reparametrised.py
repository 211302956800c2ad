"""Spectral and weight normalisation, and their deltas by the quotient rule."""

from __future__ import annotations

import numpy as np


def power_iteration(matrix: np.ndarray, v: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns u [o] and v [k] of a matrix [o, k] after some steps of power iteration.

    >>> [vector.round(3).tolist() for vector in power_iteration(np.diag([3.0, 1.0]), np.array([0.6, 0.8]), 9)]
    [[1.0, 0.0], [1.0, 0.0]]
    """
    u = np.zeros(matrix.shape[0])
    for _ in range(steps):
        u = matrix @ v
        u = u / np.linalg.norm(u)
        v = u @ matrix
        v = v / np.linalg.norm(v)
    return u, v


def spectral_norm(kernel: np.ndarray, u: np.ndarray, v: np.ndarray, *, axis: int = -1) -> np.ndarray:
    """Returns the kernel divided by u^T M v, where M [o, k] has the kernel's output channels as rows.

    >>> spectral_norm(np.diag([4.0, 2.0]), np.array([1.0, 0.0]), np.array([1.0, 0.0])).tolist()
    [[1.0, 0.0], [0.0, 0.5]]
    """
    return kernel / (u @ _rows(kernel, axis) @ v)


def spectral_norm_deltas(
    kernel: np.ndarray, u: np.ndarray, v: np.ndarray, dy: np.ndarray, *, axis: int = -1
) -> np.ndarray:
    """Returns the deltas of the kernel; u and v are constants: (dy - <dy, y> u v^T) / sigma.

    >>> spectral_norm_deltas(np.diag([4.0, 2.0]), np.eye(2)[0], np.eye(2)[0], np.ones((2, 2))).tolist()
    [[-0.125, 0.25], [0.25, 0.25]]
    """
    sigma, outer = u @ _rows(kernel, axis) @ v, np.zeros(kernel.shape)
    np.moveaxis(outer, axis, 0)[...] = np.outer(u, v).reshape(np.moveaxis(kernel, axis, 0).shape)
    return (dy - (dy * kernel).sum() / sigma * outer) / sigma


def weight_norm(kernel: np.ndarray, scale: np.ndarray, *, axis: int = -1) -> np.ndarray:
    """Returns each output channel's part of the kernel with the length that the scale [o] states.

    >>> weight_norm(np.array([[3.0], [4.0]]), np.array([10.0])).ravel().tolist()
    [6.0, 8.0]
    """
    y = np.array(kernel, np.float64)
    for part, length in zip(np.moveaxis(y, axis, 0), scale, strict=True):
        part *= length / np.linalg.norm(part)
    return y


def weight_norm_deltas(
    kernel: np.ndarray, scale: np.ndarray, dy: np.ndarray, *, axis: int = -1
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the deltas of kernel and scale, for each output channel by itself.

    >>> kernel, scale = weight_norm_deltas(np.array([[3.0], [4.0]]), np.array([5.0]), np.array([[1.0], [0.0]]))
    >>> kernel.ravel().round(9).tolist(), scale.tolist()
    ([0.64, -0.48], [0.6])
    """
    dkernel, dscale = np.zeros(kernel.shape), np.zeros(scale.shape)
    parts = [np.moveaxis(a, axis, 0) for a in (kernel, dy, dkernel)]
    for o, (weights, delta, out) in enumerate(zip(*parts, strict=True)):
        direction = weights / np.linalg.norm(weights)
        dscale[o] = (delta * direction).sum()
        out[...] = scale[o] / np.linalg.norm(weights) * (delta - dscale[o] * direction)
    return dkernel, dscale


def _rows(kernel: np.ndarray, axis: int) -> np.ndarray:
    """The matrix [o, k] of a kernel."""
    return np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)
