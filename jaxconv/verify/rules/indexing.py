"""Rules for primitives that read at indices."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

import numpy as np
from jax.lax import GatherDimensionNumbers, GatherScatterMode

from jaxconv.verify.domain import (
    Broken,
    CannotProve,
    Factor,
    FactoredAxis,
    Motion,
    Moving,
    Plain,
    common_shift,
    everywhere,
    fit,
    is_moving,
    length_of,
    motion_of,
    renamed,
    scaled,
)
from jaxconv.verify.factors import check_whole_periods, invariant_axis, join, uniform
from jaxconv.verify.receptive_fields import Advance, Field, advancing, advancing_around, union
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules.layout import sliced

T = TypeVar("T")
LONGEST_STEP = 64  # the largest distance between two indices at which a fixed step is looked for


@rule("dynamic_slice", takes_broken=True)
def dynamic_slice(eqn: Equation[Plain]) -> list[Plain]:
    """out[j] = x[start + j] along each axis, where `start` is an operand, clamped so that the slice lies within x.

    A slice at a known start is an ordinary slice. An unknown start must not depend on the shift. A moving axis that is
    a window of the signal everywhere remains one. Its cells are unknown, so no later equation joins them to others.

    A slice at the place of the largest cell of x itself is invariant: see `at_places`.

    Example: lax.dynamic_slice(x, (0, i), (1, 3)) moves along axis 1, if x does at all positions.
    Theorems: those of `layout.slice_`. There is none for unknown starts.
    Jaxpr: x, then a number for each axis; `slice_sizes`.
    """
    broken = next((value for value in eqn.inputs if isinstance(value, Broken)), None)
    return [*sliced_at(eqn.with_inputs(_none_broken(eqn)))] if broken is None else [at_places(eqn, broken)]


def _none_broken(eqn: Equation[Plain]) -> list[Moving]:
    return [value for value in eqn.inputs if isinstance(value, Moving)]


def at_places(eqn: Equation[Plain], broken: Broken) -> Plain:
    """out[c] = x[place[c]], where `place` is of the largest or sorted cells of x: these cells, which are invariant.

    The cells of x must be those of the array that was sorted, not only of its shape. Where cells of another array tie,
    their place depends on where the axis starts. Then this read is to blame.

    Example: jnp.take_along_axis(x, jnp.argsort(x, 0), 0) has the cells of jnp.sort(x, 0).
    Theorems: `CertifierSums.permuted` and `CertifierSums.mixed_local` in proofs/coq.
    """
    places = None if isinstance(eqn.inputs[0], Broken) else eqn.places()
    if places is None or not isinstance(places.operand, Moving):
        return broken
    if not places.own:
        raise CannotProve(
            "reads an array at the places of another one's largest or sorted cells, which ties may change",
            "Read the array that is sorted, or sort by all of its cells as keys",
        )
    operand = places.operand
    if operand.moving_axes != [places.axis]:
        return broken
    check_whole_periods(operand, places.axis)
    return replace(eqn.walk.constant(eqn.shapes[0]), shift=operand.shift, depends=True)


def sliced_at(eqn: Equation[Moving]) -> list[Moving]:
    """The slice of a dynamic slice at starts that do not move. See `dynamic_slice`."""
    value, *starts = common_shift(eqn.moving())
    depends = value.depends or any(start.depends for start in starts)
    axes: list[FactoredAxis] = []
    for number, (axis, size) in enumerate(zip(value.axes, eqn.params["slice_sizes"], strict=True)):
        length = length_of(axis)
        start = clamped(eqn.known[1 + number], length - size)
        if size == length:
            axes.append(axis)
        elif start is not None:
            axes.append(sliced(axis, start, size, 1))
        elif is_moving(axis):
            motion = motion_of(axis)
            if motion is None or (motion.lo, motion.hi) != (0, length):
                raise CannotProve("slices the shifted axis at an unknown index")
            factor = replace(axis[0], length=size, motion=replace(motion, hi=size, field=None))
            axes.append((factor,))
        else:
            axes.append(invariant_axis(size, 1 if uniform(axis) else None))
    result = renamed(replace(value, axes=tuple(axes), depends=depends), eqn.walk.new_signal())
    return [fit(everywhere(result) if depends else result)]


def clamped(start: np.ndarray | None, last: int) -> int | None:
    """The start of a slice in [0, last]; None if it is unknown."""
    if start is None or (start.dtype.kind == "u" and int(start) > np.iinfo(start.dtype).max // 2):
        return None  # XLA on the CPU reads such a start as a negative number: uint8 130 starts at 0
    return min(max(int(start), 0), last)


@rule("gather", takes_broken=True)
def gather(eqn: Equation[Plain]) -> list[Plain]:
    """out[batch, offsets] = x[indices[batch] + offsets]: slices of x at the given indices.

    The axes of x that are read whole keep their motion, and so do the axes of the indices. Where an axis of x is paired
    with one of the indices (`take_along_axis` along another axis), the two must move together.

    A moving axis of x may be indexed by constants only:

    - x[:, [[0, 1, 2], [1, 2, 3], ...]] (im2col) moves along the indices' first axis: a step there is a step along x.
    - Windows x[:, i : i + 3] at i = 0, 1, ... move likewise.
    - x[:, [0, 0, 1, 1, ...]] (nearest up-sampling) moves by two cells where x moves by one.
    - Indices out of bounds are content of the border, as in jnp.take(x, indices, axis=1, mode="clip").
    - jnp.diagonal(x): where several axes of x move together, an axis of the indices may advance along all of them.
    - x[jnp.argmax(x)] and x[jnp.argsort(x)] are invariant: see `at_places`.

    Theorem: `CertifierWeigh.weigh_local` in proofs/coq, for indices of one moving axis.
    Jaxpr: x, indices [*batch, index vector]; `dimension_numbers`, `slice_sizes`. The result's axes that are not in
    `offset_dims` are those of the batch, in order.
    """
    broken = next((value for value in eqn.inputs if isinstance(value, Broken)), None)
    return [*gathered(eqn.with_inputs(_none_broken(eqn)))] if broken is None else [at_places(eqn, broken)]


def gathered(eqn: Equation[Moving]) -> list[Moving]:
    """The result of a gather at indices of which something is known. See `gather`."""
    x, indices = common_shift(eqn.moving())
    numbers: GatherDimensionNumbers = eqn.params["dimension_numbers"]
    sizes: Sequence[int] = eqn.params["slice_sizes"]
    batch = [n for n in range(len(eqn.shapes[0])) if n not in numbers.offset_dims]
    dropped = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    kept = [n for n in range(len(x.axes)) if n not in dropped]
    from_x: list[FactoredAxis] = [invariant_axis(n, 1) for n in eqn.shapes[0]]
    from_indices: list[FactoredAxis] = [invariant_axis(n, 1) for n in eqn.shapes[0]]
    for out_axis, axis in zip(batch, indices.axes[:-1], strict=True):
        from_indices[out_axis] = axis
    for out_axis, number in zip(numbers.offset_dims, kept, strict=True):
        is_whole = sizes[number] == length_of(x.axes[number])
        keeps_motion = is_moving(x.axes[number]) and is_whole
        from_x[out_axis] = x.axes[number] if keeps_motion else invariant_axis(eqn.shapes[0][out_axis])
    pairs = list(zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True))
    for number, index_axis in pairs:
        from_x[batch[index_axis]] = x.axes[number]
    # A step along such an axis of the indices is also a step from one row of x to another, which may differ.
    row_axes = {index_axis for number, index_axis in pairs if not uniform(x.axes[number])}
    in_part: dict[int, Motion] = {}
    for number, size in enumerate(sizes):
        motion = motion_of(x.axes[number]) if number not in numbers.operand_batching_dims else None
        if motion is not None and (number in numbers.collapsed_slice_dims or size < length_of(x.axes[number])):
            in_part[number] = motion
    for out_axis, advance, factor in _each_indexed(eqn, x, in_part, row_axes):
        x = scaled(x, advance.numerator)  # so that x shifts by a whole number of steps along the indices
        from_x[batch[out_axis]] = (factor,)
        # The constants along this axis are accounted for by the motion of x.
        from_indices[batch[out_axis]] = invariant_axis(length_of((factor,)), 1)
    operands = [replace(x, axes=tuple(from_x)), replace(indices, axes=tuple(from_indices))]
    result = join(operands, eqn.walk.new_signal())
    return [everywhere(result) if result.depends else result]


def _each_indexed(
    eqn: Equation[Moving], x: Moving, motions: Mapping[int, Motion], row_axes: Collection[int]
) -> list[tuple[int, Fraction, Factor]]:
    """How constant indices into moving axes of x move: each by itself, or else all together."""
    try:
        return [_indexed(eqn, x, [number], row_axes) for number in motions]
    except CannotProve:
        if len(motions) < 2 or len({motion.turns for motion in motions.values()}) > 1:
            raise
        return [_indexed(eqn, x, [*motions], row_axes)]


def _indexed(
    eqn: Equation[Moving], x: Moving, numbers: Sequence[int], row_axes: Collection[int]
) -> tuple[int, Fraction, Factor]:
    """How constant indices into moving axes of x move, which advance along all of these axes together: see `by_rows`.

    Returns the axis of the indices that moves, and what `by_rows` returns. Raises CannotProve if the indices are
    unknown or have no fixed step.

    Args:
        eqn: the gather.
        x: its first operand.
        numbers: the axes of x.
        row_axes: axes of the indices that must not move.
    """
    indices = eqn.known[1]
    if indices is None:
        raise CannotProve(
            "indexes the shifted axis with unknown indices", "Use slices, or indices that are constants of the function"
        )
    indexed = eqn.params["dimension_numbers"].start_index_map
    if not {*numbers} <= {*indexed} or not indices.size:
        raise CannotProve("reads a part of the shifted axis that no index names", "Use slices")
    columns = [indexed.index(number) for number in numbers]
    starts, others = np.moveaxis(indices[..., columns].astype(int), -1, 0), np.delete(indices, columns, axis=-1)
    for axis in range(indices.ndim - 1):
        if axis in row_axes or (others != np.take(others, [0], axis=axis)).any():
            continue
        read = [_rows_of(eqn, at, number, axis) for at, number in zip(starts, numbers, strict=True)]
        rows = {number: cells for number, (cells, _) in zip(numbers, read, strict=True)}
        found = by_rows(eqn, x, rows, np.all([is_read for _, is_read in read], axis=0))
        if found is not None:
            return axis, *found
    raise CannotProve(
        "the indices into the shifted axis have no fixed step", "Use slices, or indices with a fixed step"
    )


def _rows_of(eqn: Equation[Moving], starts: np.ndarray, number: int, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The cells of an axis of x that are read at each position along an axis of the indices; and whether all are.

    `starts`: the indices into this axis of x.
    """
    window: int = eqn.params["slice_sizes"][number]
    starts, inside = _within(eqn, starts, eqn.operand_shapes[0][number] - window)
    cells = starts[..., None] + np.arange(window)
    rows, is_read = (np.moveaxis(array, axis, 0).reshape(cells.shape[axis], -1) for array in (cells, inside))
    return rows, is_read.all(axis=1)


def by_rows(
    eqn: Equation[Moving], x: Moving, rows: Mapping[int, np.ndarray], is_read: np.ndarray
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


def in_order(eqn: Equation[Moving], value: Moving, number: int, order: np.ndarray) -> Moving:
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


def _within(eqn: Equation[Moving], starts: np.ndarray, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Starts of windows, moved to where they lie within x; and whether the result holds the cells that are there.

    It does for CLIP. For other modes, a window that does not lie within x gives other content.
    """
    inside = (starts >= 0) & (starts <= last)
    clips = GatherScatterMode.from_any(eqn.params["mode"]) == GatherScatterMode.CLIP
    return np.clip(starts, 0, last), inside | clips


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
