"""What each primitive is, as instructions of the checker: the part of the trusted base that speaks of JAX's primitives.

A translation takes the program, the equation, its operands' values and their numbers where these are known, and returns
the values of its results; or None where the equation's parameters ask for something that it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from translation.program import Program

Known = Sequence[np.ndarray | None]
Translation = Callable[[Program, Any, Sequence[int], Known], Sequence[int] | None]
TRANSLATIONS: dict[str, Translation] = {}

# Functions of cells at one place.
ELEMENTWISE = [
    "abs",
    "acos",
    "acosh",
    "add",
    "add_any",
    "and",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "clamp",
    "convert_element_type",
    "copy",
    "copy_p",
    "cos",
    "cosh",
    "div",
    "eq",
    "erf",
    "erf_inv",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "ge",
    "gt",
    "imag",
    "integer_pow",
    "is_finite",
    "le",
    "lgamma",
    "log",
    "log1p",
    "log2",
    "logistic",
    "lt",
    "max",
    "min",
    "mul",
    "name",
    "ne",
    "neg",
    "nextafter",
    "not",
    "or",
    "population_count",
    "pow",
    "real",
    "reduce_precision",
    "rem",
    "round",
    "rsqrt",
    "select_n",
    "shift_left",
    "shift_right_arithmetic",
    "shift_right_logical",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "stop_gradient",
    "sub",
    "tan",
    "tanh",
    "xor",
]
REDUCTIONS = {
    "reduce_sum": np.sum, "reduce_max": np.max, "reduce_min": np.min, "reduce_prod": np.prod,
    "reduce_and": np.bitwise_and.reduce, "reduce_or": np.bitwise_or.reduce, "reduce_xor": np.bitwise_xor.reduce,
}  # fmt: skip
WINDOWS = {
    "reduce_window_sum": np.sum, "reduce_window_max": np.max, "reduce_window_min": np.min,
    "jaxconv_sum_pool": np.sum, "jaxconv_sum_pool_dx": np.sum, "jaxconv_max_pool": np.max,
}  # fmt: skip


def translation(*names: str) -> Callable[[Translation], Translation]:
    """Register the translation of some primitives."""

    def register(function: Translation) -> Translation:
        TRANSLATIONS.update(dict.fromkeys(names, function))
        return function

    return register


def bound(eqn: Any, number: int | None = None) -> Callable[..., Any]:
    """What the primitive computes; one of its results, if it has several."""

    def run(*operands: Any) -> Any:
        found = eqn.primitive.bind(*map(jnp.asarray, operands), **eqn.params)
        return found if number is None else found[number]

    return run


def shape_of(eqn: Any, number: int = 0) -> tuple[int, ...]:
    """The shape of a result."""
    return tuple(eqn.outvars[number].aval.shape)


@translation(*ELEMENTWISE)
def elementwise(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """out[i] = f(x[i], y[i], ...); numbers are spread over the shape."""
    return [program.map(bound(eqn), [program.spread(x, shape_of(eqn)) for x in operands])]


@translation("broadcast_in_dim")
def broadcast_in_dim(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Axis n becomes axis broadcast_dimensions[n], or its one cell is repeated."""
    shape, places = shape_of(eqn), eqn.params["broadcast_dimensions"]
    mine = program.shapes[operands[0]]
    grown = [place if cells == shape[place] else None for cells, place in zip(mine, places, strict=True)]
    return [program.reindex(operands[0], grown, shape)]


@translation("transpose")
def transpose(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Axis n of the result is axis permutation[n]."""
    return [program.transpose(operands[0], eqn.params["permutation"])]


@translation("squeeze")
def squeeze(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Axes of one cell taken away."""
    return [program.drop(operands[0], eqn.params["dimensions"])]


@translation("reshape")
def reshape(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """The same cells in row-major order."""
    if eqn.params.get("dimensions") is not None or 0 in shape_of(eqn):
        return None
    return [program.reshape(operands[0], shape_of(eqn))]


@translation("rev")
def rev(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Axes read from their ends."""
    x = operands[0]
    for axis in eqn.params["dimensions"]:
        x = program.slice(x, axis, program.shapes[x][axis] - 1, -1, program.shapes[x][axis])
    return [x]


@translation("slice")
def slice_(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """out[j] = x[start + j*stride] along each axis."""
    shape, starts = shape_of(eqn), eqn.params["start_indices"]
    strides = eqn.params["strides"] or (1,) * len(shape)
    return [_sliced(program, operands[0], starts, strides, shape)]


def _sliced(program: Program, x: int, starts: Sequence[int], strides: Sequence[int], shape: Sequence[int]) -> int:
    for axis, (start, stride, count) in enumerate(zip(starts, strides, shape, strict=True)):
        x = program.slice(x, axis, int(start), int(stride), count)
    return x


@translation("split")
def split(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Consecutive slices along one axis."""
    sizes, axis = eqn.params["sizes"], eqn.params["axis"]
    starts = np.cumsum([0, *sizes[:-1]])
    return [program.slice(operands[0], axis, int(at), 1, size) for at, size in zip(starts, sizes, strict=True)]


@translation("dynamic_slice")
def dynamic_slice(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """A slice at places that are known, moved back where it would leave x."""
    shape, mine = shape_of(eqn), program.shapes[operands[0]]
    if any(at is None and size != cells for at, size, cells in zip(known[1:], shape, mine, strict=True)):
        return None
    starts = [
        0 if at is None else min(max(int(at), 0), cells - size)
        for at, size, cells in zip(known[1:], shape, mine, strict=True)
    ]
    return [_sliced(program, operands[0], starts, (1,) * len(shape), shape)]


@translation("pad")
def pad(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """Cells of a number before, after and between."""
    x, number = operands
    if any(0 in (cells, size) for cells, size in zip(program.shapes[x], shape_of(eqn), strict=True)):
        return None
    for axis, (before, after, between) in enumerate(eqn.params["padding_config"]):
        x = program.pad(x, number, axis, int(before), int(after), int(between))
    return [x]


@translation("concatenate")
def concatenate(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """One after another along an axis."""
    axis = eqn.params["dimension"]
    first, *others = [x for x in operands if program.shapes[x][axis]] or operands[:1]
    for other in others:
        first = program.cat(first, other, axis)
    return [first]


@translation(*REDUCTIONS)
def reduction(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """A commutative function of all cells along some axes, one after another."""
    function = partial(REDUCTIONS[eqn.primitive.name], axis=-1)
    return [program.reduce(function, operands[0], eqn.params["axes"])]


@translation("argmax", "argmin")
def place_of_extreme(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """The place of the largest cell along an axis."""
    if len(eqn.params["axes"]) != 1:
        return None
    find = np.argmax if eqn.primitive.name == "argmax" else np.argmin
    return [program.reduce(partial(find, axis=-1), operands[0], eqn.params["axes"], commutes=False)]


@translation("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp", "sort")
def along(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """Each cell is made of all cells along one axis; in order, whatever order they had."""
    if len(operands) != 1:
        return None
    (x,) = operands
    axis = eqn.params["dimension" if eqn.primitive.name == "sort" else "axis"]
    run = bound(eqn, 0 if eqn.primitive.name == "sort" else None)
    there = lambda cells: jnp.moveaxis(run(jnp.moveaxis(jnp.asarray(cells), -1, axis)), axis, -1)
    return [program.along(there, x, axis, program.shapes[x][axis], commutes=eqn.primitive.name == "sort")]


def _product(program: Program, x: int, y: int, sums: Sequence[int]) -> int:
    """The cells of two values of one shape multiplied, and summed over some axes."""
    return program.reduce(partial(np.sum, axis=-1), program.map(np.multiply, [x, y]), sums)


@translation("dot_general")
def dot_general(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int]:
    """Both operands over (batch, contracted, rest of x, rest of y), multiplied, summed over what is contracted."""
    x, y = operands
    mine, its = program.shapes[x], program.shapes[y]
    (contract_x, contract_y), (batch_x, batch_y) = eqn.params["dimension_numbers"]
    rest_x = [n for n in range(len(mine)) if n not in (*contract_x, *batch_x)]
    rest_y = [n for n in range(len(its)) if n not in (*contract_y, *batch_y)]
    order_x, order_y = [*batch_x, *contract_x, *rest_x], [*batch_y, *contract_y]
    shape = [mine[n] for n in order_x] + [its[n] for n in rest_y]
    places_y = {n: place for place, n in enumerate(order_y)} | {n: len(order_x) + k for k, n in enumerate(rest_y)}
    wide_x = program.reindex(x, [order_x.index(n) for n in range(len(mine))], shape)
    wide_y = program.reindex(y, [places_y[n] for n in range(len(its))], shape)
    return [_product(program, wide_x, wide_y, range(len(batch_x), len(batch_x) + len(contract_x)))]


@translation("conv_general_dilated", "jaxconv_conv")
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
        x = program.pad(x, zero, n + 1, 0, 0, between)
        x = program.windows(x, n + 1, zero, taps=taps[n], stride=stride, dilation=dilation, before=int(before),
                            count=shape[out[n + 2]])  # fmt: skip
    # x is (n, j, u, j', u', ..., c), the kernel (o, c, u, u', ...) in its own order.
    kernel = program.transpose(kernel, (rhs[0], rhs[1], *rhs[2:]))
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
    found = program.merge(_product(program, x, kernel, range(at_taps, at_taps + spatial + 1)), spatial + 1)
    # (n, j, j', ..., o) in the order that is asked for.
    place = {out[0]: 0, out[1]: spatial + 1} | {out[n + 2]: n + 1 for n in range(spatial)}
    return [program.transpose(found, [place[n] for n in range(len(shape))])]


@translation("jaxconv_conv_dx")
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
        x = program.pad(x, number, axis, 0, 0, apart - 1)
        x = program.windows(x, axis, number, taps=taps, stride=stride, dilation=dilation, before=int(before),
                            count=shape_of(eqn)[axis])  # fmt: skip
        x = program.reduce(partial(function, axis=-1), x, [axis + 1])
    return [x]


def _neutral(function: Callable[..., Any], dtype: Any) -> Any:
    if function is np.sum:
        return np.zeros((), dtype)
    floats = jnp.issubdtype(dtype, jnp.floating)
    info = jnp.finfo(dtype) if floats else jnp.iinfo(dtype)
    least, largest = (-np.inf, np.inf) if floats else (info.min, info.max)
    return np.asarray(least if function is np.max else largest, dtype)


@translation("gather")
def gather(program: Program, eqn: Any, operands: Sequence[int], known: Known) -> list[int] | None:
    """Cells, or neighbouring ones, at known places along one axis."""
    numbers, sizes, places = eqn.params["dimension_numbers"], eqn.params["slice_sizes"], known[1]
    x, mine = operands[0], program.shapes[operands[0]]
    if places is None or len(numbers.start_index_map) != 1 or numbers.operand_batching_dims:
        return None
    (axis,) = numbers.start_index_map
    if any(size != cells for n, (size, cells) in enumerate(zip(sizes, mine, strict=True)) if n != axis):
        return None
    collapsed = tuple(numbers.collapsed_slice_dims) == (axis,)
    if not collapsed and numbers.collapsed_slice_dims:
        return None
    places = np.asarray(places)[..., 0].astype(int)
    if places.size == 0 or places.min() < 0 or places.max() + sizes[axis] > mine[axis]:
        return None
    batch = places.shape
    reads = (places[..., None] + np.arange(sizes[axis])).reshape(-1)
    x = program.take(x, axis, reads.tolist())
    inner = () if collapsed else (sizes[axis],)
    x = program.reshape(x, (*mine[:axis], *batch, *inner, *mine[axis + 1 :]))
    # The axes of x now: those before, the batch's, the window's, those after; the result mixes them as it says.
    offsets = iter(numbers.offset_dims)
    others = iter([n for n in range(len(shape_of(eqn))) if n not in numbers.offset_dims])
    places_of = [next(offsets) for _ in range(axis)] + [next(others) for _ in batch]
    places_of += [next(offsets) for _ in inner] + [next(offsets) for _ in mine[axis + 1 :]]
    return [program.reindex(x, places_of, shape_of(eqn))]


def opaque(program: Program, eqn: Any, operands: Sequence[int]) -> list[int]:
    """An equation that is not known: some function of all that it reads."""
    several = eqn.primitive.multiple_results
    return [
        program.opaque(eqn.primitive.name, operands, shape_of(eqn, n), bound(eqn, n if several else None))
        for n in range(len(eqn.outvars))
    ]
