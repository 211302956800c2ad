"""Conversion of arrays and of containers of arrays to JSON and back, and to hashable contents for comparisons."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, cast

import jax
import numpy as np

from jaxconv.jaxprs.typing import ArrayValue, PyTree
from jaxconv.verify.strict_json import Json

Fields: TypeAlias = Mapping[str, Any]  # a JSON object, whose reader checks each field

MOST_CELLS = 2**30  # largest number of cells of a decoded array
NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}  # JSON cannot represent these numbers


@dataclass(frozen=True)
class Leaves:
    """The arrays of a container of a class that JSON cannot represent, in the order of `jax.tree.leaves`."""

    structure: str
    leaves: tuple[PyTree, ...]


def is_key(leaf: ArrayValue) -> bool:
    """Whether an array holds random keys."""
    return hasattr(leaf, "dtype") and jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def key_kind(dtype: object) -> str:
    """Return the name of the random generator of a key dtype."""
    kinds = ("threefry2x32", "rbg", "unsafe_rbg")
    return next(kind for kind in kinds if jax.eval_shape(partial(jax.random.key, 0, impl=kind)).dtype == dtype)


def as_numbers(x: ArrayValue) -> ArrayValue:
    """Return an array of numbers. Random keys are replaced by their data, which has one more axis."""
    return jax.random.key_data(x) if is_key(x) else x


def as_keys(numbers: ArrayValue, like: ArrayValue) -> ArrayValue:
    """Convert `numbers` back to random keys if `like` has a key dtype; otherwise return `numbers`."""
    return jax.random.wrap_key_data(jax.numpy.asarray(numbers), impl=key_kind(like.dtype)) if is_key(like) else numbers


def wide(x: ArrayValue) -> np.ndarray:
    """Return an array as complex128 if it is complex, else as float64."""
    x = np.asarray(x)
    return x.astype(complex if np.iscomplexobj(x) or jax.numpy.issubdtype(x.dtype, np.complexfloating) else float)


def contents(tree: PyTree) -> Hashable:
    """Return hashable contents of a container of arrays, equal for equal containers. All NaNs are equal."""
    return _kind(tree).contents(tree)


def encode(tree: PyTree) -> Json:
    """Convert a container of arrays to JSON data, which `decode` reads."""
    return _kind(tree).encode(tree)


def decode(data: Json) -> PyTree:
    """Return the container that `encode` wrote, with NumPy arrays.

    Raises:
        ValueError: `encode` cannot have written `data`.
    """
    if isinstance(data, list):
        return list(map(decode, data))
    if not isinstance(data, dict):
        return data
    reader = READERS.get(frozenset(data))
    if reader is None:
        raise ValueError(f"an object with the keys {sorted(data)} encodes neither an array nor a container")
    return reader(data)


def encode_array(leaf: ArrayValue) -> Json:
    """Convert an array to its dtype, its shape, and its non-zero cells. The cells of a complex array are two lists."""
    if is_key(leaf):
        return {"key": str(jax.random.key_impl(leaf)), "data": np.asarray(jax.random.key_data(leaf)).tolist()}
    x = np.asarray(leaf)
    inexact = jax.numpy.issubdtype(x.dtype, np.inexact)
    flat = wide(x).ravel() if inexact else x.ravel()
    parts = [np.real(flat), np.imag(flat)] if np.iscomplexobj(flat) else [flat]
    (at,) = np.nonzero(np.any([(part != 0) | np.signbit(part) for part in parts], axis=0) if inexact else flat)
    cells = [[_number(cell) for cell in part[at].tolist()] for part in parts]
    return {"dtype": x.dtype.name, "shape": list(x.shape), "at": at.tolist(), "cells": cells}


def _number(cell: float) -> float | str:
    return str(cell) if isinstance(cell, float) and not math.isfinite(cell) else cell


def _decode_array(data: Fields) -> np.ndarray:
    try:
        shape: list[int] = data["shape"]
        dtype, count = jax.numpy.dtype(data["dtype"]), math.prod(shape)
        numeric = jax.numpy.issubdtype(dtype, np.number) or jax.numpy.issubdtype(dtype, np.bool_)
        if not numeric or count > MOST_CELLS or any(at < 0 for at in data["at"]):
            raise ValueError(f"dtype {dtype}, {count} cells, at {data['at'][:3]}...")
        flat = np.zeros(count, dtype)
        real, *imaginary = ([_cell(cell) for cell in part] for part in data["cells"])
        if {len(data["at"])} != {*map(len, data["cells"])}:
            raise ValueError(f"{len(data['at'])} indices, but lists of other lengths")
        with np.errstate(all="ignore"):
            numbers = [complex(*both) for both in zip(real, *imaginary, strict=True)] if imaginary else real
            flat[np.array(data["at"], int)] = np.array(numbers, dtype)
        return flat.reshape(shape)
    except (ArithmeticError, AttributeError, IndexError, KeyError, MemoryError, TypeError, ValueError) as error:
        raise ValueError(f"not an array: {error}") from error


def _cell(data: Json) -> float:
    if not isinstance(data, bool | int | float | str):
        raise TypeError(f"a cell is a {type(data).__name__}")
    return NOT_FINITE[data] if isinstance(data, str) else data


def _decode_key(data: Fields) -> jax.Array:
    try:
        return jax.random.wrap_key_data(jax.numpy.asarray(data["data"], np.uint32), impl=data["key"])
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ValueError(f"not a random key: {error}") from error


def _decode_number(data: Fields) -> float | complex:
    text = data["number"]
    if not isinstance(text, str):
        raise ValueError(f"a number is a {type(text).__name__}, but should be a string")
    return NOT_FINITE[text] if text in NOT_FINITE else complex(text)


def _decode_dict(data: Fields) -> PyTree:
    return {decode(key): decode(value) for key, value in _pairs(data["dict"])}


def _pairs(data: Json) -> list[list[Json]]:
    pairs = [pair for pair in data if isinstance(pair, list) and len(pair) == 2] if isinstance(data, list) else []
    if not isinstance(data, list) or len(pairs) < len(data):
        raise ValueError("a dict should be a list of pairs")
    if any(isinstance(key, list | dict) for key, _ in pairs):
        raise ValueError("a dict's keys should be strings or numbers")
    return pairs


def _listed(data: Json) -> list[PyTree]:
    if not isinstance(data, list):
        raise ValueError(f"{type(data).__name__} should be a list")
    return list(map(decode, data))


def _leaves(tree: PyTree) -> Leaves:
    """Return the arrays of a container of any other registered class."""
    leaves = jax.tree.leaves(tree)
    if any(leaf is tree for leaf in leaves):
        raise TypeError(f"{type(tree).__name__} is neither an array nor a container of arrays")
    return Leaves(str(cast(object, jax.tree.structure(tree))), tuple(leaves))


@dataclass(frozen=True)
class Kind:
    """A kind of value: a predicate for its values, their hashable contents, and their JSON data."""

    holds: Callable[[PyTree], bool]
    contents: Callable[[PyTree], Hashable]
    encode: Callable[[PyTree], Json]


def _array_contents(leaf: ArrayValue) -> Hashable:
    x = np.asarray(leaf)
    if jax.numpy.issubdtype(x.dtype, np.inexact):
        x = np.where(np.isnan(x), x.dtype.type(np.nan), x)
    return (x.dtype.name, x.shape, x.tobytes())


def _tagged(tree: PyTree) -> Hashable:
    return (type(tree).__name__, repr(tree))


KINDS = (
    Kind(lambda tree: tree is None or isinstance(tree, bool | int | str), _tagged, lambda tree: tree),
    Kind(
        lambda tree: isinstance(tree, float | complex) and not isinstance(tree, np.generic),
        _tagged,
        lambda tree: tree if isinstance(tree, float) and math.isfinite(tree) else {"number": str(tree)},
    ),
    Kind(
        lambda tree: isinstance(tree, Leaves),
        lambda tree: (tree.structure, *map(contents, tree.leaves)),
        lambda tree: {"structure": tree.structure, "leaves": list(map(encode, tree.leaves))},
    ),
    Kind(
        lambda tree: type(tree) is dict,
        lambda tree: ("dict", frozenset((key, contents(value)) for key, value in tree.items())),
        lambda tree: {"dict": [[encode(key), encode(value)] for key, value in tree.items()]},
    ),
    Kind(
        lambda tree: type(tree) is tuple,
        lambda tree: ("tuple", *map(contents, tree)),
        lambda tree: {"tuple": list(map(encode, tree))},
    ),
    Kind(
        lambda tree: type(tree) is list,
        lambda tree: ("list", *map(contents, tree)),
        lambda tree: list(map(encode, tree)),
    ),
    Kind(
        is_key,
        lambda tree: (str(jax.random.key_impl(tree)), _array_contents(jax.random.key_data(tree))),
        encode_array,
    ),
    Kind(lambda tree: hasattr(tree, "dtype"), _array_contents, encode_array),
    Kind(lambda _: True, lambda tree: contents(_leaves(tree)), lambda tree: encode(_leaves(tree))),
)


def _kind(tree: PyTree) -> Kind:
    return next(kind for kind in KINDS if kind.holds(tree))


# The reader of each kind of JSON object, by the keys of the object.
READERS: dict[frozenset[str], Callable[[Fields], PyTree]] = {
    frozenset({"dtype", "shape", "at", "cells"}): _decode_array,
    frozenset({"key", "data"}): _decode_key,
    frozenset({"number"}): _decode_number,
    frozenset({"dict"}): _decode_dict,
    frozenset({"tuple"}): lambda data: tuple(_listed(data["tuple"])),
    frozenset({"structure", "leaves"}): lambda data: Leaves(str(data["structure"]), tuple(_listed(data["leaves"]))),
}
