"""The moves of an output that agree with executed pairs (f(x), f(y)), where y is x shifted; found by comparison.

Cyclic: f(y) is f(x) rolled along any of its axes, including a roll by 0. Interior: f(y) is f(x), or f(x) moved by t
along one or two axes. Then 0 < |t| <= m/2 for an axis of length m, and f(y) agrees on `max(|t|, 2)` consecutive
positions of each axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from types import EllipsisType
from typing import TypeAlias, cast

import numpy as np

Indices: TypeAlias = tuple[np.ndarray | slice | np.intp, ...] | EllipsisType  # of an array

PEAKS = 32  # number of largest cells of f(y), compared first: they exclude most rolls
MOST = 4096  # maximum number of rolls that are compared in full


@dataclass(frozen=True)
class Pair:
    """An executed pair.

    Attributes:
        before: f(x).
        after: f(y).
        allowed: the largest mismatch of equal cells.
        before_error: the rounding error of each cell of f(x), which is allowed in addition.
        after_error: the rounding error of each cell of f(y), which is allowed in addition.
    """

    before: np.ndarray
    after: np.ndarray
    allowed: float
    before_error: np.ndarray
    after_error: np.ndarray

    def apart(self, j: Indices, p: Indices) -> np.ndarray:
        """Return where f(y)[p] and f(x)[j] differ, for any NumPy indices."""
        return off_by(self.before[j], self.after[p]) > self.allowed + self.before_error[j] + self.after_error[p]


def off_by(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the distance of cells, 0 if both are NaN or the same infinity."""
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(a - b)
    return np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.where(np.isnan(distance), np.inf, distance))


def steps(length: int) -> list[int]:
    """Return the interior moves t of an axis: at most half of its length, with at least two positions left."""
    return [t for t in range(-(length // 2), length // 2 + 1) if t and length - abs(t) >= max(abs(t), 2)]


def moving_by(pair: Pair, axis: int, t: int, *, cyclic: bool) -> np.ndarray:
    """Return the distance of each cell of f(y) from the cell of f(x) that moves there; 0 where none does."""
    distance = off_by(np.roll(pair.before, t, axis), pair.after)
    if not cyclic and t:
        np.moveaxis(distance, axis, 0)[slice(0, t) if t > 0 else slice(t, None)] = 0
    return distance


def _grid(indices: Iterable[np.ndarray]) -> Indices:
    """Return the indices of the product of some indices along each axis."""
    return cast(Indices, np.ix_(*indices))


def rolls_of(pairs: Sequence[Pair]) -> str:
    """Return a description of a roll that agrees with all pairs, or the empty string."""
    shape: tuple[int, ...] = pairs[0].before.shape
    left = np.ones(shape, bool)  # indexed by the roll of each axis
    for pair in pairs:
        size = np.nan_to_num(np.abs(pair.after - np.median(np.abs(pair.after))), nan=np.inf)
        peaks: list[int] = np.argsort(-size, axis=None, kind="stable")[:PEAKS].tolist()
        for peak in peaks:
            position = np.unravel_index(peak, shape)
            sources = _grid((p - np.arange(m)) % m for p, m in zip(position, shape, strict=True))
            left &= ~pair.apart(sources, position)
    rolls = np.argwhere(left)
    if len(rolls) > MOST:
        return "is almost the same everywhere"

    def agrees(roll: list[int]) -> bool:
        rolled = _grid((np.arange(m) - t) % m for t, m in zip(roll, shape, strict=True))
        return not any(pair.apart(rolled, ...).any() for pair in pairs)

    candidates: list[list[int]] = rolls.tolist()
    agreeing = next(filter(agrees, candidates), None)
    return "" if agreeing is None else f"is rolled by {agreeing}"


def moves_of(pairs: Sequence[Pair]) -> str:
    """Return a description of a move that agrees with all pairs on some positions, or the empty string."""
    if not any(pair.apart(..., ...).any() for pair in pairs):
        return "does not change"
    shape = pairs[0].before.shape
    for axes in (axes for count in (1, 2) for axes in combinations(range(len(shape)), count)):
        for along in product(*(steps(shape[axis]) for axis in axes)):
            move = dict(zip(axes, along, strict=True))
            if _agrees(pairs, move, probing=True) and _agrees(pairs, move, probing=False):
                return f"moves by {move} somewhere"
    return ""


def _agrees(pairs: Sequence[Pair], move: dict[int, int], *, probing: bool) -> bool:
    """Whether a move agrees with all pairs on enough positions; `probing` compares one position per run only."""
    shape = pairs[0].before.shape
    source: list[slice] = [slice(None)] * len(shape)
    target, runs = list(source), [max(abs(t), 2) for t in move.values()]
    for (axis, t), run in zip(move.items(), runs, strict=True):
        start, stop, by = max(0, -t), shape[axis] - max(0, t), run if probing else 1
        start += run - 1 if probing else 0
        source[axis], target[axis] = slice(start, stop, by), slice(start + t, stop + t, by)
    others = tuple(axis for axis in range(len(shape)) if axis not in move)
    left = np.all([~pair.apart(tuple(source), tuple(target)).any(others) for pair in pairs], axis=0)
    if not probing:
        for axis, run in enumerate(runs):
            windows = np.lib.stride_tricks.sliding_window_view(left, run, axis) if left.shape[axis] >= run else left[:0]
            left = windows.all(-1)
    return bool(left.any())
