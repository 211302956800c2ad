"""Resizing and its deltas: for each output the weights of all cells, one axis after the other, in exact fractions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np


def coordinate(j: int, n: int, m: int, corners: str) -> Fraction:
    """The coordinate, in cells of the input, of output j of m over n cells.

    >>> [str(coordinate(1, 4, 3, corners)) for corners in ("half_pixel", "align", "asymmetric")]
    ['3/2', '3/2', '4/3']
    """
    if corners == "align":
        return Fraction(j * (n - 1), m - 1) if m > 1 else Fraction(0)
    return Fraction(j * n, m) if corners == "asymmetric" else (j + Fraction(1, 2)) * Fraction(n, m) - Fraction(1, 2)


def weight(distance: Fraction, method: str, coefficient: float) -> float:
    """The weight of a cell at a distance, before normalisation.

    >>> [weight(Fraction(1, 2), method, -0.75) for method in ("linear", "cubic")]
    [0.5, 0.59375]
    """
    d, a = float(distance), coefficient
    if method == "linear":
        return max(1 - d, 0)
    if method == "cubic":
        if d < 1:
            return (a + 2) * d**3 - (a + 3) * d**2 + 1
        return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0
    radius = int(method[-1])
    if distance == 0:
        return 1.0
    if distance >= radius or distance.denominator == 1:
        return 0.0
    return radius * math.sin(math.pi * d) * math.sin(math.pi * d / radius) / (math.pi * d) ** 2


def weights(n: int, m: int, method: str, corners: str, antialias: bool, coefficient: float, border: str) -> np.ndarray:
    """The weight of each of n cells in each of m outputs, [m, n].

    >>> weights(2, 4, "linear", "half_pixel", False, 0.0, "inside").tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    w, scale = np.zeros((m, n)), Fraction(n, m)
    for j in range(m):
        s = coordinate(j, n, m, corners)
        if method == "nearest":
            w[j, math.floor(s if corners == "asymmetric" else s + Fraction(1, 2))] = 1
        elif method == "area":
            for i in range(n):
                w[j, i] = max(min(i + 1, (j + 1) * scale) - max(i, j * scale), 0) / scale
        else:
            width = max(scale, Fraction(1)) if antialias else Fraction(1)
            reach = math.ceil(8 * width)
            for i in range(math.floor(s) - reach, math.floor(s) + reach + 1):
                if border == "edge" or 0 <= i < n:
                    w[j, min(max(i, 0), n - 1)] += weight(abs(i - s) / width, method, coefficient)
            w[j] /= w[j].sum()
    return w


def resize(
    x: np.ndarray,
    output_shape: Sequence[int],
    *,
    method: str = "linear",
    corners: str = "half_pixel",
    antialias: bool = False,
    coefficient: float = -0.5,
    border: str = "inside",
) -> np.ndarray:
    """Returns x [n, *spatial, c] resized along each spatial axis.

    >>> resize(np.array([0.0, 4.0, 8.0]).reshape(1, 3, 1), (6,)).ravel().tolist()
    [0.0, 1.0, 3.0, 5.0, 7.0, 8.0]
    """
    y = np.asarray(x, np.float64)
    for axis, m in enumerate(output_shape, start=1):
        w = weights(y.shape[axis], m, method, corners, antialias, coefficient, border)
        cells = np.moveaxis(y, axis, 0)
        rows = [sum(w[j, i] * cells[i] for i in np.flatnonzero(w[j])) for j in range(m)]
        y = np.moveaxis(np.array(rows), 0, axis)
    return y


def resize_deltas(x: np.ndarray, dy: np.ndarray, **settings: object) -> np.ndarray:
    """Returns the input deltas: each output's delta goes to the cells that it read, times their weights.

    `settings` are method, corners, antialias, coefficient and border, as for `resize`.

    >>> dy = np.array([1.0, 0.0, 0.0, 4.0]).reshape(1, 4, 1)
    >>> resize_deltas(np.zeros((1, 2, 1)), dy, method="linear").ravel().tolist()
    [1.0, 4.0]
    """
    defaults = {"corners": "half_pixel", "antialias": False, "coefficient": -0.5, "border": "inside"}
    dx = np.asarray(dy, np.float64)
    for axis in reversed(range(1, x.ndim - 1)):
        w = weights(x.shape[axis], dy.shape[axis], **(defaults | settings))  # pyright: ignore[reportArgumentType]
        outputs = np.moveaxis(dx, axis, 0)
        cells = np.zeros((x.shape[axis], *outputs.shape[1:]))
        for j, i in np.argwhere(w):
            cells[i] += w[j, i] * outputs[j]
        dx = np.moveaxis(cells, 0, axis)
    return dx
