"""Rules for windows that slide: convolution in every form, pooling, and the gradient of max pooling."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace

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
)
from jaxconv.verify.factors import invariant_axis, join, uniform
from jaxconv.verify.receptive_fields import strided, through, union
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules.layout import padded, reversed_axis


def slid(
    axis: FactoredAxis, taps: int, stride: int, dilation: int, before: int, after: int, signal: Hashable
) -> FactoredAxis:
    """An axis after a window has slid over it: out[j] looks at positions j*stride - before + u*dilation, u < taps.

    It moves `stride` times as slowly, and shows the signal where every tap reads the signal: a tap in the padding,
    `before` cells and `after` (negative ones are cut off), reads something else.
    """
    length = length_of(axis)
    span = dilation * (taps - 1) + 1
    count = max((length + before + after - span) // stride + 1, 0)
    motion = motion_of(axis)
    if motion is None:
        return invariant_axis(count, 1 if uniform(axis) and before <= 0 and after <= 0 else None)
    seen = Motion(
        motion.rate * stride,
        max(-(-(motion.lo + before) // stride), 0),
        min((motion.hi - 1 + before - (span - 1)) // stride + 1, count),
        strided(motion.field, motion.rate, -before, stride, range(0, span, dilation)),
        signal,
        0,
        motion.edge,
        motion.lost,
    )
    return (Factor(count, motion=seen),)


@rule("conv_general_dilated", "jaxconv_conv", "jaxconv_conv_kernel_grad")
def convolution(eqn: Equation) -> list[Moving]:
    """out[n,j,o] = sum_{u,c} x[n, j*stride - lo + u*dilation, c] w[u,c,o], with zeros between x's cells if dilated.

    A moving spatial axis of x moves on, `stride` times as slowly; a moving batch axis stays the batch axis. The kernel
    must stand still: it is the same at every position, which is weight sharing. Channels are summed over, so they must
    stand still too. (A kernel of one whole period that moves along with x is summed over: `_correlated`.)
    Jaxpr: operands x, w; `dimension_numbers` with (batch, feature, *spatial) of x, w and the result; `window_strides`,
    `padding` (negative: cut off), `lhs_dilation`, `rhs_dilation`, `feature_group_count`, `batch_group_count`.
    jaxconv's own convolution and its kernel's delta carry the parameters of the call to lax that computes the same.
    """
    x, kernel = common_shift(eqn.moving())
    p = eqn.params
    lhs, rhs, out = p["dimension_numbers"]
    if kernel.moving_axes:
        return [_correlated(eqn, x, kernel)]
    if is_moving(x.axes[lhs[1]]):
        raise CannotProve("the shifted axis is summed over as channels", "Keep the shifted axis a spatial one")
    if is_moving(x.axes[lhs[0]]) and p["batch_group_count"] > 1:
        raise CannotProve("the shifted axis is split into groups of the batch")
    signal = eqn.walk.new_signal()
    axes: list[FactoredAxis] = [()] * len(lhs)
    batch = x.axes[lhs[0]]
    axes[out[0]] = batch if is_moving(batch) else invariant_axis(eqn.shapes[0][out[0]])
    axes[out[1]] = invariant_axis(eqn.shapes[0][out[1]])
    for n, (stride, (before, after), apart, dilation) in enumerate(
        zip(p["window_strides"], p["padding"], p["lhs_dilation"], p["rhs_dilation"], strict=True)
    ):
        # Zeros between the cells and zeros around them are alike, so both are written out where cells are apart.
        axis = x.axes[lhs[n + 2]]
        if apart > 1:
            axis, before, after = padded(axis, before, after, apart - 1), 0, 0
        taps = eqn.operand_shapes[1][rhs[n + 2]]
        axes[out[n + 2]] = slid(axis, taps, stride, dilation, int(before), int(after), signal)
    found = Moving(x.shift, x.cycle, tuple(axes), x.depends or kernel.depends)
    if found.depends:
        found = everywhere(found)
    if x.moving_axes and is_moving(batch):
        found = new_names(found, signal)
    return [fit(found)]


@rule("jaxconv_conv_input_grad")
def delta_of_input(eqn: Equation) -> Sequence[Value]:
    """x[n,i,c] = sum of y[n,j,o] w[u,c,o] over j*stride - lo + u*dilation = i: y convolved by the kernel reversed.

    Jaxpr: operands y, w (not yet reversed); the parameters of the convolution by the reversed kernel.
    """
    y, kernel = eqn.moving()
    _, (_, _, *spatial), _ = eqn.params["dimension_numbers"]
    axes = [reversed_axis(axis) if number in spatial else axis for number, axis in enumerate(kernel.axes)]
    return convolution(replace(eqn, inputs=[y, replace(kernel, axes=tuple(axes))]))


def _correlated(eqn: Equation, x: Moving, kernel: Moving) -> Moving:
    """out[u] = sum_j x[u*stride - lo + j*dilation] w[j] over a whole period, x and w moving alike: what stays.

    The gradient with respect to a shared kernel is such a sum: over all positions, so over whichever comes first.
    """
    p = eqn.params
    lhs, rhs, out = p["dimension_numbers"]
    moving = [n for n in range(len(lhs) - 2) if is_moving(kernel.axes[rhs[n + 2]])]
    if (
        kernel.moving_axes != [rhs[n + 2] for n in moving]
        or x.moving_axes != [lhs[n + 2] for n in moving]
        or len(moving) > 1
    ):
        raise CannotProve("the kernel depends on the input's position", "Compute kernels from what does not move")
    (n,) = moving
    mine, its = motion_of(x.axes[lhs[n + 2]]), motion_of(kernel.axes[rhs[n + 2]])
    taps, count = eqn.operand_shapes[1][rhs[n + 2]], eqn.shapes[0][out[n + 2]]
    stride, dilation, before = p["window_strides"][n], p["rhs_dilation"][n], p["padding"][n][0]
    if mine is None or its is None or mine.rate * dilation != its.rate or p["lhs_dilation"][n] > 1:
        raise CannotProve("the kernel and the input do not move together")
    if kernel.one_period(rhs[n + 2]) is None:
        raise CannotProve("adds up something else than a whole period", "Pad circularly", its.lost or its.edge)
    if -before < mine.lo or (count - 1) * stride - before + (taps - 1) * dilation >= mine.hi:
        raise CannotProve("adds up positions that do not show the signal", "Pad circularly", mine.edge)
    return replace(eqn.walk.constant(eqn.shapes[0]), shift=x.shift, depends=True)


def new_names(value: Moving, signal: Hashable) -> Moving:
    """The same value under a new signal's name, since its cells are others now."""
    name = lambda f: f if f.motion is None else replace(f, motion=replace(f.motion, signal=signal, start=0))
    return replace(value, axes=tuple(tuple(map(name, axis)) for axis in value.axes))


@rule(
    "reduce_window_sum",
    "reduce_window_max",
    "reduce_window_min",
    "jaxconv_sum_pool",
    "jaxconv_sum_pool_grad",
    "jaxconv_max_pool",
    "jaxconv_min_pool",
)
def pooling(eqn: Equation) -> list[Moving]:
    """out[j] = sum, max or min over u of x[j*stride - lo + u*dilation].

    Jaxpr: `window_dimensions`, `window_strides`, `padding`, `base_dilation`, `window_dilation`, one for each axis.
    """
    return [_pooled(eqn, eqn.moving()[0])]


@rule("jaxconv_max_pool_gather")
def winners_of_pooling(eqn: Equation) -> list[Moving]:
    """out[j] = t[i] of the cell i that is the largest of x under the window j: a function of both, under the window.

    Jaxpr: operands x, t; the parameters of the pooling.
    """
    return [_pooled(eqn, join(eqn.moving(), eqn.walk.new_signal()))]


@rule("reduce_window")
def pooling_by_any_function(eqn: Equation) -> list[Moving]:
    """The same with any function of the window's cells: every window is treated alike.

    Jaxpr: the operands, then as many initial values, which stand still; the parameters of the named reductions.
    """
    operands = common_shift(eqn.moving())
    half = len(operands) // 2
    if half > 1:
        raise CannotProve("a window over several operands at once")
    if operands[1].moving_axes or operands[1].depends:
        raise CannotProve("the initial value depends on the input")
    return [_pooled(eqn, operands[0])]


def _pooled(eqn: Equation, x: Moving) -> Moving:
    p = eqn.params
    signal = eqn.walk.new_signal()
    axes = []
    for axis, taps, stride, (before, after), apart, dilation in zip(
        x.axes,
        p["window_dimensions"],
        p["window_strides"],
        p["padding"],
        p["base_dilation"],
        p["window_dilation"],
        strict=True,
    ):
        if (taps, stride, before, after, apart) == (1, 1, 0, 0, 1):
            axes.append(axis)
            continue
        wide = axis
        if apart > 1:
            wide, before, after = padded(axis, before, after, apart - 1), 0, 0
        axes.append(slid(wide, taps, stride, dilation, before, after, signal))
    return fit(new_names(replace(x, axes=tuple(axes)), signal))


@rule("jaxconv_max_pool_scatter")
def gradient_of_our_max_pooling(eqn: Equation) -> Sequence[Value]:
    """The same with the operands in the other order, and with cells between the taps where `window_dilation` says."""
    return gradient_of_max_pooling(replace(eqn, inputs=eqn.inputs[::-1]))


@rule("select_and_scatter_add")
def gradient_of_max_pooling(eqn: Equation) -> list[Moving]:
    """out[i] = sum of source[j] over the windows j whose selected cell of x is i.

    x and source move together, source `stride` times as slowly; the result moves as x. Position i shows the signal
    where all windows over i exist, show it, and see only cells of x that do.
    Jaxpr: operands source, x; `window_dimensions`, `window_strides`, `padding` for each axis of x.
    """
    source, x = common_shift(eqn.moving())
    p = eqn.params
    signal = eqn.walk.new_signal()
    dilations = p.get("window_dilation", (1,) * len(x.axes))
    axes = []
    for number, (taps, dilation, stride, (before, after)) in enumerate(
        zip(p["window_dimensions"], dilations, p["window_strides"], p["padding"], strict=True)
    ):
        ours, theirs = x.axes[number], source.axes[number]
        if (taps, stride, before, after) == (1, 1, 0, 0):
            raise_if_apart(ours, theirs)
            axes.append(ours if is_moving(ours) else invariant_axis(length_of(ours)))
            continue
        span = dilation * (taps - 1) + 1
        axes.append(_scattered(motion_of(ours), motion_of(theirs), length_of(ours), span, stride, before, signal))
    found = Moving(x.shift, x.cycle, tuple(axes), x.depends or source.depends)
    return [fit(new_names(everywhere(found) if found.depends else found, signal))]


def raise_if_apart(ours: FactoredAxis, theirs: FactoredAxis) -> None:
    """Refuse two axes that would have to move together and do not."""
    if ours == theirs or (not is_moving(ours) and not is_moving(theirs)):
        return
    one, other = motion_of(ours), motion_of(theirs)
    if one is None or other is None or one.rate != other.rate or (one.lo, one.hi) != (other.lo, other.hi):
        raise CannotProve("the pooled input and what is scattered back do not move together")


def _scattered(
    x: Motion | None, source: Motion | None, length: int, span: int, stride: int, before: int, signal: Hashable
) -> FactoredAxis:
    if x is None and source is None:
        return invariant_axis(length)
    if x is None or source is None or source.rate != x.rate * stride:
        raise CannotProve("the pooled input and what is scattered back do not move together")
    # Windows that show the signal: they exist in source, and all their cells do in x.
    lo = max(source.lo, -(-(x.lo + before) // stride))
    hi = min(source.hi, (x.hi - 1 + before - (span - 1)) // stride + 1)
    # Position i is under windows from ceil((i + before - span + 1) / stride) to floor((i + before) / stride).
    clear_lo = (lo - 1) * stride + span - before  # the first position under no window before lo
    clear_hi = hi * stride - before  # the first position under window hi
    field = None
    if x.field is not None and source.field is not None:  # it sees what source does at the windows, and their cells
        phases = range(math.lcm(stride * len(source.field), len(x.field)))
        windows = [range(-(-(i + before - span + 1) // stride), (i + before) // stride + 1) for i in phases]
        cells = [{j * stride - before + u for j in over for u in range(span)} for over in windows]
        field = union([through(source.field, source.rate, x.rate, windows), through(x.field, x.rate, x.rate, cells)])
    motion = replace(
        x,
        lo=max(clear_lo, 0),
        hi=min(clear_hi, length),
        field=field,
        signal=signal,
        edge=x.edge or source.edge,
        lost=x.lost or source.lost,
    )
    return (Factor(length, motion=motion),)
