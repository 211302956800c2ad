"""The search for counterexamples: experiments until one refutes a claim, then the simplest that still does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import jax
import numpy as np

from jaxconv.verify.claims import Witness
from jaxconv.verify.experiment import CannotRunError, Experiment, Moves, Outcome, exchanged, prepare
from jaxconv.verify.rounding import is_kind

# A row a sample: are the parameters whole numbers, and of both signs? Whole numbers are exact, reals do not saturate
# a softmax, a variance must be positive.
RECIPES = ((True, True), (False, True), (True, False), (False, False)) * 3


def refute_cyclic(
    fn: Callable, arguments: tuple, argument: int, axis: int, leaf: int, shift: int, *, seed=0, free_parameters=False
) -> Witness | None:
    """One input x for which f(roll(x, shift)) is not f(x), nor f(x) rolled along any of its axes, alone or together.

    Args:
      fn: the function; `fn(*arguments)` is a pytree of arrays.
      arguments: pytrees of arrays, used as they are, and of `jax.ShapeDtypeStruct`, drawn by the search.
      argument: the leaf of `arguments` that is shifted; of its values only shape and dtype are used.
      axis: the axis of that leaf.
      leaf: the leaf of the output that is compared.
      shift: by how many cells the input is rolled.
      seed: of the draws; the same seed finds the same witness.
      free_parameters: draw the other float arguments too, though they have values.

    Returns:
      The shrunk witness; None where none was found, or `fn` raises or is too large. `error` is the largest mismatch
      at the best roll along one axis; `position`, an index of f(shifted), is where it differs most from f(x) rolled
      by `shift` along the same axis (from f(x) itself if that has no room for it).
    """
    return _refute(fn, arguments, argument, axis, leaf, shift, True, seed, free_parameters)


def refute_interior(
    fn: Callable, arguments: tuple, argument: int, axis: int, leaf: int, shift: int, *, seed=0, free_parameters=False
) -> Witness | None:
    """Evidence that no part of the output follows the shift: an executed pair violates every cell of every move.

    The moves are t = 0, each t up to twice the natural one along each output axis, and the natural ones along two axes
    at once; their cells are all j with j + t in range. Arguments as for `refute_cyclic`.

    Returns:
      The shrunk pair behind one violation, that of the central cell of the natural move (`shift` along the same axis,
      t = 0 if that has no room); it violates each other move along one axis somewhere too, by `error` at least.
      `position`, an index of f(shifted), is where the central slice differs most. None where a cell survives, or `fn`
      raises or is too large.
    """
    return _refute(fn, arguments, argument, axis, leaf, shift, False, seed, free_parameters)


def _refute(
    fn: Callable, arguments: tuple, argument: int, axis: int, leaf: int, shift: int, cyclic: bool, seed: int, free: bool
) -> Witness | None:
    """Draw samples until one refutes (cyclic), or until they have violated every cell together (interior)."""
    rng, kept = np.random.default_rng(seed), None
    try:
        experiment = prepare(fn, arguments, argument, axis, leaf, shift, cyclic, free)
        standing = {} if cyclic else {moves: experiment.grid(moves) for moves in experiment.joint_moves()}
        for whole, signed in RECIPES:
            sample = experiment.draw(rng, whole, signed)
            if outcome := experiment.execute(sample):
                kept = kept or (sample, outcome)
                left = ((moves, _standing(outcome, moves, cells, rng)) for moves, cells in standing.items())
                standing = {moves: cells for moves, cells in left if len(cells)}
                if not standing:
                    return experiment.witness(*_shrunk(experiment, *kept))
    except CannotRunError:
        pass
    return None


def _standing(outcome: Outcome, moves: Moves, cells: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The cells j, rows of one index for each moved axis, that the outcome does not violate."""
    axes, t = zip(*moves, strict=True)
    rest = {b: m for b, m in enumerate(outcome.before.shape) if b not in axes}
    width = math.prod(rest.values())
    for columns in (rng.integers(width, size=32), np.arange(width)):  # a few of them settle most cells
        others = dict(zip(rest, np.unravel_index(columns, tuple(rest.values())), strict=True)) if rest else {}
        moved = (others | dict(zip(axes, at.T[..., None], strict=True)) for at in (cells, cells + t))
        j, p = (tuple(index[b] for b in sorted(index)) for index in moved)
        cells = cells[~outcome.differ(j, p).any(axis=1)]
    return cells


def _shrunk(experiment: Experiment, sample: list[Any], outcome: Outcome) -> tuple[list[Any], Outcome]:
    """The simplest sample found that refutes: one to three pixels, else a dense one without all that may go."""
    at, source = experiment.argument, sample[experiment.argument]
    budget = int(np.clip(2**24 // source.size, 16, 200))
    numbers = [i for i in experiment.free if not is_kind(sample[i], jax.dtypes.prng_key)]
    plain = exchanged(sample, {i: np.ones_like(sample[i]) for i in numbers})
    bases = [plain, sample] if numbers else [sample]
    trials = (exchanged(base, {at: few}) for kind in _sparse(source, experiment.axis) for base in bases for few in kind)
    for trial in islice(trials, budget):
        if found := experiment.execute(trial):
            return trial, found
    if found := experiment.execute(plain):
        sample, outcome = plain, found
    pieces = [np.flatnonzero(source)]
    for _ in range(budget // 2):
        if pieces:
            piece = pieces.pop(0)
            fewer = sample[at].copy()
            fewer.flat[piece] = 0
            if found := experiment.execute(trial := exchanged(sample, {at: fewer})):
                sample, outcome = trial, found
            elif len(piece) > 1:
                pieces.extend(np.array_split(piece, 2))
    return sample, outcome


def _sparse(source: np.ndarray, axis: int) -> Iterator[list[np.ndarray]]:
    """One pixel of value 1 at the ends and in the middle, then two or three neighbours, of values 1 or 1, 2, 3."""
    length, middle = source.shape[axis], [m // 2 for m in source.shape]
    centre = (middle[axis], middle[axis] - 1, middle[axis] + 1)
    starts = list(dict.fromkeys(i % length for i in (-1, 0, -2, 1, -3, 2, *centre)))
    for values in ((1,), (1, 1), (1, 2), (1, 1, 1), (1, 2, 3)):
        kind = [np.zeros_like(source) for _ in starts]
        for few, start in zip(kind, starts, strict=True):
            for i, value in enumerate(values):
                few[(*middle[:axis], (start + i) % length, *middle[axis + 1 :])] = value
        yield kind
