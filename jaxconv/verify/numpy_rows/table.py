"""The table of rows. A row computes the results of one equation of constants, with the same bits as XLA.

There are three kinds of rows:

- equations that move, select or compare cells, and arithmetic of integers, which wraps in both;
- arithmetic of floats that IEEE 754 defines to be correctly rounded: +, -, *, / and the square root, casts;
- sums of up to 32 floats along one axis, which XLA adds one after the other.

XLA for CPUs replaces subnormal numbers by 0, and IEEE 754 defines neither the bits of a NaN nor the sign of the larger
of two zeros. So an equation with such cells has no result here; nor does an elementary function. `fold.py` then leaves
it to XLA. A row receives the understood parameters of its equation. One that it does not name raises TypeError, and the
equation is left to XLA as well. `tests/verify/test_numpy_rows.py` compares every row with XLA.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.typing import aval_of

FLOATS = ("float32", "float64")
# Of the operands, and the understood parameters as keywords. The result is a sequence if the primitive has several.
Row: TypeAlias = Callable[..., np.ndarray | Sequence[np.ndarray]]


class UnlikeError(Exception):
    """NumPy and XLA may compute different bits."""


rows: Registry[Row] = Registry()
views: Registry[Row] = Registry()  # those whose result uses the memory of the operand, whatever its size


def computed(equation: JaxprEqn, operands: Sequence[np.ndarray]) -> list[np.ndarray] | None:
    """Return the results of an equation, or None if NumPy is not known to compute what XLA computes."""
    row = rows.get(equation.primitive.name)
    if row is None:
        return None
    try:
        with np.errstate(all="ignore"):
            found = row(*operands, **guard.understood(equation))
    except Exception:  # a parameter or a dtype without a row: XLA computes it
        return None
    several = cast("Sequence[np.ndarray]", found if equation.primitive.multiple_results else [found])
    results = list(map(np.asarray, several))
    avals = list(map(aval_of, equation.outvars))
    as_expected = all(y.shape == aval.shape and y.dtype == aval.dtype for y, aval in zip(results, avals, strict=True))
    return results if as_expected else None


def require(condition: object) -> None:
    """Raise UnlikeError unless a condition holds."""
    if not condition:
        raise UnlikeError


def is_integer(x: np.ndarray) -> bool:
    """Whether an array has an integer dtype, or booleans."""
    return x.dtype == bool or jnp.issubdtype(x.dtype, jnp.integer)


def usual(*arrays: np.ndarray) -> None:
    """Refuse floats of other dtypes, NaN and subnormal numbers."""
    for x in arrays:
        if not is_integer(x):
            require(x.dtype.name in FLOATS)
            require(not (np.isnan(x) | ((x != 0) & (np.abs(x) <= np.finfo(x.dtype).smallest_normal))).any())


def without_negative_zeros(*arrays: np.ndarray) -> None:
    """Refuse what `usual` refuses, and zeros with a sign."""
    usual(*arrays)
    require(not any(jnp.issubdtype(x.dtype, jnp.floating) and (np.signbit(x) & (x == 0)).any() for x in arrays))
