"""Rules for pieces that are added up: the gradients of wrap-around pads and rolls, in cyclic walks.

A wrap pad repeats cells; its gradient cuts what arrives into pieces, moves each back to where its cells came from, and
adds them up. No piece moves with the scene, and before the sum the whole does not either: the convolution before it let
its taps run over the ends. But linear maps that drop nothing commute with adding up the cells that stand a period
apart, and of that sum it is known that it moves. So pieces of one parent are kept account of, until all are there.
Linear means over the reals: `proofs/coq/Pieces.v` has the theorems that the rules name, and what fails for integers.

Every rule here comes on top of the primitive's own rule, and gives way to it where it does not apply.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from jaxconv.verify.domain import (
    CannotProve,
    Factor,
    FactoredAxis,
    Motion,
    Moving,
    Pieces,
    common_shift,
    fit,
    length_of,
    motion_of,
)
from jaxconv.verify.factors import invariant_axis, uniform
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules.spectral import is_zero

Spans = tuple[tuple[int, int, int], ...]


def pieces_of(value: Moving | Pieces) -> Pieces:
    """A value as pieces: one whole period of what moves is its own only piece."""
    if isinstance(value, Pieces):
        return value
    motion = value.one_period(value.moving_axes[0]) if len(value.moving_axes) == 1 else None
    if motion is None:
        raise CannotProve("not one whole period")
    axis, length = value.moving_axes[0], motion.hi
    name = (motion.signal, "from", motion.start % length)
    whole = Motion(motion.rate, 0, length, None, name)
    axes = tuple(
        (Factor(length, motion=whole),) if n == axis else invariant_axis(length_of(a)) for n, a in enumerate(value.axes)
    )
    return Pieces(value, replace(value, axes=axes), axis, length, ((0, length, 0),))


def pieces_along(value: Moving | Pieces, axis: int, name: Hashable) -> Pieces:
    """The same; what is alike at all positions of an axis moves along it, whatever the step, under a new name.

    So does the derivative of a mean, which is uniform, before a convolution with circular padding.
    """
    length = 0 if isinstance(value, Pieces) else length_of(value.axes[axis])
    if isinstance(value, Pieces) or value.moving_axes or not value.cycle or not length or not uniform(value.axes[axis]):
        return pieces_of(value)
    motion = Motion(Fraction(value.cycle, length), 0, length, None, name)
    return pieces_of(fit(value.with_axis(axis, (Factor(length, motion=motion),))))


def carry_in(pieces: Pieces) -> Motion:
    """How the sum of all pieces moves."""
    motion = motion_of(pieces.folded.axes[pieces.axis])
    if motion is None:
        raise CannotProve("not one whole period")
    return motion


def period_of(pieces: Pieces) -> int:
    """Cells along the axis after which its sum repeats."""
    return length_of(pieces.folded.axes[pieces.axis])


def whole(pieces: Pieces) -> int:
    """Where the parent begins, if all of it is there; CannotProve if not."""
    if len(pieces.spans) != 1 or pieces.spans[0][:2] != (0, pieces.total):
        raise CannotProve("not all pieces are there")
    return pieces.spans[0][2]


def made(
    parent: Pieces, shape: Sequence[int], axis: int, name: Hashable, total: int, spans: Spans, apart: int = 1
) -> Pieces:
    """Pieces of a value of this shape made of the parent; `apart` times as many cells make a period."""
    motion, period = carry_in(parent), period_of(parent) * apart
    moved = Motion(motion.rate / apart, 0, period, None, name)
    axes: list[FactoredAxis] = [invariant_axis(length) for length in shape]
    axes[axis] = (Factor(period, motion=moved),)
    folded = fit(replace(parent.folded, axes=tuple(axes), depends=True))
    return Pieces(folded, folded, axis, total, spans)


def clipped(spans: Spans, start: int, stop: int) -> Spans:
    """The parts of spans at positions start to stop - 1, which become positions 0 and on.

    Theorem: `Pieces.fold_moved`.
    """
    found = []
    for lo, hi, at in spans:
        first, last = max(at, start), min(at + hi - lo, stop)
        if first < last:
            found.append((lo + first - at, lo + last - at, first - start))
    return tuple(found)


@rule("slice", of=Pieces)
def slice_(eqn: Equation) -> list[Moving | Pieces]:
    """Some of the cells. Jaxpr: `start_indices`, `limit_indices`, `strides`."""
    pieces = pieces_of(eqn.inputs[0])
    starts, limits, strides = (eqn.params[name] for name in ("start_indices", "limit_indices", "strides"))
    if strides is not None and any(stride != 1 for stride in strides):
        raise CannotProve("leaves cells out")
    return [_cut(pieces, list(zip(starts, limits, strict=True)), eqn.operand_shapes[0], eqn.shapes[0])]


@rule("split", of=Pieces)
def split(eqn: Equation) -> list[Moving | Pieces]:
    """Consecutive slices along one axis. Jaxpr: `sizes`, `axis`."""
    pieces, number, start, found = pieces_of(eqn.inputs[0]), eqn.params["axis"], 0, []
    for size, shape in zip(eqn.params["sizes"], eqn.shapes, strict=True):
        ranges = [(0, length) for length in eqn.operand_shapes[0]]
        ranges[number] = (start, start + size)
        found.append(_cut(pieces, ranges, eqn.operand_shapes[0], shape))
        start += size
    return found


def _cut(pieces: Pieces, ranges: list[tuple[int, int]], before: Sequence[int], after: Sequence[int]) -> Moving | Pieces:
    """The cells between start and stop along each axis. Whole other axes leave the parent's name as it is."""
    start, stop = ranges[pieces.axis]
    others = tuple((n, *ranges[n]) for n in range(len(ranges)) if n != pieces.axis and ranges[n] != (0, before[n]))
    signal = carry_in(pieces).signal
    name = (signal, "cut", others) if others else signal
    return settled(made(pieces, after, pieces.axis, name, pieces.total, clipped(pieces.spans, start, stop)), after)


@rule("pad", of=Pieces)
def pad(eqn: Equation) -> list[Pieces]:
    """Zeros around the cells, or between them: then a period has as many more. Jaxpr: `padding_config`.

    Theorems: `Pieces.fold_reads_values`, `Pieces.fold_moved`, `Pieces.fold_spread`.
    """
    if not is_zero(eqn.known[1]):
        raise CannotProve("pads with other numbers than zero")
    pieces = pieces_of(eqn.inputs[0])
    config = [tuple(map(int, three)) for three in eqn.params["padding_config"]]
    before, _, between = config[pieces.axis]
    apart, total, spans = between + 1, pieces.total, pieces.spans
    if between:
        at, total = whole(pieces), (pieces.total - 1) * apart + 1
        spans = ((0, total, at * apart),)
    spans = clipped(spans, -before, eqn.shapes[0][pieces.axis] - before)
    others = tuple((n, *c) for n, c in enumerate(config) if n != pieces.axis and c != (0, 0, 0))
    signal = carry_in(pieces).signal
    name = (signal, "padded", between, others) if between or others else signal
    return [made(pieces, eqn.shapes[0], pieces.axis, name, total, spans, apart)]


@rule("add_any", "add", of=Pieces)
def add(eqn: Equation) -> list[Moving | Pieces]:
    """Pieces of one parent put together; once all are there, in one period, the sum moves. Whole parents are added.

    Theorem: `Pieces.fold_cat`.
    """
    for value, other in (eqn.inputs, reversed(eqn.inputs)):
        if isinstance(value, Pieces) and not value.spans:  # zeros
            return [settled(pieces_of(other), eqn.shapes[0])]
    one, other = (pieces_of(value) for value in eqn.inputs)
    one_folded, other_folded = common_shift([one.folded, other.folded])
    one, other = replace(one, folded=one_folded), replace(other, folded=other_folded)
    if (one.axis, one.total, period_of(one)) != (other.axis, other.total, period_of(other)):
        raise CannotProve("pieces of different parents")
    name = carry_in(one).signal
    if name == carry_in(other).signal:
        spans = tuple(sorted(one.spans + other.spans))  # two that overlap never settle
    elif whole(one) == whole(other) and carry_in(one).rate == carry_in(other).rate:
        name, spans = eqn.walk.new_signal(), one.spans
    else:
        raise CannotProve("pieces of different parents")
    return [settled(made(one, eqn.shapes[0], one.axis, name, one.total, spans), eqn.shapes[0])]


def settled(pieces: Pieces, shape: Sequence[int]) -> Moving | Pieces:
    """What moves, if all pieces are there and stand in one period; the pieces if not.

    Theorems: `Pieces.pieces_settle`, `Pieces.settled_pieces_move`.
    """
    period = period_of(pieces)
    offsets = {(at - lo) % period for lo, _, at in pieces.spans}
    reached = 0
    for lo, hi, _ in pieces.spans:
        if lo != reached:
            return pieces
        reached = hi
    if len(offsets) != 1 or reached != pieces.total or shape[pieces.axis] != period:
        return pieces
    motion = replace(carry_in(pieces), start=-offsets.pop())
    return pieces.folded.with_axis(pieces.axis, (Factor(period, motion=motion),))


def windowed(pieces: Pieces, number: int, eqn: Equation, taps: int, before: int, apart: int, dilation: int) -> Pieces:
    """A sum over windows at every position, if every tap of every cell lands in the result: out[p + before - u].

    Theorems: `Pieces.fold_correlation`, `Pieces.fold_spread`.
    """
    at, total = whole(pieces) * apart, (pieces.total - 1) * apart + 1
    span = dilation * (taps - 1) + 1
    first, length = at + before - (span - 1), eqn.shapes[0][number]
    if first < 0 or at + total - 1 + before > length - 1:
        raise CannotProve("drops what the taps bring to the ends")
    reach = total + span - 1
    return made(pieces, eqn.shapes[0], number, eqn.walk.new_signal(), reach, ((0, reach, first),), apart)


@rule("conv_general_dilated", "jaxconv_conv", "jaxconv_conv_input_grad", of=Pieces)
def convolution(eqn: Equation) -> list[Pieces]:
    """The gradient of a convolution with respect to its input: one with the reversed kernel, all overlaps kept."""
    kernel, p = eqn.inputs[1], eqn.params
    lhs, rhs, out = p["dimension_numbers"]
    pieces = pieces_along(eqn.inputs[0], spatial(lhs[2:], eqn), eqn.walk.new_signal())
    if pieces.axis not in lhs[2:] or not isinstance(kernel, Moving) or kernel.moving_axes:
        raise CannotProve("not along a spatial axis")
    pieces = replace(pieces, folded=common_shift([pieces.folded, kernel])[0])
    n = lhs[2:].index(pieces.axis)
    if p["window_strides"][n] != 1:
        raise CannotProve("leaves positions out")
    taps, before = eqn.operand_shapes[1][rhs[n + 2]], int(p["padding"][n][0])
    return [windowed(pieces, out[n + 2], eqn, taps, before, p["lhs_dilation"][n], p["rhs_dilation"][n])]


def spatial(axes: Sequence[int], eqn: Equation) -> int:
    """Of an operand's spatial axes the one that has the number of the input's shifted axis, or else the first."""
    return eqn.walk.axis if eqn.walk.axis in axes else axes[0]


@rule("reduce_window_sum", "jaxconv_sum_pool", "jaxconv_sum_pool_grad", of=Pieces)
def pooling(eqn: Equation) -> list[Pieces]:
    """The gradient of average pooling: sums over windows at every position, all overlaps kept."""
    p = eqn.params
    windowed_axes = [n for n, taps in enumerate(p["window_dimensions"]) if taps > 1]
    if not windowed_axes:
        raise CannotProve("no window")
    pieces = pieces_along(eqn.inputs[0], spatial(windowed_axes, eqn), eqn.walk.new_signal())
    n = pieces.axis
    if p["window_strides"][n] != 1:
        raise CannotProve("leaves positions out")
    before = int(p["padding"][n][0])
    return [windowed(pieces, n, eqn, p["window_dimensions"][n], before, p["base_dilation"][n], p["window_dilation"][n])]


@rule("select_and_scatter_add", of=Pieces)
def gradient_of_max_pooling(eqn: Equation) -> list[Pieces]:
    """Every window of one period of them gives its number to the cell that it selected; all windows lie within x.

    Theorem: `Pieces.placed_pieces_move`.
    """
    return [_placed(eqn, *eqn.inputs)]


@rule("jaxconv_max_pool_scatter", of=Pieces)
def gradient_of_our_max_pooling(eqn: Equation) -> list[Pieces]:
    """The same, whose operands are in the other order."""
    return [_placed(eqn, *eqn.inputs[::-1])]


def _placed(eqn: Equation, one: Any, x: Any) -> Pieces:
    source, p = pieces_of(one), eqn.params
    number = source.axis
    motion, mine = motion_of(x.axes[number]) if isinstance(x, Moving) else None, carry_in(source)
    length, stride = eqn.shapes[0][number], p["window_strides"][number]
    if motion is None or (motion.lo, motion.hi) != (0, length) or motion.rate * stride != mine.rate:
        raise CannotProve("windows beyond the ends, or of something else")
    if any(pair != (0, 0) for pair in p["padding"]) or x.moving_axes != [number]:
        raise CannotProve("windows beyond the ends")
    whole(source)
    source = replace(source, folded=common_shift([source.folded, x])[0])
    return made(source, eqn.shapes[0], number, eqn.walk.new_signal(), length, ((0, length, 0),), stride)


@rule("neg", "convert_element_type", "copy", of=Pieces)
def one_operand(eqn: Equation) -> list[Pieces]:
    """A linear function of each cell. (The walk has seen to it that no dtype is one of whole numbers.)

    Theorem: `Pieces.fold_map_iff`; of whole numbers `Pieces.halves_are_false`, `Pieces.wrapping_is_false`.
    """
    pieces = pieces_of(eqn.inputs[0])
    name = (carry_in(pieces).signal, eqn.name, str(eqn.params))
    return [made(pieces, eqn.shapes[0], pieces.axis, name, pieces.total, pieces.spans)]


@rule("mul", of=Pieces)
def multiply(eqn: Equation) -> list[Pieces]:
    """Pieces times a number, which is the same at every position. Theorem: `Pieces.fold_map_iff`."""
    one, other = eqn.inputs
    return [_scaled_by(eqn, one, other) if isinstance(one, Pieces) else _scaled_by(eqn, other, one)]


@rule("div", of=Pieces)
def divide(eqn: Equation) -> list[Pieces]:
    """Pieces over a number, which is the same at every position. Theorem: `Pieces.fold_map_iff`."""
    return [_scaled_by(eqn, *eqn.inputs)]


def _scaled_by(eqn: Equation, pieces: Any, factor: Any) -> Pieces:
    if not isinstance(pieces, Pieces) or not isinstance(factor, Moving):
        raise CannotProve("not pieces times a number")
    if factor.moving_axes or (factor.axes and not uniform(factor.axes[pieces.axis])):
        raise CannotProve("weighs positions differently")
    pieces = replace(pieces, folded=common_shift([pieces.folded, factor])[0])
    return made(pieces, eqn.shapes[0], pieces.axis, eqn.walk.new_signal(), pieces.total, pieces.spans)


@rule("transpose", of=Pieces)
def transpose(eqn: Equation) -> list[Pieces]:
    """The axes in another order. Theorem: `Pieces.fold_map_iff`. Jaxpr: `permutation`."""
    pieces, order = eqn.inputs[0], eqn.params["permutation"]
    if not isinstance(pieces, Pieces):
        raise CannotProve("not pieces")
    name = (carry_in(pieces).signal, "order", order)
    return [made(pieces, eqn.shapes[0], order.index(pieces.axis), name, pieces.total, pieces.spans)]


@rule("reshape", "squeeze", "broadcast_in_dim", of=Pieces)
def reshape(eqn: Equation) -> list[Pieces]:
    """Other axes come or go, of one cell each. Theorem: `Pieces.fold_map_iff`. Jaxpr: see `layout`."""
    pieces = eqn.inputs[0]
    if not isinstance(pieces, Pieces):
        raise CannotProve("not pieces")
    before, after = eqn.operand_shapes[0], eqn.shapes[0]
    if [n for n in before if n != 1] != [n for n in after if n != 1] or before[pieces.axis] == 1:
        raise CannotProve("cuts axes elsewhere")
    number = sum(n != 1 for n in before[: pieces.axis])
    axis = [n for n, length in enumerate(after) if length != 1][number]
    name = (carry_in(pieces).signal, eqn.name, after)
    return [made(pieces, after, axis, name, pieces.total, pieces.spans)]


@rule("reduce_sum", of=Pieces)
def sum_(eqn: Equation) -> list[Pieces]:
    """A sum over other axes. Theorem: `Pieces.fold_map_iff`. Jaxpr: `axes`."""
    pieces, axes = eqn.inputs[0], eqn.params["axes"]
    if not isinstance(pieces, Pieces) or pieces.axis in axes:
        raise CannotProve("not pieces")
    name = (carry_in(pieces).signal, "sum", axes)
    axis = pieces.axis - sum(n < pieces.axis for n in axes)
    return [made(pieces, eqn.shapes[0], axis, name, pieces.total, pieces.spans)]
