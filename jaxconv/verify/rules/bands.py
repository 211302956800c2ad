"""Reductions over a moving axis of values that are one known number outside a band, in the interior.

A softmax over neighbours reduces `where(abs(i - j) <= 2, scores, -inf)` over j. The scores move along both axes. A
reduction over the whole of j includes the border, but outside the band all cells are the same number whatever the input
is (`settled_numbers.py`). So row i depends on the cells of the band alone, which move with i.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from jaxconv.verify.domain import CannotProve, Moving, everywhere, fit, motion_of, scaled
from jaxconv.verify.rule_table import Equation
from jaxconv.verify.rules.advancing_rows import by_rows


def reduced(eqn: Equation[Moving], value: Moving, dropped: Collection[int], varies: np.ndarray) -> Moving:
    """The value after a commutative reduction over the axes `dropped`, one of which moves together with another axis.

    Every row has as many cells outside the band as the others, and these are one number. So two rows have equal results
    if their cells in the band are equal.

    Example: the row maxima of where(abs(i - j) <= 2, scores[i, j], -inf), without the first and the last two.
    Theorem: `CertifierWeigh.weigh_local` in proofs/coq, for weights of zero outside the band.

    Args:
        eqn: the equation.
        value: the operand, or the product of operands.
        dropped: the axes over which it is reduced.
        varies: the cells that are not known to be that number.

    Raises:
        CannotProve: the axes do not move in this way, or the rows have no fixed step.
    """
    moving = value.moving_axes
    summed, kept = [n for n in moving if n in dropped], [n for n in moving if n not in dropped]
    if value.cycle is not None or len(summed) != 1 or len(kept) != 1 or varies.all():
        raise CannotProve("reduces over an axis that does not move along a band")
    (column,), (row,) = summed, kept
    if motion_of(value.axes[row]) is None or motion_of(value.axes[column]) is None:
        raise CannotProve("reduces over an axis without motion")
    others = tuple(n for n in range(varies.ndim) if n not in (row, column))
    band = varies.any(axis=others)
    band = band if row < column else band.T
    counts = band.sum(axis=1)
    width = int(np.bincount(counts[counts > 0]).argmax()) if counts.any() else 0
    is_full = counts == width
    if not width:
        raise CannotProve("no cell of a row is in a band")
    columns = np.zeros((len(band), width), int)
    columns[is_full] = np.nonzero(band[is_full])[1].reshape(-1, width)
    found = by_rows(eqn, value, {row: np.arange(len(band))[:, None], column: columns}, is_full)
    if found is None:
        raise CannotProve("the band has no fixed step")
    advance, factor = found
    moved = scaled(value, advance.numerator).with_axis(row, (factor,))
    axes = tuple(axis for n, axis in enumerate(moved.axes) if n not in dropped)
    result = fit(Moving(moved.shift, moved.cycle, axes, moved.depends))
    return everywhere(result) if result.depends else result


def background(numbers: np.ndarray | None) -> np.ndarray:
    """Which cells are not known to be the number that most cells are known to be. `numbers`: NaN where unknown."""
    known = np.zeros(0) if numbers is None else numbers[~np.isnan(numbers)]
    if numbers is None or not known.size:
        raise CannotProve("no cell is known")
    distinct, counts = np.unique(known, return_counts=True)
    return numbers != distinct[counts.argmax()]
