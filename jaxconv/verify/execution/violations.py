"""Looking for violations: one compiled call for an example and all of its shifts, and whether a law fails there."""

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
from jaxconv.verify.execution.perturbed import NOISES, bounded, shaken
from jaxconv.verify.execution.run import executing
from jaxconv.verify.execution.tolerance import doubt, gap, is_kind, tolerance
from jaxconv.verify.shifted_axes import Moves

CELLS = 2**23  # cells of all shifted inputs together, in one call
MOST = 64  # multiples of a shift, in one call
Row = tuple[tuple[tuple[int, int], ...], int]  # (argument, axis) pairs that are shifted together, and by how many cells


@dataclass
class Trials:
    """The experiment that is run for each example: one call of the function on the input and all of its shifts.

    A sample is the list of leaves, with a source in place of each shifted input: the input itself if shifts are cyclic,
    else an image that is longer at both ends, of which x and every y are windows. So y is x shifted whatever the source
    holds, and shrinking may try anything.
    """

    fn: Callable[..., Any]
    arguments: tuple[Any, ...]
    laws: tuple[Lattice, ...]
    keep: bool
    outcomes: dict[bytes, Counterexample | None] = field(default_factory=dict)
    responded: bool = False

    def __post_init__(self) -> None:
        self.leaves, self.structure = jax.tree.flatten(self.arguments)
        first = [len(jax.tree.leaves(self.arguments[:number])) for number in range(len(self.arguments))]
        self.numbers = {number: first[number] for law in self.laws for number, _ in law.shifted}
        cells = sum(math.prod(self.leaves[at].shape) for at in self.numbers.values())
        most = max(4, min(MOST, CELLS // max(1, cells * len({law.shifted for law in self.laws}))))
        self.rows: list[Row] = []
        for law in self.laws:
            shifts = [(law.shifted, k * law.shift) for k in law.multiples(most)]
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
        """The cells of a source in the order of shrinking: those of x itself first, then the others, nearest first."""
        shape, lengths = self.sources()[at], self.leaves[at].shape
        far = np.zeros(shape, np.int32)
        for axis, (n, length) in enumerate(zip(shape, lengths, strict=True)):
            i = np.arange(n) - (n - length) // 2
            outside = np.maximum(np.maximum(-i, i - length + 1), 0)
            far = far + outside.reshape([-1 if other == axis else 1 for other in range(len(shape))])
        return np.argsort(far.ravel(), kind="stable")

    def judge(self, sample: list[Any]) -> Counterexample | None:
        """The nearest shift at which some law fails beyond doubt, if there is one; the same sample is run once."""
        key = b"".join(np.asarray(sample[i]).tobytes() for i in [*self.free_numbers, *self.numbers.values()])
        if key not in self.outcomes:
            self.outcomes[key] = self._execute(sample)
        return self.outcomes[key]

    @property
    def free_numbers(self) -> list[int]:
        """The drawn leaves that are no random keys."""
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
                none = np.zeros(sides[0].shape)
                if violation(law, k, *sides, none, none, self.epsilon) is None:
                    continue
                pair = windows[0], windows[number]
                before, after = (self._doubt(sample, *one, law.leaf) for one in zip(pair, sides, strict=True))
                where = violation(law, k, *sides, before, after, self.epsilon)
                if where is not None:
                    return self._witness(sample, law, k, pair, sides, where)
        return None

    def _notice(self, outputs: list[np.ndarray]) -> None:
        """Whether the output depends on the example at all."""
        if self._first is None:
            self._first = outputs
        elif any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(self._first, outputs, strict=True)):
            self.responded = True

    def _margins(self) -> dict[tuple[int, int], int]:
        """By how much each source is longer than its input, at either end of each axis."""
        margins: dict[tuple[int, int], int] = {}
        if self.laws[0].kind == "interior":
            for shifted, cells in self.rows:
                for where in shifted:
                    margins[where] = max(margins.get(where, 0), abs(cells))
        return margins

    def _windows(self, sample: list[Any], row: Row | None) -> dict[int, np.ndarray]:
        """The shifted leaves as one row of the batch has them."""
        shifted, cells = row or ((), 0)
        found = {}
        for number, at in self.numbers.items():
            window = sample[at]
            for axis, length in enumerate(self.leaves[at].shape):
                start = self.margins.get((number, axis), 0) - (cells if (number, axis) in shifted else 0)
                if start or window.shape[axis] != length:
                    window = window.take(np.arange(start, start + length), axis, mode="wrap")
            found[at] = window
        return found

    def _outputs(self, leaves: Sequence[Any]) -> list[Any]:
        return [as_numbers(y) for y in jax.tree.leaves(self.fn(*jax.tree.unflatten(self.structure, leaves)))]

    def _all_rows(self, sample: list[Any], stacks: Mapping[int, Any]) -> list[Any]:
        """The outputs of every row: all at once, or in turn where the function cannot be batched."""

        def one(rows: Mapping[int, Any]) -> list[Any]:
            leaves = [rows.get(i, leaf) for i, leaf in enumerate(sample)]
            jaxpr, consts, _ = trace(self._outputs, [leaves])
            return bounded(jaxpr, consts, leaves)[0]  # if a loop was cut short, the rounding in doubt is infinite

        try:
            return jax.vmap(one)(stacks)
        except NotImplementedError:
            return jax.lax.map(one, stacks)

    def _all_noises(self, leaves: list[Any]) -> tuple[list[Any], Any]:
        """The outputs, rounded more coarsely, this way and that, and whether anything overflowed."""
        jaxpr, consts, _ = trace(self._outputs, [leaves])
        return jax.lax.map(lambda noise: shaken(jaxpr, consts, leaves, noise), np.stack(NOISES))

    def _doubt(self, sample: list[Any], window: dict[int, np.ndarray], exact: np.ndarray, leaf: int) -> np.ndarray:
        """How far rounding may move each cell of an output."""
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
    """The moves, and the cells of f(x) and f(shifted), that differ most; None if some moves answer the shift."""
    allowed, worst = tolerance(before, after, epsilon), None
    for moves in law.moves:
        here, there = _cells(law, moves, k, before.shape)
        if not all(len(cells) for cells in here):
            continue
        j, p = np.ix_(*here), np.ix_(*there)
        off = gap(after[p], before[j])
        beyond = off > allowed + after_doubt[p] + before_doubt[j]
        if not beyond.any():
            return None
        if worst is None:
            at = np.unravel_index(np.argmax(np.where(beyond, off, 0)), off.shape)
            origin, position = ([int(cells[i]) for cells, i in zip(side, at, strict=True)] for side in (here, there))
            worst = moves, tuple(origin), tuple(position)
    return worst


def _cells(law: Lattice, moves: Moves, k: int, shape: tuple[int, ...]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Along each output axis the cells of f(x) that the law speaks of, and the cells of f(shifted) to compare."""
    steps = {axis: k * t for axis, t in moves}
    regions = {axis: (lo, hi) for axis, lo, hi in law.region}
    here, there = [], []
    for axis, length in enumerate(shape):
        t = steps.get(axis, 0)
        cells = np.arange(length)
        if law.kind == "interior" and axis in steps:
            lo, hi = regions.get(axis, (0, length))
            cells = np.arange(max(lo, lo - t), min(hi, hi - t))
        here.append(cells)
        there.append((cells + t) % length)
    return here, there
