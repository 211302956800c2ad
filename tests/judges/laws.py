"""The laws that no execution refutes: every cyclic and interior law of an output, by brute force."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from judges.executions import Leaf

Moves = tuple[tuple[int, int], ...]  # (output axis, t)
Box = tuple[tuple[int, int], ...]  # [lo, hi) along each axis of the moves
LARGEST_MAP = 144  # cells of the largest output whose moves along two axes are tried


@dataclass(frozen=True)
class Law:
    """A shift, its moves, and for an interior law the largest boxes on which it holds."""

    shift: int
    moves: Moves
    regions: tuple[Box, ...] = ()

    def times(self, k: int, length: Sequence[int], *, cyclic: bool) -> Law:
        """The law of k times the shift, which follows from this one."""
        moves = tuple((axis, _nearest(k * t, length[axis]) if cyclic else k * t) for axis, t in self.moves)
        return Law(k * self.shift, tuple(move for move in moves if move[1]), self.regions)


def cyclic_laws(samples: Sequence[Leaf]) -> list[Law]:
    """The laws for shifts of up to half of the input that do not follow from one before, smallest shift first."""
    length, shape = samples[0].length, samples[0].base.shape
    laws: list[Law] = []
    for shift in (s for s in range(1, length // 2 + 1) if length % s == 0):
        for size in (0, 1, 2):
            held = sorted((m for m in _moves(shape, size) if _commutes(samples, shift, m)), key=_shortest)
            implied = _implied(laws, shift, shape, cyclic=True)
            laws += [Law(shift, moves) for moves in held if Law(shift, moves) not in implied]
            if held:
                break
    return laws


def interior_laws(samples: Sequence[Leaf]) -> list[Law]:
    """The laws for shifts of up to half of the input that do not follow from one before, smallest shift first."""
    length, shape = samples[0].length, samples[0].base.shape
    if not changing(samples).any():
        return [Law(1, ())]
    laws: list[Law] = []
    for shift in range(1, length // 2 + 1):
        for size in (1, 2):
            held = [(moves, boxes) for moves in _moves(shape, size) if (boxes := _boxes(samples, shift, moves))]
            found = [Law(shift, moves, tuple(boxes)) for moves, boxes in held]
            implied = _implied(laws, shift, shape, cyclic=False)
            laws += sorted((law for law in found if law not in implied), key=_fewest_pairs)
            if held:
                break
    return laws


def changing(samples: Sequence[Leaf]) -> np.ndarray:
    """The output cells that depend on the input."""
    return np.any([leaf.changes for leaf in samples], axis=0)


def dependence(samples: Sequence[Leaf], axis: int) -> np.ndarray:
    """[j, i]: whether output j along an axis depends on input i."""
    others = tuple(a for a in range(samples[0].base.ndim) if a != axis)
    rows = [[leaf.differs(row, leaf.base).any(others) for row in rows] for leaf in samples for rows in leaf.replaced]
    return np.any(rows, axis=0).T


def _implied(laws: Sequence[Law], shift: int, shape: Sequence[int], *, cyclic: bool) -> list[Law]:
    return [law.times(shift // law.shift, shape, cyclic=cyclic) for law in laws if shift % law.shift == 0]


def _shortest(moves: Moves) -> tuple[int, int]:
    return sum(abs(t) for _, t in moves), -sum(t for _, t in moves)


def _fewest_pairs(law: Law) -> tuple[int, int]:
    steps = [abs(t) for _, t in law.moves]
    pairs = [math.prod(hi - lo - t for (lo, hi), t in zip(box, steps, strict=True)) for box in law.regions]
    return -max(pairs), sum(steps)


def _nearest(t: int, length: int) -> int:
    """The representative of t modulo the length that is closest to 0, and positive for a half."""
    t %= length
    return t - length if 2 * t > length else t


def _moves(shape: Sequence[int], size: int) -> Iterator[Moves]:
    """All moves along `size` axes by at most half of the axis; along two axes for small outputs only."""
    for axes in itertools.combinations([a for a, length in enumerate(shape) if length > 1], size):
        if size == 2 and np.prod([shape[a] for a in axes]) > LARGEST_MAP:
            continue
        ranges = [[t for t in range(-((shape[a] - 1) // 2), shape[a] // 2 + 1) if t] for a in axes]
        for steps in itertools.product(*ranges):
            yield tuple(zip(axes, steps, strict=True))


def _commutes(samples: Sequence[Leaf], shift: int, moves: Moves) -> bool:
    """Whether each output for a rolled input is the rolled output."""
    axes, steps = tuple(a for a, _ in moves), np.array([t for _, t in moves], int)
    for leaf in samples:
        for k in range(1, leaf.length // shift + 1):
            expected = np.roll(leaf.base, tuple(k * steps), axes) if moves else leaf.base
            if leaf.differs(leaf.rolled[k * shift % leaf.length], expected).any():
                return False
    return True


def _boxes(samples: Sequence[Leaf], shift: int, moves: Moves) -> list[Box]:
    """The maximal boxes with enough pairs of positions on which no execution refutes an interior law."""
    shape = [samples[0].base.shape[axis] for axis, _ in moves]
    steps = np.array([t for _, t in moves])
    others = tuple(a for a in range(samples[0].base.ndim) if a not in [axis for axis, _ in moves])
    alive = changing(samples).any(others)
    pairs = [np.empty((0, 2, len(moves)), int)]  # the ends of each refuted pair
    for number, leaf in enumerate(samples):
        for k in _multiples(shift, leaf.length, shape, steps):
            row = leaf.entered[leaf.length + int(np.clip(k * shift, -leaf.length, leaf.length))]
            moved = np.roll(leaf.base, tuple(k * steps), tuple(axis for axis, _ in moves))
            refuted = leaf.differs(row, moved)[_arrived(leaf.base.ndim, moves, shape, k)].any(others)
            cells = np.argwhere(refuted) + np.maximum(0, -k * steps)
            pairs.append(np.sort(np.stack([cells, cells + k * steps], axis=1), axis=1))
            if number == 0 and abs(k) == 1 and not _enough(~refuted, steps):
                return []
    refuted_pairs = np.unique(np.concatenate(pairs), axis=0)
    free = _free_ranges(refuted_pairs, shape[0]) if len(shape) == 1 else _free_boxes(refuted_pairs, shape)
    return [box for box in free if _worthwhile(box, steps, alive)]


def _multiples(shift: int, length: int, shape: Sequence[int], steps: np.ndarray) -> list[int]:
    """The k for which positions of the output stay in range, nearest first."""
    most = min((m - 1) // abs(t) for m, t in zip(shape, steps.tolist(), strict=True))
    return [k for size in range(1, most + 1) for k in (size, -size)]


def _arrived(rank: int, moves: Moves, shape: Sequence[int], k: int) -> tuple[slice, ...]:
    """The positions at which those that stay in range arrive when they move k times."""
    slices = [slice(None)] * rank
    for (axis, t), length in zip(moves, shape, strict=True):
        slices[axis] = slice(max(0, k * t), min(length, length + k * t))
    return tuple(slices)


def _enough(holds: np.ndarray, steps: np.ndarray) -> bool:
    """Whether pairs that hold contain a box of the size that a law needs."""
    need = [max(abs(t), 2) for t in steps.tolist()]
    if any(m < w for m, w in zip(holds.shape, need, strict=True)):
        return False
    windows = np.lib.stride_tricks.sliding_window_view(holds, need)
    return bool(windows.all(axis=tuple(range(holds.ndim, 2 * holds.ndim))).any())


def _free_ranges(pairs: np.ndarray, length: int) -> list[Box]:
    """The maximal ranges of one axis that contain no refuted pair of positions, longest first."""
    first, last = pairs[:, 0, 0], pairs[:, 1, 0]
    ranges = [(lo, int(last[first >= lo].min(initial=length))) for lo in range(length)]
    maximal = [(lo, hi) for lo, hi in ranges if lo == 0 or hi > ranges[lo - 1][1]]
    return [(one,) for one in sorted(maximal, key=lambda one: one[0] - one[1])]


def _free_boxes(pairs: np.ndarray, shape: Sequence[int]) -> list[Box]:
    """The maximal boxes that contain no refuted pair of positions, largest first."""
    ranges = [[(lo, hi) for lo in range(m) for hi in range(lo + 1, m + 1)] for m in shape]
    free: list[Box] = []
    inside = lambda a, b: all(lo <= start and end <= hi for (start, end), (lo, hi) in zip(a, b, strict=True))
    for box in sorted(itertools.product(*ranges), key=lambda box: -math.prod(hi - lo for lo, hi in box)):
        if any(inside(box, larger) for larger in free):
            continue
        starts, stops = np.array(box).T
        if not ((pairs[:, 0] >= starts) & (pairs[:, 1] < stops)).all(1).any():
            free.append(box)
    return free


def _worthwhile(box: Box, steps: np.ndarray, alive: np.ndarray) -> bool:
    """Whether a box has max(|t|, 2) pairs along each axis whose outputs depend on the input."""
    both = alive[tuple(slice(lo, max(lo, hi - abs(t))) for (lo, hi), t in zip(box, steps.tolist(), strict=True))]
    moved = alive[tuple(slice(min(hi, lo + abs(t)), hi) for (lo, hi), t in zip(box, steps.tolist(), strict=True))]
    pairs = both & moved
    if not pairs.any():
        return False
    counts = [pairs.any(tuple(a for a in range(pairs.ndim) if a != axis)).sum() for axis in range(pairs.ndim)]
    return all(count >= max(abs(t), 2) for count, t in zip(counts, steps.tolist(), strict=True))
