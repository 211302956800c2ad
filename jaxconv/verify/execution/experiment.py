"""Experiments of the search for counterexamples: draw arguments, and execute the function on all shifts of them."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import jax
import numpy as np

from jaxconv.jaxprs.typing import ArrayValue, PyTree, with_leaves
from jaxconv.verify import array_json
from jaxconv.verify.claims import Sample
from jaxconv.verify.execution.draw import exchanged, is_drawn, random_numbers
from jaxconv.verify.execution.outcome import Outcome, outcome
from jaxconv.verify.execution.perturbed import NOISES
from jaxconv.verify.execution.program import Program
from jaxconv.verify.execution.run import FAILURES, executing
from jaxconv.verify.execution.tolerance import is_kind
from jaxconv.verify.execution.windows import Windows

LARGEST = 2**22  # largest number of cells of an input or output; larger functions are analysed but not executed
CELLS = 2**23  # largest number of cells of an intermediate value in one call, over all shifts executed together
ROWS = 8  # inputs executed together: a cyclic claim needs no more, and all axes share one compilation
LEAST = 8  # shifts that are tried whatever the budget: all that a cyclic claim needs
WORK = 2**30  # cells of all intermediate values of one sample, over all shifts and noises
SECONDS = 60.0  # time limit of one search, checked between two calls of the compiled function


class CannotRunError(Exception):
    """The function cannot be executed here, has nothing to execute, or is too large."""


@dataclass(frozen=True)
class Experiment:
    """The parts of a search that all draws share. A draw is the list of leaves, with a source in place of the input.

    Attributes:
        program: the function.
        arguments: its arguments.
        leaves: their leaves: arrays, and shapes of what is drawn.
        argument: the leaf that is shifted.
        number: the output leaf that is compared.
        free: the leaves that the search draws, in addition to the source.
        axis: the axis that is shifted.
        windows: x and the shifted inputs, as windows of a source.
        until: the time limit, in seconds of `time.monotonic`.
    """

    program: Program
    arguments: tuple[PyTree, ...]
    leaves: list[ArrayValue]
    argument: int
    number: int
    free: list[int]
    axis: int
    windows: Windows
    until: float = math.inf

    @property
    def cyclic(self) -> bool:
        """Whether shifts are cyclic."""
        return self.windows.cyclic

    @property
    def shifts(self) -> tuple[int, ...]:
        """The shifts, one for each row of an outcome."""
        return tuple(shift for _, shift in self.windows.rows)

    @property
    def output(self) -> tuple[int, ...]:
        """The shape of the compared output; (1,) for a scalar."""
        return self.shape or (1,)

    @functools.cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape of the output, or of its data if it is an array of random keys."""
        return jax.eval_shape(array_json.as_numbers, self.program.outputs[self.number][1]).shape

    @property
    def margin(self) -> int:
        """The number of cells by which the source is longer than the input."""
        return self.windows.margins.get((self.argument, self.axis), (0, 0))[0]

    def draw(self, rng: np.random.Generator, whole: bool, signed: bool) -> list[ArrayValue]:
        """A dense draw. In draws of real floats, the cells that enter or leave at the border are 4 times larger.

        Otherwise most positions of a sorted output would agree with a move.
        """
        x, border = self.leaves[self.argument], self.margin
        shape = tuple(n + border * (i == self.axis) for i, n in enumerate(x.shape))
        source = np.asarray(array_json.as_numbers(random_numbers(rng, shape, x.dtype, whole=whole, signed=True)))
        if not whole and is_kind(x, np.inexact):
            np.moveaxis(source, self.axis, 0)[[*range(border), *range(-border, 0)]] *= 4
        drawn = {
            i: random_numbers(rng, leaf.shape, leaf.dtype, whole=whole, signed=signed, scaled=True)
            for i, leaf in enumerate(self.leaves)
            if i in self.free
        }
        return exchanged(self.leaves, drawn | {self.argument: source})

    def sample(self, draw: list[ArrayValue]) -> Sample:
        """A draw as pytrees of the caller's structure."""
        source: np.ndarray = draw[self.argument]
        cells = np.arange(int(source.shape[self.axis]))
        read: Callable[[np.ndarray], ArrayValue] = lambda cells: array_json.as_keys(
            source.take(cells, self.axis), self.leaves[self.argument]
        )
        x = read(cells[self.margin :])
        entering = None if self.cyclic else read(cells[: self.margin])
        return Sample(with_leaves(self.arguments, exchanged(draw, {self.argument: x})), entering)

    def execute(self, draw: list[ArrayValue]) -> Outcome:
        """f(x), f(y) for each shift, and the tolerance of each cell, without the rounding bounds."""
        with _guarded():
            stacks, size = self._rows(draw)
            (y,), unknown = self.program.execute((self.number,), draw, stacks, size=size, until=self.until)
        return outcome(y.reshape(len(y), *self.output), unknown, self.program.epsilon)

    def with_rounding_bounds(self, draw: list[ArrayValue], found: Outcome) -> Outcome:
        """The outcome with the rounding bound of each cell added. It takes one more execution for each noise."""
        exact = np.concatenate([found.before[None], found.after])
        with _guarded():
            stacks, size = self._rows(draw)
            rows = exact.reshape(len(exact), *self.shape)
            bounds = self.program.rounding_bounds(self.number, draw, stacks, rows, size=size, until=self.until)
        return found.widened(bounds.reshape(exact.shape))

    def _rows(self, draw: list[ArrayValue]) -> tuple[dict[int, np.ndarray], int]:
        """The rows to execute for a draw, x and each y, and how many of them at most in one call."""
        cells = math.prod(self.leaves[self.argument].shape)
        size = max(1, min(ROWS, CELLS // max(cells, self.program.work[1])))
        return self.windows.stacks({self.argument: draw[self.argument]}), size


def prepare(
    program: Program,
    arguments: tuple[PyTree, ...],
    argument: int,
    number: int,
    axis: int,
    shifts: Sequence[int],
    *,
    cyclic: bool,
    free_parameters: bool,
    until: float = math.inf,
) -> Experiment:
    """An experiment with a program; it keeps the first shifts, as many as the budget `WORK` allows.

    Raises:
        CannotRunError: no shift remains, or the function is too large.
    """
    leaves: list[ArrayValue] = jax.tree.leaves(arguments)
    x, output = leaves[argument], program.outputs[number][1]
    axis, cells = axis % len(x.shape), math.prod(x.shape)
    shifts = [shift for shift in shifts if 0 < shift < x.shape[axis]]
    if not shifts or not all(0 < size <= LARGEST for size in (cells, output.size)):
        raise CannotRunError
    shifts = shifts[: max(LEAST, WORK // ((cells + program.work[0]) * (1 + len(NOISES))))]
    free = [i for i, leaf in enumerate(leaves) if i != argument and is_drawn(leaf, free_parameters=free_parameters)]
    rows = tuple((((argument, axis),), shift) for shift in shifts)
    return Experiment(
        program, arguments, leaves, argument, number, free, axis, Windows({argument: x.shape}, rows, cyclic), until
    )


@contextlib.contextmanager
def _guarded() -> Generator[None]:
    """A failed execution raises CannotRunError, since it gives no counterexample."""
    try:
        with executing():
            yield
    except FAILURES as error:
        raise CannotRunError from error
