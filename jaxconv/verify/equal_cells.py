"""Which cells of a value are equal whatever the parameters are, as in a matrix that is gathered from an unknown kernel.

Every cell gets a name, and cells of one name are equal in every run. Equations that move cells move their names. A
pointwise equation maps cells of equal names to cells of equal names. In exact arithmetic, sums of equal products are
equal. The cells of any other result have names of their own. So `kernel[(i - j) % n]` is constant along diagonals,
although no number is known.

Names are computed when a rule asks for those of an operand, from the equations that it was computed by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import jax
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn
from jax.lax import GatherScatterMode

from jaxconv.jaxprs import evaluate, guard
from jaxconv.jaxprs.layout import entered
from jaxconv.jaxprs.primitives import family
from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.typing import ArrayValue, Shaped, aval_of, shape_of
from jaxconv.verify import numpy_rows
from jaxconv.verify.constant_program import Folded
from jaxconv.verify.domain import bits
from jaxconv.verify.settled_numbers import settled, settling

MOST = 2**14  # largest number of cells that are named
MOST_TERMS = 2**21  # largest number of terms of all sums of an equation
MOST_SETTLED = 2**18  # cells that are named at most to find numbers that cells have for all inputs
MOST_NAMES = 2**31  # names below it are paired in one int64
DEEPEST = 100  # longest chain of equations that is followed
ZERO = 0  # the name of cells that are known to be +0

Names: TypeAlias = np.ndarray  # of int64


@dataclass(eq=False)
class Cells:
    """The cells of one value.

    Attributes:
        shape: shape of the value.
        numbers: the numbers, if they are known.
        origin: the equation that computes the value, its operands, and the number of the result.
        depth: length of the longest chain of equations behind the value.
        made: the path of the equation that computes the value, and the number of the result, if it is not a constant.
        names: the names, if they have been computed.
        may_settle: whether some cells may have a number for all inputs, if that has been asked.
    """

    shape: tuple[int, ...]
    numbers: np.ndarray | None = None
    origin: tuple[JaxprEqn, Sequence[Cells], int] | None = None
    depth: int = 0
    made: tuple[evaluate.Path, int] | None = None
    names: Names | None = None
    may_settle: bool | None = None


def _may_settle(value: Cells) -> bool:
    """Return whether some cells of a value may have a number for all inputs.

    Only known numbers, such as a mask or the zeros of a padding, settle others: in a network without them no cell needs
    a name to see that none is settled.
    """
    if value.may_settle is None:
        value.may_settle = value.numbers is not None or (value.origin is not None and _may_settle_result(*value.origin))
    return value.may_settle


def _may_settle_result(equation: JaxprEqn, operands: Sequence[Cells], number: int) -> bool:
    name = equation.primitive.name
    if name in moves or name in sums or any(value.numbers is None and _may_settle(value) for value in operands):
        return any(map(_may_settle, operands))
    if name not in settling:
        return False
    if any(value.numbers is not None and value.numbers.size != 1 for value in operands):
        return True
    numbers = [None if value.numbers is None else float(np.real(value.numbers.item())) for value in operands]
    return settled(equation, numbers) is not None


def _unnamed(value: Cells) -> int:
    """Return the number of cells that have no names yet, of a value and of those that it is computed from."""
    left, seen, count = [value], set[int](), 0
    while left:
        one = left.pop()
        if one.names is None and id(one) not in seen:
            seen.add(id(one))
            count += math.prod(one.shape)
            left += [] if one.origin is None or one.numbers is not None else one.origin[1]
    return count


@dataclass
class EqualCells:
    """Names the cells of the operands of a jaxpr's equations.

    Attributes:
        jaxpr: the jaxpr.
        constants: the arrays that it is closed over.
        operands: the numbers of its inputs; None if they are unknown.
        folded: the results of the equations that were folded.
        numbers: the numbers of a closed-over array, or None if they are parameters.
        read: the operands of each equation, by its path in the jaxpr.
        named: the name of each number and of each function of names.
        settled: the number of each name whose cells have it for all inputs; see `settled_numbers.py`.
        count: number of names so far.
        spent: number of cells that were named to find settled numbers.
    """

    jaxpr: Jaxpr
    constants: Sequence[ArrayValue]
    operands: Sequence[np.ndarray | None]
    folded: Folded
    numbers: Callable[[ArrayValue], np.ndarray | None]
    read: dict[evaluate.Path, list[Cells]] = field(default_factory=dict[evaluate.Path, list[Cells]])
    named: dict[Hashable, int] = field(default_factory=dict[Hashable, int])
    settled: dict[int, float] = field(default_factory=lambda: {ZERO: 0.0})
    count: int = 1
    spent: int = 0

    def of(self, path: evaluate.Path, operand: int) -> Names | None:
        """Return the names of the cells of an equation's operand; None if they are too many, or all different."""
        cells = self.cells(path, operand)
        names = None if cells is None else self.names(cells)
        return None if names is None or np.unique(names).size == names.size else names

    def settled_in(self, path: evaluate.Path, operand: int) -> np.ndarray | None:
        """Return the numbers that cells of an operand have for all inputs, or NaN; None if none has one.

        Each equation of a network that shows nothing asks, so the cells that are named for an answer are limited.
        """
        cells = self.cells(path, operand)
        if cells is None or not _may_settle(cells):
            return None
        unnamed = _unnamed(cells)
        if self.spent + unnamed > MOST_SETTLED:
            return None
        self.spent += unnamed
        names = self.names(cells)
        if names is None:
            return None
        distinct, which = np.unique(names, return_inverse=True)
        numbers = np.array([self.settled.get(name, np.nan) for name in distinct.tolist()])
        return None if np.isnan(numbers).all() else numbers[which].reshape(names.shape)

    def cells(self, path: evaluate.Path, operand: int) -> Cells | None:
        """Return the cells of an operand of the equation at a path."""
        operands = self.operands_of(path)
        return None if operands is None else operands[operand]

    def operands_of(self, path: evaluate.Path) -> list[Cells] | None:
        """Return the cells of the operands of the equation at a path, with the equations that compute them."""
        if not self.read:
            inputs = zip(self.jaxpr.invars, self.operands, strict=True)
            self._follow(self.jaxpr, self.constants, [Cells(shape_of(v), known) for v, known in inputs], ())
        return self.read.get(path)

    def _follow(
        self, jaxpr: Jaxpr, constants: Sequence[ArrayValue], operands: Sequence[Cells], path: evaluate.Path
    ) -> list[Cells]:
        """Note the operands of each equation, and of those in calls, and return the results."""

        def constant(value: ArrayValue, aval: Shaped) -> Cells:
            is_array = hasattr(aval, "dtype")  # otherwise a mutable reference, which no equation may read
            return Cells(aval.shape, self.numbers(value)) if is_array else Cells(())

        def literal(value: ArrayValue, aval: Shaped) -> Cells:
            return Cells(aval.shape, np.asarray(value, aval.dtype))

        def step(equation: JaxprEqn, inputs: list[Cells], path: evaluate.Path) -> list[Cells]:
            self.read[path] = inputs
            known, body = self.folded.get(path), entered(equation, inputs)
            if known is not None:
                return [Cells(shape_of(v), number) for v, number in zip(equation.outvars, known, strict=True)]
            if body is not None and not guard.objection(equation):
                return self._follow(*body, (*path, 0))
            if equation.primitive.name in family("identity") and not guard.objection(equation):
                return inputs
            depth = max((value.depth for value in inputs), default=0) + 1
            if depth > DEEPEST or guard.impurity(equation):
                return [Cells(shape_of(v), made=(path, number)) for number, v in enumerate(equation.outvars)]
            return [
                Cells(shape_of(variable), None, (equation, inputs, number), depth, (path, number))
                for number, variable in enumerate(equation.outvars)
            ]

        return evaluate.evaluate(
            jaxpr, constants, operands, step, constant=constant, literal=literal, calls=False, path=path
        )

    def names(self, value: Cells) -> Names | None:
        """Return the names of the cells of a value; None if they are too many."""
        if value.names is None and np.prod(value.shape, dtype=float) <= MOST:
            value.names = self._computed(value)
        return value.names

    def _computed(self, value: Cells) -> Names:
        if value.numbers is not None:
            return self._of_numbers(value.numbers)
        found = None if value.origin is None else self._of_result(*value.origin)
        if found is not None and found.shape == value.shape:
            return found
        self.count += int(np.prod(value.shape))
        return np.arange(self.count - int(np.prod(value.shape)), self.count).reshape(value.shape)

    def _of_numbers(self, array: np.ndarray) -> Names:
        """Return the names of known numbers: equal bits of one dtype have one name."""
        if not array.size:
            return np.zeros(array.shape, np.int64)
        cells = bits(np.asarray(array)[..., None]).reshape(array.size, -1)
        distinct, which = np.unique(cells, axis=0, return_inverse=True)
        names = [self._name((str(array.dtype), cell.tobytes())) if cell.any() else ZERO for cell in distinct]
        if array.dtype.kind in "bif":
            found = distinct.view(array.dtype).ravel().astype(float).tolist()
            self.settled |= {name: number for name, number in zip(names, found, strict=True) if not math.isnan(number)}
        return np.array(names, np.int64)[which.ravel()].reshape(array.shape)

    def _name(self, key: Hashable) -> int:
        """Return the name of something that its key determines."""
        name = self.named.setdefault(key, self.count)
        self.count += name == self.count
        return name

    def _of_result(self, equation: JaxprEqn, operands: Sequence[Cells], number: int) -> Names | None:
        """Return the names of a result of an equation that moves cells, or is pointwise; None for any other."""
        name = equation.primitive.name
        if name in moves:
            try:
                return np.asarray(moves[name](equation, operands, self.names)[number], np.int64)
            except Exception:  # numbers that are unknown, or parameters that the function does not support
                pass
        if name in sums:
            try:
                return self._of_terms(equation, sums[name](equation, operands, self._of_factors))
            except _UnknownError:
                return None
        named = [self.names(value) for value in operands]
        cells = [names for names in named if names is not None]
        if name not in family("pointwise") or len(equation.outvars) != 1 or len(cells) < len(operands):
            return None
        columns = np.stack([np.ravel(names) for names in np.broadcast_arrays(*cells)])
        distinct, which = np.unique(columns, axis=1, return_inverse=True)
        result = aval_of(equation.outvars[0])
        function = name, str(guard.understood(equation)), str(result.dtype)
        found = [self._of_function(function, equation, column) for column in distinct.T.tolist()]
        names = np.array(found, np.int64)
        return names[which.ravel()].reshape(result.shape) if which.size == result.size else None

    def _of_function(self, function: tuple[str, ...], equation: JaxprEqn, column: Sequence[int]) -> int:
        """Return the name of a function of cells with these names, and note its number if they settle it."""
        name = self._name((*function, *column))
        if name not in self.settled:
            numbers = [self.settled.get(one) for one in column]
            number = settled(equation, numbers)
            self.settled |= {} if number is None else {name: number}
        return name

    def _of_factors(self, value: Cells) -> Names | None:
        """Return the names of the cells of a factor of products, where cells that are zero for all inputs are ZERO."""
        names = self.names(value)
        zeros = [name for name, number in self.settled.items() if number == 0]
        return None if names is None else np.where(np.isin(names, zeros), ZERO, names)

    def _of_terms(self, equation: JaxprEqn, terms: np.ndarray) -> Names:
        """Return the names of sums of the terms along the last axis: sums of equal terms, in any order, are equal."""
        *shape, count = terms.shape
        rows, which = np.unique(np.sort(terms.reshape(-1, count), axis=1), axis=0, return_inverse=True)
        function = equation.primitive.name, str(guard.understood(equation)), str(aval_of(equation.outvars[0]).dtype)
        names = [self._name((*function, row.tobytes())) if row.any() else ZERO for row in rows]
        return np.array(names, np.int64)[which.ravel()].reshape(shape)


class _UnknownError(Exception):
    """A number that determines where cells move is unknown, or an operand is too large."""


NamesOf: TypeAlias = Callable[[Cells], Names | None]
# Names of the results of an equation that moves cells, from the equation, its operands, and what names their cells.
Moves: TypeAlias = Callable[[JaxprEqn, Sequence[Cells], NamesOf], Sequence[np.ndarray]]
moves: Registry[Moves] = Registry()


def _number(value: Cells) -> np.ndarray:
    if value.numbers is None:
        raise _UnknownError
    return value.numbers


def _moved(named: Callable[[int, int], bool]) -> Moves:
    """Return a function that moves the names of the operands that `named` selects, as NumPy moves their numbers."""

    def run(equation: JaxprEqn, operands: Sequence[Cells], names_of: NamesOf) -> Sequence[np.ndarray]:
        arrays = [names_of(v) if named(n, len(operands)) else _number(v) for n, v in enumerate(operands)]
        if any(array is None for array in arrays):
            raise _UnknownError
        found = numpy_rows.rows[equation.primitive.name](*arrays, **guard.understood(equation))
        return cast("Sequence[np.ndarray]", found if equation.primitive.multiple_results else [found])

    return run


_all = _moved(lambda n, count: True)
moves("reshape", "transpose", "broadcast_in_dim", "squeeze", "rev", "slice", "pad", "copy", "stop_gradient", "name")(
    _all
)
moves("concatenate", "split", "stack", "unstack", "tile")(_all)
moves("dynamic_slice")(_moved(lambda n, count: n == 0))
moves("dynamic_update_slice")(_moved(lambda n, count: n < 2))


@moves("select_n")
def _selected(equation: JaxprEqn, operands: Sequence[Cells], names_of: NamesOf) -> Sequence[np.ndarray]:
    """Cells that a known predicate selects keep their names. With an unknown one, the equation is pointwise."""
    which, *cases = operands
    names = [names_of(value) for value in cases]
    if any(array is None for array in names):
        raise _UnknownError
    return [np.choose(np.asarray(_number(which)).astype(int), names)]


@moves("gather")
def _gathered(equation: JaxprEqn, operands: Sequence[Cells], names_of: NamesOf) -> Sequence[np.ndarray]:
    """Cells that are read at known indices, all of which are in bounds or clipped."""
    x, indices = operands
    names = names_of(x)
    if names is None:
        raise _UnknownError
    order, which = np.unique(names, return_inverse=True)
    clips = GatherScatterMode.from_any(equation.params["mode"]) == GatherScatterMode.CLIP
    fills = {} if clips else {"mode": GatherScatterMode.FILL_OR_DROP, "fill_value": -1}
    places = which.reshape(names.shape).astype(np.int32)
    (found,) = _executed(equation.replace(params={**equation.params, **fills}), places, _number(indices))
    if found.min(initial=0) < 0:  # out of bounds
        raise _UnknownError
    return [order[found]]


@moves("conv_general_dilated", "jaxconv_conv", "dot_general")
def _picked(equation: JaxprEqn, operands: Sequence[Cells], names_of: NamesOf) -> Sequence[np.ndarray]:
    """A sum of products with known zeros and ones, at most a single one of them a one: it moves the other operand."""
    (unknown,) = [n for n, value in enumerate(operands) if value.numbers is None]
    weights, dtype = _number(operands[1 - unknown]), aval_of(equation.invars[unknown]).dtype
    names = names_of(operands[unknown])
    if names is None or not guard.is_real(dtype) or not np.isin(weights, (0, 1)).all():
        raise _UnknownError
    order, which = np.unique(names, return_inverse=True)
    # A stride of -1 puts the unknown operand first.
    cells, ones = which.reshape(names.shape).astype(dtype), np.ones(names.shape, dtype)
    (found,), (terms,) = (_executed(equation, *(weights, x)[:: 2 * unknown - 1]) for x in (cells, ones))
    if terms.max(initial=0) > 1 or order.size > 2**8:  # numbers that every float holds exactly
        raise _UnknownError
    return [np.where(terms == 0, ZERO, order[found.astype(int)])]


# Names of the terms of sums, by primitive: the terms of each cell of the result are along a last axis, and those that
# are zero have the name ZERO.
sums: Registry[Callable[[JaxprEqn, Sequence[Cells], NamesOf], np.ndarray]] = Registry()


@sums("dot_general")
def _products(equation: JaxprEqn, operands: Sequence[Cells], names_of: NamesOf) -> np.ndarray:
    """Products of cells: named by the unordered pair of the factors' names."""
    (contracted, batches), rows = equation.params["dimension_numbers"], list[np.ndarray]()
    for value, summed, batch in zip(operands, contracted, batches, strict=True):
        names = names_of(value)
        if names is None:
            raise _UnknownError
        others = [axis for axis in range(names.ndim) if axis not in (*summed, *batch)]
        shape = [names.shape[axis] for axis in batch]
        rows.append(
            np.transpose(names, (*batch, *others, *summed)).reshape(
                *shape, -1, int(np.prod([names.shape[a] for a in summed]))
            )
        )
    x, y = rows[0][..., :, None, :], rows[1][..., None, :, :]
    if np.broadcast_shapes(x.shape, y.shape)[-1] * np.prod(aval_of(equation.outvars[0]).shape) > MOST_TERMS:
        raise _UnknownError
    if max(x.max(initial=0), y.max(initial=0)) >= MOST_NAMES:
        raise _UnknownError
    # One number for each pair in all equations, as `EqualCells.named` compares the terms of several.
    pairs = np.where((x == ZERO) | (y == ZERO), ZERO, np.minimum(x, y) * MOST_NAMES + np.maximum(x, y))
    return pairs.reshape(*aval_of(equation.outvars[0]).shape, pairs.shape[-1])


def _executed(equation: JaxprEqn, *arrays: np.ndarray) -> list[np.ndarray]:
    with jax.default_device(jax.devices("cpu")[0]):
        return list(map(np.asarray, evaluate.executed(equation, arrays)))
