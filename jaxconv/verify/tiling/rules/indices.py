"""Rules for reads at indices, and for indices themselves."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np

from jaxconv.verify.domain import CannotProve
from jaxconv.verify.tiling.agreement import checked
from jaxconv.verify.tiling.rules.layout import prefix, uniform_along
from jaxconv.verify.tiling.rules.pair import RULES, Pair, State, fitting
from jaxconv.verify.tiling.rules.windows import taken
from jaxconv.verify.tiling.states import EQUAL, NONE, Equal, Interval, Window


@RULES("gather")
def gather(pair: Pair) -> list[State]:
    """Positions along one axis: any along another axis than the tiled one, or known ones that advance with the tile.

    `jax.image.resize` reads the nearest cells like this.
    """
    pair.same("dimension_numbers", "mode", "fill_value")
    state, indices, known = pair.inputs[0], pair.inputs[1], pair.known[1]
    (whole,), (tile,) = pair.whole.results, pair.tile.results
    numbers = pair.whole.params["dimension_numbers"]
    if isinstance(state, Equal):
        pair.same()
        if isinstance(indices, Equal):
            return [fitting(EQUAL, whole, tile)]
        rows = [n for n in range(len(whole)) if n not in numbers.offset_dims]
        if indices.axis == len(rows) or numbers.operand_batching_dims:
            raise CannotProve("its indices move with the tile along another axis than its results", "Use jnp.take")
        return [fitting(replace(indices, axis=rows[indices.axis]), whole, tile)]  # as an embedding of tokens
    if numbers.operand_batching_dims:
        raise CannotProve("it reads the tiled axis along with its indices", "Read at static indices")
    whole_axis = state.axis not in (*numbers.start_index_map, *numbers.collapsed_slice_dims)
    if whole_axis and isinstance(indices, Equal):
        sizes = [side.params["slice_sizes"][state.axis] for side in (pair.whole, pair.tile)]
        if sizes != [state.whole, state.tile]:
            raise CannotProve("it reads a part of the tiled axis", "Read the whole axis")
        kept = [n for n in range(len(pair.whole.operands[0])) if n not in numbers.collapsed_slice_dims]
        return [fitting(replace(state, axis=numbers.offset_dims[kept.index(state.axis)]), whole, tile)]
    alone = tuple(numbers.start_index_map) == tuple(numbers.collapsed_slice_dims) == (state.axis,)
    if known is None or not alone or state.rate is None:
        raise CannotProve("it reads the tiled axis at places that are not known", "Use slices, or static indices")
    places = [positions.reshape(-1) for positions in known]
    results = [n for n in range(len(whole)) if n not in numbers.offset_dims]
    if len(results) != 1 or any(
        len(own) != shape[results[0]] for own, shape in zip(places, (whole, tile), strict=True)
    ):
        raise CannotProve("it reads the tiled axis at several places for each cell of its result")
    return [fitting(replace(_advancing(state, state.rate, *places), axis=results[0]), whole, tile)]


def _advancing(window: Window, rate: Fraction, whole: np.ndarray, tile: np.ndarray) -> Window:
    """Reads at places that advance by `by` cells every `distance` results."""
    grows = len(whole) - len(tile), window.whole - window.tile
    distance, by = (count // (math.gcd(*grows) or 1) for count in grows)
    inside = (whole >= 0).all() and (whole < window.whole).all() and (tile < window.tile).all()
    if not (
        distance > 0
        and by > 0
        and inside
        and window.offset == 0
        and (whole[distance:] == whole[:-distance] + by).all()
        and (tile == whole[: len(tile)]).all()
    ):
        raise CannotProve("it reads the tiled axis at places that do not advance with the tile")

    def reading(interval: Interval) -> Interval:
        hits = np.flatnonzero((tile >= interval[0]) & (tile < interval[1]))
        return (int(hits[0]), int(hits[-1]) + 1) if hits.size and hits.size == hits[-1] - hits[0] + 1 else NONE

    inner, first, last = map(reading, (window.inner, window.first, window.last))
    shift = math.lcm(window.shift, abs(rate * by).numerator)
    moved = replace(window, whole=len(whole), tile=len(tile), rate=rate * by / distance, shift=shift)
    return checked(replace(moved, inner=inner, first=first, last=last))


@RULES("dynamic_slice")
def dynamic_slice(pair: Pair) -> list[State]:
    """`slice` with starts that are operands: any along other axes than the tiled one, and a known one along it."""
    state, *starts = pair.inputs
    (whole,), (tile,) = pair.whole.results, pair.tile.results
    if any(isinstance(start, Window) for start in starts):
        raise CannotProve("it starts at a place that depends on the size of the input")
    if isinstance(state, Equal):
        pair.same()
        return [EQUAL]
    axis, sizes = state.axis, [side.params["slice_sizes"] for side in (pair.whole, pair.tile)]
    if (sizes[0][axis], sizes[1][axis]) == (state.whole, state.tile):  # the start is clipped to 0
        return [fitting(state, whole, tile)]
    known = pair.known[1 + axis]
    if known is None:
        raise CannotProve("it starts at a place of the tiled axis that is not known", "Use a static start")
    firsts = [
        min(max(int(start), 0), length - size[axis])
        for start, length, size in zip(known, (state.whole, state.tile), sizes, strict=True)
    ]
    return [fitting(taken(state, (firsts[0], firsts[1]), 1, (sizes[0][axis], sizes[1][axis])), whole, tile)]


@RULES("iota")
def iota(pair: Pair) -> list[State]:
    """out[..., i, ...] = i along one axis; uniform along the others."""
    pair.same("dtype", "dimension")
    (whole,), (tile,) = pair.whole.results, pair.tile.results
    grown = [n for n in range(len(whole)) if whole[n] != tile[n]]
    if not grown:
        return [EQUAL]
    if grown == [pair.whole.params["dimension"]]:
        return [prefix(grown, whole, tile, pair.more)]
    return [uniform_along(grown, whole, tile, pair.more)]
