"""How an axis moves whose positions read known positions of moving axes, which advance by a fixed step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from jaxconv.verify.domain import CannotProve, Factor, Motion, Moving, is_moving, length_of, motion_of, scaled
from jaxconv.verify.factors import invariant_axis, uniform
from jaxconv.verify.receptive_fields import Advance, Field, advancing, advancing_around, union
from jaxconv.verify.rule_table import Equation, V

LONGEST_STEP = 64  # the largest distance between two indices at which a fixed step is looked for


def by_rows(
    eqn: Equation[V], x: Moving, rows: Mapping[int, np.ndarray], is_read: np.ndarray
) -> tuple[Fraction, Factor] | None:
    """How an axis moves whose position j depends on the positions rows[n][j] of each moving axis n of x.

    A shift moves axis n of x by step[n] cells. If the rows advance by r * step[n] cells along every axis n, with one
    number r, then shifts r times as large move the result. To compare the axes, the cells of each are multiplied by
    lcm(step) / step[n]: then they advance alike, and repeat after equal periods.

    Theorem: `CertifierWeigh.weigh_local` in proofs/coq, for one axis.

    Args:
        eqn: the equation.
        x: the value that is read.
        rows: the positions that are read, by the number of the axis.
        is_read: the positions j that count; the others have other content.

    Returns:
        r without its sign, and the axis's factor; None if the rows have no fixed step.
    """
    motions = {number: motion for number in rows if (motion := motion_of(x.axes[number])) is not None}
    lengths = [length_of(x.axes[number]) for number in motions]
    steps, periods = [x.step(m) for m in motions.values()], [x.period(m) for m in motions.values()]
    multiples = [math.lcm(*steps) // step for step in steps]
    is_whole = periods == lengths
    valid = [np.all((rows[n] >= motion.lo) & (rows[n] < motion.hi), axis=1) for n, motion in motions.items()]
    together = np.concatenate([rows[n] * by for n, by in zip(motions, multiples, strict=True)], axis=1)
    found = _steps(together, np.all([*valid, is_read], axis=0), lengths[0] * abs(multiples[0]) if is_whole else None)
    if found is None:
        return None
    distance, total, lo, hi = found
    fields: list[Field | None] = []
    for (n, motion), multiple, length, period in zip(motions.items(), multiples, lengths, periods, strict=True):
        check_step(motion, total // multiple, period)
        advance = distance, total // multiple, lo, hi
        fields.append(field_of_rows(motion, rows[n].tolist(), advance, length if is_whole else None))
    first = next(iter(motions.values()))
    rate = first.rate * (total // multiples[0]) / distance
    moved = replace(first, rate=rate, lo=lo, hi=hi, field=union(fields), signal=eqn.walk.new_signal(), start=0)
    return abs(Fraction(total, math.lcm(*steps))), Factor(len(is_read), motion=moved)


def in_order(eqn: Equation[V], value: Moving, number: int, order: np.ndarray) -> Moving:
    """out[j] = value[order[j]] along one axis, for a known order of its positions.

    Theorem: `CertifierWeigh.weigh_local` in proofs/coq.
    """
    if np.array_equal(order, np.arange(len(order))):
        return value
    if not is_moving(value.axes[number]):
        return value.with_axis(number, invariant_axis(len(order), 1 if uniform(value.axes[number]) else None))
    if len(value.moving_axes) > 1:
        raise CannotProve("puts the cells of one of several shifted axes in another order")
    found = by_rows(eqn, value, {number: order[:, None]}, np.ones(len(order), bool))
    if found is None:
        raise CannotProve("puts the cells of the shifted axis in an order without a fixed step")
    advance, factor = found
    return scaled(value, advance.numerator).with_axis(number, (factor,))


def check_step(motion: Motion, by: int, period: Fraction | None) -> None:
    """Raise CannotProve if a signal that is read in steps of `by` cells does not repeat after period / by cells.

    It does if `by` divides the period. A shift by `by` cells that divides the scene does so, if the signal turns around
    once while the scene does.
    """
    if motion.turns > 1 and period is not None and period % by:
        raise CannotProve(
            f"reads cells {abs(by)} apart of a signal that repeats after {period}", f"Use a multiple of {abs(by)} cells"
        )


def field_of_rows(
    motion: Motion, rows: Sequence[Iterable[int]], advance: Advance, whole_period: int | None
) -> Field | None:
    """The receptive field of an axis whose position j depends on the positions `rows[j]` of an axis with this motion.

    `whole_period`: the length of the axis with this motion, if it is one whole period of a cyclic signal.
    """
    if whole_period is None:
        return advancing(motion.field, motion.rate, rows, advance)
    if motion.turns > 1:  # the axis is a part of the way around the input, and positions do not count modulo its length
        return None
    return advancing_around(motion.field, motion.rate, rows, advance, whole_period)


def _steps(rows: np.ndarray, valid: np.ndarray, wrap: int | None) -> Advance | None:
    """How indices advance: (distance, by, lo, hi), or None if they do not.

    For all i in [lo, hi - distance), rows[i + distance] = rows[i] + by. The result has the most pairs (i, i +
    distance), and of those the least distance. Rows that are not `valid`, because they read cells outside the signal,
    do not count. If `wrap` is given, steps are equal modulo `wrap`, and all rows must advance.
    """
    size, best = len(rows), None
    for distance in range(1, min(size // 2, LONGEST_STEP) + 1):
        ahead = rows[distance:] - rows[:-distance]
        by = int(np.bincount(np.abs(ahead[:, 0])).argmax()) * (1 if np.median(ahead[:, 0]) >= 0 else -1)
        if wrap is not None:
            ahead = (ahead - by) % wrap + by
        if by == 0:
            continue
        span = longest((ahead == by).all(axis=1) & valid[distance:] & valid[:-distance], distance)
        if span is None or (wrap is not None and span != (0, size)):
            continue
        if best is None or span[1] - span[0] - distance > best[3] - best[2] - best[0]:
            best = distance, by, *span
        if best[2:] == (0, size):
            break
    return best


def longest(matches: np.ndarray, distance: int) -> tuple[int, int] | None:
    """The longest [lo, hi) such that matches[i] is true for all i in [lo, hi - distance); None if there is none."""
    pairs = np.flatnonzero(np.diff(np.concatenate([[0], matches, [0]]))).reshape(-1, 2)
    if not len(pairs):
        return None
    lo, end = max(pairs.tolist(), key=lambda pair: pair[1] - pair[0])
    return (lo, end + distance) if end - lo >= distance else None
