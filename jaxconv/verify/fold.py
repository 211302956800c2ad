"""Constant folding: computes the equations of a jaxpr whose operands are constants, before the jaxpr is followed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn

from jaxconv.jaxprs import evaluate, guard
from jaxconv.jaxprs.layout import entered
from jaxconv.jaxprs.primitives import family
from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.traverse import equations, work
from jaxconv.jaxprs.typing import ArrayValue, Atom, Shaped, aval_of
from jaxconv.verify import constant_program, numpy_rows
from jaxconv.verify.constant_program import Folded, Pending, Task
from jaxconv.verify.domain import bits

MOST = 2**16  # largest number of cells of a folded constant: enough for masks and indices, not for whole images
LONGEST_PERIOD = 64  # largest period that is searched for in a constant
FEW = 64  # cells of an operand that is compared by its numbers; larger operands are compared by their addresses
ITERATIONS = 64  # most iterations of a scan of constants that is executed, such as a binary search
# Other loops are followed, not executed. Random numbers may be many, and a period among them would be a coincidence.
LEFT_OUT = family("control", "random")

Known: TypeAlias = np.ndarray | Pending | None  # the numbers of a value, which XLA may still have to compute
Numbers: TypeAlias = Sequence[np.ndarray | None]


@dataclass
class Folder:
    """Folds jaxprs: each once for the same constants, since all axes and kinds of claims share them.

    Results are stored by addresses of objects. The objects are stored too, so that no others get their addresses.

    Attributes:
        values: whether closed-over floating-point arrays are constants. If not, they are parameters.
        jaxprs: the results for each jaxpr and its constants.
        arrays: the numbers of each closed-over array.
        periods: the period of each array along each axis.
        variable: the jaxprs without an equation that is folded if their operands are unknown.
    """

    values: bool = False
    jaxprs: dict[tuple[object, ...], tuple[object, Folded]] = field(
        default_factory=dict[tuple[object, ...], tuple[object, Folded]]
    )
    arrays: dict[int, tuple[ArrayValue, np.ndarray | None]] = field(
        default_factory=dict[int, tuple[ArrayValue, np.ndarray | None]]
    )
    periods: dict[int, tuple[np.ndarray, tuple[int | None, ...]]] = field(
        default_factory=dict[int, tuple[np.ndarray, tuple[int | None, ...]]]
    )
    variable: dict[int, Jaxpr] = field(default_factory=dict[int, Jaxpr])

    def fold(self, jaxpr: Jaxpr, constants: Sequence[ArrayValue], operands: Numbers) -> Folded:
        """Return the results of all equations that are folded, including those inside calls, but not those in loops.

        The paths begin at the jaxpr.

        Args:
            jaxpr: the jaxpr.
            constants: the arrays that it is closed over.
            operands: the numbers of its inputs; None if they are unknown.
        """
        key = (id(jaxpr), *map(id, constants), *map(content, operands))
        if key not in self.jaxprs:
            self.jaxprs[key] = (jaxpr, constants, operands), _Fold(self).run(jaxpr, constants, operands)
        return self.jaxprs[key][1]

    def numbers(self, array: ArrayValue) -> np.ndarray | None:
        """Return the numbers of a closed-over array; None if they are parameters, or too many."""
        if id(array) not in self.arrays:
            dtype = jnp.result_type(array)
            self.arrays[id(array)] = array, np.asarray(array, dtype) if self._is_constant(array, dtype) else None
        return self.arrays[id(array)][1]

    def _is_constant(self, array: ArrayValue, dtype: np.dtype) -> bool:
        parameter = jnp.issubdtype(dtype, jnp.inexact) and not self.values
        return np.size(array) <= MOST and not parameter and not jnp.issubdtype(dtype, jax.dtypes.extended)

    def periods_of(self, array: np.ndarray) -> tuple[int | None, ...]:
        """Return the period of an array along each axis: see `period`."""
        if id(array) not in self.periods:
            self.periods[id(array)] = array, tuple(period(array, axis) for axis in range(array.ndim))
        return self.periods[id(array)][1]


def content(number: np.ndarray | None) -> Hashable:
    """Return a key of the numbers of a value: equal keys, equal numbers. Large arrays are compared by address."""
    if number is None or number.size > FEW:
        return None if number is None else id(number)
    return number.dtype, number.shape, number.tobytes()


@dataclass
class _Fold:
    """Folds one jaxpr: by NumPy if it is known to compute the same, and the other equations by programs of XLA.

    A program has all equations that are left to XLA until NumPy needs one of their results, or the jaxpr ends.

    Attributes:
        folder: has the numbers of closed-over arrays.
        found: the results so far.
        tasks: the equations that XLA has to compute.
    """

    folder: Folder
    found: Folded = field(default_factory=Folded)
    tasks: dict[evaluate.Path, Task] = field(default_factory=dict[evaluate.Path, Task])

    def run(self, jaxpr: Jaxpr, constants: Sequence[ArrayValue], operands: Numbers) -> Folded:
        """Return the results of the folded equations."""
        self._evaluate(jaxpr, constants, operands, ())
        self._compute()
        return self.found

    def _evaluate(
        self, jaxpr: Jaxpr, constants: Sequence[ArrayValue], operands: Sequence[Known], path: evaluate.Path
    ) -> list[Known]:
        def literal(value: ArrayValue, aval: Shaped) -> Known:
            return np.asarray(value, aval.dtype)

        def constant(value: ArrayValue, aval: Shaped) -> Known:
            is_array = hasattr(aval, "dtype")  # otherwise a mutable reference, which no equation may read
            return self.folder.numbers(value) if is_array else None

        return evaluate.evaluate(
            jaxpr, constants, operands, self._step, constant=constant, literal=literal, calls=False, path=path
        )

    def _step(self, equation: JaxprEqn, inputs: list[Known], path: evaluate.Path) -> Sequence[Known]:
        """Return the results of one equation, or of a call that is understood; None for each if they are unknown."""
        unknown = [None] * len(equation.outvars)
        body = entered(equation, inputs)
        if body is not None:
            return unknown if guard.objection(equation) else self._call(*body, (*path, 0))
        if equation.primitive.name in family("identity") and not guard.objection(equation):
            return inputs
        if any(known is None for known in inputs) or not _is_foldable(equation):
            return self._partly(equation, inputs, path) or unknown
        if equation.primitive.name in numpy_rows.rows:
            self._compute()  # to compile as few equations as possible, since each takes long
        inputs = list(map(self._number, inputs))
        numbers = [known for known in inputs if isinstance(known, np.ndarray)]
        results = numpy_rows.computed(equation, numbers) if len(numbers) == len(inputs) else None
        if results is not None:
            self.found[path] = results
            return results
        known = [known for known in inputs if known is not None]
        if len(known) < len(inputs) or not _is_small(equation.outvars):
            return unknown
        self.tasks[path] = Task(equation, known, path)
        return [Pending(path, number) for number in range(len(unknown))]

    def _partly(self, equation: JaxprEqn, inputs: list[Known], path: evaluate.Path) -> Sequence[Known] | None:
        """Return the results that do not depend on the unknown operands, and None for each other."""
        compute = partly.get(equation.primitive.name)
        if compute is None or guard.objection(equation):
            return None
        self._compute()
        numbers = [known if isinstance(known, np.ndarray) else None for known in map(self._number, inputs)]
        found = compute(equation, numbers)
        if found is not None:
            self.found[path] = found
        return found

    def _call(
        self, jaxpr: Jaxpr, constants: Sequence[ArrayValue], operands: Sequence[Known], path: evaluate.Path
    ) -> Sequence[Known]:
        """Return the results of a call. Calls are not evaluated again if none of their equations is folded."""
        is_unknown = all(known is None for known in operands)
        if is_unknown and id(jaxpr) in self.folder.variable:
            return [None] * len(jaxpr.outvars)
        before = len(self.found), len(self.tasks)
        results = self._evaluate(jaxpr, constants, operands, path)
        if is_unknown and before == (len(self.found), len(self.tasks)) and not any(x is not None for x in results):
            self.folder.variable[id(jaxpr)] = jaxpr
        return results

    def _number(self, known: Known) -> Known:
        """Return the numbers of a value, if XLA has computed them by now; None if it has failed to."""
        if not isinstance(known, Pending):
            return known
        if known.path in self.found:
            return self.found[known.path][known.number]
        return known if known.path in self.tasks else None

    def _compute(self) -> None:
        """Compute the equations that are left to XLA."""
        self.found |= constant_program.computed(list(self.tasks.values()))
        self.tasks = {}


# The results of an equation of which some operands are unknown, or None; a result that depends on these is None.
partly: Registry[Callable[[JaxprEqn, Numbers], list[np.ndarray | None] | None]] = Registry()


@partly("sort")
def _sorted(equation: JaxprEqn, operands: Numbers) -> list[np.ndarray | None] | None:
    """The known operands in the order of the keys."""
    dimension, count = equation.params["dimension"], equation.params["num_keys"]
    keys = [known for known in operands[:count] if known is not None]
    order = order_of(keys, dimension) if len(keys) == count else None
    if order is None:
        return None
    places = np.moveaxis(order.reshape(np.moveaxis(keys[0], dimension, 0).shape), 0, dimension)
    return [None if known is None else np.take_along_axis(known, places, dimension) for known in operands]


def order_of(keys: Sequence[np.ndarray], axis: int) -> np.ndarray | None:
    """Return the order of cells that are sorted by keys along an axis, as [position, other axes].

    None if keys are equal, since their order depends on whether the sort is stable; also for NaN and complex numbers.

    >>> order_of([np.array([3, 1, 2])], 0).tolist(), order_of([np.array([1, 1])], 0)
    ([[1], [2], [0]], None)
    """
    rows = [np.moveaxis(key, axis, 0).reshape(key.shape[axis], -1) for key in keys]
    if not keys or any(key.dtype.kind not in "biuf" or np.isnan(key).any() or not key.size for key in keys):
        return None
    order = np.lexsort(rows[::-1], axis=0)
    ordered = [np.take_along_axis(row, order, 0) for row in rows]
    equal = np.logical_and.reduce([row[1:] == row[:-1] for row in ordered])
    return None if equal.any() else order


def _is_foldable(equation: JaxprEqn) -> bool:
    """Whether an equation of constants is folded: a pure function whose operands and results are small.

    The result may be large if it repeats one number without copies.
    """
    name = equation.primitive.name
    if name == "scan":
        return _is_short(equation) and _is_small([*equation.invars, *equation.outvars])
    from_nothing = not equation.invars and name not in family("layout")  # may differ between runs
    if from_nothing or name in LEFT_OUT or guard.impurity(equation):
        return False
    repeats_one = name in numpy_rows.views and aval_of(equation.invars[0]).size == 1
    return _is_small(equation.invars) and (repeats_one or _is_small(equation.outvars))


def _is_short(equation: JaxprEqn) -> bool:
    """Whether a scan has few iterations, and neither other loops nor random numbers in them."""
    inner = {nested.primitive.name for nested, _ in equations(equation.params["jaxpr"])}
    few = equation.params["length"] <= ITERATIONS and work(equation.params["jaxpr"])[0] <= MOST
    return few and not inner & {*LEFT_OUT} - {"cond"} and not guard.impurity(equation)


def _is_small(atoms: Sequence[Atom]) -> bool:
    """Whether these are arrays of at most `MOST` numbers each, and not of random keys."""
    avals = list(map(aval_of, atoms))
    return all(
        hasattr(aval, "shape") and not jnp.issubdtype(aval.dtype, jax.dtypes.extended) and aval.size <= MOST
        for aval in avals
    )


def _rows(array: np.ndarray, axis: int) -> np.ndarray:
    """Return the bits of an array's cells at each position along an axis, one row for each position."""
    return bits(np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1))


def period(array: np.ndarray, axis: int) -> int | None:
    """Return the least period of an array's bits along an axis, 1 if all cells are equal; or None.

    The period is at most half of the length. A longer one is a coincidence, as between the two ends of a mask, since it
    does not occur twice.
    """
    length = array.shape[axis]
    if array.strides[axis] == 0 or length == 0:
        return 1
    rows = _rows(array, axis)
    for found in range(1, min(length // 2, LONGEST_PERIOD) + 1):
        # The first rows settle most cases, and comparing all of them takes long.
        first = np.array_equal(rows[found : found + FEW], rows[: min(FEW, length - found)])
        if first and np.array_equal(rows[found:], rows[:-found]):
            return found
    return None


def runs(array: np.ndarray, axis: int) -> list[tuple[int, int, int]]:
    """Return the stretches [lo, hi) of an axis on which an array's bits have a period: (period, lo, hi), longest first.

    Each holds two periods or more, and at least a third of the axis: shorter ones are coincidences.

    >>> runs(np.array([2, 3, 3, 3, 2]), 0)
    [(1, 1, 4)]
    """
    length = array.shape[axis]
    names = np.unique(_rows(array, axis), axis=0, return_inverse=True)[1].ravel()  # NumPy 2.0 keeps the axes
    found: list[tuple[int, int, int]] = []
    for period in range(1, min(length // 2, LONGEST_PERIOD) + 1):
        same = np.concatenate([[False], names[period:] == names[:-period], [False]])
        changes = np.flatnonzero(same[1:] != same[:-1]).tolist()
        stretches = zip(changes[::2], changes[1::2], strict=True)
        found += [(period, lo, hi + period) for lo, hi in stretches if hi - lo >= period]
    enough = [run for run in found if 3 * (run[2] - run[1]) >= length]
    return sorted(enough, key=lambda run: (run[1] + run[0] - run[2], run[0], run[1]))  # most pairs a period apart first


def repeats(array: np.ndarray, steps: Mapping[int, int], *, wraps: bool) -> bool:
    """Whether an array has equal bits at positions that are `steps[axis]` cells apart along all these axes at once.

    `wraps`: whether the axes go around, so that positions count modulo their lengths.

    >>> repeats(np.eye(3), {0: 1, 1: 1}, wraps=True), repeats(np.tri(3), {0: 1, 1: 1}, wraps=True)
    (True, False)
    >>> repeats(np.tri(3), {0: 1, 1: 1}, wraps=False)
    True
    """
    cells = bits(array[..., None])
    if wraps:
        return np.array_equal(np.roll(cells, tuple(steps.values()), tuple(steps)), cells)
    return not _differences(array, steps).any()


def _differences(array: np.ndarray, steps: Mapping[int, int]) -> np.ndarray:
    """Whether the bits of two cells differ that are `steps[axis]` apart along all axes; for all pairs in the array."""
    cells, before, after = bits(array[..., None]), [slice(None)] * array.ndim, [slice(None)] * array.ndim
    for axis, step in steps.items():
        before[axis], after[axis] = (
            slice(max(-step, 0), min(-step, 0) or None),
            slice(max(step, 0), min(step, 0) or None),
        )
    return (cells[tuple(before)] != cells[tuple(after)]).any(axis=-1)


def repeating_box(array: np.ndarray, steps: Mapping[int, int]) -> dict[int, tuple[int, int]] | None:
    """Return the [lo, hi) of an axis on which cells `steps[axis]` apart along all these axes are equal; {} for all.

    The cells of other axes count, too. One axis is cut, at one end, and at least a third of it is left. None if that
    does not suffice.

    >>> repeating_box(np.eye(4), {0: 1, 1: 1}), repeating_box(np.diag([1, 1, 1, 0]), {0: 1, 1: 1})
    ({}, {0: (0, 3)})
    """
    places = np.nonzero(_differences(array, steps))
    if not places[0].size:
        return {}
    boxes: list[tuple[int, int, int]] = []
    for axis, step in steps.items():
        # The pair at `place` is of the cells place and place + |step| of the axis.
        boxes += [(axis, int(places[axis].max()) + 1, array.shape[axis])]
        boxes += [(axis, 0, int(places[axis].min()) + abs(step))]
    axis, lo, hi = max(boxes, key=lambda box: (box[2] - box[1]) / array.shape[box[0]])
    return {axis: (lo, hi)} if 3 * (hi - lo) >= array.shape[axis] else None
