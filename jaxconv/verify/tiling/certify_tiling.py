"""`certify_tiling`: proves which part of a function's result for a whole input its result for a tile is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
from jaxconv.verify.tiling.agreement import input_window
from jaxconv.verify.tiling.certificate import TilingAxis, TilingCertificate, TilingLeaf
from jaxconv.verify.tiling.pair_walk import PairWalk, Read
from jaxconv.verify.tiling.states import EQUAL, NONE, Agreement, Different, PairRow, Window
from jaxconv.verify.tiling.traces import resized, traced
from jaxconv.verify.tracing import name_of

TILE = "Write tile=(256, 256) for tiles of 256 x 256 cells, one size for each axis of `axes`"


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
            smaller than the input; or `fn` raises an error for a tile, which names its size.
        TypeError: an argument with axes is not an array, or a size is no integer.
        Exception: `fn` raises an exception while it is traced for the whole.

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
    all_along = directions(arguments, axes, "tile")
    sizes = checked_sizes(tile, all_along)
    for size, along in zip(sizes, all_along, strict=True):
        if size >= along.length:
            cure = "Use a smaller tile, or call the function on the whole"
            raise ValueError(explain(f"the tile along {along}", size, f"at most {along.length - 1}", cure))
    current = list(arguments)
    for along in all_along:  # An array may be split over devices, which its trace would show.
        current = resized(current, along, along.length)
    before = traced(fn, current)
    program = program_of(*before)
    reports: list[list[TilingAxis]] = [[] for _ in program.outputs]
    derivations: list[tuple[PairRow, ...]] = []
    for along, size in zip(all_along, sizes, strict=True):
        current = resized(current, along, size)
        try:
            after = traced(fn, current)
        except Exception as error:
            raise _of_a_tile(fn, error, arguments, along, size) from error
        states, rows = _walked(before, after, arguments, along, size)
        derivations.append(rows)
        for report, state in zip(reports, states, strict=True):
            report.append(_claimed(state, along, size))
        before = after
    leaves = tuple(
        TilingLeaf(path, tuple(leaf.shape), tuple(report))
        for (path, leaf), report in zip(program.outputs, reports, strict=True)
    )
    return TilingCertificate(name_of(fn), leaves, tuple(derivations))


class TileError(ValueError):
    """The function raises an error for a tile, and not for the whole."""


def _of_a_tile(
    fn: Callable[..., object], error: Exception, arguments: Sequence[PyTree], along: Along, size: int
) -> TileError:
    """The error for a function that raises one for tiles of this size."""
    named = f"fn ({name_of(fn)})"
    text = str(error).split("\n--------------------\n")[0].strip().rstrip(".")
    actual = f"a function that raises {type(error).__name__} for tiles of {size} of {along.length} cells along {along}"
    expected = "one that accepts tiles, as it accepts the whole"
    cure = f"Use another size, or change what the error names: {text}"
    found = TileError(explain(named, actual, expected, cure))
    for note in _left_whole(arguments, along):
        found.add_note(note)
    return found


def _left_whole(arguments: Sequence[PyTree], along: Along) -> list[str]:
    """Notes for an error of a function of a tile: arguments as long as the tiled ones that are not tiled."""
    tiled = dict(along.arguments)
    left = [
        (number, axis)
        for number, argument in enumerate(arguments)
        for axis, length in enumerate(getattr(argument, "shape", ()))
        if number not in tiled and length == along.length
    ]
    return [
        f"Axis {axis} of argument {number} has {along.length} cells, too, and is not tiled. "
        f"If it belongs together with {along}, tile both: axes={{..., {number}: ({axis},)}}"
        for number, axis in left
    ]


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


def _walked(
    whole: tuple[Jaxpr, list[ArrayValue], PyTree],
    tile: tuple[Jaxpr, list[ArrayValue], PyTree],
    arguments: Sequence[PyTree],
    along: Along,
    size: int,
) -> tuple[list[Agreement], tuple[PairRow, ...]]:
    """How the outputs of two traces agree, and the rows of the derivation."""
    tiled = dict(along.arguments)
    operands: list[Read] = []
    for number, argument in enumerate(arguments):
        state = input_window(tiled[number], along.length, size) if number in tiled else EQUAL
        operands += [(state, None)] * len(jax.tree.leaves(argument))
    walk = PairWalk(along.length - size)
    results = walk.run(whole[:2], tile[:2], operands)
    return [state for state, _ in results], tuple(walk.rows)


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
