"""The search of `falsify` by Hypothesis: strategies for images of a few pixels or dense images, and for parameters.

Only this module imports Hypothesis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Protocol, TypeAlias, TypeVar

import jax
import numpy as np
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis._settings import local_settings  # there is no public way to nest searches
from hypothesis.errors import NoSuchExample
from jax.typing import DTypeLike

from jaxconv.jaxprs.typing import Array, ArrayValue
from jaxconv.verify.execution.draw import random_numbers
from jaxconv.verify.execution.tolerance import is_kind

Found_co = TypeVar("Found_co", covariant=True)
Draw: TypeAlias = list[ArrayValue]  # the leaves of a sample
Source: TypeAlias = Callable[[int, tuple[int, ...], DTypeLike], st.SearchStrategy[np.ndarray]]


class Searchable(Protocol[Found_co]):
    """What is searched: arrays to draw, in `sources` at the shapes given there, and a judge of each sample."""

    leaves: list[ArrayValue]
    free: list[int]

    @property
    def sources(self) -> Mapping[int, tuple[int, ...]]:
        """The shape of each array of pixels to draw, by the number of the leaf."""
        ...

    def simplest(self, at: int) -> np.ndarray:
        """The cells of a source in the order of shrinking."""
        ...

    def judge(self, sample: list[ArrayValue]) -> Found_co | None:
        """A counterexample, or None."""
        ...


def search(trials: Searchable[Found_co], examples: int, seed: int) -> Found_co | None:
    """The shrunk counterexample that Hypothesis finds, among images of few pixels first, then among dense ones."""
    fewer = examples // 2
    for strategy, count in ((_few_pixels(trials), examples - fewer), (_dense(trials), fewer)):
        chosen = settings(
            max_examples=max(count, 1),
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]  an iterable class
        )
        try:
            violates: Callable[[Draw], bool] = lambda sample: trials.judge(sample) is not None
            with local_settings(chosen):  # so that a Hypothesis test may call falsify
                sample = find(strategy, violates, settings=chosen, random=Random(seed)) if count else None
        except NoSuchExample:
            continue
        if sample is not None:
            return trials.judge(sample)
    return None


def _few_pixels(trials: Searchable[Found_co]) -> st.SearchStrategy[Draw]:
    """Samples whose sources have at most four nonzero cells each."""

    def source(at: int, shape: tuple[int, ...], dtype: DTypeLike) -> st.SearchStrategy[np.ndarray]:
        order = trials.simplest(at)
        cells = st.tuples(st.integers(0, math.prod(shape) - 1), st.sampled_from((1, 2, 3, -1, -2)))
        return st.lists(cells, min_size=1, max_size=4).map(
            lambda cells: _pixels(shape, dtype, [(order[number], value) for number, value in cells])
        )

    return _samples(trials, source)


def _dense(trials: Searchable[Found_co]) -> st.SearchStrategy[Draw]:
    """Samples of random numbers in up to 64 blocks of cells, of which each is kept or set to zero.

    So about half of all cells are nonzero, and shrinking removes whole blocks.
    """

    def source(_: int, shape: tuple[int, ...], dtype: DTypeLike) -> st.SearchStrategy[np.ndarray]:
        count = min(64, math.prod(shape))
        blocks = st.lists(st.booleans(), min_size=count, max_size=count)

        def build(recipe: str, seed: int, kept: list[bool]) -> np.ndarray:
            return _blocks(_values(shape, dtype, recipe, seed), kept)

        return st.builds(
            build,
            st.sampled_from(("signed", "real")),
            st.integers(0, 2**16),
            blocks,
        )

    return _samples(trials, source)


def _samples(trials: Searchable[Found_co], source: Source) -> st.SearchStrategy[Draw]:
    """Lists of leaves: sources drawn by `source`, and parameters of ones, small whole numbers or reals."""
    sources = {at: source(at, shape, trials.leaves[at].dtype) for at, shape in trials.sources.items()}
    recipes = st.sampled_from(("ones", "whole", "signed", "real"))

    def assemble(recipe: str, seed: int, drawn: dict[int, np.ndarray]) -> Draw:
        free = {
            i: _values(trials.leaves[i].shape, trials.leaves[i].dtype, recipe, seed + 1 + i, scaled=True)
            for i in trials.free
        }
        return [drawn.get(i, free.get(i, leaf)) for i, leaf in enumerate(trials.leaves)]

    if not trials.free:
        return st.builds(assemble, st.just("ones"), st.just(0), st.fixed_dictionaries(sources))
    return st.builds(assemble, recipes, st.integers(0, 2**16), st.fixed_dictionaries(sources))


def _pixels(shape: tuple[int, ...], dtype: DTypeLike, cells: Sequence[tuple[int, int]]) -> np.ndarray:
    x = np.zeros(math.prod(shape), dtype)
    for at, value in cells:
        x[at] = abs(value) if is_kind(x, np.unsignedinteger) or x.dtype == np.bool_ else value
    return x.reshape(shape)


def _blocks(x: Array, kept: Sequence[bool]) -> np.ndarray:
    """The array with zeros in all blocks of cells that are not kept."""
    mask = np.repeat(np.array(kept), -(-x.size // len(kept)))[: x.size].reshape(x.shape)
    return np.where(mask, x, np.zeros((), x.dtype))


def _values(shape: tuple[int, ...], dtype: DTypeLike, recipe: str, seed: int, *, scaled: bool = False) -> Array:
    """An array of ones, of nonzero whole numbers up to 4, or of reals; `scaled` divides reals by sqrt(fan-in)."""
    if recipe == "ones" and not jax.numpy.issubdtype(dtype, jax.dtypes.prng_key):
        return np.ones(shape, dtype)
    signed = recipe in ("signed", "real")
    rng = np.random.default_rng(seed)
    return random_numbers(rng, shape, dtype, whole=recipe != "real", signed=signed, scaled=scaled)
