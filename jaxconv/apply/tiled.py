"""`tiled`: a function of a whole input, computed tile by tile."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import jax
import numpy as np

from jaxconv.apply.claims import outputs_that_do_not_roll, proved, shape_of_argument, suitable
from jaxconv.apply.plan import Part, Tile, around, inside, last_size, missing
from jaxconv.checks import function, shown
from jaxconv.errors import explain, public, public_as
from jaxconv.jaxprs.typing import PyTree
from jaxconv.verify.arguments import check_call
from jaxconv.verify.shifted_axes import Along, Axes, directions
from jaxconv.verify.tiling.certify_tiling import TilingAxis, checked_sizes
from jaxconv.verify.tracing import name_of


@public
def tiled(
    fn: Callable[..., object], *, tile: int | Sequence[int], axes: Axes, out: PyTree = None
) -> Callable[..., PyTree]:
    """Return a function that computes `fn` of a whole input from tiles, with the same result.

    Only one tile of the input, and its output, are on the device at a time. When the function is called, it is
    certified for the sizes at hand (`jc.certify_tiling`), which gives the offsets of the tiles and the cells of each
    tile's output that are kept. Zeros, reflections and copies at the border of the image are those of `fn` itself, in
    the first and the last tiles. A function that pads circularly reads the other end of the input there.

    Args:
        fn: any JAX function of arrays.
        tile: number of cells of a tile along each of `axes`, or one number for all of them. If the input is not larger
            than a tile along an axis, it is not split along this axis.
        axes: axes along which the input is tiled: a sequence of axes, or `{argument number: axes}`.
        out: arrays with the shapes of the outputs, into which the result is written: NumPy arrays, `numpy.memmap`s, or
            anything to which slices can be assigned. By default, new NumPy arrays.

    Returns:
        A function of the same arguments. Tiled arguments may be anything with `shape` and `dtype` that can be sliced,
        such as `numpy.memmap`. It returns NumPy arrays, or `out`.

    Raises:
        ValueError: when the function is called: there is no proof that tiles give the whole's result, which names the
            culprit; or tiles are too small, which names the smallest size that works.

    Law: the result is `fn` of the whole: equal (`==`) in exact arithmetic, as for whole numbers, and otherwise up to
    rounding.

    >>> import jax, jax.numpy as jnp, jaxconv as jc
    >>> params = jc.init_conv(jax.random.key(0), (3, 3), 1, 4)
    >>> params = jax.tree.map(lambda p: jnp.round(9 * p), params)  # whole numbers
    >>> network = lambda x: jc.conv(params, x, stride=2, padding="same")
    >>> image = jnp.round(9 * jax.random.normal(jax.random.key(1), (1, 100, 80, 1)))
    >>> result = jc.tiled(network, tile=32, axes=(1, 2))(image)
    >>> result.shape, bool((result == network(image)).all())
    ((1, 50, 40, 4), True)
    """
    function("fn", fn, cure="Pass the function itself, as in tiled(model, tile=512, axes=(1, 2))")
    compiled = jax.jit(fn)

    @public_as("tiled")
    def of_tiles(*arguments: PyTree) -> PyTree:
        """The function of the whole, computed from tiles."""
        shapes = list(map(shape_of_argument, arguments))
        check_call(fn, shapes)
        all_along = directions(shapes, axes)
        sizes = zip(all_along, checked_sizes(tile, all_along), strict=True)
        split = [(along, suitable(fn, shapes, along, size)) for along, size in sizes if size < along.length]
        leaves, tree = jax.tree.flatten(jax.eval_shape(fn, *shapes))
        results = _results(out, leaves, tree, arguments)
        claims = functools.cache(functools.partial(proved, fn, shapes, [along for along, _ in split]))
        plans = _plans(fn, shapes, split, claims)
        for tiles in itertools.product(*plans):
            of_sizes = claims(*(one.size for one in tiles))
            outputs = jax.tree.leaves(jax.device_get(compiled(*jax.device_put(_cut(arguments, split, tiles)))))
            for leaf, (result, output) in enumerate(zip(results, outputs, strict=True)):
                numbers = [along[leaf].output_axis for along in of_sizes]
                _write(result, output, dict(zip(numbers, (one.parts[leaf] for one in tiles), strict=True)))
        return jax.tree.unflatten(tree, results) if out is None else out

    return of_tiles


def _results(
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
        if isinstance(result, np.ndarray) and any(np.shares_memory(result, own) for own in inputs):
            cure = "Pass another array: later tiles read what earlier ones would overwrite"
            raise ValueError(explain("out", "in the memory of an argument", "an array of its own", cure))
    return results


def _plans(
    fn: Callable[..., object],
    shapes: Sequence[PyTree],
    split: Sequence[tuple[Along, int]],
    claims: Callable[..., list[list[TilingAxis]]],
) -> list[list[Tile]]:
    """The tiles along each axis.

    Raises:
        ValueError: no tiles of these sizes give the whole's result.
    """
    sizes = [size for _, size in split]
    usual = claims(*sizes)
    plans: list[list[Tile]] = []
    for number, (along, _) in enumerate(split):
        own = usual[number]
        ends = claims(*sizes[:number], last_size(own), *sizes[number + 1 :])[number]
        tiles = inside(own, ends)
        if missing(tiles, own):
            tiles = _around(fn, shapes, along, own)
        plans.append(tiles)
    for chosen in itertools.product(*({tile.size for tile in tiles} for tiles in plans)):
        for number in range(len(plans)):
            own = claims(*chosen)[number]
            alone = claims(*sizes[:number], chosen[number], *sizes[number + 1 :])[number]
            if own != alone:
                reason = f"other claims for tiles of {chosen} cells than for others"
                raise ValueError(explain(f"the tiling of {name_of(fn)}", reason, "the same", "Use other sizes"))
    return plans


def _around(
    fn: Callable[..., object], shapes: Sequence[PyTree], along: Along, claims: Sequence[TilingAxis]
) -> list[Tile]:
    """The tiles of a function that pads circularly: at the border they read the other end of the input.

    Rolling the input rolls the output, so that each cell of it is inside some tile of a rolled input.

    Raises:
        ValueError: the function is not equivariant under cyclic shifts.
    """
    argument, axis = along.arguments[0]
    for path in outputs_that_do_not_roll(fn, shapes, along, claims):
        named = f"the first and the last cells of output{path} along axis {axis} of argument {argument}"
        cure = "Pad with zeros, by reflection, or circularly around a length that the strides divide"
        raise ValueError(explain(named, "cells that no tile has", "cells of some tile, or of a rolled input", cure))
    tiles = around(claims)
    if missing(tiles, claims):
        expected = "as long as the tiles' outputs together"
        named = f"an output along axis {axis} of argument {argument}"
        raise ValueError(explain(named, "longer", expected, "Call the function on the whole"))
    return tiles


def _cut(arguments: Sequence[PyTree], split: Sequence[tuple[Along, int]], tiles: Sequence[Tile]) -> list[PyTree]:
    """The arguments, cut to a tile. Cells beyond the end are those from the start on."""
    cut = list(arguments)
    ranges: dict[int, dict[int, Tile]] = {}
    for (along, _), tile in zip(split, tiles, strict=True):
        for number, axis in along.arguments:
            ranges.setdefault(number, {})[axis] = tile
    for number, own in ranges.items():
        cut[number] = _read(arguments[number], own)
    return cut


def _read(array: PyTree, tiles: dict[int, Tile]) -> PyTree:
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


def _write(result: PyTree, output: np.ndarray, parts: dict[int | None, Part]) -> None:
    """Write the kept part of a tile's output to the result; cells beyond its end, from its start on."""
    to: list[list[tuple[slice, slice]]] = []
    for axis, length in enumerate(output.shape):
        part = parts.get(axis)
        if part is None:
            to.append([(slice(0, length), slice(0, length))])
            continue
        (lo, hi, at), total = part, result.shape[axis]
        at %= total
        kept = min(hi - lo, total - at)
        to.append([(slice(lo, lo + kept), slice(at, at + kept))])
        if lo + kept < hi:
            to[-1].append((slice(lo + kept, hi), slice(0, hi - lo - kept)))
    for pairs in itertools.product(*to):
        result[tuple(place for _, place in pairs)] = output[tuple(cells for cells, _ in pairs)]
