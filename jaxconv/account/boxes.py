"""Boxes: rectangular blocks of an array's cells, and the set differences of boxes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

Box: TypeAlias = tuple[tuple[int, int], ...]  # (start, stop) along each axis


def whole(shape: Sequence[int]) -> Box:
    """The box of all cells of an array.

    >>> whole((2, 3))
    ((0, 2), (0, 3))
    """
    return tuple((0, length) for length in shape)


def volume(box: Box) -> int:
    """Number of cells in a box. A box without axes has one cell.

    >>> volume(((1, 3), (0, 5))), volume(())
    (10, 1)
    """
    return math.prod(max(stop - start, 0) for start, stop in box)


def without(box: Box, other: Box) -> list[Box]:
    """Disjoint boxes that cover the cells of `box` outside `other`: at most two for each axis.

    >>> without(((0, 4), (0, 4)), ((0, 2), (1, 9)))
    [((2, 4), (0, 4)), ((0, 2), (0, 1))]
    """
    common = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(box, other, strict=True)]
    if any(start >= stop for start, stop in common):
        return [box]
    pieces = []
    for axis, ((start, stop), (first, last)) in enumerate(zip(box, common, strict=True)):
        side = lambda cells, axis=axis: (*common[:axis], cells, *box[axis + 1 :])
        pieces += [side(cells) for cells in ((start, first), (last, stop)) if cells[0] < cells[1]]
    return pieces


def remaining(box: Box, taken: Iterable[Box]) -> list[Box]:
    """Disjoint boxes that cover the cells of `box` outside every box in `taken`.

    >>> remaining(((0, 6),), [((0, 2),), ((4, 5),)])
    [((2, 4),), ((5, 6),)]
    """
    pieces = [box]
    for other in taken:
        pieces = [rest for piece in pieces for rest in without(piece, other)]
    return pieces
