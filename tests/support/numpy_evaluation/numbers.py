"""Rows that compute cell by cell, or along an axis."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy import special

from support.numpy_evaluation.layout import plain


def _of_scipy(fn: Callable[[Any], Any]) -> Callable[..., Any]:
    """In double precision, since SciPy knows no bfloat16."""
    return lambda x, **_: fn(x.astype(np.float64)).astype(x.dtype)


def _convert(x: np.ndarray, *, new_dtype: Any, **_: Any) -> np.ndarray:
    """As XLA has it: a float goes to the nearest integer that there is, and NaN to 0."""
    if jnp.issubdtype(x.dtype, jnp.floating) and jnp.issubdtype(new_dtype, jnp.integer):
        low, high = jnp.iinfo(new_dtype).min, jnp.iinfo(new_dtype).max
        whole = np.trunc(np.nan_to_num(x.astype(np.float64), nan=0.0))
        return np.where(whole >= high, high, np.where(whole <= low, low, whole)).astype(new_dtype)
    if jnp.issubdtype(x.dtype, jnp.complexfloating) and not jnp.issubdtype(new_dtype, jnp.complexfloating):
        x = x.real
    return x.astype(new_dtype)


def _divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of integers: towards zero; by zero, all bits."""
    if not jnp.issubdtype(x.dtype, jnp.integer):
        return x / y
    quotient = np.abs(x.astype(np.int64)) // np.where(y == 0, 1, np.abs(y.astype(np.int64)))
    return np.where(y == 0, -1, np.sign(x.astype(np.int64)) * np.sign(y.astype(np.int64)) * quotient).astype(x.dtype)


def _multiply(x: np.ndarray, y: np.ndarray, *, out_dtype: Any = None, **_: Any) -> np.ndarray:
    if out_dtype not in {None, x.dtype}:
        raise NotImplementedError("NumPy has no row for products in another dtype")
    return np.multiply(x, y)


def _reduce(fn: Callable[..., np.ndarray], x: np.ndarray, *, axes: Any, **_: Any) -> np.ndarray:
    return np.asarray(fn(x, axis=tuple(axes))).astype(x.dtype)


def _arg(fn: Callable[..., np.ndarray], x: np.ndarray, *, axes: Any, index_dtype: Any, **_: Any) -> np.ndarray:
    return fn(x, axis=axes[0]).astype(index_dtype)


def _cumulative(fn: Any, x: np.ndarray, *, axis: int, reverse: bool) -> np.ndarray:
    x = np.flip(x, axis) if reverse else x
    found = fn.accumulate(x, axis=axis, dtype=x.dtype)
    return np.flip(found, axis) if reverse else found


ROWS: dict[str, Callable[..., Any]] = {
    "abs": plain(np.abs),
    "add": plain(np.add),
    "add_any": plain(np.add),
    "and": plain(np.bitwise_and),
    "argmax": partial(_arg, np.argmax),
    "argmin": partial(_arg, np.argmin),
    "atan2": plain(np.arctan2),
    "bitcast_convert_type": lambda x, *, new_dtype: np.ascontiguousarray(x).view(new_dtype),
    "ceil": plain(np.ceil),
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "complex": lambda x, y: x + y * np.asarray(1j, np.result_type(x.dtype, np.complex64)),
    "conj": plain(np.conj),
    "convert_element_type": _convert,
    "cos": plain(np.cos),
    "cummax": partial(_cumulative, np.maximum),
    "cummin": partial(_cumulative, np.minimum),
    "cumprod": partial(_cumulative, np.multiply),
    "cumsum": partial(_cumulative, np.add),
    "div": _divide,
    "eq": plain(np.equal),
    "erf": _of_scipy(special.erf),
    "erf_inv": _of_scipy(special.erfinv),
    "exp": plain(np.exp),
    "expm1": plain(np.expm1),
    "floor": plain(np.floor),
    "ge": plain(np.greater_equal),
    "gt": plain(np.greater),
    "imag": plain(np.imag),
    "integer_pow": lambda x, *, y: (x ** np.asarray(y).astype(x.dtype) if y >= 0 else 1 / x**-y).astype(x.dtype),
    "is_finite": plain(np.isfinite),
    "le": plain(np.less_equal),
    "log": plain(np.log),
    "log1p": plain(np.log1p),
    "logistic": lambda x, **_: (1 / (1 + np.exp(-x))).astype(x.dtype),
    "lt": plain(np.less),
    "max": plain(np.maximum),
    "min": plain(np.minimum),
    "mul": _multiply,
    "ne": plain(np.not_equal),
    "neg": plain(np.negative),
    "nextafter": plain(np.nextafter),
    "not": plain(np.invert),
    "one_minus_square": plain(lambda x: 1 - x * x),
    "or": plain(np.bitwise_or),
    "pow": lambda x, y: np.power(x, y.astype(x.dtype)),
    "real": plain(np.real),
    "reduce_and": partial(_reduce, np.all),
    "reduce_max": partial(_reduce, np.max),
    "reduce_min": partial(_reduce, np.min),
    "reduce_or": partial(_reduce, np.any),
    "reduce_prod": partial(_reduce, np.prod),
    "reduce_sum": partial(_reduce, np.sum),
    "rem": np.fmod,
    "round": lambda x, *, rounding_method: np.rint(x) if rounding_method else np.trunc(x + np.copysign(0.5, x)),
    "rsqrt": lambda x, **_: (1 / np.sqrt(x)).astype(x.dtype),
    "shift_right_logical": lambda x, by: (x.view(f"u{x.itemsize}") >> by.view(f"u{x.itemsize}")).view(x.dtype),
    "sign": plain(np.sign),
    "sin": plain(np.sin),
    "sqrt": plain(np.sqrt),
    "square": plain(np.square),
    "sub": plain(np.subtract),
    "tanh": plain(np.tanh),
    "xor": plain(np.bitwise_xor),
}
