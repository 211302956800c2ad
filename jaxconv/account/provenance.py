"""The origin of a value: the input, parameters alone, or neither; and how many different numbers it holds.

An array that was padded, cut into windows or broadcast has more cells than different numbers. So each value keeps the
trail of the values that it was moved from. The smallest of them bounds the number of different numbers in the value.
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
# Each element of a result of these primitives is an element of an operand.
MOVEMENT = named(lambda row: row.moves or (row.family == "scatter" and bool(row.linear)))


@dataclass(frozen=True)
class Part:
    """Some cells of a parameter. `loops`: the loops in which each round takes another slice of it."""

    leaf: int
    box: Box
    loops: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Origin:
    """The origin of a value.

    Attributes:
        data: whether the value depends on the input.
        parts: the parameters that it is computed from, if it is not data. Empty for a constant.
        after: the last layer that the data has passed; -1 if there is none.
        trail: (name, cells) of the values that it was moved from, then of the value itself.
        axes: the parameter's axis along each axis of the value, if it has one part. Views of it can then be located.
    """

    data: bool = False
    parts: tuple[Part, ...] = ()
    after: int = -1
    trail: tuple[tuple[int, int], ...] = field(default=(), compare=False)
    axes: tuple[int | None, ...] | None = None

    @property
    def numbers(self) -> int:
        """Upper bound of the number of different numbers in the value."""
        return min((cells for _, cells in self.trail), default=1)

    @property
    def fixed(self) -> bool:
        """Whether the value is a constant."""
        return not self.data and not self.parts


CONSTANT = Origin()


def mixed(operands: Sequence[Origin]) -> Origin:
    """The origin of a result: data if an operand is data, otherwise all parameters of the operands. No trail."""
    data = any(operand.data for operand in operands)
    after = max((operand.after for operand in operands if operand.data), default=-1)
    parts = () if data else tuple(dict.fromkeys(part for operand in operands for part in operand.parts))
    return Origin(data, parts, after)


def moved(operands: Sequence[Origin]) -> Origin:
    """The origin of a result that holds its operands' numbers. Its trail starts with the common start of their trails.

    So the windows of a padded image, when joined again, hold the numbers of the image. Constants, such as the zeros of
    a padding, are not counted.
    """
    trails = [operand.trail for operand in operands if not operand.fixed]
    if not trails:
        return mixed(operands)
    same = takewhile(lambda names: len(set(names)) == 1, zip(*trails, strict=False))
    return replace(mixed(operands), trail=tuple(names[0] for names in same))


view: Registry[Callable[[Any, int], list[View]]] = Registry()  # arguments: the equation; its first operand's rank


@dataclass(frozen=True)
class View:
    """A result whose axis k is axis `order[k]` of the operand (None: a new axis), after `cuts` (axis, start, stop)."""

    order: tuple[int | None, ...]
    cuts: tuple[tuple[int, int, int], ...] = ()


def viewed(origin: Origin, view: View) -> Origin:
    """The origin of a view of a value. Parts that cannot be located remain whole."""
    if origin.axes is None or len(origin.parts) != 1:
        return replace(origin, axes=None)
    (part,) = origin.parts
    box = list(part.box)
    for axis, start, stop in view.cuts:
        leaf_axis = origin.axes[axis]
        if leaf_axis is not None:
            box[leaf_axis] = (box[leaf_axis][0] + start, box[leaf_axis][0] + stop)
    axes = tuple(None if axis is None else origin.axes[axis] for axis in view.order)
    return replace(origin, parts=(replace(part, box=tuple(box)),), axes=axes)


def views(equation: Any) -> list[View] | None:
    """How each result views the first operand; None if the equation is not a view."""
    name = equation.primitive.name
    rank = len(getattr(equation.invars[0].aval, "shape", ())) if equation.invars else 0
    if name in CASTS:
        return [View(tuple(range(rank)))] * len(equation.outvars)
    return view[name](equation, rank) if name in view else None


def permutes(equation: Any) -> bool:
    """Whether the single result is the first operand with its axes in another order."""
    result_views = views(equation)
    if result_views is None or len(result_views) != 1 or result_views[0].cuts:
        return False
    order, rank = result_views[0].order, equation.invars[0].aval.ndim
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


def loop_slice(origin: Origin, loop: Any, length: int, shape: Sequence[int]) -> tuple[Origin, int]:
    """The origin of the slice that a loop takes in one round, and the number of different numbers in it.

    Each round has a different slice, unless the whole array holds no more numbers than one slice.
    """
    cells = math.prod(shape[1:])
    parts, numbers = origin.parts, min(origin.numbers, cells)
    if origin.numbers > cells:
        parts, numbers = tuple(replace(part, loops=(*part.loops, loop)) for part in parts), origin.numbers // length
    axes = None if origin.axes is None else origin.axes[1:]
    return replace(origin, parts=parts, axes=axes), numbers


def either(before: Origin, after: Origin) -> Origin:
    """The origin of a value that has one of two origins. If the first one is data, the result keeps its last layer."""
    if replace(before, after=-1) == replace(after, after=-1):
        return before
    both = mixed([before, after])
    return replace(both, after=before.after if before.data else both.after)
