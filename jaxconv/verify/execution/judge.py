"""A trial: every shift measured, then judged: is an error more than rounding explains, and could one have shown?"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.verify.execution import compare, exactness
from jaxconv.verify.execution.check_report import AxisCheck, Finding, LeafCheck, Tolerance, Worst
from jaxconv.verify.execution.compare import Plan, Summary, Traced
from jaxconv.verify.execution.perturbed import NOISES, shaken
from jaxconv.verify.execution.tolerance import doubt, gap, is_kind

LONG = 2.0  # seconds of work ahead that call for a progress bar
HARDLY = 10  # a response of so few tolerances is too small to tell a violation from rounding
DOUBTED = 4  # violating shifts whose rounding is looked into before the finding is UNDECIDED


@dataclass(frozen=True, eq=False)
class Trial:
    """What is run: the function, its input and another one (the fill), and the shifts, a row each."""

    function: Traced
    plan: Plan
    leaves: list[Any]
    fill: list[Any]
    shifts: np.ndarray


class Rows(NamedTuple):
    """Of each shift."""

    errors: np.ndarray
    nans: np.ndarray
    infinities: np.ndarray


@dataclass(frozen=True, eq=False)
class Measured:
    """What came out, an entry for each output leaf; `excess` is one for all."""

    before: list[np.ndarray]  # f(x)
    tallies: list[_Tally]
    rows: list[Rows]
    excess: np.ndarray


def measured(trial: Trial, batch: int | None) -> Measured:
    """All shifts, so many to a call of one compiled program; once more with care if anything is not finite."""
    function, plan, shifts = trial.function, trial.plan, trial.shifts
    size = compare.rows_per_call(function, len(shifts), batch)
    run = compare.program(function, plan)
    idle = -(len(shifts) + 2) % size
    still = np.zeros((2 + idle, shifts.shape[1]), np.int32)
    every = np.concatenate([still[:2], shifts, still[2:]])
    kinds = np.asarray([2, 1] + [0] * len(shifts) + [2] * idle, np.int32)
    reference = [np.zeros(leaf.shape, leaf.dtype) for _, leaf in function.outputs]
    tallies, excess = [_Tally() for _ in reference], []
    for start in _progress(range(0, len(every), size)):
        part = slice(start, start + size)
        call = run(function.consts, trial.leaves, trial.fill, reference, start == 0, every[part], kinds[part])
        reference = call.reference
        excess.append(np.asarray(call.excess))
        for tally, *found in zip(tallies, call.outputs, call.errors, call.nans, call.infinities, strict=True):
            tally.add(*found)
    if not plan.careful and not all(np.isfinite(tally.totals).all() for tally in tallies):
        return measured(dataclasses.replace(trial, plan=dataclasses.replace(plan, careful=True)), batch)
    rows = [tally.rows(len(shifts)) for tally in tallies]
    return Measured([np.asarray(leaf) for leaf in reference], tallies, rows, np.max(excess, axis=0))


class _Tally:
    """What the calls found of one output leaf, added up."""

    def __init__(self) -> None:
        self.most = -2.0
        self.columns: list[tuple[Any, Any, Any]] = []

    def add(self, outputs: Any, errors: Any, nans: Any, infinities: Any) -> None:
        """One more call."""
        found = errors if isinstance(errors, Summary) else compare.summary(np.asarray(errors), np)
        largest, positions, totals, counts = map(np.asarray, found)
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
        """Of the shifts, without the two rows before them and the idle ones behind."""
        return Rows(*(np.concatenate(column)[2 : 2 + shifts] for column in zip(*self.columns, strict=True)))

    @property
    def means(self) -> np.ndarray:
        """The mean error at each position, -1 where nothing was compared."""
        return np.where(self.counts > 0, self.totals / np.maximum(self.counts, 1), -1)


def _progress(starts: range) -> Iterator[int]:
    """The starts, with a bar if the second call says that the rest takes long, and tqdm is installed."""
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


def _leaf(trial: Trial, found: Measured, number: int, inexact: str) -> LeafCheck:
    path, leaf = trial.function.outputs[number]
    plan, row, tally, shifts = trial.plan, found.rows[number], found.tallies[number], trial.shifts
    errors = row.errors.astype(float)
    before, other, worst = (_wide(side) for side in (found.before[number], tally.other, tally.worst))
    tolerance = _tolerance(trial.function, number, before, exactly=plan.integers and not inexact)
    at = int(errors.argmax())
    expected = _moved(plan, number, before, shifts[at])
    apart = _apart(plan, number, expected, worst, shifts[at])
    cell = tuple(map(int, np.unravel_index(int(apart.argmax()), apart.shape)))
    finding, reason = _finding(trial, number, errors, tolerance, inexact)
    axes, moved = [], shifts != 0
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


def _wide(leaf: Any) -> np.ndarray:
    leaf = np.asarray(leaf)
    return leaf.astype(complex if is_kind(leaf, np.complexfloating) else float)


def _tolerance(function: Traced, number: int, before: np.ndarray, *, exactly: bool) -> Tolerance:
    """What rounding explains of the leaf: nothing of integers and booleans, nor where all is exact."""
    scale = float(np.abs(before[np.isfinite(before)]).max(initial=0))
    if exactly or not is_kind(function.outputs[number][1], np.inexact):
        return Tolerance(0.0, 0.0, 0.0, scale)
    depth = function.depths[number]
    return Tolerance(2 * depth.units * scale, depth.units, depth.roundings, scale)


def _moved(plan: Plan, number: int, before: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """What answers the shift: f(x), rolled as the law says."""
    moves = compare.moves_of(plan.laws[number], shift)
    return np.roll(before, [int(t) for _, t in moves], [axis for axis, _ in moves]) if moves else before


def _apart(plan: Plan, number: int, expected: np.ndarray, after: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """|f(shifted) - what should answer it| of one shift, infinite at a NaN, -1 where the law does not speak."""
    errors = np.where(np.isnan(expected) | np.isnan(after), np.inf, gap(expected, after))
    return np.where(compare.spoken_of(plan, plan.laws[number], shift, expected.shape), errors, -1)


def _finding(trial: Trial, number: int, errors: np.ndarray, tolerance: Tolerance, inexact: str) -> tuple[Finding, str]:
    """The finding, and its reason where it is not HELD."""
    beyond = np.argsort(-errors, kind="stable")[: int((errors > tolerance.absolute).sum())]
    if not len(beyond):
        return (Finding.UNDECIDED, inexact) if inexact else (Finding.HELD, "")
    if tolerance.absolute == 0:
        return Finding.VIOLATED, "the two sides are not equal"
    if all(_explained(trial, number, trial.shifts[at], tolerance) for at in beyond[:DOUBTED]):
        reason = "rounding alone moves the output as far (a tie or a cancellation): try integers=True or float64"
        return Finding.UNDECIDED, reason
    return Finding.VIOLATED, "the error is larger than rounding explains"


def _explained(trial: Trial, number: int, shift: np.ndarray, tolerance: Tolerance) -> bool:
    """Whether rounding more coarsely, this way and that, moves the output as far as the mismatch."""
    function, plan = trial.function, trial.plan

    def coarse(consts: Any, leaves: Any, fill: Any, by: Any, noise: Any) -> tuple[Any, Any, Any]:
        inputs = compare.shifted(plan, leaves, fill, by, jnp.bool_(False))
        outputs, overflow = shaken(function.jaxpr, consts, inputs, noise)
        return function(consts, inputs)[number], outputs[number], overflow

    run = function.programs.setdefault((plan, number, "coarse"), jax.jit(coarse))

    def doubtful(by: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        runs = [run(function.consts, trial.leaves, trial.fill, by, noise) for noise in NOISES]
        plain = _wide(runs[0][0])
        doubts = [doubt(_wide(y)[None], np.asarray(overflow), plain)[0] for _, y, overflow in runs]
        return plain, np.max([np.zeros(plain.shape), *doubts], axis=0)

    with jax.numpy_dtype_promotion("standard"):
        (before, doubts), (after, more_doubts) = doubtful(np.zeros_like(shift)), doubtful(shift)
    expected, doubts = (_moved(plan, number, side, shift) for side in (before, doubts))
    apart = _apart(plan, number, expected, after, shift)
    return bool((apart <= tolerance.absolute + doubts + more_doubts).all())


def insensitive(trial: Trial, found: Measured, leaves: Sequence[LeafCheck]) -> list[str]:
    """What may hide a violation: an input that shifting does not change, an output that hardly depends on it."""
    plan, notes = trial.plan, []
    for along in plan.along:
        shifted = [(_wide(trial.leaves[plan.offsets[argument]]), axis) for argument, axis in along.arguments]
        if along.length > 1 and all(_flat(x, axis) for x, axis in shifted):
            notes.append(f"the input is the same everywhere along {along}: shifting it changes nothing")
    for number, leaf in enumerate(leaves):
        name = f"output{leaf.path}" if len(leaves) > 1 else "the output"
        if leaf.response <= HARDLY * leaf.tolerance.absolute:
            change = f"exchanged for a random one, it changes the output by {leaf.response:.2g}"
            cause = "dead ReLUs, zero weights, a large constant or a coarse type would do that, and hide violations"
            change += f", tolerance {leaf.tolerance.absolute:.2g}"
            notes.append(f"{name} hardly depends on the input: {change}; {cause}")
        elif not notes:
            moving = {axis for law in plan.laws[number] for axis, _ in law.moves if leaf.shape[axis] > 1}
            before, other = found.before[number], found.tallies[number].other
            if moving and all(_flat(before, axis) and not _flat(other, axis) for axis in moving):
                notes.append(f"{name} is the same everywhere at this input, and is not at a random one")
    return notes


def _flat(array: np.ndarray, axis: int) -> bool:
    return bool((array == array.take([0], axis)).all())
