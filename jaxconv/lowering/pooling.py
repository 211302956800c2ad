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

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import ad, batching
from jaxtyping import Array

from jaxconv.lowering.form import Form, deltas_padding
from jaxconv.lowering.maxima import extremes
from jaxconv.lowering.primitive import define, is_explicit, varying_alike
from jaxconv.lowering.spreading import side_by_side, tap_by_tap
from jaxconv.lowering.table import forced_on_pools, way_for
from jaxconv.lowering.taps import along, apart, padded
from jaxconv.lowering.thinning import thinned
from jaxconv.lowering.ways.way import at_least_single, summed
from jaxconv.lowering.winners import PLACES, least, picked, placed_axis_by_axis, still
from jaxconv.window import Axis

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
    """Its select-and-scatter, which compares by >= and so lets NaNs lose: they are made the largest numbers before.

    Infinities then count as equal to the largest finite number, which matters to windows that hold both.
    """
    if any(axis.dilation > 1 for axis in axes):  # lax has none of these
        return placed_axis_by_axis(x, y, axes=axes)
    x = jnp.where(lax.eq(x, x), lax.min(x, jnp.finfo(x.dtype).max), np.array(np.inf, x.dtype))
    return jax.vjp(partial(LAXS["max_pool"], axes=axes), x)[1](y)[0]


def greatest(dtype: Any) -> Any:
    """What no cell is larger than: infinity, or the greatest integer."""
    if jnp.issubdtype(dtype, jnp.floating):
        return np.inf
    return True if dtype == jnp.bool_ else jnp.iinfo(dtype).max


# As the taps of the window say.


def _summed(x: Array, *, axes: Axes) -> Array:
    """Sums along one axis after the other: as many slices as the window's sides are long together."""
    x = padded(axes, x)
    for number, axis in enumerate(axes, start=1):
        x = summed([along(axis, x, number, u) for u in range(axis.taps)])
    return x


def _spread(y: Array, *, axes: Axes) -> Array:
    """In one pass along axes on which no cell is in two windows, and tap by tap along the others."""
    if any(map(apart, axes)):
        y = side_by_side([axis if apart(axis) else still(axis.out) for axis in axes], y)
    return tap_by_tap([still(axis.length) if apart(axis) else axis for axis in axes], y)


LAXS: dict[str, Callable[..., Array]] = {
    "sum_pool": _reduced("sum_pool", lax.add, lambda x: 0),
    "sum_pool_dx": _reduced("sum_pool_dx", lax.add, lambda x: 0),
    "max_pool": _reduced("max_pool", lax.max, lambda x: least(x.dtype)),
    "min_pool": _reduced("min_pool", lax.min, lambda x: greatest(x.dtype)),
    "max_pool_pick": picked,  # lax's own picks another cell than its gradient does, where several are largest
    "max_pool_place": _placed_by_lax,
}
# XLA's maxima on the CPU drop NaNs from some size on. It does not know these for maxima, so they are slower, and right.
KEEP_NANS: dict[str, Callable[..., Array]] = {
    "max_pool": _reduced("max_pool", lambda a, b: jnp.where((a >= b) | ~lax.eq(a, a), a, b), lambda x: least(x.dtype)),
    "min_pool": _reduced(
        "min_pool", lambda a, b: jnp.where((a <= b) | ~lax.eq(a, a), a, b), lambda x: greatest(x.dtype)
    ),
}
OURS: dict[str, Callable[..., Array]] = {
    "sum_pool": _summed,
    "sum_pool_dx": _spread,
    "max_pool": lambda x, *, axes: extremes(lax.max, least(x.dtype), x, axes),
    "min_pool": lambda x, *, axes: extremes(lax.min, greatest(x.dtype), x, axes),
    "max_pool_pick": picked,
}
# How many operands of an operation, from the first on, are over the cells of x; and whose results are.
OVER_CELLS = {"sum_pool": 1, "sum_pool_dx": 0, "max_pool": 1, "min_pool": 1, "max_pool_pick": 2, "max_pool_place": 1}
TO_CELLS = {"sum_pool_dx", "max_pool_place"}


def _computed(name: str, *operands: Array, axes: Axes, way: str | None, platform: str | None, **_: Any) -> Array:
    """The result on a platform: on the CPU of the cells that are read, and as lax does on every other."""
    elsewhere = way is None and platform != "cpu"
    if way == "lax" or elsewhere or any(operand.size == 0 for operand in operands):
        return LAXS[name](*operands, axes=axes)
    if any(map(is_explicit, operands)):
        return (LAXS if platform != "cpu" else LAXS | KEEP_NANS)[name](*operands, axes=axes)
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
