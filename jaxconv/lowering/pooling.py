"""Sums, maxima and minima over windows, each channel by itself, as primitives; and what their derivatives need.

    sum_pool(x)[n,j,c]           = sum_u x[n, j*stride + u*dilation - lo, c],       0 beyond the border
    sum_pool_dx(y)[n,i,c]        = sum of y[n,j,c] over j*stride + u*dilation - lo == i
    max_pool(x)[n,j,c]           = max_u x[n, j*stride + u*dilation - lo, c],       nothing beyond the border
    min_pool(x)[n,j,c]           = min_u x[n, j*stride + u*dilation - lo, c],       likewise
    max_pool_pick(x, t)[n,j,c]   = t[n,i,c] of the cell i that wins the window j of x: the first of the largest
    max_pool_place(x, y)[n,i,c]  = sum of y[n,j,c] over the windows j of x that i wins

The first two are each other's transpose; so are the last two, of which the first is the derivative of `max_pool`, and
that of `min_pool` where they are given -x.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import ad, batching
from jaxtyping import Array

from jaxconv.lowering.form import Form, deltas_padding
from jaxconv.lowering.primitive import define, is_explicit, varying_alike
from jaxconv.lowering.spreading import side_by_side, tap_by_tap
from jaxconv.lowering.table import forced_on_pools, way_for
from jaxconv.lowering.taps import along, overlap, padded, taps_of, under
from jaxconv.lowering.thinning import thinned
from jaxconv.lowering.version import OLD
from jaxconv.lowering.ways.way import at_least_single
from jaxconv.window import Axis, Pad

Axes = tuple[Axis, ...]


def sum_pool(x: Array, axes: Axes) -> Array:
    """The sum of every window of x [n, *spatial, c], padded with zeros: [n, *out, c]."""
    return _pooled("sum_pool", x, axes)


def max_pool(x: Array, axes: Axes) -> Array:
    """The largest cell of every window of x [n, *spatial, c], the cells beyond its border left out: [n, *out, c]."""
    return _pooled("max_pool", x, axes)


def min_pool(x: Array, axes: Axes) -> Array:
    """The least cell of every window of x [n, *spatial, c], the cells beyond its border left out: [n, *out, c]."""
    return _pooled("min_pool", x, axes)


def _pooled(name: str, x: Array, axes: Axes) -> Array:
    way = forced_on_pools()
    if way == "lax" and (name == "sum_pool" or all(axis.dilation == 1 for axis in axes)):
        return LAXS[name](x, axes=axes)  # lax's own equation, which every tool for jaxprs knows
    return bind(name, x, axes=axes, way=way)  # also of dilated maxima and minima, of which lax has no derivative


def bind(name: str, *operands: Any, axes: Axes, way: str | None = None) -> Array:
    """One equation, with the parameters under which lax's own would say the same."""
    if len(operands) == 2:
        operands = tuple(varying_alike(*operands))
    return PRIMITIVES[name].bind(*operands, axes=axes, way=way, **as_lax(name, axes))


def as_lax(name: str, axes: Axes) -> dict[str, Any]:
    """The parameters of lax's reduction over windows; a sum's transpose is the sum over windows of y, cells apart."""
    around = lambda values, end: (end, *values, end)
    of = lambda attribute: around((getattr(axis, attribute) for axis in axes), 1)
    backwards = name == "sum_pool_dx"
    padding = map(deltas_padding, axes) if backwards else ((axis.pad.lo, axis.pad.hi) for axis in axes)
    ones = (1,) * (len(axes) + 2)
    return {
        "window_dimensions": of("taps"),
        "window_strides": ones if backwards else of("stride"),
        "padding": around(padding, (0, 0)),
        "base_dilation": of("stride") if backwards else ones,
        "window_dilation": of("dilation"),
    }


# As lax computes them.


def _reduced(name: str, operation: Callable[..., Array], identity: Callable[[Array], Any]) -> Callable[..., Array]:
    """A reduction; its identity is a constant, so that JAX knows by it a sum or a maximum, and its gradient."""
    start = lambda x: np.array(identity(x), x.dtype)
    return lambda x, *, axes: lax.reduce_window(x, start(x), operation, **as_lax(name, axes))


def _placed_by_lax(x: Array, y: Array, *, axes: Axes) -> Array:
    if any(axis.dilation > 1 for axis in axes):  # lax has none of these
        return _placed_axis_by_axis(x, y, axes=axes)
    return jax.vjp(partial(LAXS["max_pool"], axes=axes), x)[1](y)[0]


def least(dtype: Any) -> Any:
    """What loses every comparison: minus infinity, or the least integer (which is not a NaN)."""
    if jnp.issubdtype(dtype, jnp.floating):
        return -np.inf
    return False if dtype == jnp.bool_ else jnp.iinfo(dtype).min


def greatest(dtype: Any) -> Any:
    """What no cell is larger than: infinity, or the greatest integer."""
    if jnp.issubdtype(dtype, jnp.floating):
        return np.inf
    return True if dtype == jnp.bool_ else jnp.iinfo(dtype).max


# As the taps of the window say.


def _axis_by_axis(operation: Callable[[Array, Array], Array], identity: Callable[[Array], Any]) -> Callable[..., Array]:
    """A reduction along one axis after the other: as many slices as the window's sides are long together."""

    def pooled(x: Array, *, axes: Axes) -> Array:
        x = padded(axes, x, identity(x))
        for number, axis in enumerate(axes, start=1):
            x = reduce(operation, [along(axis, x, number, u) for u in range(axis.taps)])
        return x

    return pooled


def _spread(y: Array, *, axes: Axes) -> Array:
    """In one pass along axes on which no cell is in two windows, and tap by tap along the others."""
    apart = [axis.out == 1 or axis.span <= axis.stride for axis in axes]
    if any(apart):
        y = side_by_side([axis if one else _still(axis.out) for axis, one in zip(axes, apart, strict=True)], y)
    return tap_by_tap([_still(axis.length) if one else axis for axis, one in zip(axes, apart, strict=True)], y)


def _winners(x: Array, axes: Axes) -> Array:
    """The number of the tap that reads the first of each window's largest cells; a NaN is larger than any number."""
    x, taps = padded(axes, x, least(x.dtype)), taps_of(axes)
    largest = under(axes, x, taps[0])
    winner = jnp.broadcast_to(_first_cells(axes), largest.shape)
    for u, tap in enumerate(taps[1:], start=1):
        cell = under(axes, x, tap)
        wins = ~(cell <= largest) & lax.eq(largest, largest)  # NaNs are equal to nothing, not even to themselves
        winner = jnp.where(wins, winner.dtype.type(u), winner)
        largest = lax.max(largest, cell)
    return winner


def _first_cells(axes: Axes) -> Array:
    """The number of the first tap of each window that reads a cell of x, [1, *out, 1]; of none, one more than the last.

    It wins where no cell is larger than the padding.
    """
    taps, found, inside = math.prod(axis.taps for axis in axes), np.int32(0), np.True_
    for axis, j in zip(axes, np.ogrid[tuple(slice(axis.out) for axis in axes)], strict=True):
        u = np.maximum(-(-(axis.pad.lo - j * axis.stride) // axis.dilation), 0)
        found = found * axis.taps + u
        inside = inside & (u < axis.taps) & (j * axis.stride + u * axis.dilation - axis.pad.lo < axis.length)
    number = np.where(inside, found, taps)[None, ..., None]
    return jnp.asarray(number, jnp.uint8 if taps < 2**8 else jnp.int32)


def _picked(x: Array, t: Array, *, axes: Axes) -> Array:
    winner, t = _winners(x, axes), padded(axes, t)
    cells = [under(axes, t, tap) for tap in taps_of(axes)]
    found = cells[0]
    for number, cell in enumerate(cells[1:], start=1):
        found = jnp.where(winner == number, cell, found)
    return found


def _placed_image_by_image(x: Array, y: Array, *, axes: Axes) -> Array:
    """The winners stored by a loop: before 0.12 XLA would compute them anew for every tap of every window."""
    return _on_cells(axes, y, lax.map(lambda image: _winners(image[None], axes)[0], x))


def _placed_at_once(x: Array, y: Array, *, axes: Axes) -> Array:
    """The winners of all windows stored, where XLA keeps the barrier."""
    return _on_cells(axes, y, lax.optimization_barrier(_winners(x, axes)))


def _on_cells(axes: Axes, y: Array, winner: Array) -> Array:
    """Each y on the cell that wins it: faster tap by tap where windows overlap and the channels fill registers."""
    place = tap_by_tap if overlap(axes) and y.shape[-1] % 8 == 0 else side_by_side
    return place(axes, y, winner)


def _placed_axis_by_axis(x: Array, y: Array, *, axes: Axes) -> Array:
    """The first of a row's largest cells, then the first of those of the rows: as many taps as the sides together.

    Nothing is stored by a loop here; where XLA has kept no barrier either (0.10 on the CPU), it computes the winners of
    one axis anew for each tap, no longer those of all axes.
    """
    stages = [_along_one(axes, number) for number in reversed(range(len(axes)))]
    winners = []
    for stage in stages:
        winner, x = lax.optimization_barrier((_winners(x, stage), OURS["max_pool"](x, axes=stage)))
        winners.append(winner)
    for winner, stage in zip(reversed(winners), reversed(stages), strict=True):
        place = tap_by_tap if OLD else side_by_side  # before 0.12 XLA has faster code for the former along one axis
        y = lax.optimization_barrier(place(stage, y, winner))
    return y


def _along_one(axes: Axes, number: int) -> Axes:
    """The windows along one axis, of an array whose later axes are pooled already and whose earlier ones are not."""
    before, after = (axis.length for axis in axes[:number]), (axis.out for axis in axes[number + 1 :])
    return *map(_still, before), axes[number], *map(_still, after)


def _still(length: int) -> Axis:
    """An axis on which nothing is pooled."""
    return Axis(length, taps=1, stride=1, dilation=1, pad=Pad(0, 0))


LAXS: dict[str, Callable[..., Array]] = {
    "sum_pool": _reduced("sum_pool", lax.add, lambda x: 0),
    "sum_pool_dx": _reduced("sum_pool_dx", lax.add, lambda x: 0),
    "max_pool": _reduced("max_pool", lax.max, lambda x: least(x.dtype)),
    "min_pool": _reduced("min_pool", lax.min, lambda x: greatest(x.dtype)),
    "max_pool_pick": _picked,  # lax's own picks another cell than its gradient does, where several are largest
    "max_pool_place": _placed_by_lax,
}
OURS: dict[str, Callable[..., Array]] = {
    "sum_pool": _axis_by_axis(lax.add, lambda x: 0),
    "sum_pool_dx": _spread,
    "max_pool": _axis_by_axis(lax.max, lambda x: least(x.dtype)),
    "min_pool": _axis_by_axis(lax.min, lambda x: greatest(x.dtype)),
    "max_pool_pick": _picked,
}
PLACES: dict[str, Callable[..., Array]] = {
    "taps": _placed_image_by_image,
    "cells": _placed_at_once,
    "axes": _placed_axis_by_axis,
}
# How many operands of an operation, from the first on, are over the cells of x; and whose results are.
OVER_CELLS = {"sum_pool": 1, "sum_pool_dx": 0, "max_pool": 1, "min_pool": 1, "max_pool_pick": 2, "max_pool_place": 1}
TO_CELLS = {"sum_pool_dx", "max_pool_place"}


def _computed(name: str, *operands: Array, axes: Axes, way: str | None, platform: str | None, **_: Any) -> Array:
    """The result on a platform: on the CPU of the cells that are read, and as lax does on every other."""
    elsewhere = way is None and platform != "cpu"
    if way == "lax" or elsewhere or any(map(is_explicit, operands)) or any(operand.size == 0 for operand in operands):
        return LAXS[name](*operands, axes=axes)
    compute = partial(_chosen, name, way)
    return thinned(compute, operands, axes, over_cells=OVER_CELLS[name], to_cells=name in TO_CELLS)


def _chosen(name: str, way: str | None, *operands: Array, axes: Axes) -> Array:
    """On the CPU: as the table says, or in the way forced."""
    if way is None:
        n, *_, c = operands[0].shape
        way = way_for(name, Form(axes, c), n, c, c)
    if way == "lax":
        return LAXS[name](*operands, axes=axes)
    # XLA's code for CPUs widens 16 bits before each operation and rounds after it: once is faster, and loses less.
    wide = [operand.astype(at_least_single(operand.dtype)) for operand in operands]
    compute = PLACES[way] if name == "max_pool_place" else OURS[name]
    return compute(*wide, axes=axes).astype(operands[-1].dtype)


# Names of ours alone, since the certifier's rules go by name.
PRIMITIVES = {name: define(f"jaxconv_{name}", partial(_computed, name)) for name in LAXS}


def _again(name: str, *operands: Any, axes: Axes, way: str | None, **_: Any) -> Array:
    """Another operation of the same windows, computed in the same way."""
    return bind(name, *operands, axes=axes, way=way)


def _transposed(name: str, cotangent: Any, x: Array, linear: Any, **params: Any) -> tuple[None, Array | None]:
    """The transpose of what is linear in its second operand alone."""
    return None, None if isinstance(cotangent, ad.Zero) else _again(name, x, cotangent, **params)


def _batched(name: str, operands: Any, batched: Any, **params: Any) -> tuple[Array, int]:
    """vmap's axis goes into the batch, of every operand."""
    count = next(a.shape[axis] for a, axis in zip(operands, batched, strict=True) if axis is not None)
    fronts = [
        jnp.broadcast_to(a, (count, *a.shape)) if axis is None else jnp.moveaxis(a, axis, 0)
        for a, axis in zip(operands, batched, strict=True)
    ]
    found = _again(name, *(a.reshape(count * a.shape[1], *a.shape[2:]) for a in fronts), **params)
    return found.reshape(count, fronts[0].shape[1], *found.shape[1:]), 0


def _linear(name: str, transpose: str) -> None:
    ad.deflinear2(PRIMITIVES[name], lambda y, x, **params: [_again(transpose, y, **params)])


def _linear_in_the_second(name: str, transpose: str) -> None:
    ad.defjvp(PRIMITIVES[name], None, lambda tangent, x, _, **params: _again(name, x, tangent, **params))
    ad.primitive_transposes[PRIMITIVES[name]] = partial(_transposed, transpose)


ad.defjvp(PRIMITIVES["max_pool"], lambda tangent, x, **params: _again("max_pool_pick", x, tangent, **params))
ad.defjvp(PRIMITIVES["min_pool"], lambda tangent, x, **params: _again("max_pool_pick", -x, tangent, **params))
_linear("sum_pool", "sum_pool_dx")
_linear("sum_pool_dx", "sum_pool")
_linear_in_the_second("max_pool_pick", "max_pool_place")
_linear_in_the_second("max_pool_place", "max_pool_pick")
for _name, _primitive in PRIMITIVES.items():
    batching.primitive_batchers[_primitive] = partial(_batched, _name)
