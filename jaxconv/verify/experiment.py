"""An experiment: draw an input and its shifted twin, execute both, and say which moves the outputs violate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import jax
import numpy as np

from jaxconv.verify.claims import Witness
from jaxconv.verify.rounding import PHASES, coarsest, gap, is_kind, shaken, tolerance

LARGEST = 2**22  # cells of an input or an output: static analysis works at any size, execution should not
Moves = tuple[tuple[int, int], ...]  # (output axis, t) each


class CannotRunError(Exception):
    """The function raised, or there is nothing to execute, or too much."""


@dataclass(frozen=True)
class Outcome:
    """f(x) and f(y), how far rounding may move each of their cells, and the mismatch beyond which a cell counts."""

    before: np.ndarray
    after: np.ndarray
    before_doubt: np.ndarray
    after_doubt: np.ndarray
    tolerance: float

    def differ(self, j: Any, p: Any) -> np.ndarray:
        """Where f(y)[p] is not f(x)[j], for any indices that NumPy takes."""
        return gap(self.after[p], self.before[j]) > self.tolerance + self.after_doubt[p] + self.before_doubt[j]

    def mismatch(self, axis: int, t: int, j: np.ndarray) -> np.ndarray:
        """|f(y)[j + t] - f(x)[j]| along one axis."""
        return gap(self.after.take(j + t, axis, mode="wrap"), self.before.take(j, axis))


@dataclass(frozen=True)
class Experiment:
    """What stays the same from sample to sample. A sample is the list of leaves, with a source in place of the input.

    Input x and twin y are cut from the source: it is x itself if the shift is cyclic, else it is longer by the shift,
    and x and y are windows of it. So y is x shifted whatever the source holds, and shrinking may try anything.
    """

    run: Callable[..., np.ndarray]  # of the leaves, and of a phase that says how to shake them
    structure: Any
    leaves: list[Any]
    free: list[int]  # the leaves that the search draws, besides the source
    argument: int
    axis: int
    shift: int
    cyclic: bool
    output: tuple[int, ...]  # its shape, a scalar as one cell
    rank: int
    epsilon: float

    def draw(self, rng: np.random.Generator, whole: bool, signed: bool) -> list[Any]:
        """A dense sample. What enters or leaves at the border stands out in half of them: a sort follows most of it."""
        x, border = self.leaves[self.argument], 0 if self.cyclic else abs(self.shift)
        shape = tuple(n + border * (i == self.axis) for i, n in enumerate(x.shape))
        source = _draw(rng, shape, x.dtype, whole, True, False)
        if not whole and is_kind(x, np.inexact):
            np.moveaxis(source, self.axis, 0)[[*range(border), *range(-border, 0)]] *= 4
        drawn = {i: _draw(rng, self.leaves[i].shape, self.leaves[i].dtype, whole, signed, True) for i in self.free}
        return exchanged(self.leaves, drawn | {self.argument: source})

    def pair(self, sample: list[Any]) -> list[list[Any]]:
        """The leaves with x, and the leaves with y."""
        source, length = sample[self.argument], self.leaves[self.argument].shape[self.axis]
        start = 0 if self.cyclic else max(0, self.shift)
        windows = (np.arange(first, first + length) for first in (start, start - self.shift))
        return [exchanged(sample, {self.argument: source.take(cells, self.axis, mode="wrap")}) for cells in windows]

    def execute(self, sample: list[Any]) -> Outcome | None:
        """The outcome if it refutes beyond doubt. The doubt takes many more executions, so it comes last."""
        before, after = map(self.run, self.pair(sample))
        none = np.zeros(before.shape)
        outcome = Outcome(before, after, none, none, tolerance(before, after, self.epsilon))
        if not self.refuted(outcome):
            return None
        x, y = self.pair(sample)
        before_doubt = np.max([none, *(gap(self.run(x, phase), before) for phase in PHASES)], axis=0)
        after_doubt = np.max([none, *(gap(self.run(y, phase), after) for phase in PHASES)], axis=0)
        outcome = Outcome(before, after, before_doubt, after_doubt, outcome.tolerance)
        return outcome if self.refuted(outcome) else None

    def refuted(self, outcome: Outcome) -> bool:
        """Whether this one sample will do as a witness."""
        if self.cyclic:
            return _no_roll(outcome)
        (axis, t), (j,) = self.natural(), self.natural_cells()
        centre = (slice(None),) * axis
        return bool(outcome.differ((*centre, j), (*centre, j + t)).any()) and self.error(outcome) > outcome.tolerance

    def natural(self) -> tuple[int, int]:
        """The move (output axis, t) that a reader expects: the input's own, or none if it has no room."""
        same = self.axis < len(self.output) and abs(self.shift) < self.output[self.axis]
        return (self.axis, self.shift) if same else (0, 0)

    def natural_cells(self) -> np.ndarray:
        """The cells j at which a witness speaks of the natural move: all if it is cyclic, else the central one."""
        axis, t = self.natural()
        cells = self.cells(axis, t)
        return cells if self.cyclic else cells[[len(cells) // 2]]

    def cells(self, axis: int, t: int) -> np.ndarray:
        """All j along an output axis for which j + t is an index too."""
        length = self.output[axis]
        return np.arange(length) if self.cyclic else np.arange(max(0, -t), length - max(0, t))

    def moves(self) -> list[tuple[int, int]]:
        """All moves (output axis, t) along one axis: the rolls if cyclic, else each t up to twice the natural ones."""
        if self.cyclic:
            return [(b, t) for b, m in enumerate(self.output) for t in range(m)]
        bounds = [min(m - 1, 2 * max(2, *map(abs, self.rates(b)))) for b, m in enumerate(self.output)]
        return [(b, t) for b, most in enumerate(bounds) for t in range(-most, most + 1)]

    def rates(self, axis: int) -> tuple[int, int]:
        """The shift as it is, and scaled to an output axis of another length."""
        return self.shift, round(self.shift * self.output[axis] / self.leaves[self.argument].shape[self.axis])

    def joint_moves(self) -> Iterator[Moves]:
        """All moves along one axis, and the natural ones, either way, along two (attention maps move diagonally)."""
        yield from ((move,) for move in self.moves())
        for axes in combinations(range(len(self.output)), 2):
            steps = ({sign * t for t in self.rates(b) for sign in (1, -1) if 0 < abs(t) < self.output[b]} for b in axes)
            yield from (tuple(zip(axes, t, strict=True)) for t in product(*steps))

    def grid(self, moves: Moves) -> np.ndarray:
        """The cells of a move along one or more axes: a row of indices j each."""
        cells = np.meshgrid(*(self.cells(b, t) for b, t in moves), indexing="ij")
        return np.stack(cells, axis=-1).reshape(-1, len(moves))

    def error(self, outcome: Outcome) -> float:
        """The largest mismatch at the best move along one axis."""
        return float(min(outcome.mismatch(b, t, self.cells(b, t)).max() for b, t in self.moves()))

    def witness(self, sample: list[Any], outcome: Outcome) -> Witness:
        """The sample as the caller's own trees."""
        arguments, shifted = (jax.tree.unflatten(self.structure, leaves) for leaves in self.pair(sample))
        (axis, t), j = self.natural(), self.natural_cells()
        off = outcome.mismatch(axis, t, j)
        worst = [int(index) for index in np.unravel_index(off.argmax(), off.shape)]
        worst[axis] = int(j[worst[axis]] + t) % self.output[axis]
        return Witness(arguments, shifted, self.shift, self.error(outcome), tuple(worst)[: self.rank])


def prepare(
    fn: Callable, arguments: tuple, argument: int, axis: int, leaf: int, shift: int, cyclic: bool, free: bool
) -> Experiment:
    """Trace the function; its first run compiles it."""
    leaves, structure = jax.tree.flatten(arguments)
    shape = leaves[argument].shape

    def output(leaves: list[Any]) -> Any:
        return jax.tree.leaves(fn(*jax.tree.unflatten(structure, leaves)))[leaf]

    def coarse(leaves: list[Any], phase: Any) -> Any:
        return shaken(closed.jaxpr, [(x, True) for x in leaves], phase, closed.consts)[0][0]

    def guarded(call: Callable[..., Any], *operands: Any) -> Any:
        try:
            with jax.default_matmul_precision("highest"):
                return call(*operands)
        except Exception as error:  # whatever it raises: without outputs there is no counterexample
            raise CannotRunError from error

    def run(leaves: list[Any], phase: float | None = None) -> np.ndarray:
        y = guarded(lambda: np.asarray(exact(leaves) if phase is None else jitted_coarse(leaves, phase)))
        return np.atleast_1d(y.astype(complex if np.iscomplexobj(y) else float))

    closed = guarded(jax.make_jaxpr(output), leaves)
    exact, jitted_coarse = jax.jit(output), jax.jit(coarse)
    to = closed.out_avals[0].shape
    if not (shift and (cyclic or abs(shift) < shape[axis]) and all(0 < math.prod(s) <= LARGEST for s in (shape, to))):
        raise CannotRunError
    drawn = [isinstance(x, jax.ShapeDtypeStruct) or (free and is_kind(x, np.inexact)) for x in leaves]
    free_leaves = [i for i, is_drawn in enumerate(drawn) if is_drawn and i != argument]
    where = (argument, axis % len(shape), shift, cyclic)
    return Experiment(run, structure, leaves, free_leaves, *where, to or (1,), len(to), coarsest(closed))


def _no_roll(outcome: Outcome) -> bool:
    """Whether f(y) is no roll of f(x), t = 0 included. That peaks must meet leaves few rolls to try in full."""
    shape = outcome.before.shape
    rolls = cells = np.stack(np.unravel_index(np.arange(outcome.before.size), shape), axis=-1)

    def differ(j: np.ndarray, p: np.ndarray) -> np.ndarray:
        return outcome.differ(tuple((j % shape).T), tuple((p % shape).T))

    for j, p in zip(cells[_peaks(outcome.before)], cells[_peaks(outcome.after)], strict=True):
        rolls = rolls[~differ(j, j + rolls)]
        rolls = rolls[~differ(p - rolls, p)]
    # Where many are left the output is all but constant: nothing to show a reader.
    return len(rolls) <= 64 and all(differ(cells, cells + t).any() for t in rolls)


def _peaks(array: np.ndarray) -> np.ndarray:
    """The 16 cells that stand out most."""
    size = np.abs(array.ravel())
    with np.errstate(invalid="ignore"):
        return np.argsort(-np.abs(size - np.median(size)), kind="stable")[:16]


def _draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, whole: bool, signed: bool, scaled: bool) -> Any:
    """Small whole numbers but zero, or reals (scaled by the fan-in, lest deep networks overflow)."""
    if jax.numpy.issubdtype(dtype, jax.dtypes.prng_key):
        keys = (jax.random.key(int(rng.integers(2**31)), impl=impl) for impl in ("threefry2x32", "rbg", "unsafe_rbg"))
        return jax.random.split(next(key for key in keys if key.dtype == dtype), shape)
    if jax.numpy.issubdtype(dtype, np.bool_):
        return rng.random(shape) < 0.5
    real = jax.numpy.issubdtype(dtype, np.inexact) and not whole
    top = 4 if whole or real else min(255, jax.numpy.iinfo(dtype).max)
    value = np.abs(rng.normal(size=shape)) if real else rng.integers(1, top, shape, endpoint=True)
    if real and scaled:
        value = value / np.sqrt(max(1, math.prod(shape[:-1])))
    if signed and not jax.numpy.issubdtype(dtype, np.unsignedinteger):
        value = value * rng.choice((-1, 1), shape)
    if jax.numpy.issubdtype(dtype, np.complexfloating):
        value = value + 1j * rng.permutation(value.ravel()).reshape(shape)
    return value.astype(dtype)


def exchanged(sample: list[Any], new: dict[int, Any]) -> list[Any]:
    """The sample with some of its leaves exchanged."""
    return [new.get(i, leaf) for i, leaf in enumerate(sample)]
