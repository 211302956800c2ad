"""Rules for products that sum over axes: channel mixing, dense layers, attention."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

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
from jaxconv.verify.factors import invariant_axis, join, uniform
from jaxconv.verify.receptive_fields import advancing
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules.indexing import LONGEST_STEP, longest
from jaxconv.verify.rules.reduction import without


@rule("dot_general")
def product(eqn: Equation) -> list[Moving]:
    """out[b, i, j] = sum_k x[b, i, k] y[b, k, j].

    Both operands are seen as one array over (b, k, i, j), x uniform along j and y along i. How their product moves is
    what `join` says, and the sum over k what a reduction says. Channel mixing keeps the shift, unshared weights
    break it (they vary along k, which moves), and attention scores move along two axes at once. Known weights are
    looked at: where each column is the one before moved on, as in a resampling, the product is a convolution.
    Jaxpr: `dimension_numbers`: ((contracted of x, of y), (batch of x, of y)); the result is (batch, rest of x, of y).
    """
    x, y = common_shift(eqn.moving())
    (contract_x, contract_y), (batch_x, batch_y) = eqn.params["dimension_numbers"]
    rest_x = [n for n in range(len(x.axes)) if n not in (*contract_x, *batch_x)]
    rest_y = [n for n in range(len(y.axes)) if n not in (*contract_y, *batch_y)]
    for n, m in zip(contract_x, contract_y, strict=True):
        if is_moving(x.axes[n]) and not is_moving(y.axes[m]) and not uniform(y.axes[m]):
            return [
                _banded(eqn, x, n, eqn.known[1], m, {a: len(batch_x) + len(rest_x) + i for i, a in enumerate(rest_y)})
            ]
        if is_moving(y.axes[m]) and not is_moving(x.axes[n]) and not uniform(x.axes[n]):
            return [_banded(eqn, y, m, eqn.known[0], n, {a: len(batch_x) + i for i, a in enumerate(rest_x)})]
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
    together = join([wide_x, wide_y], eqn.walk.new_signal())
    summed = range(len(batch_x), len(batch_x) + len(contract_x))
    return [without(together, summed)]


def _banded(
    eqn: Equation, x: Moving, number: int, matrix: np.ndarray | None, rows: int, places: dict[int, int]
) -> Moving:
    """out[j] = sum_k x[k] m[k, j], the numbers m known, and m[k + by, j + apart] = m[k, j]: a convolution written out.

    `places`: where in the result the axes of m stand that may be j. `jax.image.resize` to twice the length: by 1, apart
    2. In a cyclic walk a circulant matrix takes k modulo the length. Columns that read beyond the signal do not count.
    """
    own_weights = CannotProve(
        "a matrix product sums over the shifted axis with weights of their own for each position",
        "Share the weights: use a convolution",
    )
    motion = motion_of(x.axes[number])
    if matrix is None or motion is None or len(x.moving_axes) > 1:
        raise own_weights
    turns = x.one_period(number) is not None
    for columns, place in places.items():
        size = matrix.shape[columns]
        bands = bits(np.moveaxis(matrix, (rows, columns), (0, 1)).reshape(matrix.shape[rows], size, -1))
        found = _band(bands, motion, turns=turns)
        if found is None:
            continue
        apart, by, lo, hi = found
        rate = motion.rate * by / apart
        reads = [np.flatnonzero(column) for column in bands.any(axis=2).T]
        field = None if turns else advancing(motion.field, motion.rate, reads, found)
        moved = replace(motion, rate=rate, lo=lo, hi=hi, field=field, signal=eqn.walk.new_signal(), start=0)
        axes = [invariant_axis(length) for length in eqn.shapes[0]]
        axes[place] = (Factor(size, motion=moved),)
        x = scaled(x, abs(by) // math.gcd(x.step(motion), by))
        return fit(replace(x, axes=tuple(axes)))
    raise own_weights


def _band(bands: np.ndarray, motion: Motion, *, turns: bool) -> tuple[int, int, int, int] | None:
    """How columns of bands [k, j, bytes] advance: (apart, by, lo, hi), column j + apart being column j moved by `by`.

    Weights are compared bit by bit.
    """
    length, size, _ = bands.shape
    filled = np.asarray(bands.any(axis=2))
    beyond = np.concatenate([filled[: motion.lo], filled[motion.hi :]])
    within = np.asarray(filled.any(axis=0) & ~beyond.any(axis=0))
    clear: np.ndarray = np.ones(size, bool) if turns else within
    top = np.where(filled.any(axis=0), filled.argmax(axis=0), -1)
    for apart in range(1, min(size // 2, LONGEST_STEP) + 1):
        if turns:
            moves = [by for by in range(1, length) if np.array_equal(np.roll(bands[:, 0], by, axis=0), bands[:, apart])]
            moves = sorted((by if 2 * by <= length else by - length for by in moves), key=abs)[:1]
        else:
            moves = Counter((top[apart:] - top[:-apart])[clear[apart:] & clear[:-apart]].tolist()).most_common(1)
            moves = [by for by, _ in moves]
        for by in moves:
            if by == 0:
                continue
            before, after = bands[:, :-apart], bands[:, apart:]
            moved = np.roll(before, by, axis=0)
            even = (moved == after).all(axis=(0, 2))
            if not turns:  # nothing that is not zero may come in at one end, having left at the other
                wrapped = moved[:by] if by > 0 else moved[by:]
                even &= ~wrapped.any(axis=(0, 2)) & clear[apart:] & clear[:-apart]
            found = longest(even, apart)
            if found is not None and (not turns or found == (0, size)):
                return apart, by, *found
    return None
