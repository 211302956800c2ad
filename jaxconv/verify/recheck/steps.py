"""One step of a derivation by itself: its equation is executed, on operands drawn by their states. It knows no rule."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from jaxconv.jaxprs import evaluate
from jaxconv.jaxprs.layout import branches, called, is_endless
from jaxconv.jaxprs.traverse import equations, within
from jaxconv.verify.claims import Break
from jaxconv.verify.domain import Broken, Factor, Moving, Pieces, Spectrum
from jaxconv.verify.recheck.mixing import mixes
from jaxconv.verify.recheck.named_cells import DRAWS, EXTREMES, LARGE, WHOLE, is_key, kind_of, mixed, plain
from jaxconv.verify.recheck.noise import noise
from jaxconv.verify.recheck.relation import (
    KINDS,
    Held,
    Pair,
    RunPair,
    edges,
    malformed,
    motions_of,
    moving_part,
    parent_of,
)

CONSTANT = 2**16  # numbers of a closed-over array that is read as it is
LARGEST = 2**22  # numbers in the operands and results of an equation that is executed, or in one that is computed
SHORT = 100  # rounds after which a loop of unknown length is given up
CHANGES = 2  # cells of the input that are changed, one at a time, for each draw of numbers that are not large
NOTHING = Broken(Break(-1, "checker", "its state is none", "", "", ()))

Run: TypeAlias = Callable[[list[Any]], Sequence[Any]]
Fact: TypeAlias = tuple[int, Held]  # a result of an equation, by its number, with one state
Maker: TypeAlias = tuple[Run, Sequence[Held], Fact]  # what makes a value, and of which operands


class _EndlessError(Exception):
    """A loop of unknown length has not come to an end."""


def same(arrays: list[Any]) -> Sequence[Any]:
    """What a call does to its body's outputs."""
    return arrays


@dataclass
class Steps:
    """Checks equations, and remembers what they made.

    `shifts`: of the claims that all this is for. `values`: whether they are about the numbers of floating-point
    parameters as they are, or about any. `names` numbers the signals; `makers` has for each number the
    equations that made values of that signal; `parents` what pieces of that name say of their parent.
    """

    cycle: int | None
    length: int
    shifts: frozenset[int]
    values: bool
    seed: int
    names: dict[Any, int] = field(default_factory=dict)
    makers: dict[int, list[Maker]] = field(default_factory=dict)
    parents: dict[int, Any] = field(default_factory=dict)
    counter: Iterator[int] = field(default_factory=itertools.count)

    def hold(self, state: Any, aval: Any, constant: Any = None) -> Held:
        """A value; two that carry the same signals have one name."""
        number, signals = next(self.counter), tuple(motion.signal for _, motion in motions_of(state))
        name = self.names.setdefault(signals, number) if signals else number
        besides = self.hold(state.value, aval, constant) if isinstance(state, Pieces) else None
        return Held(number, name, state, aval, constant, besides)

    def still(self, aval: Any) -> Moving:
        """The state of a value that does not depend on the input."""
        return Moving(1, self.cycle, tuple((Factor(length),) for length in aval.shape))

    def constant(self, aval: Any, array: Any) -> Held:
        """A closed-over array: whole numbers are read as they are, floats are parameters."""
        known = (
            aval.size <= CONSTANT and not is_key(aval) and (self.values or not jnp.issubdtype(aval.dtype, jnp.inexact))
        )
        return self.hold(self.still(aval), aval, np.asarray(array, aval.dtype) if known else None)

    def check(self, equation: Any, operands: Sequence[Held], states: Sequence[Any]) -> tuple[list[Held], str]:
        """The results of an equation, and what is wrong with the states that they are said to have, if anything.

        Of a call the operands are the body's outputs.
        """
        avals = [variable.aval for variable in equation.outvars]
        problems = [malformed(state, aval.shape, self.cycle) for state, aval in zip(states, avals, strict=True)]
        states = [NOTHING if problem else state for problem, state in zip(problems, states, strict=True)]
        runs, constants = executions(equation, operands), [None] * len(avals)
        results = [self.hold(*one) for one in zip(states, avals, constants, strict=True)]
        problems += map(self.of_another_parent, results)
        try:
            constants = _computed(equation, runs[0], operands)
            results = [replace(one, constant=number) for one, number in zip(results, constants, strict=True)]
            if all(isinstance(state, Broken) for state in states):
                pass
            elif is_endless(equation):
                problems.append(self.loop(equation.params, operands, results))
                self.remember([], [(runs[0], operands, fact) for fact in enumerate(results)])
            else:
                for found in [self.examine(run, operands, results) for run in runs]:
                    problems += [problem for problem, _ in found]
                    self.remember(operands, [maker for _, maker in found])
        except Exception as error:
            problems.append(f"it could not be executed: {error!r}")
        return results, next(filter(None, problems), "")

    def of_another_parent(self, held: Held) -> str:
        """Whether pieces say something else of their parent than those before them that bear its name."""
        if not isinstance(held.state, Pieces):
            return ""
        its = parent_of(held.state)
        same_one = self.parents.setdefault(held.name, its) == its
        return "" if same_one else "its parent is another one than that of the pieces before it that bear its name"

    def examine(
        self, run: Run, operands: Sequence[Held], results: Sequence[Held], *, named: bool = True
    ) -> list[tuple[str, Maker]]:
        """For each state of each result: what is wrong with it, of operands that stand in their relations, if anything.

        Where an operand has two states, each state of a result must follow from the one or from the other.
        """
        if sum(held.aval.size for held in (*operands, *results)) > LARGEST:
            raise ValueError("too large, certify the function at a smaller shape")
        found: dict[Fact, tuple[str, Maker]] = {}
        facts = [(number, one) for number, held in enumerate(results) for one in _states(held)]
        for reading in _readings(operands):
            left = [fact for fact in facts if fact not in found or found[fact][0]]
            problems = self.problems(run, reading, left, named=named)
            found |= {fact: (problem, (run, reading, fact)) for fact, problem in problems.items()}
        return list(found.values())

    def problems(self, run: Run, operands: Sequence[Held], facts: Sequence[Fact], *, named: bool) -> dict[Fact, str]:
        """What is wrong with each fact, of operands drawn by their states."""
        found = dict.fromkeys(facts, "")
        rivals = {fact: self.rivals(run, operands, facts, fact) if named else [] for fact in facts}
        summed = any(isinstance(held.state, Spectrum | Pieces) for held in operands)
        before: dict[int, list[np.ndarray]] = {}  # the first run's results, which all trials of a draw have in common
        for trial in self.trials([held for _, held in facts]):
            extreme = trial.kind == EXTREMES
            if extreme and summed:
                continue  # their sums and turns are arithmetic between positions
            if trial.draw not in before:
                before = {trial.draw: _results(run, operands, trial, 0)}
            pairs = list(zip(before[trial.draw], _results(run, operands, trial, 1), strict=True))
            for fact in (one for one in facts if not found[one]):
                _, held = fact
                if extreme and isinstance(held.state, Spectrum | Pieces):
                    continue
                problem, makers = _judged(run, operands, pairs, fact, rivals[fact], trial)
                if problem and trial.kind not in (WHOLE, EXTREMES):  # those are exact, or rounded beyond all bounds
                    most = max(_noise(*maker, trial) for maker in makers)
                    problem, makers = _judged(run, operands, pairs, fact, rivals[fact], replace(trial, noise=most))
                if problem and not (extreme and any(mixes(by, of) for by, of, _ in makers)):
                    found[fact] = problem
        return found

    def rivals(self, run: Run, operands: Sequence[Held], facts: Sequence[Fact], fact: Fact) -> list[Maker]:
        """Which values a result must agree with, since it bears their name: an operand, or else all made before it."""
        held = fact[1]
        if not motions_of(held.state):
            return []
        if any(one.name == held.name for one in operands):
            # The operands are drawn from all that the signal may be: the result is the signal if it is what is drawn.
            return [(same, [held], (0, held))]
        twins = [(run, operands, one) for one in facts[: facts.index(fact)] if one[1].name == held.name]
        return [*self.makers.get(held.name, []), *twins]

    def remember(self, operands: Sequence[Held], makers: Sequence[Maker]) -> None:
        """Remember what made the signals that no operand shows."""
        shown = {one.name for held in operands for one in _states(held)}
        for maker in makers:
            _, _, (_, held) = maker
            if motions_of(held.state) and held.name not in shown:
                self.makers.setdefault(held.name, []).append(maker)

    def loop(self, params: dict[str, Any], operands: Sequence[Held], results: Sequence[Held]) -> str:
        """Whether a while loop's state stays as it is claimed to be: before the first round, and from one to the next.

        If the condition is the same in both runs for all states that are so related, both take equally many rounds. A
        condition with axes, as `vmap` makes it, stops each cell by itself: then further rounds change nothing, so that
        both runs may be taken to the longer one's end, and a round is the body where the condition holds.
        A loop of which that is not true, since its state moves differently in every round, may be a short one: it is
        run.
        """
        first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
        of_condition, of_body, start = operands[:first], operands[first:second], operands[second:]
        condition, body = _evaluation(params["cond_jaxpr"]), _evaluation(params["body_jaxpr"])
        # Drawn under names of their own: whatever they are called, nothing else in the loop shows the same signals.
        state = [replace(held, name=next(self.counter), constant=None) for held in results]
        depends = all(one.depends for one in _moving(results))
        choices = [Moving(shift, self.cycle, (), depends) for shift in {one.shift for one in _moving(results)}]
        cells = params["cond_jaxpr"].out_avals[0].shape
        if cells:
            choices, body = [], partial(_round_of_cells, condition, body, first, second)
            of_body = operands[:second]
        goes_on = [self.hold(choice, jax.ShapeDtypeStruct((), bool)) for choice in choices]
        wrong = lambda *step, **settings: next(
            (problem for problem, _ in self.examine(*step, **settings) if problem), ""
        )
        for one in goes_on:
            problem = wrong(condition, [*of_condition, *state], [one], named=False)
            if problem:
                return f"whether it goes on: {problem}"
        problem = wrong(same, start, results, named=False) or wrong(body, [*of_body, *state], results, named=False)
        if not problem:
            return "it bears a name that is not new" if any(held.name in self.makers for held in results) else ""
        try:
            return wrong(partial(_rounds, condition, body, first, second), operands, results)
        except _EndlessError:
            return f"its state, round by round: {problem}"

    def trials(self, results: Sequence[Held]) -> Iterator[RunPair]:
        """Shifts: the least that the results' states are about, and those of the claims. Then changed cells.

        Of these the ones next to what the results' states say that they depend on, where there are such.
        """
        least = {state.shift for state in _moving(results)}
        for draw in range(DRAWS * self.seed, DRAWS * (self.seed + 1)):
            for shift in sorted(least | self.shifts):
                if any(shift % one == 0 for one in least):
                    yield RunPair(shift, None, draw)
            if kind_of(draw) < LARGE:
                beside = [cell for state in _moving(results) for cell in edges(state, draw, self.length)]
                for number in range(CHANGES):
                    cells, push = beside[number::CHANGES] or range(self.length), 1 - 2 * ((draw + number) % 2)
                    yield RunPair(0, cells[int(mixed(draw, number)[0] % len(cells))], draw, push=push)


def _states(held: Held) -> list[Held]:
    """A value by each state that it has."""
    return [held] if held.besides is None else [held, held.besides]


def _readings(operands: Sequence[Held]) -> list[list[Held]]:
    """Operands by the states that they have besides, and by their own."""
    besides = [held.besides or held for held in operands]
    return [besides] if besides == list(operands) else [besides, list(operands)]


def _moving(results: Sequence[Held]) -> list[Moving]:
    """What is claimed of the results that are not broken."""
    return [state for held in results if (state := moving_part(held.state)) is not None]


def _drawn(operands: Sequence[Held], trial: RunPair, turn: int) -> list[Any]:
    """The operands of the first or the second run, drawn as their states say; constants are what they are."""
    return [
        held.constant if held.constant is not None else KINDS[type(held.state)][0](held, trial, turn)
        for held in operands
    ]


def _results(run: Run, operands: Sequence[Held], trial: RunPair, turn: int) -> list[np.ndarray]:
    """The first or the second run's results, of operands drawn as their states say."""
    return list(map(plain, run(_drawn(operands, trial, turn))))


def _judged(
    run: Run, operands: Sequence[Held], pairs: Sequence[Pair], fact: Fact, rivals: Sequence[Maker], trial: RunPair
) -> tuple[str, list[Maker]]:
    """What is wrong with a fact in one trial, and all that made the values which were compared."""
    number, held = fact
    judge, group = KINDS[type(held.state)][1], [(held, pairs[number])]
    problem, makers = judge(group, trial), [(run, operands, fact)]
    if rivals and trial.changed is None and not problem:
        group += [(other, [_results(by, of, trial, turn)[n] for turn in (0, 1)]) for by, of, (n, other) in rivals]
        problem, makers = judge(group, trial), [*makers, *rivals]
        problem = problem and f"it is not the signal whose name it bears: {problem}"
    return problem, makers


def _noise(run: Run, operands: Sequence[Held], fact: Fact, trial: RunPair) -> float:
    """How much of a result is rounding, in either run."""
    return max(noise(run, _drawn(operands, trial, turn), fact[0]) for turn in (0, 1))


def executions(equation: Any, operands: Sequence[Held]) -> list[Run]:
    """How to execute an equation: a choice of branches takes each branch in turn."""
    if called(equation) is not None:
        return [same]
    if branches(equation) and operands[0].constant is None:
        return [partial(_execute, equation, turn) for turn in range(len(branches(equation)))]
    return [partial(_execute, equation, None)]


def _execute(equation: Any, turn: int | None, arrays: list[Any]) -> Sequence[Any]:
    """One equation by itself; the branch that is chosen is the one so many further on than the number says."""
    if equation.effects:
        raise RuntimeError("an equation with effects")
    if _endless(equation):
        raise RuntimeError("a loop of unknown length")
    if turn is not None:
        count = len(branches(equation))
        arrays = [np.asarray((arrays[0] + turn) % count, arrays[0].dtype), *arrays[1:]]
    return evaluate.executed(equation, arrays)


def _computed(equation: Any, run: Run, operands: Sequence[Held]) -> list[Any]:
    """The results' numbers, where they are few and all operands' are known."""
    given, avals = [held.constant for held in operands], [variable.aval for variable in equation.outvars]
    name = equation.primitive.name
    unknown = any(number is None for number in given) or any(is_key(aval) or aval.size > LARGEST for aval in avals)
    if unknown or equation.effects or "random" in name or _endless(equation):
        return [None] * len(avals)
    return list(map(plain, run(given)))


def _evaluation(closed: Any) -> Run:
    """To evaluate a jaxpr."""
    if any(is_endless(one) for one, _ in equations(closed)):
        raise RuntimeError("a loop of unknown length within another")
    run = jax.jit(jaxpr_as_fun(closed))
    return lambda arrays: run(*arrays)


def _round_of_cells(condition: Run, body: Run, first: int, second: int, arrays: list[Any]) -> Sequence[Any]:
    """One round of a loop whose condition has axes: the body's results where it holds, else the state as it was."""
    state = arrays[second:]
    (holds,) = condition([*arrays[:first], *state])
    holds = np.asarray(holds)
    following = body([*arrays[first:second], *state])
    spread = (holds.reshape(holds.shape + (1,) * (np.ndim(one) - holds.ndim)) for one in state)
    return [jax.numpy.where(here, new, one) for here, new, one in zip(spread, following, state, strict=True)]


def _rounds(condition: Run, body: Run, first: int, second: int, arrays: list[Any]) -> Sequence[Any]:
    """A while loop, if it is short."""
    state: Sequence[Any] = arrays[second:]
    for _ in range(SHORT):
        if not condition([*arrays[:first], *state])[0]:
            return state
        state = body([*arrays[first:second], *state])
    raise _EndlessError


def _endless(equation: Any) -> bool:
    """Whether an equation is a loop of unknown length, or has one in its jaxprs."""
    inner = (one for jaxpr in within(equation) for one, _ in equations(jaxpr))
    return is_endless(equation) or any(map(is_endless, inner))
