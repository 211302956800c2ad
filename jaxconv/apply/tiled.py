"""`tiled`: a function of a whole input, computed tile by tile."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import jax
import numpy as np

from jaxconv.apply.plan import Part, Tile, around, common_shift, inside, last_size, missing, too_small
from jaxconv.checks import shown
from jaxconv.errors import explain, public
from jaxconv.jaxprs.typing import PyTree
from jaxconv.verify.certify import certify
from jaxconv.verify.claims import Verdict
from jaxconv.verify.shifted_axes import Along, Axes, directions
from jaxconv.verify.tiling.certify_tiling import TilingAxis, certify_tiling, checked_sizes
from jaxconv.verify.tracing import name_of

STRIDES = (1, 2, 4, 8, 16, 32, 64, 3, 5, 6, 7, 9, 10, 12)  # products of strides that networks have


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
    compiled = jax.jit(fn)

    def of_tiles(*arguments: PyTree) -> PyTree:
        shapes = list(map(_shape, arguments))
        all_along = directions(shapes, axes)
        sizes = zip(all_along, checked_sizes(tile, all_along), strict=True)
        split = [(along, _suitable(fn, shapes, along, size)) for along, size in sizes if size < along.length]
        leaves, tree = jax.tree.flatten(jax.eval_shape(fn, *shapes))
        results = _results(out, leaves, tree)
        claims = functools.cache(functools.partial(_claims, fn, shapes, [along for along, _ in split]))
        plans = _plans(fn, shapes, split, claims)
        for tiles in itertools.product(*plans):
            of_sizes = claims(*(one.size for one in tiles))
            outputs = jax.tree.leaves(compiled(*_cut(arguments, split, tiles)))
            for leaf, (result, output) in enumerate(zip(results, outputs, strict=True)):
                numbers = [along[leaf].output_axis for along in of_sizes]
                _write(result, np.asarray(output), dict(zip(numbers, (one.parts[leaf] for one in tiles), strict=True)))
        return jax.tree.unflatten(tree, results) if out is None else out

    of_tiles.__name__ = f"tiled {name_of(fn)}"
    return of_tiles


def _suitable(fn: Callable[..., object], shapes: Sequence[PyTree], along: Along, asked: int) -> int:
    """The size of a tile, or a smaller one that is the whole's size modulo a stride.

    "SAME" with a stride pads at the start by an amount that depends on the size modulo the stride.

    Raises:
        ValueError: only larger tiles give the whole's result.
    """
    size = asked
    candidates = dict.fromkeys(size - (size - along.length) % stride for stride in STRIDES)
    for candidate in (candidate for candidate in candidates if candidate > 0):
        if certify_tiling(fn, *shapes, tile=candidate, axes=_axes([along])).proved:
            return candidate
    while (size := 2 * size) < along.length:
        certificate = certify_tiling(fn, *shapes, tile=size, axes=_axes([along]))
        if certificate.proved:
            raise too_small(asked, [leaf.axes[0] for leaf in certificate.leaves])
    return asked


def _shape(argument: PyTree) -> PyTree:
    """What an argument is traced as: the shape of anything that can be sliced and is no JAX array."""
    if hasattr(argument, "shape") and hasattr(argument, "dtype") and not isinstance(argument, jax.Array):
        return jax.ShapeDtypeStruct(tuple(argument.shape), argument.dtype)
    return argument


def _results(out: PyTree, leaves: Sequence[jax.ShapeDtypeStruct], tree: PyTree) -> list[PyTree]:
    """The arrays that the result is written into.

    Raises:
        ValueError: `out` has another structure than the outputs, or other shapes.
    """
    if out is None:
        return [np.empty(leaf.shape, leaf.dtype) for leaf in leaves]
    try:
        results = tree.flatten_up_to(out)
    except (ValueError, TypeError) as error:
        cure = "Pass one array for each output"
        raise ValueError(explain("out", shown(out), f"of the structure {tree}", cure)) from error
    for result, leaf in zip(results, leaves, strict=True):
        shape = getattr(result, "shape", None)
        if shape is None or tuple(shape) != leaf.shape:
            cure = "Create it with the shape of the output: jax.eval_shape(fn, ...) gives it"
            raise ValueError(explain("an array of out", f"of shape {shape}", f"of shape {leaf.shape}", cure))
    return results


def _claims(
    fn: Callable[..., object], shapes: Sequence[PyTree], all_along: Sequence[Along], *sizes: int
) -> list[list[TilingAxis]]:
    """The claims about tiles of these sizes: for each axis, one for each output.

    Raises:
        ValueError: they are not proved.
    """
    if not sizes:
        return []
    certificate = certify_tiling(fn, *shapes, tile=sizes, axes=_axes(all_along))
    if not certificate.proved:
        cure = "Change the line that is named, or call the function on the whole"
        raise ValueError(explain(f"the tiling of {name_of(fn)}", f"not proved:\n{certificate}\nIt", "proved", cure))
    return [[leaf.axes[number] for leaf in certificate.leaves] for number in range(len(sizes))]


def _axes(all_along: Sequence[Along]) -> Axes:
    """Directions as `axes` of a certificate."""
    numbers = [number for number, _ in all_along[0].arguments]
    return {number: tuple(dict(along.arguments)[number] for along in all_along) for number in numbers}


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
    certificate = certify(fn, *shapes, axes=_axes([along]), search=False)
    shift = common_shift(claims)
    for claim, leaf in zip(claims, certificate.leaves, strict=True):
        cyclic = leaf.axes[0].cyclic
        moves = ((claim.output_axis, claim.step * shift // claim.shift),)
        fits = cyclic.verdict == Verdict.PROVED and shift % (cyclic.shift or 1) == 0
        same = fits and tuple((n, t * shift // (cyclic.shift or 1)) for n, t in cyclic.moves) == moves
        if claim.output_axis is not None and (not same or along.length % shift):
            named = f"the first and the last cells of output{leaf.path} along axis {axis} of argument {argument}"
            cure = "Pad with zeros, by reflection, or circularly around a length that the strides divide"
            raise ValueError(explain(named, "in no tile", "those of a tile at the border, or of a rolled input", cure))
    return around(claims)


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
