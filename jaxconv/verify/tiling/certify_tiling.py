"""`certify_tiling`: proves which part of a function's result for a whole input its result for a tile is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import numpy as np
from jax.extend.core import Jaxpr

from jaxconv.checks import integer, several, shown
from jaxconv.errors import explain, public
from jaxconv.jaxprs.typing import ArrayValue, PyTree
from jaxconv.verify.arguments import check_call
from jaxconv.verify.claims import Culprit
from jaxconv.verify.execution.program import program_of
from jaxconv.verify.shifted_axes import Along, Axes, directions
from jaxconv.verify.tiling.agreement import EQUAL, NONE, Agreement, Different, Window, input_window
from jaxconv.verify.tiling.pair_walk import PairWalk, Read
from jaxconv.verify.tracing import name_of, trace

TILE = "Write tile=(256, 256) for tiles of 256 x 256 cells, one size for each axis of `axes`"


@dataclass(frozen=True)
class TilingAxis:
    """How the tiles' outputs make up the whole's output, for tiles along one axis of the input.

    For each offset o that is a multiple of `shift`, and all j in [lo, hi) of `inner`:

        fn(x[o : o + tile])[j] == fn(x)[j + start + o * step / shift]

    along axis `output_axis` of the output. Where the tile begins with the whole (o = 0) this holds on `first`, and
    where it ends with the whole on `last`. If `output_axis` is None, the output is the same for every tile.

    Axes are tiled one after another. The claim about a later axis is about strips: x has the size of a tile along the
    axes before it. So it is about tiles of the whole if the claims about these axes are proved, too.

    Attributes:
        tiled: (argument, axis) of the inputs that are tiled; usually one pair.
        whole: number of cells of the input along the axis.
        tile: number of cells of a tile.
        output_axis, output_whole, output_tile: the output's axis, and its lengths for the whole and for a tile.
        shift: offsets are multiples of this number of input cells.
        step: number of output cells by which a tile's output moves if the tile moves by `shift`.
        start: output cell of the whole with which the first tile's output begins.
        inner, first, last: the tile's output cells [lo, hi) that equal the whole's.
        culprit: the equation because of which there is no such claim; None if it is proved.
    """

    tiled: tuple[tuple[int, int], ...]
    whole: int
    tile: int
    output_axis: int | None = None
    output_whole: int = 0
    output_tile: int = 0
    shift: int = 1
    step: int = 0
    start: int = 0
    inner: tuple[int, int] = (0, 0)
    first: tuple[int, int] = (0, 0)
    last: tuple[int, int] = (0, 0)
    culprit: Culprit | None = None

    @property
    def proved(self) -> bool:
        """Whether there is such a claim for tiles inside the whole."""
        return self.culprit is None

    @property
    def discarded(self) -> tuple[int, int]:
        """Number of output cells of an inner tile that are discarded at its start, and at its end."""
        return self.inner[0], self.output_tile - self.inner[1]

    def __str__(self) -> str:
        along = " and ".join(f"axis {axis} of argument {argument}" for argument, axis in self.tiled)
        sizes = f"{along}, tiles of {self.tile} of {self.whole} cells"
        if self.culprit is not None:
            where = f" at {self.culprit.source}" if self.culprit.source else ""
            because = f", because of {self.culprit.primitive}{where}" if self.culprit.primitive else ""
            cure = f"\n    Cure: {self.culprit.cure}." if self.culprit.cure else ""
            return f"{sizes}: UNDECIDED{because}: {self.culprit.reason}.{cure}"
        if self.output_axis is None:
            return f"{sizes}: PROVED: the output is the same for every tile."
        before, after = self.discarded
        return (
            f"{sizes}: PROVED: tiles begin at multiples of {self.shift}, which moves output axis {self.output_axis} by "
            f"{self.step}; discard {before} of {self.output_tile} cells at the start and {after} at the end of a tile "
            f"(first tile: {self.first[0]} at the start; last tile: {self.output_tile - self.last[1]} at the end)."
        )


@dataclass(frozen=True)
class TilingLeaf:
    """The claims about one output leaf, in order of the tiled axes."""

    path: str
    shape: tuple[int, ...]
    axes: tuple[TilingAxis, ...]


@dataclass(frozen=True)
class TilingCertificate:
    """What `certify_tiling` proved. It speaks of the two sizes that were traced, and of no other."""

    name: str
    leaves: tuple[TilingLeaf, ...]

    @property
    def proved(self) -> bool:
        """Whether every output can be computed from tiles along every axis."""
        return all(axis.proved for leaf in self.leaves for axis in leaf.axes)

    def __str__(self) -> str:
        lines = [f"tiling of {self.name}"]
        for leaf in self.leaves:
            lines.append(f"output{leaf.path} {leaf.shape}")
            lines += [f"  {axis}" for axis in leaf.axes]
        return "\n".join(lines)


@public
def certify_tiling(
    fn: Callable[..., object], *arguments: PyTree, tile: int | Sequence[int], axes: Axes
) -> TilingCertificate:
    """Prove that `fn` of a tile of the input gives a part of `fn` of the whole input, or name the culprit.

    The function is traced for the whole input and for a tile; nothing is executed, so arguments may be
    `jax.ShapeDtypeStruct`s of any size. Both traces are followed together, equation by equation. A proved claim holds
    in exact arithmetic, for all inputs, and for all values of the other arguments and of closed-over arrays.

    Args:
        fn: any JAX function of arrays.
        arguments: positional arguments of `fn`: arrays, shapes, or pytrees of them. The whole input is among them.
        tile: number of cells of a tile along each of `axes`, or one number for all of them.
        axes: axes along which the input is tiled, as for `jc.certify`.

    Returns:
        A `TilingCertificate`: for each output leaf and each axis a `TilingAxis`, with the offsets at which tiles may
        begin, and the output cells to discard at the start and at the end of a tile.

    Raises:
        ValueError: an argument does not have the given axes, `tile` does not have one size for each, or a tile is not
            smaller than the input.
        TypeError: an argument with axes is not an array, or a size is no integer.
        Exception: `fn` raises an exception while it is traced.

    Law: for the proved cells, the tiles' outputs equal the whole's, except for rounding. It speaks of these two sizes:
    a function may branch on the shape of its input.

    >>> import jax, jaxconv as jc
    >>> params = jc.init_conv(jax.random.key(0), (5, 5), 1, 4)
    >>> image = jax.ShapeDtypeStruct((1, 4096, 4096, 1), "float32")
    >>> network = lambda x: jc.conv(params, x, stride=2, padding="same")
    >>> leaf = jc.certify_tiling(network, image, tile=512, axes=(1, 2)).leaves[0]
    >>> leaf.axes[0].shift, leaf.axes[0].step, leaf.axes[0].discarded
    (2, 1, (1, 1))
    """
    check_call(fn, arguments)
    all_along = directions(arguments, axes)
    sizes = checked_sizes(tile, all_along)
    for size, along in zip(sizes, all_along, strict=True):
        if size >= along.length:
            cure = "Use a smaller tile, or call the function on the whole"
            raise ValueError(explain(f"the tile along {along}", size, f"at most {along.length - 1}", cure))
    current = list(arguments)
    for along in all_along:  # An array may be split over devices, which its trace would show.
        current = resized(current, along, along.length)
    before = _traced(fn, current)
    program = program_of(*before)
    reports: list[list[TilingAxis]] = [[] for _ in program.outputs]
    for along, size in zip(all_along, sizes, strict=True):
        current = resized(current, along, size)
        after = _traced(fn, current)
        for report, state in zip(reports, _walked(before, after, arguments, along, size), strict=True):
            report.append(_claimed(state, along, size))
        before = after
    leaves = tuple(
        TilingLeaf(path, tuple(leaf.shape), tuple(report))
        for (path, leaf), report in zip(program.outputs, reports, strict=True)
    )
    return TilingCertificate(name_of(fn), leaves)


def checked_sizes(tile: int | Sequence[int], all_along: Sequence[Along]) -> list[int]:
    """The size of a tile along each direction.

    Raises:
        TypeError, ValueError: see `certify_tiling`.
    """
    given = several(tile) if not isinstance(tile, int | np.integer) else [tile] * len(all_along)
    if given is None:
        raise TypeError(explain("tile", shown(tile), "an integer, or a sequence of integers", TILE))
    if len(given) != len(all_along):
        raise ValueError(explain("tile", shown(tile), "one size for each axis, or one for all of them", TILE))
    sizes = [integer("the size of a tile", size, cure=TILE) for size in given]
    for size, along in zip(sizes, all_along, strict=True):
        if size < 1:
            raise ValueError(explain(f"the tile along {along}", size, "1 or more", TILE))
    return sizes


def resized(arguments: Sequence[PyTree], along: Along, size: int) -> list[PyTree]:
    """The arguments, as shapes of `size` cells where they are tiled."""
    tiled = list(arguments)
    for number, axis in along.arguments:
        shape = (*arguments[number].shape[:axis], size, *arguments[number].shape[axis + 1 :])
        tiled[number] = jax.ShapeDtypeStruct(shape, arguments[number].dtype)
    return tiled


def _traced(fn: Callable[..., object], arguments: Sequence[PyTree]) -> tuple[Jaxpr, list[ArrayValue], PyTree]:
    """A trace with copies of closed-over NumPy arrays: the next trace may write to them."""
    jaxpr, constants, shapes = trace(fn, arguments)
    return jaxpr, [array.copy() if isinstance(array, np.ndarray) else array for array in constants], shapes


def _walked(
    whole: tuple[Jaxpr, list[ArrayValue], PyTree],
    tile: tuple[Jaxpr, list[ArrayValue], PyTree],
    arguments: Sequence[PyTree],
    along: Along,
    size: int,
) -> list[Agreement]:
    """How the outputs of two traces agree."""
    tiled = dict(along.arguments)
    operands: list[Read] = []
    for number, argument in enumerate(arguments):
        state = input_window(tiled[number], along.length, size) if number in tiled else EQUAL
        operands += [(state, None)] * len(jax.tree.leaves(argument))
    results = PairWalk(along.length - size).run(whole[:2], tile[:2], operands)
    return [state for state, _ in results]


def _claimed(state: Agreement, along: Along, size: int) -> TilingAxis:
    """The claim about an output."""
    place = (along.arguments, along.length, size)
    if isinstance(state, Different):
        return TilingAxis(*place, culprit=state.culprit)
    if not isinstance(state, Window):
        return TilingAxis(*place)
    lengths = (state.axis, state.whole, state.tile)
    if state.rate is None or state.inner == NONE:
        reason = "the output depends on the place of the tile, but does not move with it"
        unknown = Culprit(-1, "", reason, "Use a function of windows of the input", "", ())
        return TilingAxis(*place, *lengths, culprit=state.lost or unknown)
    step = int(state.shift / state.rate)
    return TilingAxis(*place, *lengths, state.shift, step, state.offset, state.inner, state.first, state.last)
