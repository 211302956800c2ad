"""`tiled`: a function of a whole input, computed tile by tile."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import jax
import numpy as np

from jaxconv.apply.cells import cut, places, results_of
from jaxconv.apply.claims import shape_of_argument, suitable
from jaxconv.apply.footprint import largest_size
from jaxconv.apply.placement import Placed, placed
from jaxconv.apply.record import ANOTHER, Record, checksum, identity, unwritten
from jaxconv.apply.reserve import in_files, reserved
from jaxconv.apply.run import Cut, computed, grouped
from jaxconv.checks import flag, function, integer, several, shown
from jaxconv.errors import explain, public, public_as
from jaxconv.jaxprs.typing import PyTree
from jaxconv.verify.arguments import check_call
from jaxconv.verify.progress import reported
from jaxconv.verify.shifted_axes import Along, Axes, directions
from jaxconv.verify.tiling.certify_tiling import TILE, checked_sizes

Device: TypeAlias = Any  # a jax.Device, which JAX declares as a variable
AUTO = 'Write tile="auto", memory=2**30 for the largest tiles that need at most 1 GiB'


@public
def tiled(
    fn: Callable[..., object],
    *,
    tile: int | Sequence[int] | Literal["auto"],
    axes: Axes,
    out: PyTree = None,
    memory: int | None = None,
    batch: int = 1,
    devices: Sequence[Device] | None = None,
    record: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Callable[..., PyTree]:
    """Return a function that computes `fn` of a whole input from tiles, with the same result.

    Only `batch` tiles of the input, and their outputs, are on a device at a time. When the function is called, it is
    certified for the sizes at hand (`jc.certify_tiling`), which gives the offsets of the tiles and the cells of each
    tile's output that are kept. Zeros, reflections and copies at the border of the image are those of `fn` itself, in
    the first and the last tiles. A function that pads circularly reads the other end of the input there.

    Args:
        fn: any JAX function of arrays.
        tile: number of cells of a tile along each of `axes`, or one number for all of them. If the input is not larger
            than a tile along an axis, it is not split along this axis. With "auto", the largest number for all axes
            with which the program fits into `memory`.
        axes: axes along which the input is tiled: a sequence of axes, or `{argument number: axes}`.
        out: arrays with the shapes of the outputs, into which the result is written: NumPy arrays, `numpy.memmap`s, or
            anything to which slices can be assigned. By default, new NumPy arrays. Disk space for a `numpy.memmap` is
            reserved before the first tile.
        memory: for `tile="auto"`, the number of bytes that a program may need on a device for its arguments, outputs
            and temporary values, as the compiler states them (`compiled.memory_analysis()`). Candidates are found by
            counting the bytes of values that are alive at once in the jaxpr.
        batch: number of tiles that are computed in one call, by `jax.vmap`.
        devices: devices over which the tiles are dealt out, one call at a time on each. By default, JAX's default one.
        record: a file that records which tiles are in `out`, so that a run that was killed continues where it ended.
            `out` has to be in files, too. Tiles whose cells in `out` have changed since are computed again.
        progress: whether to show on stderr how many tiles are done: a bar on a terminal, by tqdm if it is installed,
            and otherwise a line every 30 seconds.

    Returns:
        A function of the same arguments. Tiled arguments may be anything with `shape` and `dtype` that can be sliced,
        such as `numpy.memmap`. It returns NumPy arrays, or `out`.

    Raises:
        TypeError: an option has a wrong type.
        ValueError: when the function is called: there is no proof that tiles give the whole's result, which names the
            culprit; tiles are too small, which names the smallest size that works; no tile fits into `memory`; or
            `record` is of something else, or of another input.
        OSError: `out` or `record` cannot be written, for example because the disk is full. All tiles of the record are
            in `out`.

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
    options = _Options(
        memory=_checked_memory(tile, memory),
        batch=integer("batch", batch, least=1, cure="Leave it out for one tile at a time"),
        devices=_checked_devices(devices),
        record=_checked_path(record),
        progress=flag("progress", progress),
    )

    @public_as("tiled")
    def of_tiles(*arguments: PyTree) -> PyTree:
        """The function of the whole, computed from tiles."""
        shapes = list(map(shape_of_argument, arguments))
        check_call(fn, shapes)
        all_along = directions(shapes, axes, "tile")
        if isinstance(tile, str):
            size = largest_size(fn, shapes, all_along, options.memory, options.batch)
            sizes = [min(size, along.length) for along in all_along]
        else:
            sizes = checked_sizes(tile, all_along)
        pairs = zip(all_along, sizes, strict=True)
        split = [(along, suitable(fn, shapes, along, size)) for along, size in pairs if size < along.length]
        leaves, tree = jax.tree.flatten(jax.eval_shape(fn, *shapes))
        results = results_of(out, leaves, tree, arguments)
        tiles = placed(fn, shapes, split, len(leaves))
        _Run(fn, arguments, shapes, all_along, [along for along, _ in split], results, options).run(tiles)
        return jax.tree.unflatten(tree, results) if out is None else out

    return of_tiles


@dataclass(frozen=True)
class _Options:
    """How tiles are computed: see `tiled`."""

    memory: int
    batch: int
    devices: Sequence[Device | None]
    record: Path | None
    progress: bool


@dataclass(frozen=True)
class _Run:
    """One call of the function of a whole.

    Attributes:
        fn: the function.
        arguments: its arguments.
        shapes: the same, as shapes.
        all_along: the axes that may be tiled.
        split: those that are tiled.
        results: the arrays that the result is written into.
        options: how tiles are computed.
    """

    fn: Callable[..., object]
    arguments: Sequence[PyTree]
    shapes: Sequence[PyTree]
    all_along: Sequence[Along]
    split: Sequence[Along]
    results: Sequence[PyTree]
    options: _Options

    def run(self, tiles: Sequence[Placed]) -> None:
        """Compute the tiles that are not in the result, and write them to it."""
        reserved(self.results)
        with contextlib.ExitStack() as stack:
            record = self._record(tiles)
            if record is not None:
                stack.enter_context(record)
            left = [tile for tile in tiles if record is None or not self._is_done(tile, record)]
            bar = stack.enter_context(reported(len(tiles), len(tiles) - len(left), shown=self.options.progress))
            groups = grouped(left, self.options.batch)
            how = {"batch": self.options.batch, "devices": self.options.devices}
            for tile, inputs, outputs in computed(self.fn, self.arguments, self._cut, groups, **how):
                self._write(tile, outputs)
                if record is not None:
                    record.add(tile, checksum(_numbers(inputs)), checksum(self._kept(tile)))
                bar.update(1)

    def _cut(self, tile: Placed) -> Cut:
        return cut(self.arguments, self.all_along, self.split, tile.tiles)

    def _record(self, tiles: Sequence[Placed]) -> Record | None:
        if self.options.record is None:
            return None
        in_files(self.results)
        cut_ones = {number for along in self.all_along for number, _ in along.arguments}
        return Record(self.options.record, identity(self.fn, self.arguments, self.shapes, tiles, cut_ones))

    def _is_done(self, tile: Placed, record: Record) -> bool:
        """Whether a tile is in the result.

        Raises:
            ValueError: it is, but was computed from another input.
        """
        if tile.number not in record.checksums:
            return False
        of_input, of_result = record.checksums[tile.number]
        if checksum(_numbers(self._cut(tile))) != of_input:
            named, expected = f"record ({record.path})", "of this one"
            raise ValueError(explain(named, f"of another input at tile {tile.number}", expected, ANOTHER))
        return checksum(self._kept(tile)) == of_result

    def _write(self, tile: Placed, outputs: Sequence[np.ndarray]) -> None:
        """Write the kept parts of a tile's outputs to the result, and to the disk if there is a record.

        Raises:
            OSError: they cannot be written.
        """
        try:
            for result, output, parts in zip(self.results, outputs, tile.parts, strict=True):
                for to, cells in places(output.shape, result.shape, parts):
                    result[to] = output[cells]
                if self.options.record is not None and hasattr(result, "flush"):
                    result.flush()
        except OSError as error:
            raise unwritten("out", error) from error

    def _kept(self, tile: Placed) -> Iterator[np.ndarray]:
        """The cells of the result that belong to a tile."""
        for result, parts in zip(self.results, tile.parts, strict=True):
            for to, _ in places(result.shape, result.shape, parts):
                yield np.asarray(result[to])


def _numbers(inputs: Cut) -> Iterator[np.ndarray]:
    return (np.asarray(inputs[number]) for number in sorted(inputs))


def _checked_memory(tile: object, memory: object) -> int:
    if isinstance(tile, str) and tile != "auto":
        raise TypeError(explain("tile", shown(tile), 'an integer, a sequence of integers, or "auto"', TILE))
    if isinstance(tile, str) == (memory is None):
        actual = "missing" if memory is None else f"{shown(memory)}, with tile={shown(tile)}"
        raise ValueError(explain("memory", actual, 'given with tile="auto", and only with it', AUTO))
    return 0 if memory is None else integer("memory", memory, least=1, cure=AUTO)


def _checked_devices(devices: object) -> Sequence[Device | None]:
    if devices is None:
        return [None]
    given = several(devices)
    if not given or not all(isinstance(device, jax.Device) for device in given):
        cure = "Write devices=jax.devices(), or leave it out for the default one"
        raise TypeError(explain("devices", shown(devices), "a sequence of one device of JAX or more", cure))
    return given


def _checked_path(path: object) -> Path | None:
    if path is None or isinstance(path, str | os.PathLike):
        return None if path is None else Path(path)
    raise TypeError(explain("record", shown(path), "a path", 'Write record="result.record"'))
