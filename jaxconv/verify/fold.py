"""Constant folding: executes equations whose operands are all constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn, Var

from jaxconv.jaxprs import evaluate, guard
from jaxconv.jaxprs.layout import called
from jaxconv.jaxprs.primitives import family
from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.typing import aval_of
from jaxconv.verify.domain import bits

MOST = 2**16  # largest number of cells of a folded constant: enough for masks and indices, not for whole images
LONGEST_PERIOD = 64  # largest period that is searched for in a constant
# Loops are followed, not executed. Random numbers may be many, and a period among them would be a coincidence.
LEFT_OUT = family("control", "random")

Numbers: TypeAlias = Sequence[np.ndarray | None]
# Functions that fold an equation, from the equation and the numbers of its first operand.
folding: Registry[Callable[[JaxprEqn, np.ndarray], np.ndarray | None]] = Registry()


def folded(equation: JaxprEqn, known: Numbers) -> list[np.ndarray] | None:
    """Return the numbers of the results, if the numbers of all operands are known and all arrays are small.

    Otherwise return None; also if the execution raises, as for a dtype that XLA does not support, or for a NaN under
    `jax_debug_nans`.
    """
    name, is_call = equation.primitive.name, called(equation) is not None
    from_nothing = not known and name not in family("layout")  # may differ between runs, as the platform's index does
    if any(number is None for number in known) or is_call or from_nothing or name in LEFT_OUT:
        return None
    if guard.impurity(equation):
        return None
    if name in folding and (found := folding[name](equation, np.asarray(known[0]))) is not None:
        return [found]
    if any(number is not None and number.size > MOST for number in known) or not all(map(_is_small, equation.outvars)):
        return None
    try:
        with jax.ensure_compile_time_eval():
            results = evaluate.executed(equation, [jax.device_put(number) for number in known])
        return [np.asarray(jax.device_get(array)) for array in results]
    except Exception:  # any failure: a constant that cannot be executed is an unknown one
        return None


@folding("broadcast_in_dim")
def _broadcast(equation: JaxprEqn, number: np.ndarray) -> np.ndarray | None:
    """Broadcast a scalar without copies: the result uses the memory of one cell."""
    return np.broadcast_to(number, aval_of(equation.outvars[0]).shape) if number.ndim == 0 else None


def _is_small(variable: Var) -> bool:
    """Whether a result is an array of at most `MOST` numbers, and not of random keys."""
    aval = aval_of(variable)
    return hasattr(aval, "shape") and not jnp.issubdtype(aval.dtype, jax.dtypes.extended) and aval.size <= MOST


def _rows(array: np.ndarray, axis: int) -> np.ndarray:
    """Return the bits of an array's cells at each position along an axis, one row for each position."""
    return bits(np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1))


def period(array: np.ndarray, axis: int) -> int | None:
    """Return the least period of an array's bits along an axis, 1 if all cells are equal; or None.

    The period is at most half of the length. A longer one is a coincidence, as between the two ends of a mask, since it
    does not occur twice.
    """
    length = array.shape[axis]
    if array.strides[axis] == 0 or length == 0:
        return 1
    rows = _rows(array, axis)
    for found in range(1, min(length // 2, LONGEST_PERIOD) + 1):
        if np.array_equal(rows[found:], rows[:-found]):
            return found
    return None


def runs(array: np.ndarray, axis: int) -> list[tuple[int, int, int]]:
    """Return the stretches [lo, hi) of an axis on which an array's bits have a period: (period, lo, hi), longest first.

    Each holds two periods or more, and at least a third of the axis: shorter ones are coincidences.

    >>> runs(np.array([2, 3, 3, 3, 2]), 0)
    [(1, 1, 4)]
    """
    length = array.shape[axis]
    names = np.unique(_rows(array, axis), axis=0, return_inverse=True)[1].ravel()  # NumPy 2.0 keeps the axes
    found: list[tuple[int, int, int]] = []
    for period in range(1, min(length // 2, LONGEST_PERIOD) + 1):
        same = np.concatenate([[False], names[period:] == names[:-period], [False]])
        changes = np.flatnonzero(same[1:] != same[:-1]).tolist()
        stretches = zip(changes[::2], changes[1::2], strict=True)
        found += [(period, lo, hi + period) for lo, hi in stretches if hi - lo >= period]
    enough = [run for run in found if 3 * (run[2] - run[1]) >= length]
    return sorted(enough, key=lambda run: (run[1] + run[0] - run[2], run[0], run[1]))  # most pairs a period apart first


def repeats(array: np.ndarray, steps: Mapping[int, int], *, wraps: bool) -> bool:
    """Whether an array has equal bits at positions that are `steps[axis]` cells apart along all these axes at once.

    `wraps`: whether the axes go around, so that positions count modulo their lengths.

    >>> repeats(np.eye(3), {0: 1, 1: 1}, wraps=True), repeats(np.tri(3), {0: 1, 1: 1}, wraps=True)
    (True, False)
    >>> repeats(np.tri(3), {0: 1, 1: 1}, wraps=False)
    True
    """
    cells = bits(array[..., None])
    if wraps:
        return np.array_equal(np.roll(cells, tuple(steps.values()), tuple(steps)), cells)
    before, after = [slice(None)] * array.ndim, [slice(None)] * array.ndim
    for axis, step in steps.items():
        before[axis], after[axis] = (
            slice(max(-step, 0), min(-step, 0) or None),
            slice(max(step, 0), min(step, 0) or None),
        )
    return np.array_equal(cells[tuple(before)], cells[tuple(after)])
