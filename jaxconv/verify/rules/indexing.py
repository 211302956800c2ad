"""Rules for primitives that read or write at indices."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

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
from jaxconv.verify.rules.layout import part, side_by_side, sliced

LONGEST_STEP = 64  # positions along constant indices after which they are looked at for a fixed step


@rule("dynamic_slice")
def dynamic_slice(eqn: Equation) -> list[Moving]:
    """out[j] = x[start + j] along each axis, start an operand, moved back where the slice would leave x.

    At a known start it is a slice. At an unknown one that does not depend on the shift: a moving axis that shows the
    signal everywhere still does; which cells these are is not known, so nothing joins them later.
    Jaxpr: x, then a number for each axis; `slice_sizes`.
    """
    value, *starts = common_shift(eqn.moving())
    depends = value.depends or any(start.depends for start in starts)
    axes = []
    for number, (axis, size) in enumerate(zip(value.axes, eqn.params["slice_sizes"], strict=True)):
        start, length = eqn.known[1 + number], length_of(axis)
        if size == length:
            axes.append(axis)
        elif start is not None:
            axes.append(sliced(axis, min(max(int(start), 0), length - size), size, 1))
        elif is_moving(axis):
            motion = motion_of(axis)
            if motion is None or (motion.lo, motion.hi) != (0, length):
                raise CannotProve("a slice at an index that is not known")
            factor = replace(axis[0], length=size, motion=replace(motion, hi=size, field=None))
            axes.append((factor,))
        else:
            axes.append(invariant_axis(size, 1 if uniform(axis) else None))
    found = renamed(replace(value, axes=tuple(axes), depends=depends), eqn.walk.new_signal())
    return [fit(everywhere(found) if depends else found)]


@rule("dynamic_update_slice", "scatter")
def write(eqn: Equation) -> list[Value]:
    """x with one window of it overwritten, x[start + j] = update[j]: slices of x and the update, joined.

    x.at[:, 2:5].set(update). The place must be known, unless the window is as long as x.
    Jaxpr: dynamic_update_slice: x, the update, then a number for each axis. scatter: x, indices, the update;
    `dimension_numbers`; indices of rank 1 name one window, several windows at once (index arrays) have no rule.
    """
    return [_with_update(eqn, None)]


@rule("scatter-add")
def add_to(eqn: Equation) -> list[Value]:
    """x with one window of it added to, x[start + j] += update[j]: see `write`. x.at[:, 0].add(update)."""
    return [_with_update(eqn, lambda x, y: join([x, y], eqn.walk.new_signal()))]


def _with_update(eqn: Equation, added: Callable[[Any, Any], Any] | None) -> Value:
    update, starts = written(eqn)
    one, other = common_shift([eqn.moving()[0], eqn.moving()[update]])
    other = replace(other, axes=tuple(_inserted(eqn, other.axes, invariant_axis(1))))
    joins = lambda parts, lengths, number: side_by_side(parts, lengths, number, eqn.walk.new_signal())
    sizes = [(length_of(mine), length_of(its)) for mine, its in zip(one.axes, other.axes, strict=True)]
    return overwritten(one, other, starts, sizes, part, joins, added)


def _inserted(eqn: Equation, per_axis: Sequence[Any], one: Any) -> list[Any]:
    """What is said of each axis of an update, with the axes that a scatter leaves out of it put back in."""
    found = list(per_axis)
    for number in eqn.params["dimension_numbers"].inserted_window_dims if _is_scatter(eqn) else ():
        found.insert(number, one)
    return found


def _is_scatter(eqn: Equation) -> bool:
    """Whether places are an operand of their own; those of a dynamic update are an operand for each axis."""
    return "dimension_numbers" in eqn.params


def written(eqn: Equation) -> tuple[int, list[int]]:
    """Which operand is written into the first one, and at which place along each axis."""
    shape = eqn.operand_shapes[0]
    if not _is_scatter(eqn):
        starts = []
        for length, size, known in zip(shape, eqn.operand_shapes[1], eqn.known[2:], strict=True):
            if size != length and known is None:
                raise CannotProve("overwrites a part at an index that is not known")
            starts.append(0 if known is None else min(max(int(known), 0), length - size))
        return 1, starts
    numbers, places = eqn.params["dimension_numbers"], eqn.known[1]
    if places is None or places.ndim != 1 or numbers.operand_batching_dims:
        raise CannotProve("writes at indices along the axes", "Use slices, or jnp.where")
    starts = [0] * len(shape)
    for number, place in zip(numbers.scatter_dims_to_operand_dims, places.tolist(), strict=True):
        starts[number] = place
    sizes = _inserted(eqn, eqn.operand_shapes[2], 1)
    if any(not 0 <= start <= length - size for start, length, size in zip(starts, shape, sizes, strict=True)):
        raise CannotProve("writes beyond the ends of an axis")
    return 2, starts


def overwritten(
    x: Any,
    update: Any,
    starts: Sequence[int],
    sizes: Sequence[tuple[int, int]],
    part_of: Callable[[Any, int, int, int], Any],
    joined: Callable[[list[Any], list[int], int], Any],
    added: Callable[[Any, Any], Any] | None,
) -> Any:
    """x with the update at those places: along the first axis where it is shorter, three parts side by side."""
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
def gather(eqn: Equation) -> list[Moving]:
    """out[batch, offsets] = x[indices[batch] + offsets]: reads slices of x at the places that indices name.

    Axes of x that are read whole move as they did, and so do the indices' own axes; where an axis of x is paired with
    one of the indices (`take_along_axis` along another axis) the two must move together. A moving axis of x that is
    itself indexed must be so by constants of the function: x[:, [[0, 1, 2], [1, 2, 3], ...]] moves along the indices'
    first axis, since a step along it is a step along x (im2col), and so do windows x[:, i : i + 3] at i = 0, 1, ...;
    nearest up-sampling, x[:, [0, 0, 1, 1, ...]], moves by two where x moves by one.
    Jaxpr: x, indices [*batch, places]; `dimension_numbers` (the result's axes that are not offset_dims are the batch,
    in order), `slice_sizes`.
    """
    x, indices = common_shift(eqn.moving())
    numbers, sizes = eqn.params["dimension_numbers"], eqn.params["slice_sizes"]
    batch = [n for n in range(len(eqn.shapes[0])) if n not in numbers.offset_dims]
    apart = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    kept = [n for n in range(len(x.axes)) if n not in apart]
    from_x: list[FactoredAxis] = [invariant_axis(n, 1) for n in eqn.shapes[0]]
    from_indices: list[FactoredAxis] = [invariant_axis(n, 1) for n in eqn.shapes[0]]
    for place, axis in zip(batch, indices.axes[:-1], strict=True):
        from_indices[place] = axis
    for place, number in zip(numbers.offset_dims, kept, strict=True):
        whole = sizes[number] == length_of(x.axes[number])
        moves = is_moving(x.axes[number]) and whole
        from_x[place] = x.axes[number] if moves else invariant_axis(eqn.shapes[0][place])
    pairs = list(zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True))
    for number, other in pairs:
        from_x[batch[other]] = x.axes[number]
    # A step along such an axis of the indices is also a step along x, from one row of x to another.
    taken = {other for number, other in pairs if not uniform(x.axes[number])}
    for number, size in enumerate(sizes):
        motion = motion_of(x.axes[number]) if number not in numbers.operand_batching_dims else None
        if motion is not None and (number in numbers.collapsed_slice_dims or size < length_of(x.axes[number])):
            place, by, factor = _indexed(eqn, x, number, motion, size, taken)
            # A shift of x must be by a multiple of `by` cells, so that it is one of whole steps of the indices.
            x = scaled(x, abs(by) // math.gcd(x.step(motion), by))
            from_x[batch[place]] = (factor,)
            from_indices[batch[place]] = invariant_axis(
                length_of((factor,)), 1
            )  # constants, accounted for by what x does
    wide = [replace(x, axes=tuple(from_x)), replace(indices, axes=tuple(from_indices))]
    found = join(wide, eqn.walk.new_signal())
    return [everywhere(found) if found.depends else found]


def _indexed(
    eqn: Equation, x: Moving, number: int, motion: Motion, window: int, taken: Collection[int]
) -> tuple[int, int, Factor]:
    """When constants index a moving axis of x: which axis of theirs moves, by how many cells of x a step, and how.

    `window` cells are read from each place on. None of the `taken` axes of the indices may move.
    """
    places, length = eqn.known[1], length_of(x.axes[number])
    if places is None:
        raise CannotProve("indexed along the shifted axis", "Use slices, or indices that are constants of the function")
    column = eqn.params["dimension_numbers"].start_index_map.index(number)
    others = np.delete(places, column, axis=-1)
    places = places[..., column, None] + np.arange(window)
    if places.min() < 0 or places.max() >= length:
        raise CannotProve("indexed beyond the ends of the shifted axis")
    period = x.period(motion)
    turn = int(period) if period is not None and period == length else None
    for axis, size in enumerate(places.shape[:-1]):
        if axis in taken:
            continue
        rows = np.moveaxis(places, axis, 0).reshape(size, -1).astype(int)
        found = _steps(rows, np.all((rows >= motion.lo) & (rows < motion.hi), axis=1), turn)
        if found is None or (others != np.take(others, [0], axis=axis)).any():
            continue
        apart, by, lo, hi = found
        rate = motion.rate * by / apart
        field = None if turn is not None else advancing(motion.field, motion.rate, rows.tolist(), found)
        seen = replace(motion, rate=rate, lo=lo, hi=hi, field=field, signal=eqn.walk.new_signal(), start=0)
        return axis, by, Factor(size, motion=seen)
    raise CannotProve(
        "the indices along the shifted axis do not advance evenly", "Use slices, or indices with a fixed step"
    )


def _steps(rows: np.ndarray, clear: np.ndarray, turn: int | None) -> Advance | None:
    """How indices advance: (apart, by, lo, hi) with rows[i + apart] = rows[i] + by for all i in [lo, hi - apart).

    Rows that are not `clear`, because they name cells that do not show the signal, do not count.

    Modulo `turn` where x repeats, and then for all rows. The stretch with most pairs i, i + apart; of equal ones that
    with the least `apart`. None if there is none.
    """
    size, best = len(rows), None
    for apart in range(1, min(size // 2, LONGEST_STEP) + 1):
        ahead = rows[apart:] - rows[:-apart]
        by = int(np.bincount(np.abs(ahead[:, 0])).argmax()) * (1 if np.median(ahead[:, 0]) >= 0 else -1)
        if turn is not None:
            ahead = (ahead - by) % turn + by
        if by == 0:
            continue
        found = longest((ahead == by).all(axis=1) & clear[apart:] & clear[:-apart], apart)
        if found is None or (turn is not None and found != (0, size)):
            continue
        if best is None or found[1] - found[0] - apart > best[3] - best[2] - best[0]:
            best = apart, by, *found
        if best[2:] == (0, size):
            break
    return best


def longest(even: np.ndarray, apart: int) -> tuple[int, int] | None:
    """The longest [lo, hi) in which even[i] says, for all i in [lo, hi - apart), that i and i + apart fit together."""
    pairs = np.flatnonzero(np.diff(np.concatenate([[0], even, [0]]))).reshape(-1, 2)
    if not len(pairs):
        return None
    lo, end = max(pairs.tolist(), key=lambda pair: pair[1] - pair[0])
    return (lo, end + apart) if end - lo >= apart else None
