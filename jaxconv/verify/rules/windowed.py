"""Rules for sliding windows: convolutions, pooling, and the gradients of both."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace

from jax.lax import ConvDimensionNumbers

from jaxconv.verify.domain import (
    CannotProve,
    Factor,
    FactoredAxis,
    Motion,
    Moving,
    Value,
    common_shift,
    everywhere,
    fit,
    is_moving,
    length_of,
    motion_of,
    with_motions,
)
from jaxconv.verify.factors import invariant_axis, join, uniform
from jaxconv.verify.receptive_fields import Field, strided, through, union
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules.layout import padded, reversed_axis


def window_positions(
    axis: FactoredAxis, taps: int, stride: int, dilation: int, before: int, after: int, signal: Hashable
) -> FactoredAxis:
    """An axis of window positions: out[j] reads positions j*stride - before + u*dilation of `axis`, for u < taps.

    It moves `stride` times as slowly. Position j is valid if every tap reads a valid position. A tap in the padding
    (`before` and `after` cells; negative counts crop) does not.

    Theorem: `CertifierAxis.unfold_local` in proofs/coq.
    """
    length = length_of(axis)
    span = dilation * (taps - 1) + 1
    count = max((length + before + after - span) // stride + 1, 0)
    motion = motion_of(axis)
    if motion is None:
        return invariant_axis(count, 1 if uniform(axis) and before <= 0 and after <= 0 else None)
    moved = Motion(
        motion.rate * stride,
        max(-(-(motion.lo + before) // stride), 0),
        min((motion.hi - 1 + before - (span - 1)) // stride + 1, count),
        strided(motion.field, motion.rate, -before, stride, range(0, span, dilation)),
        signal,
        turns=motion.turns,
        edge=motion.edge,
        lost=motion.lost,
    )
    return (Factor(count, motion=moved),)


@rule("conv_general_dilated", "jaxconv_conv", "jaxconv_conv_kernel_grad")
def convolution(eqn: Equation[Moving]) -> list[Moving]:
    """out[n,j,o] = sum_{u,c} x[n, j*stride - lo + u*dilation, c] w[u,c,o], with zeros between x's cells if dilated.

    - A moving spatial axis of x moves `stride` times as slowly. A moving batch axis remains the batch axis.
    - The kernel must not move: it is the same at every position, which is weight sharing. If it moves with x and is one
      whole period, the result is a correlation (`_correlated`).
    - Channels are summed over, so their axis must not move.

    Example: jc.conv with stride 2 and padding "valid" moves by one cell for a shift by two.
    Theorems: `CertifierAxis.unfold_local` and those of `layout.pad`, `pointwise.several_operands` and
    `reduction.reduction`.
    Jaxpr: operands x, w; `dimension_numbers` with (batch, feature, *spatial) of x, w and the result; `window_strides`,
    `padding` (negative: cropped), `lhs_dilation`, `rhs_dilation`, `feature_group_count`, `batch_group_count`. jaxconv's
    convolution and its kernel gradient have the parameters of the lax call that computes the same.
    """
    x, kernel = common_shift(eqn.moving())
    p = eqn.params
    numbers: ConvDimensionNumbers = p["dimension_numbers"]
    lhs, rhs, out = numbers
    if kernel.moving_axes:
        return [_correlated(eqn, x, kernel)]
    if is_moving(x.axes[lhs[1]]):
        raise CannotProve("the shifted axis is summed over as channels", "Keep the shifted axis a spatial one")
    if is_moving(x.axes[lhs[0]]) and p["batch_group_count"] > 1:
        raise CannotProve("the shifted axis is the batch axis, which batch_group_count splits")
    signal = eqn.walk.new_signal()
    axes: list[FactoredAxis] = [()] * len(lhs)
    batch = x.axes[lhs[0]]
    axes[out[0]] = batch if is_moving(batch) else invariant_axis(eqn.shapes[0][out[0]])
    axes[out[1]] = invariant_axis(eqn.shapes[0][out[1]])
    for n, (stride, (before, after), base_dilation, dilation) in enumerate(
        zip(p["window_strides"], p["padding"], p["lhs_dilation"], p["rhs_dilation"], strict=True)
    ):
        # With base dilation, zeros between cells and around them are the same: both are padded explicitly.
        axis = x.axes[lhs[n + 2]]
        if base_dilation > 1:
            axis, before, after = padded(axis, before, after, base_dilation - 1), 0, 0
        taps = eqn.operand_shapes[1][rhs[n + 2]]
        axes[out[n + 2]] = window_positions(axis, taps, stride, dilation, int(before), int(after), signal)
    result = Moving(x.shift, x.cycle, tuple(axes), x.depends or kernel.depends)
    if result.depends:
        result = everywhere(result)
    if x.moving_axes and is_moving(batch):
        result = new_names(result, signal)
    return [fit(result)]


@rule("jaxconv_conv_input_grad")
def delta_of_input(eqn: Equation[Moving]) -> Sequence[Value]:
    """x[n,i,c] = sum of y[n,j,o] w[u,c,o] over j*stride - lo + u*dilation = i: y convolved with the reversed kernel.

    Theorems: those of `convolution`.
    Jaxpr: operands y, w (not reversed); the parameters of the convolution with the reversed kernel.
    """
    y, kernel = eqn.moving()
    _, (_, _, *spatial), _ = eqn.params["dimension_numbers"]
    axes = [reversed_axis(axis) if number in spatial else axis for number, axis in enumerate(kernel.axes)]
    return convolution(replace(eqn, inputs=[y, replace(kernel, axes=tuple(axes))]))


def _correlated(eqn: Equation[Moving], x: Moving, kernel: Moving) -> Moving:
    """out[u] = sum_j x[u*stride - lo + j*dilation] w[j] over a whole period, where x and w move together: invariant.

    The kernel gradient of a convolution is such a sum. It does not depend on which position comes first.

    Theorem: `CertifierAxis.unfold_taps_local` in proofs/coq.
    """
    p = eqn.params
    numbers: ConvDimensionNumbers = p["dimension_numbers"]
    lhs, rhs, out = numbers
    moving = [n for n in range(len(lhs) - 2) if is_moving(kernel.axes[rhs[n + 2]])]
    if (
        kernel.moving_axes != [rhs[n + 2] for n in moving]
        or x.moving_axes != [lhs[n + 2] for n in moving]
        or len(moving) > 1
    ):
        raise CannotProve(
            "the kernel depends on the input's position", "Compute the kernel from values that do not move"
        )
    (n,) = moving
    x_motion, kernel_motion = motion_of(x.axes[lhs[n + 2]]), motion_of(kernel.axes[rhs[n + 2]])
    taps, count = eqn.operand_shapes[1][rhs[n + 2]], eqn.shapes[0][out[n + 2]]
    stride, dilation, before = p["window_strides"][n], p["rhs_dilation"][n], p["padding"][n][0]
    if (
        x_motion is None
        or kernel_motion is None
        or x_motion.rate * dilation != kernel_motion.rate
        or x_motion.turns != kernel_motion.turns
        or p["lhs_dilation"][n] > 1
    ):
        raise CannotProve("the kernel and the input do not move together")
    if kernel.one_period(rhs[n + 2]) is None:
        raise CannotProve(
            "sums over something other than one whole period",
            "Pad circularly",
            kernel_motion.without_whole_periods,
        )
    if -before < x_motion.lo or (count - 1) * stride - before + (taps - 1) * dilation >= x_motion.hi:
        raise CannotProve("sums over positions that do not show the signal", "Pad circularly", x_motion.edge)
    return replace(eqn.walk.constant(eqn.shapes[0]), shift=x.shift, depends=True)


def new_names(value: Moving, signal: Hashable) -> Moving:
    """The same value under one new signal name, because its cells are different ones."""
    return with_motions(value, lambda motion: replace(motion, signal=signal, start=0))


@rule(
    "reduce_window_sum",
    "reduce_window_max",
    "reduce_window_min",
    "jaxconv_sum_pool",
    "jaxconv_sum_pool_grad",
    "jaxconv_max_pool",
    "jaxconv_min_pool",
)
def pooling(eqn: Equation[Moving]) -> list[Moving]:
    """out[j] = sum, max or min over u of x[j*stride - lo + u*dilation].

    Example: jc.max_pool with window 2 and stride 2 moves by one cell for a shift by two.
    Theorems: those of `convolution`.
    Jaxpr: `window_dimensions`, `window_strides`, `padding`, `base_dilation`, `window_dilation`, one for each axis.
    """
    return [_pooled(eqn, eqn.moving()[0])]


@rule("jaxconv_max_pool_gather")
def winners_of_pooling(eqn: Equation[Moving]) -> list[Moving]:
    """out[j] = t[i] for the cell i of the maximum of x in window j: a function of x and t in the window.

    Theorems: those of `convolution`.
    Jaxpr: operands x, t; the parameters of the pooling.
    """
    return [_pooled(eqn, join(eqn.moving(), eqn.walk.new_signal()))]


@rule("reduce_window")
def pooling_by_any_function(eqn: Equation[Moving]) -> list[Moving]:
    """`pooling` with any function of the window's cells, which is the same for every window.

    Theorems: those of `convolution`.
    Jaxpr: the operands, then one initial value each, which must not move; the parameters of the named reductions.
    """
    operands = common_shift(eqn.moving())
    half = len(operands) // 2
    if half > 1:
        raise CannotProve("a reduce_window of several operands")
    if operands[1].moving_axes or operands[1].depends:
        raise CannotProve("the initial value depends on the input")
    return [_pooled(eqn, operands[0])]


def _pooled(eqn: Equation[Moving], x: Moving) -> Moving:
    """The motion of a pooling of x with the equation's window."""
    p = eqn.params
    signal = eqn.walk.new_signal()
    axes: list[FactoredAxis] = []
    for axis, taps, stride, (before, after), base_dilation, dilation in zip(
        x.axes,
        p["window_dimensions"],
        p["window_strides"],
        p["padding"],
        p["base_dilation"],
        p["window_dilation"],
        strict=True,
    ):
        if (taps, stride, before, after, base_dilation) == (1, 1, 0, 0, 1):
            axes.append(axis)
            continue
        padded_axis = axis
        if base_dilation > 1:
            padded_axis, before, after = padded(axis, before, after, base_dilation - 1), 0, 0
        axes.append(window_positions(padded_axis, taps, stride, dilation, before, after, signal))
    return fit(new_names(replace(x, axes=tuple(axes)), signal))


@rule("jaxconv_max_pool_scatter")
def gradient_of_our_max_pooling(eqn: Equation[Moving]) -> Sequence[Value]:
    """`gradient_of_max_pooling` with operands x, source, and with `window_dilation` between the taps."""
    return gradient_of_max_pooling(replace(eqn, inputs=eqn.inputs[::-1]))


@rule("select_and_scatter_add")
def gradient_of_max_pooling(eqn: Equation[Moving]) -> list[Moving]:
    """out[i] = sum of source[j] over the windows j whose selected cell of x is i.

    x and source must move together, source `stride` times as slowly. The result moves as x does. Position i is valid if
    all windows over i exist, are valid in source, and read only valid cells of x.

    There is no theorem for this rule in proofs/coq.
    Jaxpr: operands source, x; `window_dimensions`, `window_strides`, `padding` for each axis of x.
    """
    source, x = common_shift(eqn.moving())
    p = eqn.params
    signal = eqn.walk.new_signal()
    dilations = p.get("window_dilation", (1,) * len(x.axes))
    windows = list(zip(p["window_dimensions"], dilations, p["window_strides"], p["padding"], strict=True))
    slides = [(taps, stride, *padding) != (1, 1, 0, 0) for taps, _, stride, padding in windows]
    # Along the other axes each result is a function of x and source at its own position.
    kept = [
        tuple(invariant_axis(1) if slides_here else axis for axis, slides_here in zip(value.axes, slides, strict=True))
        for value in (x, source)
    ]
    result = join([replace(x, axes=kept[0]), replace(source, axes=kept[1])], signal)
    for number, (taps, dilation, stride, (before, _)) in enumerate(windows):
        if slides[number]:
            x_axis, source_motion = x.axes[number], motion_of(source.axes[number])
            span = dilation * (taps - 1) + 1
            axis = _scattered(motion_of(x_axis), source_motion, length_of(x_axis), span, stride, before, signal)
            result = result.with_axis(number, axis)
    return [fit(new_names(everywhere(result) if result.depends else result, signal))]


def _scattered(
    x: Motion | None, source: Motion | None, length: int, span: int, stride: int, before: int, signal: Hashable
) -> FactoredAxis:
    """An axis of x after values of source are scattered to it from windows that span `span` cells."""
    if x is None and source is None:
        return invariant_axis(length)
    if x is None or source is None or source.rate != x.rate * stride:
        raise CannotProve("the pooled input and the scattered values do not move together")
    # Windows [lo, hi) are valid in source, and all their cells are valid in x.
    lo = max(source.lo, -(-(x.lo + before) // stride))
    hi = min(source.hi, (x.hi - 1 + before - (span - 1)) // stride + 1)
    # Position i is in the windows from ceil((i + before - span + 1) / stride) to floor((i + before) / stride).
    valid_lo = (lo - 1) * stride + span - before  # the first position in no window before lo
    valid_hi = hi * stride - before  # the first position in window hi
    field = scattered_field(x, source, span, stride, before)
    motion = replace(
        x,
        lo=max(valid_lo, 0),
        hi=min(valid_hi, length),
        field=field,
        signal=signal,
        edge=x.edge or source.edge,
        lost=x.lost or source.lost,
    )
    return (Factor(length, motion=motion),)


def scattered_field(x: Motion, source: Motion, span: int, stride: int, before: int) -> Field | None:
    """The receptive field of x after values of source are scattered to it: that of the windows, and of their cells."""
    if x.field is None or source.field is None:
        return None
    phases = range(math.lcm(stride * len(source.field), len(x.field)))
    windows = [range(-(-(i + before - span + 1) // stride), (i + before) // stride + 1) for i in phases]
    cells = [{j * stride - before + u for j in window_range for u in range(span)} for window_range in windows]
    return union([through(source.field, source.rate, x.rate, windows), through(x.field, x.rate, x.rate, cells)])
