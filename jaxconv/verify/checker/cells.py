"""Numbers for named cells, of which those of one name show one number: drawn by hashing names, judged by comparing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

ROUNDING = 32  # units in the last place by which floats may differ
Part: TypeAlias = tuple[int, np.ndarray, np.ndarray, np.ndarray]  # run, numbers, their cells' names, which are meant
RUNS = ("", " of the second run")


def mixed(*parts: Any) -> np.ndarray:
    """A hash of whole numbers, or of arrays of them, cell by cell (the finaliser of SplitMix64)."""
    key = np.zeros(1, np.uint64)
    for part in parts:
        key = key + np.asarray(part).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        key = key ^ (key >> np.uint64(31))
    return key


def along(axis: int, rank: int) -> list[int]:
    """The shape of a row of cells along one axis, to be spread over an array."""
    return [-1 if n == axis else 1 for n in range(rank)]


def is_key(aval: Any) -> bool:
    """Whether an array holds keys of a random generator."""
    return jnp.issubdtype(aval.dtype, jax.dtypes.extended)


def numbers(names: np.ndarray, aval: Any, draw: int) -> Any:
    """A number of the array's dtype for each name. Of three draws one is of small whole numbers, which are exact."""
    if is_key(aval):
        return _keys(names, aval, draw)
    bits = mixed(names, draw).reshape(names.shape)
    if aval.dtype == bool:
        return (bits & np.uint64(1)).astype(bool)
    if jnp.issubdtype(aval.dtype, jnp.complexfloating):
        part = jax.ShapeDtypeStruct(aval.shape, np.float64)
        imaginary = numbers(mixed(names, 1).reshape(names.shape), part, draw)
        return (numbers(names, part, draw) + 1j * imaginary).astype(aval.dtype)
    unit, sign = (bits >> np.uint64(11)) / 2.0**53, 1 - 2 * (bits & np.uint64(1)).astype(np.int64)
    if draw % 3 and jnp.issubdtype(aval.dtype, jnp.floating):
        return (4 * unit - 1 if draw % 3 == 1 else sign * 2.0 ** (18 * unit - 6)).astype(aval.dtype)
    least, count = (0 if jnp.issubdtype(aval.dtype, jnp.unsignedinteger) else 4), 9 if draw % 3 < 2 else 200
    return ((bits % np.uint64(count)).astype(np.int64) - least).astype(aval.dtype)


def _keys(names: np.ndarray, aval: Any, draw: int) -> Any:
    words = jax.eval_shape(jax.random.key_data, jax.ShapeDtypeStruct((), aval.dtype)).shape[0]
    data = mixed(names[..., None], draw, np.arange(words)).astype(np.uint32)
    kinds: list[Any] = []
    jax.eval_shape(lambda key: kinds.append(jax.random.key_impl(key)), jax.ShapeDtypeStruct((), aval.dtype))
    return jax.random.wrap_key_data(jnp.asarray(data), impl=kinds[0])


def plain(array: Any) -> np.ndarray:
    """What an array holds; of random keys a hash."""
    if not is_key(array):
        return np.asarray(array)
    data = np.asarray(jax.random.key_data(array))
    return mixed(*np.moveaxis(data, -1, 0)).reshape(data.shape[:-1])


def alike(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Which numbers are the same, but for rounding where they are floats; NaN is NaN."""
    if not jnp.issubdtype(found.dtype, jnp.inexact):
        return found == expected
    wide = np.complex128 if jnp.issubdtype(found.dtype, jnp.complexfloating) else np.float64
    rounding = ROUNDING * float(jnp.finfo(found.dtype).eps)
    a, b = found.astype(wide), expected.astype(wide)
    sizes = np.abs(a)[np.isfinite(a)]
    allowed = rounding * (np.abs(a) + np.abs(b) + (sizes.mean() if sizes.size else 0))
    return (a == b) | (np.isnan(a) & np.isnan(b)) | (np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= allowed))


def odd_one(parts: Sequence[Part]) -> str:
    """The first cell that differs from another of its name."""
    names = np.concatenate([its_names[clear] for _, _, its_names, clear in parts])
    found = np.concatenate([its_numbers[clear] for _, its_numbers, _, clear in parts])
    _, first, group = np.unique(names, return_index=True, return_inverse=True)
    same = alike(found, found[first[group]])
    if same.all():
        return ""
    odd = int(np.argmin(same))
    model = first[group][odd]
    places = [f"{place}{RUNS[run]}" for run, _, _, clear in parts for place in np.argwhere(clear).tolist()]
    return f"cell {places[odd]} is {found[odd]} and should be {found[model]}, as is cell {places[model]}"
