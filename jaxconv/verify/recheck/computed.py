"""Values that are computed from parameters alone, and how operands are drawn.

A state tells which cells of a value the shift leaves equal, but not that a parameter that is read at (i - j) % n is
constant along diagonals. So where a step does not follow from the states of its operands, those that are computed from
parameters alone are computed again from drawn parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from jaxconv.jaxprs.typing import Array
from jaxconv.verify.domain import Moving, Value
from jaxconv.verify.recheck.named_cells import DRAWS, EXTREMES, FRACTIONS, kind_of, plain
from jaxconv.verify.recheck.relation import KINDS, Held, Run, RunPair, motions_of


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

    def draw(self, draw: int) -> np.ndarray:
        """Return the result on drawn parameters, which are finite: sums of infinities are NaN."""
        calm = draw - draw % DRAWS + FRACTIONS if kind_of(draw) == EXTREMES else draw
        if calm not in self.numbers:
            arrays = drawn([computed(held) for held in self.operands], RunPair(0, None, calm), 0)
            self.numbers[calm] = plain(self.run(arrays)[self.number])
        return self.numbers[calm]


def is_still(held: Held[Value]) -> bool:
    """Whether a value is the same in both runs of every pair: it does not depend on the input."""
    state = held.state
    still = isinstance(state, Moving) and not motions_of(state) and not state.depends and state.shift == 1
    return held.constant is not None or still


def computed(held: Held[Value]) -> Held[Value]:
    """Return a value that is drawn as it is computed, if it is computed from parameters alone."""
    return held if held.computation is None else replace(held, is_computed=True)


def drawn(operands: Sequence[Held[Value]], trial: RunPair, turn: int) -> list[Array]:
    """Return the operands of the first or second run, drawn from their states; constants are not drawn."""
    return [_drawn(held, trial, turn) for held in operands]


def _drawn(held: Held[Value], trial: RunPair, turn: int) -> Array:
    if held.constant is not None:
        return held.constant
    if held.is_computed and held.computation is not None:
        return held.computation(trial.draw)
    return KINDS[type(held.state)][0](held, trial, turn)
