"""Runs of a function on random inputs and their shifts: what comes out, and how far each cell may be off.

Every output cell is read with an error bar: the rounding that its dtype allows, and how far the cell moves when the
input trembles by a few ULPs. Two cells differ only beyond both their bars, so that neither rounding, nor a tie decided
by rounding, nor rounding that cancellation laid bare counts as a difference. A cell that is not finite has no value in
real arithmetic and differs from nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import jaxpr_as_fun

from support.numpy_evaluation import Evaluation
from support.profiles import NIGHTLY

STYLES = ("integers", "reals", "sparse", "one cell")  # of the inputs, one after the other
TREMORS = 6
CHUNK = 64  # rows of one call, so that a function is traced once, whatever the number of shifts
BY_NUMPY = not NIGHTLY  # compiles only what NumPy has no rows for
KEPT = 64  # results of a function: claims about several of its leaves are judged on the same inputs

Moves = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Observed:
    """Outputs, one for each row of inputs, and by how much each cell may be off."""

    value: np.ndarray
    slack: np.ndarray

    def __getitem__(self, row: int) -> Observed:
        return Observed(self.value[row], self.slack[row])

    def roll(self, moves: Moves, k: int) -> Observed:
        """One output, rolled k steps along every axis of `moves`."""
        axes, steps = [a for a, _ in moves], [k * t for _, t in moves]
        return Observed(np.roll(self.value, steps, axes), np.roll(self.slack, steps, axes))

    def cut(self, region: Sequence[tuple[int, int, int]]) -> Observed:
        """One output, between lo and hi along each (axis, lo, hi); nothing where hi < lo."""
        where = [slice(None)] * self.value.ndim
        for axis, lo, hi in region:
            where[axis] = slice(lo, max(lo, hi))
        return Observed(self.value[tuple(where)], self.slack[tuple(where)])


def differ(one: Observed, other: Observed) -> np.ndarray:
    """Cells that are further apart than their error bars."""
    with np.errstate(invalid="ignore"):
        gap = np.abs(one.value - other.value)
    return np.where(np.isfinite(gap), gap, 0) > one.slack + other.slack


@dataclass(frozen=True)
class Sample:
    """A random input of a function, fresh parameters perhaps, and the means to shift the one and run the other."""

    fn: Callable[..., Any]
    arguments: tuple[Any, ...]  # None in place of the shifted one
    argument: int
    axis: int
    leaf: int
    x: np.ndarray
    style: str
    generator: np.random.Generator

    @classmethod
    def draw(
        cls,
        fn: Callable[..., Any],
        arguments: Sequence[Any],
        argument: int,
        axis: int,
        leaf: int,
        seed: int,
        number: int,
    ) -> Sample:
        """Sample `number` of `seed`: the styles in turn, then again with other parameters."""
        generator = np.random.default_rng((seed, number))
        style = STYLES[number % len(STYLES)]
        given = arguments[argument]
        x = numbers(generator, given.shape, given.dtype, style)
        rest: tuple[Any, ...] = tuple(None if i == argument else a for i, a in enumerate(arguments))
        if number // len(STYLES) % 2:
            rest = jax.tree.map(lambda leaf: _another(generator, leaf), rest)
        return cls(fn, rest, argument, axis, leaf, x, style, generator)

    @property
    def length(self) -> int:
        """Cells along the shifted axis."""
        return self.x.shape[self.axis]

    def fresh(self) -> np.ndarray:
        """Other content of the same kind."""
        return numbers(self.generator, self.x.shape, self.x.dtype, self.style)

    def roll(self, by: int) -> np.ndarray:
        """The input, shifted cyclically."""
        return np.roll(self.x, by, self.axis)

    def enter(self, by: int) -> np.ndarray:
        """A y with y[i + by] == x[i] wherever both are in range, and fresh content elsewhere."""
        y = np.moveaxis(self.fresh(), self.axis, 0)
        lo, hi = max(0, -by), max(0, min(self.length, self.length - by))
        if lo < hi:
            y[lo + by : hi + by] = np.moveaxis(self.x, self.axis, 0)[lo:hi]
        return np.moveaxis(y, 0, self.axis)

    def keep(self, cells: Sequence[bool]) -> np.ndarray:
        """The input at `cells` of the shifted axis, fresh content at all others."""
        mask = np.reshape(cells, [-1 if a == self.axis else 1 for a in range(self.x.ndim)])
        return np.where(mask, self.x, self.fresh())

    def run(self, xs: np.ndarray) -> Observed:
        """The outputs for inputs xs [k, *x.shape], each with its error bar."""
        tremors = 1 + (TREMORS if jnp.issubdtype(xs.dtype, jnp.inexact) else 0)
        rows = np.concatenate([xs, *(tremble(self.generator, xs) for _ in range(1, tremors))])
        values = np.concatenate([self._outputs(rows[i : i + CHUNK]) for i in range(0, len(rows), CHUNK)])
        precision = max(_epsilon(values.dtype), _epsilon(xs.dtype) if _epsilon(values.dtype) else 0.0)
        wide = np.complex128 if jnp.issubdtype(values.dtype, jnp.complexfloating) else np.float64
        values = values.astype(wide).reshape(tremors, *xs.shape[:1], *values.shape[1:])
        finite = np.isfinite(values).all(axis=0)
        values = np.where(finite, values, 0)
        spread = np.abs(values - values[0]).max(axis=0)
        rounding = 0.3 * math.sqrt(precision) * np.abs(values[0]).max(initial=0.0)
        return Observed(values[0], np.where(finite, rounding + 10 * spread, np.inf))

    def _outputs(self, xs: np.ndarray) -> np.ndarray:
        """The one leaf of interest for at most CHUNK inputs; the rows that fill the chunk up are dropped again."""
        full = np.concatenate([xs, np.repeat(xs[:1], CHUNK - len(xs), axis=0)])
        leaves = _running(self.fn, self.argument)(full, self.arguments)
        return np.asarray(leaves[self.leaf])[: len(xs)]


@lru_cache(maxsize=32)
def _running(fn: Callable[..., Any], argument: int) -> Callable[..., Sequence[Any]]:
    """All output leaves for a stack of inputs, by NumPy where it has a row for each equation; else compiled."""
    evaluations: dict[Any, Callable[..., Sequence[Any]] | None] = {}
    kept: dict[Any, Sequence[Any]] = {}

    def run(xs: np.ndarray, arguments: tuple[Any, ...]) -> Sequence[Any]:
        leaves, tree = jax.tree.flatten((xs, arguments))
        key = tree, BY_NUMPY, *((np.shape(leaf), np.result_type(leaf)) for leaf in leaves)
        if key not in evaluations:
            evaluations[key] = _evaluation(fn, argument, xs, arguments) if BY_NUMPY else None
        values = key, *(np.asarray(leaf).tobytes() for leaf in leaves)
        if values not in kept:
            kept[values] = (evaluations[key] or _compiled(fn, argument))(xs, arguments)
        while len(kept) > KEPT:
            del kept[next(iter(kept))]
        return kept[values]

    return run


def _evaluation(
    fn: Callable[..., Any], argument: int, xs: np.ndarray, arguments: tuple[Any, ...]
) -> Callable[..., Sequence[Any]] | None:
    """The function's equations over a whole stack; None where one has no row, or what is batched is not the same.

    The batching rules are those of vmap: so the first input is evaluated by itself, too, and must come out as it does
    in the stack.
    """
    evaluation = Evaluation()

    def one(x: jax.Array, arguments: tuple[Any, ...]) -> list[jax.Array]:
        return jax.tree.leaves(fn(*arguments[:argument], x, *arguments[argument + 1 :]))

    def of(closed: Any, *operands: Any) -> list[np.ndarray]:
        leaves = zip(jax.tree.leaves(operands), closed.in_avals, strict=True)
        with np.errstate(all="ignore"):
            return evaluation.run(closed, [np.asarray(leaf, aval.dtype) for leaf, aval in leaves])

    single = jax.make_jaxpr(one)(xs[0], arguments)
    leaves = jax.tree.leaves(arguments)
    stacked = jax.make_jaxpr(jax.vmap(jaxpr_as_fun(single), (0, *[None] * len(leaves))))(xs, *leaves)
    try:
        alone, stack = of(single, xs[0], arguments), of(stacked, xs, arguments)
    except NotImplementedError:
        return None
    same = all(np.allclose(a, b[0], 1e-4, 1e-4, equal_nan=True) for a, b in zip(alone, stack, strict=True))
    return partial(of, stacked) if same else None


@lru_cache(maxsize=32)
def _compiled(fn: Callable[..., Any], argument: int) -> Callable[..., list[jax.Array]]:
    """All output leaves for a stack of inputs, one after the other.

    A map, not vmap: what runs is the function itself, without batching rules. LLVM's optimiser is off since compiling
    takes longer than running.
    """

    def outputs(xs: jax.Array, arguments: tuple[Any, ...]) -> list[jax.Array]:
        one = lambda x: jax.tree.leaves(fn(*arguments[:argument], x, *arguments[argument + 1 :]))
        return lax.map(one, xs)

    return jax.jit(outputs, compiler_options={"xla_backend_optimization_level": 0})


def numbers(generator: np.random.Generator, shape: tuple[int, ...], dtype: Any, style: str) -> np.ndarray:
    """Small numbers of both signs, where the dtype has them, in one of the `STYLES`."""
    if jnp.issubdtype(dtype, jnp.bool_):
        return generator.integers(0, 2, shape).astype(bool)
    drawn = generator.integers(-4, 5, shape).astype(np.float64)
    if style == "reals":
        drawn = 2 * generator.normal(size=shape)
    elif style == "sparse":
        drawn *= generator.random(shape) < 0.25
    elif style == "one cell":
        chosen = generator.integers(0, max(drawn.size, 1))
        drawn = np.where(np.arange(drawn.size).reshape(shape) == chosen, generator.integers(1, 5), 0.0)
    if jnp.issubdtype(dtype, jnp.complexfloating):
        drawn = drawn + 1j * np.roll(drawn.ravel()[::-1], 1).reshape(shape)
    if jnp.issubdtype(dtype, jnp.unsignedinteger):
        drawn = np.abs(drawn)
    return drawn.astype(dtype)


def tremble(generator: np.random.Generator, xs: np.ndarray) -> np.ndarray:
    """The inputs with every cell off by some ULPs of the largest, one if they are coarse."""
    size = min(8 * _epsilon(xs.dtype), 0.01) * max(1.0, float(np.abs(xs).max(initial=0.0)))
    return (xs + size * generator.uniform(-1, 1, xs.shape)).astype(xs.dtype)


def _another(generator: np.random.Generator, leaf: Any) -> Any:
    """Random numbers in place of a floating-point parameter, of its size; anything else as it is."""
    if not jnp.issubdtype(getattr(leaf, "dtype", np.int32), jnp.floating):
        return leaf
    size = float(np.std(np.asarray(leaf, np.float64))) or 1.0
    return (size * generator.normal(size=np.shape(leaf))).astype(leaf.dtype)


def _epsilon(dtype: Any) -> float:
    """The relative precision of a dtype, 0 for integers."""
    return float(jnp.finfo(dtype).eps) if jnp.issubdtype(dtype, jnp.inexact) else 0.0
