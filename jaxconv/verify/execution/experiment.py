"""Experiments: draw a sample of arguments and execute the function on all shifts of it in one compiled call."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import jax
import numpy as np

from jaxconv.jaxprs.traverse import coarsest, equations, work
from jaxconv.verify import array_json
from jaxconv.verify.claims import Sample
from jaxconv.verify.execution.moves import Outcome
from jaxconv.verify.execution.perturbed import NOISES, bounded, perturbed_outputs
from jaxconv.verify.execution.run import FAILURES, compiler_options, executing
from jaxconv.verify.execution.tolerance import doubt, is_kind, tolerance

LARGEST = 2**22  # largest number of cells of an input or output; larger functions are analysed but not executed
CELLS = 2**23  # largest number of cells of an intermediate value in one call, over all shifts executed together
ROWS = 8  # inputs executed together: a cyclic claim needs no more, and all axes share one compilation
LEAST = 8  # shifts that are tried whatever the budget: all that a cyclic claim needs
WORK = 2**30  # cells of all intermediate values of one sample, over all shifts and noises
SECONDS = 60.0  # time limit of one search, checked between two calls of the compiled function
LONGER = 8  # estimated compilation time of the perturbed function, as a multiple of the function's


class CannotRunError(Exception):
    """The function cannot be executed here, has nothing to execute, or is too large."""


class TooLateError(Exception):
    """The time limit of a search has passed."""


# Takes the leaves, a stack of inputs, the time limit and optionally a noise. Returns the outputs, and which of them
# overflowed.
Run: TypeAlias = Callable[..., tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Program:
    """A function, traced once and compiled once for all shifts along all axes."""

    run: Run
    structure: Any
    leaves: list[Any]
    argument: int  # the leaf that is shifted
    output: tuple[int, ...]  # the output's shape; (1,) for a scalar
    rank: int
    epsilon: float
    work: int  # cells of all intermediate values


@dataclass(frozen=True)
class Experiment:
    """The parts of a search that all draws share. A draw is the list of leaves, with a source in place of the input.

    The input x and each shifted y are slices of the source. For cyclic shifts the source is x. Otherwise it is longer
    than x by the largest shift. So y is a shift of x for any content of the source, and shrinking may change any cell.
    The source of random keys is their data.
    """

    program: Program
    free: list[int]  # the leaves that the search draws, in addition to the source
    axis: int
    shifts: tuple[int, ...]
    cyclic: bool
    until: float = math.inf  # the time limit, in seconds of `time.monotonic`

    @property
    def margin(self) -> int:
        """The number of cells by which the source is longer than the input."""
        return 0 if self.cyclic else max(self.shifts)

    def draw(self, rng: np.random.Generator, whole: bool, signed: bool) -> list[Any]:
        """A dense draw. In draws of real floats, the cells that enter or leave at the border are 4 times larger.

        Otherwise most positions of a sorted output would agree with a move.
        """
        x, border = self.program.leaves[self.program.argument], self.margin
        shape = tuple(n + border * (i == self.axis) for i, n in enumerate(x.shape))
        source = np.asarray(array_json.as_numbers(_draw(rng, shape, x.dtype, whole, True, False)))
        if not whole and is_kind(x, np.inexact):
            np.moveaxis(source, self.axis, 0)[[*range(border), *range(-border, 0)]] *= 4
        drawn = {
            i: _draw(rng, self.program.leaves[i].shape, self.program.leaves[i].dtype, whole, signed, True)
            for i in self.free
        }
        return exchanged(self.program.leaves, drawn | {self.program.argument: source})

    def sample(self, draw: list[Any]) -> Sample:
        """A draw as pytrees of the caller's structure."""
        source, cells = draw[self.program.argument], np.arange(draw[self.program.argument].shape[self.axis])
        read = lambda cells: array_json.as_keys(
            source.take(cells, self.axis), self.program.leaves[self.program.argument]
        )
        x = read(cells[self.margin :])
        entering = None if self.cyclic else read(cells[: self.margin])
        return Sample(jax.tree.unflatten(self.program.structure, exchanged(draw, {self.program.argument: x})), entering)

    def execute(self, draw: list[Any]) -> Outcome:
        """f(x), f(y) for each shift, and the tolerance of each cell, without the rounding bounds."""
        outputs, cut_short = self.program.run(draw, self._inputs(draw), self.until)
        allowed = [tolerance(outputs[0], y, self.program.epsilon) for y in outputs[1:]]
        allowed = np.where(cut_short[1:], np.inf, allowed).reshape(-1, *[1] * len(self.program.output))
        before = np.full(self.program.output, np.inf if cut_short[0] else 0.0)
        return Outcome(outputs[0], outputs[1:], before, np.broadcast_to(allowed, (len(allowed), *self.program.output)))

    def doubted(self, draw: list[Any], outcome: Outcome) -> Outcome:
        """The outcome with the rounding bound of each cell added. It takes one more execution for each noise."""
        inputs, exact = self._inputs(draw), np.concatenate([outcome.before[None], outcome.after])
        bounds = np.zeros(exact.shape)
        for noise in NOISES:
            bounds = np.maximum(bounds, doubt(*self.program.run(draw, inputs, self.until, noise), exact))
        return Outcome(outcome.before, outcome.after, bounds[0], outcome.after_tolerance + bounds[1:])

    def _inputs(self, draw: list[Any]) -> np.ndarray:
        """x and the y of each shift, stacked."""
        source, length = draw[self.program.argument], self.program.leaves[self.program.argument].shape[self.axis]
        starts = [self.margin - shift for shift in (0, *self.shifts)]
        return np.stack([source.take(np.arange(first, first + length), self.axis, mode="wrap") for first in starts])


def prepare(
    program: Program, axis: int, shifts: Sequence[int], cyclic: bool, free: bool, until: float = math.inf
) -> Experiment:
    """An experiment with a program; it keeps the first shifts, as many as the budget `WORK` allows."""
    leaves, shape = program.leaves, program.leaves[program.argument].shape
    shifts = [shift for shift in shifts if 0 < shift < shape[axis]]
    if not shifts:
        raise CannotRunError
    shifts = shifts[: max(LEAST, WORK // (program.work * (1 + len(NOISES))))]
    drawn = [isinstance(x, jax.ShapeDtypeStruct) or (free and is_kind(x, np.inexact)) for x in leaves]
    free_leaves = [i for i, is_drawn in enumerate(drawn) if is_drawn and i != program.argument]
    return Experiment(program, free_leaves, axis % len(shape), tuple(shifts), cyclic, until)


def traced(fn: Callable, arguments: tuple, argument: int, leaf: int) -> Program:
    """The function from one leaf of its arguments to one leaf of its results; the first run compiles it."""
    leaves, structure = jax.tree.flatten(arguments)
    output = lambda leaves: array_json.as_numbers(jax.tree.leaves(fn(*jax.tree.unflatten(structure, leaves)))[leaf])
    closed: Any = jax.make_jaxpr(output)(leaves)
    cells, shape = math.prod(leaves[argument].shape), closed.out_avals[0].shape
    if not all(0 < size <= LARGEST for size in (cells, math.prod(shape))):
        raise CannotRunError
    total, largest = work(closed)
    run = _batched(closed, leaves, argument, max(1, min(ROWS, CELLS // max(cells, largest))))
    return Program(run, structure, leaves, argument, shape or (1,), len(shape), coarsest(closed), cells + total)


def remembering() -> Callable[[Callable, tuple, int, int], Program]:
    """`traced` for one function, cached for each pair of leaves."""
    known: dict[tuple[int, int], Program] = {}

    def program(fn: Callable, arguments: tuple, argument: int, leaf: int) -> Program:
        if (argument, leaf) not in known:
            known[argument, leaf] = traced(fn, arguments, argument, leaf)
        return known[argument, leaf]

    return program


def _guarded(call: Callable[..., Any], *operands: Any) -> Any:
    """The result of a call; a failed execution raises CannotRunError, since it gives no counterexample."""
    try:
        with executing():
            return jax.block_until_ready(call(*operands))
    except FAILURES as error:
        raise CannotRunError from error


def _batched(closed: Any, given: list[Any], argument: int, most: int) -> Run:
    """A jaxpr as a function of a stack of inputs: `most` inputs in one call, one by one if it cannot be batched."""

    def exact(leaves: list[Any]) -> Any:
        (y,), cut_short = bounded(closed.jaxpr, closed.consts, leaves)
        return y, cut_short

    def coarse(leaves: list[Any], noise: Any) -> Any:
        (y,), overflow = perturbed_outputs(closed.jaxpr, closed.consts, leaves, noise)
        return y, overflow

    def each(function: Callable[..., Any], leaves: list[Any], stack: Any, *noise: Any) -> Any:
        row = lambda x: function(exchanged(leaves, {argument: array_json.as_keys(x, given[argument])}), *noise)
        if array_json.is_key(given[argument]):
            return jax.lax.map(row, stack)  # some generators make other numbers for a batch of keys than for each key
        try:
            return jax.vmap(row)(stack)
        except NotImplementedError:
            return jax.lax.map(row, stack)

    options = compiler_options(sum(1 for _ in equations(closed)))
    jitted, jitted_coarse = (jax.jit(partial(each, function), compiler_options=options) for function in (exact, coarse))
    compiled: dict[bool, float] = {}  # seconds of the first call, without and with perturbation

    def run(leaves: list[Any], stack: np.ndarray, until: float, noise: np.ndarray | None = None) -> Any:
        others, outputs, overflows = exchanged(leaves, {argument: None}), [], []
        is_coarse = noise is not None
        ahead = LONGER * compiled.get(False, 0.0) if is_coarse and True not in compiled else 0.0
        for first in range(0, len(stack), most):
            started = time.monotonic()
            if started + ahead > until:
                raise TooLateError
            part = stack.take(range(first, first + most), 0, mode="clip")  # pads the last part to the same shape
            results = _guarded(jitted_coarse, others, part, noise) if is_coarse else _guarded(jitted, others, part)
            y, overflow = map(np.asarray, results)
            compiled.setdefault(is_coarse, time.monotonic() - started)
            ahead = 0.0
            outputs.append(y.astype(complex if np.iscomplexobj(y) else float)[: len(stack) - first])
            overflows.append(overflow[: len(stack) - first])
        y = np.concatenate(outputs)
        return y.reshape(len(y), *(y.shape[1:] or (1,))), np.concatenate(overflows)

    return run


def _draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, whole: bool, signed: bool, scaled: bool) -> Any:
    """Small nonzero whole numbers, or reals. Scaling by the fan-in keeps deep networks from overflowing."""
    if jax.numpy.issubdtype(dtype, jax.dtypes.prng_key):
        key = jax.random.key(int(rng.integers(2**31)), impl=array_json.key_kind(dtype))
        return jax.random.split(key, shape)
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
    """The sample with some leaves replaced."""
    return [new.get(i, leaf) for i, leaf in enumerate(sample)]
