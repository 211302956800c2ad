"""Constant folding: the numbers of what a function computes from constants alone, by the primitives themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs import evaluate, guard
from jaxconv.jaxprs.layout import called
from jaxconv.jaxprs.primitives import family
from jaxconv.jaxprs.registry import Registry
from jaxconv.verify.domain import bits

MOST = 2**16  # numbers of a constant that is computed: masks and indices, never whole images
LONGEST_PERIOD = 64  # of a constant's pattern that is looked for
# Loops are followed, not computed; random numbers may be many, and periods of theirs would be chance.
LEFT_OUT = family("control", "random")

Numbers = Sequence["np.ndarray | None"]
# Of an equation and its first operand's numbers.
folding: Registry[Callable[[Any, np.ndarray], np.ndarray | None]] = Registry()


def folded(equation: Any, known: Numbers) -> list[np.ndarray] | None:
    """The results' numbers if all operands' are known and there are few.

    None, too, if computing them raises: a dtype that XLA has no code for, a NaN under `jax_debug_nans`.
    """
    name, is_call = equation.primitive.name, called(equation) is not None
    from_nothing = not known and name not in family("layout")  # may differ, as the platform's number does
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
            results = evaluate.executed(equation, [*map(jax.device_put, known)])
        return [np.asarray(jax.device_get(array)) for array in results]
    except Exception:  # whatever it is: a constant that cannot be computed is one that is not known
        return None


@folding("broadcast_in_dim")
def _broadcast(equation: Any, number: np.ndarray) -> np.ndarray | None:
    """One number, of any shape, in one cell's memory."""
    return np.broadcast_to(number, equation.outvars[0].aval.shape) if number.ndim == 0 else None


def _is_small(variable: Any) -> bool:
    """Whether a result is an array of numbers that are few."""
    aval = variable.aval
    return hasattr(aval, "shape") and not jnp.issubdtype(aval.dtype, jax.dtypes.extended) and aval.size <= MOST


def period(array: np.ndarray, axis: int) -> int | None:
    """The least shift along an axis under which an array's bits repeat, 1 if all cells are alike; or None.

    It is at most half of the length: numbers that no cell sees twice repeat by chance, as a mask's two ends do.
    """
    length = array.shape[axis]
    if array.strides[axis] == 0 or length == 0:
        return 1
    rows = bits(np.moveaxis(array, axis, 0).reshape(length, -1))
    for found in range(1, min(length // 2, LONGEST_PERIOD) + 1):
        if np.array_equal(rows[found:], rows[:-found]):
            return found
    return None
