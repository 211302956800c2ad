"""The overlays of a window: every place where it lies on the input, and the cells that are under it there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from jaxconv.window import Axis

Index: TypeAlias = Any  # what NumPy takes between brackets: here a tuple of slices and integer arrays


def overlays(axes: Sequence[Axis]) -> Iterator[tuple[tuple[int, ...], Index]]:
    """Position of the output, and index of the cells of x [n, *spatial, c] under the window there, in turn.

    `x[index]` is [n, *window, c]. A tap that reads a zero of the padding has the index `length`: let x carry one more
    cell at the end of each axis (`with_border`), and such taps read that.

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
    """Give x [n, *spatial, c], as float64, one more cell at the end of each spatial axis: what the padding reads."""
    return np.pad(np.asarray(x, np.float64), [(0, 0), *[(0, 1)] * (x.ndim - 2), (0, 0)], constant_values=value)


def without_border(x: np.ndarray) -> np.ndarray:
    """Take that cell away again; deltas that reached the padding go with it."""
    return x[(slice(None), *[slice(-1)] * (x.ndim - 2))]
