"""The table of rows. A row computes the results of one equation of constants, with the same bits as XLA.

There are three kinds of rows:

- equations that move, select or compare cells, and arithmetic of integers, which wraps in both;
- arithmetic of floats that IEEE 754 defines to be correctly rounded: +, -, *, / and the square root, casts;
- sums of up to 32 floats along one axis, which XLA adds one after the other.

XLA for CPUs replaces subnormal numbers by 0, and IEEE 754 defines neither the bits of a NaN nor the sign of the larger
of two zeros. So an equation with such cells has no result here; nor does an elementary function. `fold.py` then leaves
it to XLA. A row names the parameters of its equation, with defaults those that do not change the result. An equation
with any other parameter is left to XLA as well. `tests/verify/test_numpy_rows.py` compares every row with XLA.

`recheck` compares results of NumPy with results of NumPy only, so it accepts other bits: see `evaluation`. This package
knows nothing else about primitives, because the independent checker imports it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Generator, Sequence
from contextvars import ContextVar
from typing import TypeAlias, cast

import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from jaxconv.jaxprs.functions import Functions, G
from jaxconv.jaxprs.typing import Params, aval_of
from jaxconv.verify.numpy_rows.stacks import of_stack

FLOATS = (np.dtype("float32"), np.dtype("float64"))
# Of the operands, and the parameters as keywords. The result is a sequence if the primitive has several.
Row: TypeAlias = Callable[..., np.ndarray | Sequence[np.ndarray]]


class UnlikeError(Exception):
    """NumPy and XLA may compute different bits."""


rows: Functions[Row] = Functions()
views: Functions[Row] = Functions()  # those whose result uses the memory of the operand, whatever its size


element_wise: set[str] = set()  # primitives whose operands may all have one more axis, before their own


def element_wise_rows(*names: str) -> Callable[[G], G]:
    """Register a function for element-wise primitives."""
    element_wise.update(names)
    return rows(*names)


_bitwise: ContextVar[bool] = ContextVar("_bitwise", default=True)


def computed(equation: JaxprEqn, operands: Sequence[np.ndarray]) -> list[np.ndarray] | None:
    """Return the results of an equation, or None if NumPy is not known to compute what XLA computes."""
    evaluate = evaluation(equation)
    with np.errstate(all="ignore"):
        return None if evaluate is None else evaluate(operands, ())


def evaluation(
    equation: JaxprEqn,
) -> Callable[[Sequence[np.ndarray], tuple[int, ...]], list[np.ndarray] | None] | None:
    """Return `computed` as a function of the operands, which may warn; None if the equation has no row.

    The second argument is the shape before that of the results: (), or the additional axis of a stack. In a row that is
    not element-wise, all operands are stacks: see `of_stack`.
    """
    name, avals = equation.primitive.name, [(aval.shape, aval.dtype) for aval in map(aval_of, equation.outvars)]
    row, parameters = rows.get(name), None
    if row is not None:
        parameters = _named(row, equation.params)
    if row is None or parameters is None:
        return None

    def evaluate(operands: Sequence[np.ndarray], leading: tuple[int, ...]) -> list[np.ndarray] | None:
        try:
            more = of_stack[name](parameters, *leading) if leading and name not in element_wise else parameters
            found = row(*operands, **more)
        except Exception:  # a parameter or a dtype without a row: XLA computes it
            return None
        several = cast("Sequence[np.ndarray]", found if equation.primitive.multiple_results else [found])
        results = list(map(np.asarray, several))
        expected = [(leading + shape, dtype) for shape, dtype in avals]
        return results if [(y.shape, y.dtype) for y in results] == expected else None

    return evaluate


@contextlib.contextmanager
def other_bits() -> Generator[None]:
    """Compute with NaN, subnormal numbers and signed zeros too, whose bits may differ from those of XLA.

    The result of an element-wise operation is a function of the operands' numbers alone, as it is by XLA.
    """
    token = _bitwise.set(False)
    try:
        yield
    finally:
        _bitwise.reset(token)


def _named(row: Row, params: Params) -> Params | None:
    """Return the parameters that a row names; None if an equation has others that are not None."""
    names = _keywords(row)
    others = (value for name, value in params.items() if name not in names)
    return None if any(value is not None for value in others) else {n: params[n] for n in names if n in params}


@functools.cache
def _keywords(row: Row) -> frozenset[str]:
    parameters = inspect.signature(row).parameters.values()
    return frozenset(parameter.name for parameter in parameters if parameter.kind == parameter.KEYWORD_ONLY)


def require(condition: object) -> None:
    """Raise UnlikeError unless a condition holds."""
    if not condition:
        raise UnlikeError


def is_integer(x: np.ndarray) -> bool:
    """Whether an array has an integer dtype, or booleans."""
    return x.dtype not in FLOATS and (x.dtype == bool or jnp.issubdtype(x.dtype, jnp.integer))


def usual(*arrays: np.ndarray) -> None:
    """Refuse floats of other dtypes; and NaN and subnormal numbers, if bits matter."""
    for x in arrays:
        if not is_integer(x):
            require(x.dtype in FLOATS)
            if _bitwise.get():
                require(not (np.isnan(x) | ((x != 0) & (np.abs(x) <= np.finfo(x.dtype).smallest_normal))).any())


def without_negative_zeros(*arrays: np.ndarray) -> None:
    """Refuse what `usual` refuses; and zeros with a sign, if bits matter."""
    usual(*arrays)
    if _bitwise.get():
        require(not any(jnp.issubdtype(x.dtype, jnp.floating) and (np.signbit(x) & (x == 0)).any() for x in arrays))
