"""Rules for `dot_general`: channel mixing, dense layers, attention, products with known matrices."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from jaxconv.verify.domain import (
    CannotProve,
    Factor,
    Motion,
    Moving,
    bits,
    common_shift,
    fit,
    is_moving,
    length_of,
    motion_of,
    scaled,
)
from jaxconv.verify.factors import also_on, invariant_axis, join, uniform
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules import bands
from jaxconv.verify.rules.advancing_rows import LONGEST_STEP, check_step, field_of_rows, longest
from jaxconv.verify.rules.reduction import without

MOST_ADVANCES = 3  # advances that are tried: columns that read the border may start at one row, and seem not to advance

DimensionNumbers: TypeAlias = tuple[tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]]


@rule("dot_general")
def product(eqn: Equation[Moving]) -> list[Moving]:
    """out[b, i, j] = sum_k x[b, i, k] y[b, k, j].

    Both operands are broadcast to axes (b, k, i, j): x is uniform along j, and y is uniform along i. `join` gives the
    motion of their product, and `without` that of the sum over k.

    - Channel mixing keeps the shift.
    - Unshared weights break it, because they vary along k, which moves.
    - Attention scores move along two axes at once.
    - A product with a known matrix is a convolution if each column is the previous one, shifted, as in resampling.
    - In the interior, weights that are zero outside a band keep the shift, as in local attention: see `bands.py`.

    Theorems: `CertifierRules.reindex_sound`, `CertifierRules.map_sound` and `CertifierSums.mixed_local` in proofs/coq.
    Jaxpr: `dimension_numbers` is ((contracted of x, of y), (batch of x, of y)). The result's axes are those of the
    batch, the remaining ones of x, and the remaining ones of y.
    """
    x, y = common_shift(eqn.moving())
    numbers: DimensionNumbers = eqn.params["dimension_numbers"]
    (contract_x, contract_y), (batch_x, batch_y) = numbers
    rest_x = [n for n in range(len(x.axes)) if n not in (*contract_x, *batch_x)]
    rest_y = [n for n in range(len(y.axes)) if n not in (*contract_y, *batch_y)]
    for n, m in zip(contract_x, contract_y, strict=True):
        if is_moving(x.axes[n]) and not is_moving(y.axes[m]) and not uniform(y.axes[m]):
            result_axes = {a: len(batch_x) + len(rest_x) + i for i, a in enumerate(rest_y)}
            return [also_on(_banded(eqn, x, n, eqn.weights(1), m, result_axes), [y])]
        if is_moving(y.axes[m]) and not is_moving(x.axes[n]) and not uniform(x.axes[n]):
            result_axes = {a: len(batch_x) + i for i, a in enumerate(rest_x)}
            return [also_on(_banded(eqn, y, m, eqn.weights(0), n, result_axes), [x])]
    wide_x = replace(
        x,
        axes=tuple(x.axes[n] for n in (*batch_x, *contract_x, *rest_x))
        + tuple(invariant_axis(length_of(y.axes[n]), 1) for n in rest_y),
    )
    wide_y = replace(
        y,
        axes=tuple(y.axes[n] for n in (*batch_y, *contract_y))
        + tuple(invariant_axis(length_of(x.axes[n]), 1) for n in rest_x)
        + tuple(y.axes[n] for n in rest_y),
    )
    joined = join([wide_x, wide_y], eqn.walk.new_signal())
    summed = range(len(batch_x), len(batch_x) + len(contract_x))
    try:
        return [without(joined, summed)]
    except CannotProve:
        with suppress(CannotProve):
            first, last = len(batch_x) + len(contract_x), len(joined.axes)
            of_x = _not_zero(eqn, 0, [*batch_x, *contract_x, *rest_x], range(first + len(rest_x), last), joined)
            of_y = _not_zero(eqn, 1, [*batch_y, *contract_y, *rest_y], range(first, first + len(rest_x)), joined)
            return [bands.reduced(eqn, joined, summed, of_x & of_y)]
        raise


def _not_zero(
    eqn: Equation[Moving], operand: int, order: Sequence[int], absent: Iterable[int], product: Moving
) -> np.ndarray:
    """The positions along the moving axes of a product at which a factor is not zero for all inputs.

    Args:
        eqn: the equation.
        operand: the number of the factor.
        order: its axes, in the order of those of the product that it has.
        absent: the axes of the product that it does not have.
        product: how the product moves. Axes along which it does not move have one cell in the result.
    """
    numbers = eqn.settled(operand)
    varies = np.ones(eqn.operand_shapes[operand], bool) if numbers is None else numbers != 0
    wide = np.expand_dims(np.transpose(varies, order), tuple(absent))
    return wide.any(axis=tuple(n for n in range(wide.ndim) if n not in product.moving_axes), keepdims=True)


def _banded(
    eqn: Equation[Moving], x: Moving, number: int, matrix: np.ndarray | None, rows: int, result_axes: dict[int, int]
) -> Moving:
    """The motion of out[j] = sum_k x[k] m[k, j] for a matrix with m[k + by, j + distance] = m[k, j].

    The numbers of m are known, or at least which of them are equal: see `equal_cells.py`.
    Such a product is a convolution written as a matrix. `jax.image.resize` to twice the length has by 1, distance 2.
    If x is one whole period of a periodic signal, k is taken modulo its length: the matrix is circulant. Otherwise
    columns that read positions outside the signal do not count.

    Theorem: `CertifierWeigh.weigh_local` in proofs/coq.

    Args:
        eqn: the equation.
        x: the operand that moves along the contracted axis.
        number: the contracted axis of x.
        matrix: the other operand's values, or names of its cells; None if both are unknown.
        rows: the contracted axis of the matrix.
        result_axes: for each axis of the matrix that may be j, its axis in the result.
    """
    motion = motion_of(x.axes[number])
    unshared_weights = CannotProve(
        "a matrix product sums over the shifted axis with different weights at each position",
        "Share the weights: use a convolution",
        motion and motion.merged,
    )
    if matrix is None or motion is None or len(x.moving_axes) > 1:
        raise unshared_weights
    cyclic = x.one_period(number) is not None
    for columns, result_axis in result_axes.items():
        size = matrix.shape[columns]
        bands = bits(np.moveaxis(matrix, (rows, columns), (0, 1)).reshape(matrix.shape[rows], size, -1))
        advance = _band(bands, motion, cyclic=cyclic)
        if advance is None:
            continue
        distance, by, lo, hi = advance
        check_step(motion, by, x.period(motion))
        rate = motion.rate * by / distance
        reads = [np.flatnonzero(column) for column in bands.any(axis=2).T]
        field = field_of_rows(motion, reads, advance, length_of(x.axes[number]) if cyclic else None)
        moved = replace(motion, rate=rate, lo=lo, hi=hi, field=field, signal=eqn.walk.new_signal(), start=0)
        axes = [invariant_axis(length) for length in eqn.shapes[0]]
        axes[result_axis] = (Factor(size, motion=moved),)
        x = scaled(x, abs(by) // math.gcd(x.step(motion), by))
        return fit(replace(x, axes=tuple(axes)))
    raise unshared_weights


def _band(bands: np.ndarray, motion: Motion, *, cyclic: bool) -> tuple[int, int, int, int] | None:
    """How the columns of `bands` [k, j, bytes] advance, as (distance, by, lo, hi); None if they do not.

    Column j + distance is column j moved by `by` rows, for all j in [lo, hi - distance). Weights are compared bit by
    bit.
    """
    length, size, _ = bands.shape
    filled = np.asarray(bands.any(axis=2))
    outside = np.concatenate([filled[: motion.lo], filled[motion.hi :]])
    within = np.asarray(filled.any(axis=0) & ~outside.any(axis=0))
    valid: np.ndarray = np.ones(size, bool) if cyclic else within
    first_row = np.where(filled.any(axis=0), filled.argmax(axis=0), -1)
    for distance in range(1, min(size // 2, LONGEST_STEP) + 1):
        if cyclic:
            rolls = [
                by for by in range(1, length) if np.array_equal(np.roll(bands[:, 0], by, axis=0), bands[:, distance])
            ]
            moves = sorted((by if 2 * by <= length else by - length for by in rolls), key=abs)[:1]
        else:
            both_valid = valid[distance:] & valid[:-distance]
            advances: list[int] = (first_row[distance:] - first_row[:-distance])[both_valid].tolist()
            moves = [by for by, _ in Counter(advances).most_common(MOST_ADVANCES)]
        for by in moves:
            if by == 0:
                continue
            before, after = bands[:, :-distance], bands[:, distance:]
            moved = np.roll(before, by, axis=0)
            matches = (moved == after).all(axis=(0, 2))
            if not cyclic:  # np.roll wraps: no nonzero weight may leave at one end and enter at the other
                wrapped = moved[:by] if by > 0 else moved[by:]
                matches &= ~wrapped.any(axis=(0, 2)) & valid[distance:] & valid[:-distance]
            span = longest(matches, distance)
            if span is not None and (not cyclic or span == (0, size)):
                return distance, by, *span
    return None
