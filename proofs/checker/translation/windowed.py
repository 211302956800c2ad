"""Windows that slide: convolutions and pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs.evaluate import evaluate
from jaxconv.jaxprs.layout import opened
from translation.program import Program
from translation.sums import product
from translation.table import Known, shape_of, translation

WINDOWS = {
    "reduce_window_sum": np.sum, "reduce_window_max": np.max, "reduce_window_min": np.min,
    "jaxconv_sum_pool": np.sum, "jaxconv_sum_pool_grad": np.sum, "jaxconv_max_pool": np.max,
}  # fmt: skip


@translation("conv_general_dilated", "jaxconv_conv", "jaxconv_conv_kernel_grad")
def convolution(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """out[n,j,o] = sum_{u,c} x[n, j*stride - before + u*dilation, c] w[u,c,o], groups of channels side by side."""
    p = eqn.params
    x, kernel = operands
    lhs, rhs, out = p["dimension_numbers"]
    shape, groups, spatial = shape_of(eqn), p["feature_group_count"], len(lhs) - 2
    if p["batch_group_count"] != 1 or 0 in (*shape, *program.shapes[x]):
        return None
    zero = program.constant(np.zeros((), eqn.invars[0].aval.dtype), known=True)
    x = program.transpose(x, (lhs[0], *lhs[2:], lhs[1]))
    taps = [program.shapes[kernel][n] for n in rhs[2:]]
    for n in reversed(range(spatial)):
        stride, dilation = p["window_strides"][n], p["rhs_dilation"][n]
        (before, after), between = p["padding"][n], p["lhs_dilation"][n] - 1
        if (stride, before, after, between, taps[n]) == (1, 0, 0, 0, 1):
            x = program.insert(x, n + 2)
            continue
        x = _windows(program, x, n + 1, zero, taps[n], stride, dilation, (before, after, between), shape[out[n + 2]],
                     by_taps=eqn.primitive.name == "jaxconv_conv_kernel_grad")  # fmt: skip
    # x is (n, j, u, j', u', ..., c) now, and the kernel (o, c, u, u', ...).
    kernel = program.transpose(kernel, rhs)
    features, channels = program.shapes[kernel][:2]
    x = program.split(x, 2 * spatial + 1, channels)
    kernel = program.split(kernel, 0, features // groups)
    # Over (n, j, j', ..., group, feature, u, u', ..., c).
    wide = [shape[out[0]], *(shape[out[n + 2]] for n in range(spatial)), groups, features // groups, *taps, channels]
    at_taps = spatial + 3
    places_x = [0]
    for n in range(spatial):
        places_x += [n + 1, at_taps + n]
    x = program.reindex(x, [*places_x, spatial + 1, at_taps + spatial], wide)
    places_kernel = [spatial + 1, spatial + 2, at_taps + spatial, *range(at_taps, at_taps + spatial)]
    kernel = program.reindex(kernel, places_kernel, wide)
    found = program.merge(product(program, x, kernel, range(at_taps, at_taps + spatial + 1)), spatial + 1)
    # (n, j, j', ..., o) in the order that is asked for.
    place = {out[0]: 0, out[1]: spatial + 1} | {out[n + 2]: n + 1 for n in range(spatial)}
    return [program.transpose(found, [place[n] for n in range(len(shape))])]


def _windows(
    program: Program, x: int, axis: int, number: int, taps: int, stride: int, dilation: int,
    around: tuple[int, int, int], count: int, *, by_taps: bool = False,
) -> int:  # fmt: skip
    """Windows over cells that may stand apart: then the number is written out between them and around them alike."""
    before, after, between = map(int, around)
    if between:
        x, before = program.pad(x, number, axis, before, after, between), 0
    return program.windows(
        x, axis, number, taps=taps, stride=stride, dilation=dilation, before=before, count=count, by_taps=by_taps
    )


@translation("jaxconv_conv_input_grad")
def convolution_by_the_reversed_kernel(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> Any:
    """The delta of a convolution's input: a convolution by the kernel read from its ends."""
    y, kernel = operands
    for axis in eqn.params["dimension_numbers"][1][2:]:
        length = program.shapes[kernel][axis]
        kernel = program.slice(kernel, axis, length - 1, -1, length)
    return convolution(program, eqn, [y, kernel], known)


@translation(*WINDOWS)
def pooling(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """out[j] = sum, max or min over u of x[j*stride - before + u*dilation], along each axis in turn."""
    p, (x, *_), function = eqn.params, operands, WINDOWS[eqn.primitive.name]
    if 0 in (*shape_of(eqn), *program.shapes[x]):
        return None
    dtype = eqn.invars[0].aval.dtype
    number = program.constant(_neutral(function, dtype), known=True)
    for axis, (taps, stride, (before, after), apart, dilation) in enumerate(
        zip(p["window_dimensions"], p["window_strides"], p["padding"], p["base_dilation"], p["window_dilation"],
            strict=True)
    ):  # fmt: skip
        if (taps, stride, before, after, apart) == (1, 1, 0, 0, 1):
            continue
        around = before, after, apart - 1
        x = _windows(program, x, axis, number, taps, stride, dilation, around, shape_of(eqn)[axis])
        x = program.reduce(partial(function, axis=-1), x, [axis + 1])
    return [x]


def _neutral(function: Callable[..., Any], dtype: Any) -> Any:
    if function is np.sum:
        return np.zeros((), dtype)
    floats = jnp.issubdtype(dtype, jnp.floating)
    info = jnp.finfo(dtype) if floats else jnp.iinfo(dtype)
    least, largest = (-np.inf, np.inf) if floats else (info.min, info.max)
    return np.asarray(least if function is np.max else largest, dtype)


@translation("jaxconv_max_pool_gather")
def picked(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """out[j] = t[i] of the cell i that is the largest of x under window j: of both windows, side by side."""
    p, shape, dtype = eqn.params, shape_of(eqn), eqn.invars[0].aval.dtype
    number = program.constant(_neutral(np.max, dtype), known=True)
    both = [_all_windows(program, x, p, number, shape) for x in operands]
    rank, cells = len(shape), program.cat_all(both, len(shape))
    return [program.reduce(_second_where_first_is_largest, cells, [rank], commutes=False)]


def _all_windows(program: Program, x: int, p: Any, number: int, shape: Sequence[int]) -> int:
    """The windows along all axes: a new last axis, of the cells under each, in row-major order."""
    rank = len(shape)
    for axis, (taps, stride, (before, after), apart, dilation) in enumerate(
        zip(p["window_dimensions"], p["window_strides"], p["padding"], p["base_dilation"], p["window_dilation"],
            strict=True)
    ):  # fmt: skip
        around = before, after, apart - 1
        x = _windows(program, x, axis, number, taps, stride, dilation, around, shape[axis])
        last = len(program.shapes[x]) - 1
        x = program.transpose(x, [*range(axis + 1), *range(axis + 2, last + 1), axis + 1])
        if axis:
            x = program.merge(x, rank)
    return x


def _second_where_first_is_largest(cells: Any) -> Any:
    first, second = np.split(np.asarray(cells), 2, -1)
    return np.take_along_axis(second, np.argmax(first, -1, keepdims=True), -1)[..., 0]


@translation("reduce_window")
def pooling_by_any_function(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """out[j] = some function of the cells under window j, the initial number around them."""
    initial = known[1]
    if len(operands) != 2 or initial is None or 0 in (*shape_of(eqn), *program.shapes[operands[0]]):
        return None
    x, number = operands
    jaxpr, constants = opened(eqn.params["jaxpr"])
    constants = constants or eqn.params["consts"]  # up to 0.11 they stand beside it
    combine = lambda *cells: evaluate(jaxpr, constants, cells)

    def fold(cells: Any) -> Any:
        found = jnp.broadcast_to(jnp.asarray(initial), cells.shape[:-1])
        for tap in range(cells.shape[-1]):
            (found,) = combine(found, jnp.asarray(cells[..., tap]))
        return found

    cells = _all_windows(program, x, eqn.params, number, shape_of(eqn))
    return [program.reduce(fold, cells, [len(shape_of(eqn))], commutes=False)]
