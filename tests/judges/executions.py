"""Executions of a judge in float64: random arguments, all shifts, new content at the border, one cell replaced.

Nothing here knows the certifier.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np

from judges.judge import Judge, lenient

TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
SCALES = (1.0, 1.0, 4.0, 0.0, 0.0, 1.0)  # of each sample; 0 draws small whole numbers, which have ties
FACTORS = (1.0, 30.0, -30.0)  # scales of what replaces a cell


@dataclass(frozen=True)
class Leaf:
    """One output of one sample, for each execution: rows of `entered` are shifts by -n to n, row n is no shift.

    `rolled[i]` belongs to the input rolled by i cells, and `replaced[r, i]` to the input with another cell i.
    """

    rolled: np.ndarray
    entered: np.ndarray
    replaced: np.ndarray
    tolerance: float  # of the largest number

    @property
    def length(self) -> int:
        """The number of input cells along the shifted axis."""
        return len(self.rolled)

    @property
    def base(self) -> np.ndarray:
        """The output for the input itself."""
        return self.rolled[0]

    @cached_property
    def changes(self) -> np.ndarray:
        """Where the output depends on the input, as far as these executions show."""
        rows = (*self.rolled, *self.entered, *self.replaced.reshape(-1, *self.base.shape))
        return np.any([self.differs(row, self.base) for row in rows], axis=0)

    def differs(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Where two outputs differ by more than rounding. Two NaNs do not differ."""
        exact = (a == b) | (np.isnan(a) & np.isnan(b))
        if exact.all() or not np.issubdtype(a.dtype, np.inexact):
            return ~exact
        with np.errstate(invalid="ignore", over="ignore"):
            largest = max(np.max(np.abs(v), where=np.isfinite(v), initial=0.0) for v in (a, b))
            return ~(exact | (np.abs(a - b) <= self.tolerance * largest))


def executions(judge: Judge, samples: int = len(SCALES), factors: Sequence[float] = FACTORS) -> list[list[Leaf]]:
    """The executions of each sample, by output leaf."""
    fn, parameters = judge.build()
    run = jax.jit(lenient(fn))
    return [_sample(judge, run, parameters, number, factors) for number in range(samples)]


def _sample(
    judge: Judge, run: Callable[..., Any], parameters: Any, number: int, factors: Sequence[float]
) -> list[Leaf]:
    """All executions of one sample."""
    axis, length, scale = judge.axis, judge.shape[judge.axis], SCALES[number]
    rng = np.random.default_rng([zlib.crc32(judge.name.encode()), number])
    values = jax.tree.map(lambda leaf: _parameter(rng, judge, leaf), parameters)
    outputs = lambda x: [np.asarray(leaf) for leaf in jax.tree.leaves(run(x, *values))]
    x = _cells(rng, judge, judge.shape, scale)
    rolled = [outputs(np.roll(x, i, axis)) for i in range(length)]
    entered = []
    for shift in range(-length, length + 1):
        fresh = _cells(rng, judge, judge.shape, scale) * rng.choice([1, 3])
        both = np.concatenate([fresh, x] if shift > 0 else [x, fresh], axis)
        start = length - shift if shift > 0 else -shift
        entered.append(outputs(both.take(np.arange(start, start + length), axis).astype(x.dtype)))
    replaced = [[outputs(_with_cell(rng, judge, x, i, factor)) for i in range(length)] for factor in factors]
    leaves = range(len(rolled[0]))
    return [
        Leaf(
            np.stack([row[leaf] for row in rolled]),
            np.stack([row[leaf] for row in entered]),
            np.stack([np.stack([row[leaf] for row in rows]) for rows in replaced]),
            TOLERANCE[_precision(judge)],
        )
        for leaf in leaves
    ]


def _with_cell(rng: np.random.Generator, judge: Judge, x: np.ndarray, cell: int, factor: float) -> np.ndarray:
    """x with other numbers at one position of the shifted axis."""
    y = x.copy()
    index = (slice(None),) * judge.axis + (cell,)
    y[index] = (np.abs(_cells(rng, judge, y[index].shape, 1.0)) * factor + (factor > 0) - (factor < 0)).astype(x.dtype)
    return y


def _cells(rng: np.random.Generator, judge: Judge, shape: tuple[int, ...], scale: float) -> np.ndarray:
    """Random cells: whole numbers with ties for integers and for scale 0."""
    if judge.dtype != "float32":
        return rng.integers(-4, 8, shape).astype(judge.dtype)
    cells = rng.integers(-2, 3, shape) if scale == 0 else scale * rng.normal(size=shape)
    return cells.astype(_precision(judge))


def _parameter(rng: np.random.Generator, judge: Judge, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
    """Random parameters. Vectors of other libraries are positive, since some are variances."""
    if not np.issubdtype(leaf.dtype, np.floating):
        return np.zeros(leaf.shape, leaf.dtype)
    peer = judge.needs != "jax"
    if peer and leaf.size == max(leaf.shape, default=1):
        return rng.uniform(0.25, 1.0, leaf.shape).astype(_precision(judge))
    fan_in = max(1, int(np.prod(leaf.shape[:-1]))) if peer else 1
    return (rng.normal(size=leaf.shape) / np.sqrt(fan_in)).astype(_precision(judge))


def _precision(judge: Judge) -> str:
    return "float32" if judge.single else "float64"
