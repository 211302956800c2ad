"""Rules for primitives that put arrays side by side: concatenations, stacks, tiles."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple, TypeAlias, overload

from jaxconv.jaxprs.registry import Registry
from jaxconv.verify.domain import (
    Broken,
    CannotProve,
    Factor,
    Motion,
    Moving,
    Plain,
    Value,
    fit,
    is_moving,
    length_of,
    main_state,
    motion_of,
    with_motions,
)
from jaxconv.verify.factors import invariant_axis, join, uniform
from jaxconv.verify.receptive_fields import moved, nearest, strided, turns_between, union
from jaxconv.verify.rule_table import Equation, V, rule
from jaxconv.verify.rules.layout import cut_out


@rule("concatenate", takes_broken=True)
def concatenate(eqn: Equation[Plain]) -> list[Plain]:
    """The operands one after another along one axis.

    If no operand moves along that axis, the operands only have to share a motion along the others. Otherwise
    neighbouring windows of one signal join into a longer window, and the result shows the signal on the longest.

    Example: `jnp.roll`, and `jnp.pad` with mode "wrap", concatenate the last cells, all cells and the first cells. In a
    cyclic walk these are consecutive windows of one periodic signal.
    Theorems: `CertifierRules.windows_join`, `CertifierRules.cat_ahead`, `CertifierRules.cat_behind` and
    `CertifierRules.cat_still` in proofs/coq.
    Jaxpr: `dimension`.
    """
    number: int = eqn.params["dimension"]
    pairs = [(value, shape[number]) for value, shape in zip(eqn.inputs, eqn.operand_shapes, strict=True)]
    pairs = [(value, length) for value, length in pairs if length] or pairs  # an empty operand adds nothing
    inputs, lengths = [value for value, _ in pairs], [length for _, length in pairs]
    return [side_by_side(inputs, lengths, number, eqn.walk.new_signal())]


@rule("tile")
def tile(eqn: Equation[Moving]) -> list[Moving]:
    """The operand repeated along each axis, as a concatenation with itself.

    Example: jnp.tile(x, (1, 2)) is jnp.concatenate([x, x], axis=1).
    Theorems: those of `concatenate`.
    Jaxpr: `reps`.
    """
    value: Moving = eqn.inputs[0]
    copies: Sequence[int] = eqn.params["reps"]
    for number, times in enumerate(copies):
        if times != 1:
            lengths = [length_of(value.axes[number])] * times
            value = side_by_side([value] * times, lengths, number, eqn.walk.new_signal())
    return [value]


@overload
def side_by_side(values: Sequence[Moving], lengths: Sequence[int], number: int, signal: Hashable) -> Moving: ...


@overload
def side_by_side(values: Sequence[Plain], lengths: Sequence[int], number: int, signal: Hashable) -> Plain: ...


def side_by_side(values: Sequence[Plain], lengths: Sequence[int], number: int, signal: Hashable) -> Plain:
    """Values of the given lengths, one after another along an axis; `signal` names a new signal."""
    moving = [value for value in values if isinstance(value, Moving)]
    if any(is_moving(value.axes[number]) for value in moving):
        return _joined(values, lengths, number, signal)
    broken = next((value for value in values if isinstance(value, Broken)), None)
    if broken is not None:
        return broken
    joined = join([value.without_axis(number) for value in moving], signal)
    is_uniform = len(moving) == 1 and uniform(moving[0].axes[number])
    return joined.with_new_axis(number, invariant_axis(sum(lengths), 1 if is_uniform else None))


class _Run(NamedTuple):
    """Consecutive cells of one signal: positions [lo, hi) of the result, with the motion relative to its position 0."""

    lo: int
    hi: int
    motion: Motion
    values: list[Moving]


def _joined(values: Sequence[Plain], lengths: Sequence[int], number: int, signal: Hashable) -> Moving:
    """Values one after another along an axis along which some of them move."""
    offset = 0
    runs: list[_Run] = []
    for value, length in zip(values, lengths, strict=True):
        motion = motion_of(value.axes[number]) if isinstance(value, Moving) else None
        if isinstance(value, Moving) and motion is not None and motion.hi > motion.lo:
            relative = replace(
                motion, start=motion.start - offset, field=strided(motion.field, motion.rate, -offset, 1)
            )
            run = _Run(offset + motion.lo, offset + motion.hi, relative, [value])
            if runs and _continues(runs[-1], run, value):
                last = runs[-1]
                motion = _wider(last.motion, relative, value.cycle)
                runs[-1] = _Run(last.lo, run.hi, motion, [*last.values, value])
            else:
                runs.append(run)
        offset += length
    if not runs:
        raise CannotProve("none of the concatenated parts shows the shifted signal")
    lo, hi, motion, members = max(runs, key=lambda run: run.hi - run.lo)
    others = [value.without_axis(number) for value in members]
    # If another axis moves, the name along this one tells that the parts have the same cells of the other: see
    # `layout.changed_elsewhere`. The cells of a new name are those of one run, so parts of other signals must not move.
    joined = join(others, signal)
    axis = (Factor(offset, motion=replace(motion, lo=lo, hi=hi, field=nearest(motion.field, joined.cycle))),)
    return fit(joined.with_new_axis(number, axis))


def _continues(run: _Run, following: _Run, value: Moving) -> bool:
    """Whether the cells of the following run are the next ones of the same signal."""
    motion, later = run.motion, following.motion
    gap = later.start - motion.start
    period = value.period(later)
    same = gap == 0 or (period is not None and period.denominator == 1 and gap % period == 0)
    return run.hi == following.lo and motion.signal == later.signal and motion.rate == later.rate and same


def _wider(motion: Motion, other: Motion, cycle: int | None) -> Motion:
    """`motion` with the union of both receptive fields. Fields that are whole periods apart are the same field."""
    if motion.field is None or other.field is None:
        return replace(motion, field=None)
    turns = Fraction(turns_between(motion.field, other.field, cycle))
    return replace(motion, field=union([motion.field, moved(other.field, -turns)]))


@rule("stack")
def stack(eqn: Equation[Moving]) -> list[Moving]:
    """Operands of one shape along a new axis, which does not move. The others have the operands' common motion.

    Theorems: those of `concatenate`.
    Jaxpr: `axis`, the new axis's number.
    """
    joined = join(eqn.moving(), eqn.walk.new_signal())
    number: int = eqn.params["axis"]
    return [joined.with_new_axis(number, invariant_axis(eqn.shapes[0][number]))]


# The parts that an equation puts one after another, by primitive: from the equation, the axis along which it does so,
# and how many cells each part has there.
Parts: TypeAlias = tuple[int, Sequence[Value], Sequence[int]]
puts: Registry[Callable[[Equation[Value]], Parts]] = Registry()


@puts("concatenate")
def _parts(eqn: Equation[Value]) -> Parts:
    number: int = eqn.params["dimension"]
    return number, eqn.inputs, [shape[number] for shape in eqn.operand_shapes]


def cut_from_parts(eqn: Equation[V], ranges: Sequence[tuple[int, int, int]], plain: Moving) -> Moving:
    """The given range (start, count, stride) of each axis of a concatenation, whose state shows one window only.

    The ranges of the parts are concatenated instead, if they show more of the signal than `plain`, which is derived
    from the state of the concatenation.

    Example: lax.dynamic_slice(jnp.concatenate([x, x]), (n - k,), (n,)) is jnp.roll(x, k): in the interior, a window of
    the second copy.
    Theorems: those of `concatenate` and `layout.slice_`.
    """
    made = eqn.makers(0)
    put = None if made is None else puts.get(made[0].name)
    if made is None or put is None:
        return plain
    number, values, lengths = put(made[0])
    start, count, stride = ranges[number]
    if stride != 1 or not is_moving(plain.axes[number]) or _shown(plain, number) == count:
        return plain
    pieces: list[Plain] = []
    sizes: list[int] = []
    offset = 0
    for value, length in zip(map(main_state, values), lengths, strict=True):
        first, last = max(start - offset, 0), min(start + count - offset, length)
        if first < last and isinstance(value, Moving):
            pieces.append(cut_out(value, [*ranges[:number], (first, last - first, 1), *ranges[number + 1 :]]))
        elif first < last:
            return plain
        sizes += [last - first] if first < last else []
        offset += length
    try:
        found = side_by_side(pieces, sizes, number, eqn.walk.new_signal())
    except CannotProve:
        return plain
    if not isinstance(found, Moving) or _shown(found, number) <= _shown(plain, number):
        return plain
    return with_motions(found, lambda motion: motion.without_notes)  # those of equations behind the operand


def _shown(value: Moving, number: int) -> int:
    """The number of positions that show the signal."""
    motion = motion_of(value.axes[number])
    return 0 if motion is None else motion.hi - motion.lo
