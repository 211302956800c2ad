"""Element-wise rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
import numpy as np

from jaxconv.verify.numpy_rows.table import element_wise_rows as rows
from jaxconv.verify.numpy_rows.table import is_integer, require, usual, without_negative_zeros


def _arithmetic(fn: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """An element-wise operation without parameters, correctly rounded."""

    def row(*operands: np.ndarray) -> np.ndarray:
        y = fn(*operands)
        usual(*operands, y)
        return y

    return row


def _of_integers(fn: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """An element-wise operation without parameters, of integers and booleans only."""

    def row(*operands: np.ndarray) -> np.ndarray:
        require(all(map(is_integer, operands)))
        return fn(*operands)

    return row


rows("add", "add_any")(_arithmetic(np.add))
rows("sub")(_arithmetic(np.subtract))
rows("neg")(_arithmetic(np.negative))
rows("abs")(_arithmetic(np.abs))
rows("square")(_arithmetic(np.square))
rows("sqrt")(_arithmetic(np.sqrt))
rows("floor")(_arithmetic(np.floor))
rows("ceil")(_arithmetic(np.ceil))
rows("is_finite")(_arithmetic(np.isfinite))
rows("eq")(_arithmetic(np.equal))
rows("ne")(_arithmetic(np.not_equal))
rows("lt")(_arithmetic(np.less))
rows("le")(_arithmetic(np.less_equal))
rows("gt")(_arithmetic(np.greater))
rows("ge")(_arithmetic(np.greater_equal))
rows("and")(_of_integers(np.bitwise_and))
rows("or")(_of_integers(np.bitwise_or))
rows("xor")(_of_integers(np.bitwise_xor))
rows("not")(_of_integers(np.invert))


@rows("mul")
def _mul(x: np.ndarray, y: np.ndarray, *, out_dtype: np.dtype | None = None) -> np.ndarray:
    require(out_dtype in {None, x.dtype})
    return _arithmetic(np.multiply)(x, y)


@rows("div")
def _div(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Integers are divided towards zero."""
    if not is_integer(x):
        return _arithmetic(np.divide)(x, y)
    require((y != 0).all())
    if jnp.issubdtype(x.dtype, jnp.unsignedinteger):
        return x // y
    require((x != np.iinfo(x.dtype).min).all() and (y != np.iinfo(x.dtype).min).all())
    return (np.sign(x) * np.sign(y) * (np.abs(x) // np.abs(y))).astype(x.dtype)


@rows("rem")
def _rem(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The remainder has the sign of the dividend."""
    require((y != 0).all() and not (is_integer(x) and (y == -1).any()))  # the least integer has no remainder by -1
    return _arithmetic(np.fmod)(x, y)


@rows("sign")
def _sign(x: np.ndarray) -> np.ndarray:
    without_negative_zeros(x)
    return np.where(x == 0, x, np.sign(x))


@rows("integer_pow")
def _integer_pow(x: np.ndarray, *, y: int) -> np.ndarray:
    require(y == 2 or (y >= 0 and is_integer(x)))
    return _arithmetic(np.square)(x) if y == 2 else np.power(x, np.asarray(y, x.dtype))


@rows("round")
def _round(x: np.ndarray, *, rounding_method: object) -> np.ndarray:
    require(getattr(rounding_method, "name", "") == "TO_NEAREST_EVEN")
    return _arithmetic(np.rint)(x)


def _right_as(kind: str, x: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Shift right as if x were signed ("i"), so that its first bit is repeated, or unsigned ("u")."""
    dtype = np.dtype(f"{kind}{x.dtype.itemsize}")
    return np.right_shift(x.astype(dtype), by.astype(dtype)).astype(x.dtype)


def _shift(fn: Callable[..., np.ndarray], x: np.ndarray, by: np.ndarray) -> np.ndarray:
    require((by >= 0).all() and (by < 8 * x.dtype.itemsize).all())
    return fn(x, by)


rows("shift_left")(partial(_shift, np.left_shift))
rows("shift_right_arithmetic")(partial(_shift, partial(_right_as, "i")))
rows("shift_right_logical")(partial(_shift, partial(_right_as, "u")))


@rows("max")
def _max(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    without_negative_zeros(x, y)
    z = np.maximum(x, y)
    return z if is_integer(x) else np.where((x == 0) & (y == 0), x + y, z)  # NumPy returns a zero of either sign


@rows("min")
def _min(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    without_negative_zeros(x, y)
    z = np.minimum(x, y)
    return z if is_integer(x) else np.where((x == 0) & (y == 0), -(-x - y), z)


@rows("clamp")
def _clamp(low: np.ndarray, x: np.ndarray, high: np.ndarray) -> np.ndarray:
    return _min(_max(x, low), high)


@rows("convert_element_type")
def _convert(x: np.ndarray, *, new_dtype: np.dtype, weak_type: bool = False) -> np.ndarray:
    """A cast; one of floats to integers only if all are in range."""
    dtype = np.dtype(new_dtype)
    usual(x)
    if not is_integer(x) and jnp.issubdtype(dtype, jnp.integer):
        limits, whole = np.iinfo(dtype), np.trunc(x.astype(np.float64))
        require(((whole >= limits.min) & (whole <= limits.max) & (np.abs(whole) < 2.0**53)).all())
    y = x.astype(dtype)
    usual(y)
    return y


@rows("complex")
def _complex(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    z = np.empty(np.broadcast_shapes(x.shape, y.shape), np.result_type(x.dtype, np.complex64))
    z.real, z.imag = x, y
    return z


@rows("real")
def _real(x: np.ndarray) -> np.ndarray:
    y: np.ndarray = np.real(x)
    return y


@rows("imag")
def _imag(x: np.ndarray) -> np.ndarray:
    y: np.ndarray = np.imag(x)
    return y


@rows("select_n")
def _select_n(which: np.ndarray, *cases: np.ndarray) -> np.ndarray:
    require(which.dtype == bool)
    return np.where(which, cases[1], cases[0])
