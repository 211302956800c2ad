"""Rules for primitives that read or write at indices."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

import numpy as np
from jax.lax import GatherDimensionNumbers, ScatterDimensionNumbers

from jaxconv.verify.domain import (
    CannotProve,
    Factor,
    FactoredAxis,
    Motion,
    Moving,
    Value,
    common_shift,
    everywhere,
    fit,
    is_moving,
    length_of,
    motion_of,
    renamed,
    scaled,
)
from jaxconv.verify.factors import invariant_axis, join, uniform
from jaxconv.verify.receptive_fields import Advance, advancing
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules.concatenation import side_by_side
from jaxconv.verify.rules.layout import part, sliced

T = TypeVar("T")
LONGEST_STEP = 64  # the largest distance between two indices at which a fixed step is looked for


@rule("dynamic_slice")
def dynamic_slice(eqn: Equation[Moving]) -> list[Moving]:
    """out[j] = x[start + j] along each axis, where `start` is an operand, clamped so that the slice lies within x.

    A slice at a known start is an ordinary slice. An unknown start must not depend on the shift. A moving axis that is
    a window of the signal everywhere remains one. Its cells are unknown, so no later equation joins them to others.

    Example: lax.dynamic_slice(x, (0, i), (1, 3)) moves along axis 1, if x does at all positions.
    Theorems: those of `layout.slice_`. There is none for unknown starts.
    Jaxpr: x, then a number for each axis; `slice_sizes`.
    """
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


@rule("dynamic_update_slice", "scatter")
def write(eqn: Equation[Moving]) -> list[Moving]:
    """x with one window overwritten: x[start + j] = update[j].

    The result moves as slices of x and the update do, concatenated. The start must be known, unless the window is as
    long as x.

    Example: x.at[:, 2:5].set(update).
    Theorems: those of `layout.slice_` and `concatenation.concatenate`.
    Jaxpr: dynamic_update_slice has x, the update, then a number for each axis. scatter has x, the indices, the update,
    and `dimension_numbers`. Indices of rank 1 name one window. There is no rule for several windows at once (arrays of
    indices).
    """
    return [_with_update(eqn, None)]


@rule("scatter-add")
def add_to(eqn: Equation[Moving]) -> list[Moving]:
    """x with one window added to: x[start + j] += update[j], as in x.at[:, 0].add(update). See `write`."""
    return [_with_update(eqn, lambda x, y: join([x, y], eqn.walk.new_signal()))]


def _with_update(eqn: Equation[Moving], added: Callable[[Moving, Moving], Moving] | None) -> Moving:
    """x with the update written into it, or with `added(x, update)` there if that is given."""
    update, starts = written(eqn)
    x, window = common_shift([eqn.moving()[0], eqn.moving()[update]])
    window = replace(window, axes=tuple(inserted(eqn, window.axes, invariant_axis(1))))

    def joined(parts: Sequence[Moving], lengths: Sequence[int], number: int) -> Moving:
        return side_by_side(parts, lengths, number, eqn.walk.new_signal())

    sizes = [(length_of(long), length_of(short)) for long, short in zip(x.axes, window.axes, strict=True)]
    return overwritten(x, window, starts, sizes, part, joined, added)


def inserted(eqn: Equation[Value], per_axis: Sequence[T], default: T) -> list[T]:
    """A list over the update's axes, with an entry `default` for each axis of x that a scatter leaves out of it."""
    entries = list(per_axis)
    for number in _scatter_numbers(eqn).inserted_window_dims if _is_scatter(eqn) else ():
        entries.insert(number, default)
    return entries


def _scatter_numbers(eqn: Equation[Value]) -> ScatterDimensionNumbers:
    return eqn.params["dimension_numbers"]


def _is_scatter(eqn: Equation[Value]) -> bool:
    """Whether the start is one array of indices, as in a scatter. A dynamic update has one number for each axis."""
    return "dimension_numbers" in eqn.params


def written(eqn: Equation[Value]) -> tuple[int, list[int]]:
    """The number of the operand that is written into the first one, and its start along each axis.

    Raises CannotProve if the start is unknown, an array of indices, or out of bounds.
    """
    shape = eqn.operand_shapes[0]
    if not _is_scatter(eqn):
        starts: list[int] = []
        for length, size, known in zip(shape, eqn.operand_shapes[1], eqn.known[2:], strict=True):
            if size != length and known is None:
                raise CannotProve("writes at an unknown index")
            starts.append(0 if known is None else min(max(int(known), 0), length - size))
        return 1, starts
    numbers, indices = _scatter_numbers(eqn), eqn.known[1]
    if indices is None or indices.ndim != 1 or numbers.operand_batching_dims:
        raise CannotProve("writes at unknown indices, or at an array of them", "Use slices, or jnp.where")
    starts = [0] * len(shape)
    for number, index in zip(numbers.scatter_dims_to_operand_dims, indices.tolist(), strict=True):
        starts[number] = index
    sizes = inserted(eqn, eqn.operand_shapes[2], 1)
    if any(not 0 <= start <= length - size for start, length, size in zip(starts, shape, sizes, strict=True)):
        raise CannotProve("writes out of bounds")
    return 2, starts


def overwritten(
    x: T,
    update: T,
    starts: Sequence[int],
    sizes: Sequence[tuple[int, int]],
    part_of: Callable[[T, int, int, int], T],
    joined: Callable[[list[T], list[int], int], T],
    added: Callable[[T, T], T] | None,
) -> T:
    """x with the update at `starts`.

    Along the first axis where the update is shorter, the result is three parts, joined. `sizes` has the lengths of x
    and of the update along each axis. `part_of` slices, `joined` concatenates, and `added`, if given, combines x and
    the update where they overlap.
    """
    for number, (start, (length, size)) in enumerate(zip(starts, sizes, strict=True)):
        if size == length:
            continue
        band = part_of(x, number, start, size)
        inner = [(size, size) if n == number else pair for n, pair in enumerate(sizes)]
        new = overwritten(band, update, starts, inner, part_of, joined, added)
        after = start + size
        parts = [part_of(x, number, 0, start), new, part_of(x, number, after, length - after)]
        return joined(parts, [start, size, length - after], number)
    return update if added is None else added(x, update)


@rule("gather")
def gather(eqn: Equation[Moving]) -> list[Moving]:
    """out[batch, offsets] = x[indices[batch] + offsets]: slices of x at the given indices.

    The axes of x that are read whole keep their motion, and so do the axes of the indices. Where an axis of x is paired
    with one of the indices (`take_along_axis` along another axis), the two must move together.

    A moving axis of x may be indexed by constants only:

    - x[:, [[0, 1, 2], [1, 2, 3], ...]] (im2col) moves along the indices' first axis: a step there is a step along x.
    - Windows x[:, i : i + 3] at i = 0, 1, ... move likewise.
    - x[:, [0, 0, 1, 1, ...]] (nearest up-sampling) moves by two cells where x moves by one.

    Theorem: `CertifierWeigh.weigh_local` in proofs/coq.
    Jaxpr: x, indices [*batch, index vector]; `dimension_numbers`, `slice_sizes`. The result's axes that are not in
    `offset_dims` are those of the batch, in order.
    """
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
    for number, size in enumerate(sizes):
        motion = motion_of(x.axes[number]) if number not in numbers.operand_batching_dims else None
        if motion is not None and (number in numbers.collapsed_slice_dims or size < length_of(x.axes[number])):
            out_axis, by, factor = _indexed(eqn, x, number, motion, size, row_axes)
            # x must shift by a multiple of `by` cells, which is a whole number of steps along the indices.
            x = scaled(x, abs(by) // math.gcd(x.step(motion), by))
            from_x[batch[out_axis]] = (factor,)
            # The constants along this axis are accounted for by the motion of x.
            from_indices[batch[out_axis]] = invariant_axis(length_of((factor,)), 1)
    operands = [replace(x, axes=tuple(from_x)), replace(indices, axes=tuple(from_indices))]
    result = join(operands, eqn.walk.new_signal())
    return [everywhere(result) if result.depends else result]


def _indexed(
    eqn: Equation[Moving], x: Moving, number: int, motion: Motion, window: int, row_axes: Collection[int]
) -> tuple[int, int, Factor]:
    """How constant indices into a moving axis of x move.

    Returns the axis of the indices that moves, the cells of x for each step along it, and the axis's factor. Raises
    CannotProve if the indices are unknown, out of bounds, or have no fixed step.

    Theorem: `CertifierWeigh.weigh_local` in proofs/coq.

    Args:
        eqn: the gather.
        x: its first operand.
        number: the moving axis of x.
        motion: the motion of that axis.
        window: number of cells that are read from each index on.
        row_axes: axes of the indices that must not move.
    """
    indices, length = eqn.known[1], length_of(x.axes[number])
    if indices is None:
        raise CannotProve(
            "indexes the shifted axis with unknown indices", "Use slices, or indices that are constants of the function"
        )
    indexed = eqn.params["dimension_numbers"].start_index_map
    if number not in indexed or not indices.size:
        raise CannotProve("reads a part of the shifted axis that no index names", "Use slices")
    column = indexed.index(number)
    others = np.delete(indices, column, axis=-1)
    indices = indices[..., column, None] + np.arange(window)
    if indices.min() < 0 or indices.max() >= length:
        raise CannotProve("indexes the shifted axis out of bounds")
    period = x.period(motion)
    wrap = int(period) if period is not None and period == length else None
    for axis, size in enumerate(indices.shape[:-1]):
        if axis in row_axes:
            continue
        rows = np.moveaxis(indices, axis, 0).reshape(size, -1).astype(int)
        advance = _steps(rows, np.all((rows >= motion.lo) & (rows < motion.hi), axis=1), wrap)
        if advance is None or (others != np.take(others, [0], axis=axis)).any():
            continue
        distance, by, lo, hi = advance
        check_step(motion, by, period)
        rate = motion.rate * by / distance
        field = None if wrap is not None else advancing(motion.field, motion.rate, rows.tolist(), advance)
        moved = replace(motion, rate=rate, lo=lo, hi=hi, field=field, signal=eqn.walk.new_signal(), start=0)
        return axis, by, Factor(size, motion=moved)
    raise CannotProve(
        "the indices into the shifted axis have no fixed step", "Use slices, or indices with a fixed step"
    )


def check_step(motion: Motion, by: int, period: Fraction | None) -> None:
    """Raise CannotProve if a signal that is read in steps of `by` cells does not repeat after period / by cells.

    It does if `by` divides the period. A shift by `by` cells that divides the scene does so, if the signal turns around
    once while the scene does.
    """
    if motion.turns > 1 and period is not None and period % by:
        raise CannotProve(
            f"reads cells {abs(by)} apart of a signal that repeats after {period}", f"Use a multiple of {abs(by)} cells"
        )


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
