"""`streamed`: a function of a signal that arrives in chunks."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxconv.apply.claims import as_axes, shape_of_argument
from jaxconv.apply.streaming.plan import Traces, begun_operands, planned
from jaxconv.apply.streaming.segment import SEEN, Segment
from jaxconv.apply.streaming.values import Phase, Signal, Value, number_of_cells
from jaxconv.checks import function, integer, shown
from jaxconv.errors import explain, public, public_as
from jaxconv.jaxprs.typing import ArrayValue, PyTree
from jaxconv.verify.arguments import check_call
from jaxconv.verify.certify import certify
from jaxconv.verify.shifted_axes import Along, Axes, directions
from jaxconv.verify.tracing import name_of

MOST = 2**24  # cells of a chunk: the function is traced at twice this length
AXES = "Write axes={0: (1,)} to stream axis 1 of the first argument"


@dataclass(frozen=True, eq=False)
class Streamed:
    """A function of a signal that arrives in chunks, as `jc.streamed` returns it.

    The outputs that the steps return are late by `warm_up` cells: the first cells lie before the first output, and are
    to be dropped. `finish` returns the last outputs.

    Attributes:
        fn: the function.
        arguments: its arguments; of those that are streamed, the shapes.
        chunk: number of input cells of a chunk for `run`.
        multiple: the number of input cells of every chunk is a multiple of this number.
        shortest: the smallest number of input cells of a signal.
    """

    fn: Callable[..., object]
    arguments: tuple[PyTree, ...]
    chunk: int
    multiple: int
    shortest: int
    _traces: Traces
    _caches: tuple[jax.ShapeDtypeStruct, ...]
    _outputs: tuple[Value, ...]

    @property
    def warm_up(self) -> PyTree:
        """For each output, how many cells that the first steps return lie before its first cell."""
        return jax.tree.unflatten(self._traces.tree, [-_offset(output) for output in self._outputs])

    @property
    def latency(self) -> int:
        """Number of input cells by which the outputs are late: the look-ahead of the function, 0 if it is causal.

        When T input cells have arrived, each output cell has arrived that the first `T - latency` input cells
        determine by their number: `(T - latency)*rate` of them, where the output has `rate` cells per input cell.
        """
        return max((math.ceil(-_offset(output) / _rate(output)) for output in self._outputs), default=0)

    @property
    def state_size(self) -> int:
        """Number of cells in the caches."""
        return number_of_cells(self._caches)

    @property
    def state_bytes(self) -> int:
        """Number of bytes of the caches."""
        return sum(math.prod(cache.shape) * cache.dtype.itemsize for cache in self._caches)

    @functools.cached_property
    def receptive_field(self) -> int | None:
        """Largest number of input cells on which an output cell depends, from `jc.certify`; None if it is unknown."""
        shapes = [shape_of_argument(argument) for argument in self.arguments]
        certificate = certify(self.fn, *shapes, axes=as_axes([self._traces.along]), search=False)
        fields = [leaf.axes[0].interior.receptive_field for leaf in certificate.leaves]
        return None if None in fields else max(field.size for field in fields if field is not None)

    def __repr__(self) -> str:
        along = str(self._traces.along)
        outputs = ", ".join(f"{_rate(output)}" for output in self._outputs)
        return (
            f"Streamed {name_of(self.fn)}, along {along}: chunks are multiples of {self.multiple}, "
            f"output cells per input cell {outputs}, latency {self.latency}, "
            f"{len(self._caches)} caches of {self.state_size} cells ({self.state_bytes} bytes)"
        )

    def report(self) -> str:
        """Return the lattice, the latency, the receptive field and the shape of each cache as text."""
        lines = [repr(self), f"receptive field: {self.receptive_field}"]
        lines += [f"cache {number}: {_described(cache)}" for number, cache in enumerate(self._caches)]
        return "\n".join(lines)

    @public_as("streamed")
    def init(self) -> PyTree:
        """Return the state before the first chunk: the caches, filled with each layer's own padding, and a counter."""
        others = self._others()
        segment = Segment(Phase.BEGIN, self._traces.lengths)
        self._traces.followed(segment, begun_operands(self._traces, self.arguments, others))
        caches = [jnp.asarray(cache, like.dtype) for cache, like in zip(segment.kept, self._caches, strict=True)]
        return {"caches": tuple(caches), "seen": jnp.zeros((), jnp.int32)}

    @public_as("streamed")
    def step(self, state: PyTree, chunk: PyTree) -> tuple[PyTree, PyTree]:
        """Return the next state, and the outputs of a chunk; `jax.lax.scan(streamed.step, state, chunks)` works.

        Args:
            state: from `init`, or from the step before.
            chunk: the next cells of the streamed argument; of several arguments, a tuple in their order. The number of
                cells is a multiple of `multiple`.
        """
        chunks = self._checked_chunks(chunk)
        self._check_state(state)
        axis = self._traces.along.arguments[0][1]
        count = chunks[0].shape[axis]
        seen = state["seen"]
        segment = Segment(Phase.STEP, self._traces.lengths, count, seen, iter(state["caches"]))
        outputs = self._traces.followed(segment, self._operands(chunks))
        caches = tuple(segment.kept)
        return {"caches": caches, "seen": jnp.where(seen < SEEN, seen + count, seen)}, self._tree(outputs)

    @public_as("streamed")
    def finish(self, state: PyTree) -> PyTree:
        """Return the last outputs, which read the padding behind the signal."""
        self._check_state(state)
        segment = Segment(Phase.END, self._traces.lengths, 0, state["seen"], iter(state["caches"]))
        empty = [jnp.zeros(shape, dtype) for shape, dtype in self._chunk_shapes(0)]
        return self._tree(self._traces.followed(segment, self._operands(empty)))

    @public_as("streamed")
    def run(self, *signals: ArrayValue) -> PyTree:
        """Return `fn` of a whole signal, computed chunk by chunk in a `jax.lax.scan`: equal to that of the whole.

        Args:
            signals: the streamed arguments. Their number of cells is a multiple of `multiple`.
        """
        chunks = self._checked_chunks(signals if len(signals) != 1 else signals[0])
        axes = [axis for _, axis in self._traces.along.arguments]
        length = chunks[0].shape[axes[0]]
        self._check_length(length)
        return self._whole(tuple(chunks))

    @functools.cached_property
    def _whole(self) -> Callable[[tuple[ArrayValue, ...]], PyTree]:
        return jax.jit(self._run)

    def _run(self, signals: tuple[ArrayValue, ...]) -> PyTree:
        axes = [axis for _, axis in self._traces.along.arguments]
        length = signals[0].shape[axes[0]]
        full = length // self.chunk * self.chunk
        state, parts = self.init(), list[PyTree]()
        single = lambda values: tuple(values) if len(values) != 1 else values[0]
        if full:
            rows = [_in_chunks(one, axis, full, self.chunk) for one, axis in zip(signals, axes, strict=True)]
            state, outputs = lax.scan(self.step, state, single(rows))
            parts.append(
                [_in_one(array, one) for array, one in zip(jax.tree.leaves(outputs), self._outputs, strict=True)]
            )
        if full < length:
            rest = [lax.slice_in_dim(one, full, length, axis=axis) for one, axis in zip(signals, axes, strict=True)]
            state, outputs = self.step(state, single(rest))
            parts.append(jax.tree.leaves(outputs))
        parts.append(jax.tree.leaves(self.finish(state)))
        results = [self._whole_output(arrays, one) for *arrays, one in zip(*parts, self._outputs, strict=True)]
        return jax.tree.unflatten(self._traces.tree, results)

    @staticmethod
    def _whole_output(arrays: Sequence[ArrayValue], output: Value) -> ArrayValue:
        if not isinstance(output, Signal):
            return arrays[-1]
        # XLA fails to compile an empty slice of a concatenation with an empty array (JAX 0.12).
        filled = [array for array in arrays if array.shape[output.axis]] or arrays[:1]
        whole = lax.concatenate(filled, output.axis)
        return lax.slice_in_dim(whole, -output.offset, None, axis=output.axis)

    @public_as("streamed")
    def iterate(self, chunks: Iterable[PyTree]) -> Iterator[PyTree]:
        """Yield the outputs of each chunk, and at last those of `finish`; joined, they are `fn` of the whole signal.

        The cells before the first output are dropped, so the first outputs may be shorter, or empty.
        """
        state, length, late = self.init(), 0, [-_offset(output) for output in self._outputs]
        step, axis = self._compiled_step, self._traces.along.arguments[0][1]
        for chunk in chunks:
            length += self._checked_chunks(chunk)[0].shape[axis]
            state, outputs = step(state, chunk)
            yield self._dropped(outputs, late)
        self._check_length(length)
        yield self._dropped(self.finish(state), late)

    @functools.cached_property
    def _compiled_step(self) -> Callable[[PyTree, PyTree], tuple[PyTree, PyTree]]:
        return jax.jit(self.step)

    def _dropped(self, outputs: PyTree, late: list[int]) -> PyTree:
        """The outputs without the first `late` cells of each, from which those that are dropped are subtracted."""
        kept: list[ArrayValue] = []
        for number, (array, one) in enumerate(zip(jax.tree.leaves(outputs), self._outputs, strict=True)):
            if not isinstance(one, Signal):
                kept.append(array)
                continue
            cut = min(late[number], array.shape[one.axis])
            late[number] -= cut
            kept.append(lax.slice_in_dim(array, cut, None, axis=one.axis))
        return jax.tree.unflatten(self._traces.tree, kept)

    def _tree(self, outputs: Sequence[Value]) -> PyTree:
        arrays = [output.array if isinstance(output, Signal) else output for output in outputs]
        return jax.tree.unflatten(self._traces.tree, arrays)

    def _others(self) -> list[PyTree]:
        """The arguments that are not streamed."""
        streamed = dict(self._traces.along.arguments)
        others = [argument for number, argument in enumerate(self.arguments) if number not in streamed]
        if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(others)):
            cure = "Pass the arrays, such as the parameters, to jc.streamed"
            raise ValueError(explain("an argument that is not streamed", "a shape", "an array", cure))
        return others

    def _operands(self, chunks: Sequence[ArrayValue]) -> list[Value]:
        operands = begun_operands(self._traces, self.arguments, self._others())
        arriving = iter(chunks)
        return [
            replace(operand, array=next(arriving)) if isinstance(operand, Signal) else operand for operand in operands
        ]

    def _chunk_shapes(self, count: int) -> list[tuple[tuple[int, ...], np.dtype]]:
        return [
            ((*shape[:axis], count, *shape[axis + 1 :]), self.arguments[number].dtype)
            for number, axis in self._traces.along.arguments
            for shape in [self.arguments[number].shape]
        ]

    def _checked_chunks(self, chunk: PyTree) -> list[ArrayValue]:
        """The arrays of a chunk.

        Raises:
            TypeError: there is not one array for each streamed argument, or a dtype differs.
            ValueError: a shape differs, or the number of cells is no multiple of the lattice.
        """
        pairs = self._traces.along.arguments
        given = [chunk] if len(pairs) == 1 else list(chunk) if isinstance(chunk, tuple | list) else []
        if len(given) != len(pairs) or any(not hasattr(one, "shape") for one in given):
            expected = (
                "an array" if len(pairs) == 1 else f"a tuple of {len(pairs)} arrays, one for each streamed argument"
            )
            raise TypeError(explain("chunk", shown(chunk), expected, "Pass the next cells of each"))
        count = given[0].shape[pairs[0][1]] if len(given[0].shape) > pairs[0][1] else 0
        for one, (shape, dtype) in zip(given, self._chunk_shapes(count), strict=True):
            if tuple(one.shape) != shape:
                axis = pairs[0][1]
                dims = ", ".join("any" if n == axis else str(size) for n, size in enumerate(shape))
                cure = "Pass chunks that differ in the streamed axis only, or call jc.streamed for this shape"
                raise ValueError(explain("chunk", f"of shape {tuple(one.shape)}", f"of shape ({dims})", cure))
            if one.dtype != dtype:
                cure = f"Convert it: chunk.astype({str(dtype)!r})"
                raise TypeError(explain("chunk", f"of dtype {one.dtype}", f"of dtype {dtype}", cure))
        if count < 1 or count % self.multiple:
            expected = f"a positive multiple of {self.multiple}"
            cure = f"Use {max(-(-count // self.multiple), 1) * self.multiple} cells"
            raise ValueError(explain("the number of cells of chunk", count, expected, cure))
        return [jnp.asarray(one) for one in given]

    def _check_state(self, state: PyTree) -> None:
        """Raise ValueError unless a state has the structure and the shapes of that of `init`."""
        caches = state.get("caches") if isinstance(state, dict) and "seen" in state else None
        shapes = (
            [(tuple(np.shape(cache)), cache.dtype) for cache in caches] if isinstance(caches, tuple | list) else None
        )
        if shapes != [(cache.shape, cache.dtype) for cache in self._caches]:
            expected = f"that of init: {len(self._caches)} caches and a counter"
            raise ValueError(explain("state", shown(state), expected, "Pass the state that init or step returned"))

    def _check_length(self, length: int) -> None:
        if length < self.shortest:
            expected = f"{self.shortest} cells or more, as its padding requires"
            raise ValueError(explain("the signal", f"{length} cells", expected, "Call the function on the whole"))


def _offset(output: Value) -> int:
    return output.offset if isinstance(output, Signal) else 0


def _rate(output: Value) -> Fraction:
    return output.rate if isinstance(output, Signal) else Fraction(1)


def _described(cache: jax.ShapeDtypeStruct) -> str:
    return f"{cache.dtype}[{','.join(map(str, cache.shape))}]"


def _in_chunks(x: ArrayValue, axis: int, full: int, chunk: int) -> ArrayValue:
    """The first `full` cells along an axis, in chunks along a new first axis."""
    whole = lax.slice_in_dim(x, 0, full, axis=axis)
    return jnp.moveaxis(whole.reshape(*x.shape[:axis], full // chunk, chunk, *x.shape[axis + 1 :]), axis, 0)


def _in_one(array: ArrayValue, output: Value) -> ArrayValue:
    """The outputs of all steps of a scan, one after the other."""
    if not isinstance(output, Signal):
        return array[-1]
    moved = jnp.moveaxis(array, 0, output.axis)
    axis = output.axis
    return moved.reshape(*moved.shape[:axis], moved.shape[axis] * moved.shape[axis + 1], *moved.shape[axis + 2 :])


@public
def streamed(fn: Callable[..., object], *arguments: PyTree, axes: Axes, chunk: int) -> Streamed:
    """Return a function of a signal that arrives in chunks: each layer computes each sample once.

    The result has `init()`, `step(state, chunk)` and `finish(state)`. The state holds, for each layer, the last cells
    that its next window reads, and no more: `(taps - 1) * dilation` of them for a stride of 1. At the start these are
    the layer's own padding. `step` returns `rate * c` output cells for a chunk of c input cells, so
    `jax.lax.scan(stream.step, stream.init(), chunks)` works. A function that looks ahead, as with "same" padding, is
    late by its look-ahead: the first `stream.warm_up` cells that the steps return are to be dropped, and
    `stream.finish(state)` returns as many at the end. `stream.run(signal)` and `stream.iterate(chunks)` do this.

    Streamed are convolutions, pooling, transposed convolutions, paddings with constants, copies or reflections,
    functions of each position, reshapes into blocks, skip connections, and loops over layers. A function of which
    `jc.certify_tiling` does not prove that parts of the signal give parts of the result is refused.

    Args:
        fn: any JAX function of arrays.
        arguments: its arguments. Of a streamed argument, only the shape is used: `jax.ShapeDtypeStruct` will do. The
            function is traced at its length along the streamed axis or at some more cells. The others, such as
            parameters, are arrays, which may be traced by `jax.grad` and `jax.jit`.
        axes: the streamed axis: `(axis,)`, or `{argument number: (axis,)}`.
        chunk: number of input cells of the chunks of `run`. Chunks of `step` may have any multiple of
            `stream.multiple`.

    Returns:
        A `Streamed`.

    Raises:
        ValueError: the function cannot be streamed, which names the line; `chunk` is no multiple of the lattice, which
            names the smallest size that works; or there is not one streamed axis for each argument.
        TypeError: `fn` is no function, an argument is no array, or `chunk` is no integer.

    Law: `stream.run(x)` is `fn(x)`, for signals of any length that `stream.multiple` divides, and so are its gradients:
    equal (`==`) in exact arithmetic, as for whole numbers, and otherwise up to rounding. It ends where `fn` branches on
    the length of the signal. Cells before the first output are computed from zeros, so a function with an infinite
    derivative there, such as `jnp.sqrt`, may have gradients that are NaN. With `jax.lax.stop_gradient(state)`,
    gradients are exact within a chunk.

    >>> import jax, jax.numpy as jnp, jaxconv as jc
    >>> params = jc.init_conv(jax.random.key(0), (3,), 2, 4)
    >>> params = jax.tree.map(lambda p: jnp.round(9 * p), params)  # whole numbers
    >>> network = lambda x: jax.nn.relu(jc.conv(params, x, padding="causal", dilation=4))
    >>> signal = jnp.round(9 * jax.random.normal(jax.random.key(1), (1, 480, 2)))
    >>> stream = jc.streamed(network, signal, axes=(1,), chunk=16)
    >>> stream.latency, stream.state_size
    (0, 16)
    >>> state, outputs = stream.step(stream.init(), signal[:, :16])
    >>> bool((outputs == network(signal)[:, :16]).all()), bool((stream.run(signal) == network(signal)).all())
    (True, True)

    Source: Le Paine et al., Fast Wavenet generation algorithm, 2016: caches of causal layers.
    """
    function("fn", fn, cure="Pass the function itself, as in streamed(model, x, axes=(1,), chunk=256)")
    shapes = list(map(shape_of_argument, arguments))
    check_call(fn, shapes)
    all_along: Sequence[Along] = directions(shapes, axes, "stream")
    if len(all_along) != 1:
        raise ValueError(explain("axes", shown(axes), "one axis of each argument that is streamed", AXES))
    size = integer("chunk", chunk, least=1, most=MOST, cure="Write chunk=256 for chunks of 256 cells")
    traces, segment, outputs = planned(fn, shapes, all_along[0], size)
    streams = dict(all_along[0].arguments)
    held = tuple(shapes[number] if number in streams else argument for number, argument in enumerate(arguments))
    caches = tuple(jax.ShapeDtypeStruct(cache.shape, cache.dtype) for cache in segment.kept)
    return Streamed(fn, held, size, segment.multiple, segment.shortest, traces, caches, tuple(outputs))
