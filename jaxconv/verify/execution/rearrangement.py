"""`Rearrangement`: what a function does to the cells of arrays, if it only moves them or changes their signs.

Such a function commutes with rounding, so two sides of a law that it relates can be compared as exactly as two cells.
An interpolation is no rearrangement: it rounds, and it loses what lies between the cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs.typing import Array, ArrayValue
from jaxconv.verify.execution.draw import random_numbers
from jaxconv.verify.execution.tolerance import is_kind

Leaves: TypeAlias = list[ArrayValue]
Move: TypeAlias = Callable[[Leaves], Leaves]  # from the leaves of a container to as many others

LARGE = 1000.0  # the second magnitude of random floats
CHANCES = 8  # how often both magnitudes are drawn where there are booleans
DIGITS = 24  # largest number of bits of a number that identifies a cell


@dataclass(frozen=True, eq=False)
class Rearrangement:
    """A bijection of the cells of some arrays, with signs. A cell keeps its dtype, but may change its array and axes.

    The pool of a dtype is the concatenation of the flattened moved leaves of this dtype. Cell p of the moved leaf i is
    `signs[i][p] * pool[cells[i][p]]`.
    """

    kinds: tuple[Hashable, ...]  # dtype of each leaf; None for a leaf that is not moved
    shapes: tuple[tuple[int, ...], ...]  # shape of each leaf before it is moved
    cells: tuple[np.ndarray, ...]
    signs: tuple[np.ndarray, ...]

    def __call__(self, leaves: Sequence[ArrayValue]) -> Leaves:
        """The moved leaves, as NumPy arrays; leaves that are not moved are passed on."""
        pools = {kind: np.concatenate([np.ravel(leaves[i]) for i in self._pool(kind)]) for kind in self._kinds}
        return [
            leaf if kind is None else _signed(pools[kind][cells], signs)
            for leaf, kind, cells, signs in zip(leaves, self.kinds, self.cells, self.signs, strict=True)
        ]

    @property
    def changed(self) -> tuple[int, ...]:
        """The numbers of the leaves that are not the same after the move."""
        return tuple(number for number in range(len(self.kinds)) if not self._keeps(number))

    def origin(self, number: int, position: tuple[int, ...]) -> tuple[int, tuple[int, ...], int]:
        """Where a cell of a moved leaf comes from: the leaf, the position, and the sign that it is multiplied by."""
        kind = self.kinds[number]
        if kind is None:
            return number, position, 1
        cell, pool = int(self.cells[number][position]), self._pool(kind)
        at = int(np.searchsorted(self._ends(pool), cell, side="right"))
        leaf = pool[at]
        within = cell - int(self._ends(pool)[at]) + math.prod(self.shapes[leaf])
        place = tuple(int(i) for i in np.unravel_index(within, self.shapes[leaf]))
        return leaf, place, int(self.signs[number][position])

    def origins(self, number: int) -> set[int]:
        """The leaves that the cells of a moved leaf come from."""
        if self.kinds[number] is None:
            return {number}
        pool = self._pool(self.kinds[number])
        found = np.searchsorted(self._ends(pool), self.cells[number], side="right")
        return {pool[i] for i in np.unique(found).tolist()}

    @property
    def _kinds(self) -> set[Hashable]:
        return {kind for kind in self.kinds if kind is not None}

    def _pool(self, kind: Hashable) -> list[int]:
        return [number for number, own in enumerate(self.kinds) if own == kind]

    def _ends(self, pool: Sequence[int]) -> np.ndarray:
        """Behind which number of cells each leaf of a pool ends."""
        return np.cumsum([math.prod(self.shapes[leaf]) for leaf in pool])

    def _keeps(self, number: int) -> bool:
        """Whether a leaf is the same after the move."""
        if self.kinds[number] is None:
            return True
        first = sum(math.prod(self.shapes[i]) for i in self._pool(self.kinds[number]) if i < number)
        own = first + np.arange(math.prod(self.shapes[number])).reshape(self.shapes[number])
        return np.array_equal(self.cells[number], own) and bool((self.signs[number] > 0).all())


def rearrangement(move: Move, blank: Sequence[ArrayValue]) -> Rearrangement | None:
    """The rearrangement that a function makes of leaves like `blank`, or None if it does anything else.

    The function is applied to arrays whose cells hold distinct numbers, by digits where the dtype has too few of them.
    A function may move such arrays and still compute with others, as `jnp.sort` does. So the result must also predict
    what the function does to random numbers.
    """
    moved = move(list(blank))
    kinds = tuple(None if y is x else x.dtype for x, y in zip(blank, moved, strict=True))
    if any(kind is not None and getattr(y, "dtype", None) != kind for y, kind in zip(moved, kinds, strict=True)):
        return None
    shapes = tuple(tuple(leaf.shape) for leaf in blank)
    totals = [np.zeros(np.shape(y), np.int64) for y in moved]
    names = _names(kinds, shapes)
    base = [2 if kind is None else _base(kind) for kind in kinds]
    for place in range(max((_digits(name, own) for name, own in zip(names, base, strict=True)), default=0)):
        digits = [
            x if kind is None else jnp.asarray((name // own**place % own).astype(x.dtype))
            for x, kind, name, own in zip(blank, kinds, names, base, strict=True)
        ]
        for number, y in enumerate(move(digits)):
            if kinds[number] is None or np.shape(y) != totals[number].shape:
                continue
            whole = np.real(np.asarray(y)).astype(np.float64)
            if not np.isfinite(whole).all():
                return None
            totals[number] += np.rint(whole).astype(np.int64) * base[number] ** place
    found = Rearrangement(kinds, shapes, tuple(abs(t) - 1 for t in totals), tuple(np.sign(t) for t in totals))
    alike = _is_bijection(found) and all(predicts(found, move, random) for random in _random(blank, kinds))
    return found if alike else None


def predicts(found: Rearrangement, move: Move, leaves: Sequence[ArrayValue]) -> bool:
    """Whether a function moves these leaves as the rearrangement does. NaNs are equal."""
    given = [x if kind is None else jnp.asarray(x) for x, kind in zip(leaves, found.kinds, strict=True)]
    expected = found([x if kind is None else np.asarray(x) for x, kind in zip(given, found.kinds, strict=True)])
    pairs = zip(expected, move(given), found.kinds, strict=True)
    return all(kind is None or _same(a, np.asarray(b)) for a, b, kind in pairs)


def _names(kinds: Sequence[Hashable], shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """A number from 1 on for each cell, distinct among all leaves of one dtype."""
    used: dict[Hashable, int] = {}
    names: list[np.ndarray] = []
    for kind, shape in zip(kinds, shapes, strict=True):
        size = 0 if kind is None else math.prod(shape)
        first = used.get(kind, 0) + 1
        names.append(np.arange(first, first + size).reshape(shape if kind is not None else (0,)))
        used[kind] = first + size - 1
    return names


def _base(kind: object) -> int:
    """The number of digits, from 0 on, that a dtype holds exactly."""
    dtype = jnp.dtype(kind)  # pyright: ignore[reportArgumentType, reportCallIssue]  random keys are refused before
    if dtype == np.bool_:
        return 2
    if jnp.issubdtype(dtype, np.integer):
        return 2 ** min(int(jnp.iinfo(dtype).max).bit_length(), DIGITS)
    return 2 ** min(cast(int, jnp.finfo(dtype).nmant) + 1, DIGITS)


def _digits(names: np.ndarray, base: int) -> int:
    """The number of digits of the largest number."""
    largest, count = int(names.max(initial=0)), 0
    while largest:
        largest, count = largest // base, count + 1
    return count


def _is_bijection(found: Rearrangement) -> bool:
    """Whether each cell of each pool is moved to one place."""
    for kind in {kind for kind in found.kinds if kind is not None}:
        own = [number for number, other in enumerate(found.kinds) if other == kind]
        count = sum(math.prod(found.shapes[number]) for number in own)
        cells = np.sort(np.concatenate([found.cells[number].ravel() for number in own]))
        if not np.array_equal(cells, np.arange(count)):
            return False
    return True


def _random(blank: Sequence[ArrayValue], kinds: Sequence[Hashable]) -> Iterator[Leaves]:
    """Random leaves: floats of two magnitudes; more of them where a cell has few values, which agree by chance."""
    rng = np.random.default_rng(0)
    for scale in (1.0, LARGE) * (CHANCES if np.dtype(np.bool_) in kinds else 1):
        yield [x if kind is None else _numbers(rng, x, scale) for x, kind in zip(blank, kinds, strict=True)]


def _numbers(rng: np.random.Generator, like: ArrayValue, scale: float) -> Array:
    drawn = random_numbers(rng, like.shape, like.dtype, whole=False, signed=True)
    return (drawn * scale).astype(like.dtype) if is_kind(like, np.inexact) else drawn


def _signed(x: np.ndarray, signs: np.ndarray) -> np.ndarray:
    return np.where(signs < 0, -x, x).astype(x.dtype) if (signs < 0).any() else x


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return np.array_equal(a, b, equal_nan=is_kind(a, np.inexact))
