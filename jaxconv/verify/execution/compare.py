"""The compiled comparison: shift the input, run the function, compare with the moved output; many shifts at a time.

Three traps are stepped around. A static shift is a new program for each shift: here shifts are traced integers. Arrays
that a program closes over are constants, which XLA may fold with the whole network for minutes: here the input, the
parameters and whatever the function closes over are arguments. And the reference f(x) is row 0 of the same program, so
that both sides are computed at the same batch size, and nothing else is compiled.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs.layout import trace
from jaxconv.jaxprs.traverse import equations
from jaxconv.verify.execution import error_bounds, exactness
from jaxconv.verify.execution.law import Law
from jaxconv.verify.shifted_axes import Along

ROWS_BYTES = {"cpu": 2**22, "other": 2**30}  # of the largest equation, over all rows; on a CPU, what its caches like
MOST_ROWS = 1024
IN_TURN = 16  # rows of one call that does not vectorise


@dataclass(frozen=True, eq=False)
class Traced:
    """A function as a jaxpr: what it closes over stands in `consts`; compiled comparisons are kept with it."""

    jaxpr: Any
    consts: tuple[Any, ...]
    outputs: tuple[tuple[str, Any], ...]  # (path, aval) of each leaf
    programs: dict[Any, Callable[..., Any]]

    @functools.cached_property
    def depths(self) -> list[error_bounds.Depth]:
        """Rounding along the longest path to each output."""
        return error_bounds.depths(self.jaxpr)

    @functools.cached_property
    def largest(self) -> int:
        """Bytes of the largest equation's results."""
        return max(_bytes(self.jaxpr), *(leaf.size * 4 for _, leaf in self.outputs), 1)

    def __call__(self, consts: Sequence[Any], leaves: Sequence[Any]) -> list[Any]:
        """The output's leaves."""
        return jax.core.eval_jaxpr(self.jaxpr, consts, *leaves)


@dataclass(frozen=True)
class Plan:
    """All that is fixed while shifts change: a compiled program each."""

    model: str
    along: tuple[Along, ...]
    laws: tuple[tuple[Law, ...], ...]  # of each output leaf, one for each shifted axis
    offsets: tuple[int, ...]  # the leaf at which each argument starts
    live: tuple[bool, ...]  # which leaves are shifted
    vectorised: bool
    integers: bool
    summed: bool = True  # sum the errors up in the program, rather than return them
    careful: bool = False  # tell NaN and infinities apart, which takes more passes over the outputs


class Summary(NamedTuple):
    """The errors of many rows, for one output leaf, by row and by position."""

    largest: Any  # of each row, -1 where nothing was compared
    positions: Any  # the largest at each position, -1 where nothing was compared
    totals: Any  # their sum at each position
    counts: Any  # how many rows were compared at each position


def traced(fn: Callable[..., Any], arguments: tuple[Any, ...]) -> Traced:
    """The function's jaxpr at these arguments; kept for the last few functions, so that a second check is warm."""
    leaves, structure = jax.tree.flatten(arguments)
    key = (structure, tuple(jax.typeof(leaf) for leaf in leaves))
    settings = (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        return _traced(fn, *key, settings)
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        return _traced.__wrapped__(fn, *key, settings)


@functools.lru_cache(maxsize=16)
def _traced(fn: Callable[..., Any], structure: Any, avals: tuple[Any, ...], settings: Any) -> Traced:
    del settings  # part of the key: a trace depends on it
    specs = jax.tree.unflatten(structure, [_spec(aval) for aval in avals])
    jaxpr, consts, shapes = trace(fn, specs)
    outputs = [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(shapes)]
    return Traced(jaxpr, tuple(consts), tuple(outputs), {})


def _spec(aval: Any) -> Any:
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


def rows_per_call(function: Traced, shifts: int, batch: int | None) -> int:
    """How many rows one compiled call evaluates.

    As many as let the largest equation's results, over all rows, fit 4 MiB on a CPU (beyond its caches a row gets no
    cheaper) and 1 GiB on an accelerator; at most 1,024, at most what there is to do, evenly dealt to the calls.
    `batch` sets it; with 1 the rows of a call are run one after the other.
    """
    batch = None if batch is None else operator.index(batch)
    if batch == 1:
        return min(IN_TURN, shifts + 2)
    memory = ROWS_BYTES["cpu" if jax.default_backend() == "cpu" else "other"]
    most = min(max(memory // function.largest, 2), MOST_ROWS) if batch is None else max(2, batch)
    calls = math.ceil((shifts + 2) / most)
    return math.ceil((shifts + 2) / calls)


def _bytes(jaxpr: Any) -> int:
    """Of the largest equation's results, inner jaxprs included."""
    size = lambda v: getattr(v.aval, "size", 0) * getattr(getattr(v.aval, "dtype", None), "itemsize", 4)
    return max((sum(map(size, equation.outvars)) for equation, _ in equations(jaxpr)), default=0)


def program(function: Traced, plan: Plan) -> Callable[..., Any]:
    """`(consts, leaves, fill, reference, first, shifts, kinds) -> Call`, compiled once for a plan and a number of rows.

    Row i is the input shifted by `shifts[i]`, if `kinds[i]` is 0; the fill, which shows what another input does, if it
    is 1; idle if it is 2. Row 0 of the first call is the unshifted input: what it gives comes back as `reference`,
    which goes into the other calls.
    """
    if plan not in function.programs:
        function.programs[plan] = jax.jit(functools.partial(_chunk, function, plan))
    return function.programs[plan]


class Call(NamedTuple):
    """What one call finds, a list of one entry for each output leaf; `excess` is one for all."""

    reference: list[Any]
    outputs: list[Any]  # of each row
    errors: list[Any]  # of each row at each position, -1 where not compared; or their `Summary`, if that is the plan
    nans: list[Any]  # of each row, cells with a NaN on either side, whose error is infinite: of a careful plan
    infinities: list[Any]  # likewise, cells with the same infinity on both sides, whose error is 0
    excess: Any  # of `exactness.with_excess`, the largest over the rows


def summary(errors: Any, xp: Any) -> Summary:
    """By NumPy or by jax.numpy: on a CPU the one reads the other's memory, at the same speed, and compiles nothing."""
    largest = errors.reshape(len(errors), -1).max(1, initial=-1)
    if xp is np:
        compared = np.flatnonzero(largest != -1)
        errors = errors[compared[0] : compared[-1] + 1] if compared.size else errors[:0]
        if errors.size and errors.min() >= 0:  # everywhere, as after cyclic shifts: no cell is to be left out below
            return Summary(largest, errors.max(0), errors.sum(0), np.full(errors.shape[1:], len(errors), np.int32))
    # A sum passes NaN on in any case, a compiled maximum on a CPU does not: so the totals tell whether any was met.
    totals = xp.where(errors < 0, xp.zeros_like(errors), errors).sum(0)
    return Summary(largest, errors.max(0, initial=-1), totals, (errors >= 0).sum(0, dtype=np.int32))


def _chunk(
    function: Traced,
    plan: Plan,
    consts: Sequence[Any],
    leaves: Sequence[Any],
    fill: Sequence[Any],
    reference: Sequence[Any],
    first: Any,
    shifts: Any,
    kinds: Any,
) -> Call:
    def evaluate(shift: Any, kind: Any) -> Any:
        inputs = shifted(plan, leaves, fill, shift, kind == 1)
        if plan.integers:
            return exactness.with_excess(function.jaxpr, consts, inputs, plan.live)
        return function(consts, inputs), jnp.zeros(0, jnp.int32)

    def compare(outputs: Any, shift: Any, kind: Any) -> Any:
        leaf = zip(plan.laws, reference, outputs, strict=True)
        return [compared(plan, laws, before, after, shift, kind == 0) for laws, before, after in leaf]

    every = jax.vmap if plan.vectorised else lambda one: lambda *xs: jax.lax.map(lambda x: one(*x), xs)
    outputs, excess = every(evaluate)(shifts, kinds)
    reference = [jnp.where(first, out[0], old) for out, old in zip(outputs, reference, strict=True)]
    found = [list(column) for column in zip(*every(compare)(outputs, shifts, kinds), strict=True)]
    errors = [summary(one, jnp) for one in found[0]] if plan.summed else found[0]
    most = excess.max(axis=0, initial=-exactness.TOO_WIDE)
    return Call(reference, outputs, errors, found[1], found[2], most)


def shifted(plan: Plan, leaves: Sequence[Any], fill: Sequence[Any], shift: Any, other: Any) -> list[Any]:
    """`y[i + s] = x[i]`: rolled around, or with the fill where nothing comes from; all fill if `other`."""
    moved = list(leaves)
    for leaf in sorted({plan.offsets[argument] for along in plan.along for argument, _ in along.arguments}):
        x, stays, moves = jnp.asarray(leaves[leaf]), jnp.logical_not(other), []
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


def rolled(x: Any, moves: Sequence[tuple[int, Any]]) -> Any:
    """`np.roll` along axes by traced shifts of either sign: cells taken at indices modulo the lengths.

    Axes that lie side by side are rolled as one row of cells: XLA compiles one gather, and not one within the other.
    """
    shape = x.shape
    for axes in _runs(sorted({axis for axis, _ in moves} if x.size else ())):
        cells = np.zeros(1, np.int32)
        for axis in axes:
            move = sum(move for one, move in moves if one == axis)
            along = jnp.remainder(np.arange(shape[axis], dtype=np.int32) - move, jnp.int32(shape[axis]))
            cells = (cells[:, None] * jnp.int32(shape[axis]) + along[None, :]).reshape(-1)
        first, last = axes[0], axes[-1]
        row = x.reshape(*shape[:first], -1, *shape[last + 1 :])
        x = jnp.take(row, cells, first, mode="clip").reshape(shape)
    return x


def _runs(axes: Sequence[int]) -> list[list[int]]:
    """Ascending axes, split where one does not follow the other.

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


def _along(row: Any, axis: int, rank: int) -> Any:
    return row.reshape([-1 if number == axis else 1 for number in range(rank)])


def compared(plan: Plan, laws: Sequence[Law], before: Any, after: Any, shift: Any, counts: Any) -> tuple[Any, Any, Any]:
    """|f(y)[p] - f(x)[p - t]| at each p, -1 where the law does not speak of it; how many NaNs, and infinities.

    Whatever is not finite makes an error that is not, and only a careful plan says more: NaN, or an infinity that
    the other side lacks, is an infinite error; the same infinity on both sides is none.
    """
    expected = rolled(before, moves_of(laws, shift))
    errors, nans, infinities = _gap(expected, after, careful=plan.careful)
    speaks = jnp.broadcast_to(counts, errors.shape) & spoken_of(plan, laws, shift, errors.shape)
    count = lambda cells: jnp.int32(0) if cells is None else jnp.sum(speaks & cells, dtype=jnp.int32)
    return jnp.where(speaks, errors, -1), count(nans), count(infinities)


def moves_of(laws: Sequence[Law], shift: Any) -> list[tuple[int, Any]]:
    """(output axis, t) for a shift along each axis."""
    return [(axis, shift[number] // law.shift * t) for number, law in enumerate(laws) for axis, t in law.moves]


def spoken_of(plan: Plan, laws: Sequence[Law], shift: Any, shape: Sequence[int]) -> Any:
    """Where p and p - t both lie in the region: everywhere if the model is cyclic. Shifts may be traced, or NumPy's."""
    inside = np.ones([1] * len(shape), bool)
    for number, law in enumerate(laws):
        moves = dict(law.moves)
        for axis, lo, hi in law.region if plan.model != "cyclic" else ():
            p = np.arange(shape[axis], dtype=np.int32)
            source = p - shift[number] // law.shift * moves[axis]
            clear = (p >= lo) & (p < hi) & (source >= max(lo, 0)) & (source < min(hi, shape[axis]))
            inside = inside & _along(clear, axis, len(shape))
    return inside


def _gap(a: Any, b: Any, *, careful: bool) -> tuple[Any, Any, Any]:
    """|a - b|, and of a careful comparison where a NaN is, and where both are the same infinity."""
    if not jnp.issubdtype(a.dtype, jnp.inexact):
        wide = jnp.float64 if jax.config.jax_enable_x64 else jnp.float32  # pyright: ignore[reportAttributeAccessIssue]
        gap = jnp.abs(a.astype(wide) - b.astype(wide))
        return jnp.where(a == b, 0, jnp.maximum(gap, 1)), None, None  # large ones may round to the same, and differ
    if jnp.finfo(a.dtype).bits < 32:
        a, b = a.astype(jnp.float32), b.astype(jnp.float32)
    if not careful:
        return jnp.abs(a - b), None, None
    nan = jnp.isnan(a) | jnp.isnan(b)
    return jnp.where(a == b, 0, jnp.where(nan, jnp.inf, jnp.abs(a - b))), nan, (a == b) & ~jnp.isfinite(a)
