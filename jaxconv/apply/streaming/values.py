"""The values of a function whose input arrives in chunks: signals, constants along the streamed axis, and parts.

A value along the streamed axis has `rate*T + end` cells if the input has T cells. The cells of a `Signal` arrive in
three phases: `offset` cells when the stream begins (none if it is negative), `rate*c` cells with each chunk of c input
cells, and `end - offset` cells when the stream ends. If `offset` is negative, the first `-offset` cells that arrive lie
before the first cell of the signal. They are not part of it, and no cell of it is computed from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from itertools import pairwise
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxconv.jaxprs.typing import Array, ArrayValue
from jaxconv.verify.domain import CannotProve
from jaxconv.verify.tiling.agreement import bits

UNEVEN = "its length is no fixed number of cells per cell of the signal"
OTHER_LENGTH = "its length does not follow from that of its operand"
BLOCKS = "it cuts the streamed axis into blocks that do not divide it"
BY_LENGTH = {UNEVEN, OTHER_LENGTH, BLOCKS}  # reasons that chunks of another size may not have


class Phase(Enum):
    """Which cells of the input arrive: none yet, those of a chunk, or none any more."""

    BEGIN = "begin"
    STEP = "step"
    END = "end"


@dataclass(frozen=True, eq=False)
class Signal:
    """A value that arrives segment by segment.

    Attributes:
        array: the cells that arrive in this phase.
        axis: the streamed axis of the array.
        rate: number of cells per input cell.
        offset: number of cells that arrive before the first chunk.
        end: the value has `rate*T + end` cells.
        head: the first cells are copies of these cells, which lie after them. They arrive with other contents.
    """

    array: ArrayValue
    axis: int
    rate: Fraction
    offset: int
    end: int
    head: tuple[int, ...] = ()

    @property
    def rest(self) -> int:
        """Number of cells that arrive when the stream ends."""
        return self.end - self.offset


@dataclass(frozen=True, eq=False)
class Constant:
    """A value that does not depend on the input: cells at the start, one cell that is repeated, cells at the end."""

    first: ArrayValue
    middle: ArrayValue
    last: ArrayValue
    axis: int
    rate: Fraction
    end: int

    @property
    def latest(self) -> int:
        """The largest offset at which the cells at the end have not arrived before the stream ends."""
        return self.end - self.last.shape[self.axis]


@dataclass(frozen=True, eq=False)
class Part:
    """A fixed number of cells of a signal: cells counted from its start, or, if negative, from its end.

    If `copies` is a number, each of them has so many copies along a new axis behind the streamed one.
    """

    source: Signal
    cells: tuple[int, ...]
    copies: int | None = None


Value: TypeAlias = Signal | Constant | Part | ArrayValue
Lengths: TypeAlias = tuple[int, int]  # of the input, in the two traces


def cells(array: ArrayValue, axis: int, start: int, stop: int) -> Array:
    """The cells [start, stop) of an array along an axis."""
    length = array.shape[axis]
    start, stop = (min(max(bound, 0), length) for bound in (start, stop))
    return lax.slice_in_dim(jnp.asarray(array), start, max(start, stop), axis=axis)


def filled(like: ArrayValue, axis: int, count: int, fill: ArrayValue) -> Array:
    """`count` cells with one number, of the shape and dtype of another array otherwise."""
    shape = (*like.shape[:axis], max(count, 0), *like.shape[axis + 1 :])
    return jnp.broadcast_to(lax.convert_element_type(fill, like.dtype), shape)


def joined(arrays: list[ArrayValue], axis: int) -> Array:
    """Arrays that follow one another, without those that have no cells."""
    kept = [array for array in arrays if array.shape[axis]] or arrays[:1]
    return kept[0] if len(kept) == 1 else lax.concatenate(list(map(jnp.asarray, kept)), axis)


def growing_axis(shape: tuple[int, ...], other: tuple[int, ...]) -> int | None:
    """The only axis whose length depends on the length of the input; None if there is none."""
    grown = [axis for axis, (one, two) in enumerate(zip(shape, other, strict=True)) if one != two]
    if len(grown) > 1:
        raise CannotProve("two axes of a value depend on the length of the signal")
    return grown[0] if grown else None


def law_of(length: int, other: int, lengths: Lengths) -> tuple[Fraction, int]:
    """The rate and the end of a value, from its lengths in the two traces."""
    rate = Fraction(other - length, lengths[1] - lengths[0])
    end = length - rate * lengths[0]
    if end.denominator > 1 or rate <= 0:
        raise CannotProve(UNEVEN)
    return rate, int(end)


def constant_of(array: np.ndarray, other: np.ndarray, lengths: Lengths) -> Constant:
    """A constant array that was computed from the length of the input, from its contents in the two traces.

    Raises:
        CannotProve: it is not one cell that is repeated, between cells at the start and at the end.
    """
    axis = growing_axis(array.shape, other.shape)
    if axis is None:
        raise CannotProve("a constant depends on the length of the signal")
    rate, end = law_of(array.shape[axis], other.shape[axis], lengths)
    rows = [bits(np.moveaxis(one, axis, 0).reshape(one.shape[axis], -1)) for one in (array, other)]
    edges = [0, *(np.flatnonzero((rows[1][1:] != rows[1][:-1]).any(1)) + 1).tolist(), len(rows[1])]
    lo, hi = max(pairwise(edges), key=lambda run: run[1] - run[0])
    after = len(rows[1]) - hi
    count = len(rows[0]) - lo - after
    middle = [rows[1][lo]] * max(count, 0)
    if count < 1 or not np.array_equal(rows[0], np.stack([*rows[1][:lo], *middle, *rows[1][hi:]])):
        raise CannotProve("a constant depends on the position", "Use the same number at every position")
    first, middle, last = (np.take(other, range(*ends), axis) for ends in ((0, lo), (lo, lo + 1), (hi, len(rows[1]))))
    return Constant(first, middle, last, axis, rate, end)


def checked(value: Value, shape: tuple[int, ...], other: tuple[int, ...], lengths: Lengths) -> Value:
    """A result, if its length is that of the two traces.

    Raises:
        CannotProve: it is not.
    """
    axis = growing_axis(shape, other)
    if isinstance(value, Signal | Constant):
        expected = [value.rate * length + value.end for length in lengths]
        if axis is None or axis != value.axis or expected != [shape[axis], other[axis]]:
            raise CannotProve(OTHER_LENGTH)
    elif isinstance(value, Part):
        if axis is not None:
            raise CannotProve(OTHER_LENGTH)
    elif axis is not None:
        raise CannotProve("its result depends on the length of the signal, and its operands do not")
    return value


def moved(signal: Signal, array: ArrayValue, axis: int) -> Signal:
    """The same cells of another array."""
    return replace(signal, array=array, axis=axis)


def number_of_cells(tree: object) -> int:
    """Number of cells of all arrays in a container."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))
