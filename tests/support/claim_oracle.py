"""An oracle for claims without any analysis: it runs the function on shifted inputs and compares the outputs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import jaxconv as jc
from jaxconv.verify.certificate import AxisReport, Claim, ReceptiveField, Verdict
from support.bare_proofs import bare
from support.observed_runs import Moves, Observed, Sample, differ

MOST_SHIFTS = 48


def violation(
    fn: Callable[..., Any],
    arguments: Sequence[Any],
    argument: int,
    axis: int,
    leaf: int,
    claim: Claim,
    kind: str,
    seed: int = 0,
    samples: int = 8,
) -> str | None:
    """The first refutation found of `claim` ("cyclic" or "interior") about `fn(*arguments)`, or None.

    Args:
        fn: a function of arrays, or pytrees of them, that returns a pytree of arrays.
        arguments: concrete arguments; only the shape and dtype of the shifted one are used. Half of the samples replace
            the other floating-point arguments by random numbers, since a claim covers all parameter values.
        argument: number of the shifted argument.
        axis: the axis along which it is shifted.
        leaf: the output's number in the order of `jax.tree.leaves`.
        claim: the claim to refute. Its verdict is not used.
        kind: "cyclic" rolls the inputs; "interior" lets new content enter at the border.
        seed: seed of the samples.
        samples: number of samples; each is one random input and all of its shifts.
    """
    if claim.shift is None:
        raise ValueError("the claim has no shift, so it claims nothing")
    for number in range(samples):
        sample = Sample.draw(fn, arguments, argument, axis, leaf, seed, number)
        refutation = KINDS[kind](sample, claim)
        if refutation is None and claim.receptive_field is not None and claim.moves:
            refutation = _reaches_too_far(sample, claim, kind)
        if refutation is not None:
            return f"{kind} {claim.shift} -> {claim.moves}: {refutation} (seed {seed}, sample {number})"
    return None


def judged(
    fn: Callable[..., Any], x: Any, axis: int = 1, kinds: Sequence[str] = ("cyclic", "interior"), **settings: Any
) -> AxisReport:
    """The certified report of the only output of `fn` for shifts of x along `axis`; fails if an execution refutes it."""
    with bare():
        (leaf,) = jc.certify(fn, x, axes=(axis,), search=False, **settings).leaves
    (report,) = leaf.axes
    for kind in kinds:
        claim = report.claims[kind]
        assert claim.verdict == Verdict.PROVED or "failed" not in claim.culprit.reason, claim.culprit
        if claim.verdict == Verdict.PROVED:
            refutation = violation(fn, (np.zeros(x.shape, np.float32),), 0, axis, 0, claim, kind, samples=4)
            assert refutation is None, refutation
    return report


def _not_cyclic(sample: Sample, claim: Claim) -> str | None:
    """A message with a k for which rolling the input does not roll the output, or None."""
    ks = shifts_by(claim.shift, sample.length, (), cyclic=True)
    output = sample.run(np.stack([sample.x, *(sample.roll(k * claim.shift) for k in ks)]))
    for row, k in enumerate(ks, start=1):
        difference = _first(output[row], output[0].roll(claim.moves, k))
        if difference:
            return f"k = {k}: f(roll(x)){difference} of roll(f(x))"
    return None


def _not_interior(sample: Sample, claim: Claim) -> str | None:
    """A message with a k for which positions that stay in the region do not move, or None."""
    shape = sample.run(sample.x[None]).value.shape[1:]
    region = {axis: (lo, hi) for axis, lo, hi in claim.region}
    outside = [axis for axis, (lo, hi) in region.items() if not 0 <= lo <= hi <= shape[axis]]
    if outside or set(region) != {axis for axis, _ in claim.moves}:
        return f"the region {claim.region} does not fit an output of shape {shape}"
    ks = shifts_by(claim.shift, sample.length, [(t, shape[axis]) for axis, t in claim.moves])
    output = sample.run(np.stack([sample.x, *(sample.enter(k * claim.shift) for k in ks)]))
    for row, k in enumerate(ks, start=1):
        before, after = [], []
        for axis, t in claim.moves:
            lo, hi = region[axis]
            lo, hi = max(lo, lo - k * t), min(hi, hi - k * t)
            before.append((axis, lo, hi))
            after.append((axis, lo + k * t, hi + k * t))
        difference = _first(output[row].cut(after), output[0].cut(before))
        if difference:
            return f"k = {k}, from {after}: f(y){difference} of f(x)"
    return None


KINDS = {"cyclic": _not_cyclic, "interior": _not_interior}


def _reaches_too_far(sample: Sample, claim: Claim, kind: str) -> str | None:
    """A message with an output that changes although its receptive field does not, or None."""
    along = claim.moves[0][0]
    length = sample.run(sample.x[None]).value.shape[along + 1]
    lo, hi = next(((lo, hi) for axis, lo, hi in claim.region if axis == along), (0, length))
    outputs = range(length) if kind == "cyclic" else range(lo, hi)
    fields = {j: cells_of(claim.receptive_field, j, sample.length, cyclic=kind == "cyclic") for j in outputs}
    checked = [j for j in outputs if not all(fields[j])]
    if not checked:
        return None
    output = sample.run(np.stack([sample.x, *(sample.keep(fields[j]) for j in checked)]))
    for row, j in enumerate(checked, start=1):
        position = [(along, j, j + 1)]
        difference = _first(output[row].cut(position), output[0].cut(position))
        if difference:
            return f"output {j} of axis {along} reads beyond {np.flatnonzero(fields[j]).tolist()}: f(y){difference} of f(x)"
    return None


def cells_of(field: ReceptiveField, output: int, length: int, *, cyclic: bool) -> list[bool]:
    """Whether each input cell is in the receptive field of an output, modulo the length if cyclic."""
    phase = output % field.period
    first, last = field.phases[phase * len(field.phases) // field.period]
    lo, hi = field.rate * (output - phase) + first, field.rate * (output - phase) + last
    if not cyclic:
        return [lo <= i <= hi for i in range(length)]
    return [(i - lo) % length <= hi - lo for i in range(length)]


def _first(found: Observed, expected: Observed) -> str:
    """The first position at which two outputs differ, and both values; empty if they do not differ."""
    cells = np.argwhere(differ(found, expected))
    if not len(cells):
        return ""
    cell = tuple(cells[0].tolist())
    return f"{list(cell)} is {found.value[cell]:.6g} against {expected.value[cell]:.6g}"


def shifts_by(shift: int, length: int, steps: Sequence[tuple[int, int]], *, cyclic: bool = False) -> list[int]:
    """The k to try. Cyclic: once around. Otherwise both signs, until the input and the output have left their ranges.

    `steps` are (t, length) of the output for each axis that moves.
    """
    if cyclic:
        most = length // math.gcd(length, shift)
        return _thinned(list(range(1, most + 1)))
    leaves = max([math.ceil(length / abs(shift)), *(math.ceil(m / abs(t)) for t, m in steps if t)])
    return _thinned([k for size in range(1, leaves + 1) for k in (size, -size)])


def _thinned(ks: list[int]) -> list[int]:
    """At most MOST_SHIFTS of the ks: the first half of them unchanged, the rest spread evenly."""
    half = MOST_SHIFTS // 2
    if len(ks) <= MOST_SHIFTS:
        return ks
    return ks[:half] + [ks[i] for i in np.linspace(half, len(ks) - 1, half).astype(int)]


def maximal_interior(
    fn: Callable[..., Any],
    arguments: Sequence[Any],
    argument: int,
    axis: int,
    leaf: int,
    shift: int,
    moves: Moves,
    seed: int = 0,
    samples: int = 8,
) -> tuple[int, int]:
    """The longest range [lo, hi) along the only axis of `moves` on which no sample refutes the interior claim."""
    ((along, step),) = moves
    refuted: set[tuple[int, int]] = set()
    for number in range(samples):
        sample = Sample.draw(fn, arguments, argument, axis, leaf, seed, number)
        output = sample.run(sample.x[None])
        length = output.value.shape[along + 1]
        ks = shifts_by(shift, sample.length, [(step, length)])
        output = sample.run(np.stack([sample.x, *(sample.enter(k * shift) for k in ks)]))
        for row, k in enumerate(ks, start=1):
            lo, hi = max(0, -k * step), min(length, length - k * step)
            before, after = ((along, lo, hi),), ((along, lo + k * step, hi + k * step),)
            differs = differ(output[row].cut(after), output[0].cut(before))
            others = tuple(a for a in range(differs.ndim) if a != along)
            refuted |= {(lo + int(j), lo + int(j) + k * step) for j in np.flatnonzero(differs.any(axis=others))}
    return _longest_free_of(refuted, length)


def equivariant_somehow(
    fn: Callable[..., Any],
    arguments: Sequence[Any],
    argument: int,
    axis: int,
    leaf: int,
    seed: int = 0,
    samples: int = 8,
) -> list[tuple[int, Moves]]:
    """Every cyclic equivariance (shift, moves) that no sample refutes, for the shifts that divide the length.

    For an invariant output, only `moves == ()` is returned, since its other symmetries are not equivariance. Joint
    moves of two axes are tried if no single axis moves. Moves are from minus half to plus half the axis.
    """
    all_samples = [Sample.draw(fn, arguments, argument, axis, leaf, seed, number) for number in range(samples)]
    length = all_samples[0].length
    outputs = [sample.run(np.stack([sample.roll(i) for i in range(length)])) for sample in all_samples]
    shape = outputs[0].value.shape[1:]
    holds = lambda shift, moves: all(_commutes(output, shift, moves) for output in outputs)
    laws: list[tuple[int, Moves]] = []
    for shift in (s for s in range(1, length) if length % s == 0):
        for size in (0, 1, 2):
            held = [(shift, moves) for moves in _candidates(shape, size) if holds(shift, moves)]
            if held:
                laws += held
                break
    return laws


def _commutes(output: Observed, shift: int, moves: Moves) -> bool:
    """Whether the output for the input rolled by k * shift cells is the rolled output, for every k.

    Row i of `output` is the output for the input rolled by i cells.
    """
    length = len(output.value)
    return not any(
        differ(output[k * shift % length], output[0].roll(moves, k)).any() for k in range(1, length // shift + 1)
    )


def _candidates(shape: tuple[int, ...], size: int) -> Iterator[Moves]:
    """All moves along `size` axes of an output."""
    for axes in itertools.combinations([a for a, length in enumerate(shape) if length > 1], size):
        ranges = [[t for t in range(-((shape[a] - 1) // 2), shape[a] // 2 + 1) if t] for a in axes]
        for steps in itertools.product(*ranges):
            yield tuple(zip(axes, steps, strict=True))


def _longest_free_of(refuted: set[tuple[int, int]], length: int) -> tuple[int, int]:
    """The longest [lo, hi) in [0, length) that contains no refuted pair of positions; the first of several."""
    best = (0, 0)
    for lo in range(length):
        hi = min((max(pair) for pair in refuted if min(pair) >= lo), default=length)
        best = max(best, (lo, hi), key=lambda range_: range_[1] - range_[0])
    return best
