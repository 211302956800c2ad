"""Validates the operands of layers: arrays, random keys, dtypes, precisions and initializers.

The checks use types, shapes and dtypes only. They work under every transformation and add nothing to a jaxpr.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array

from jaxconv.checks import shown
from jaxconv.errors import explain, public_name

KINDS = (jnp.bool_, jnp.integer, jnp.floating, jnp.complexfloating)  # each kind converts to those after it


def array(
    argument: str,
    value: object,
    expected: str = "an array",
    *,
    booleans: bool = True,
    cure: str = "Pass a NumPy or JAX array",
) -> Array:
    """Returns a value as a JAX array of numbers; refuses strings, shapes, random keys and ragged lists.

    Args:
        argument: name of the argument, for error messages.
        value: the value that was passed.
        expected: description of the expected value, for error messages.
        booleans: whether boolean arrays are accepted.
        cure: the fix for a value that is not an array.

    Raises:
        TypeError: the value is not an array of numbers.
        ValueError: lists have different lengths, or no dtype can represent an integer.
    """
    result = value if isinstance(value, jax.Array) else _as_array(argument, value, expected, cure)
    if not any(jnp.issubdtype(result.dtype, kind) for kind in KINDS):
        cure = "Pass the array of numbers first, the key as the argument named key"
        raise TypeError(explain(argument, f"of dtype {result.dtype}", f"{expected} of numbers", cure))
    if result.dtype == bool and not booleans:
        cure = f"Cast it first: {argument}.astype(jnp.float32)"
        raise TypeError(explain(argument, "of dtype bool", f"{expected} of numbers", cure))
    return result


def _as_array(argument: str, value: Any, expected: str, cure: str) -> Array:
    """Converts any other value to a JAX array, or raises an error with the reason."""
    if isinstance(value, jax.ShapeDtypeStruct):
        cure = f"To compute with shapes alone, write jax.eval_shape({public_name()}, ...)"
        raise TypeError(explain(argument, "a jax.ShapeDtypeStruct", expected, cure))
    numbers = isinstance(value, bool | int | float | complex | list | tuple)
    if not (numbers or hasattr(value, "__array__") or hasattr(value, "__jax_array__")):
        raise TypeError(explain(argument, shown(value), expected, cure))
    try:
        return jnp.asarray(value)
    except (TypeError, ValueError) as error:
        lists = isinstance(value, list | tuple)
        cure = "Make all its lists equally long, and all its items numbers" if lists else "Convert it to numbers"
        raise type(error)(explain(argument, shown(value), expected, cure)) from error
    except OverflowError as error:  # an integer that no integer dtype can represent
        cure = "Write large numbers as floats, 1e30 for example"
        raise ValueError(explain(argument, shown(value), expected, cure)) from error


def random_key(value: object, argument: str = "key") -> Array:
    """Returns one `jax.random` key, of the new or the old style.

    Raises:
        TypeError: the value is not a key.
        ValueError: the value is an array of several keys.
    """
    expected, cure = "one jax.random key", "Pass jax.random.key(0)"
    if not isinstance(value, jax.Array):
        if not (hasattr(value, "shape") and getattr(value, "dtype", None) == jnp.uint32):  # an old-style key from NumPy
            raise TypeError(explain(argument, shown(value), expected, cure))
        value = jnp.asarray(value)
    new = jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
    if not new and (value.dtype != jnp.uint32 or value.ndim == 0):
        raise TypeError(explain(argument, shown(value), expected, cure))
    if value.ndim != (0 if new else 1):
        cure = "Pass one of them, or use jax.vmap for all"
        raise ValueError(explain(argument, f"keys of shape {value.shape}", expected, cure))
    return value


def real_dtype(value: object, argument: str = "dtype") -> DTypeLike:
    """Returns a floating-point dtype for parameters. None means float32, or float64 under x64, as `jax.random.normal`.

    Raises:
        TypeError: the value is not a dtype, or not a floating-point dtype.
    """
    if value is None:
        return jnp.result_type(float)
    dtype, cure = _dtype(argument, value), "Write jnp.float32 or jnp.bfloat16"
    if not jnp.issubdtype(dtype, jnp.inexact):
        raise TypeError(explain(argument, dtype, "a dtype of floating-point numbers", cure))
    return dtype


def result_dtype(value: object, given: Any, *, narrower: bool = False) -> DTypeLike | None:
    """Checks a `preferred_element_type` for products of arrays of dtype `given`, as lax accepts it; None stays None.

    Args:
        value: the value that was passed.
        given: dtype of both operands.
        narrower: whether a dtype of fewer bits is accepted: `jnp.matmul` rounds to it, convolutions refuse it.

    Raises:
        TypeError: the value is not a dtype, has another kind of numbers, or is narrower.
    """
    if value is None:
        return None
    argument = "preferred_element_type"
    preferred = _dtype(argument, value)
    kind = lambda dtype: next((n for n, kind_dtype in enumerate(KINDS) if jnp.issubdtype(dtype, kind_dtype)), 0)
    fits = kind(preferred) == kind(given) or (kind(given), kind(preferred)) == (1, 2)
    if not fits or (not narrower and preferred.itemsize < jnp.dtype(given).itemsize):
        expected = f"as wide as {given}, and of the same kind of numbers"
        raise TypeError(explain(argument, preferred, expected, f"Cast the result instead: y.astype({preferred})"))
    return value  # pyright: ignore[reportReturnType]  jnp.dtype accepted it


def _dtype(argument: str, value: Any) -> Any:
    """Converts a value that describes a dtype."""
    try:
        return jnp.dtype(value)
    except TypeError as error:
        cure = 'Write jnp.float32 or "float32"'
        raise TypeError(explain(argument, shown(value), "a dtype", cure)) from error


def checked_precision(value: Any) -> lax.PrecisionLike:
    """Returns a precision that `lax` accepts; `lax` itself is the judge.

    Raises:
        ValueError: the value is a string that `lax` refuses.
        TypeError: the value is not a string, and `lax` refuses it.
    """
    if value is None or isinstance(value, lax.Precision):
        return value
    value = tuple(value) if isinstance(value, list) else value
    try:
        _multiplied(value)
    except (TypeError, ValueError) as error:
        expected = 'None, "default", "high", "highest", a jax.lax.Precision or a pair of them'
        kind = ValueError if isinstance(value, str) else TypeError
        raise kind(explain("precision", shown(value), expected, 'Write "highest" for exact products')) from error
    return value


@lru_cache(maxsize=64)
def _multiplied(precision: Any) -> None:
    """Traces one product of two numbers, which raises lax's error for a precision that it refuses."""
    one = jax.ShapeDtypeStruct((1, 1), jnp.float32)
    jax.eval_shape(lambda a, b: lax.dot(a, b, precision=precision), one, one)
