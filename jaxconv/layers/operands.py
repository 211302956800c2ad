"""Readers of what layers compute with: arrays, random keys, dtypes, precisions and initializers, each checked.

They look at types, shapes and dtypes only: they work under every transformation, and add nothing to a jaxpr.
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
from jaxconv.errors import explain

KINDS = (jnp.bool_, jnp.integer, jnp.floating, jnp.complexfloating)  # each is read as any that follows it


def array(
    where: str,
    argument: str,
    value: object,
    expected: str = "an array",
    *,
    booleans: bool = True,
    cure: str = "Pass a NumPy or JAX array",
) -> Array:
    """What `jnp.asarray` makes of numbers; no text, shapes, keys, or lists that are not rectangular.

    Args:
        where: the function's name, for messages.
        argument: the argument's, likewise.
        value: what was passed.
        expected: what it should be, likewise.
        booleans: whether they will do as numbers.
        cure: what to do where it is no array at all.

    Raises:
        TypeError: it is no array, or one of something else.
        ValueError: lists that differ in length, integers that no dtype holds.
    """
    found = value if isinstance(value, jax.Array) else _as_array(where, argument, value, expected, cure)
    if not any(jnp.issubdtype(found.dtype, kind) for kind in KINDS):
        cure = "Pass the array of numbers first, the key as the argument named key"
        raise TypeError(explain(where, argument, f"of dtype {found.dtype}", f"{expected} of numbers", cure))
    if found.dtype == bool and not booleans:
        cure = f"Cast it first: {argument}.astype(jnp.float32)"
        raise TypeError(explain(where, argument, "of dtype bool", f"{expected} of numbers", cure))
    return found


def _as_array(where: str, argument: str, value: Any, expected: str, cure: str) -> Array:
    """A JAX array of anything else, or why there is none."""
    if isinstance(value, jax.ShapeDtypeStruct):
        cure = f"To compute with shapes alone, write jax.eval_shape({where}, ...)"
        raise TypeError(explain(where, argument, "a jax.ShapeDtypeStruct", expected, cure))
    numbers = isinstance(value, bool | int | float | complex | list | tuple)
    if not (numbers or hasattr(value, "__array__") or hasattr(value, "__jax_array__")):
        raise TypeError(explain(where, argument, shown(value), expected, cure))
    try:
        return jnp.asarray(value)
    except (TypeError, ValueError) as error:
        lists = isinstance(value, list | tuple)
        cure = "Make all its lists of one length, and all its items numbers" if lists else "Convert it to numbers"
        raise type(error)(explain(where, argument, shown(value), expected, cure)) from error
    except OverflowError as error:  # of an integer that no dtype of integers holds
        cure = "Write large numbers as floats, 1e30 for example"
        raise ValueError(explain(where, argument, shown(value), expected, cure)) from error


def random_key(where: str, value: object, argument: str = "key") -> Array:
    """One key of `jax.random`, of the new style or the old.

    Raises:
        TypeError: it is no key.
        ValueError: it is an array of several.
    """
    expected, cure = "one jax.random key", "Pass jax.random.key(0)"
    if not isinstance(value, jax.Array):
        if not (hasattr(value, "shape") and getattr(value, "dtype", None) == jnp.uint32):  # an old key from NumPy
            raise TypeError(explain(where, argument, shown(value), expected, cure))
        value = jnp.asarray(value)
    new = jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
    if not new and (value.dtype != jnp.uint32 or value.ndim == 0):
        raise TypeError(explain(where, argument, shown(value), expected, cure))
    if value.ndim != (0 if new else 1):
        cure = "Pass one of them, or use jax.vmap for all"
        raise ValueError(explain(where, argument, f"keys of shape {value.shape}", expected, cure))
    return value


def real_dtype(where: str, value: object, argument: str = "dtype") -> DTypeLike:
    """The dtype of parameters: floats; None is that of `jax.random.normal`, float32, or float64 under x64.

    Raises:
        TypeError: it is no dtype, or one of something else.
    """
    if value is None:
        return jnp.result_type(float)
    found, cure = _dtype(where, argument, value), "Write jnp.float32 or jnp.bfloat16"
    if not jnp.issubdtype(found, jnp.inexact):
        raise TypeError(explain(where, argument, found, "a dtype of floating-point numbers", cure))
    return found


def result_dtype(where: str, value: object, given: Any, *, narrower: bool = False) -> DTypeLike | None:
    """A `preferred_element_type` for products of arrays of dtype `given`, as lax takes it; None stays None.

    Args:
        where: the function's name, for messages.
        value: what was passed.
        given: the dtype of both operands.
        narrower: whether one of fewer bits will do: `jnp.matmul` rounds to it, convolutions refuse it.

    Raises:
        TypeError: it is no dtype, of another kind of numbers, or narrower.
    """
    if value is None:
        return None
    argument = "preferred_element_type"
    found = _dtype(where, argument, value)
    kind = lambda dtype: next((n for n, one in enumerate(KINDS) if jnp.issubdtype(dtype, one)), 0)
    fits = kind(found) == kind(given) or (kind(given), kind(found)) == (1, 2)
    if not fits or (not narrower and found.itemsize < jnp.dtype(given).itemsize):
        expected = f"as wide as {given}, and of the same kind of numbers"
        raise TypeError(explain(where, argument, found, expected, f"Cast the result instead: y.astype({found})"))
    return value  # pyright: ignore[reportReturnType]  jnp.dtype took it


def _dtype(where: str, argument: str, value: Any) -> Any:
    """A dtype of anything that names one."""
    try:
        return jnp.dtype(value)
    except TypeError as error:
        cure = 'Write jnp.float32 or "float32"'
        raise TypeError(explain(where, argument, shown(value), "a dtype", cure)) from error


def checked_precision(where: str, value: Any) -> lax.PrecisionLike:
    """A precision that `lax` takes, by its own judgement.

    Raises:
        ValueError: `lax` refuses it.
        TypeError: likewise, and it is no name.
    """
    if value is None or isinstance(value, lax.Precision):
        return value
    value = tuple(value) if isinstance(value, list) else value
    try:
        _multiplied(value)
    except (TypeError, ValueError) as error:
        expected = 'None, "default", "high", "highest", a jax.lax.Precision or a pair of them'
        kind = ValueError if isinstance(value, str) else TypeError
        raise kind(explain(where, "precision", shown(value), expected, 'Write "highest" for exact products')) from error
    return value


@lru_cache(maxsize=64)
def _multiplied(precision: Any) -> None:
    """One product of two numbers, traced: what its equation refuses."""
    one = jax.ShapeDtypeStruct((1, 1), jnp.float32)
    jax.eval_shape(lambda a, b: lax.dot(a, b, precision=precision), one, one)
