"""Random arrays for executions: numbers of any dtype, numbers like those of an array, and numbers that add exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxconv.jaxprs.typing import Array, ArrayValue
from jaxconv.verify import array_json
from jaxconv.verify.execution.tolerance import is_kind

DRAWS = 20  # largest number of draws of another array, until one differs


def random_numbers(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    *,
    whole: bool,
    signed: bool,
    scaled: bool = False,
) -> Array:
    """Small nonzero whole numbers, or reals; booleans and random keys of their kind.

    Args:
        rng: the generator.
        shape: the shape.
        dtype: the dtype. Integers that need not be `whole` go up to 255.
        whole: whether floats are whole numbers, up to 4.
        signed: whether numbers have both signs.
        scaled: divide reals by the root of the fan-in, which keeps deep networks from overflowing.
    """
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        key = jax.random.key(int(rng.integers(2**31)), impl=array_json.key_kind(dtype))
        return jax.random.split(key, shape)
    if jnp.issubdtype(dtype, np.bool_):
        return rng.random(shape) < 0.5
    real = jnp.issubdtype(dtype, np.inexact) and not whole
    top = 4 if whole or real else min(255, jnp.iinfo(dtype).max)
    value = np.abs(rng.normal(size=shape)) if real else rng.integers(1, top, shape, endpoint=True)
    if real and scaled:
        value = value / np.sqrt(max(1, math.prod(shape[:-1])))
    if signed and not jnp.issubdtype(dtype, np.unsignedinteger):
        value = value * rng.choice((-1, 1), shape)
    if jnp.issubdtype(dtype, np.complexfloating):
        value = value + 1j * rng.permutation(value.ravel()).reshape(shape)
    return value.astype(dtype)


def is_drawn(leaf: ArrayValue, *, free_parameters: bool) -> bool:
    """Whether a search draws an argument that is not shifted: a shape, and if `free_parameters` any floats."""
    return isinstance(leaf, jax.ShapeDtypeStruct) or (free_parameters and is_kind(leaf, np.inexact))


def exchanged(sample: Sequence[ArrayValue], new: Mapping[int, ArrayValue]) -> list[ArrayValue]:
    """The leaves of a sample, some of them replaced."""
    return [new.get(i, leaf) for i, leaf in enumerate(sample)]


def another(rng: np.random.Generator, leaf: ArrayValue, *, integers: bool) -> ArrayValue:
    """Random values like those of an array, but not the same.

    Draws of few cells may equal the array, so at most `DRAWS` are tried. `integers` draws floats by `exact_integers`.
    """
    numbers: Callable[[ArrayValue], np.ndarray] = lambda x: np.asarray(array_json.as_numbers(x))
    draws = (_like(rng, leaf, integers) for _ in range(DRAWS))
    return next((draw for draw in draws if not np.array_equal(numbers(draw), numbers(leaf))), leaf)


def _like(rng: np.random.Generator, leaf: ArrayValue, integers: bool) -> ArrayValue:
    """Random values between the least and the largest finite value of the leaf, or from it upwards if all are equal."""
    if array_json.is_key(leaf):
        return jax.random.split(jax.random.key(int(rng.integers(2**31)), impl=jax.random.key_impl(leaf)), leaf.shape)
    shape: tuple[int, ...] = leaf.shape
    if is_kind(leaf, np.bool_):
        return rng.random(shape) < 0.5
    if is_kind(leaf, np.complexfloating):
        return (_like(rng, leaf.real, integers) + 1j * _like(rng, leaf.imag, integers)).astype(leaf.dtype)
    if integers and is_kind(leaf, np.floating):
        return exact_integers(rng, shape, leaf.dtype, parameter=False)
    wide = np.asarray(leaf).astype(np.float64 if is_kind(leaf, np.floating) else object)
    finite = wide[np.isfinite(wide.astype(float))]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 1)
    if is_kind(leaf, np.floating):
        span = (high - low) or max(1.0, abs(high))
        return (low + span * rng.random(shape)).astype(leaf.dtype)
    most: int = max(high, low + (low < jnp.iinfo(leaf.dtype).max))
    return rng.integers(low, most, shape, endpoint=True).astype(leaf.dtype)


def exact_integers(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: DTypeLike, *, parameter: bool
) -> np.ndarray:
    """Small whole numbers of both signs, with which deep networks compute exactly.

    - An input has values from -4 to 4.
    - A parameter of two axes or more has values from -2 to 2, which are nonzero with probability 4/fan-in (at most 1).
      The fan-in is the product of all axes except the last. About four nonzero weights for each output keep deep
      networks from overflowing.
    - Every other parameter has nonzero values from -2 to 2.
    """
    if not parameter:
        return rng.integers(-4, 5, shape).astype(dtype)
    value = rng.choice([-2, -1, 1, 2], shape)
    if len(shape) > 1:
        value = value * (rng.random(shape) < 4 / max(4, math.prod(shape[:-1])))
    return value.astype(dtype)
