"""The modes of a spectrum, as runs of integers that differ by one step. A spectrum of 10^8 modes is a single run."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, overload

LISTED = 2**22  # most modes that are listed one by one: as many cells as `recheck` executes

Mode: TypeAlias = int | None  # None: the cells are zero, which have no phase
Run: TypeAlias = tuple[Mode, int, int]  # the first mode, the step to the next one, and the number of modes


class TooManyModesError(Exception):
    """More than `LISTED` modes would have to be listed one by one."""


@dataclass(frozen=True)
class Modes(Sequence[Mode]):
    """The modes along an axis. Equal modes have equal runs: each run is as long as it can be, from the first on.

    >>> Modes.of([0, 1, 2, 3, None, None, 7])
    Modes(runs=((0, 1, 4), (None, 0, 2), (7, 0, 1)))
    >>> list(Modes.of([0, 1, 2, 3, None])[1::3])
    [1, None]
    """

    runs: tuple[Run, ...]

    @classmethod
    def of(cls, modes: Iterable[Mode]) -> Modes:
        """Return the modes of a list of them."""
        return modes if isinstance(modes, Modes) else cls.joined((mode, 0, 1) for mode in modes)

    @classmethod
    def joined(cls, runs: Iterable[Run]) -> Modes:
        """Return the modes of some runs one after another, which need not be as long as they can be."""
        found: list[Run] = []
        for first, step, count in runs:
            while count > 0:
                run = _extended(found[-1], first, step, count) if found else None
                if run is None:
                    found.append((first, 0 if count == 1 or first is None else step, count))
                    break
                taken = run[2] - found[-1][2]
                found[-1] = run
                first, count = _at(first, step, taken), count - taken
        return cls(tuple(found))

    def __len__(self) -> int:
        return sum(count for _, _, count in self.runs)

    def __iter__(self) -> Iterator[Mode]:
        """Yield the modes one by one.

        Raises:
            TooManyModesError: there are more than `LISTED`.
        """
        if len(self) > LISTED:
            raise TooManyModesError(f"a spectrum of more than {LISTED} modes, which are listed")
        each = (
            itertools.repeat(first, count) if first is None or step == 0 else range(first, first + step * count, step)
            for first, step, count in self.runs
        )
        return itertools.chain.from_iterable(each)

    def __contains__(self, mode: object) -> bool:
        """Whether a mode is among them; None for zeros."""
        if not isinstance(mode, int):
            return mode is None and any(first is None for first, _, _ in self.runs)
        numbers = ((first, step, count) for first, step, count in self.runs if first is not None)
        return any(
            mode in range(first, first + step * count, step) if step else mode == first
            for first, step, count in numbers
        )

    @overload
    def __getitem__(self, index: int) -> Mode: ...
    @overload
    def __getitem__(self, index: slice) -> Modes: ...
    def __getitem__(self, index: int | slice) -> Mode | Modes:
        """Return one mode, or those of a slice."""
        if isinstance(index, slice):
            return self._sliced(range(len(self))[index])
        place = range(len(self))[index]
        for first, step, count in self.runs:
            if place < count:
                return _at(first, step, place)
            place -= count
        raise IndexError(index)

    def _sliced(self, places: range) -> Modes:
        if places.step < 0:
            backwards = ((_at(first, step, count - 1), -step, count) for first, step, count in reversed(self.runs))
            last = len(self) - 1
            return Modes.joined(backwards)._sliced(range(last - places.start, last - places.stop, -places.step))
        found: list[Run] = []
        start = 0
        for first, step, count in self.runs:
            inside = range(
                places.start + max(-(-(start - places.start) // places.step), 0) * places.step,
                min(places.stop, start + count),
                places.step,
            )
            if inside:
                found.append((_at(first, step, inside[0] - start), step * places.step, len(inside)))
            start += count
        return Modes.joined(found)

    def __mul__(self, times: int) -> Modes:
        """Return the modes repeated."""
        if len(self.runs) == 1 and self.runs[0][1] == 0:
            first, step, count = self.runs[0]
            return Modes.joined([(first, step, count * times)])
        return Modes.joined(itertools.chain.from_iterable(itertools.repeat(self.runs, times)))

    @property
    def rotate(self) -> bool:
        """Whether any mode is neither 0 nor None."""
        return any(first or (first is not None and step) for first, step, _ in self.runs)

    def times(self, factor: int, zero: Mode = None) -> Modes:
        """Return each mode times a factor. `zero`: what None becomes."""
        scaled = ((zero, 0, n) if first is None else (first * factor, step * factor, n) for first, step, n in self.runs)
        return Modes.joined(scaled)

    def generators(self, turns: int = 0) -> list[int]:
        """Return integers with the greatest common divisor of all `mode - turns * index`, other than those of zeros."""
        found: list[int] = []
        start = 0
        for first, step, count in self.runs:
            if first is not None:
                found += [first - turns * start] + [step - turns] * (count > 1)
            start += count
        return found


def _at(first: Mode, step: int, place: int) -> Mode:
    return None if first is None else first + step * place


def _extended(run: Run, first: Mode, step: int, count: int) -> Run | None:
    """Return a run that is longer by modes of a following one; None if they are not its next ones."""
    start, own_step, length = run
    if start is None or first is None:
        return (None, 0, length + count) if start is None and first is None else None
    if length == 1:
        own_step = first - start
    if first != start + own_step * length:
        return None
    return start, own_step, length + (count if own_step == step else 1)


def aligned(several: Sequence[Modes]) -> Iterator[tuple[tuple[tuple[Mode, int], ...], int]]:
    """Yield pieces of several modes of one length: the first mode and the step of each, and the number of modes."""
    lengths = [list(itertools.accumulate(count for _, _, count in modes.runs)) for modes in several]
    stops = sorted({stop for row in lengths for stop in row})
    numbers, start = [0] * len(several), 0
    for stop in stops:
        piece: list[tuple[Mode, int]] = []
        for n, modes in enumerate(several):
            while lengths[n][numbers[n]] <= start:
                numbers[n] += 1
            first, step, count = modes.runs[numbers[n]]
            piece.append((_at(first, step, start - (lengths[n][numbers[n]] - count)), step))
        yield tuple(piece), stop - start
        start = stop


def summed(several: Sequence[Modes]) -> Modes:
    """Return the modes of a product, the sum of the factors' modes. A product with zero is zero.

    >>> list(summed([Modes.of([0, 1, 2, 3]), Modes.of([5, 5, None, 1])]))
    [5, 6, None, 4]
    """
    runs: list[Run] = []
    for piece, count in aligned(several):
        firsts = [first for first, _ in piece if first is not None]
        zero = len(firsts) < len(piece)
        runs.append((None, 0, count) if zero else (sum(firsts), sum(step for _, step in piece), count))
    return Modes.joined(runs)
