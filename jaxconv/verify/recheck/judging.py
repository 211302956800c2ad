"""Judges the results of one step in pairs of runs, and tells rounding from a difference. Uses no rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias, cast

import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs.typing import Array
from jaxconv.verify.domain import Value
from jaxconv.verify.recheck.computed import drawn
from jaxconv.verify.recheck.mixing import mixes
from jaxconv.verify.recheck.named_cells import WHOLE, kind_of
from jaxconv.verify.recheck.noise import noise
from jaxconv.verify.recheck.relation import KINDS
from jaxconv.verify.recheck.runs import executed_in_trials
from jaxconv.verify.recheck.values import Held, Pair, Run, Trials

Fact: TypeAlias = tuple[int, Held[Value]]  # the number of a result, and the result with one of its states
Maker: TypeAlias = tuple[Run, Sequence[Held[Value]], Fact]  # how to compute a value, from which operands


def results_of(run: Run, operands: Sequence[Held[Value]], trials: Trials, turn: int) -> list[np.ndarray]:
    """Return the results of one run of each trial, on operands drawn from their states."""
    return executed_in_trials(run, *drawn(operands, trials, turn), len(trials.draws))


def objection(
    run: Run,
    operands: Sequence[Held[Value]],
    pair: Pair,
    fact: Fact,
    same_named: Sequence[Maker],
    trials: Trials,
    *,
    turned: bool,
) -> str:
    """Return an objection to a fact in one of the trials, or the empty string."""
    for trial, (problem, makers) in enumerate(_judged(run, operands, pair, fact, same_named, trials)):
        if not problem:
            continue
        one, extreme = trials.only([trial]), trials.extremes()[trial]
        # WHOLE numbers are exact, unless phases multiply them. The rounding error of EXTREMES is unbounded.
        if not extreme and (kind_of(trials.draws[trial]) != WHOLE or turned):
            noisy = replace(one, noise=max(_noise(*maker, one) for maker in makers))
            runs = pair[0][[trial]], pair[1][[trial]]
            [(problem, makers)] = _judged(run, operands, runs, fact, same_named, noisy)
        if problem and not (extreme and any(mixes(by, of) for by, of, _ in makers)):
            return problem
    return ""


def _judged(
    run: Run,
    operands: Sequence[Held[Value]],
    pair: Pair,
    fact: Fact,
    same_named: Sequence[Maker],
    trials: Trials,
) -> list[tuple[str, list[Maker]]]:
    """Return an objection to a fact or the empty string, and the makers of the compared values, for each trial."""
    _, held = fact
    judge, group = KINDS[type(held.state)][1], [(held, pair)]
    judged = [(problem, [(run, operands, fact)]) for problem in judge(group, trials)]
    if same_named and not trials.changed and not trials.pushed:
        for by, of, (n, other) in same_named:
            group.append((other, (results_of(by, of, trials, 0)[n], results_of(by, of, trials, 1)[n])))
        makers = [(run, operands, fact), *same_named]
        named = (
            problem and f"the result differs from the signal of the same name: {problem}"
            for problem in judge(group, trials)
        )
        judged = [one if one[0] else (problem, makers) for one, problem in zip(judged, named, strict=True)]
    return judged


def has_nan(array: np.ndarray) -> bool:
    """Whether a number is NaN. Pushed numbers may overflow, and zero times infinity is NaN."""
    return jnp.issubdtype(array.dtype, jnp.inexact) and bool(np.isnan(array).any())


def _noise(run: Run, operands: Sequence[Held[Value]], fact: Fact, trial: Trials) -> float:
    """Return the rounding error of a result in one trial, the larger of both runs."""
    largest = 0.0
    for turn in (0, 1):
        columns, is_stack = drawn(operands, trial, turn)
        arrays = [column[0] if stacked else column for column, stacked in zip(columns, is_stack, strict=True)]
        largest = max(largest, noise(run, cast("list[Array]", arrays), fact[0]))
    return largest
