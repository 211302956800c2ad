"""Rules for pointwise primitives: each cell of the result depends on the operands' cells at the same position."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

import numpy as np

from jaxconv.jaxprs.primitives import family
from jaxconv.jaxprs.registry import Registry
from jaxconv.verify import fold
from jaxconv.verify.domain import (
    Broken,
    CannotProve,
    Factor,
    FactoredAxis,
    Motion,
    Moving,
    Plain,
    is_moving,
    length_of,
    motion_of,
    renamed,
    scaled,
)
from jaxconv.verify.factors import also_on, invariant_axis, join, uniform
from jaxconv.verify.fold import repeating_box, repeats, runs
from jaxconv.verify.receptive_fields import NOTHING, ONE_CELL, sees_nothing
from jaxconv.verify.rule_table import TAKES_BROKEN, Equation, rule
from jaxconv.verify.rules.advancing_rows import longest
from jaxconv.verify.rules.bands import background
from jaxconv.verify.rules.running_sums import windowed

MOST_STEPS = 16  # largest multiple of a shift by which a constant is compared with itself along diagonals


# What is known of results whose operands have no state, by primitive: from the equation.
behind: Registry[Callable[[Equation[Plain]], Moving]] = Registry()
behind("sub")(windowed)


def one_operand(eqn: Equation[Moving]) -> list[Moving]:
    """out[i] = f(x[i]): the result moves as x does.

    Two windows of one signal remain windows of one signal, so that `concatenate` can still join them.

    Example: relu of x that moves along axis 2 moves along axis 2, by as much.
    Theorem: `CertifierRules.map_sound` in proofs/coq.
    Jaxpr: the operands have the result's shape.
    """
    if eqn.shapes != eqn.operand_shapes:
        raise CannotProve(f"{eqn.name} changes the shape")
    return [renamed(value, (eqn.name, str(eqn.params))) for value in eqn.moving()]


def several_operands(eqn: Equation[Moving]) -> list[Moving]:
    """out[i] = f(a[i], b[i], ...): f commutes with every re-indexing that all operands share.

    Example: x*2 + bias moves along axis 2 if x does and the bias is uniform along it. With a checkerboard instead of
    the bias only shifts by two remain, and with different numbers at each position none do. In the interior, a known
    constant may be uniform or periodic on a run of positions only: see `on_runs`. Where two axes move, it may be
    constant along diagonals: see `along_diagonals` and `along_new_diagonals`.
    Theorem: `CertifierRules.map_sound` in proofs/coq.
    Jaxpr: operands have the result's shape, or one cell along some of its axes, or rank 0 (predicates, bounds).
    """
    (shape,) = eqn.shapes
    arrays = [value for value in eqn.moving() if value.axes]
    if len(arrays) == 1 and all(value.axes or (value.shift == 1 and not value.depends) for value in eqn.moving()):
        # The others are numbers, which are uniform along every axis. They have no axes that could matter below.
        return [join([arrays[0]], eqn.walk.new_signal())]
    values = along_diagonals(eqn, with_patterns(eqn, [widened(value, shape) for value in eqn.moving()]))
    if eqn.walk.cycle is None:
        values = on_runs(eqn, values)
    return [join(along_new_diagonals(eqn, values), eqn.walk.new_signal())]


@rule("add", "add_any", "sub", "mul", "max", "min", takes_broken=True)
def arithmetic(eqn: Equation[Plain]) -> list[Plain]:
    """out[i] = f(a[i], b[i]): pointwise; and operands of which nothing is known may be known numbers in the interior.

    There they are a constant: see `settled_numbers.py`. A difference may be one of running sums: see `running_sums.py`.

    Example: y.at[0].add(border), as in the gradient of an edge pad, is y without its first position.
    Theorem: `CertifierRules.map_sound` in proofs/coq, for what is known.
    """
    broken = {n: value for n, value in enumerate(eqn.inputs) if isinstance(value, Broken)}
    hidden = broken or _of_the_border(eqn)
    lost = next(iter(broken.values()), None)
    with suppress(CannotProve):
        if lost is not None and eqn.name in behind:
            return [behind[eqn.name](eqn)]
    with suppress(CannotProve):
        if hidden:
            unknown = _varies(eqn, [*hidden])
            kept = [hidden.get(n, value) for n, value in enumerate(eqn.inputs)]
            blanked = _blanked(eqn.with_inputs(kept), unknown, next(iter(hidden.values())))
            return [*several_operands(eqn.with_inputs(blanked))]
    if lost is not None:
        return [lost]
    return [*several_operands(eqn.with_inputs([value for value in eqn.inputs if isinstance(value, Moving)]))]


def _of_the_border(eqn: Equation[Plain]) -> dict[int, Broken]:
    """The operands of an interior walk that show the input at less than half of the positions, as if nothing was known.

    Example: the cells that a gradient adds to the border.
    """
    found: dict[int, Broken] = {}
    for operand, value in enumerate(eqn.inputs if eqn.walk.cycle is None else ()):
        if not isinstance(value, Moving) or len(value.moving_axes) != 1:
            continue
        (axis,) = value.moving_axes
        motion = next(factor.motion for factor in value.axes[axis] if factor.motion is not None)
        shown = 0 if sees_nothing(motion.field or ONE_CELL) else motion.hi - motion.lo
        if 2 * shown < eqn.operand_shapes[operand][axis]:
            here = eqn.walk.culprit("shows the shifted signal at too few positions", "Use a larger input")
            found[operand] = Broken(motion.edge or here)
    return found if len(found) < len(eqn.inputs) else {}


def _varies(eqn: Equation[Plain], operands: Sequence[int]) -> np.ndarray:
    """The cells at which one of these operands is not known to be the number that most of its cells are known to be."""
    if eqn.walk.cycle is not None or len(operands) == len(eqn.inputs):
        raise CannotProve("nothing is known of the operands")
    cells = [background(eqn.settled(operand)) for operand in operands]
    return np.any([np.broadcast_to(one, eqn.shapes[0]) for one in cells], axis=0)


@rule("select_n", takes_broken=True)
def select(eqn: Equation[Plain]) -> list[Plain]:
    """out[i] = cases[which[i]][i]: pointwise; and cases that a known `which` never selects do not matter.

    In the interior, a case of which nothing is known costs the positions that select it.

    Example: jnp.where(jnp.arange(n) == 0, x[0], y) is a window of y without its first position.
    Theorem: `CertifierRules.map_sound` in proofs/coq, where nothing is left out.
    Jaxpr: the predicate, then the cases.
    """
    predicate, *cases = eqn.inputs
    which = eqn.known[0]
    broken = {n: case for n, case in enumerate(cases) if isinstance(case, Broken)}
    if isinstance(predicate, Broken):
        return [predicate]
    if which is not None and which.size and (which == which.flat[0]).all():
        case = cases[int(which.flat[0])]
        return [case if isinstance(case, Broken) else renamed(also_on(case, [predicate]), eqn.walk.new_signal())]
    if not broken:
        return [*several_operands(eqn.with_inputs([value for value in eqn.inputs if isinstance(value, Moving)]))]
    lost = next(iter(broken.values()))
    if which is None or eqn.walk.cycle is not None:
        return [lost]
    try:
        return [*several_operands(eqn.with_inputs(_blanked(eqn, np.isin(which, list(broken)), lost)))]
    except CannotProve:
        return [lost]


def _blanked(eqn: Equation[Plain], unknown: np.ndarray, lost: Broken) -> list[Moving]:
    """The operands, where those of which nothing is known are constants at positions where they are, or have no effect.

    `unknown`: the cells at which they are neither.
    """
    moving = [value for value in eqn.inputs if isinstance(value, Moving)]
    carried = [(n, motion) for value in moving for n in value.moving_axes if (motion := motion_of(value.axes[n]))]
    if len({number for number, _ in carried}) != 1:
        raise CannotProve("the operands move along several axes, or along none")
    number, motion = carried[0]
    rows = np.moveaxis(np.broadcast_to(unknown, eqn.shapes[0]), number, 0).reshape(eqn.shapes[0][number], -1)
    kept = longest(~rows.any(axis=1), 0)
    if kept is None:
        raise CannotProve("it matters at every position")
    shown = Motion(motion.rate, *kept, NOTHING, eqn.walk.new_signal(), edge=lost.culprit)
    blank = Moving(1, None, tuple(invariant_axis(length, 1) for length in eqn.shapes[0]))
    blank = blank.with_axis(number, (Factor(len(rows), motion=shown),))
    return [value if isinstance(value, Moving) else blank for value in eqn.inputs]


def with_patterns(eqn: Equation[Moving], values: Sequence[Moving]) -> list[Moving]:
    """The values, where unknown numbers have the periods of the names of their cells, along the axes that move.

    Example: x * scale[j % 2] for an unknown `scale` of two numbers. Only shifts by two remain.
    """
    moving = {number for value in values for number in value.moving_axes}
    found: list[Moving] = []
    for operand, value in enumerate(values):
        varies = [number for number in moving if value.axes[number] == invariant_axis(eqn.shapes[0][number])]
        cells = eqn.cells(operand) if varies and eqn.known[operand] is None else None
        for number in varies if cells is not None else ():
            least = fold.period(np.broadcast_to(cells, eqn.shapes[0]), number)
            value = value.with_axis(number, invariant_axis(eqn.shapes[0][number], least))
        found.append(value)
    return found


def along_diagonals(eqn: Equation[Moving], values: Sequence[Moving]) -> list[Moving]:
    """The values, where each constant that a shift of several axes at once moves to itself moves as these axes do.

    Example: scores[i, j] * (i == j), where the scores move along both axes. A shift of both leaves the mask as it is.
    """
    moving = [value for value in values if value.moving_axes]
    if len({number for value in moving for number in value.moving_axes}) < 2:
        return list(values)
    try:
        joined = join(moving, eqn.walk.new_signal())
        motions = {number: motion for number, axis in enumerate(joined.axes) if (motion := motion_of(axis)) is not None}
    except CannotProve:
        return list(values)
    return [
        value
        if value.moving_axes
        or all(uniform(value.axes[number]) for number in motions)
        or (numbers := eqn.cells(operand)) is None
        else _along_a_diagonal(eqn, value, np.broadcast_to(numbers, eqn.shapes[0]), joined, motions)
        for operand, value in enumerate(values)
    ]


def _along_a_diagonal(
    eqn: Equation[Moving], value: Moving, numbers: np.ndarray, joined: Moving, motions: Mapping[int, Motion]
) -> Moving:
    """A constant that moves as `joined` does, for the least multiple of its shift; unchanged if there is none."""
    wraps = all(joined.period(motion) == numbers.shape[number] for number, motion in motions.items())
    for times in range(1, MOST_STEPS + 1):
        distances = {number: Fraction(times * joined.shift) / motion.rate for number, motion in motions.items()}
        if any(distance.denominator > 1 for distance in distances.values()):
            continue
        steps = {number: int(distance) for number, distance in distances.items()}
        short = any(2 * abs(step) > numbers.shape[number] for number, step in steps.items())
        fits = eqn.walk.cycle is None or (wraps and eqn.walk.cycle % (times * joined.shift) == 0)
        if short or not fits:
            continue
        box = repeating_box(numbers, steps) if eqn.walk.cycle is None else {}
        if box is None or (eqn.walk.cycle is not None and not repeats(numbers, steps, wraps=wraps)):
            continue
        for number, motion in motions.items():
            length = numbers.shape[number]
            shown = Motion(motion.rate, *box.get(number, (0, length)), NOTHING, eqn.walk.new_signal())
            value = value.with_axis(number, (Factor(length, motion=shown),))
        return scaled(replace(value, shift=joined.shift), times)
    return value


def along_new_diagonals(eqn: Equation[Moving], values: Sequence[Moving]) -> list[Moving]:
    """The values, where constants that vary along the only moving axis move along it and another axis at once.

    All that moves is uniform along the other axis, so it may be taken to move along it by any number of cells. In the
    interior, the constant may repeat on a part of the two axes only: see `repeating_box`.

    Example: the identity matrix times a row x[None, :], as in the Jacobian of a pointwise function. A shift of x moves
    the result along both axes.
    Theorems: `CertifierRules.map_sound` and `CertifierInfer.constant_right` in proofs/coq.
    """
    moving = [value for value in values if value.moving_axes]
    carriers = {number for value in moving for number in value.moving_axes}
    if len(carriers) != 1 or all(_is_single(value.axes) for value in values if not value.moving_axes):
        return list(values)
    (number,) = carriers
    try:
        joined = join(moving, eqn.walk.new_signal())
        motion = motion_of(joined.axes[number])
    except CannotProve:
        return list(values)
    found = list(values)
    chosen: tuple[int, Motion] | None = None  # the other axis, and its motion, which all constants share
    for operand, value in enumerate(values):
        if motion is None or value.moving_axes or not _is_arbitrary(value.axes[number]):
            continue
        numbers = eqn.cells(operand)
        if numbers is None:
            continue
        numbers = np.broadcast_to(numbers, eqn.shapes[0])
        candidates = [chosen] if chosen else _new_motions(joined, value, number, motion)
        moved = [
            (new, _along_a_diagonal(eqn, value, numbers, joined, {number: motion, new[0]: new[1]}))
            for new in candidates
        ]
        moved = [(new, after) for new, after in moved if after is not value]
        if moved:  # of several ways to move, the one for the smallest shift
            chosen, found[operand] = min(moved, key=lambda pair: pair[1].shift)
    return found


def _is_single(axes: Sequence[FactoredAxis]) -> bool:
    """Whether at most one axis of a value varies."""
    return sum(not uniform(axis) for axis in axes) < 2


def _new_motions(joined: Moving, value: Moving, number: int, motion: Motion) -> list[tuple[int, Motion]]:
    """The axes along which a constant varies and what moves does not, with the motions that they may be given.

    In a cyclic walk the axis is one whole period. In the interior it moves as fast as the axis that moves.
    """
    found: list[tuple[int, Motion]] = []
    for other, axis in enumerate(value.axes):
        length = length_of(axis)
        if other == number or not uniform(joined.axes[other]) or not _is_arbitrary(axis):
            continue
        rate = abs(motion.rate) if joined.cycle is None else Fraction(joined.cycle, length)
        found += [(other, Motion(sign * rate, 0, length, NOTHING, None)) for sign in (1, -1)]
    return found


# Whether constants make the result independent of what moves, by primitive: from the numbers of a constant operand on a
# run, the number of this operand, and whether each operand moves.
inert: Registry[Callable[[np.ndarray, int, Sequence[bool]], bool]] = Registry()


@inert("mul")
def _zeros(numbers: np.ndarray, operand: int, moves: Sequence[bool]) -> bool:
    return not numbers.any()


@inert("select_n")
def _selects_what_stays(numbers: np.ndarray, operand: int, moves: Sequence[bool]) -> bool:
    return operand == 0 and not any(moves[1 + int(which)] for which in np.unique(numbers))


def on_runs(eqn: Equation[Moving], values: Sequence[Moving]) -> list[Moving]:
    """The values of an interior walk, where each constant that repeats on a part of a moving axis becomes a window.

    Positions [lo, hi) of such a constant are a window of a signal with a period of p cells. A shift that moves the axis
    by a multiple of p cells moves that signal to itself. So the constant moves as the other operands do.

    Example: with zero padding, an average pool that counts valid cells divides by 2, 3, ..., 3, 2. Without the two ends
    this is uniform.
    """
    motions: dict[int, Motion] = {}
    for value in values:
        motions |= {n: axis[0].motion for n, axis in enumerate(value.axes) if len(axis) == 1 and axis[0].motion}
    moves = [bool(value.moving_axes) for value in values]
    found: list[Moving] = []
    for operand, value in enumerate(values):
        varies = not moves[operand] and any(_is_arbitrary(value.axes[axis]) for axis in motions)
        numbers = eqn.cells(operand) if varies else None
        if numbers is not None:
            for axis, motion in motions.items():
                value = _on_a_run(eqn, value, np.broadcast_to(numbers, eqn.shapes[0]), axis, motion, operand, moves)
        found.append(value)
    return found


def _is_arbitrary(axis: FactoredAxis) -> bool:
    """Whether an axis is a single invariant factor without a period."""
    return [(factor.period, factor.motion) for factor in axis] == [(None, None)]


def _on_a_run(
    eqn: Equation[Moving],
    value: Moving,
    numbers: np.ndarray,
    axis: int,
    motion: Motion,
    operand: int,
    moves: Sequence[bool],
) -> Moving:
    """A constant as a window along an axis, on its longest run. It is returned unchanged if it has no run."""
    if not _is_arbitrary(value.axes[axis]):
        return value
    for period, lo, hi in runs(numbers, axis):
        is_inert = None if eqn.known[operand] is None else inert.get(eqn.name)
        if is_inert is None or not is_inert(numbers.take(range(lo, hi), axis), operand, moves):
            shown = Motion(motion.rate, lo, hi, NOTHING, eqn.walk.new_signal())
            moved = value.with_axis(axis, (Factor(numbers.shape[axis], motion=shown),))
            by = math.lcm(value.shift, (period * abs(motion.rate)).numerator)
            return scaled(moved, by // value.shift)
    return value


def widened(value: Moving, shape: tuple[int, ...]) -> Moving:
    """A value broadcast to `shape`, from rank 0 or from axes of one cell. It is uniform along the axes that grow."""
    if not value.axes:
        return replace(value, axes=tuple(invariant_axis(length, 1) for length in shape))
    axes: list[FactoredAxis] = []
    for axis, length in zip(value.axes, shape, strict=True):
        if length_of(axis) == length:
            axes.append(axis)
        elif is_moving(axis):
            raise CannotProve("broadcasts one position of the shifted axis along it", "Keep the whole axis")
        else:
            axes.append(invariant_axis(length, 1))
    return replace(value, axes=tuple(axes))


@rule(*family("identity"))
def each_by_itself(eqn: Equation[Moving]) -> Sequence[Moving]:
    """out_i = x_i: each result is the operand of the same number. Theorem: `CertifierRules.map_sound` in proofs/coq."""
    return eqn.moving()


@rule(*family("pointwise") - TAKES_BROKEN)
def pointwise(eqn: Equation[Moving]) -> list[Moving]:
    """out[i] = f(x[i]), or f(a[i], b[i], ...). See `one_operand` and `several_operands`."""
    return one_operand(eqn) if len(eqn.inputs) == len(eqn.shapes) else several_operands(eqn)
