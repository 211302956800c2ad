"""Programs of the verified checker (proofs/coq/CertifierProgram.v): lists of instructions on arrays, built one by one.

Each method appends instructions and returns the number of the value that the last one makes. `functions` keeps what the
checker does not look at: the table of a constant, the function of numbers that an instruction stands for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LONGEST_PERIOD = 64  # of a constant's pattern that is looked for
Shape = tuple[int, ...]


def period(array: np.ndarray, axis: int) -> int:
    """The least p with array[i] == array[i % p] along an axis, 1 if all cells are alike; 0 if there is none."""
    moved = np.moveaxis(array, axis, 0)
    for p in range(1, min(len(moved), LONGEST_PERIOD + 1)):
        if np.array_equal(moved[p:], moved[:-p], equal_nan=True):
            return p
    return 1 if len(moved) <= 1 else 0


@dataclass
class Program:
    """A program that is being built: the shape of each value, and for each instruction what makes it."""

    inputs: list[tuple[int, Shape]] = field(default_factory=list)  # the argument, and its shape
    shapes: list[Shape] = field(default_factory=list)
    instructions: list[list[Any]] = field(default_factory=list)
    functions: list[Any] = field(default_factory=list)

    def input(self, argument: int, shape: Shape) -> int:
        """An argument of the function; all of them come before the first instruction."""
        self.inputs.append((argument, shape))
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def add(self, shape: Sequence[int], function: Any, *instruction: Any) -> int:
        """One instruction."""
        self.shapes.append(tuple(shape))
        self.instructions.append([_plain(part) for part in instruction])
        self.functions.append(function)
        return len(self.shapes) - 1

    def constant(self, array: Any, *, known: bool) -> int:
        """A table of numbers; `known`: with the periods that they have."""
        shape = np.shape(array)
        periods = [period(np.asarray(array), axis) if known else 0 for axis in range(len(shape))]
        return self.add(shape, array, "const", [list(pair) for pair in zip(shape, periods, strict=True)])

    def map(self, function: Callable[..., Any], values: Sequence[int]) -> int:
        """function(x[i], y[i], ...)."""
        return self.add(self.shapes[values[0]], function, "map", list(values))

    def reindex(self, x: int, places: Sequence[int | None], sizes: Sequence[int]) -> int:
        """out[i] = x[...], where axis n of x is axis places[n] of the result; its cell 0 is read where that is None."""
        if tuple(places) == tuple(range(len(sizes))) and self.shapes[x] == tuple(sizes):
            return x
        return self.add(sizes, None, "reindex", x, list(places), list(sizes))

    def slice(self, x: int, axis: int, start: int, stride: int, count: int) -> int:
        """out[i] = x[start + stride*i]."""
        length = self.shapes[x][axis]
        if (start, stride, count) == (0, 1, length):
            return x
        return self.add(self._with(x, axis, count), None, "slice", x, axis, length, start, stride, count)

    def pad(self, x: int, number: int, axis: int, before: int, after: int, between: int) -> int:
        """The cells of x with `between` others between them, and others before and after."""
        length = self.shapes[x][axis]
        total = length + between * max(length - 1, 0) + before + after
        if (before, after, between) == (0, 0, 0):
            return x
        if between == 0 and before <= 0 and after <= 0:
            return self.slice(x, axis, -before, 1, total)
        return self.add(self._with(x, axis, total), None, "pad", x, number, axis, length, before, between + 1, total)

    def along(self, function: Callable[..., Any], x: int, axis: int, count: int, *, commutes: bool) -> int:
        """out[i] = F(i, all cells along the axis); `function` takes them on the last axis and puts `count` there."""
        return self.add(self._with(x, axis, count), function, "along", x, axis, self.shapes[x][axis], count, commutes)

    def take(self, x: int, axis: int, places: Sequence[int]) -> int:
        """out[i] = x[places[i]]."""
        matrix = np.zeros((self.shapes[x][axis], len(places)), int)
        matrix[np.asarray(places), np.arange(len(places))] = 1
        return self.weigh(x, axis, matrix)

    def weigh(self, x: int, axis: int, matrix: np.ndarray) -> int:
        """out[j] = sum_k x[k] matrix[k, j]: each column's places and weights, in an order that advances with it."""
        length, count = matrix.shape
        apart, by = _advance(matrix)
        weights, names = np.unique(matrix, return_inverse=True)
        names, columns = names.reshape(matrix.shape), []
        for j in range(count):
            places = sorted(np.flatnonzero(matrix[:, j]).tolist(), key=lambda k: (k - by * (j // apart)) % length)
            columns.append([[k, int(names[k, j])] for k in places])
        return self.add(self._with(x, axis, count), weights, "weigh", x, axis, length, columns, apart, by)

    def cat(self, x: int, y: int, axis: int) -> int:
        """x, and then y."""
        first, second = self.shapes[x][axis], self.shapes[y][axis]
        return self.add(self._with(x, axis, first + second), None, "cat", x, y, axis, first, second)

    def cat_all(self, values: Sequence[int], axis: int) -> int:
        """Several values, one after another."""
        first, *others = values
        for other in others:
            first = self.cat(first, other, axis)
        return first

    def recut(self, x: int, axis: int, minor: int) -> int:
        """The cells of two neighbouring axes as axes of other lengths, `minor` the second one's."""
        first, second = self.shapes[x][axis : axis + 2]
        shape = self._with(self._with(x, axis, first * second // minor), axis + 1, minor)
        return self.add(shape, None, "recut", x, axis, second, minor)

    def opaque(self, name: str, values: Sequence[int], shape: Shape, function: Callable[..., Any]) -> int:
        """What a primitive of which nothing is known makes of all its operands."""
        operands = [[x, list(self.shapes[x])] for x in values]
        return self.add(shape, function, "opaque", name, operands, list(shape))

    # Several instructions that together do one thing.

    def insert(self, x: int, axis: int) -> int:
        """A new axis of one cell."""
        shape = self.shapes[x]
        places = [n + (n >= axis) for n in range(len(shape))]
        return self.reindex(x, places, (*shape[:axis], 1, *shape[axis:]))

    def drop(self, x: int, axes: Sequence[int]) -> int:
        """Axes of one cell taken away."""
        kept = [n for n in range(len(self.shapes[x])) if n not in axes]
        places = [None if n in axes else kept.index(n) for n in range(len(self.shapes[x]))]
        return self.reindex(x, places, [self.shapes[x][n] for n in kept])

    def spread(self, x: int, shape: Shape) -> int:
        """A number, or a value with axes of one cell, over a whole shape."""
        mine = self.shapes[x]
        if not mine:
            return self.reindex(x, [], shape)
        return self.reindex(x, [None if m != n else a for a, (m, n) in enumerate(zip(mine, shape, strict=True))], shape)

    def transpose(self, x: int, order: Sequence[int]) -> int:
        """Axis n of the result is axis order[n] of x."""
        return self.reindex(x, [list(order).index(n) for n in range(len(order))], [self.shapes[x][n] for n in order])

    def split(self, x: int, axis: int, minor: int) -> int:
        """One axis as two, the second of `minor` cells."""
        return self.recut(self.insert(x, axis), axis, minor)

    def merge(self, x: int, axis: int) -> int:
        """Two neighbouring axes as one."""
        return self.drop(self.recut(x, axis, math.prod(self.shapes[x][axis : axis + 2])), [axis])

    def reshape(self, x: int, shape: Shape) -> int:
        """The same cells in row-major order, cut into other axes: merged and split from the last one on."""
        mine = [n for n in self.shapes[x] if n != 1]
        x = self.drop(x, [n for n, cells in enumerate(self.shapes[x]) if cells == 1])
        target = [n for n in shape if n != 1]
        if mine != target:
            at = len(mine) - 1
            for cells in reversed(target):
                while self.shapes[x][at] % cells:
                    x, at = self.merge(x, at - 1), at - 1
                if self.shapes[x][at] > cells:
                    x, at = self.split(x, at, cells), at + 1
                at -= 1
        wide = [n for n, cells in enumerate(shape) if cells != 1]
        return self.reindex(x, wide, shape)

    def windows(
        self, x: int, axis: int, number: int, *,
        taps: int, stride: int, dilation: int, before: int, count: int, by_taps: bool = False,
    ) -> int:  # fmt: skip
        """The axis as two: out[j, u] = x[j*stride - before + u*dilation], the number beyond x.

        `by_taps`: a hint that the taps move along with x, as where a moving value is the kernel, rather than windows.
        """
        length = self.shapes[x][axis]
        wide = self._with(x, axis, count * taps)
        x = self.add(wide, None, "unfold", x, number, axis, length, -before, stride, dilation, taps, count, by_taps)
        return self.split(x, axis, taps)

    def reduce(self, function: Callable[..., Any], x: int, axes: Sequence[int], *, commutes: bool = True) -> int:
        """A commutative function of all cells along some axes, which are taken away."""
        one = lambda cells: np.expand_dims(function(cells), -1)
        for axis in axes:
            x = self.along(one, x, axis, 1, commutes=commutes)
        return self.drop(x, axes)

    def _with(self, x: int | Shape, axis: int, length: int) -> Shape:
        shape = self.shapes[x] if isinstance(x, int) else x
        return (*shape[:axis], length, *shape[axis + 1 :])


def _plain(part: Any) -> Any:
    """NumPy's whole numbers, in which some equations' parameters come, as Python's."""
    if isinstance(part, list):
        return [_plain(each) for each in part]
    return int(part) if isinstance(part, np.integer) else part


def _advance(matrix: np.ndarray) -> tuple[int, int]:
    """How most columns advance: matrix[k + by, j + apart] = matrix[k, j], k modulo the rows. A hint, no more."""
    length, count = matrix.shape
    tops = matrix.astype(bool).argmax(axis=0)
    best = (0.0, 1, 1)
    for apart in range(1, min(count // 2, LONGEST_PERIOD) + 1):
        ahead = tops[apart:] - tops[:-apart]
        for by in {int(step) for step in ahead[len(ahead) // 2 :][: 2 * apart]} - {0}:
            moved = np.roll(matrix[:, :-apart], by, axis=0) == matrix[:, apart:]
            share = float(np.mean(moved.all(axis=0)))
            if share > best[0] + 0.05:
                best = (share, apart, (by + length // 2) % length - length // 2 or by)
    return best[1:]
