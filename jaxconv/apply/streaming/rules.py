"""What each primitive does to the segments of its operands: one function a family."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import JaxprEqn

from jaxconv.apply.streaming.segment import Segment, Window
from jaxconv.apply.streaming.values import (
    BLOCKS,
    Constant,
    Part,
    Signal,
    Value,
    cells,
    growing_axis,
    law_of,
    moved,
)
from jaxconv.jaxprs.evaluate import executed
from jaxconv.jaxprs.primitives import family
from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.typing import Array, ArrayValue, Params, shape_of
from jaxconv.verify.domain import CannotProve

FIXED_PART = "it uses a fixed part of the signal"
PAD_ONLY = "Use the part only to pad the signal"


@dataclass(frozen=True)
class Pair:
    """An equation in the two traces, and the segment of the stream in which it is computed."""

    equation: JaxprEqn
    other: JaxprEqn
    segment: Segment

    @property
    def name(self) -> str:
        """Name of the primitive."""
        return self.equation.primitive.name

    @property
    def params(self) -> Params:
        """The parameters in the first trace."""
        return self.equation.params

    def shapes(self, number: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of a result in the two traces."""
        return shape_of(self.equation.outvars[number]), shape_of(self.other.outvars[number])

    def axis(self, number: int = 0) -> int:
        """The streamed axis of a result.

        Raises:
            CannotProve: there is none.
        """
        axis = growing_axis(*self.shapes(number))
        if axis is None:
            raise CannotProve("its result has a fixed length", "Use operations that keep the streamed axis")
        return axis

    def bound(self, operands: Sequence[ArrayValue], **params: Any) -> list[Array]:
        """The results for other operands, and with some other parameters."""
        return executed(self.equation.replace(params=dict(self.equation.params) | params), operands)


Rule: TypeAlias = Callable[[Pair, Sequence[Value]], Sequence[Value]]
RULES: Registry[Rule] = Registry()

# Axes that an operand (its number is given) may not be streamed along: cells along them are combined.
REDUCED = [
    "reduce_sum",
    "reduce_max",
    "reduce_min",
    "reduce_prod",
    "reduce_and",
    "reduce_or",
    "reduce_xor",
    "argmax",
    "argmin",
]
COMBINED: dict[str, Callable[[Params, int], Sequence[int]]] = (
    dict.fromkeys(family("pointwise") | {"broadcast_in_dim", "transpose", "stack"}, lambda params, number: ())
    | dict.fromkeys(REDUCED, lambda params, number: params["axes"])
    | dict.fromkeys(
        ["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp", "split", "unstack"],
        lambda params, number: (params["axis"],),
    )
    | dict.fromkeys(["squeeze", "rev"], lambda params, number: params["dimensions"])
    | {
        "sort": lambda params, number: (params["dimension"],),
        "dot_general": lambda params, number: params["dimension_numbers"][0][number],
    }
)


def _along_others(pair: Pair, inputs: Sequence[Value]) -> Sequence[Value]:
    """Each cell of the result along the streamed axis is a function of the operands' cells at the same position."""
    for number, value in enumerate(inputs):
        if isinstance(value, Signal | Constant) and value.axis in COMBINED[pair.name](pair.params, number):
            cure = f"Use {pair.name} along other axes, or over windows of a fixed size"
            raise CannotProve(f"{pair.name} over the streamed axis: its result depends on the whole signal", cure)
    return by_position(pair, inputs, lambda operands, length: pair.bound(operands))


RULES(*(COMBINED.keys() - {"broadcast_in_dim", "rev"}))(_along_others)


def by_position(
    pair: Pair, inputs: Sequence[Value], compute: Callable[[list[ArrayValue], int], Sequence[Array]]
) -> Sequence[Value]:
    """Results that are computed for each position by itself: `compute(operands, number of positions)`."""
    if any(isinstance(value, Part) for value in inputs):
        raise CannotProve(FIXED_PART, PAD_ONLY)
    varying = [value for value in inputs if isinstance(value, Signal | Constant)]
    axes = [pair.axis(number) for number in range(len(pair.equation.outvars))]
    if all(isinstance(value, Constant) for value in varying):
        return _of_constants(pair, inputs, axes, compute)
    signals = iter(pair.segment.aligned(varying))
    operands = [next(signals) if isinstance(value, Signal | Constant) else value for value in inputs]
    one = next(operand for operand in operands if isinstance(operand, Signal))
    arrays = [operand.array if isinstance(operand, Signal) else operand for operand in operands]
    results = compute(arrays, one.array.shape[one.axis])
    return [moved(one, array, axis) for array, axis in zip(results, axes, strict=True)]


def _of_constants(
    pair: Pair,
    inputs: Sequence[Value],
    axes: Sequence[int],
    compute: Callable[[list[ArrayValue], int], Sequence[Array]],
) -> Sequence[Value]:
    """The same for constants: for the cells at the start, the repeated cell, and the cells at the end."""
    constants = [value for value in inputs if isinstance(value, Constant)]
    if len({(one.rate, one.end) for one in constants}) > 1:
        raise CannotProve("its operands have different numbers of cells per cell of the signal")
    counts = [max(getattr(one, name).shape[one.axis] for one in constants) for name in ("first", "last")]
    results: list[Sequence[Array]] = []
    for name, count in (("first", counts[0]), ("middle", 1), ("last", counts[1])):
        operands = [_stretched(value, name, count) if isinstance(value, Constant) else value for value in inputs]
        results.append(compute(operands, count))
    rate, end = constants[0].rate, constants[0].end
    return [
        Constant(first, middle, last, axis, rate, end) for first, middle, last, axis in zip(*results, axes, strict=True)
    ]


def _stretched(constant: Constant, name: str, count: int) -> Array:
    """One of the parts of a constant, with more cells from its middle."""
    own, axis = getattr(constant, name), constant.axis
    middle = jnp.repeat(jnp.asarray(constant.middle), count - own.shape[axis], axis)
    return lax.concatenate([jnp.asarray(own), middle] if name == "first" else [middle, jnp.asarray(own)], axis)


@RULES("broadcast_in_dim")
def broadcast_in_dim(pair: Pair, inputs: Sequence[Value]) -> Sequence[Value]:
    """New axes; or a value that is the same at every position of the signal; or copies of one cell of it."""
    (value, *_), shape, axis = inputs, pair.params["shape"], growing_axis(*pair.shapes(0))
    places: Sequence[int] = pair.params["broadcast_dimensions"]
    if isinstance(value, Part):
        behind = value.source.axis + 1
        if value.copies is not None or [n for n in range(len(shape)) if n not in places] != [behind]:
            raise CannotProve(FIXED_PART, PAD_ONLY)
        return [replace(value, copies=shape[behind])]
    if axis is None:
        raise CannotProve("its result has a fixed length")
    resized: Callable[[int], tuple[int, ...]] = lambda length: (*shape[:axis], length, *shape[axis + 1 :])
    if isinstance(value, Signal | Constant):
        return by_position(pair, inputs, lambda operands, length: pair.bound(operands, shape=resized(length)))
    rate, end = law_of(pair.shapes(0)[0][axis], pair.shapes(0)[1][axis], pair.segment.lengths)
    (middle,) = pair.bound(inputs, shape=resized(1))
    none = cells(middle, axis, 0, 0)
    return [Constant(none, middle, none, axis, rate, end)]


@RULES("reshape")
def reshape(pair: Pair, inputs: Sequence[Value]) -> Sequence[Value]:
    """The cells in row-major order: the streamed axis is kept, merged with axes after it, or split into blocks."""
    (value,), shape = inputs, pair.params["new_sizes"]
    if isinstance(value, Part):
        return [_copied(pair, value)]
    axis = pair.axis()
    own = shape_of(pair.equation.invars[0])
    if pair.params["dimensions"] is not None or math.prod(own[: value.axis]) != math.prod(shape[:axis]):
        cure = "Keep the streamed axis apart from those before it"
        raise CannotProve("it merges the streamed axis with axes before it", cure)
    fine, coarse = shape[axis], own[value.axis]
    block = coarse // fine if coarse % fine == 0 else 1
    if fine * block % coarse:
        raise CannotProve(BLOCKS)
    copies = fine * block // coarse
    if block == copies == 1:
        new: Callable[[int], tuple[int, ...]] = lambda length: (*shape[:axis], length, *shape[axis + 1 :])
        return by_position(pair, inputs, lambda operands, length: pair.bound(operands, new_sizes=new(length)))
    signal = as_signal(pair, value)
    signal = pair.segment.delayed(signal, signal.offset % block)
    rate = signal.rate * copies / block
    pair.segment.multiple = math.lcm(pair.segment.multiple, rate.denominator)
    number = signal.array.shape[signal.axis] * copies // block
    (array,) = pair.bound([signal.array], new_sizes=(*shape[:axis], number, *shape[axis + 1 :]))
    return [Signal(array, axis, rate, signal.offset * copies // block, signal.end * copies // block)]


def _copied(pair: Pair, part: Part) -> Part:
    """A part, whose cells are followed by their copies."""
    own, axis = list(value_shape(pair)), part.source.axis
    if part.copies is None or [*own[:axis], own[axis] * own[axis + 1], *own[axis + 2 :]] != list(
        pair.params["new_sizes"]
    ):
        raise CannotProve(FIXED_PART, PAD_ONLY)
    return replace(part, cells=tuple(cell for cell in part.cells for _ in range(part.copies)), copies=None)


def as_signal(pair: Pair, value: Value) -> Signal:
    """A signal with the contents of its first cells; a constant as a signal.

    Raises:
        CannotProve: the value is neither.
    """
    if isinstance(value, Constant):
        return pair.segment.realised(value, min(value.latest, 0))
    if not isinstance(value, Signal):
        raise CannotProve(FIXED_PART, PAD_ONLY)
    return pair.segment.settled(value)


def not_part(value: Value) -> Signal | Constant:
    """A value that varies along the stream.

    Raises:
        CannotProve: it is a fixed part of a signal, or does not vary.
    """
    if not isinstance(value, Signal | Constant):
        raise CannotProve(FIXED_PART, PAD_ONLY)
    return value


@RULES("slice")
def slice_(pair: Pair, inputs: Sequence[Value]) -> Sequence[Value]:
    """Cells from a start on: a signal without some cells at its ends, some of its cells, or a fixed part of it."""
    value = not_part(inputs[0])
    axis = value.axis
    sides = [pair.equation, pair.other]
    lengths = [shape_of(side.invars[0])[axis] for side in sides]
    starts, limits = ([int(side.params[name][axis]) for side in sides] for name in ("start_indices", "limit_indices"))
    stride = int((pair.params["strides"] or (1,) * len(pair.params["start_indices"]))[axis])
    others = {
        name: tuple(pair.params[name] or (1,) * len(pair.params["start_indices"]))
        for name in ("start_indices", "limit_indices", "strides")
    }

    def along_others(array: Array) -> Array:
        bounds = {"start_indices": 0, "limit_indices": array.shape[axis], "strides": 1}
        own = {name: (*every[:axis], bounds[name], *every[axis + 1 :]) for name, every in others.items()}
        return lax.slice(jnp.asarray(array), own["start_indices"], own["limit_indices"], own["strides"])

    from_end = [limit - length for limit, length in zip(limits, lengths, strict=True)]
    if starts == [0, 0] and from_end == [0, 0] and stride == 1:
        return by_position(pair, inputs, lambda operands, length: [along_others(operands[0])])
    if starts[0] == starts[1] and from_end[0] == from_end[1]:
        window = Window(stride=stride, before=-starts[0], after=from_end[0])
        signal = as_signal(pair, value)
        strided = lambda array, before, after: lax.slice_in_dim(along_others(array), 0, None, stride, axis)
        return [pair.segment.slid(signal, window, 0, strided, axis)]
    whole = all(shape_of(pair.equation.outvars[0])[n] == m for n, m in enumerate(value_shape(pair)) if n != axis)
    if not isinstance(value, Signal) or not whole:
        raise CannotProve(FIXED_PART, PAD_ONLY)
    if starts[0] == starts[1] and limits[0] == limits[1]:
        return [Part(value, tuple(range(starts[0], limits[0], stride)))]
    ends = [tuple(range(a - n, b - n, stride)) for a, b, n in zip(starts, limits, lengths, strict=True)]
    if ends[0] == ends[1]:
        return [Part(value, ends[0])]
    raise CannotProve("the part that it takes depends on the length of the signal")


def value_shape(pair: Pair) -> tuple[int, ...]:
    """The shape of the first operand in the first trace."""
    return shape_of(pair.equation.invars[0])


@RULES("rev")
def rev(pair: Pair, inputs: Sequence[Value]) -> Sequence[Value]:
    """Cells in reverse order, along other axes; or those of a fixed part of the signal."""
    (value,) = inputs
    if isinstance(value, Part) and value.copies is None and tuple(pair.params["dimensions"]) == (value.source.axis,):
        return [replace(value, cells=value.cells[::-1])]
    return _along_others(pair, inputs)


@RULES("concatenate")
def concatenate(pair: Pair, inputs: Sequence[Value]) -> Sequence[Value]:
    """Values that follow one another: along another axis; or a signal with cells before and after it."""
    axis = pair.params["dimension"]
    parts = [value for value in inputs if isinstance(value, Part)]
    if len(parts) == len(inputs):
        one = parts[0].source
        if any(part.source is not one or one.axis != axis or part.copies is not None for part in parts):
            raise CannotProve(FIXED_PART, PAD_ONLY)
        return [Part(one, tuple(cell for part in parts for cell in part.cells))]
    found = [n for n, value in enumerate(inputs) if isinstance(value, Signal | Constant)]
    if any(isinstance(value, Signal | Constant) and value.axis != axis for value in inputs):
        return by_position(
            pair, inputs, lambda operands, length: [lax.concatenate([*map(jnp.asarray, operands)], axis)]
        )
    if len(found) != 1:
        raise CannotProve("it joins several signals along the streamed axis", "Join them along another axis")
    (number,) = found
    value = inputs[number]
    signal = value if isinstance(value, Signal) else as_signal(pair, value)
    return [pair.segment.joined(signal, inputs[:number], inputs[number + 1 :])]


@RULES("pad")
def pad(pair: Pair, inputs: Sequence[Value]) -> Sequence[Value]:
    """Numbers around an array, and between its cells; negative ones crop it."""
    value, fill = not_part(inputs[0]), inputs[1]
    if isinstance(fill, Signal | Constant | Part):
        raise CannotProve("the number that it pads with depends on the signal", "Pad with a constant")
    axis, config = value.axis, [(int(a), int(b), int(c)) for a, b, c in pair.params["padding_config"]]
    before, after, between = config[axis]

    def padded(array: Array, start: int, stop: int) -> Array:
        return lax.pad(array, fill, [*config[:axis], (start, stop, between), *config[axis + 1 :]])

    if config[axis] == (0, 0, 0):
        return by_position(pair, inputs, lambda operands, length: [padded(operands[0], 0, 0)])
    window = Window(spread=between + 1, before=before, after=after)
    signal = value if isinstance(value, Signal) else as_signal(pair, value)
    return [pair.segment.slid(signal, window, fill, padded, axis)]


@RULES("gather")
def gather(pair: Pair, inputs: Sequence[Value]) -> Sequence[Value]:
    """Reads of a table at indices that are a signal, as an embedding; or along other axes than the streamed one."""
    (operand, indices), numbers = inputs, pair.params["dimension_numbers"]
    if isinstance(operand, Signal | Constant):
        axis, sizes = operand.axis, pair.params["slice_sizes"]
        read = axis in (*numbers.start_index_map, *numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
        if read or isinstance(indices, Signal | Constant) or sizes[axis] != value_shape(pair)[axis]:
            raise CannotProve("it reads the streamed axis at indices", "Use slices")
        resized: Callable[[int], Any] = lambda length: (*sizes[:axis], length, *sizes[axis + 1 :])
        return by_position(pair, inputs, lambda operands, length: pair.bound(operands, slice_sizes=resized(length)))
    if not isinstance(indices, Signal | Constant) or indices.axis == len(shape_of(pair.equation.invars[1])) - 1:
        raise CannotProve("it reads at indices that depend on the signal in another way than one by one")
    if numbers.operand_batching_dims:
        raise CannotProve("it reads along with the positions of the signal")
    return by_position(pair, inputs, lambda operands, length: pair.bound(operands))


@RULES("dynamic_slice")
def dynamic_slice(pair: Pair, inputs: Sequence[Value]) -> Sequence[Value]:
    """A slice along other axes, with starts that are operands."""
    value, sizes = inputs[0], pair.params["slice_sizes"]
    starts = any(isinstance(start, Signal | Constant | Part) for start in inputs[1:])
    if starts or not isinstance(value, Signal | Constant) or sizes[value.axis] != value_shape(pair)[value.axis]:
        raise CannotProve("it reads the streamed axis at a start that is an operand", "Use a static slice")
    resized = lambda length: (*sizes[: value.axis], length, *sizes[value.axis + 1 :])
    return by_position(pair, inputs, lambda operands, length: pair.bound(operands, slice_sizes=resized(length)))


@RULES(*family("identity"))
def each_by_itself(pair: Pair, inputs: Sequence[Value]) -> Sequence[Value]:
    """out_i = x_i."""
    return inputs


def spans_of(values: Sequence[Value]) -> bool:
    """Whether some value varies along the stream."""
    return any(isinstance(value, Signal | Constant | Part) for value in values)


def array_of(value: ArrayValue, dtype: Any) -> Array:
    """An array or number with the dtype of its variable."""
    return value if isinstance(value, jax.Array) else jnp.asarray(np.asarray(value), dtype)
