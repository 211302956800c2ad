"""Rules for primitives that move cells about: broadcasts, transposes, reshapes, slices, pads, concatenations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from jaxconv.verify.domain import (
    Broken,
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
    renamed,
)
from jaxconv.verify.factors import cut, ends, invariant_axis, join, normalise, uniform
from jaxconv.verify.receptive_fields import NOTHING, apart, moved, nearest, strided, turns_between, union
from jaxconv.verify.rule_table import Equation, rule


def taken(motion: Motion, start: int, count: int, stride: int) -> Motion:
    """What is carried by positions start, start + stride, ... (count of them) of what `motion` describes.

    out[j] = v[start + j*stride]: the rate is `stride` times as coarse, and valid where v is.
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
    """Positions start, start + stride, ... of an axis."""
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
def broadcast_in_dim(eqn: Equation) -> list[Moving]:
    """out[..., i, ...] = x[i or 0]: new axes, and axes of one cell that grow, are uniform; the others move as they did.

    A bias [c] broadcast to [n, h, w, c] is uniform along n, h and w. One cell of a moving axis, broadcast along it,
    would have to move and to stay at once.
    Jaxpr: `shape`, and `broadcast_dimensions`: the result's axis for each of the operand's.
    """
    (value,) = eqn.moving()[:1]
    shape, places = eqn.params["shape"], eqn.params["broadcast_dimensions"]
    axes = [invariant_axis(length, 1) for length in shape]
    for axis, place in zip(value.axes, places, strict=True):
        if length_of(axis) == shape[place]:
            axes[place] = axis
        elif is_moving(axis):
            raise CannotProve("one position of the shifted axis is repeated along it", "Keep the window's whole length")
    return [renamed(replace(value, axes=tuple(axes)), ("broadcast", shape, places))]


@rule("transpose")
def transpose(eqn: Equation) -> list[Moving]:
    """The axes in another order: what moved along the first now moves along its new place.

    Jaxpr: `permutation`: the operand's axis for each of the result's.
    """
    (value,) = eqn.moving()
    order = eqn.params["permutation"]
    return [renamed(replace(value, axes=tuple(value.axes[n] for n in order)), ("order", order))]


@rule("squeeze")
def squeeze(eqn: Equation) -> list[Moving]:
    """Axes of one cell dropped. If that cell is one of a moving axis, the result stands still while the scene moves.

    Jaxpr: `dimensions`: the axes to drop.
    """
    (value,) = eqn.moving()
    kept = []
    for number, axis in enumerate(value.axes):
        if number not in eqn.params["dimensions"]:
            kept.append(axis)
        elif is_moving(axis):
            raise CannotProve("a single position of the shifted axis is picked out", "Reduce over the axis instead")
    return [renamed(replace(value, axes=tuple(kept)), ("dropped", eqn.params["dimensions"]))]


@rule("reshape")
def reshape(eqn: Equation) -> list[Moving]:
    """The same cells in row-major order, cut into axes elsewhere.

    [n, h, w, c] -> [n, h/2, 2, w, c] splits a moving axis: shifts by two of its cells move the major part by one.
    Merging keeps both parts as factors of one axis, so that a later reshape finds them again.
    Jaxpr: `new_sizes`; `dimensions` is None (row-major).
    """
    (value,) = eqn.moving()[:1]
    if eqn.params.get("dimensions") is not None:
        raise CannotProve("a reshape in another order than row-major")
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
    axes = []
    for length in reversed(shape):
        mine: list[Factor] = []
        while math.prod(factor.length for factor in mine) < length:
            mine.insert(0, pieces.pop())
        axes.insert(0, normalise(mine))
    if pieces:
        # What is left has one cell; if it moves, nothing is shown of its movement.
        raise CannotProve("a single position of the shifted axis is picked out", "Reduce over the axis instead")
    return [fit(renamed(replace(value, axes=tuple(axes)), ("shape", shape)))]


@rule("rev")
def rev(eqn: Equation) -> list[Moving]:
    """out[j] = x[n-1-j]: moves the other way.

    Jaxpr: `dimensions`: the axes to reverse.
    """
    (value,) = eqn.moving()
    turned = eqn.params["dimensions"]
    for number in turned:
        value = value.with_axis(number, reversed_axis(value.axes[number]))
    return [changed_elsewhere(value, ["reversed" if n in turned else None for n in range(len(value.axes))])]


def reversed_axis(axis: FactoredAxis) -> FactoredAxis:
    """An axis read from its end."""
    motion, length = motion_of(axis), length_of(axis)
    if motion is None:
        return axis if len(axis) <= 1 else invariant_axis(length, 1 if uniform(axis) else None)
    turned = replace(
        motion,
        rate=-motion.rate,
        lo=length - motion.hi,
        hi=length - motion.lo,
        field=strided(motion.field, motion.rate, length - 1, -1),
        signal=(motion.signal, "reversed"),
        start=-(motion.start + length - 1),
    )
    return (Factor(length, motion=turned),)


@rule("slice")
def slice_(eqn: Equation) -> list[Moving]:
    """out[j] = x[start + j*stride] along each axis.

    x[:, 1:] is the same signal from its next cell on; x[:, ::2] moves by one for a shift by two.
    Jaxpr: `start_indices`, `limit_indices`, and `strides` (None: ones).
    """
    (value,) = eqn.moving()
    strides = eqn.params["strides"] or (1,) * len(value.axes)
    return [fit(cut_out(value, list(zip(eqn.params["start_indices"], eqn.shapes[0], strides, strict=True))))]


def cut_out(value: Moving, ranges: Sequence[tuple[int, int, int]]) -> Moving:
    """Positions (start, count, stride) of each axis. Of the same cells elsewhere, windows of a signal stay such."""
    axes = tuple(sliced(axis, *one) for axis, one in zip(value.axes, ranges, strict=True))
    wholes = [(0, length_of(axis), 1) for axis in value.axes]
    changes = [None if one == whole else ("cut", *one) for one, whole in zip(ranges, wholes, strict=True)]
    return changed_elsewhere(replace(value, axes=axes), changes)


def changed_elsewhere(value: Moving, changes: Sequence[Hashable | None]) -> Moving:
    """The same value; each signal gets a new name that says what was done to the axes other than its own.

    Its own axis is told by the carry. Where two axes move, each is another one's other axis.
    Theorem: `Phases.phases_are_one_signal_is_false` in proofs/coq, on slices with one name for all of them.
    """
    axes = list(value.axes)
    for number, axis in enumerate(value.axes):
        others = tuple(None if n == number else change for n, change in enumerate(changes))
        if any(change is not None for change in others) and is_moving(axis):
            axes[number] = renamed(replace(value, axes=(axis,)), others).axes[0]
    return replace(value, axes=tuple(axes))


def part(value: Moving, number: int, start: int, count: int) -> Moving:
    """Some neighbouring positions of one axis."""
    ranges = [(0, length_of(axis), 1) for axis in value.axes]
    ranges[number] = (start, count, 1)
    return cut_out(value, ranges)


@rule("split")
def split_(eqn: Equation) -> list[Moving]:
    """Consecutive slices along one axis. Jaxpr: `sizes`, `axis`."""
    (value,) = eqn.moving()
    sizes = list(map(int, eqn.params["sizes"]))  # jnp.split leaves NumPy's integers there
    starts = itertools.accumulate(sizes, initial=0)
    return [part(value, eqn.params["axis"], *one) for one in zip(starts, sizes, strict=False)]


@rule("unstack")
def unstack(eqn: Equation) -> list[Moving]:
    """The slices along one axis, one result each: that axis must stand still. Jaxpr: `axis`."""
    (value,) = eqn.moving()
    number = eqn.params["axis"]
    if is_moving(value.axes[number]):
        raise CannotProve("single positions of the shifted axis are picked out", "Reduce over the axis instead")
    kept = replace(value, axes=_without(value.axes, number))
    return [renamed(kept, ("taken", number, n)) for n in range(len(eqn.shapes))]


@rule("stack")
def stack(eqn: Equation) -> list[Moving]:
    """Operands of one shape along a new axis, which stands still; the others move as they do in all of them.

    Jaxpr: `axis`, the new one's place.
    """
    found = join(eqn.moving(), eqn.walk.new_signal())
    number = eqn.params["axis"]
    return [replace(found, axes=_with(found.axes, number, invariant_axis(eqn.shapes[0][number])))]


@rule("pad")
def pad(eqn: Equation) -> list[Moving]:
    """Cells of one value before, after and between those of x; a negative count takes cells away.

    Between cells: x at every (k+1)-th place, so that it moves k+1 times as fast. Before and after: positions that do
    not show the signal; what reads them later is lost to a cyclic proof, and outside the interior.
    Jaxpr: operands x and a number; `padding_config`: (before, after, between) for each axis.
    """
    value, filling = common_shift(eqn.moving())
    config = [tuple(map(int, three)) for three in eqn.params["padding_config"]]
    if all(before <= 0 and after <= 0 and between == 0 for before, after, between in config):
        return [fit(cut_out(value, [(-before, n, 1) for (before, _, _), n in zip(config, eqn.shapes[0], strict=True)]))]
    axes = []
    for axis, (before, after, between) in zip(value.axes, config, strict=True):
        axes.append(padded(axis, before, after, between))
    key = ("padded", eqn.walk.new_signal())
    found = renamed(replace(value, axes=tuple(axes), depends=value.depends or filling.depends), key)
    return [fit(everywhere(found) if found.depends else found)]


def padded(axis: FactoredAxis, before: int, after: int, between: int) -> FactoredAxis:
    """An axis with cells of some constant before, after and between its own."""
    if (before, after, between) == (0, 0, 0):
        return axis
    motion, length = motion_of(axis), length_of(axis)
    total = length + between * max(length - 1, 0) + before + after
    if motion is None:
        return invariant_axis(total)
    distance = between + 1
    rate = motion.rate / distance
    cells = replace(
        motion,
        rate=rate,
        lo=max((motion.lo - 1) * distance + 1 + before, 0),  # what is put between is alike on both sides of the border
        hi=min(motion.hi * distance + before, total),
        field=apart(motion.field, motion.rate, distance, before),
        signal=motion.signal if between == 0 else (motion.signal, "apart", distance),
        start=motion.start * distance - before,
    )
    # The padding itself is a window of a signal, too: a constant one, which depends on nothing. Where a small piece is
    # put into a large frame, as gradients of slices do, that is what there is most of.
    nothing = {"field": NOTHING, "signal": (motion.signal, "padding"), "start": 0}
    ends_at = ((0, min(before, total)), (max(total - after, 0), total))
    frames = [replace(motion, rate=rate, lo=lo, hi=hi, **nothing) for lo, hi in ends_at]
    return (Factor(total, motion=max([cells, *frames], key=lambda part: part.hi - part.lo)),)


@rule("concatenate", takes_broken=True)
def concatenate(eqn: Equation) -> list[Value]:
    """The operands one after another along one axis.

    Along an axis that no operand carries they only have to agree on the others. Along a moving one, neighbouring
    windows of one signal join into a longer one (`jnp.roll`, and `jnp.pad` with mode "wrap": the last cells, all cells,
    the first cells, side by side in a signal that repeats); the longest such run is what shows the signal.
    Jaxpr: `dimension`.
    """
    number = eqn.params["dimension"]
    lengths = [shape[number] for shape in eqn.operand_shapes]
    return [side_by_side(eqn.inputs, lengths, number, eqn.walk.new_signal())]


@rule("tile")
def tile(eqn: Equation) -> list[Value]:
    """The operand several times over along each axis: joined to itself. Jaxpr: `reps`."""
    value: Any = eqn.inputs[0]
    for number, times in enumerate(eqn.params["reps"]):
        if times != 1:
            lengths = [length_of(value.axes[number])] * times
            value = side_by_side([value] * times, lengths, number, eqn.walk.new_signal())
    return [value]


def side_by_side(values: Sequence[Value], lengths: Sequence[int], number: int, signal: Hashable) -> Value:
    """Values of these lengths one after another along an axis; `signal` names what is new."""
    moving = [value for value in values if isinstance(value, Moving)]
    if any(is_moving(value.axes[number]) for value in moving):
        return _joined(values, lengths, number, signal)
    broken = next((value for value in values if isinstance(value, Broken)), None)
    if broken is not None:
        return broken
    found = join([replace(value, axes=_without(value.axes, number)) for value in moving], signal)
    alike = len(moving) == 1 and uniform(moving[0].axes[number])
    return replace(found, axes=_with(found.axes, number, invariant_axis(sum(lengths), 1 if alike else None)))


def _joined(values: Sequence[Value], lengths: Sequence[int], number: int, signal: Hashable) -> Moving:
    """Values side by side along an axis that some of them carry."""
    at, runs = 0, []  # runs of positions: (lo, hi, carry as seen from position 0 of the result, the values)
    for value, length in zip(values, lengths, strict=True):
        motion = motion_of(value.axes[number]) if isinstance(value, Moving) else None
        if isinstance(value, Moving) and motion is not None and motion.hi > motion.lo:
            later = replace(motion, start=motion.start - at, field=strided(motion.field, motion.rate, -at, 1))
            run = (at + motion.lo, at + motion.hi, later, [value])
            if runs and _continues(runs[-1], run, value):
                lo, _, seen, some = runs[-1]
                runs[-1] = (lo, run[1], _wider(seen, later, value.cycle), [*some, value])
            else:
                runs.append(run)
        at += length
    if not runs:
        raise CannotProve("joins parts of which none shows the shifted signal")
    lo, hi, motion, some = max(runs, key=lambda run: run[1] - run[0])
    others = [replace(value, axes=_without(value.axes, number)) for value in some]
    if any(value.moving_axes for value in others):
        raise CannotProve("joins parts of a value that moves along several axes")
    found = join(others, signal)
    axis = (Factor(at, motion=replace(motion, lo=lo, hi=hi, field=nearest(motion.field, found.cycle))),)
    return fit(replace(found, axes=_with(found.axes, number, axis)))


def _continues(run: tuple, following: tuple, value: Moving) -> bool:
    """Whether the cells that follow are the next ones of the same signal."""
    _, hi, motion, _ = run
    lo, _, later, _ = following
    gap = later.start - motion.start
    period = value.period(later)
    same = gap == 0 or (period is not None and period.denominator == 1 and gap % period == 0)
    return hi == lo and motion.signal == later.signal and motion.rate == later.rate and same


def _wider(motion: Motion, other: Motion, cycle: int | None) -> Motion:
    """The first one's receptive field, taking in the other's; fields that lie whole periods apart are one."""
    if motion.field is None or other.field is None:
        return replace(motion, field=None)
    turns = Fraction(turns_between(motion.field, other.field, cycle))
    return replace(motion, field=union([motion.field, moved(other.field, -turns)]))


def _without(axes: Sequence[FactoredAxis], number: int) -> tuple[FactoredAxis, ...]:
    return (*axes[:number], *axes[number + 1 :])


def _with(axes: Sequence[FactoredAxis], number: int, axis: FactoredAxis) -> tuple[FactoredAxis, ...]:
    return (*axes[:number], axis, *axes[number:])


@rule("iota")
def iota(eqn: Equation) -> list[Moving]:
    """Counts along one axis; uniform along the others. Jaxpr: `shape`, `dimension`."""
    axes = tuple(invariant_axis(n, None if k == eqn.params["dimension"] else 1) for k, n in enumerate(eqn.shapes[0]))
    return [Moving(1, eqn.walk.cycle, axes)]
