"""Rules for primitives that rearrange the cells of one array: broadcasts, transposes, reshapes, slices, pads."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from jaxconv.verify.domain import (
    CannotProve,
    Factor,
    FactoredAxis,
    Motion,
    Moving,
    common_shift,
    everywhere,
    fit,
    is_moving,
    length_of,
    motion_of,
    renamed,
)
from jaxconv.verify.factors import cut, ends, invariant_axis, normalise, uniform
from jaxconv.verify.receptive_fields import NOTHING, apart, strided
from jaxconv.verify.rule_table import Equation, V, rule


def taken(motion: Motion, start: int, count: int, stride: int) -> Motion:
    """The motion of positions start, start + stride, ... (`count` of them) of a factor with this motion.

    out[j] = v[start + j*stride]. The rate is multiplied by `stride`, and a position of out is valid where that of v is.
    """
    first_cell, phase = divmod(motion.start + start, stride)
    return replace(
        motion,
        rate=motion.rate * stride,
        lo=min(max(-(-(motion.lo - start) // stride), 0), count),
        hi=max(min((motion.hi - 1 - start) // stride + 1, count), 0),
        field=strided(motion.field, motion.rate, start, stride),
        signal=motion.signal if stride == 1 else (motion.signal, "every", stride, phase),
        start=first_cell,
    )


def sliced(axis: FactoredAxis, start: int, count: int, stride: int) -> FactoredAxis:
    """Positions start, start + stride, ... (`count` of them) of an axis."""
    if (start, count, stride) == (0, length_of(axis), 1):
        return axis
    motion = motion_of(axis)
    if motion is not None:
        return (Factor(count, motion=taken(motion, start, count, stride)),)
    if len(axis) != 1:
        return invariant_axis(count, 1 if uniform(axis) else None)
    period = axis[0].period
    return invariant_axis(count, None if period is None else period // math.gcd(period, stride))


@rule("broadcast_in_dim")
def broadcast_in_dim(eqn: Equation[Moving]) -> list[Moving]:
    """out[..., i, ...] = x[i or 0]: new axes and broadcast axes are uniform, and the others keep their motion.

    A moving axis of one cell cannot be broadcast, because the result would have to move and to be invariant.

    Example: a bias [c] broadcast to [n, h, w, c] is uniform along n, h and w.
    Theorem: `CertifierRules.reindex_sound` in proofs/coq.
    Jaxpr: `shape`, and `broadcast_dimensions`: the result's axis for each of the operand's.
    """
    (value,) = eqn.moving()[:1]
    shape: tuple[int, ...] = eqn.params["shape"]
    places: tuple[int, ...] = eqn.params["broadcast_dimensions"]
    axes = [invariant_axis(length, 1) for length in shape]
    for axis, place in zip(value.axes, places, strict=True):
        if length_of(axis) == shape[place]:
            axes[place] = axis
        elif is_moving(axis):
            raise CannotProve("broadcasts one position of the shifted axis along it", "Keep the whole axis")
    return [renamed(replace(value, axes=tuple(axes)), ("broadcast", shape, places))]


@rule("transpose")
def transpose(eqn: Equation[Moving]) -> list[Moving]:
    """out[i, j] = x[j, i], for any permutation of the axes. Each axis keeps its motion.

    Example: x [n, h, c] that moves along axis 1, transposed by (1, 0, 2), moves along axis 0.
    Theorem: `CertifierRules.reindex_sound` in proofs/coq.
    Jaxpr: `permutation`: the operand's axis for each of the result's.
    """
    (value,) = eqn.moving()
    order: tuple[int, ...] = eqn.params["permutation"]
    return [renamed(replace(value, axes=tuple(value.axes[n] for n in order)), ("order", order))]


@rule("squeeze")
def squeeze(eqn: Equation[Moving]) -> list[Moving]:
    """x without some axes of one cell. These must not move: the result could not move along them.

    Example: [n, h, 1, c] to [n, h, c] keeps the motion along h.
    Theorem: `CertifierRules.reindex_sound` in proofs/coq.
    Jaxpr: `dimensions`: the axes to drop.
    """
    (value,) = eqn.moving()
    kept: list[FactoredAxis] = []
    for number, axis in enumerate(value.axes):
        if number not in eqn.params["dimensions"]:
            kept.append(axis)
        elif is_moving(axis):
            raise CannotProve("selects a single position of the shifted axis", "Reduce over the axis instead")
    return [renamed(replace(value, axes=tuple(kept)), ("dropped", eqn.params["dimensions"]))]


def row_major(eqn: Equation[V], transposed: Callable[[Equation[V]], Sequence[V]]) -> Equation[V]:
    """The reshape whose `dimensions` is None and whose operand is transposed by the rule for that."""
    order: Sequence[int] | None = eqn.params.get("dimensions")
    if "new_sizes" not in eqn.params or order is None:
        return eqn
    shape = tuple(eqn.operand_shapes[0][n] for n in order)
    before = replace(eqn, name="transpose", params={"permutation": tuple(order)}, shapes=[shape])
    return replace(eqn, params={**eqn.params, "dimensions": None}, inputs=transposed(before), operand_shapes=[shape])


@rule("reshape")
def reshape(eqn: Equation[Moving]) -> list[Moving]:
    """The same cells in row-major order, after a transposition if there is one, in axes of other lengths.

    Splitting a moving axis makes its major part move at a coarser rate. Merging keeps the parts as factors of one axis,
    so that a later reshape can separate them again.

    Example: [n, h, w, c] to [n, h/2, 2, w, c]. A shift by two cells along h moves the new axis of h/2 cells by one.
    Theorems: `CertifierRules.recut_sound` and `CertifierRules.reindex_sound` in proofs/coq.
    Jaxpr: `new_sizes`; `dimensions` is None or the operand's axes in the order in which they are read.
    """
    (value,) = row_major(eqn, transpose).moving()[:1]
    shape = eqn.shapes[0]
    if 0 in shape:
        return [eqn.walk.constant(shape)]
    sizes = sorted(set(ends([Factor(length) for length in shape])))
    flat = [factor for axis in value.axes for factor in axis]
    try:
        pieces = list(cut(tuple(flat), sizes))
    except CannotProve:
        if value.moving_axes:
            raise
        return [replace(eqn.walk.constant(shape), shift=value.shift, depends=value.depends)]
    axes: list[FactoredAxis] = []
    for length in reversed(shape):
        factors: list[Factor] = []
        while math.prod(factor.length for factor in factors) < length:
            factors.insert(0, pieces.pop())
        axes.insert(0, normalise(_with_note(eqn, factors)))
    if pieces:
        # A factor that is left has one cell, and moves: a single position does not show how.
        raise CannotProve("selects a single position of the shifted axis", "Reduce over the axis instead")
    return [fit(renamed(replace(value, axes=tuple(axes)), ("shape", shape)))]


def _with_note(eqn: Equation[Moving], factors: Sequence[Factor]) -> list[Factor]:
    """The factors of one axis. If a reshape merges a moving one with others that vary, its motion names the reshape."""
    if all(factor.motion or factor.length == 1 or factor.period == 1 for factor in factors):
        return list(factors)
    reason = "merges the shifted axis with others, and a later operation treats the cells of the result differently"
    merged = eqn.walk.culprit(reason, "Reduce or convolve over the shifted axis before")
    return [replace(f, motion=replace(f.motion, merged=merged)) if f.motion else f for f in factors]


@rule("rev")
def rev(eqn: Equation[Moving]) -> list[Moving]:
    """out[j] = x[n-1-j]: the axis moves in the other direction.

    Example: x[:, ::-1] moves by -1 along axis 1 where x moves by 1.
    Theorems: `CertifierAxis.read_ok`, `CertifierAxis.slice_local` and `CertifierAxis.local_uniform` in proofs/coq.
    Jaxpr: `dimensions`: the axes to reverse.
    """
    (value,) = eqn.moving()
    dimensions: Sequence[int] = eqn.params["dimensions"]
    for number in dimensions:
        value = value.with_axis(number, reversed_axis(value.axes[number]))
    return [changed_elsewhere(value, ["reversed" if n in dimensions else None for n in range(len(value.axes))])]


def reversed_axis(axis: FactoredAxis) -> FactoredAxis:
    """An axis in reverse order."""
    motion, length = motion_of(axis), length_of(axis)
    if motion is None:
        return axis if len(axis) <= 1 else invariant_axis(length, 1 if uniform(axis) else None)
    reverse = replace(
        motion,
        rate=-motion.rate,
        lo=length - motion.hi,
        hi=length - motion.lo,
        field=strided(motion.field, motion.rate, length - 1, -1),
        signal=(motion.signal, "reversed"),
        start=-(motion.start + length - 1),
    )
    return (Factor(length, motion=reverse),)


@rule("slice")
def slice_(eqn: Equation[Moving]) -> list[Moving]:
    """out[j] = x[start + j*stride] along each axis.

    Example: x[:, 1:] is a window of the same signal, one cell further on. x[:, ::2] moves by one for a shift by two.
    Theorems: `CertifierAxis.read_ok`, `CertifierAxis.slice_local` and `CertifierAxis.local_uniform` in proofs/coq.
    Jaxpr: `start_indices`, `limit_indices`, and `strides` (None: ones).
    """
    (value,) = eqn.moving()
    strides = eqn.params["strides"] or (1,) * len(value.axes)
    return [fit(cut_out(value, list(zip(eqn.params["start_indices"], eqn.shapes[0], strides, strict=True))))]


def cut_out(value: Moving, ranges: Sequence[tuple[int, int, int]]) -> Moving:
    """The given range (start, count, stride) of each axis.

    Windows of one signal remain windows of one signal if they take the same range of the other axes.
    """
    axes = tuple(sliced(axis, *axis_range) for axis, axis_range in zip(value.axes, ranges, strict=True))
    whole_ranges = [(0, length_of(axis), 1) for axis in value.axes]
    changes = [
        None if axis_range == whole_range else ("cut", *axis_range)
        for axis_range, whole_range in zip(ranges, whole_ranges, strict=True)
    ]
    return changed_elsewhere(replace(value, axes=axes), changes)


def changed_elsewhere(value: Moving, changes: Sequence[Hashable | None]) -> Moving:
    """The same value under new signal names that record the changes to the axes other than the signal's.

    `changes` has an entry for each axis, None if it is unchanged. The motion itself records changes to the signal's
    axis. If two axes move, a change to each is recorded for the other.

    Theorem: `Phases.phases_are_one_signal_is_false` in proofs/coq shows that one name for all slices would be wrong.
    """
    axes = list(value.axes)
    for number, axis in enumerate(value.axes):
        others = tuple(None if n == number else change for n, change in enumerate(changes))
        if any(change is not None for change in others) and is_moving(axis):
            axes[number] = renamed(replace(value, axes=(axis,)), others).axes[0]
    return replace(value, axes=tuple(axes))


def part(value: Moving, number: int, start: int, count: int) -> Moving:
    """`count` consecutive positions of one axis, from `start` on."""
    ranges = [(0, length_of(axis), 1) for axis in value.axes]
    ranges[number] = (start, count, 1)
    return cut_out(value, ranges)


@rule("split")
def split_(eqn: Equation[Moving]) -> list[Moving]:
    """Consecutive slices along one axis.

    Example: jnp.split(x, [2], axis=1) is x[:, :2] and x[:, 2:].
    Theorems: those of `slice_`.
    Jaxpr: `sizes`, `axis`.
    """
    (value,) = eqn.moving()
    sizes = list(map(int, eqn.params["sizes"]))  # jnp.split passes NumPy integers
    starts = itertools.accumulate(sizes, initial=0)
    return [part(value, eqn.params["axis"], *start_and_size) for start_and_size in zip(starts, sizes, strict=False)]


@rule("unstack")
def unstack(eqn: Equation[Moving]) -> list[Moving]:
    """out_i = x[..., i, ...]: the slices along one axis, one result each. That axis must not move.

    Theorems: those of `slice_`.
    Jaxpr: `axis`.
    """
    (value,) = eqn.moving()
    number: int = eqn.params["axis"]
    if is_moving(value.axes[number]):
        raise CannotProve("selects single positions of the shifted axis", "Reduce over the axis instead")
    kept = value.without_axis(number)
    return [renamed(kept, ("taken", number, n)) for n in range(len(eqn.shapes))]


@rule("pad")
def pad(eqn: Equation[Moving]) -> list[Moving]:
    """x with cells of one value before it, after it and between its cells. A negative count removes cells.

    With `between` = k, x is at every (k+1)-th position, so it moves k+1 times as far. The positions before and after it
    do not show the signal. Positions that read them later are lost to a cyclic proof, and are outside the interior.

    Example: lax.pad(x, 0.0, [(1, 1, 0)]) for x of 6 cells shows the signal on [1, 7) of 8.
    Theorems: `CertifierAxis.pad_local` and `CertifierAxis.frame_local` in proofs/coq.
    Jaxpr: operands x and a number; `padding_config`: (before, after, between) for each axis.
    """
    value, filling = common_shift(eqn.moving())
    config = [tuple(map(int, counts)) for counts in eqn.params["padding_config"]]
    if all(before <= 0 and after <= 0 and between == 0 for before, after, between in config):
        return [fit(cut_out(value, [(-before, n, 1) for (before, _, _), n in zip(config, eqn.shapes[0], strict=True)]))]
    axes: list[FactoredAxis] = []
    for axis, (before, after, between) in zip(value.axes, config, strict=True):
        axes.append(padded(axis, before, after, between))
    key = ("padded", eqn.walk.new_signal())
    result = renamed(replace(value, axes=tuple(axes), depends=value.depends or filling.depends), key)
    return [fit(everywhere(result) if result.depends else result)]


def padded(axis: FactoredAxis, before: int, after: int, between: int) -> FactoredAxis:
    """An axis with cells of a constant before, after and between its cells."""
    if (before, after, between) == (0, 0, 0):
        return axis
    total = _padded_length(length_of(axis), before, after, between)
    motion = motion_of(axis)
    if motion is None:
        return invariant_axis(total)
    # The longest window is kept. That is the padding where a few cells are padded to a large array, as in gradients of
    # slices.
    windows = windows_of_padding(motion, length_of(axis), before, after, between)
    return (Factor(total, motion=max(windows, key=lambda part: part.hi - part.lo)),)


def _padded_length(length: int, before: int, after: int, between: int) -> int:
    return length + between * max(length - 1, 0) + before + after


def windows_of_padding(motion: Motion, length: int, before: int, after: int, between: int) -> list[Motion]:
    """The windows of signals that a padded axis shows: that of its cells, and the constants before and after it."""
    distance, total = between + 1, _padded_length(length, before, after, between)
    rate = motion.rate / distance
    cells = replace(
        motion,
        rate=rate,
        lo=max((motion.lo - 1) * distance + 1 + before, 0),  # from the constants before cell lo on, which are valid too
        hi=min(motion.hi * distance + before, total),
        field=apart(motion.field, motion.rate, distance, before),
        signal=motion.signal if between == 0 else (motion.signal, "apart", distance),
        start=motion.start * distance - before,
    )
    # The padding is a window of a constant signal, which depends on no cell.
    nothing = {"field": NOTHING, "signal": (motion.signal, "padding"), "start": 0}
    ends_at = ((0, min(before, total)), (max(total - after, 0), total))
    return [cells, *(replace(motion, rate=rate, lo=lo, hi=hi, **nothing) for lo, hi in ends_at)]


@rule("iota")
def iota(eqn: Equation[Moving]) -> list[Moving]:
    """out[..., i, ...] = i along one axis. The result is uniform along the others.

    Theorem: `CertifierInfer.constant_right` in proofs/coq.
    Jaxpr: `shape`, `dimension`.
    """
    axes = tuple(invariant_axis(n, None if k == eqn.params["dimension"] else 1) for k, n in enumerate(eqn.shapes[0]))
    return [Moving(1, eqn.walk.cycle, axes)]
