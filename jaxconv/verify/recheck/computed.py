"""Values that are computed from parameters alone, and how operands are drawn.

A state tells which cells of a value the shift leaves equal, but not that a parameter that is read at (i - j) % n is
constant along diagonals. So where a step does not follow from the states of its operands, those that are computed from
parameters alone are computed again from drawn parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from jaxconv.verify.domain import Moving, Value
from jaxconv.verify.recheck.named_cells import DRAWS, EXTREMES, FRACTIONS, kind_of
from jaxconv.verify.recheck.relation import KINDS
from jaxconv.verify.recheck.runs import executed_in_trials
from jaxconv.verify.recheck.values import Held, Run, Stack, Trials, motions_of


@dataclass(eq=False)
class Computation:
    """How a value is computed from values that are the same in both runs.

    Attributes:
        run: computes the results of the equation from its operands.
        operands: the operands.
        number: the number of the result.
        numbers: the numbers of the result, by draw.
    """

    run: Run
    operands: Sequence[Held[Value]]
    number: int
    numbers: dict[int, np.ndarray] = field(default_factory=dict[int, np.ndarray])

    def draw(self, draws: tuple[int, ...]) -> np.ndarray:
        """Return the result for each draw, on drawn parameters, which are finite: sums of infinities are NaN."""
        calm = [draw - draw % DRAWS + FRACTIONS if kind_of(draw) == EXTREMES else draw for draw in draws]
        new = tuple({draw: None for draw in calm if draw not in self.numbers})
        if new:
            columns, is_stack = drawn([computed(held) for held in self.operands], Trials(new), 0)
            found = executed_in_trials(self.run, columns, is_stack, len(new))[self.number]
            self.numbers |= dict(zip(new, found, strict=True))
        return np.stack([self.numbers[draw] for draw in calm])


def is_still(held: Held[Value]) -> bool:
    """Whether a value is the same in both runs of every pair: it does not depend on the input."""
    state = held.state
    still = isinstance(state, Moving) and not motions_of(state) and not state.depends and state.shift == 1
    return held.constant is not None or still


def computed(held: Held[Value]) -> Held[Value]:
    """Return a value that is drawn as it is computed, if it is computed from parameters alone."""
    return held if held.computation is None else replace(held, is_computed=True)


def drawn(operands: Sequence[Held[Value]], trials: Trials, turn: int) -> tuple[list[Stack], list[bool]]:
    """Return the operands of the first or second run of each trial, drawn from their states; constants are not drawn.

    The second list states which operands are drawn: there is an array for each trial.
    """
    return [_drawn(held, trials, turn) for held in operands], [held.constant is None for held in operands]


def _drawn(held: Held[Value], trials: Trials, turn: int) -> Stack:
    if held.constant is not None:
        return held.constant
    if held.is_computed and held.computation is not None:
        return held.computation(trials.draws)
    return KINDS[type(held.state)][0](held, trials, turn)
