"""Numbers for named cells: cells of the same name have the same number. Names are hashed to draw numbers."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs.typing import Array, Shaped, eps_of

FEW = 2**15  # most cells whose order is cached
TABLE = 2**13  # different numbers of a draw: two names share one with this probability
INDEX = 10  # distance in bits of the parts of a hash that choose the numbers of consecutive draws
ROUNDING = 32  # allowed difference of floats in units in the last place
# Values to compare: the run, the numbers in each trial, the names of the cells, and which cells to compare. The first
# axis of the last is for trials, and has length 1 if it is the same for all.
Part: TypeAlias = tuple[int, np.ndarray, np.ndarray, np.ndarray]
# Draws numbers of one kind, from uniform numbers, signs, the number of the draw, and the dtype.
DrawKind: TypeAlias = Callable[[np.ndarray, np.ndarray, int, np.dtype], np.ndarray]
RUNS = ("", " of the second run")
# The kind of numbers in a draw: small integers, which are exact; fractions; numbers of all magnitudes; large numbers of
# one magnitude; and the extremes of the dtype, including NaN and infinities.
WHOLE, FRACTIONS, SIZES, LARGE, EXTREMES = range(5)
KINDS = (WHOLE, FRACTIONS, SIZES, LARGE, EXTREMES, EXTREMES)  # of consecutive draws
DRAWS = len(KINDS)
PUSHED, PUSH = (WHOLE, FRACTIONS), 64  # numbers of these kinds are smaller than PUSH
GOLDEN, FACTORS = 0x9E3779B97F4A7C15, (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # of SplitMix64


def kind_of(draw: int) -> int:
    """Return the kind of numbers in a draw."""
    return KINDS[draw % DRAWS]


@functools.lru_cache(maxsize=4096)
def mixed_integers(*parts: int) -> int:
    """Return a hash of integers (the finaliser of SplitMix64)."""
    number = 0
    for part in parts:
        number = (number + part + GOLDEN) % 2**64
        number = (number ^ (number >> 30)) * FACTORS[0] % 2**64
        number = (number ^ (number >> 27)) * FACTORS[1] % 2**64
        number ^= number >> 31
    return number


def mixed(*parts: int | np.ndarray) -> np.ndarray:
    """Return a hash of integers or arrays of integers, element-wise, as `mixed_integers`.

    Python hashes the integers before the first array, in a tenth of the time that NumPy needs for an array of one cell.
    """
    first = [part for part in itertools.takewhile(lambda part: isinstance(part, int), parts) if isinstance(part, int)]
    key, rest = np.array([mixed_integers(*first)], np.uint64), parts[len(first) :]
    for part in rest:
        key = key + np.asarray(part).astype(np.uint64) + np.uint64(GOLDEN)
        key ^= key >> np.uint64(30)
        key *= np.uint64(FACTORS[0])
        key ^= key >> np.uint64(27)
        key *= np.uint64(FACTORS[1])
        key ^= key >> np.uint64(31)
    return key


def along(axis: int, rank: int) -> list[int]:
    """Return the shape that makes a vector along one axis broadcast to an array of some rank."""
    return [-1 if n == axis else 1 for n in range(rank)]


def is_real(aval: Shaped) -> bool:
    """Whether an array has a real dtype, float or integer."""
    return not is_key(aval) and aval.dtype != bool and not jnp.issubdtype(aval.dtype, jnp.complexfloating)


def is_unsigned(aval: Shaped) -> bool:
    """Whether an array has an unsigned integer dtype."""
    return jnp.issubdtype(aval.dtype, jnp.unsignedinteger)


def is_key(aval: Shaped) -> bool:
    """Whether an array contains keys of a random number generator."""
    return jnp.issubdtype(aval.dtype, jax.dtypes.extended)


def numbers(names: np.ndarray, aval: Shaped, draw: int) -> Array:
    """Return a number of the array's dtype for each name, of the kind `kind_of(draw)`."""
    return numbers_of_draws(names, aval, (draw,))[0]


def numbers_of_draws(names: np.ndarray, aval: Shaped, draws: tuple[int, ...]) -> Sequence[Array] | np.ndarray:
    """Return the numbers of some names in each of several draws of one seed."""
    if is_key(aval):
        return [_keys(names, aval, draw) for draw in draws]
    one_each = (len(draws), *(1 for _ in names.shape))  # different bits of a hash choose in different draws
    bits = np.array([INDEX * (draw % DRAWS) for draw in draws], np.uint64).reshape(one_each)
    starts = (np.arange(len(draws)) * TABLE).astype(np.uint64).reshape(one_each)
    at = ((mixed(draws[0] // DRAWS, names).reshape(names.shape) >> bits) & np.uint64(TABLE - 1)) + starts
    return _tables(aval.dtype, draws)[at.view(np.int64)]


@functools.lru_cache(maxsize=64)
def _tables(dtype: np.dtype, draws: tuple[int, ...]) -> np.ndarray:
    """Return the numbers of some draws, one draw after the other."""
    return np.concatenate([_table(dtype, draw) for draw in draws])


@functools.lru_cache(maxsize=64)
def _table(dtype: np.dtype, draw: int) -> np.ndarray:
    """Return the numbers of a draw."""
    bits = mixed(draw, np.arange(TABLE))
    if dtype.kind == "b":
        return (bits & np.uint64(1)).astype(bool)
    if jnp.issubdtype(dtype, jnp.complexfloating):
        part, drawn = np.finfo(dtype).dtype, np.zeros(TABLE, dtype)
        drawn.real, drawn.imag = _table(part, draw), _table(part, draw)[mixed(bits) % np.uint64(TABLE)]
        return drawn
    unit, sign = (bits >> np.uint64(11)) / 2.0**53, 1 - 2 * (bits & np.uint64(1)).astype(np.int64)
    floating = jnp.issubdtype(dtype, jnp.floating)
    kind = kind_of(draw)
    draw_kind = (_reals if floating else _whole_numbers).get(kind)
    if draw_kind is not None:
        return draw_kind(unit, sign, draw, dtype).astype(dtype)
    least, count = (0 if jnp.issubdtype(dtype, jnp.unsignedinteger) else 4), 200 if kind == SIZES else 9
    return ((bits % np.uint64(count)).astype(np.int64) - least).astype(dtype)


def _exponents(dtype: np.dtype) -> tuple[int, int]:
    """Return the smallest and the largest exponent of a float dtype."""
    return cast(int, jnp.finfo(dtype).minexp), cast(int, jnp.finfo(dtype).maxexp)


def _large(unit: np.ndarray, sign: np.ndarray, draw: int, dtype: np.dtype) -> np.ndarray:
    """Return numbers of one magnitude, so that sums lose none of them in rounding.

    The magnitude is from 1e5 to 1e15, or less if the product of two such numbers would overflow.
    """
    most = min(50.0, 0.4 * _exponents(dtype)[1] - 2)
    least = min(17.0, most)
    size = least + (most - least) * (mixed_integers(draw) % 101) / 100
    return sign * (1 + 3 * unit) * 2.0**size


def _extreme(unit: np.ndarray, sign: np.ndarray, draw: int, dtype: np.dtype) -> np.ndarray:
    """Return 1/8 NaN, 1/8 zeros, 1/8 small numbers of all magnitudes, 1/4 infinities, and 3/8 large numbers."""
    kind, rest = np.divmod(8 * unit, 1)
    least, most = _exponents(dtype)
    middle = (most + least) // 2
    small, large = (2.0 ** (lo + (hi - lo) * rest) for lo, hi in ((least + 2, middle), (0, most)))
    sizes = np.select([kind == 1, kind == 2, (kind == 3) | (kind == 4)], [0.0, small, np.inf], large)
    return np.where(kind == 0, np.nan, sign * sizes)


def _any_size(unit: np.ndarray, sign: np.ndarray, draw: int, dtype: np.dtype) -> np.ndarray:
    """Return integers of all magnitudes from the whole range of the dtype."""
    limits = jnp.iinfo(dtype)
    sizes: np.ndarray = np.floor(2.0 ** (unit * np.log2(float(limits.max) + 1))).astype(np.uint64) - np.uint64(1)
    return np.where(sign < 0, 0 - sizes, sizes) if limits.min < 0 else sizes


_reals: dict[int, DrawKind] = {
    FRACTIONS: lambda unit, sign, draw, dtype: 4 * unit - 1,
    SIZES: lambda unit, sign, draw, dtype: sign * 2.0 ** (18 * unit - 6),
    LARGE: _large,
    EXTREMES: _extreme,
}
_whole_numbers: dict[int, DrawKind] = {LARGE: _any_size, EXTREMES: _any_size}


def _keys(names: np.ndarray, aval: Shaped, draw: int) -> Array:
    words, kind = _of_keys(aval.dtype)
    data = mixed(names[..., None], draw, np.arange(words)).astype(np.uint32)
    return jax.random.wrap_key_data(jnp.asarray(data), impl=kind)


@functools.cache
def _of_keys(dtype: np.dtype) -> tuple[int, str]:
    """Return the number of words in a key, and the name of the generator."""
    kinds: list[str] = []

    def data_of(key: jax.Array) -> jax.Array:
        kinds.append(str(jax.random.key_impl(key)))
        return jax.random.key_data(key)

    data: jax.ShapeDtypeStruct = jax.eval_shape(data_of, jax.ShapeDtypeStruct((), dtype))
    return data.shape[0], kinds[0]


def plain(array: Array) -> np.ndarray:
    """Return an array as NumPy array; random keys are hashed."""
    if isinstance(array, np.ndarray) or not is_key(array):
        return np.asarray(array)
    data = np.asarray(jax.random.key_data(array))
    return mixed(*np.moveaxis(data, -1, 0)).reshape(data.shape[:-1])


def alike(actual: np.ndarray, expected: np.ndarray, *, signed: bool = False, noise: float = 0.0) -> np.ndarray:
    """Return which numbers are equal, up to rounding for floats; NaN equals NaN.

    All complex numbers that are not finite are equal: which parts of a quotient are NaN or infinite depends on how the
    processor divides, and so on the position of a cell in the array.

    Args:
        actual: numbers.
        expected: numbers to compare with.
        signed: whether -0 and 0 differ.
        noise: the change of the numbers if the numbers that they are computed from change by a unit in the last place.
    """
    equal = actual == expected
    if (equal.all() and not signed) or not jnp.issubdtype(actual.dtype, jnp.inexact):
        return equal
    wide = np.complex128 if jnp.issubdtype(actual.dtype, jnp.complexfloating) else np.float64
    rounding = ROUNDING * eps_of(actual.dtype)
    a, b = actual.astype(wide), expected.astype(wide)
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


def _models(names: np.ndarray) -> np.ndarray:
    """Return the first cell of the name of each cell."""
    order = np.argsort(names)
    ordered = names[order]
    is_new = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: names.size]
    models = np.empty(names.size, np.intp)
    models[order] = np.minimum.reduceat(order, np.flatnonzero(is_new))[np.cumsum(is_new) - 1] if names.size else 0
    return models


@functools.lru_cache(maxsize=256)
def _cached_models(names: bytes) -> np.ndarray:
    """As `_models`, for all draws of the same cells: sorting takes longer than everything else."""
    return _models(np.frombuffer(names, np.uint64))


def differences_in(parts: Sequence[Part], signed: Sequence[bool], noise: float = 0.0) -> list[str]:
    """Describe the first cell that differs from another cell of its name, for each trial; "" if none does.

    A cell that is compared in some trials only must not be the first of its name.

    Args:
        parts: the values to compare.
        signed: see `alike`, for each trial.
        noise: see `alike`.
    """
    compared = [clear[0] if len(clear) == 1 else clear.any(axis=0) for _, _, _, clear in parts]
    names = np.concatenate([names[where] for (_, _, names, _), where in zip(parts, compared, strict=True)])
    models = _cached_models(names.tobytes()) if names.size <= FEW else _models(names)
    values = np.concatenate([_cells_of(part[1], where) for part, where in zip(parts, compared, strict=True)], 1)
    if any(len(clear) > 1 for _, _, _, clear in parts):
        masks = (_cells_of(clear, where) for (_, _, _, clear), where in zip(parts, compared, strict=True))
        clear = np.concatenate([np.broadcast_to(mask, (len(signed), mask.shape[1])) for mask in masks], 1)
        values = np.where(clear, values, values[:, models])
    expected = values[:, models]
    problems = [""] * len(signed)
    for trial in np.flatnonzero(~_equal(values, expected, np.asarray(signed)).all(1)).tolist():
        same = alike(values[trial], expected[trial], signed=signed[trial], noise=noise)
        if not same.all():
            problems[trial] = _described(parts, compared, values[trial], int(np.argmin(same)), models)
    return problems


def _cells_of(arrays: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return some cells of each array."""
    return arrays.reshape(len(arrays), -1) if where.all() else arrays[:, where]


def _equal(a: np.ndarray, b: np.ndarray, signed: np.ndarray) -> np.ndarray:
    """Return which numbers are equal, or both NaN. In signed rows, -0 and 0 differ."""
    equal = a == b
    if equal.all() and not signed.any():
        return equal
    if jnp.issubdtype(a.dtype, jnp.inexact):
        equal |= np.isnan(a) & np.isnan(b)
        equal[signed] &= (a[signed] != 0) | (_negative(a[signed]) == _negative(b[signed]))
    return equal


def _described(
    parts: Sequence[Part], compared: Sequence[np.ndarray], values: np.ndarray, odd: int, models: np.ndarray
) -> str:
    """Describe a cell that differs from the first one of its name."""
    model = models[odd]
    places = [
        f"{place}{RUNS[part[0]]}"
        for part, where in zip(parts, compared, strict=True)
        for place in np.argwhere(where).tolist()
    ]
    return f"cell {places[odd]} is {values[odd]}, but should be {values[model]} as cell {places[model]}"
