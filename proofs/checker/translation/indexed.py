"""Primitives that read and write at places: these must be known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from translation.layout import sliced
from translation.program import Program
from translation.table import Known, shape_of, translation


@translation("dynamic_slice")
def dynamic_slice(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """A slice at places that are known, moved back where it would leave x."""
    shape, mine = shape_of(eqn), program.shapes[operands[0]]
    if any(at is None and size != cells for at, size, cells in zip(known[1:], shape, mine, strict=True)):
        return None
    starts = [
        0 if at is None else min(max(int(at), 0), cells - size)
        for at, size, cells in zip(known[1:], shape, mine, strict=True)
    ]
    return [sliced(program, operands[0], starts, (1,) * len(shape), shape)]


@translation("gather")
def gather(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """Cells, or neighbouring ones, at known places along one axis."""
    numbers, sizes, places = eqn.params["dimension_numbers"], eqn.params["slice_sizes"], known[1]
    x, mine = operands[0], program.shapes[operands[0]]
    picked = tuple(numbers.collapsed_slice_dims)
    axes = [n for n, (size, cells) in enumerate(zip(sizes, mine, strict=True)) if size != cells or n in picked]
    if places is None or len(axes) != 1 or numbers.operand_batching_dims or axes[0] not in numbers.start_index_map:
        return None
    (axis,) = axes
    column, collapsed = numbers.start_index_map.index(axis), axis in picked
    if np.any(np.delete(places, column, -1)):  # other axes are read whole, from their first cell on
        return None
    places = np.asarray(places)[..., column].astype(int)
    if places.size == 0 or places.min() < 0 or places.max() + sizes[axis] > mine[axis]:
        return None
    batch = places.shape
    reads = (places[..., None] + np.arange(sizes[axis])).reshape(-1)
    x = program.take(x, axis, reads.tolist())
    inner = () if collapsed else (sizes[axis],)
    x = program.reshape(x, (*mine[:axis], *batch, *inner, *mine[axis + 1 :]))
    # The axes of x now: those before, the batch's, the window's, those after; the result mixes them as it says.
    offsets = iter(numbers.offset_dims)
    others = iter([n for n in range(len(shape_of(eqn))) if n not in numbers.offset_dims])
    places_of = [next(offsets) for _ in range(axis)] + [next(others) for _ in batch]
    places_of += [next(offsets) for _ in inner] + [next(offsets) for _ in mine[axis + 1 :]]
    return [program.reindex(x, places_of, shape_of(eqn))]


@translation("dynamic_update_slice")
def dynamic_update_slice(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """x with the update written over one window, at a place that is known."""
    x, update = operands[:2]
    mine, its = program.shapes[x], program.shapes[update]
    if any(at is None and m != n for at, m, n in zip(known[2:], mine, its, strict=True)):
        return None
    starts = [0 if at is None else min(max(int(at), 0), m - n) for at, m, n in zip(known[2:], mine, its, strict=True)]
    return [_overwritten(program, x, update, starts, lambda old, new: new)]


@translation("scatter", "scatter-add")
def scatter(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """x with the update written over one window, or added to it, at a place that is known and inside of x."""
    x, _, update = operands
    numbers, places, mine = eqn.params["dimension_numbers"], known[1], program.shapes[operands[0]]
    if places is None or np.ndim(places) != 1 or getattr(numbers, "operand_batching_dims", ()):
        return None
    for axis in numbers.inserted_window_dims:
        update = program.insert(update, axis)
    at = dict(zip(numbers.scatter_dims_to_operand_dims, map(int, places), strict=True))
    starts = [at.get(n, 0) for n in range(len(mine))]
    its = program.shapes[update]
    if any(starts[n] < 0 or starts[n] + its[n] > mine[n] for n in range(len(mine))):
        return None
    adds = eqn.primitive.name == "scatter-add"
    written = lambda old, new: program.map(np.add, [old, new]) if adds else new
    return [_overwritten(program, x, update, starts, written)]


def _overwritten(program: Program, x: int, update: int, starts: Sequence[int], written: Any, axis: int = 0) -> int:
    """What stands before the window along the axis, the window with the update in it, and what stands behind."""
    if axis == len(starts):
        return written(x, update)
    start, size, length = starts[axis], program.shapes[update][axis], program.shapes[x][axis]
    inner = program.slice(x, axis, start, 1, size)
    parts = [_overwritten(program, inner, update, starts, written, axis + 1)]
    if start:
        parts.insert(0, program.slice(x, axis, 0, 1, start))
    if start + size < length:
        parts.append(program.slice(x, axis, start + size, 1, length - start - size))
    return program.cat_all(parts, axis)
