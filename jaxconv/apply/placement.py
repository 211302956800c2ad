"""Where tiles begin along every axis, from the claims that are proved for their sizes."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxconv.apply.claims import outputs_that_do_not_roll, proved
from jaxconv.apply.plan import Part, Tile, around, inside, last_size, missing
from jaxconv.errors import explain
from jaxconv.jaxprs.typing import PyTree
from jaxconv.verify.shifted_axes import Along
from jaxconv.verify.tiling.certificate import TilingAxis
from jaxconv.verify.tracing import name_of


@dataclass(frozen=True)
class Placed:
    """A tile of the whole: its number, its cells along each axis, and for each output its parts with their axes."""

    number: int
    tiles: tuple[Tile, ...]
    parts: tuple[tuple[tuple[int | None, Part], ...], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of cells along each axis."""
        return tuple(tile.size for tile in self.tiles)


def placed(
    fn: Callable[..., object], shapes: Sequence[PyTree], split: Sequence[tuple[Along, int]], outputs: int
) -> list[Placed]:
    """The tiles that make up the whole.

    Args:
        fn: the function.
        shapes: its arguments, as shapes.
        split: the axes that are tiled, and the sizes of tiles along them.
        outputs: number of outputs.

    Raises:
        ValueError: no tiles of these sizes give the whole's result.
    """
    claims = functools.cache(functools.partial(proved, fn, shapes, [along for along, _ in split]))
    found: list[Placed] = []
    for number, tiles in enumerate(itertools.product(*_plans(fn, shapes, split, claims))):
        own = claims(*(tile.size for tile in tiles))
        parts = (
            tuple((along[leaf].output_axis, tile.parts[leaf]) for along, tile in zip(own, tiles, strict=True))
            for leaf in range(outputs)
        )
        found.append(Placed(number, tiles, tuple(parts)))
    return found


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
