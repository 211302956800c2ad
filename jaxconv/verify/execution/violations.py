"""The trials of `falsify`: run an example and all of its shifts in one compiled call, and compare with each law."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from jaxconv.jaxprs.layout import trace
from jaxconv.jaxprs.traverse import coarsest
from jaxconv.verify.array_json import as_numbers, wide
from jaxconv.verify.execution.candidate_laws import Lattice
from jaxconv.verify.execution.counterexample import Counterexample
from jaxconv.verify.execution.perturbed import NOISES, bounded, perturbed_outputs
from jaxconv.verify.execution.run import executing
from jaxconv.verify.execution.tolerance import doubt, gap, is_kind, tolerance
from jaxconv.verify.shifted_axes import Moves

CELLS = 2**23  # largest number of cells of all shifted inputs in one call
MOST = 64  # largest number of multiples of a shift in one call
Row = tuple[tuple[tuple[int, int], ...], int]  # (argument, axis) pairs that are shifted together, and the shift


@dataclass
class Trials:
    """Runs a function on an example and all of its shifts in one call, and keeps the results.

    A sample is the list of leaves, with a source in place of each shifted input. For cyclic shifts the source is the
    input. Otherwise it is longer at both ends, and x and every y are slices of it. So y is a shift of x for any content
    of the source, and shrinking may change any cell.
    """

    fn: Callable[..., Any]
    arguments: tuple[Any, ...]
    laws: tuple[Lattice, ...]
    keep: bool
    outcomes: dict[bytes, Counterexample | None] = field(default_factory=dict)
    responded: bool = False

    def __post_init__(self) -> None:
        self.leaves, self.structure = jax.tree.flatten(self.arguments)
        starts = [len(jax.tree.leaves(self.arguments[:number])) for number in range(len(self.arguments))]
        self.numbers = {number: starts[number] for law in self.laws for number, _ in law.shifted}
        cells = sum(math.prod(self.leaves[at].shape) for at in self.numbers.values())
        largest_count = max(4, min(MOST, CELLS // max(1, cells * len({law.shifted for law in self.laws}))))
        self.rows: list[Row] = []
        for law in self.laws:
            shifts = [(law.shifted, k * law.shift) for k in law.multiples(largest_count)]
            self.rows += [row for row in shifts if row not in self.rows]
        drawn = lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct) or (not self.keep and is_kind(leaf, np.inexact))
        moving = set(self.numbers.values())
        self.free = [i for i, leaf in enumerate(self.leaves) if i not in moving and drawn(leaf)]
        self.margins = self._margins()
        self.epsilon = coarsest(jax.make_jaxpr(self._outputs)(self.leaves))
        self._first: list[np.ndarray] | None = None
        self._batched, self._coarse = jax.jit(self._all_rows), jax.jit(self._all_noises)

    def sources(self) -> dict[int, tuple[int, ...]]:
        """The shape of the source of each shifted leaf."""
        return {
            at: tuple(n + 2 * self.margins.get((number, axis), 0) for axis, n in enumerate(self.leaves[at].shape))
            for number, at in self.numbers.items()
        }

    def simplest(self, at: int) -> np.ndarray:
        """The cells of a source in the order of shrinking: the cells of x first, then the others, nearest first."""
        shape, lengths = self.sources()[at], self.leaves[at].shape
        far = np.zeros(shape, np.int32)
        for axis, (n, length) in enumerate(zip(shape, lengths, strict=True)):
            i = np.arange(n) - (n - length) // 2
            outside = np.maximum(np.maximum(-i, i - length + 1), 0)
            far = far + outside.reshape([-1 if number == axis else 1 for number in range(len(shape))])
        return np.argsort(far.ravel(), kind="stable")

    def judge(self, sample: list[Any]) -> Counterexample | None:
        """A counterexample at the smallest shift that violates a law beyond rounding, or None; cached by sample."""
        key = b"".join(np.asarray(sample[i]).tobytes() for i in [*self.free_numbers, *self.numbers.values()])
        if key not in self.outcomes:
            self.outcomes[key] = self._execute(sample)
        return self.outcomes[key]

    @property
    def free_numbers(self) -> list[int]:
        """The drawn leaves other than random keys."""
        return [i for i in self.free if not is_kind(self.leaves[i], jax.dtypes.prng_key)]

    def _execute(self, sample: list[Any]) -> Counterexample | None:
        windows = [self._windows(sample, row) for row in (None, *self.rows)]
        stacks = {at: np.stack([window[at] for window in windows]) for at in self.numbers.values()}
        with executing():
            outputs = [wide(y) for y in self._batched(sample, stacks)]
        self._notice([y[0] for y in outputs])
        for number, (shifted, cells) in sorted(enumerate(self.rows, start=1), key=lambda row: abs(row[1][1])):
            for law in self.laws:
                k, rest = divmod(cells, law.shift)
                if law.shifted != shifted or rest or (len(law.moves) > 1 and abs(k) > 1):
                    continue
                sides = outputs[law.leaf][0], outputs[law.leaf][number]
                zeros = np.zeros(sides[0].shape)
                if violation(law, k, *sides, zeros, zeros, self.epsilon) is None:
                    continue
                pair = windows[0], windows[number]
                before, after = (
                    self._rounding_bound(sample, *side, law.leaf) for side in zip(pair, sides, strict=True)
                )
                where = violation(law, k, *sides, before, after, self.epsilon)
                if where is not None:
                    return self._witness(sample, law, k, pair, sides, where)
        return None

    def _notice(self, outputs: list[np.ndarray]) -> None:
        """Set `responded` if the output differs from that of the first example."""
        if self._first is None:
            self._first = outputs
        elif any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(self._first, outputs, strict=True)):
            self.responded = True

    def _margins(self) -> dict[tuple[int, int], int]:
        """For each (argument, axis): the number of cells by which the source is longer than the input at either end."""
        margins: dict[tuple[int, int], int] = {}
        if self.laws[0].kind == "interior":
            for shifted, cells in self.rows:
                for pair in shifted:
                    margins[pair] = max(margins.get(pair, 0), abs(cells))
        return margins

    def _windows(self, sample: list[Any], row: Row | None) -> dict[int, np.ndarray]:
        """The shifted leaves of one row of the batch; the unshifted ones if `row` is None."""
        shifted, cells = row or ((), 0)
        windows = {}
        for number, at in self.numbers.items():
            window = sample[at]
            for axis, length in enumerate(self.leaves[at].shape):
                start = self.margins.get((number, axis), 0) - (cells if (number, axis) in shifted else 0)
                if start or window.shape[axis] != length:
                    window = window.take(np.arange(start, start + length), axis, mode="wrap")
            windows[at] = window
        return windows

    def _outputs(self, leaves: Sequence[Any]) -> list[Any]:
        return [as_numbers(y) for y in jax.tree.leaves(self.fn(*jax.tree.unflatten(self.structure, leaves)))]

    def _all_rows(self, sample: list[Any], stacks: Mapping[int, Any]) -> list[Any]:
        """The outputs of every row: batched, or one by one if the function cannot be batched."""

        def run(rows: Mapping[int, Any]) -> list[Any]:
            leaves = [rows.get(i, leaf) for i, leaf in enumerate(sample)]
            jaxpr, consts, _ = trace(self._outputs, [leaves])
            return bounded(jaxpr, consts, leaves)[0]  # if a loop is stopped early, the rounding bound is infinite

        try:
            return jax.vmap(run)(stacks)
        except NotImplementedError:
            return jax.lax.map(run, stacks)

    def _all_noises(self, leaves: list[Any]) -> tuple[list[Any], Any]:
        """The perturbed outputs for each noise, and whether anything overflowed."""
        jaxpr, consts, _ = trace(self._outputs, [leaves])
        return jax.lax.map(lambda noise: perturbed_outputs(jaxpr, consts, leaves, noise), np.stack(NOISES))

    def _rounding_bound(
        self, sample: list[Any], window: dict[int, np.ndarray], exact: np.ndarray, leaf: int
    ) -> np.ndarray:
        """How far rounding may move each cell of an output leaf."""
        with executing():
            noises, overflow = self._coarse([window.get(i, x) for i, x in enumerate(sample)])
        return doubt(wide(noises[leaf]), np.asarray(overflow), exact).max(axis=0)

    def _witness(
        self,
        sample: list[Any],
        law: Lattice,
        k: int,
        windows: tuple[dict[int, np.ndarray], dict[int, np.ndarray]],
        outputs: tuple[np.ndarray, np.ndarray],
        where: tuple[Moves, tuple[int, ...], tuple[int, ...]],
    ) -> Counterexample:
        tree = lambda window: jax.tree.unflatten(self.structure, [window.get(i, x) for i, x in enumerate(sample)])
        (before, after), (moves, origin, position) = outputs, where
        values = after[position].item(), before[origin].item()
        return Counterexample(law, k, moves, tree(windows[0]), tree(windows[1]), position, origin, *values)


def violation(
    law: Lattice,
    k: int,
    before: np.ndarray,
    after: np.ndarray,
    before_doubt: np.ndarray,
    after_doubt: np.ndarray,
    epsilon: float,
) -> tuple[Moves, tuple[int, ...], tuple[int, ...]] | None:
    """The moves and the two cells, of f(x) and f(shifted), that violate a law most; None if some moves satisfy it.

    `before_doubt` and `after_doubt` are the rounding bounds of the cells of `before` and `after`. With several
    candidate moves, the cells are those of the first one that leaves cells to compare.
    """
    allowed, worst = tolerance(before, after, epsilon), None
    for moves in law.moves:
        j_cells, p_cells = _cells(law, moves, k, before.shape)
        if not all(len(cells) for cells in j_cells):
            continue
        j, p = np.ix_(*j_cells), np.ix_(*p_cells)
        error = gap(after[p], before[j])
        beyond = error > allowed + after_doubt[p] + before_doubt[j]
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
    """Along each output axis, the cells of f(x) that the law constrains, and the cells of f(shifted) to compare."""
    steps = {axis: k * t for axis, t in moves}
    regions = {axis: (lo, hi) for axis, lo, hi in law.region}
    j_cells, p_cells = [], []
    for axis, length in enumerate(shape):
        t = steps.get(axis, 0)
        cells = np.arange(length)
        if law.kind == "interior" and axis in steps:
            lo, hi = regions.get(axis, (0, length))
            cells = np.arange(max(lo, lo - t), min(hi, hi - t))
        j_cells.append(cells)
        p_cells.append((cells + t) % length)
    return j_cells, p_cells
