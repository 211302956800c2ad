"""Runs a program by what CertifierProgram.v says that each instruction computes, to compare it with its function.

This is how a translation is tested: what the checker accepts of a program says something of a JAX function only if the
two compute the same. Written as loops over index arrays and NumPy's indexing, after `execute` in the Coq file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from translation.program import Shape
from translation.walk import Translated


def execute(translated: Translated, inputs: Sequence[Any]) -> list[Any]:
    """The outputs of a program for some inputs (the leaves of all arguments)."""
    program = translated.program
    values = list(inputs)
    for instruction, function in zip(program.instructions, program.functions, strict=True):
        name, *parts = instruction
        values.append(STEPS[name](values, program.shapes[len(values)], function, *parts))
    return [values[number] for number in translated.outputs]


def _axis_of(x: Any, axis: int, read: Callable[[Any], Any]) -> Any:
    """An array of which one axis, moved to the front, was changed by `read`."""
    return np.moveaxis(read(np.moveaxis(np.asarray(x), axis, 0)), 0, axis)


def _or_else(cells: Any, places: np.ndarray, inside: np.ndarray, number: Any) -> Any:
    """cells[place] where the place is inside, the number elsewhere."""
    read = cells[np.where(inside, places, 0)]
    spread = inside.reshape(inside.shape + (1,) * (read.ndim - 1))
    return np.where(spread, read, np.asarray(number, read.dtype))


def _const(values: Any, shape: Shape, table: Any, sizes: Any) -> Any:
    return table


def _map(values: Any, shape: Shape, function: Any, operands: Any) -> Any:
    return function(*(values[x] for x in operands))


def _reindex(values: Any, shape: Shape, function: Any, x: int, places: Any, sizes: Any) -> Any:
    indices = np.indices(shape, sparse=True)
    return np.broadcast_to(np.asarray(values[x])[tuple(0 if p is None else indices[p] for p in places)], shape)


def _slice(
    values: Any, shape: Shape, function: Any, x: int, axis: int, length: int, start: int, stride: int, count: int
) -> Any:
    return _axis_of(values[x], axis, lambda cells: cells[start + stride * np.arange(count)])


def _pad(
    values: Any, shape: Shape, function: Any, x: int, number: int, axis: int, length: int,
    before: int, apart: int, total: int,
) -> Any:  # fmt: skip
    places, between = np.divmod(np.arange(total) - before, apart)
    inside = (between == 0) & (places >= 0) & (places < length)
    return _axis_of(values[x], axis, lambda cells: _or_else(cells, places, inside, values[number]))


def _unfold(
    values: Any, shape: Shape, function: Any, x: int, number: int, axis: int, length: int,
    start: int, stride: int, dilation: int, taps: int, count: int, by_taps: bool,
) -> Any:  # fmt: skip
    window, tap = np.divmod(np.arange(count * taps), taps)
    places = start + stride * window + dilation * tap
    inside = (places >= 0) & (places < length)
    return _axis_of(values[x], axis, lambda cells: _or_else(cells, places, inside, values[number]))


def _along(values: Any, shape: Shape, function: Any, x: int, axis: int, length: int, count: int, commutes: bool) -> Any:
    return np.moveaxis(np.asarray(function(np.moveaxis(np.asarray(values[x]), axis, -1))), -1, axis)


def _weigh(
    values: Any, shape: Shape, weights: Any, x: int, axis: int, length: int, columns: Any, apart: int, by: int
) -> Any:
    def sums(cells: Any) -> Any:
        zero = np.zeros(cells.shape[1:], np.result_type(cells, weights))
        return np.stack([sum((cells[k] * weights[name] for k, name in column), zero) for column in columns])

    return _axis_of(values[x], axis, sums)


def _recut(values: Any, shape: Shape, function: Any, x: int, axis: int, second: int, minor: int) -> Any:
    flat = np.arange(shape[axis])[:, None] * minor + np.arange(minor)
    cells = np.moveaxis(np.asarray(values[x]), (axis, axis + 1), (0, 1))[flat // second, flat % second]
    return np.moveaxis(cells, (0, 1), (axis, axis + 1))


def _cat(values: Any, shape: Shape, function: Any, x: int, y: int, axis: int, first: int, second: int) -> Any:
    one, other = (np.moveaxis(np.asarray(values[n]), axis, 0) for n in (x, y))
    return np.moveaxis(np.stack([one[i] if i < first else other[i - first] for i in range(first + second)]), 0, axis)


def _opaque(values: Any, shape: Shape, function: Any, name: str, operands: Any, sizes: Any) -> Any:
    return function(*(values[x] for x, _ in operands))


STEPS: dict[str, Callable[..., Any]] = {
    "const": _const, "map": _map, "reindex": _reindex, "slice": _slice, "pad": _pad, "unfold": _unfold,
    "along": _along, "weigh": _weigh, "recut": _recut, "cat": _cat, "opaque": _opaque,
}  # fmt: skip
