"""The compiled comparison: shift the input, run the function, and compare with the moved output, for many shifts.

The program avoids three traps:

- A static shift would compile one program for each shift. Here shifts are traced integers.
- XLA may spend minutes folding arrays that a program closes over. Here the input, the parameters and all arrays that
  the function closes over are arguments.
- A separate program for f(x) might round differently. Here f(x) is row 0 of the same program, computed at the same
  batch size, and nothing else is compiled.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs.typing import Array, ArrayValue
from jaxconv.verify.execution import exactness
from jaxconv.verify.execution.law import Law
from jaxconv.verify.execution.program import Program
from jaxconv.verify.execution.run import over_rows
from jaxconv.verify.shifted_axes import Along

ROWS_BYTES = {"cpu": 2**22, "other": 2**30}  # results of the largest equation, over all rows; on a CPU, cache size
MOST_ROWS = 1024
IN_TURN = 16  # rows of one call that is not vectorised


@dataclass(frozen=True)
class Plan:
    """The static parameters of a comparison, one compiled program for each plan."""

    model: str
    along: tuple[Along, ...]
    laws: tuple[tuple[Law, ...], ...]  # for each output leaf, one law for each shifted axis
    offsets: tuple[int, ...]  # number of the first leaf of each argument
    live: tuple[bool, ...]  # which leaves are shifted
    vectorised: bool
    integers: bool
    summed: bool = True  # summarise the errors in the program instead of returning them
    careful: bool = False  # distinguish NaNs and infinities, which takes more passes over the outputs


class Summary(NamedTuple):
    """The errors of many rows for one output leaf, by row and by position."""

    largest: Array  # the largest error of each row, -1 where nothing was compared
    positions: Array  # the largest error at each position, -1 where nothing was compared
    totals: Array  # the sum of the errors at each position
    counts: Array  # number of rows that were compared at each position


def rows_per_call(function: Program, shifts: int, batch: int | None) -> int:
    """The number of rows that one compiled call evaluates.

    The results of the largest equation, over all rows, fit 4 MiB on a CPU (beyond its caches a row gets no cheaper) and
    1 GiB on an accelerator. A call has at most 1,024 rows, and the rows are divided evenly among the calls. `batch`
    overrides this number; with 1 the rows of a call run one by one.
    """
    batch = None if batch is None else operator.index(batch)
    if batch == 1:
        return min(IN_TURN, shifts + 2)
    memory = ROWS_BYTES["cpu" if jax.default_backend() == "cpu" else "other"]
    most = min(max(memory // function.largest, 2), MOST_ROWS) if batch is None else max(2, batch)
    calls = math.ceil((shifts + 2) / most)
    return math.ceil((shifts + 2) / calls)


def comparison(function: Program, plan: Plan) -> Callable[..., Call]:
    """`(consts, leaves, fill, reference, first, shifts, kinds) -> Call`, compiled once for a plan and a number of rows.

    `kinds[i]` says what row i is: 0 for the input shifted by `shifts[i]`, 1 for the fill (another input), 2 for an idle
    row. Row 0 of the first call is the unshifted input. Its outputs are returned as `reference`, an argument of the
    other calls.
    """
    if plan not in function.compiled:
        function.compiled[plan] = jax.jit(functools.partial(_chunk, function, plan))
    return function.compiled[plan]


class Call(NamedTuple):
    """The results of one call, lists of one entry for each output leaf; `excess` is shared by all leaves."""

    reference: Sequence[Array]
    outputs: Sequence[Array]  # the output of each row
    # The error of each row at each position, -1 where not compared; a `Summary` if `plan.summed`.
    errors: Sequence[Array | Summary]
    nans: Sequence[Array]  # for each row of a careful plan: cells with a NaN on either side, whose error is infinite
    infinities: Sequence[Array]  # likewise: cells with the same infinity on both sides, whose error is 0
    excess: Array  # the largest excess of `exactness.with_excess` over the rows


def summary(errors: Array, xp: ModuleType) -> Summary:
    """Summarise the errors by NumPy or jax.numpy.

    On a CPU, NumPy reads JAX's memory, is as fast, and compiles nothing.
    """
    largest = errors.reshape(len(errors), -1).max(1, initial=-1)
    if xp is np:
        compared = np.flatnonzero(largest != -1)
        errors = errors[compared[0] : compared[-1] + 1] if compared.size else errors[:0]
        if errors.size and errors.min() >= 0:  # every cell is compared, as after cyclic shifts
            return Summary(largest, errors.max(0), errors.sum(0), np.full(errors.shape[1:], len(errors), np.int32))
    # Sums always propagate NaN, but a compiled maximum on a CPU may drop it. So the totals show whether there is one.
    totals = xp.where(errors < 0, xp.zeros_like(errors), errors).sum(0)
    return Summary(largest, errors.max(0, initial=-1), totals, (errors >= 0).sum(0, dtype=np.int32))


def _chunk(
    function: Program,
    plan: Plan,
    consts: Sequence[ArrayValue],
    leaves: Sequence[ArrayValue],
    fill: Sequence[ArrayValue],
    reference: Sequence[jax.Array],
    first: jax.Array,
    shifts: jax.Array,
    kinds: jax.Array,
) -> Call:
    def evaluate(shift: jax.Array, kind: jax.Array) -> tuple[list[ArrayValue], jax.Array]:
        inputs = shifted(plan, leaves, fill, shift, kind == 1)
        if plan.integers:
            return exactness.with_excess(function.jaxpr, consts, inputs, plan.live)
        return function(consts, inputs), jnp.zeros(0, jnp.int32)

    def compare(outputs: list[jax.Array], shift: jax.Array, kind: jax.Array) -> list[tuple[jax.Array, ...]]:
        leaf = zip(plan.laws, reference, outputs, strict=True)
        return [compared(plan, laws, before, after, shift, kind == 0) for laws, before, after in leaf]

    outputs, excess = over_rows(evaluate, vectorised=plan.vectorised)(shifts, kinds)
    reference = [jnp.where(first, out[0], earlier) for out, earlier in zip(outputs, reference, strict=True)]
    results = over_rows(compare, vectorised=plan.vectorised)(outputs, shifts, kinds)
    errors, nans, infinities = (list(column) for column in zip(*results, strict=True))
    errors = [summary(leaf_errors, jnp) for leaf_errors in errors] if plan.summed else errors
    largest_excess = excess.max(axis=0, initial=-exactness.TOO_WIDE)
    return Call(reference, outputs, errors, nans, infinities, largest_excess)


def shifted(
    plan: Plan, leaves: Sequence[ArrayValue], fill: Sequence[ArrayValue], shift: Array, other: jax.Array
) -> list[ArrayValue]:
    """The shifted leaves, `y[i + s] = x[i]`: rolled, or with the fill at cells without an x[i]; all fill if `other`."""
    moved = list(leaves)
    for leaf in sorted({plan.offsets[argument] for along in plan.along for argument, _ in along.arguments}):
        x, stays = jnp.asarray(leaves[leaf]), jnp.logical_not(other)
        moves: list[tuple[int, ArrayValue]] = []
        for number, along in enumerate(plan.along):
            for axis in (axis for argument, axis in along.arguments if plan.offsets[argument] == leaf):
                moves.append((axis, shift[number]))
                if plan.model != "cyclic":
                    source = jax.lax.iota(jnp.int32, along.length) - shift[number]
                    stays = stays & _along((source >= 0) & (source < along.length), axis, x.ndim)
        entering = fill[leaf]
        if plan.model == "zero":
            entering = jnp.where(other, entering, jnp.zeros_like(entering))
        moved[leaf] = jnp.where(stays, rolled(x, moves), entering)
    return moved


def rolled(x: jax.Array, moves: Sequence[tuple[int, ArrayValue]]) -> jax.Array:
    """`np.roll` along axes by traced shifts of either sign: a gather at indices modulo the lengths.

    Adjacent axes are flattened and rolled together, so that XLA compiles one gather instead of nested ones.
    """
    shape = x.shape
    for axes in _runs(sorted({axis for axis, _ in moves} if x.size else ())):
        cells = np.zeros(1, np.int32)
        for axis in axes:
            move = sum(move for moved, move in moves if moved == axis)
            along = jnp.remainder(np.arange(shape[axis], dtype=np.int32) - move, jnp.int32(shape[axis]))
            cells = (cells[:, None] * jnp.int32(shape[axis]) + along[None, :]).reshape(-1)
        first, last = axes[0], axes[-1]
        row = x.reshape(*shape[:first], -1, *shape[last + 1 :])
        x = jnp.take(row, cells, first, mode="clip").reshape(shape)
    return x


def _runs(axes: Sequence[int]) -> list[list[int]]:
    """Ascending axes, split into runs of consecutive axes.

    >>> _runs([1, 2, 4])
    [[1, 2], [4]]
    """
    runs: list[list[int]] = []
    for axis in axes:
        if runs and axis == runs[-1][-1] + 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    return runs


def _along(row: Array, axis: int, rank: int) -> Array:
    return row.reshape([-1 if number == axis else 1 for number in range(rank)])


def compared(
    plan: Plan, laws: Sequence[Law], before: jax.Array, after: jax.Array, shift: jax.Array, counts: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The error |f(y)[p] - f(x)[p - t]| at each p, and the numbers of cells with NaNs and with equal infinities.

    The error is -1 where the law does not apply. A non-finite value makes a non-finite error. A careful plan
    distinguishes them: a NaN, or an infinity on one side only, is an infinite error; the same infinity on both sides is
    an error of 0.
    """
    expected = rolled(before, moves_of(laws, shift))
    errors, nans, infinities = _gap(expected, after, careful=plan.careful)
    applies = jnp.broadcast_to(counts, errors.shape) & spoken_of(plan, laws, shift, errors.shape)
    return jnp.where(applies, errors, -1), _count(applies, nans), _count(applies, infinities)


def _count(applies: jax.Array, cells: jax.Array | None) -> jax.Array:
    """The number of cells, among those to which the law applies; 0 if none were looked for."""
    return jnp.int32(0) if cells is None else jnp.sum(applies & cells, dtype=jnp.int32)


def moves_of(laws: Sequence[Law], shift: Array) -> list[tuple[int, ArrayValue]]:
    """The moves (output axis, t) of a shift, which has one entry for each shifted axis."""
    return [(axis, shift[number] // law.shift * t) for number, law in enumerate(laws) for axis, t in law.moves]


def spoken_of(plan: Plan, laws: Sequence[Law], shift: Array, shape: Sequence[int]) -> Array:
    """Whether p and p - t are in the region; True for the cyclic model. Shifts may be traced or NumPy integers."""
    inside = np.ones([1] * len(shape), bool)
    for number, law in enumerate(laws):
        moves = dict(law.moves)
        for axis, lo, hi in law.region if plan.model != "cyclic" else ():
            p = np.arange(shape[axis], dtype=np.int32)
            source = p - shift[number] // law.shift * moves[axis]
            compared = (p >= lo) & (p < hi) & (source >= max(lo, 0)) & (source < min(hi, shape[axis]))
            inside = inside & _along(compared, axis, len(shape))
    return inside


def _gap(a: jax.Array, b: jax.Array, *, careful: bool) -> tuple[jax.Array, jax.Array | None, jax.Array | None]:
    """|a - b|; a careful comparison also returns where either is NaN, and where both are the same infinity."""
    if not jnp.issubdtype(a.dtype, jnp.inexact):
        wide = jnp.float64 if jax.config.jax_enable_x64 else jnp.float32  # pyright: ignore[reportAttributeAccessIssue]
        gap = jnp.abs(a.astype(wide) - b.astype(wide))
        return jnp.where(a == b, 0, jnp.maximum(gap, 1)), None, None  # large integers may round to the same float
    if jnp.finfo(a.dtype).bits < 32:
        a, b = a.astype(jnp.float32), b.astype(jnp.float32)
    if not careful:
        return jnp.abs(a - b), None, None
    nan = jnp.isnan(a) | jnp.isnan(b)
    return jnp.where(a == b, 0, jnp.where(nan, jnp.inf, jnp.abs(a - b))), nan, (a == b) & ~jnp.isfinite(a)
