"""Rules for primitives that read at indices."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
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
from jaxconv.verify.rule_table import Equation, V, rule
from jaxconv.verify.rules.advancing_rows import by_rows
from jaxconv.verify.rules.concatenation import cut_from_parts
from jaxconv.verify.rules.index_columns import Column, columns_of, known_columns
from jaxconv.verify.rules.layout import sliced

T = TypeVar("T")


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
    ranges: list[tuple[int, int, int]] = []
    for number, (axis, size) in enumerate(zip(value.axes, eqn.params["slice_sizes"], strict=True)):
        length = length_of(axis)
        start = clamped(eqn.known[1 + number], length - size)
        ranges += [] if start is None and size < length else [(start or 0, size, 1)]
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
    result = fit(everywhere(result) if depends else result)
    return [cut_from_parts(eqn, ranges, result) if len(ranges) == len(axes) and not depends else result]


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
    - x[jnp.arange(n), i] advances along the known rows, and moves with the unknown columns i: see `index_columns.py`.
    - x[jnp.argmax(x)] and x[jnp.argsort(x)] are invariant: see `at_places`.

    Theorem: `CertifierWeigh.weigh_local` in proofs/coq, for indices of one moving axis.
    Jaxpr: x, indices [*batch, index vector]; `dimension_numbers`, `slice_sizes`. The result's axes that are not in
    `offset_dims` are those of the batch, in order.
    """
    x, indices = eqn.inputs
    if isinstance(x, Broken):
        return [x]
    try:
        return [_gathered(eqn, x, columns_of(eqn))]
    except CannotProve:
        if isinstance(indices, Broken):
            return [at_places(eqn, indices)]
        raise


def gathered(eqn: Equation[Moving]) -> list[Moving]:
    """The result of a gather at indices of which something is known. See `gather`."""
    return [_gathered(eqn, eqn.moving()[0], columns_of(eqn))]


def _gathered(eqn: Equation[V], x: Moving, columns: Sequence[Column]) -> Moving:
    x, *indices = common_shift([x, *(column.state for column in columns)])
    numbers: GatherDimensionNumbers = eqn.params["dimension_numbers"]
    sizes: Sequence[int] = eqn.params["slice_sizes"]
    batch = [n for n in range(len(eqn.shapes[0])) if n not in numbers.offset_dims]
    dropped = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    kept = [n for n in range(len(x.axes)) if n not in dropped]
    from_x = _read_whole(eqn, x, kept)
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
    window = _in_each_window(eqn, x, in_part, columns)
    if window is not None:
        number, factor = window
        from_x[numbers.offset_dims[kept.index(number)]] = (factor,)
        in_part = {}
    advanced: list[int] = []
    for index_axis, advance, factor in _each_indexed(eqn, x, in_part, row_axes, columns):
        x = scaled(x, advance.numerator)  # so that x shifts by a whole number of steps along the indices
        from_x[batch[index_axis]] = (factor,)
        advanced.append(index_axis)
    operands = [replace(x, axes=tuple(from_x))]
    for state, column in zip(indices, columns, strict=True):
        axes = [invariant_axis(n, 1) for n in eqn.shapes[0]]
        for index_axis, axis in enumerate(state.axes):
            # Known indices along an axis that advances are accounted for by the motion of x.
            if column.numbers is None or index_axis not in advanced:
                axes[batch[index_axis]] = axis
        operands.append(replace(state, axes=tuple(axes)))
    result = join(operands, eqn.walk.new_signal())
    return everywhere(result) if result.depends else result


def _read_whole(eqn: Equation[V], x: Moving, kept: Sequence[int]) -> list[FactoredAxis]:
    """The result's axes, with the motion of those of x that are read whole. `kept`: the axes of x in `offset_dims`."""
    axes: list[FactoredAxis] = [invariant_axis(n, 1) for n in eqn.shapes[0]]
    numbers: GatherDimensionNumbers = eqn.params["dimension_numbers"]
    for out_axis, number in zip(numbers.offset_dims, kept, strict=True):
        is_whole = eqn.params["slice_sizes"][number] == length_of(x.axes[number])
        keeps_motion = is_moving(x.axes[number]) and is_whole
        axes[out_axis] = x.axes[number] if keeps_motion else invariant_axis(eqn.shapes[0][out_axis])
    return axes


def _in_each_window(
    eqn: Equation[V], x: Moving, motions: Mapping[int, Motion], columns: Sequence[Column]
) -> tuple[int, Factor] | None:
    """The positions in windows of one whole period at any starts, out[b, j] = x[start[b] + j], as in rolled copies.

    They move as the axis does, if every window shows the signal: at known starts, or at any if the whole axis does.
    Returns the number of the axis and the factor; None if the windows are no whole periods, or several axes move.

    Example: jax.vmap(lambda k: jnp.roll(x, k))(jnp.arange(3)) reads windows of x beside itself.
    Theorems: those of `layout.slice_`.
    """
    numbers: GatherDimensionNumbers = eqn.params["dimension_numbers"]
    number, motion = next(iter(motions.items()), (0, None))
    size, length = eqn.params["slice_sizes"][number], eqn.operand_shapes[0][number]
    if len(motions) != 1 or motion is None or number in numbers.collapsed_slice_dims or size != x.period(motion):
        return None
    starts = columns[numbers.start_index_map.index(number)].numbers if number in numbers.start_index_map else None
    first, last = 0, length - size
    if starts is not None and starts.size:
        at, inside = _within(eqn, starts.astype(int), length - size)
        first, last = (int(at.min()), int(at.max())) if inside.all() else (first, last)
    if motion.lo > first or motion.hi < last + size:
        return None
    moved = replace(motion, lo=0, hi=size, field=None, signal=eqn.walk.new_signal(), start=0)
    return number, Factor(size, motion=moved)


def _each_indexed(
    eqn: Equation[V], x: Moving, motions: Mapping[int, Motion], row_axes: Collection[int], columns: Sequence[Column]
) -> list[tuple[int, Fraction, Factor]]:
    """How constant indices into moving axes of x move: each by itself, or else all together."""
    try:
        return [_indexed(eqn, x, [number], row_axes, columns) for number in motions]
    except CannotProve:
        if len(motions) < 2 or len({motion.turns for motion in motions.values()}) > 1:
            raise
        return [_indexed(eqn, x, [*motions], row_axes, columns)]


def _indexed(
    eqn: Equation[V], x: Moving, numbers: Sequence[int], row_axes: Collection[int], columns: Sequence[Column]
) -> tuple[int, Fraction, Factor]:
    """How constant indices into moving axes of x move, which advance along all of these axes together: see `by_rows`.

    Returns the axis of the indices that moves, and what `by_rows` returns. Raises CannotProve if the indices are
    unknown or have no fixed step.

    Args:
        eqn: the gather.
        x: its first operand.
        numbers: the axes of x.
        row_axes: axes of the indices that must not move.
        columns: the indices. Those of other axes may be unknown.
    """
    indexed = eqn.params["dimension_numbers"].start_index_map
    if not {*numbers} <= {*indexed} or not math.prod(eqn.operand_shapes[1]):
        raise CannotProve("reads a part of the shifted axis that no index names", "Use slices")
    starts, others = known_columns(columns, [indexed.index(number) for number in numbers])
    starts = [at.astype(int) for at in starts]
    for axis in range(starts[0].ndim):
        if axis in row_axes or any((other != np.take(other, [0], axis=axis)).any() for other in others):
            continue
        read = [_rows_of(eqn, at, number, axis) for at, number in zip(starts, numbers, strict=True)]
        rows = {number: cells for number, (cells, _) in zip(numbers, read, strict=True)}
        found = by_rows(eqn, x, rows, np.all([is_read for _, is_read in read], axis=0))
        if found is not None:
            return axis, *found
    raise CannotProve(
        "the indices into the shifted axis have no fixed step", "Use slices, or indices with a fixed step"
    )


def _rows_of(eqn: Equation[V], starts: np.ndarray, number: int, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The cells of an axis of x that are read at each position along an axis of the indices; and whether all are.

    `starts`: the indices into this axis of x.
    """
    window: int = eqn.params["slice_sizes"][number]
    starts, inside = _within(eqn, starts, eqn.operand_shapes[0][number] - window)
    cells = starts[..., None] + np.arange(window)
    rows, is_read = (np.moveaxis(array, axis, 0).reshape(cells.shape[axis], -1) for array in (cells, inside))
    return rows, is_read.all(axis=1)


def _within(eqn: Equation[V], starts: np.ndarray, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Starts of windows, moved to where they lie within x; and whether the result holds the cells that are there.

    It does for CLIP. For other modes, a window that does not lie within x gives other content.
    """
    inside = (starts >= 0) & (starts <= last)
    clips = GatherScatterMode.from_any(eqn.params["mode"]) == GatherScatterMode.CLIP
    return np.clip(starts, 0, last), inside | clips
