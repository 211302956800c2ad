"""lax's window reductions read as our poolings, and their gradients, along any axes of an array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.extend.core import JaxprEqn, Literal
from jaxtyping import Array

from jaxconv.jaxprs.rewrite import KeptError, Makers
from jaxconv.jaxprs.typing import Atom, Params, aval_of
from jaxconv.lowering.accelerate.reading import (
    READERS,
    Cropped,
    Reading,
    axis_of_windows,
    check_types,
    cut,
    known,
    padded_axis,
    transposed,
    untransposed,
)
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.pooling import bind
from jaxconv.lowering.table import forced_pool_algorithm
from jaxconv.window import Axis

POOLS = {"reduce_window_max": "max_pool", "reduce_window_min": "min_pool", "reduce_window_sum": "sum_pool"}
SCATTER = "max_pool_scatter"


@dataclass(frozen=True)
class _Arrangement:
    """The axes of an array as [n, *spatial, c]: the window's in the middle, the last other one at the end.

    Attributes:
        spatial: the axes along which the window has more than one cell, a stride, padding or a dilation.
        channels: the axis of the channels, or none if the window covers every axis.
        batch: the other axes, which are merged.
    """

    spatial: tuple[int, ...]
    channels: tuple[int, ...]
    batch: tuple[int, ...]

    @property
    def order(self) -> tuple[int, ...]:
        return (*self.batch, *self.spatial, *self.channels)

    def arranged(self, a: Array) -> Array:
        """[n, *spatial, c]."""
        a = transposed(a, self.order)
        first, last = len(self.batch), len(self.batch) + len(self.spatial)
        n, c = (_product(a.shape[:first]), _product(a.shape[last:]))
        return a if (first, a.ndim - last) == (1, 1) else a.reshape(n, *a.shape[first:last], c)

    def restored(self, a: Array, shape: Sequence[int]) -> Array:
        """The inverse, for an array of a shape."""
        ordered = tuple(shape[axis] for axis in self.order)
        return untransposed(a if a.shape == ordered else a.reshape(ordered), self.order)


def _product(lengths: Sequence[Any]) -> Any:
    product: Any = 1
    for length in lengths:
        product = product * length
    return product


def _arrangement(p: Params, shape: Sequence[object]) -> _Arrangement:
    """The arrangement for a window.

    Raises:
        KeptError: the window is one cell.
    """
    ones = [1] * len(shape)
    of_each = (
        p["window_dimensions"],
        p["window_strides"],
        p.get("window_dilation", ones),
        p.get("base_dilation", ones),
    )
    trivial = [
        set(settings) == {1} and padding == (0, 0) for *settings, padding in zip(*of_each, p["padding"], strict=True)
    ]
    spatial = tuple(axis for axis, is_trivial in enumerate(trivial) if not is_trivial)
    if not spatial:
        raise KeptError("its window is one cell")
    others = [axis for axis, is_trivial in enumerate(trivial) if is_trivial]
    channels = tuple(axis for axis in others if isinstance(shape[axis], int))[-1:]
    return _Arrangement(spatial, channels, tuple(axis for axis in others if axis not in channels))


def _pick(p: Params, name: str, axes: Sequence[int]) -> list[Any]:
    return [p[name][axis] if name in p else 1 for axis in axes]


def _lengths(atom: Atom, axes: Sequence[int]) -> tuple[int, ...]:
    return known([aval_of(atom).shape[axis] for axis in axes], "the length of a window's axis")


@READERS("reduce_window_max", "reduce_window_min", "reduce_window_sum")
def pooling(equation: JaxprEqn, makers: Makers) -> Reading:
    """Read a maximum, minimum or sum of windows. A sum with base_dilation is the gradient of a sum with a stride."""
    operation = POOLS[equation.primitive.name]
    check_types(equation, real=operation != "sum_pool")
    p, (x,) = equation.params, equation.invars
    if operation == "sum_pool":
        p, x = _without_pad(p, x, makers)
    arrangement = _arrangement(p, aval_of(x).shape)
    if any(step > 1 for step in p["base_dilation"]):
        return _sum_gradient(equation, p, x, arrangement)
    return _pool(operation, equation, p, x, arrangement)


def _without_pad(p: Params, x: Atom, makers: Makers) -> tuple[Params, Atom]:
    """The parameters of a sum whose zeros, between cells and around them, the equation before adds; and its operand.

    lax derives the gradient of a sum with a stride as a sum over such an array.
    """
    maker = None if isinstance(x, Literal) else makers.get(x)
    if maker is None or maker.primitive is not lax.pad_p or any(step > 1 for step in p["base_dilation"]):
        return p, x
    cells, fill = maker.invars
    config = [tuple(map(int, each)) for each in maker.params["padding_config"]]
    if not isinstance(fill, Literal) or fill.val != 0 or any(min(lo, hi) < 0 for lo, hi, _ in config):
        return p, x
    added = [(lo + more, hi + end) for (lo, hi, _), (more, end) in zip(config, p["padding"], strict=True)]
    base = tuple(interior + 1 for _, _, interior in config)
    return {**p, "padding": tuple(added), "base_dilation": base}, cells


def _pool(operation: str, equation: JaxprEqn, p: Params, x: Atom, arrangement: _Arrangement) -> Reading:
    axes = arrangement.spatial
    lengths, paddings = _lengths(x, axes), zip(*_pick(p, "padding", axes), strict=True)
    names = ("window_dimensions", "window_strides", "window_dilation")
    settings = [lengths, *(_pick(p, name, axes) for name in names), *paddings]
    cropped = [padded_axis(*each) for each in zip(*settings, strict=True)]
    if operation != "sum_pool":
        _check_inside([each.axis for each in cropped])
    derivative = "sum_pool_grad" if operation == "sum_pool" else SCATTER
    return _reading(operation, equation, arrangement, cropped, (x,), derivatives=(derivative,))


def _sum_gradient(equation: JaxprEqn, p: Params, y: Atom, arrangement: _Arrangement) -> Reading:
    axes = arrangement.spatial
    if equation.primitive.name != "reduce_window_sum":
        raise KeptError("it is no sum, and has base_dilation")
    if any(step > 1 for step in p["window_strides"]):
        raise KeptError("it has window_strides and base_dilation")
    taps, dilations = _pick(p, "window_dimensions", axes), _pick(p, "window_dilation", axes)
    paddings = _pick(p, "padding", axes)
    firsts = [d * (n - 1) - lo for n, d, (lo, _) in zip(taps, dilations, paddings, strict=True)]
    lengths = _lengths(equation.outvars[0], axes)
    settings = (lengths, taps, _pick(p, "base_dilation", axes), dilations, firsts, _lengths(y, axes))
    cropped = [axis_of_windows(*each) for each in zip(*settings, strict=True)]
    if any(each.axis.length != length for each, length in zip(cropped, lengths, strict=True)):
        raise KeptError("its result has cells that no window reads")
    return _reading("sum_pool_grad", equation, arrangement, cropped, (y,), derivatives=("sum_pool",))


@READERS("select_and_scatter_add")
def max_gradient(equation: JaxprEqn, makers: Makers) -> Reading:
    """Read the gradient of a maximum; or of a minimum, which is the maximum's at -x."""
    check_types(equation, real=True)
    p, (y, x), names = equation.params, equation.invars, {"ge": False, "le": True}
    minimum = names.get(p["select_prim"].name)
    if minimum is None or not jnp.issubdtype(aval_of(x).dtype, jnp.floating):
        raise KeptError("it is no gradient of a maximum or minimum of floating-point numbers")
    arrangement = _arrangement(p, aval_of(x).shape)
    axes = arrangement.spatial
    lengths, paddings = _lengths(x, axes), zip(*_pick(p, "padding", axes), strict=True)
    taps, strides = _pick(p, "window_dimensions", axes), _pick(p, "window_strides", axes)
    cropped = [padded_axis(*each) for each in zip(lengths, taps, strides, [1] * len(axes), *paddings, strict=True)]
    if any(each.axis.length != length for each, length in zip(cropped, lengths, strict=True)):
        raise KeptError("its padding is negative")
    _check_inside([each.axis for each in cropped])
    return _reading(SCATTER, equation, arrangement, cropped, (x, y), minimum=minimum)


def _check_inside(axes: Sequence[Axis]) -> None:
    """Keep maxima of windows that lie in the padding."""
    if any(axis.inside(j) == 0 for axis in axes for j in range(axis.out)):
        raise KeptError("a window lies entirely in the padding")


def _reading(
    operation: str,
    equation: JaxprEqn,
    arrangement: _Arrangement,
    cropped: Sequence[Cropped],
    operands: Sequence[Atom],
    *,
    derivatives: tuple[str, ...] = (),
    minimum: bool = False,
) -> Reading:
    algorithm = forced_pool_algorithm()
    if algorithm == "lax":
        raise KeptError('use_algorithm("lax") keeps it')
    shape = aval_of(equation.outvars[0]).shape
    axes = tuple(each.axis for each in cropped)
    bound: Callable[..., Array] = partial(bind, operation, axes=axes, algorithm=algorithm)

    def compute(*values: Array) -> Array:
        first, *others = map(arrangement.arranged, values)
        if operation != "sum_pool_grad":  # whose axes are of its result
            first = cut(first, cropped)
        return arrangement.restored(bound(-first if minimum else first, *others), shape)

    first = aval_of(operands[0]).shape
    n = _product([first[axis] for axis in arrangement.batch])
    c = _product([first[axis] for axis in arrangement.channels])
    return Reading(operation, ConvSpec(axes, c), (n, c, c), operands, compute, derivatives, algorithm)


def _keep(reason: str) -> Callable[[JaxprEqn, Makers], Reading]:
    def keep(equation: JaxprEqn, makers: Makers) -> Reading:
        raise KeptError(reason)

    return keep


READERS("reduce_window")(_keep("it combines cells by a function of its own"))
READERS("select_and_gather_add")(_keep("among equal cells lax's forward mode picks another one than ours"))
READERS("select_and_scatter")(_keep("it combines cells by functions of its own"))
