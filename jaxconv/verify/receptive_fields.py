"""Receptive fields: the input cells on which each position of a moving axis depends, by phase.

Position j depends only on cells from `rate*j + first` to `rate*j + last`, where (first, last) is the interval of its
phase. The phase is j modulo the number of phases. After up-sampling by two, both copies of a cell depend on the same
cells, so that their intervals differ by half a cell. If first > last, positions of the phase depend on no cell: they
are constants.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TypeAlias

import numpy as np

Bound: TypeAlias = Fraction | float  # inf and -inf for constants
Interval: TypeAlias = tuple[Bound, Bound]
Field: TypeAlias = tuple[Interval, ...]  # one interval per phase
Advance: TypeAlias = tuple[int, int, int, int]  # (distance, by, lo, hi): rows[j + distance] = rows[j] + by in [lo, hi)

NOTHING: Field = ((math.inf, -math.inf),)
ONE_CELL: Field = ((Fraction(0), Fraction(0)),)
MOST_PHASES = 64  # more phases are replaced by their envelope, which keeps claims true and cheap


def envelope(field: Sequence[Interval]) -> Interval:
    """Return the smallest interval that contains those of all phases."""
    return min(first for first, _ in field), max(last for _, last in field)


def sees_nothing(field: Field) -> bool:
    """Whether no position depends on any cell."""
    return all(first > last for first, last in field)


def least(field: Sequence[Interval]) -> Field:
    """Return the field with the fewest phases; with its envelope as one phase if these are more than `MOST_PHASES`."""
    field = tuple(interval if interval[0] <= interval[1] else NOTHING[0] for interval in field)
    count = len(field)
    for phases in range(1, min(count // 2, MOST_PHASES) + 1):
        if count % phases == 0 and field[phases:] == field[:-phases]:
            return field[:phases]
    return field if count <= MOST_PHASES else (envelope(field),)


def moved(field: Field | None, by: Fraction) -> Field | None:
    """Return the field with all intervals moved by `by` cells."""
    return None if field is None else moved_ends(field, by, by)


def moved_ends(field: Field, before: Fraction, after: Fraction) -> Field:
    """Return the field with the first cell of each interval moved by `before`, and the last by `after`, cells."""
    if not before and not after:
        return field
    return tuple((first + before, last + after) if first <= last else NOTHING[0] for first, last in field)


def through(
    field: Field | None, rate: Fraction, new_rate: Fraction, positions: Iterable[Iterable[int]], start: int = 0
) -> Field | None:
    """Return the field of a new axis whose position `start + n` depends on the old positions in `positions[n]`.

    The list holds one period of the new axis. Later positions depend on the same phases of the old axis.
    """
    if field is None:
        return None
    intervals: list[Interval] = []
    for j, places in enumerate(positions, start):
        seen = [(rate * int(p), field[p % len(field)]) for p in places]
        first = min((at + first for at, (first, _) in seen), default=math.inf)
        last = max((at + last for at, (_, last) in seen), default=-math.inf)
        intervals.append((first - new_rate * j, last - new_rate * j))
    rotation = -start % len(intervals)
    return least([*intervals[rotation:], *intervals[:rotation]])


def strided(field: Field | None, rate: Fraction, start: int, stride: int, reach: Iterable[int] = (0,)) -> Field | None:
    """Return the field of an axis whose position j depends on old positions `start + j*stride + u`, u in `reach`."""
    if field is None:
        return None
    reach = sorted(reach)
    if len(field) == 1 and reach:  # which is the usual case, and fractions are slow
        ends = rate * (start + reach[0]), rate * (start + reach[-1])
        return moved_ends(field, min(ends), max(ends))
    count = len(field)  # the extremes of each phase are among the first and the last `count` cells
    reach = reach if len(reach) <= 2 * count else [*reach[:count], *reach[-count:]]
    phases = range(count // math.gcd(count, stride))
    return through(field, rate, rate * stride, [[start + j * stride + u for u in reach] for j in phases])


def copied(field: Field | None, rate: Fraction, copies: int) -> Field | None:
    """Return the field of an axis with `copies` cells per old cell: position i*copies + b has the field of old i."""
    if field is None:
        return None
    finer = rate / copies
    if len(field) * copies <= MOST_PHASES:
        return through(field, rate, finer, [[j // copies] for j in range(len(field) * copies)])
    first, last = envelope(field)
    slack = finer * (copies - 1)  # i is b/copies before the finer position, b up to copies - 1
    return ((first - max(slack, Fraction(0)), last - min(slack, Fraction(0))),)


def apart(field: Field | None, rate: Fraction, distance: int, before: int) -> Field | None:
    """Return the field of an axis with the old positions at before, before + distance, ..., and constants elsewhere."""
    if field is None:
        return None
    finer = rate / distance
    if len(field) * distance <= MOST_PHASES:
        old = [[divmod(j - before, distance)[0]] * ((j - before) % distance == 0) for j in range(len(field) * distance)]
        return through(field, rate, finer, old)
    return moved((envelope(field),), -finer * before)


def advancing(field: Field | None, rate: Fraction, rows: Sequence[Iterable[int]], advance: Advance) -> Field | None:
    """Return the field of an axis whose position j in [lo, hi) depends on the old positions `rows[j]`."""
    if field is None:
        return None
    distance, by, lo, hi = advance
    phases = distance * (len(field) // math.gcd(len(field), by))
    shown = [rows[j] if j < hi else () for j in range(lo, lo + phases)]
    return through(field, rate, rate * by / distance, shown, lo)


def advancing_around(
    field: Field | None, rate: Fraction, rows: Sequence[Iterable[int]], advance: Advance, length: int
) -> Field | None:
    """Return the field of `advancing` where the old axis of `length` positions is one whole period of a cyclic signal.

    Positions count modulo `length` there, since `length * rate` cells are once around the input. So each row may be
    moved by whole periods. Of all intervals that contain a row, the shortest is taken. If the phases do not fit whole
    periods, all positions get their envelope.
    """
    if field is None:
        return None
    distance, by, _, _ = advance
    period = Fraction(length * distance, abs(by))
    for phases in (field, (envelope(field),)):
        count = distance * (len(phases) // math.gcd(len(phases), by))
        if period % count == 0:
            turned = advancing(phases, rate, [shortest_arc(row, length) for row in rows], advance)
            return nearest(turned, abs(int(length * rate)))
    return None


def shortest_arc(places: Iterable[int], length: int) -> list[int]:
    """Return positions modulo `length` such that they lie in the shortest interval.

    >>> shortest_arc([0, 1, 7], 8), shortest_arc([5, 2], 8)
    ([7, 8, 9], [2, 5])
    """
    cells = sorted({place % length for place in places})
    gaps = [(after - before) % length for before, after in zip(cells, [*cells[1:], *cells[:1]], strict=True)]
    first = (gaps.index(max(gaps)) + 1) % len(cells) if len(cells) > 1 else 0
    return [*cells[first:], *(cell + length for cell in cells[:first])]


def union(fields: Iterable[Field | None]) -> Field | None:
    """Return the field of an element-wise function of several values, all of the same rate."""
    known: list[Field] = []
    for field in fields:
        if field is None:
            return None
        known.append(field)
    if all(field is known[0] for field in known):
        return known[0]
    phases = math.lcm(*map(len, known))
    if phases > MOST_PHASES:
        return (envelope([envelope(field) for field in known]),)
    return least([envelope([field[j % len(field)] for field in known]) for j in range(phases)])


def turns_between(field: Field, other: Field, cycle: int | None) -> int:
    """Return the multiple of `cycle` closest to the distance from `field` to `other`; 0 if a field is empty."""
    if cycle is None or sees_nothing(field) or sees_nothing(other):
        return 0
    return round((envelope(other)[0] - envelope(field)[0]) / cycle) * cycle


def nearest(field: Field | None, cycle: int | None) -> Field | None:
    """Return the field moved by a multiple of `cycle`, so that its middle is closest to 0."""
    if field is None or cycle is None or sees_nothing(field):
        return field
    return moved(field, Fraction(-round(sum(envelope(field)) / (2 * cycle)) * cycle))


def in_cells(field: Field, rate: Fraction) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Return the period and the intervals of a field in whole cells, as a `ReceptiveField` has them.

    `rate` times the period is an integer. The positions of a period are divided into the fewest equal blocks whose
    positions have the same interval. Intervals are relative to `rate` times the first position of the period.
    """
    most = math.lcm(len(field), rate.denominator)
    c = np.arange(most)
    cells = np.array([0, -1]) + np.zeros((most, 2), int)
    for phase, interval in enumerate(field):
        if interval[0] <= interval[1]:
            first, last = Fraction(interval[0]), Fraction(interval[1])
            unit = math.lcm(rate.denominator, first.denominator, last.denominator)
            of_phase = slice(phase, None, len(field))
            at = c[of_phase] * int(rate * unit)
            cells[of_phase, 0] = -((-at - int(first * unit)) // unit)
            cells[of_phase, 1] = np.maximum((at + int(last * unit)) // unit, cells[of_phase, 0] - 1)
    empty = cells[:, 1] < cells[:, 0]
    cells[empty] = [0, -1]

    def repeats(n: int) -> bool:
        return bool((cells[n:] == cells[:-n] + np.where(empty[n:, None], 0, int(rate * n))).all())

    divisors = (n for n in range(rate.denominator, most, rate.denominator) if most % n == 0)
    period = next(filter(repeats, divisors), most)
    changes = np.flatnonzero((cells[1:period] != cells[: period - 1]).any(axis=1)) + 1
    block = math.gcd(period, *map(int, changes))
    return period, tuple((int(first), int(last)) for first, last in cells[:period:block])
