"""Checks one step of a derivation: executes its equation on operands drawn from their states. Uses no rule."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from jaxconv.jaxprs.layout import is_endless, is_identity
from jaxconv.jaxprs.typing import Array, ArrayValue, Params, Shaped, aval_of, shaped
from jaxconv.verify.claims import Culprit
from jaxconv.verify.domain import Broken, Factor, Moving, Pieces, Spectrum, Value
from jaxconv.verify.recheck.chains import readings
from jaxconv.verify.recheck.computed import Computation, is_still
from jaxconv.verify.recheck.judging import Fact, Maker, has_nan, objection, results_of
from jaxconv.verify.recheck.moving_cells import edges, shown_cells
from jaxconv.verify.recheck.named_cells import (
    DRAWS,
    EXTREMES,
    FRACTIONS,
    LARGE,
    is_key,
    kind_of,
    mixed_integers,
    plain,
)
from jaxconv.verify.recheck.relation import malformed, parent_of
from jaxconv.verify.recheck.runs import evaluation_of, executions, may_be_endless
from jaxconv.verify.recheck.values import Held, Run, Trials, motions_of, moving_part

S = TypeVar("S", bound=Value)
CONSTANT = 2**16  # maximum size of a closed-over array that is used as a constant
LARGEST = 2**22  # maximum total size of operands and results of an executed equation, or of one constant result
SHORT = 100  # number of iterations after which a while loop is given up
CHANGES = 2  # number of input cells that are changed, one at a time, for each draw of numbers that are not large
NOTHING = Broken(Culprit(-1, "checker", "its state is invalid", "", "", ()))


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
            origins = _origins(equation, runs, operands)
            results = [
                replace(held, constant=number, computation=computation, origin=origin)
                for held, number, computation, origin in zip(results, constants, made, origins, strict=True)
            ]
            if all(isinstance(state, Broken) for state in states):
                pass
            elif is_endless(equation):
                problems.append(self.loop(equation.params, operands, results))
                self.remember([], [(runs[0], operands, fact) for fact in enumerate(results)])
            else:
                if len(runs) > 1:  # the branches are taken in turn, so all readings must have the same index
                    operands = [replace(operands[0], computation=None, origin=None), *operands[1:]]
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
        operands are computed.
        """
        if sum(held.aval.size for held in (*operands, *results)) > LARGEST:
            raise ValueError("the equation is too large; certify the function at a smaller shape")
        outcomes: dict[Fact, tuple[str, Maker]] = {}
        facts = [(number, view) for number, held in enumerate(results) for view in _states(held)]
        for by, reading in readings(run, operands, LARGEST):
            left = [fact for fact in facts if fact not in outcomes or outcomes[fact][0]]
            if not left:
                break
            problems = self.problems(by, reading, left, named=named)
            outcomes |= {fact: (problem, (by, reading, fact)) for fact, problem in problems.items()}
        return list(outcomes.values())

    def problems(
        self, run: Run, operands: Sequence[Held[Value]], facts: Sequence[Fact], *, named: bool
    ) -> dict[Fact, str]:
        """Return an objection or the empty string for each fact, on operands drawn from their states."""
        objections = dict.fromkeys(facts, "")
        if run is same:  # a value with the state of the operand that it is
            facts = [(number, held) for number, held in facts if held.state != operands[number].state]
        if not facts:
            return objections
        same_named = {fact: self.same_named(run, operands, facts, fact) if named else [] for fact in facts}
        kinds = Spectrum | Pieces  # sums of pieces and phase factors are arithmetic between positions
        summed, turned = (any(isinstance(held.state, kind) for held in operands) for kind in (kinds, Spectrum))
        draws, first = self.draws(extremes=not summed), list[np.ndarray]()  # the first run of each draw, for all trials
        for trials in self.trials([held for _, held in facts], draws):
            if trials.pushed:
                trials = replace(trials, shown=shown_cells(operands, trials.shift))
                before, places = results_of(run, operands, trials, 0), list(range(len(trials.draws)))
            else:
                before = first = first or results_of(run, operands, Trials(draws), 0)
                places = [draws.index(draw) for draw in trials.draws]
            second = results_of(run, operands, trials, 1)
            for fact in (fact for fact in facts if not objections[fact]):
                number, held = fact
                pair, chosen = (before[number][places], second[number]), trials
                if trials.pushed:
                    kept = [n for n in places if not any(has_nan(one[n]) for one in pair)]
                    pair, chosen = (pair[0][kept], pair[1][kept]), trials.only(kept)
                    if not kept:
                        continue
                if isinstance(held.state, kinds) and any(trials.extremes()):
                    kept = [n for n, extreme in enumerate(trials.extremes()) if not extreme]
                    pair, chosen = (pair[0][kept], pair[1][kept]), trials.only(kept)
                objections[fact] = objection(run, operands, pair, fact, same_named[fact], chosen, turned=turned)
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
        condition, body = evaluation_of(params["cond_jaxpr"]), evaluation_of(params["body_jaxpr"])
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

    def draws(self, *, extremes: bool) -> tuple[int, ...]:
        """Return the numbers of the draws of the seed, those of extreme numbers only if `extremes` is set."""
        draws = range(DRAWS * self.seed, DRAWS * (self.seed + 1))
        return tuple(draw for draw in draws if extremes or kind_of(draw) != EXTREMES)

    def trials(self, results: Sequence[Held[Value]], draws: tuple[int, ...]) -> Iterator[Trials]:
        """Yield trials: the smallest shifts of the results' states and the shifts of the claims, then changed cells.

        In the interior, further trials push what enters and leaves: a maximum shows no other cell.
        The changed cells are next to the receptive fields of the results' states, if these have any.
        """
        least = {state.shift for state in _moving(results)}
        for shift in sorted(least | self.shifts):
            if any(shift % smallest == 0 for smallest in least):
                yield Trials(draws, shift)
                if self.cycle is None and shift in self.shifts:
                    calm = next(draw for draw in draws if kind_of(draw) == FRACTIONS)
                    yield Trials((calm,) * 4, shift, pushes=(1, -1, 1, -1), pushed=(0, 0, 1, 1))
        changes: list[tuple[int, int, int]] = []
        for draw in (draw for draw in draws if kind_of(draw) < LARGE):
            beside = [cell for state in _moving(results) for cell in edges(state, draw, self.length)]
            for number in range(CHANGES):
                cells, push = beside[number::CHANGES] or range(self.length), 1 - 2 * ((draw + number) % 2)
                changes.append((draw, cells[mixed_integers(draw, number) % len(cells)], push))
        if changes:
            draws, changed, pushes = zip(*changes, strict=True)
            yield Trials(draws, 0, changed, pushes)


def _states(held: Held[Value]) -> list[Held[Value]]:
    """Return a value once for each of its states."""
    return [held] if held.second is None else [held, held.second]


def _moving(results: Sequence[Held[Value]]) -> list[Moving]:
    """Return the Moving parts of the states of the results."""
    return [state for held in results if (state := moving_part(held.state)) is not None]


def _is_undetermined(equation: JaxprEqn) -> bool:
    """Whether the operands may not determine the results, or only after any number of iterations."""
    return bool(equation.effects) or "random" in equation.primitive.name or may_be_endless(equation)


def _computations(
    equation: JaxprEqn, runs: Sequence[Run], operands: Sequence[Held[Value]]
) -> list[Callable[[tuple[int, ...]], np.ndarray] | None]:
    """Return how the results are computed, if all operands are the same in both runs, else None for each."""
    if runs == [same] or is_identity(equation):
        pairs = enumerate(operands)
        return [Computation(same, operands, number).draw if is_still(held) else None for number, held in pairs]
    unknown = len(runs) > 1 or _is_undetermined(equation)
    if unknown or not all(map(is_still, operands)):
        return [None] * len(equation.outvars)
    return [Computation(runs[0], operands, number).draw for number in range(len(equation.outvars))]


def _origins(
    equation: JaxprEqn, runs: Sequence[Run], operands: Sequence[Held[Value]]
) -> list[tuple[Run, Sequence[Held[Value]], int] | None]:
    """Return how each result is computed from the operands; None if a draw does not determine it."""
    if runs == [same] or is_identity(equation):
        return [held.origin for held in operands]
    unknown = len(runs) > 1 or _is_undetermined(equation)
    return [None if unknown else (runs[0], operands, number) for number in range(len(equation.outvars))]


def _computed(equation: JaxprEqn, run: Run, operands: Sequence[Held[Value]]) -> list[np.ndarray | None]:
    """Return the numbers of the results if they are small and all operands are constants, else None for each.

    A sort by constants puts constants in a known order, whatever the other operands are.
    """
    avals, name = list(map(aval_of, equation.outvars)), equation.primitive.name
    unknown = [n for n, held in enumerate(operands) if held.constant is None]
    determined = not unknown or (name == "sort" and unknown[0] >= equation.params["num_keys"])
    too_large = any(is_key(aval) or aval.size > LARGEST for aval in avals)
    if not determined or too_large or _is_undetermined(equation):
        return [None] * len(avals)
    given = [
        np.zeros(held.aval.shape, held.aval.dtype) if held.constant is None else held.constant for held in operands
    ]
    return [None if unknown and n in unknown else plain(result) for n, result in enumerate(run([*given]))]


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
