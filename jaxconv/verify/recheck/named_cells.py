"""Numbers for named cells, of which those of one name show one number: drawn by hashing names, judged by comparing."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

ROUNDING = 32  # units in the last place by which floats may differ
Part: TypeAlias = tuple[int, np.ndarray, np.ndarray, np.ndarray]  # run, numbers, their cells' names, which are meant
RUNS = ("", " of the second run")
# What the numbers of a draw are like: small whole ones, which are exact; fractions; numbers of all sizes; large ones,
# all of a size; and the extremes of the dtype, NaN and infinities among them.
WHOLE, FRACTIONS, SIZES, LARGE, EXTREMES = range(5)
KINDS = (WHOLE, FRACTIONS, SIZES, LARGE, EXTREMES, EXTREMES)  # of one draw after the other
DRAWS = len(KINDS)
PUSHED, PUSH = (WHOLE, FRACTIONS), 64  # of these kinds no number is as large
GOLDEN, FACTORS = 0x9E3779B97F4A7C15, (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # of SplitMix64


def kind_of(draw: int) -> int:
    """What the numbers of a draw are like."""
    return KINDS[draw % DRAWS]


def mixed(*parts: Any) -> np.ndarray:
    """A hash of whole numbers, or of arrays of them, cell by cell (the finaliser of SplitMix64).

    Numbers in front of the first array are hashed by Python, which takes a tenth of the time of an array of one cell.
    """
    number, rest = 0, list(parts)
    while rest and isinstance(rest[0], int):
        number = (number + rest.pop(0) + GOLDEN) % 2**64
        number = (number ^ (number >> 30)) * FACTORS[0] % 2**64
        number = (number ^ (number >> 27)) * FACTORS[1] % 2**64
        number ^= number >> 31
    key = np.array([number], np.uint64)
    for part in rest:
        key = key + np.asarray(part).astype(np.uint64) + np.uint64(GOLDEN)
        key ^= key >> np.uint64(30)
        key *= np.uint64(FACTORS[0])
        key ^= key >> np.uint64(27)
        key *= np.uint64(FACTORS[1])
        key ^= key >> np.uint64(31)
    return key


def along(axis: int, rank: int) -> list[int]:
    """The shape of a row of cells along one axis, to be spread over an array."""
    return [-1 if n == axis else 1 for n in range(rank)]


def is_real(aval: Any) -> bool:
    """Whether an array holds real numbers, floats or whole ones."""
    return not is_key(aval) and aval.dtype != bool and not jnp.issubdtype(aval.dtype, jnp.complexfloating)


def is_unsigned(aval: Any) -> bool:
    """Whether an array holds no negative numbers."""
    return jnp.issubdtype(aval.dtype, jnp.unsignedinteger)


def is_key(aval: Any) -> bool:
    """Whether an array holds keys of a random generator."""
    return jnp.issubdtype(aval.dtype, jax.dtypes.extended)


def numbers(names: np.ndarray, aval: Any, draw: int) -> Any:
    """A number of the array's dtype for each name, as `kind_of(draw)` says."""
    if is_key(aval):
        return _keys(names, aval, draw)
    bits = mixed(names, draw).reshape(names.shape)
    if aval.dtype == bool:
        return (bits & np.uint64(1)).astype(bool)
    if jnp.issubdtype(aval.dtype, jnp.complexfloating):
        part = jax.ShapeDtypeStruct(aval.shape, np.finfo(aval.dtype).dtype)
        found = np.zeros(names.shape, aval.dtype)
        found.real, found.imag = (numbers(n, part, draw) for n in (names, mixed(names, 1).reshape(names.shape)))
        return found
    unit, sign = (bits >> np.uint64(11)) / 2.0**53, 1 - 2 * (bits & np.uint64(1)).astype(np.int64)
    floating = jnp.issubdtype(aval.dtype, jnp.floating)
    kind = kind_of(draw)
    reals = (_reals if floating else _whole_numbers).get(kind)
    if reals is not None:
        return reals(unit, sign, draw, aval.dtype).astype(aval.dtype)
    least, count = (0 if is_unsigned(aval) else 4), 200 if kind == SIZES else 9
    return ((bits % np.uint64(count)).astype(np.int64) - least).astype(aval.dtype)


def _large(unit: np.ndarray, sign: np.ndarray, draw: int, dtype: Any) -> np.ndarray:
    """Of one size, so that nothing is lost in rounding: from 1e5 to 1e15, if the product of two such is finite."""
    most = min(50.0, 0.4 * float(jnp.finfo(dtype).maxexp) - 2)
    least = min(17.0, most)
    size = least + (most - least) * float(mixed(draw)[0] % np.uint64(101)) / 100
    return sign * (1 + 3 * unit) * 2.0**size


def _extreme(unit: np.ndarray, sign: np.ndarray, draw: int, dtype: Any) -> np.ndarray:
    """An eighth each of NaN, of zeros and of small numbers of all sizes, a quarter of infinities; the others large."""
    kind, rest = np.divmod(8 * unit, 1)
    limits = jnp.finfo(dtype)
    middle = (limits.maxexp + limits.minexp) // 2
    small, large = (2.0 ** (lo + (hi - lo) * rest) for lo, hi in ((limits.minexp + 2, middle), (0, limits.maxexp)))
    sizes = np.select([kind == 1, kind == 2, (kind == 3) | (kind == 4)], [0.0, small, np.inf], large)
    return np.where(kind == 0, np.nan, sign * sizes)


def _any_size(unit: np.ndarray, sign: np.ndarray, draw: int, dtype: Any) -> np.ndarray:
    """Whole numbers of the dtype's whole range, of all sizes."""
    limits = jnp.iinfo(dtype)
    sizes = np.floor(2.0 ** (unit * np.log2(float(limits.max) + 1))).astype(np.uint64) - np.uint64(1)
    return np.where((sign < 0) & (limits.min < 0), 0 - sizes, sizes)


_reals = {
    FRACTIONS: lambda unit, sign, draw, dtype: 4 * unit - 1,
    SIZES: lambda unit, sign, draw, dtype: sign * 2.0 ** (18 * unit - 6),
    LARGE: _large,
    EXTREMES: _extreme,
}
_whole_numbers = {LARGE: _any_size, EXTREMES: _any_size}


def _keys(names: np.ndarray, aval: Any, draw: int) -> Any:
    words, kind = _of_keys(aval.dtype)
    data = mixed(names[..., None], draw, np.arange(words)).astype(np.uint32)
    return jax.random.wrap_key_data(jnp.asarray(data), impl=kind)


@functools.cache
def _of_keys(dtype: Any) -> tuple[int, Any]:
    """How many words a key has, and what the generator is called."""
    kinds: list[Any] = []
    key = jax.ShapeDtypeStruct((), dtype)
    jax.eval_shape(lambda key: kinds.append(jax.random.key_impl(key)), key)
    return jax.eval_shape(jax.random.key_data, key).shape[0], kinds[0]


def plain(array: Any) -> np.ndarray:
    """What an array holds; of random keys a hash."""
    if not is_key(array):
        return np.asarray(array)
    data = np.asarray(jax.random.key_data(array))
    return mixed(*np.moveaxis(data, -1, 0)).reshape(data.shape[:-1])


def alike(found: np.ndarray, expected: np.ndarray, *, signed: bool = False, noise: float = 0.0) -> np.ndarray:
    """Which numbers are the same, but for rounding where they are floats; NaN is NaN.

    `signed`: -0 is not 0; `noise`: what a unit in the last place of what they were made of changes them by.

    Complex numbers that are not finite are all the same: which parts of a quotient are NaN or infinite depends on how
    the processor divides, and so on the place of a cell in the array.
    """
    equal = found == expected
    if not jnp.issubdtype(found.dtype, jnp.inexact) or (equal.all() and not signed):
        return equal
    wide = np.complex128 if jnp.issubdtype(found.dtype, jnp.complexfloating) else np.float64
    rounding = ROUNDING * float(jnp.finfo(found.dtype).eps)
    a, b = found.astype(wide), expected.astype(wide)
    sizes = np.abs(a)[np.isfinite(a)]
    allowed = rounding * np.abs(a) + rounding * np.abs(b) + rounding * (sizes / max(sizes.size, 1)).sum()
    allowed += ROUNDING * noise
    same = (a == b) & ~(signed & (a == 0) & (_negative(a) != _negative(b)))
    same |= np.isfinite(a) & np.isfinite(b) & (a != b) & (np.abs(a - b) <= allowed)
    if wide is np.complex128:
        return same | ~(np.isfinite(a) | np.isfinite(b))
    return same | (np.isnan(a) & np.isnan(b))


def _negative(x: np.ndarray) -> np.ndarray:
    return np.signbit(np.real(x))


def odd_one(parts: Sequence[Part], *, signed: bool = False, noise: float = 0.0) -> str:
    """The first cell that differs from another of its name; see `alike` for `signed` and `noise`."""
    names = np.concatenate([its_names[clear] for _, _, its_names, clear in parts])
    found = np.concatenate([its_numbers[clear] for _, its_numbers, _, clear in parts])
    _, first, group = np.unique(names, return_index=True, return_inverse=True)
    same = alike(found, found[first[group]], signed=signed, noise=noise)
    if same.all():
        return ""
    odd = int(np.argmin(same))
    model = first[group][odd]
    places = [f"{place}{RUNS[run]}" for run, _, _, clear in parts for place in np.argwhere(clear).tolist()]
    return f"cell {places[odd]} is {found[odd]} and should be {found[model]}, as is cell {places[model]}"
