"""Where a value comes from: from the input, from parameters alone, or from neither; and of how many numbers it is made.

An array that was padded, cut into windows or spread over positions has more cells than it has numbers. Each value keeps
the trail of the values that it was moved from; the smallest of them bounds the numbers that stand in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, takewhile
from typing import Any

from jaxconv.account.boxes import Box
from jaxconv.jaxprs.layout import is_literal
from jaxconv.jaxprs.primitives import family, named
from jaxconv.jaxprs.registry import Registry

POINTWISE = family("pointwise")
CASTS = named(lambda row: row.family == "pointwise" and row.moves)
# What their results hold are their operands' numbers, or some of them.
MOVEMENT = named(lambda row: row.moves or (row.family == "scatter" and bool(row.linear)))


@dataclass(frozen=True)
class Part:
    """Some cells of a parameter. `loops`: those of which every round takes another slice of it."""

    leaf: int
    box: Box
    loops: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Origin:
    """Where a value comes from.

    `data`: it depends on the input; else `parts` are the parameters that it is made of, none for a constant. `after`:
    of data, the last layer that it has passed. `axes`: which axis of its only part each axis is, so that it can be cut.
    """

    data: bool = False
    parts: tuple[Part, ...] = ()
    after: int = -1
    trail: tuple[tuple[int, int], ...] = field(default=(), compare=False)  # (name, cells), this value's own last
    axes: tuple[int | None, ...] | None = None

    @property
    def numbers(self) -> int:
        """How many different numbers there can be in the value."""
        return min((cells for _, cells in self.trail), default=1)

    @property
    def fixed(self) -> bool:
        """Whether it is a constant."""
        return not self.data and not self.parts


CONSTANT = Origin()


def mixed(operands: Sequence[Origin]) -> Origin:
    """Where a result comes from: from data if an operand does, else from all their parameters. Its trail is empty."""
    data = any(operand.data for operand in operands)
    after = max((operand.after for operand in operands if operand.data), default=-1)
    parts = () if data else tuple(dict.fromkeys(part for operand in operands for part in operand.parts))
    return Origin(data, parts, after)


def moved(operands: Sequence[Origin]) -> Origin:
    """The same of a result that holds its operands' numbers: its trail begins with what is common to all of theirs.

    So the windows of a padded image, joined again, hold the image's numbers. Constants, as the zeros of a padding, do
    not count.
    """
    trails = [operand.trail for operand in operands if not operand.fixed]
    if not trails:
        return mixed(operands)
    alike = takewhile(lambda each: len(set(each)) == 1, zip(*trails, strict=False))
    return replace(mixed(operands), trail=tuple(each[0] for each in alike))


view: Registry[Callable[[Any, int], list[View]]] = Registry()  # of an equation and its first operand's axes


@dataclass(frozen=True)
class View:
    """A result whose axis k is axis `order[k]` of the operand, None if a new one, after `cuts` (axis, start, stop)."""

    order: tuple[int | None, ...]
    cuts: tuple[tuple[int, int, int], ...] = ()


def seen(origin: Origin, view: View) -> Origin:
    """The parts and axes of a view of a value; what cannot be located stays whole."""
    if origin.axes is None or len(origin.parts) != 1:
        return replace(origin, axes=None)
    (part,) = origin.parts
    box = list(part.box)
    for axis, start, stop in view.cuts:
        its = origin.axes[axis]
        if its is not None:
            box[its] = (box[its][0] + start, box[its][0] + stop)
    axes = tuple(None if axis is None else origin.axes[axis] for axis in view.order)
    return replace(origin, parts=(replace(part, box=tuple(box)),), axes=axes)


def views(equation: Any) -> list[View] | None:
    """How each result views the first operand; None of what is no view."""
    name = equation.primitive.name
    rank = len(getattr(equation.invars[0].aval, "shape", ())) if equation.invars else 0
    if name in CASTS:
        return [View(tuple(range(rank)))] * len(equation.outvars)
    return view[name](equation, rank) if name in view else None


def permutes(equation: Any) -> bool:
    """Whether the one result is the first operand with its axes in another order."""
    found = views(equation)
    if found is None or len(found) != 1 or found[0].cuts:
        return False
    order, rank = found[0].order, equation.invars[0].aval.ndim
    return order != tuple(range(rank)) and sorted(axis for axis in order if axis is not None) == list(range(rank))


@view("slice")
def _slice(equation: Any, rank: int) -> list[View]:
    starts, stops = equation.params["start_indices"], equation.params["limit_indices"]
    steps = equation.params["strides"] or (1,) * rank
    order = tuple(axis if step == 1 else None for axis, step in enumerate(steps))
    return [View(order, tuple(zip(range(rank), starts, stops, strict=True)))]


@view("dynamic_slice")
def _dynamic_slice(equation: Any, rank: int) -> list[View]:
    shape, sizes = equation.invars[0].aval.shape, equation.params["slice_sizes"]
    order: list[int | None] = list(range(rank))
    cuts = []
    for axis, (start, size) in enumerate(zip(equation.invars[1:], sizes, strict=True)):
        if is_literal(start):
            first = min(max(int(start.val), 0), shape[axis] - size)
            cuts.append((axis, first, first + size))
        elif size < shape[axis]:
            order[axis] = None
    return [View(tuple(order), tuple(cuts))]


@view("broadcast_in_dim")
def _broadcast(equation: Any, rank: int) -> list[View]:
    before, after = equation.invars[0].aval.shape, equation.params["shape"]
    at = equation.params["broadcast_dimensions"]
    from_ = {to: axis for axis, to in enumerate(at) if before[axis] == after[to]}
    return [View(tuple(from_.get(axis) for axis in range(len(after))))]


@view("split")
def _split(equation: Any, rank: int) -> list[View]:
    axis, sizes = equation.params["axis"], [int(size) for size in equation.params["sizes"]]
    stops = list(accumulate(sizes))
    return [View(tuple(range(rank)), ((axis, stop - size, stop),)) for size, stop in zip(sizes, stops, strict=True)]


@view("unstack")
def _unstack(equation: Any, rank: int) -> list[View]:
    axis = equation.params["axis"]
    order = tuple(other for other in range(rank) if other != axis)
    return [View(order, ((axis, number, number + 1),)) for number in range(len(equation.outvars))]


@view("transpose")
def _transpose(equation: Any, rank: int) -> list[View]:
    return [View(tuple(equation.params["permutation"]))]


@view("squeeze")
def _squeeze(equation: Any, rank: int) -> list[View]:
    return [View(tuple(n for n in range(rank) if n not in equation.params["dimensions"]))]


def one_round(origin: Origin, loop: Any, length: int, shape: Sequence[int]) -> tuple[Origin, int]:
    """A slice of what a loop goes through, whichever, and how many numbers are in it.

    Every round has a slice of its own, unless there are no more numbers in the whole than in one.
    """
    cells = math.prod(shape[1:])
    parts, numbers = origin.parts, min(origin.numbers, cells)
    if origin.numbers > cells:
        parts, numbers = tuple(replace(part, loops=(*part.loops, loop)) for part in parts), origin.numbers // length
    axes = None if origin.axes is None else origin.axes[1:]
    return replace(origin, parts=parts, axes=axes), numbers


def either(one: Origin, other: Origin) -> Origin:
    """A value that may be any of two. Of data, it has passed what the first one has."""
    if replace(one, after=-1) == replace(other, after=-1):
        return one
    both = mixed([one, other])
    return replace(both, after=one.after if one.data else both.after)
