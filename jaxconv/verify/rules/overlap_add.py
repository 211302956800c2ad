"""Rules for values that move once their pieces are added: gradients of wrap-around pads and rolls, in cyclic walks.

A wrap pad copies cells. Its gradient cuts the cotangent into pieces, moves each back to where its cells came from, and
adds them. No piece moves with the input. Before the sum the whole does not either, because the convolution before it
lets its taps run over the ends.

Adding the cells that are one period apart is called folding. Linear maps that drop nothing commute with it, and the
folded value is known to move. So the rules keep account of the pieces of one parent until all of them are added. Linear
means over the reals: `proofs/coq/Pieces.v` has the theorems that the rules name, and counterexamples for integers.

Each rule here supplements the primitive's main rule, whose result is kept if this one raises CannotProve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from jax.lax import ConvDimensionNumbers

from jaxconv.verify.domain import (
    CannotProve,
    Moving,
    Pieces,
    motion_of,
)
from jaxconv.verify.factors import also_on, uniform
from jaxconv.verify.receptive_fields import strided, union
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules.pieces import (
    carry_in,
    clipped,
    derived,
    others_of,
    period_of,
    pieces_along,
    pieces_of,
    settled,
    whole,
    with_field,
)
from jaxconv.verify.rules.scatter import inserted, known_start
from jaxconv.verify.rules.spectral import is_zero
from jaxconv.verify.rules.windowed import scattered_field


@rule("slice", of=Pieces)
def slice_(eqn: Equation[Moving | Pieces]) -> list[Moving | Pieces]:
    """out[j] = x[start + j]: a part of each piece.

    Theorem: `Pieces.fold_moved` in proofs/coq.
    Jaxpr: `start_indices`, `limit_indices`, `strides`.
    """
    cut = [
        n for n, (before, after) in enumerate(zip(eqn.operand_shapes[0], eqn.shapes[0], strict=True)) if before > after
    ]
    pieces = pieces_of(eqn.inputs[0], cut[0] if len(cut) == 1 else None)
    starts, limits, strides = (eqn.params[name] for name in ("start_indices", "limit_indices", "strides"))
    if strides is not None and any(stride != 1 for stride in strides):
        raise CannotProve("the slice skips cells")
    return [cut_pieces(pieces, list(zip(starts, limits, strict=True)), eqn.operand_shapes[0], eqn.shapes[0])]


@rule("split", of=Pieces)
def split(eqn: Equation[Moving | Pieces]) -> list[Moving | Pieces]:
    """Consecutive slices along one axis.

    Theorem: `Pieces.fold_moved` in proofs/coq.
    Jaxpr: `sizes`, `axis`.
    """
    number: int = eqn.params["axis"]
    pieces, start = pieces_of(eqn.inputs[0], number), 0
    results: list[Moving | Pieces] = []
    for size, shape in zip(eqn.params["sizes"], eqn.shapes, strict=True):
        ranges = [(0, length) for length in eqn.operand_shapes[0]]
        ranges[number] = (start, start + size)
        results.append(cut_pieces(pieces, ranges, eqn.operand_shapes[0], shape))
        start += size
    return results


def cut_pieces(
    pieces: Pieces, ranges: list[tuple[int, int]], before: Sequence[int], after: Sequence[int]
) -> Moving | Pieces:
    """The cells from start to stop along each axis. The parent keeps its name if the other axes are whole."""
    start, stop = ranges[pieces.axis]
    others = tuple((n, *ranges[n]) for n in range(len(ranges)) if n != pieces.axis and ranges[n] != (0, before[n]))
    signal = carry_in(pieces).signal
    name = (signal, "cut", others) if others else signal
    return settled(derived(pieces, after, pieces.axis, name, pieces.total, clipped(pieces.spans, start, stop)), after)


@rule("pad", of=Pieces)
def pad(eqn: Equation[Moving | Pieces]) -> list[Pieces]:
    """Zeros around the cells or between them. With k zeros between them, a period has k+1 times as many cells.

    Theorems: `Pieces.fold_reads_values`, `Pieces.fold_moved` and `Pieces.fold_spread` in proofs/coq.
    Jaxpr: operands x and a number; `padding_config`: (before, after, between) for each axis.
    """
    if not is_zero(eqn.known[1]):
        raise CannotProve("the padding is not zero")
    config = [tuple(map(int, counts)) for counts in eqn.params["padding_config"]]
    around = [n for n, counts in enumerate(config) if counts != (0, 0, 0)]
    pieces = pieces_of(eqn.inputs[0], around[0] if len(around) == 1 else None)
    before, _, between = config[pieces.axis]
    spacing, total, spans = between + 1, pieces.total, pieces.spans
    if between:
        start, total = whole(pieces), (pieces.total - 1) * spacing + 1
        spans = ((0, total, start * spacing),)
    spans = clipped(spans, -before, eqn.shapes[0][pieces.axis] - before)
    others = tuple((n, *c) for n, c in enumerate(config) if n != pieces.axis and c != (0, 0, 0))
    signal = carry_in(pieces).signal
    name = (signal, "padded", between, others) if between or others else signal
    return [derived(pieces, eqn.shapes[0], pieces.axis, name, total, spans, spacing)]


@rule("add_any", "add", of=Pieces)
def add(eqn: Equation[Moving | Pieces]) -> list[Moving | Pieces]:
    """lhs + rhs: the pieces of one parent put together, or two whole parents added.

    Once all pieces are present within one period, the sum is a value that moves. The sum of two whole parents is a
    parent from the first cell of both to the last, as in the gradient of the difference of two slices.

    Theorem: `Pieces.fold_cat` in proofs/coq.
    Jaxpr: two operands of the result's shape.
    """
    for value, other in (eqn.inputs, reversed(eqn.inputs)):
        if isinstance(value, Pieces) and not value.spans:  # zeros
            return [settled(pieces_of(other, value.axis), eqn.shapes[0])]
    along = next((value.axis for value in eqn.inputs if isinstance(value, Pieces)), None)
    lhs, rhs = (pieces_of(value, along) for value in eqn.inputs)
    if (lhs.axis, period_of(lhs), _rates(lhs)) != (rhs.axis, period_of(rhs), _rates(rhs)):
        raise CannotProve("the pieces have different parents")
    lhs, rhs = (
        replace(lhs, folded=also_on(lhs.folded, [rhs.folded])),
        replace(rhs, folded=also_on(rhs.folded, [lhs.folded])),
    )
    name, total = carry_in(lhs).signal, lhs.total
    if name == carry_in(rhs).signal and total == rhs.total:
        spans = tuple(sorted(lhs.spans + rhs.spans))  # overlapping spans never settle
        fields = [carry_in(lhs).field, carry_in(rhs).field]
    else:
        name, start = eqn.walk.new_signal(), min(whole(lhs), whole(rhs))
        total = max(whole(part) + part.total for part in (lhs, rhs)) - start
        spans = ((0, total, start),)
        fields = [strided(m.field, m.rate, start - whole(part), 1) for part in (lhs, rhs) for m in [carry_in(part)]]
    added = derived(lhs, eqn.shapes[0], lhs.axis, name, total, spans)
    for number in others_of(lhs):  # fields along other axes are of the cells beside the pieces
        beside = [motion_of(part.folded.axes[number]) for part in (lhs, rhs)]
        added = with_field(added, union([motion and motion.field for motion in beside]), number)
    return [settled(with_field(added, union(fields)), eqn.shapes[0])]


def _rates(pieces: Pieces) -> list[Fraction | None]:
    """The rate of each axis of the folded value; None if it does not move."""
    motions = map(motion_of, pieces.folded.axes)
    return [motion and motion.rate for motion in motions]


@rule("scatter-add", "scatter", "dynamic_update_slice", of=Pieces)
def add_at(eqn: Equation[Moving | Pieces]) -> list[Moving | Pieces]:
    """x with a window at a known start: x[start + j] += update[j], where the update is a piece, or several.

    They are added to other pieces, or to zeros. Overwriting zeros is adding to them.

    Example: y[:8].at[:2].add(y[8:]) folds y [10] to a period of 8 cells.
    Theorem: `Pieces.fold_cat` in proofs/coq.
    Jaxpr: see `scatter.write`.
    """
    found = known_start(eqn)
    if found is None:
        raise CannotProve("adds at an unknown place")
    number, starts = found
    (shape,) = eqn.shapes
    beside = eqn.inputs[0].axis if isinstance(eqn.inputs[0], Pieces) else None
    x, update = eqn.inputs[0], pieces_of(eqn.inputs[number], beside)
    sizes = inserted(eqn, eqn.operand_shapes[number], 1)
    others = [n for n in range(len(shape)) if n != update.axis]
    if len(eqn.operand_shapes[number]) < len(shape) or any(sizes[n] != shape[n] for n in others):
        raise CannotProve("adds to a part of another axis")
    spans = tuple((lo, hi, at + starts[update.axis]) for lo, hi, at in update.spans)
    placed = derived(update, shape, update.axis, carry_in(update).signal, update.total, spans)
    if is_zero(eqn.known[0]):
        return [settled(placed, shape)]
    if eqn.params.get("update_jaxpr") is None:
        raise CannotProve("overwrites pieces")
    return add(eqn.with_inputs([x, placed]))


def windowed(
    pieces: Pieces,
    number: int,
    eqn: Equation[Moving | Pieces],
    taps: int,
    before: int,
    base_dilation: int,
    dilation: int,
    places: Mapping[int, int],
) -> Pieces:
    """A sum over windows at every position: the cell at p contributes to out[p + before - u] for each tap offset u.

    `places`: the number in the result of each other axis that keeps its positions.

    Raises CannotProve if a tap of a cell does not land in the result.

    Theorems: `Pieces.fold_correlation` and `Pieces.fold_spread` in proofs/coq.
    """
    start, total = whole(pieces) * base_dilation, (pieces.total - 1) * base_dilation + 1
    span = dilation * (taps - 1) + 1
    first, length = start + before - (span - 1), eqn.shapes[0][number]
    if first < 0 or start + total - 1 + before > length - 1:
        raise CannotProve("drops values that the taps move beyond the ends")
    reach = total + span - 1
    name = eqn.walk.new_signal()
    result = derived(pieces, eqn.shapes[0], number, name, reach, ((0, reach, first),), base_dilation, places)
    motion = carry_in(result)
    return with_field(result, strided(motion.field, motion.rate, 1 - span, 1, range(0, span, dilation)))


@rule("conv_general_dilated", "jaxconv_conv", "jaxconv_conv_input_grad", of=Pieces)
def convolution(eqn: Equation[Moving | Pieces]) -> list[Pieces]:
    """A convolution with stride 1 that keeps all overlaps, such as the input gradient of a convolution.

    Theorems: `Pieces.fold_correlation` and `Pieces.fold_spread` in proofs/coq.
    Jaxpr: see `windowed.convolution`.
    """
    kernel, p = eqn.inputs[1], eqn.params
    numbers: ConvDimensionNumbers = p["dimension_numbers"]
    lhs, rhs, out = numbers
    pieces = pieces_along(eqn.inputs[0], spatial(lhs[2:], eqn), eqn.walk.new_signal())
    if pieces.axis not in lhs[2:] or not isinstance(kernel, Moving) or kernel.moving_axes:
        raise CannotProve("the pieces are not along a spatial axis, or the kernel moves")
    pieces = replace(pieces, folded=also_on(pieces.folded, [kernel]))
    n = lhs[2:].index(pieces.axis)
    if p["window_strides"][n] != 1:
        raise CannotProve("the stride skips positions")
    taps, before = eqn.operand_shapes[1][rhs[n + 2]], int(p["padding"][n][0])
    places = {lhs[0]: out[0]} if p["batch_group_count"] == 1 else {}
    return [windowed(pieces, out[n + 2], eqn, taps, before, p["lhs_dilation"][n], p["rhs_dilation"][n], places)]


def spatial(axes: Sequence[int], eqn: Equation[Moving | Pieces]) -> int:
    """The axis among `axes` with the number of the input's shifted axis, or else the first."""
    return eqn.walk.axis if eqn.walk.axis in axes else axes[0]


@rule("reduce_window_sum", "jaxconv_sum_pool", "jaxconv_sum_pool_grad", of=Pieces)
def pooling(eqn: Equation[Moving | Pieces]) -> list[Pieces]:
    """Sums over windows with stride 1 that keep all overlaps, such as the gradient of average pooling.

    Theorems: `Pieces.fold_correlation` and `Pieces.fold_spread` in proofs/coq.
    Jaxpr: see `windowed.pooling`.
    """
    p = eqn.params
    windowed_axes = [n for n, taps in enumerate(p["window_dimensions"]) if taps > 1]
    if not windowed_axes:
        raise CannotProve("no axis has a window of more than one tap")
    pieces = pieces_along(eqn.inputs[0], spatial(windowed_axes, eqn), eqn.walk.new_signal())
    n = pieces.axis
    if p["window_strides"][n] != 1:
        raise CannotProve("the stride skips positions")
    before, taps = int(p["padding"][n][0]), p["window_dimensions"]
    rows = zip(taps, p["window_strides"], p["padding"], p["base_dilation"], strict=True)
    places = {axis: axis for axis, row in enumerate(rows) if row == (1, 1, (0, 0), 1)}
    return [windowed(pieces, n, eqn, taps[n], before, p["base_dilation"][n], p["window_dilation"][n], places)]


@rule("select_and_scatter_add", of=Pieces)
def gradient_of_max_pooling(eqn: Equation[Moving | Pieces]) -> list[Pieces]:
    """out[i] = sum of source[j] over the windows j whose selected cell of x is i, for windows that lie within x.

    Theorem: `Pieces.placed_pieces_move` in proofs/coq.
    Jaxpr: operands source, x; see `windowed.gradient_of_max_pooling`.
    """
    return [_placed(eqn, *eqn.inputs)]


@rule("jaxconv_max_pool_scatter", of=Pieces)
def gradient_of_our_max_pooling(eqn: Equation[Moving | Pieces]) -> list[Pieces]:
    """`gradient_of_max_pooling` with the operands in the other order: x, source."""
    return [_placed(eqn, *eqn.inputs[::-1])]


def _placed(eqn: Equation[Moving | Pieces], operand: Moving | Pieces, x: Moving | Pieces) -> Pieces:
    source, p = pieces_of(operand), eqn.params
    number = source.axis
    if isinstance(x, Pieces):
        raise CannotProve("x is in pieces itself")
    x_motion, source_motion = motion_of(x.axes[number]), carry_in(source)
    length, stride = eqn.shapes[0][number], p["window_strides"][number]
    if x_motion is None or (x_motion.lo, x_motion.hi) != (0, length) or x_motion.rate * stride != source_motion.rate:
        raise CannotProve("the windows reach beyond x, or x and the source do not move together")
    if any(pair != (0, 0) for pair in p["padding"]) or x.moving_axes != [number]:
        raise CannotProve("the windows reach beyond x, or x moves along another axis")
    if any(dilation != 1 for dilation in p.get("base_dilation", ())):
        raise CannotProve("the windows slide over a dilated x")
    span = p.get("window_dilation", (1,) * (number + 1))[number] * (p["window_dimensions"][number] - 1) + 1
    start = whole(source)
    source = replace(source, folded=also_on(source.folded, [x]))
    name = eqn.walk.new_signal()
    result = derived(source, eqn.shapes[0], number, name, length, ((0, length, 0),), stride, {})
    source_motion = replace(source_motion, field=strided(carry_in(source).field, source_motion.rate, -start, 1))
    return with_field(result, scattered_field(x_motion, source_motion, span, stride, 0))


@rule("neg", "convert_element_type", "copy", of=Pieces)
def one_operand(eqn: Equation[Moving | Pieces]) -> list[Pieces]:
    """A linear function of each cell. The walk ensures that no dtype is an integer.

    Theorem: `Pieces.fold_map_iff` in proofs/coq. The counterexamples for integers are
    `Pieces.halves_are_false` and `Pieces.wrapping_is_false`.
    Jaxpr: one operand of the result's shape.
    """
    pieces = pieces_of(eqn.inputs[0])
    name = (carry_in(pieces).signal, eqn.name, str(eqn.params))
    return [derived(pieces, eqn.shapes[0], pieces.axis, name, pieces.total, pieces.spans)]


@rule("mul", of=Pieces)
def multiply(eqn: Equation[Moving | Pieces]) -> list[Pieces]:
    """Pieces times a factor that is uniform along their axis. Theorem: `Pieces.fold_map_iff` in proofs/coq."""
    lhs, rhs = eqn.inputs
    return [_scaled_by(eqn, lhs, rhs) if isinstance(lhs, Pieces) else _scaled_by(eqn, rhs, lhs)]


@rule("div", of=Pieces)
def divide(eqn: Equation[Moving | Pieces]) -> list[Pieces]:
    """Pieces divided by a factor that is uniform along their axis. Theorem: `Pieces.fold_map_iff` in proofs/coq."""
    return [_scaled_by(eqn, *eqn.inputs)]


def _scaled_by(eqn: Equation[Moving | Pieces], pieces: Moving | Pieces, factor: Moving | Pieces) -> Pieces:
    if not isinstance(pieces, Pieces) or not isinstance(factor, Moving):
        raise CannotProve("needs one operand in pieces and one that is not")
    along = [pieces.axis, *others_of(pieces)]
    if factor.moving_axes or (factor.axes and not all(uniform(factor.axes[axis]) for axis in along)):
        raise CannotProve("the factor depends on the position")
    pieces = replace(pieces, folded=also_on(pieces.folded, [factor]))
    return derived(pieces, eqn.shapes[0], pieces.axis, eqn.walk.new_signal(), pieces.total, pieces.spans)
