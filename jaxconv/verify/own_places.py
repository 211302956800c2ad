"""Whether an equation reads an array at the places of its own largest or sorted cells, as x[argmax(x)] does.

The place of the largest cell moves with the input, and where cells tie it even depends on where the axis starts. The
cell that is read there is the largest one whatever place is taken. So what has to be shown is that the cells which are
read are those of the array whose place it is, or of its negative. `equal_cells.py` names the cells of both arrays. The
equations between the place and the read, such as those that wrap negative indices, are executed for every place along
the axis, so that their form does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import jax
import numpy as np
from jax.extend.core import JaxprEqn
from jax.lax import GatherScatterMode

from jaxconv.jaxprs import evaluate, guard
from jaxconv.jaxprs.primitives import family
from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.typing import Array, ArrayValue, aval_of, shape_of
from jaxconv.verify import numpy_rows
from jaxconv.verify.equal_cells import Cells, EqualCells, Names

LONGEST = 2**10  # most cells of the axis, each of which is tried as a place
NONE = -1  # the number of a cell of the places, for what depends on none
RANDOM = 16  # further trials, in which each place is drawn


@dataclass(frozen=True)
class Source:
    """An equation with the places of cells of an operand along an axis, as one of its results.

    `reduced`: whether the result has one place instead of the axis.
    """

    place: Cells
    operand: Cells
    axis: int
    reduced: bool

    def read(self, places: np.ndarray, names: Names) -> Names:
        """The names of the operand's cells at the places."""
        if not self.reduced:
            return np.take_along_axis(names, places, self.axis)
        return np.take_along_axis(names, np.expand_dims(places, self.axis), self.axis).squeeze(self.axis)


# The source of a result, by primitive: from the equation, its operands, the result and its number; None if there is no.
sources: Registry[Callable[[JaxprEqn, Sequence[Cells], Cells, int], Source | None]] = Registry()


@sources("argmax", "argmin")
def _extreme(equation: JaxprEqn, operands: Sequence[Cells], place: Cells, number: int) -> Source | None:
    axes = equation.params["axes"]
    return Source(place, operands[0], axes[0], reduced=True) if len(axes) == 1 else None


@sources("sort")
def _order(equation: JaxprEqn, operands: Sequence[Cells], place: Cells, number: int) -> Source | None:
    """The order of the keys: the positions along the dimension, sorted by one key."""
    axis, payload = equation.params["dimension"], operands[number].numbers
    if equation.params["num_keys"] != 1 or number == 0 or payload is None:
        return None
    rows = np.moveaxis(payload, axis, -1).reshape(-1, payload.shape[axis]).tolist()
    is_order = all(row == list(range(payload.shape[axis])) for row in rows)
    return Source(place, operands[0], axis, reduced=False) if is_order else None


@sources("top_k")
def _largest(equation: JaxprEqn, operands: Sequence[Cells], place: Cells, number: int) -> Source | None:
    axis = equation.params.get("axis", -1) % len(operands[0].shape)
    return Source(place, operands[0], axis, reduced=False) if number == 1 else None


@dataclass(frozen=True)
class Read:
    """An equation that reads at the places of a source. `own`: whether it reads the cells whose places these are."""

    source: Source
    own: bool


def read_at_places(cells: EqualCells, path: evaluate.Path, equation: JaxprEqn) -> Read | None:
    """Return the source of the places that an equation (x, *indices) reads.

    None if there is none, or several, or if there are too many places or cells to try.
    """
    operands = cells.operands_of(path)
    if operands is None or guard.objection(equation):
        return None
    chain = _Chain()
    if not all(map(chain.follow, operands[1:])) or len(chain.found) != 1 or not chain.reads_one_place(operands[1:]):
        return None
    (source,) = chain.found.values()
    length = source.operand.shape[source.axis]
    x, names = cells.names(operands[0]), cells.names(_determined(source.operand))
    if x is None or names is None or length > LONGEST:  # whose cells these are is unknown, so the read is not to blame
        return None
    shape, draw = source.place.shape, np.random.default_rng(0)
    offsets = draw.integers(length, size=shape)
    trials = [(offsets + step) % length for step in range(length)]
    trials += [draw.integers(length, size=shape) for _ in range(RANDOM)]
    order, which = np.unique(x, return_inverse=True)
    indices = [chain.run(operands[1:], places.astype(chain.dtype)) for places in trials]
    stacks = [np.stack(column) for column in zip(*indices, strict=True)]
    found = _executed(equation, which.reshape(x.shape).astype(np.int32), stacks)
    if found.min(initial=0) < 0:  # out of bounds
        return Read(source, own=False)
    wanted = np.stack([source.read(places, names).ravel() for places in trials])
    columns = {column.tobytes() for column in np.ascontiguousarray(wanted.T)}
    read = np.ascontiguousarray(order[found].reshape(len(trials), -1).T.astype(wanted.dtype))
    return Read(source, own=all(column.tobytes() in columns for column in read))


class _SeveralError(Exception):
    """A number depends on several cells of the places."""


def _only_one(cells: np.ndarray) -> np.ndarray:
    """The only number but NONE in each column. Raises _SeveralError if a column has several."""
    found = cells.max(axis=0, initial=NONE)
    if ((cells != NONE) & (cells != found)).any():
        raise _SeveralError
    return found


@dataclass
class _Chain:
    """The equations between places and indices, each of which moves cells or is pointwise.

    Attributes:
        found: the sources, by the equation and the number of the result.
        dtype: dtype of the places.
    """

    found: dict[tuple[evaluate.Path, int], Source] = field(default_factory=dict[tuple[evaluate.Path, int], Source])
    dtype: np.dtype = field(default_factory=lambda: np.dtype(np.int32))

    def follow(self, value: Cells) -> bool:
        """Whether a value is known, or computed from places and known numbers alone."""
        if value.numbers is not None:
            return True
        if value.origin is None or value.made is None:
            return False
        equation, operands, number = value.origin
        name = equation.primitive.name
        if value.made in self.found:
            return True
        if name in sources and (source := sources[name](equation, operands, value, number)) is not None:
            self.found[value.made], self.dtype = source, aval_of(equation.outvars[number]).dtype
            return True
        moves = name in family("pointwise") or name in family("layout")
        return moves and len(equation.outvars) == 1 and all(map(self.follow, operands))

    def reads_one_place(self, indices: Sequence[Cells]) -> bool:
        """Whether each index vector depends on one cell of the places at most, so that trying each place suffices.

        Of `where(places[0] == places[1], ...)` only pairs of places would show all results.

        `indices`: those of a gather, whose last axis lists the components of a vector, or the numbers of a slice.
        """
        try:
            found = [self._on_which(value, {}) for value in indices]
            _only_one(np.concatenate([np.moveaxis(np.atleast_1d(which), -1, 0) for which in found]))
        except _SeveralError:
            return False
        return True

    def _on_which(self, value: Cells, seen: dict[int, np.ndarray]) -> np.ndarray:
        """The number of the cell of the places on which each cell of a value depends; NONE if it is known."""
        if value.numbers is not None:
            return np.full(value.shape, NONE)
        if value.made in self.found or value.origin is None:
            return np.arange(int(np.prod(value.shape))).reshape(value.shape)
        if id(value) not in seen:
            equation, operands, _ = value.origin
            cells = [self._on_which(operand, seen) for operand in operands]
            if equation.primitive.name in family("layout"):
                parameters = guard.understood(equation)
                moved = numpy_rows.rows[equation.primitive.name](*cells, **parameters)
                seen[id(value)] = moved[0] if isinstance(moved, list) else np.asarray(moved)
            else:
                seen[id(value)] = np.broadcast_to(_only_one(np.stack(np.broadcast_arrays(*cells))), value.shape)
        return seen[id(value)]

    def run(self, values: Sequence[Cells], places: np.ndarray) -> list[np.ndarray]:
        """Return values for given places."""
        results: dict[int, np.ndarray] = {}

        def number(value: Cells) -> np.ndarray:
            if value.numbers is not None:
                return value.numbers
            if value.made in self.found or value.origin is None:
                return places
            if id(value) not in results:
                equation, operands, _ = value.origin
                arrays = list(map(number, operands))
                computed = numpy_rows.computed(equation, arrays)
                results[id(value)] = np.asarray((computed or evaluate.executed(equation, arrays))[0])
            return results[id(value)]

        return list(map(number, values))


# The operand that a result determines cell by cell, so that equal results have equal operands: from the operands.
injective: Registry[Callable[[Sequence[Cells]], Cells]] = Registry()


@injective("neg")
def _negated(operands: Sequence[Cells]) -> Cells:
    return operands[0]


def _determined(value: Cells) -> Cells:
    """The value of which another one is an injective function, as x for jnp.argsort(-x)."""
    while value.origin is not None and value.origin[0].primitive.name in injective:
        equation, operands, _ = value.origin
        if guard.objection(equation):
            break
        value = injective[equation.primitive.name](operands)
    return value


# Reads with numbers in place of the cells of x, and -1 where x is not read, by primitive: from the equation.
reads: Registry[Callable[[JaxprEqn], JaxprEqn]] = Registry()


@reads("dynamic_slice")
def _slice(equation: JaxprEqn) -> JaxprEqn:
    return equation


@reads("gather")
def _gather(equation: JaxprEqn) -> JaxprEqn:
    if GatherScatterMode.from_any(equation.params["mode"]) == GatherScatterMode.CLIP:
        return equation
    return equation.replace(params={**equation.params, "mode": GatherScatterMode.FILL_OR_DROP, "fill_value": -1})


def _executed(equation: JaxprEqn, x: np.ndarray, indices: Sequence[np.ndarray]) -> np.ndarray:
    """The cells of x that the equation reads at each row of the indices."""
    reading = reads[equation.primitive.name](equation)

    def read(row: Sequence[Array]) -> Array:
        return evaluate.executed(reading, [x, *row])[0]

    with jax.default_device(jax.devices("cpu")[0]):
        found = cast(ArrayValue, jax.jit(jax.vmap(read))(list(indices)))
        return np.asarray(found).reshape(len(indices[0]), *shape_of(equation.outvars[0]))
