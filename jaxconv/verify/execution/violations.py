"""The trials of `falsify`: run an example and all of its shifts in one compiled call, and compare with each law."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import jax
import numpy as np

from jaxconv.jaxprs.typing import ArrayValue, PyTree, with_leaves
from jaxconv.verify.claim_kinds import KINDS
from jaxconv.verify.execution.candidate_laws import Lattice
from jaxconv.verify.execution.counterexample import Counterexample
from jaxconv.verify.execution.draw import exchanged, is_drawn
from jaxconv.verify.execution.outcome import Outcome, outcome
from jaxconv.verify.execution.program import Program
from jaxconv.verify.execution.run import executing
from jaxconv.verify.execution.tolerance import gap, is_kind
from jaxconv.verify.execution.windows import LeafAxes, LeafShift, Windows
from jaxconv.verify.shifted_axes import Moves

CELLS = 2**23  # largest number of cells of all shifted inputs in one call
MOST = 64  # largest number of multiples of a shift in one call


@dataclass
class Trials:
    """Runs a function on an example and all of its shifts in one call, and keeps the results.

    A sample is the list of leaves, with a source in place of each shifted input: see `Windows`.
    """

    program: Program
    arguments: tuple[PyTree, ...]
    laws: tuple[Lattice, ...]
    keep: bool
    outcomes: dict[bytes, Counterexample | None] = field(default_factory=dict[bytes, Counterexample | None])
    responded: bool = False

    def __post_init__(self) -> None:
        self.leaves: list[ArrayValue] = jax.tree.leaves(self.arguments)
        self.windows = self._windows()
        drawn = (i for i, leaf in enumerate(self.leaves) if is_drawn(leaf, free_parameters=not self.keep))
        self.free = [i for i in drawn if i not in self.windows.shapes]
        self._first: list[np.ndarray] | None = None

    @property
    def rows(self) -> tuple[LeafShift, ...]:
        """The shifts that are tried, for all laws."""
        return self.windows.rows

    @property
    def sources(self) -> Mapping[int, tuple[int, ...]]:
        """The shape of each source."""
        return self.windows.sources

    def simplest(self, at: int) -> np.ndarray:
        """The cells of a source in the order of shrinking: the cells of x first, then the others, nearest first."""
        shape, lengths = self.windows.sources[at], self.windows.shapes[at]
        far = np.zeros(shape, np.int32)
        for axis, (n, length) in enumerate(zip(shape, lengths, strict=True)):
            i = np.arange(n) - self.windows.margins.get((at, axis), (0, 0))[0]
            outside = np.maximum(np.maximum(-i, i - length + 1), 0)
            far = far + outside.reshape([-1 if number == axis else 1 for number in range(len(shape))])
        return np.argsort(far.ravel(), kind="stable")

    def judge(self, sample: list[ArrayValue]) -> Counterexample | None:
        """A counterexample at the smallest shift that violates a law beyond rounding, or None; cached by sample."""
        drawn = [*self.windows.shapes, *(i for i in self.free if not is_kind(self.leaves[i], jax.dtypes.prng_key))]
        key = b"".join(np.asarray(sample[i]).tobytes() for i in drawn)
        if key not in self.outcomes:
            self.outcomes[key] = self._execute(sample)
        return self.outcomes[key]

    def _execute(self, sample: list[ArrayValue]) -> Counterexample | None:
        with executing():
            stacks = self.windows.stacks(dict(enumerate(sample)))
            outputs, unknown = self.program.execute(range(len(self.program.outputs)), sample, stacks)
        self._notice([y[0] for y in outputs])
        found = [outcome(y, unknown, self.program.epsilon) for y in outputs]
        for number, row in sorted(enumerate(self.rows), key=lambda numbered: abs(numbered[1][1])):
            for law in self.laws:
                k, rest = divmod(row[1], law.shift)
                if self._along(law) != row[0] or rest or (len(law.moves) > 1 and abs(k) > 1):
                    continue
                pair = found[law.leaf].row(number)
                if violation(law, k, pair) and (where := violation(law, k, self._widened(sample, row, law, pair))):
                    return self._witness(sample, law, k, row, pair, where)
        return None

    def _notice(self, outputs: list[np.ndarray]) -> None:
        """Set `responded` if the output differs from that of the first example."""
        if self._first is None:
            self._first = outputs
        elif any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(self._first, outputs, strict=True)):
            self.responded = True

    def _along(self, law: Lattice) -> LeafAxes:
        """The (leaf, axis) pairs that a law shifts."""
        first = [len(jax.tree.leaves(self.arguments[:number])) for number in range(len(self.arguments))]
        return tuple((first[argument], axis) for argument, axis in law.shifted)

    def _windows(self) -> Windows:
        """The shifted inputs of all laws."""
        shapes = {leaf: tuple(self.leaves[leaf].shape) for law in self.laws for leaf, _ in self._along(law)}
        cells = sum(map(math.prod, shapes.values()))
        most = max(4, min(MOST, CELLS // max(1, cells * len({law.shifted for law in self.laws}))))
        rows = [(self._along(law), k * law.shift) for law in self.laws for k in law.multiples(most)]
        return Windows(shapes, tuple(dict.fromkeys(rows)), KINDS[self.laws[0].kind].wraps)

    def _widened(self, sample: list[ArrayValue], row: LeafShift, law: Lattice, pair: Outcome) -> Outcome:
        """The outcome of one shift with the rounding bounds of all cells."""
        exact = np.stack([pair.before, pair.after])
        with executing():
            stacks = self.windows.stacks(dict(enumerate(sample)), [row])
            return pair.widened(self.program.rounding_bounds(law.leaf, sample, stacks, exact))

    def _witness(
        self,
        sample: list[ArrayValue],
        law: Lattice,
        k: int,
        row: LeafShift,
        pair: Outcome,
        where: tuple[Moves, tuple[int, ...], tuple[int, ...]],
    ) -> Counterexample:
        sides = [self.windows.window(dict(enumerate(sample)), one) for one in (((), 0), row)]
        before, after = (with_leaves(self.arguments, exchanged(sample, side)) for side in sides)
        moves, origin, position = where
        values = pair.after[position].item(), pair.before[origin].item()
        return Counterexample(law, k, moves, before, after, position, origin, *values)


def violation(law: Lattice, k: int, pair: Outcome) -> tuple[Moves, tuple[int, ...], tuple[int, ...]] | None:
    """The moves and the two cells, of f(x) and f(shifted), that violate a law most; None if some moves satisfy it.

    With several candidate moves, the cells are those of the first one that leaves cells to compare.
    """
    worst = None
    for moves in law.moves:
        j_cells, p_cells = _cells(law, moves, k, pair.before.shape)
        if not all(len(cells) for cells in j_cells):
            continue
        j, p = np.ix_(*j_cells), np.ix_(*p_cells)
        error, beyond = gap(pair.after[p], pair.before[j]), pair.differ(j, p)
        if not beyond.any():
            return None
        if worst is None:
            at = np.unravel_index(np.argmax(np.where(beyond, error, 0)), error.shape)
            origin, position = (
                [int(cells[i]) for cells, i in zip(side, at, strict=True)] for side in (j_cells, p_cells)
            )
            worst = moves, tuple(origin), tuple(position)
    return worst


def _cells(law: Lattice, moves: Moves, k: int, shape: tuple[int, ...]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """LeafAxes each output axis, the cells of f(x) that the law constrains, and the cells of f(shifted) to compare."""
    steps = {axis: k * t for axis, t in moves}
    regions = {axis: (lo, hi) for axis, lo, hi in law.region}
    j_cells: list[np.ndarray] = []
    p_cells: list[np.ndarray] = []
    for axis, length in enumerate(shape):
        t = steps.get(axis, 0)
        cells = np.arange(length)
        if not KINDS[law.kind].wraps and axis in steps:
            lo, hi = regions.get(axis, (0, length))
            cells = np.arange(max(lo, lo - t), min(hi, hi - t))
        j_cells.append(cells)
        p_cells.append((cells + t) % length)
    return j_cells, p_cells
