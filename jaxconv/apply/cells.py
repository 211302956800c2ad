"""Cells of a tile: read from the arguments of the whole, and written to the arrays of its result."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import numpy as np

from jaxconv.apply.plan import NOTHING, Part, Tile
from jaxconv.checks import shown
from jaxconv.errors import explain
from jaxconv.jaxprs.typing import PyTree
from jaxconv.verify.shifted_axes import Along


def results_of(
    out: PyTree, leaves: Sequence[jax.ShapeDtypeStruct], tree: PyTree, arguments: Sequence[PyTree]
) -> list[PyTree]:
    """The arrays that the result is written into.

    Raises:
        ValueError: `out` has another structure than the outputs, or other shapes or dtypes, cannot be written, or
            shares memory with an argument.
    """
    if out is None:
        return [np.empty(leaf.shape, leaf.dtype) for leaf in leaves]
    try:
        results = tree.flatten_up_to(out)
    except (ValueError, TypeError) as error:
        cure = "Pass one array for each output"
        raise ValueError(explain("out", shown(out), f"of the structure {tree}", cure)) from error
    for result, leaf in zip(results, leaves, strict=True):
        shape, dtype = getattr(result, "shape", None), getattr(result, "dtype", None)
        if shape is None or tuple(shape) != leaf.shape or dtype != leaf.dtype:
            cure = "Create it with the shape and dtype of the output: jax.eval_shape(fn, ...) gives them"
            expected = f"an array of shape {leaf.shape} and dtype {leaf.dtype}"
            actual = type(result).__name__ if shape is None else f"of shape {tuple(shape)} and dtype {dtype}"
            raise ValueError(explain("out", actual, expected, cure))
        if isinstance(result, jax.Array) or (isinstance(result, np.ndarray) and not result.flags.writeable):
            cure = "Pass a NumPy array, or open the file for writing"
            raise ValueError(explain("out", "an array that cannot be written", "one that can be", cure))
        inputs = [leaf for leaf in jax.tree.leaves(arguments) if isinstance(leaf, np.ndarray)]
        if isinstance(result, np.ndarray) and any(_shared(result, own) for own in inputs):
            cure = "Pass another array: later tiles read what earlier ones would overwrite"
            raise ValueError(explain("out", "in the memory of an argument", "an array of its own", cure))
    return results


def _shared(result: np.ndarray, own: np.ndarray) -> bool:
    """Whether two arrays share memory, or are in one file, which two memory maps show at other addresses."""
    names = [getattr(array, "filename", None) for array in (result, own)]
    same_file = None not in names and Path(str(names[0])).samefile(str(names[1]))
    return same_file or np.shares_memory(result, own)


def cut(
    arguments: Sequence[PyTree], all_along: Sequence[Along], split: Sequence[Along], tiles: Sequence[Tile]
) -> dict[int, PyTree]:
    """The arguments that have tiled axes, by number, cut to a tile along those that are split.

    Cells beyond the end are those from the start on.
    """
    ranges: dict[int, dict[int, Tile]] = {number: {} for along in all_along for number, _ in along.arguments}
    for along, tile in zip(split, tiles, strict=True):
        for number, axis in along.arguments:
            ranges[number][axis] = tile
    return {number: read(arguments[number], own) for number, own in ranges.items()}


def read(array: PyTree, tiles: dict[int, Tile]) -> PyTree:
    """Some cells of an array that can be sliced."""
    parts: list[list[slice]] = []
    for axis, length in enumerate(array.shape):
        if axis not in tiles:
            parts.append([slice(0, length)])
            continue
        first, last = tiles[axis].offset, tiles[axis].offset + tiles[axis].size
        own = [slice(first, min(last, length))]
        parts.append([*own, slice(0, last - length)] if last > length else own)
    return _joined(array, parts, ())


def _joined(array: PyTree, parts: Sequence[Sequence[slice]], chosen: tuple[slice, ...]) -> PyTree:
    if len(chosen) == len(parts):
        return array[chosen]
    axis = len(chosen)
    pieces = [_joined(array, parts, (*chosen, part)) for part in parts[axis]]
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis)


def places(
    output: Sequence[int], result: Sequence[int], parts: Sequence[tuple[int | None, Part]]
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Yield the cells of the result that belong to a tile, and where they are in its output, both of these shapes.

    `parts` has the axis of each part. Cells beyond the end of the result are those from its start on.
    """
    if any(part == NOTHING for _, part in parts):
        return
    part_of = dict(parts)
    to: list[list[tuple[slice, slice]]] = []
    for axis, length in enumerate(output):
        part = part_of.get(axis)
        if part is None:
            to.append([(slice(0, length), slice(0, length))])
            continue
        (lo, hi, at), total = part, result[axis]
        at %= total
        kept = min(hi - lo, total - at)
        to.append([(slice(at, at + kept), slice(lo, lo + kept))])
        if lo + kept < hi:
            to[-1].append((slice(0, hi - lo - kept), slice(lo + kept, hi)))
    for pairs in itertools.product(*to):
        yield tuple(place for place, _ in pairs), tuple(cells for _, cells in pairs)
