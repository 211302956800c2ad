"""What an output may answer to a shift of the input, and which of that executed pairs leave: by plain comparison.

Cyclic: f(y) is f(x) rolled along any of its axes, not at all among them. Interior: f(y) is f(x); or it is f(x) moved by
t along one axis or along two, 0 < |t| <= m/2, on `max(|t|, 2)` consecutive positions of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

PEAKS = 32  # cells of f(y) that rule out most of the rolls
MOST = 4096  # rolls that are compared in full


@dataclass(frozen=True)
class Pair:
    """f(x), f(y), the mismatch from which on two cells are different, and by how much more each of them may be off."""

    before: np.ndarray
    after: np.ndarray
    allowed: float
    before_doubt: np.ndarray
    after_doubt: np.ndarray

    def apart(self, j: Any, p: Any) -> np.ndarray:
        """Where f(y)[p] and f(x)[j] are different, for any indices that NumPy takes."""
        return off_by(self.before[j], self.after[p]) > self.allowed + self.before_doubt[j] + self.after_doubt[p]


def off_by(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How far apart cells are: not at all where both are NaN or the same infinity."""
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(a - b)
    return np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.where(np.isnan(off), np.inf, off))


def steps(length: int) -> list[int]:
    """The t by which an axis may move in the interior: up to half of it, so that two positions or more are left."""
    return [t for t in range(-(length // 2), length // 2 + 1) if t and length - abs(t) >= max(abs(t), 2)]


def moving_by(pair: Pair, axis: int, t: int, *, cyclic: bool) -> np.ndarray:
    """How far each cell of f(y) is from that of f(x) which a move brings there; 0 where it brings none."""
    off = off_by(np.roll(pair.before, t, axis), pair.after)
    if not cyclic and t:
        np.moveaxis(off, axis, 0)[slice(0, t) if t > 0 else slice(t, None)] = 0
    return off


def rolls_of(pairs: Sequence[Pair]) -> str:
    """A roll that all pairs leave, in words; empty if there is none."""
    shape = pairs[0].before.shape
    left = np.ones(shape, bool)  # by how much each axis is rolled
    for pair in pairs:
        size = np.nan_to_num(np.abs(pair.after - np.median(np.abs(pair.after))), nan=np.inf)
        for peak in np.argsort(-size, axis=None, kind="stable")[:PEAKS]:
            place = np.unravel_index(peak, shape)
            seen = np.ix_(*((p - np.arange(m)) % m for p, m in zip(place, shape, strict=True)))
            left &= ~pair.apart(seen, place)
    rolls = np.argwhere(left)
    if len(rolls) > MOST:
        return "is almost the same everywhere"

    def stands(roll: np.ndarray) -> bool:
        rolled = np.ix_(*((np.arange(m) - t) % m for t, m in zip(roll, shape, strict=True)))
        return not any(pair.apart(rolled, ...).any() for pair in pairs)

    found = next((roll.tolist() for roll in rolls if stands(roll)), None)
    return "" if found is None else f"is rolled by {found}"


def moves_of(pairs: Sequence[Pair]) -> str:
    """A move that all pairs leave somewhere, in words; empty if there is none."""
    if not any(pair.apart(..., ...).any() for pair in pairs):
        return "does not change"
    shape = pairs[0].before.shape
    for axes in (axes for count in (1, 2) for axes in combinations(range(len(shape)), count)):
        for along in product(*(steps(shape[axis]) for axis in axes)):
            move = dict(zip(axes, along, strict=True))
            if _stands(pairs, move, probing=True) and _stands(pairs, move, probing=False):
                return f"moves by {move} somewhere"
    return ""


def _stands(pairs: Sequence[Pair], move: dict[int, int], *, probing: bool) -> bool:
    """Whether all pairs leave a move on enough positions. Probing, of each such run one position is looked at."""
    shape = pairs[0].before.shape
    here: list[slice] = [slice(None)] * len(shape)
    there, runs = list(here), [max(abs(t), 2) for t in move.values()]
    for (axis, t), run in zip(move.items(), runs, strict=True):
        start, stop, by = max(0, -t), shape[axis] - max(0, t), run if probing else 1
        start += run - 1 if probing else 0
        here[axis], there[axis] = slice(start, stop, by), slice(start + t, stop + t, by)
    others = tuple(axis for axis in range(len(shape)) if axis not in move)
    left = np.all([~pair.apart(tuple(here), tuple(there)).any(others) for pair in pairs], axis=0)
    if not probing:
        for axis, run in enumerate(runs):
            windows = np.lib.stride_tricks.sliding_window_view(left, run, axis) if left.shape[axis] >= run else left[:0]
            left = windows.all(-1)
    return bool(left.any())
