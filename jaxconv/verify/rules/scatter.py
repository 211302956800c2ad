"""Rules for primitives that write at indices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from jax.lax import ScatterDimensionNumbers

from jaxconv.verify.claims import Culprit
from jaxconv.verify.domain import (
    Broken,
    CannotProve,
    Factor,
    FactoredAxis,
    Moving,
    Plain,
    Value,
    common_shift,
    everywhere,
    is_moving,
    length_of,
    motion_of,
)
from jaxconv.verify.factors import check_whole_periods, invariant_axis, join, uniform
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules.concatenation import side_by_side
from jaxconv.verify.rules.layout import part
from jaxconv.verify.rules.scatter_steps import Rows, advanced, rows_along

T = TypeVar("T")


@rule("dynamic_update_slice", "scatter", takes_broken=True)
def write(eqn: Equation[Plain]) -> list[Plain]:
    """x with windows overwritten: x[start + j] = update[j].

    One window at a known start: the result moves as slices of x and the update do, concatenated. See `at_known_start`.
    Otherwise it moves as x and the update do along the axes that the window covers. See `at_any_start`.
    In the interior, a window at a known start may hold anything: see `beside_the_window`.

    Example: x.at[:, 2:5].set(update); x.at[:, :, i].set(update) moves along axis 1.
    Theorems: those of `layout.slice_` and `concatenation.concatenate`. There is none for unknown starts.
    Jaxpr: dynamic_update_slice has x, the update, then a number for each axis. scatter has x, the indices, the update,
    and `dimension_numbers`. Indices of rank 1 name one window, others one for each of their rows.
    """
    return [_written(eqn, None)]


@rule("scatter-add", "scatter-sub", "scatter-mul", "scatter-min", "scatter-max", takes_broken=True)
def combine_with(eqn: Equation[Plain]) -> list[Plain]:
    """x with windows combined: x[start + j] += update[j], as in x.at[:, 0].add(update). See `write`.

    A sum over whole periods of updates, each at an index that moves with it, does not depend on where the period
    starts. So a histogram is invariant under cyclic shifts.

    Theorems: those of `write`. There is none for indices that move.
    """
    return [_written(eqn, lambda x, y: join([x, y], eqn.walk.new_signal()))]


def _written(eqn: Equation[Plain], added: Callable[[Moving, Moving], Moving] | None) -> Plain:
    """What `_updated` returns if it succeeds; in the interior, or else x beside the window."""
    lost = next((value for value in eqn.inputs if isinstance(value, Broken)), None)
    try:
        if lost is None:
            return _updated(eqn.with_inputs([value for value in eqn.inputs if isinstance(value, Moving)]), added)
    except CannotProve as failed:
        with suppress(CannotProve):
            return beside_the_window(eqn, failed.origin or eqn.walk.culprit(failed.reason, failed.cure))
        raise
    with suppress(CannotProve):
        return beside_the_window(eqn, lost.culprit)
    return lost


def beside_the_window(eqn: Equation[Plain], lost: Culprit) -> Moving:
    """x on the longer side of one window that is written at a known start. `lost`: why nothing is known of the window.

    Example: u.at[0].set(u[1]), as at an insulated end, is u without its first position.
    There is no theorem for windows of which nothing is known.
    """
    start, x = known_start(eqn), eqn.inputs[0]
    if eqn.walk.cycle is not None or start is None or not isinstance(x, Moving) or len(x.moving_axes) != 1:
        raise CannotProve("it is not known where the window is")
    (number,) = x.moving_axes
    motion, length = motion_of(x.axes[number]), length_of(x.axes[number])
    at, size = start[1][number], inserted(eqn, eqn.operand_shapes[start[0]], 1)[number]
    if motion is None:
        raise CannotProve("only a part of the axis moves")
    sides = [(motion.lo, min(motion.hi, at)), (max(motion.lo, at + size), motion.hi)]
    lo, hi = max(sides, key=lambda side: side[1] - side[0])
    if lo >= hi:
        raise CannotProve("the window covers the signal")
    axes = [invariant_axis(length_of(axis)) for axis in x.axes]
    axes[number] = (
        Factor(length, motion=replace(motion, lo=lo, hi=hi, signal=eqn.walk.new_signal(), start=0, edge=lost)),
    )
    return replace(x, axes=tuple(axes))


def _updated(eqn: Equation[Moving], added: Callable[[Moving, Moving], Moving] | None) -> Moving:
    """x with the updates written into it, or with `added(x, update)` there if that is given."""
    start = known_start(eqn)
    return at_any_start(eqn, added is not None) if start is None else at_known_start(eqn, start, added)


def at_known_start(
    eqn: Equation[Moving], start: tuple[int, list[int]], added: Callable[[Moving, Moving], Moving] | None
) -> Moving:
    """x with one window written at a known start. The window lies within x."""
    update, starts = start
    x, window = common_shift([eqn.moving()[0], eqn.moving()[update]])
    window = replace(window, axes=tuple(inserted(eqn, window.axes, invariant_axis(1))))

    def joined(parts: Sequence[Moving], lengths: Sequence[int], number: int) -> Moving:
        return side_by_side(parts, lengths, number, eqn.walk.new_signal())

    sizes = [(length_of(long), length_of(short)) for long, short in zip(x.axes, window.axes, strict=True)]
    return overwritten(x, window, starts, sizes, part, joined, added)


@dataclass(frozen=True)
class Correspondence:
    """Which axis of the update belongs to an axis of x or of the indices.

    Attributes:
        windows: axis of x -> axis of the update that runs over cells of a window.
        batches: axis of x -> axis of the update that runs over independent problems, each with its own indices.
        places: the axes of the update that run over rows of the indices, in their order, including the batches.
    """

    windows: Mapping[int, int]
    batches: Mapping[int, int]
    places: Sequence[int]


def _correspondence(eqn: Equation[Moving]) -> Correspondence:
    rank = len(eqn.operand_shapes[0])
    if not _is_scatter(eqn):
        return Correspondence({axis: axis for axis in range(rank)}, {}, ())
    numbers = _scatter_numbers(eqn)
    left_out = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    windows = zip((axis for axis in range(rank) if axis not in left_out), numbers.update_window_dims, strict=True)
    update_axes = range(len(eqn.operand_shapes[2]))
    places = [axis for axis in update_axes if axis not in numbers.update_window_dims]
    rows = (places[axis] for axis in numbers.scatter_indices_batching_dims)
    return Correspondence(dict(windows), dict(zip(numbers.operand_batching_dims, rows, strict=True)), places)


def at_any_start(eqn: Equation[Moving], commutative: bool) -> Moving:
    """x with windows written at any starts, each of which is written whole or not at all.

    - An axis that each window covers keeps the motion that x and the update have in common.
    - No axis may move along which a window is shorter than x: the result there depends on the starts.
    - A moving axis may be written at known indices that advance along it: see `scatter_steps`.
    - The windows of a `commutative` operation may be at rows of indices that move with them, if these are whole
      periods. Overwriting must not depend on the order of the windows: see `_in_any_order`.
    """
    places = _correspondence(eqn)
    x, starts, update = _operands(eqn, places)
    lists = [axis for axis in places.places if axis not in places.batches.values()]
    if not (commutative or _in_any_order(eqn, places, lists, update)):
        raise CannotProve("writes at several indices that may be equal", "Use .add, or jnp.where")
    stepped = _with_steps(eqn, places, x, update)
    both = join([update, starts], eqn.walk.new_signal()) if stepped is None else stepped[1]
    for axis in lists:
        if is_moving(both.axes[axis]) and (stepped is None or axis != stepped[0].of_update):
            check_whole_periods(both, axis)
            both = replace(both, depends=True)
    axes: list[FactoredAxis] = []
    for number, axis in enumerate(x.axes):
        if stepped is not None and number == stepped[0].axis:
            axes.append(stepped[2])
        elif number in places.batches:
            axes.append(both.axes[places.batches[number]])
        elif number in places.windows and length_of(both.axes[places.windows[number]]) == length_of(axis):
            axes.append(both.axes[places.windows[number]])
        elif is_moving(axis) or (number in places.windows and is_moving(both.axes[places.windows[number]])):
            raise CannotProve("writes to a part of the shifted axis, at unknown indices", "Use slices, or jnp.where")
        else:
            axes.append(invariant_axis(length_of(axis)))
    result = join([x, replace(both, axes=tuple(axes))], eqn.walk.new_signal())
    return everywhere(result) if result.depends else result


def _with_steps(
    eqn: Equation[Moving], places: Correspondence, x: Moving, update: Moving
) -> tuple[Rows, Moving, FactoredAxis] | None:
    """Known indices that advance along a moving axis, and what `scatter_steps.advanced` says of them."""
    indices = eqn.known[1] if _is_scatter(eqn) and not places.batches else None
    if indices is None or not indices.size:
        return None
    for column, axis in enumerate(_scatter_numbers(eqn).scatter_dims_to_operand_dims):
        within = update.axes[places.windows[axis]] if axis in places.windows else invariant_axis(1)
        moving = [n for n, place in enumerate(places.places) if is_moving(update.axes[place])]
        if is_moving(within) or len(moving) > 1 or not (moving or is_moving(x.axes[axis])):
            continue
        for number in moving or range(len(places.places)):
            targets = rows_along(indices, column, number, length_of(within))
            if targets is not None:
                rows = Rows(axis, places.places[number], targets)
                found = advanced(eqn, rows, x, update)
                return None if found is None else (rows, *found)
    return None


def _operands(eqn: Equation[Moving], places: Correspondence) -> tuple[Moving, Moving, Moving]:
    """x, the starts with an axis for each axis of the update, and the update."""
    values = common_shift(eqn.moving())
    if not _is_scatter(eqn):
        x, update, *starts = values
        uniform = tuple(invariant_axis(length, 1) for length in eqn.operand_shapes[1])
        return x, replace(update, axes=uniform, depends=any(start.depends for start in starts)), update
    x, indices, update = values
    if is_moving(indices.axes[-1]):
        raise CannotProve("the shifted axis lists the indices of one start", "Move the axis before the last one")
    axes = [invariant_axis(length, 1) for length in eqn.operand_shapes[2]]
    for number, axis in zip(places.places, indices.axes[:-1], strict=True):
        axes[number] = axis
    return x, replace(indices, axes=tuple(axes)), update


def _in_any_order(eqn: Equation[Moving], places: Correspondence, rows: Sequence[int], update: Moving) -> bool:
    """Whether the result of overwriting does not depend on the order, because at most one value is written to a cell.

    There is one start for each problem; or all windows hold the same number; or each window is a single cell, and the
    starts are known and differ.
    """
    if math.prod(length_of(update.axes[axis]) for axis in rows) <= 1:
        return True
    numbers, indices = _scatter_numbers(eqn), eqn.known[1]
    within = [places.windows[axis] for axis in numbers.scatter_dims_to_operand_dims if axis in places.windows]
    if all(uniform(update.axes[axis]) for axis in (*rows, *within)):
        return True
    if indices is None or places.batches or any(length_of(update.axes[axis]) > 1 for axis in within):
        return False
    starts = indices.reshape(-1, indices.shape[-1])
    return len(np.unique(starts, axis=0)) == len(starts)


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


def known_start(eqn: Equation[Value]) -> tuple[int, list[int]] | None:
    """The number of the operand that is written into the first one, and its start along each axis.

    None if the start is unknown, an array of indices, or out of bounds.
    """
    shape = eqn.operand_shapes[0]
    starts = [0] * len(shape)
    if not _is_scatter(eqn):
        for axis, (length, size, known) in enumerate(zip(shape, eqn.operand_shapes[1], eqn.known[2:], strict=True)):
            if size != length and known is None:
                return None
            starts[axis] = 0 if known is None else min(max(int(known), 0), length - size)
        return 1, starts
    numbers, indices = _scatter_numbers(eqn), eqn.known[1]
    if indices is None or indices.ndim != 1 or numbers.operand_batching_dims:
        return None
    for axis, index in zip(numbers.scatter_dims_to_operand_dims, indices.tolist(), strict=True):
        starts[axis] = index
    sizes = inserted(eqn, eqn.operand_shapes[2], 1)
    inside = all(0 <= start <= length - size for start, length, size in zip(starts, shape, sizes, strict=True))
    return (2, starts) if inside else None


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
