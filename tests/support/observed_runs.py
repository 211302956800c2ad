"""Runs of a function on random inputs and their shifts: the outputs, with an error bar for each cell.

The error bar is the sum of the rounding that the dtype allows, and of how far the cell moves when the input is
perturbed by a few ULPs. Two cells differ if their difference exceeds the sum of their error bars. So rounding, ties
decided by rounding, and rounding errors amplified by cancellation do not count as differences. A cell that is not
finite has no value in real arithmetic and differs from no cell.
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

STYLES = ("integers", "reals", "sparse", "one cell")  # of the inputs, in turn
TREMORS = 6  # perturbed runs for each input
CHUNK = 64  # rows of one call, so that a function is traced once for any number of shifts
BY_NUMPY = not NIGHTLY  # compile only functions that the NumPy evaluation does not support
KEPT = 64  # cached results of a function, since claims about several leaves are judged on the same inputs

Moves = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Observed:
    """Outputs, one for each row of inputs, and the error bar of each cell (`slack`)."""

    value: np.ndarray
    slack: np.ndarray

    def __getitem__(self, row: int) -> Observed:
        return Observed(self.value[row], self.slack[row])

    def roll(self, moves: Moves, k: int) -> Observed:
        """One output, rolled k steps along every axis of `moves`."""
        axes, steps = [a for a, _ in moves], [k * t for _, t in moves]
        return Observed(np.roll(self.value, steps, axes), np.roll(self.slack, steps, axes))

    def cut(self, region: Sequence[tuple[int, int, int]]) -> Observed:
        """One output, sliced to [lo, hi) along each (axis, lo, hi); empty if hi < lo."""
        index = [slice(None)] * self.value.ndim
        for axis, lo, hi in region:
            index[axis] = slice(lo, max(lo, hi))
        return Observed(self.value[tuple(index)], self.slack[tuple(index)])


def differ(lhs: Observed, rhs: Observed) -> np.ndarray:
    """Whether each cell of two outputs differs by more than the sum of their error bars."""
    with np.errstate(invalid="ignore"):
        gap = np.abs(lhs.value - rhs.value)
    return np.where(np.isfinite(gap), gap, 0) > lhs.slack + rhs.slack


@dataclass(frozen=True)
class Sample:
    """A random input of a function, possibly with random parameters; methods shift the input and run the function."""

    fn: Callable[..., Any]
    arguments: tuple[Any, ...]  # None in place of the shifted argument
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
        """Sample `number` of `seed`: the styles in turn, then again with random parameters."""
        generator = np.random.default_rng((seed, number))
        style = STYLES[number % len(STYLES)]
        given = arguments[argument]
        x = numbers(generator, given.shape, given.dtype, style)
        rest: tuple[Any, ...] = tuple(None if i == argument else a for i, a in enumerate(arguments))
        if number // len(STYLES) % 2:
            rest = jax.tree.map(lambda leaf: _random_parameter(generator, leaf), rest)
        return cls(fn, rest, argument, axis, leaf, x, style, generator)

    @property
    def length(self) -> int:
        """Number of cells along the shifted axis."""
        return self.x.shape[self.axis]

    def fresh(self) -> np.ndarray:
        """Another random input of the same style."""
        return numbers(self.generator, self.x.shape, self.x.dtype, self.style)

    def roll(self, by: int) -> np.ndarray:
        """The input, rolled along the shifted axis."""
        return np.roll(self.x, by, self.axis)

    def enter(self, by: int) -> np.ndarray:
        """An input y with y[i + by] == x[i] where both are in range, and fresh values elsewhere."""
        y = np.moveaxis(self.fresh(), self.axis, 0)
        lo, hi = max(0, -by), max(0, min(self.length, self.length - by))
        if lo < hi:
            y[lo + by : hi + by] = np.moveaxis(self.x, self.axis, 0)[lo:hi]
        return np.moveaxis(y, 0, self.axis)

    def keep(self, cells: Sequence[bool]) -> np.ndarray:
        """The input, with fresh values at all cells of the shifted axis that are not in `cells`."""
        mask = np.reshape(cells, [-1 if a == self.axis else 1 for a in range(self.x.ndim)])
        return np.where(mask, self.x, self.fresh())

    def run(self, xs: np.ndarray) -> Observed:
        """The outputs for inputs xs [k, *x.shape], with error bars."""
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
        """The output leaf `self.leaf` for at most CHUNK inputs. Rows that pad the chunk are dropped."""
        full = np.concatenate([xs, np.repeat(xs[:1], CHUNK - len(xs), axis=0)])
        leaves = _running(self.fn, self.argument)(full, self.arguments)
        return np.asarray(leaves[self.leaf])[: len(xs)]


@lru_cache(maxsize=32)
def _running(fn: Callable[..., Any], argument: int) -> Callable[..., Sequence[Any]]:
    """A function from a stack of inputs to all output leaves: by NumPy if it supports every equation, else compiled."""
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
    """The NumPy evaluation of the function over a stack; None if it lacks a primitive, or if batching changes a result.

    The stack is evaluated by vmap's batching rules. So the first input is also evaluated alone, and its result must
    equal that in the stack.
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
    """A compiled function from a stack of inputs to all output leaves, one input after the other.

    `lax.map` instead of vmap runs the function itself, without batching rules. LLVM's optimiser is off, since compiling
    takes longer than running.
    """

    def outputs(xs: jax.Array, arguments: tuple[Any, ...]) -> list[jax.Array]:
        one = lambda x: jax.tree.leaves(fn(*arguments[:argument], x, *arguments[argument + 1 :]))
        return lax.map(one, xs)

    return jax.jit(outputs, compiler_options={"xla_backend_optimization_level": 0})


def numbers(generator: np.random.Generator, shape: tuple[int, ...], dtype: Any, style: str) -> np.ndarray:
    """Small numbers in one of the `STYLES`, of both signs if the dtype is signed."""
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
    """The inputs with every cell perturbed by at most 8 eps (or 0.01) times the largest absolute value, or times 1."""
    size = min(8 * _epsilon(xs.dtype), 0.01) * max(1.0, float(np.abs(xs).max(initial=0.0)))
    return (xs + size * generator.uniform(-1, 1, xs.shape)).astype(xs.dtype)


def _random_parameter(generator: np.random.Generator, leaf: Any) -> Any:
    """Random numbers of the same standard deviation for a floating-point leaf; any other leaf unchanged."""
    if not jnp.issubdtype(getattr(leaf, "dtype", np.int32), jnp.floating):
        return leaf
    size = float(np.std(np.asarray(leaf, np.float64))) or 1.0
    return (size * generator.normal(size=np.shape(leaf))).astype(leaf.dtype)


def _epsilon(dtype: Any) -> float:
    """The relative precision of a dtype, 0 for integers."""
    return float(jnp.finfo(dtype).eps) if jnp.issubdtype(dtype, jnp.inexact) else 0.0
