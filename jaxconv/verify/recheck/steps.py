"""Checks one step of a derivation: executes its equation on operands drawn from their states. Uses no rule."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn, jaxpr_as_fun

from jaxconv.jaxprs import evaluate
from jaxconv.jaxprs.layout import branches, is_endless, is_identity
from jaxconv.jaxprs.traverse import equations, within
from jaxconv.jaxprs.typing import AnyJaxpr, Array, ArrayValue, Params, Shaped, aval_of, shaped
from jaxconv.verify.claims import Culprit
from jaxconv.verify.domain import Broken, Factor, Moving, Pieces, Spectrum, Value
from jaxconv.verify.recheck.computed import Computation, computed, drawn, is_still
from jaxconv.verify.recheck.mixing import mixes
from jaxconv.verify.recheck.named_cells import DRAWS, EXTREMES, LARGE, WHOLE, is_key, kind_of, mixed, plain
from jaxconv.verify.recheck.noise import noise
from jaxconv.verify.recheck.relation import (
    KINDS,
    Held,
    Pair,
    Run,
    RunPair,
    edges,
    malformed,
    motions_of,
    moving_part,
    parent_of,
)

S = TypeVar("S", bound=Value)
CONSTANT = 2**16  # maximum size of a closed-over array that is used as a constant
LARGEST = 2**22  # maximum total size of operands and results of an executed equation, or of one constant result
SHORT = 100  # number of iterations after which a while loop is given up
CHANGES = 2  # number of input cells that are changed, one at a time, for each draw of numbers that are not large
NOTHING = Broken(Culprit(-1, "checker", "its state is invalid", "", "", ()))

Fact: TypeAlias = tuple[int, Held[Value]]  # the number of a result, and the result with one of its states
Maker: TypeAlias = tuple[Run, Sequence[Held[Value]], Fact]  # how to compute a value, from which operands


class _EndlessError(Exception):
    """A while loop did not end within SHORT iterations."""


def same(arrays: list[Array]) -> Sequence[Array]:
    """Return the arrays: a call returns the outputs of its body."""
    return arrays


@dataclass
class Steps:
    """Checks equations, and stores how their results are computed.

    Attributes:
        cycle: the cycle of the walk; None in an interior walk.
        length: length of the shifted axis of the input.
        shifts: the shifts of the proved claims of the walk.
        values: whether the claims depend on the values of floating-point parameters.
        seed: seed of the random operands.
        names: the name of each tuple of signals, a number.
        makers: for each name, how the values of that name are computed.
        parents: for each name, the properties of the parent of pieces of that name.
        counter: counts the values.
    """

    cycle: int | None
    length: int
    shifts: frozenset[int]
    values: bool
    seed: int
    names: dict[tuple[Hashable, ...], int] = field(default_factory=dict[tuple[Hashable, ...], int])
    makers: dict[int, list[Maker]] = field(default_factory=dict[int, list[Maker]])
    parents: dict[int, object] = field(default_factory=dict[int, object])
    counter: Iterator[int] = field(default_factory=itertools.count)

    def hold(self, state: S, aval: Shaped, constant: np.ndarray | None = None) -> Held[S]:
        """Return a value with a state; values with the same signals get the same name."""
        number, signals = next(self.counter), tuple(motion.signal for _, motion in motions_of(state))
        name = self.names.setdefault(signals, number) if signals else number
        second = self.hold(state.value, aval, constant) if isinstance(state, Pieces) else None
        return Held(number, name, state, aval, constant, second)

    def still(self, aval: Shaped) -> Moving:
        """Return the state of a value that does not depend on the input."""
        return Moving(1, self.cycle, tuple((Factor(length),) for length in aval.shape))

    def constant(self, aval: Shaped, array: ArrayValue) -> Held[Moving]:
        """Return a closed-over array: a constant if it is of integers or `values` is set, else a parameter."""
        known = (
            aval.size <= CONSTANT and not is_key(aval) and (self.values or not jnp.issubdtype(aval.dtype, jnp.inexact))
        )
        return self.hold(self.still(aval), aval, np.asarray(array, aval.dtype) if known else None)

    def check(
        self, equation: JaxprEqn, operands: Sequence[Held[Value]], states: Sequence[Value], *, whole: bool
    ) -> tuple[list[Held[Value]], str]:
        """Return the results of an equation, and an objection to their claimed states or the empty string.

        For a call that is not executed as a `whole`, `operands` are the outputs of its body.
        """
        avals = list(map(aval_of, equation.outvars))
        problems = [malformed(state, aval.shape, self.cycle) for state, aval in zip(states, avals, strict=True)]
        states = [NOTHING if problem else state for problem, state in zip(problems, states, strict=True)]
        runs, constants = executions(equation, operands) if whole else [same], [None] * len(avals)
        results = [self.hold(*row) for row in zip(states, avals, constants, strict=True)]
        problems += map(self.of_another_parent, results)
        try:
            passed_on = not whole or is_identity(equation)  # each result is the operand of the same number
            constants = [held.constant for held in operands] if passed_on else _computed(equation, runs[0], operands)
            made = _computations(equation, runs, operands)
            results = [
                replace(held, constant=number, computation=computation)
                for held, number, computation in zip(results, constants, made, strict=True)
            ]
            if all(isinstance(state, Broken) for state in states):
                pass
            elif is_endless(equation):
                problems.append(self.loop(equation.params, operands, results))
                self.remember([], [(runs[0], operands, fact) for fact in enumerate(results)])
            else:
                for checked in [self.examine(run, operands, results) for run in runs]:
                    problems += [problem for problem, _ in checked]
                    self.remember(operands, [maker for _, maker in checked])
        except Exception as error:
            problems.append(f"the equation could not be executed: {error!r}")
        return results, next(filter(None, problems), "")

    def of_another_parent(self, held: Held[Value]) -> str:
        """Return an objection if the parent of pieces differs from that of earlier pieces of the same name."""
        if not isinstance(held.state, Pieces):
            return ""
        parent = parent_of(held.state)
        is_same = self.parents.setdefault(held.name, parent) == parent
        return "" if is_same else "the parent of the pieces differs from that of earlier pieces of the same name"

    def examine(
        self, run: Run, operands: Sequence[Held[Value]], results: Sequence[Held[Value]], *, named: bool = True
    ) -> list[tuple[str, Maker]]:
        """Return an objection or the empty string for each state of each result, on operands drawn from their states.

        If an operand has two states, each state of a result must follow from one of them, or from the way in which
        operands are computed from parameters.
        """
        if sum(held.aval.size for held in (*operands, *results)) > LARGEST:
            raise ValueError("the equation is too large; certify the function at a smaller shape")
        outcomes: dict[Fact, tuple[str, Maker]] = {}
        facts = [(number, view) for number, held in enumerate(results) for view in _states(held)]
        for reading in _readings(operands):
            left = [fact for fact in facts if fact not in outcomes or outcomes[fact][0]]
            problems = self.problems(run, reading, left, named=named)
            outcomes |= {fact: (problem, (run, reading, fact)) for fact, problem in problems.items()}
        return list(outcomes.values())

    def problems(
        self, run: Run, operands: Sequence[Held[Value]], facts: Sequence[Fact], *, named: bool
    ) -> dict[Fact, str]:
        """Return an objection or the empty string for each fact, on operands drawn from their states."""
        objections = dict.fromkeys(facts, "")
        if run is same:  # a value with the state of the operand that it is
            facts = [(number, held) for number, held in facts if held.state != operands[number].state]
        same_named = {fact: self.same_named(run, operands, facts, fact) if named else [] for fact in facts}
        summed = any(isinstance(held.state, Spectrum | Pieces) for held in operands)
        turned = any(isinstance(held.state, Spectrum) for held in operands)
        before: dict[int, list[np.ndarray]] = {}  # results of the first run, which all trials of a draw share
        for trial in self.trials([held for _, held in facts]) if facts else ():
            extreme = trial.kind == EXTREMES
            if extreme and summed:
                continue  # sums of pieces and phase factors are arithmetic between positions
            if trial.draw not in before:
                before = {trial.draw: _results(run, operands, trial, 0)}
            pairs = list(zip(before[trial.draw], _results(run, operands, trial, 1), strict=True))
            for fact in (fact for fact in facts if not objections[fact]):
                _, held = fact
                if extreme and isinstance(held.state, Spectrum | Pieces):
                    continue
                problem, makers = _judged(run, operands, pairs, fact, same_named[fact], trial)
                # WHOLE numbers are exact, unless phases multiply them. The rounding error of EXTREMES is unbounded.
                if problem and not extreme and (trial.kind != WHOLE or turned):
                    most = max(_noise(*maker, trial) for maker in makers)
                    problem, makers = _judged(run, operands, pairs, fact, same_named[fact], replace(trial, noise=most))
                if problem and not (extreme and any(mixes(by, of) for by, of, _ in makers)):
                    objections[fact] = problem
        return objections

    def same_named(self, run: Run, operands: Sequence[Held[Value]], facts: Sequence[Fact], fact: Fact) -> list[Maker]:
        """Return the values that a result must equal because it has their name: an operand, or all earlier results."""
        held = fact[1]
        if not motions_of(held.state):
            return []
        if any(one.name == held.name for one in operands):
            # Operands are drawn from all values of the signal, so the result must equal what is drawn.
            return [(same, [held], (0, held))]
        earlier = [(run, operands, one) for one in facts[: facts.index(fact)] if one[1].name == held.name]
        return [*self.makers.get(held.name, []), *earlier]

    def remember(self, operands: Sequence[Held[Value]], makers: Sequence[Maker]) -> None:
        """Store how the signals that no operand has are computed."""
        known = {view.name for held in operands for view in _states(held)}
        for maker in makers:
            _, _, (_, held) = maker
            if motions_of(held.state) and held.name not in known:
                self.makers.setdefault(held.name, []).append(maker)

    def loop(self, params: Params, operands: Sequence[Held[Value]], results: Sequence[Held[Value]]) -> str:
        """Return an objection unless the claimed state of a while loop holds initially and after each iteration.

        If the condition is equal in both runs for all related states, both runs have the same number of iterations. A
        condition with axes, from `vmap`, ends each cell separately, and further iterations change nothing. So both runs
        may be continued to the end of the longer one, and an iteration is the body where the condition holds.
        If the claimed state is no invariant, because each iteration moves it differently, a short loop is executed.
        """
        first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
        of_condition, of_body, start = operands[:first], operands[first:second], operands[second:]
        condition, body = _evaluation(params["cond_jaxpr"]), _evaluation(params["body_jaxpr"])
        # New names, because nothing else in the loop has the same signals, whatever the claimed names are.
        state = [replace(held, name=next(self.counter), constant=None) for held in results]
        depends = all(one.depends for one in _moving(results))
        choices = [Moving(shift, self.cycle, (), depends) for shift in {one.shift for one in _moving(results)}]
        cells = params["cond_jaxpr"].out_avals[0].shape
        if cells:
            choices, body = [], partial(_round_of_cells, condition, body, first, second)
            of_body = operands[:second]
        goes_on = [self.hold(choice, shaped((), bool)) for choice in choices]

        def wrong(run: Run, operands: Sequence[Held[Value]], results: Sequence[Held[Value]], *, named: bool) -> str:
            return next((problem for problem, _ in self.examine(run, operands, results, named=named) if problem), "")

        for outcome in goes_on:
            problem = wrong(condition, [*of_condition, *state], [outcome], named=False)
            if problem:
                return f"the loop condition: {problem}"
        problem = wrong(same, start, results, named=False) or wrong(body, [*of_body, *state], results, named=False)
        if not problem:
            reused = any(held.name in self.makers for held in results)
            return "the result reuses the name of an existing signal" if reused else ""
        try:
            return wrong(partial(_rounds, condition, body, first, second), operands, results, named=True)
        except _EndlessError:
            return f"the loop state: {problem}"

    def trials(self, results: Sequence[Held[Value]]) -> Iterator[RunPair]:
        """Yield trials: the smallest shifts of the results' states and the shifts of the claims, then changed cells.

        The changed cells are next to the receptive fields of the results' states, if these have any.
        """
        least = {state.shift for state in _moving(results)}
        for draw in range(DRAWS * self.seed, DRAWS * (self.seed + 1)):
            for shift in sorted(least | self.shifts):
                if any(shift % smallest == 0 for smallest in least):
                    yield RunPair(shift, None, draw)
            if kind_of(draw) < LARGE:
                beside = [cell for state in _moving(results) for cell in edges(state, draw, self.length)]
                for number in range(CHANGES):
                    cells, push = beside[number::CHANGES] or range(self.length), 1 - 2 * ((draw + number) % 2)
                    yield RunPair(0, cells[int(mixed(draw, number)[0] % len(cells))], draw, push=push)


def _states(held: Held[Value]) -> list[Held[Value]]:
    """Return a value once for each of its states."""
    return [held] if held.second is None else [held, held.second]


def _readings(operands: Sequence[Held[Value]]) -> list[list[Held[Value]]]:
    """Return the operands with their second states where they have any, with their first states, and as computed."""
    second, made = [held.second or held for held in operands], list(map(computed, operands))
    readings = [second] if second == list(operands) else [second, list(operands)]
    return readings if made == list(operands) else [*readings, made]


def _moving(results: Sequence[Held[Value]]) -> list[Moving]:
    """Return the Moving parts of the states of the results."""
    return [state for held in results if (state := moving_part(held.state)) is not None]


def _results(run: Run, operands: Sequence[Held[Value]], trial: RunPair, turn: int) -> list[np.ndarray]:
    """Return the results of the first or second run, on operands drawn from their states."""
    return list(map(plain, run(drawn(operands, trial, turn))))


def _judged(
    run: Run,
    operands: Sequence[Held[Value]],
    pairs: Sequence[Pair],
    fact: Fact,
    same_named: Sequence[Maker],
    trial: RunPair,
) -> tuple[str, list[Maker]]:
    """Return an objection to a fact in one trial or the empty string, and the makers of the compared values."""
    number, held = fact
    judge, group = KINDS[type(held.state)][1], [(held, pairs[number])]
    problem, makers = judge(group, trial), [(run, operands, fact)]
    if same_named and trial.changed is None and not problem:
        group += [(other, [_results(by, of, trial, turn)[n] for turn in (0, 1)]) for by, of, (n, other) in same_named]
        problem, makers = judge(group, trial), [*makers, *same_named]
        problem = problem and f"the result differs from the signal of the same name: {problem}"
    return problem, makers


def _noise(run: Run, operands: Sequence[Held[Value]], fact: Fact, trial: RunPair) -> float:
    """Return the rounding error of a result, the larger of both runs."""
    return max(noise(run, drawn(operands, trial, turn), fact[0]) for turn in (0, 1))


def executions(equation: JaxprEqn, operands: Sequence[Held[Value]]) -> list[Run]:
    """Return the ways to execute an equation: a `cond` executes each branch in turn."""
    if branches(equation) and operands[0].constant is None:
        return [partial(_execute, equation, turn) for turn in range(len(branches(equation)))]
    return [partial(_execute, equation, None)]


def _execute(equation: JaxprEqn, turn: int | None, arrays: list[Array]) -> Sequence[Array]:
    """Execute one equation; for a `cond`, `turn` is added to the index of the branch, modulo their number."""
    if equation.effects:
        raise RuntimeError("the equation has effects")
    if _endless(equation):
        raise RuntimeError("a loop with an unknown number of iterations")
    if turn is not None:
        count = len(branches(equation))
        arrays = [np.asarray((arrays[0] + turn) % count, arrays[0].dtype), *arrays[1:]]
    return evaluate.executed(equation, arrays)


def _computations(
    equation: JaxprEqn, runs: Sequence[Run], operands: Sequence[Held[Value]]
) -> list[Callable[[int], np.ndarray] | None]:
    """Return how the results are computed, if all operands are the same in both runs, else None for each."""
    if runs == [same] or is_identity(equation):
        pairs = enumerate(operands)
        return [Computation(same, operands, number).draw if is_still(held) else None for number, held in pairs]
    unknown = len(runs) > 1 or equation.effects or "random" in equation.primitive.name or _endless(equation)
    if unknown or not all(map(is_still, operands)):
        return [None] * len(equation.outvars)
    return [Computation(runs[0], operands, number).draw for number in range(len(equation.outvars))]


def _computed(equation: JaxprEqn, run: Run, operands: Sequence[Held[Value]]) -> list[np.ndarray | None]:
    """Return the numbers of the results if they are small and all operands are constants, else None for each.

    A sort by constants puts constants in a known order, whatever the other operands are.
    """
    avals, name = list(map(aval_of, equation.outvars)), equation.primitive.name
    unknown = [n for n, held in enumerate(operands) if held.constant is None]
    determined = not unknown or (name == "sort" and unknown[0] >= equation.params["num_keys"])
    too_large = any(is_key(aval) or aval.size > LARGEST for aval in avals)
    if not determined or too_large or equation.effects or "random" in name or _endless(equation):
        return [None] * len(avals)
    given = [
        np.zeros(held.aval.shape, held.aval.dtype) if held.constant is None else held.constant for held in operands
    ]
    return [None if unknown and n in unknown else plain(result) for n, result in enumerate(run([*given]))]


def _evaluation(closed: AnyJaxpr) -> Run:
    """Return a function that evaluates a jaxpr."""
    if any(is_endless(equation) for equation, _ in equations(closed)):
        raise RuntimeError("a nested loop with an unknown number of iterations")
    run = jax.jit(jaxpr_as_fun(closed))
    return lambda arrays: cast("Sequence[Array]", run(*arrays))


def _round_of_cells(condition: Run, body: Run, first: int, second: int, arrays: list[Array]) -> Sequence[Array]:
    """Run one iteration of a loop whose condition has axes: the body where the condition holds, else the old state."""
    state = arrays[second:]
    (holds,) = condition([*arrays[:first], *state])
    holds = np.asarray(holds)
    following = body([*arrays[first:second], *state])
    masks = (holds.reshape(holds.shape + (1,) * (np.ndim(array) - holds.ndim)) for array in state)
    return [jax.numpy.where(mask, new, old) for mask, new, old in zip(masks, following, state, strict=True)]


def _rounds(condition: Run, body: Run, first: int, second: int, arrays: list[Array]) -> Sequence[Array]:
    """Run a while loop; give up after SHORT iterations."""
    state: Sequence[Array] = arrays[second:]
    for _ in range(SHORT):
        if not condition([*arrays[:first], *state])[0]:
            return state
        state = body([*arrays[first:second], *state])
    raise _EndlessError


def _endless(equation: JaxprEqn) -> bool:
    """Whether an equation is a loop with an unknown number of iterations, or contains one."""
    inner = (nested for jaxpr in within(equation) for nested, _ in equations(jaxpr))
    return is_endless(equation) or any(map(is_endless, inner))
