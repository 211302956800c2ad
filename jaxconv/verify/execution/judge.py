"""Measure all shifts of a trial, compare the errors with rounding, and test whether the check is sensitive."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs.typing import Array, ArrayValue
from jaxconv.verify.execution import compare, exactness
from jaxconv.verify.execution.check_report import AxisCheck, Finding, LeafCheck, Tolerance, Worst
from jaxconv.verify.execution.compare import Plan, Summary
from jaxconv.verify.execution.program import Program
from jaxconv.verify.execution.tolerance import gap, is_kind

LONG = 2.0  # expected seconds above which a progress bar is shown
HARDLY = 10  # a response of at most this many tolerances is too small to distinguish a violation from rounding
DOUBTED = 4  # number of the worst shifts whose rounding bounds are computed before the finding is UNDECIDED


@dataclass(frozen=True, eq=False)
class Trial:
    """A function, its input, another input (the fill), and the shifts, one row each."""

    function: Program
    plan: Plan
    leaves: list[ArrayValue]
    fill: list[ArrayValue]
    shifts: np.ndarray


class Rows(NamedTuple):
    """The largest error of each shift, and its numbers of NaNs and infinities."""

    errors: np.ndarray
    nans: np.ndarray
    infinities: np.ndarray


@dataclass(frozen=True, eq=False)
class Measured:
    """The measurements of a trial, one entry for each output leaf; `excess` is shared by all leaves."""

    before: list[np.ndarray]  # f(x)
    tallies: list[_Tally]
    rows: list[Rows]
    excess: np.ndarray


def measured(trial: Trial, batch: int | None) -> Measured:
    """Measure all shifts by calls of one compiled program. Non-finite errors are measured again by a careful plan."""
    function, plan, shifts = trial.function, trial.plan, trial.shifts
    size = compare.rows_per_call(function, len(shifts), batch)
    run = compare.comparison(function, plan)
    idle = -(len(shifts) + 2) % size
    unshifted = np.zeros((2 + idle, shifts.shape[1]), np.int32)
    all_rows = np.concatenate([unshifted[:2], shifts, unshifted[2:]])
    kinds = np.asarray([2, 1] + [0] * len(shifts) + [2] * idle, np.int32)
    reference: Sequence[Array] = [np.zeros(leaf.shape, leaf.dtype) for _, leaf in function.outputs]
    tallies = [_Tally() for _ in reference]
    excess: list[np.ndarray] = []
    for start in _progress(range(0, len(all_rows), size)):
        part = slice(start, start + size)
        call = run(function.consts, trial.leaves, trial.fill, reference, start == 0, all_rows[part], kinds[part])
        reference = call.reference
        excess.append(np.asarray(call.excess))
        for number, tally in enumerate(tallies):
            tally.add(call.outputs[number], call.errors[number], call.nans[number], call.infinities[number])
    if not plan.careful and not all(np.isfinite(tally.totals).all() for tally in tallies):
        return measured(dataclasses.replace(trial, plan=dataclasses.replace(plan, careful=True)), batch)
    rows = [tally.rows(len(shifts)) for tally in tallies]
    return Measured([np.asarray(leaf) for leaf in reference], tallies, rows, np.max(excess, axis=0))


class _Tally:
    """The results of all calls for one output leaf, accumulated."""

    def __init__(self) -> None:
        self.most = -2.0
        self.columns: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, outputs: Array, errors: Array | Summary, nans: Array, infinities: Array) -> None:
        """Add the results of one call."""
        summed = errors if isinstance(errors, Summary) else compare.summary(np.asarray(errors), np)
        largest, positions, totals, counts = map(np.asarray, summed)
        at = int(largest.argmax())
        if not self.columns:
            self.other = np.asarray(outputs)[1].copy()
            self.positions, self.totals, self.counts = positions, totals, counts
        else:
            self.positions = np.maximum(self.positions, positions)
            self.totals, self.counts = self.totals + totals, self.counts + counts
        if not largest[at] <= self.most:
            self.most, self.worst = float(largest[at]), np.asarray(outputs)[at].copy()
        self.columns.append((largest, np.asarray(nans), np.asarray(infinities)))

    def rows(self, shifts: int) -> Rows:
        """The rows of the shifts, without the two rows before them and the idle rows after them."""
        return Rows(*(np.concatenate(column)[2 : 2 + shifts] for column in zip(*self.columns, strict=True)))

    @property
    def means(self) -> np.ndarray:
        """The mean error at each position, -1 where nothing was compared."""
        return np.where(self.counts > 0, self.totals / np.maximum(self.counts, 1), -1)


def _progress(starts: range) -> Iterator[int]:
    """The starts, with a tqdm progress bar if, judging by the second call, the rest takes longer than `LONG`."""
    began = 0.0
    for number, start in enumerate(starts):
        if number == 2:
            ahead = (time.perf_counter() - began) * (len(starts) - 2)
            if ahead > LONG:
                yield from _bar(starts[2:])
                return
        began = time.perf_counter()
        yield start


def _bar(starts: range) -> Iterator[int]:
    try:
        from tqdm import tqdm
    except ImportError:
        return iter(starts)
    return iter(tqdm(starts, desc="check", unit="call", leave=False))


def judged(trial: Trial, found: Measured) -> list[LeafCheck]:
    """A finding for each output leaf."""
    inexact = exactness.blame(trial.function.jaxpr, found.excess) if trial.plan.integers else ""
    return [_leaf(trial, found, number, inexact) for number in range(len(found.rows))]


def _leaf(trial: Trial, measurement: Measured, number: int, inexact: str) -> LeafCheck:
    path, leaf = trial.function.outputs[number]
    plan, row, tally, shifts = trial.plan, measurement.rows[number], measurement.tallies[number], trial.shifts
    errors = row.errors.astype(float)
    before, other, worst = (_wide(side) for side in (measurement.before[number], tally.other, tally.worst))
    tolerance = leaf_tolerance(trial.function, number, before, exactly=plan.integers and not inexact)
    at = int(errors.argmax())
    expected = _moved(plan, number, before, shifts[at])
    differences = _errors(plan, number, expected, worst, shifts[at])
    cell = tuple(map(int, np.unravel_index(int(differences.argmax()), differences.shape)))
    finding, reason = _finding(trial, number, errors, tolerance, inexact)
    moved = shifts != 0
    axes: list[AxisCheck] = []
    for axis, (along, law) in enumerate(zip(plan.along, plan.laws[number], strict=True)):
        alone = moved.sum(axis=1) == moved[:, axis]  # along no other axis
        axes.append(AxisCheck(along, law, shifts[alone, axis], errors[alone]))
    return LeafCheck(
        path=path,
        shape=tuple(leaf.shape),
        dtype=leaf.dtype,
        finding=finding,
        reason=reason,
        axes=tuple(axes),
        shifts=shifts,
        errors=errors,
        nans=row.nans,
        infinities=row.infinities,
        positions=tally.positions.astype(float),
        means=tally.means.astype(float),
        worst=Worst(tuple(map(int, shifts[at])), cell, expected[cell].item(), worst[cell].item(), float(errors[at])),
        tolerance=tolerance,
        response=float(gap(other, before).max(initial=0)),
    )


def _wide(leaf: ArrayValue) -> np.ndarray:
    leaf = np.asarray(leaf)
    return leaf.astype(complex if is_kind(leaf, np.complexfloating) else float)


def leaf_tolerance(function: Program, number: int, before: np.ndarray, *, exactly: bool) -> Tolerance:
    """The tolerance of an output leaf: 0 for integers and booleans, and if every operation is exact."""
    scale = float(np.abs(before[np.isfinite(before)]).max(initial=0))
    if exactly or not is_kind(function.outputs[number][1], np.inexact):
        return Tolerance(0.0, 0.0, 0.0, scale)
    depth = function.depths[number]
    return Tolerance(2 * depth.units * scale, depth.units, depth.roundings, scale)


def _moved(plan: Plan, number: int, before: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The expected output after a shift: f(x), rolled by the moves of the law."""
    moves = compare.moves_of(plan.laws[number], shift)
    return np.roll(before, [int(t) for _, t in moves], [axis for axis, _ in moves]) if moves else before


def _errors(plan: Plan, number: int, expected: np.ndarray, after: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The error |f(shifted) - expected| of one shift: infinite at a NaN, -1 where the law does not apply."""
    errors = np.where(np.isnan(expected) | np.isnan(after), np.inf, gap(expected, after))
    return np.where(compare.spoken_of(plan, plan.laws[number], shift, expected.shape), errors, -1)


def _finding(trial: Trial, number: int, errors: np.ndarray, tolerance: Tolerance, inexact: str) -> tuple[Finding, str]:
    """The finding, and its reason if it is not HELD."""
    beyond = np.argsort(-errors, kind="stable")[: int((errors > tolerance.absolute).sum())]
    if not len(beyond):
        return (Finding.UNDECIDED, inexact) if inexact else (Finding.HELD, "")
    if tolerance.units == 0:
        return Finding.VIOLATED, "the two sides are not equal"
    if all(_explained(trial, number, trial.shifts[at], tolerance) for at in beyond[:DOUBTED]):
        reason = "rounding alone moves the output as far (a tie or a cancellation): try integers=True or float64"
        return Finding.UNDECIDED, reason
    return Finding.VIOLATED, "the error is larger than rounding explains"


def _explained(trial: Trial, number: int, shift: np.ndarray, tolerance: Tolerance) -> bool:
    """Whether the perturbed outputs differ from the exact ones by as much as the error of this shift."""
    plan = trial.plan
    run = trial.function.compiled.setdefault((plan, "shifted"), jax.jit(functools.partial(compare.shifted, plan)))
    with jax.numpy_dtype_promotion("standard"):
        sides = [run(trial.leaves, trial.fill, by, jnp.bool_(False)) for by in (np.zeros_like(shift), shift)]
    stacks = {i: np.stack([np.asarray(side[i]) for side in sides]) for i, live in enumerate(plan.live) if live}
    (exact,), _ = trial.function.execute((number,), trial.leaves, stacks)
    bounds = trial.function.rounding_bounds(number, trial.leaves, stacks, exact)
    expected, before_bounds = (_moved(plan, number, side[0], shift) for side in (exact, bounds))
    errors = _errors(plan, number, expected, exact[1], shift)
    return bool((errors <= tolerance.absolute + before_bounds + bounds[1]).all())


def insensitive(trial: Trial, found: Measured, leaves: Sequence[LeafCheck]) -> list[str]:
    """Notes on insensitivity: an input that shifts do not change, or an output that hardly depends on the input."""
    plan = trial.plan
    notes: list[str] = []
    for along in plan.along:
        shifted = [(_wide(trial.leaves[plan.offsets[argument]]), axis) for argument, axis in along.arguments]
        if along.length > 1 and all(_flat(x, axis) for x, axis in shifted):
            notes.append(f"the input is the same everywhere along {along}, so shifts do not change it")
    for number, leaf in enumerate(leaves):
        name = f"output{leaf.path}" if len(leaves) > 1 else "the output"
        if hardly := unresponsive(name, leaf):
            notes.append(hardly)
        elif not notes:
            moving = {axis for law in plan.laws[number] for axis, _ in law.moves if leaf.shape[axis] > 1}
            before, other = found.before[number], found.tallies[number].other
            if moving and all(_flat(before, axis) and not _flat(other, axis) for axis in moving):
                notes.append(f"{name} is the same everywhere at this input, but not at a random one")
    return notes


def unresponsive(name: str, leaf: LeafCheck) -> str:
    """A note if an output hardly depends on the input; empty if it does."""
    if leaf.response > HARDLY * leaf.tolerance.absolute:
        return ""
    change = f"replacing it by a random one changes the output by {leaf.response:.2g}"
    cause = "dead ReLUs, zero weights, a large constant or a coarse dtype cause this and hide violations"
    change += f", tolerance {leaf.tolerance.absolute:.2g}"
    return f"{name} hardly depends on the input: {change}; {cause}"


def _flat(array: np.ndarray, axis: int) -> bool:
    return bool((array == array.take([0], axis)).all())
