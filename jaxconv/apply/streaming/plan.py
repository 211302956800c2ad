"""What is known of a stream before it begins: the proof that it is one, and the lengths at which it is traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import jax
import jax.numpy as jnp

from jaxconv.apply.claims import as_axes, unproved
from jaxconv.apply.streaming.segment import Segment
from jaxconv.apply.streaming.values import BY_LENGTH, Phase, Signal, Value
from jaxconv.apply.streaming.walk import RefusedError, Traced, Walk
from jaxconv.errors import explain
from jaxconv.jaxprs.typing import ArrayValue, PyTree
from jaxconv.verify.shifted_axes import Along
from jaxconv.verify.tiling.agreement import CUT_DIFFERENTLY, NO_PART_MOVES, OTHER_OPERATIONS, PART_OF_STRIDE, TOO_SMALL
from jaxconv.verify.tiling.certify_tiling import certify_tiling
from jaxconv.verify.tiling.traces import resized
from jaxconv.verify.tracing import name_of, trace

FACTORS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 32, 48, 64, 128, 256, 512, 1024)
SHORTEST = 2**8  # a short signal may be all padding
LONGEST = 2**20  # the longest signal at which a function is traced
STREAM = "one whose outputs each depend on a window of the signal"
MAY_SUIT_ANOTHER_CHUNK = {PART_OF_STRIDE, OTHER_OPERATIONS, CUT_DIFFERENTLY}


@dataclass(frozen=True)
class Traces:
    """A function that was traced at two lengths of the signal.

    Attributes:
        along: the streamed axis of each argument.
        lengths: the two lengths.
        traces: both jaxprs, with their constants.
        tree: the structure of the outputs.
        shapes: the shapes of the outputs at the first length.
    """

    along: Along
    lengths: tuple[int, int]
    traces: tuple[Traced, Traced]
    tree: PyTree
    shapes: tuple[jax.ShapeDtypeStruct, ...]

    def followed(self, segment: Segment, operands: Sequence[Value]) -> list[Value]:
        """The outputs of a segment: they arrive when the stream has begun, and never before."""
        outputs = Walk(segment).run(*self.traces, operands)
        return [_emitted(segment, output) for output in outputs]


def _emitted(segment: Segment, output: Value) -> Value:
    """An output of which no cell arrives before the first chunk."""
    if not hasattr(output, "axis") and not hasattr(output, "source"):
        return output
    if not isinstance(output, Signal):
        raise RefusedError("", "", "an output does not depend on the signal at its position", "Compute it apart")
    settled = segment.settled(output)
    return segment.delayed(settled, max(settled.offset, 0))


class _UnsuitableError(Exception):
    """Chunks of this size do not suit the function. Others may."""

    def __init__(self, error: Exception):
        super().__init__(str(error))
        self.error = error


def planned(
    fn: Callable[..., object], shapes: Sequence[PyTree], along: Along, chunk: int
) -> tuple[Traces, Segment, list[Value]]:
    """The traces of a function, and what it does when its stream begins, of shapes.

    Raises:
        ValueError: the function cannot be streamed, or only in chunks of another size.
    """
    first: Exception | None = None
    for factor in [factor for factor in FACTORS if factor == 1 or factor * chunk <= LONGEST]:
        try:
            traces = _traced(fn, shapes, along, factor * chunk)
            segment, outputs = _begun(traces, shapes, name_of(fn))
        except _UnsuitableError as unsuitable:
            first = first or unsuitable.error
            continue
        if chunk % segment.multiple:
            cure = f"Use chunk={-(-chunk // segment.multiple) * segment.multiple}"
            expected = f"a multiple of {segment.multiple}, by which all values of the function advance by whole cells"
            raise ValueError(explain("chunk", chunk, expected, cure))
        if factor > 1:
            expected = f"a multiple of {factor * chunk}"
            raise ValueError(explain("chunk", chunk, expected, f"Use chunk={factor * chunk}")) from first
        return traces, segment, outputs
    raise first or ValueError(along)


def _traced(fn: Callable[..., object], shapes: Sequence[PyTree], along: Along, unit: int) -> Traces:
    """The traces of a function at two lengths that differ by `unit` cells.

    Raises:
        ValueError: there is no proof that the signal's parts give parts of the result.
        _UnsuitableError: there may be one if the lengths differ by another number.
    """
    length = -(-max(along.length, SHORTEST) // unit) * unit
    while True:
        sizes = length, length + unit
        pair = [resized(shapes, along, size) for size in sizes]
        try:
            certificate = certify_tiling(fn, *pair[1], tile=length, axes=as_axes([along]))
        except Exception as error:  # of a function that refuses sizes which its blocks do not divide
            raise _UnsuitableError(error) from error
        culprits = [leaf.axes[0].culprit for leaf in certificate.leaves]
        reasons = {culprit.reason for culprit in culprits if culprit is not None}
        if not reasons & {TOO_SMALL, NO_PART_MOVES} or 2 * length > LONGEST:
            break
        length *= 2
    if reasons:
        error = unproved(certificate)
        raise _UnsuitableError(error) if reasons <= MAY_SUIT_ANOTHER_CHUNK else error
    for leaf in certificate.leaves:
        claim = leaf.axes[0]
        if claim.first[0] or claim.last[1] != claim.output_tile:
            named = f"the first and the last cells of output{leaf.path} of {name_of(fn)}"
            cure = "Pad with zeros, by reflection, or with copies of the border"
            error = ValueError(explain(named, "cells that depend on the other end", "cells near their end", cure))
            raise _UnsuitableError(error) if unit % claim.shift else error
    traced = [trace(fn, one) for one in pair]
    leaves, tree = jax.tree.flatten(traced[0][2])
    return Traces(along, sizes, ((traced[0][:2]), (traced[1][:2])), tree, tuple(leaves))


def _begun(traces: Traces, shapes: Sequence[PyTree], name: str) -> tuple[Segment, list[Value]]:
    """What a function does when its stream begins: its segment and outputs, with shapes in place of arrays.

    Raises:
        ValueError: it cannot be streamed.
        _UnsuitableError: it may be if the lengths differ by another number of cells.
    """
    found: list[tuple[Segment, list[Value]]] = []

    def begin(others: Sequence[ArrayValue]) -> list[ArrayValue]:
        segment = Segment(Phase.BEGIN, traces.lengths)
        outputs = traces.followed(segment, begun_operands(traces, shapes, others))
        found.append((segment, outputs))
        return [*segment.kept, *(output.array if isinstance(output, Signal) else output for output in outputs)]

    others = [argument for number, argument in enumerate(shapes) if number not in dict(traces.along.arguments)]
    try:
        arrays = jax.eval_shape(begin, others)
    except RefusedError as refused:
        cure = refused.cure or "Call the function on the whole"
        error = ValueError(explain(f"fn ({name})", _because(refused), STREAM, cure))
        raise (_UnsuitableError(error) if refused.reason in BY_LENGTH else error) from None
    segment, outputs = found[0]
    segment.kept = arrays[: len(segment.kept)]
    return segment, outputs


def _because(refused: RefusedError) -> str:
    where = f", because of {refused.primitive} at {refused.source}" if refused.primitive else ""
    return f"a function that cannot be streamed{where}: {refused.reason}"


def begun_operands(traces: Traces, shapes: Sequence[PyTree], others: Sequence[PyTree]) -> list[Value]:
    """The operands of a function when its stream begins: no cell of a streamed argument has arrived."""
    streamed, rest, operands = dict(traces.along.arguments), iter(others), list[Value]()
    for number, argument in enumerate(shapes):
        if number not in streamed:
            operands += jax.tree.leaves(next(rest))
            continue
        axis = streamed[number]
        shape = (*argument.shape[:axis], 0, *argument.shape[axis + 1 :])
        operands.append(Signal(jnp.zeros(shape, argument.dtype), axis, Fraction(1), 0, 0))
    return operands
