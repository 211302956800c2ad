"""The overlays of a window: all its positions on the input, with the cells under it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from jaxconv.window import Axis

Index: TypeAlias = Any  # a NumPy index: here a tuple of slices and integer arrays


def overlays(axes: Sequence[Axis]) -> Iterator[tuple[tuple[int, ...], Index]]:
    """Yields each output position, and the index of the cells of x [n, *spatial, c] under the window at that position.

    `x[index]` is [n, *window, c]. A tap that reads a zero of the padding has the index `length`, the additional cell
    that `with_border` appends to each axis.

    >>> from jaxconv.window import Pad
    >>> axis = Axis(length=3, taps=2, stride=2, dilation=1, pad=Pad(1, 0))
    >>> [(position, cells[1].tolist()) for position, cells in overlays([axis])]
    [((0,), [3, 0]), ((1,), [1, 2])]
    """
    for position in product(*(range(axis.out) for axis in axes)):
        taps = [
            [axis.length if cell is None else cell for cell in axis.reads(j)]
            for axis, j in zip(axes, position, strict=True)
        ]
        yield position, (slice(None), *np.ix_(*taps))


def with_border(x: np.ndarray, value: float = 0.0) -> np.ndarray:
    """Converts x [n, *spatial, c] to float64, and appends one cell to each spatial axis as the value of the padding."""
    return np.pad(np.asarray(x, np.float64), [(0, 0), *[(0, 1)] * (x.ndim - 2), (0, 0)], constant_values=value)


def without_border(x: np.ndarray) -> np.ndarray:
    """Removes the cell that `with_border` appends, with the deltas that reached the padding."""
    return x[(slice(None), *[slice(-1)] * (x.ndim - 2))]
