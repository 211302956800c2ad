"""`Program`: a traced function and its compiled executions, shared by all searches, checks and measurements."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import jax
import jax.core
import numpy as np
from jax.extend.core import Jaxpr

from jaxconv.jaxprs.traverse import coarsest, equations, work
from jaxconv.jaxprs.typing import Array, ArrayValue, Atom, PyTree, Shaped, leaves_with_paths
from jaxconv.verify import array_json
from jaxconv.verify.execution import error_bounds
from jaxconv.verify.execution.perturbed import NOISES, bounded, perturbed_outputs
from jaxconv.verify.execution.run import compiler_options, over_rows
from jaxconv.verify.execution.tolerance import rounding_distance
from jaxconv.verify.tracing import trace

LONGER = 8  # estimated compilation time of the perturbed function, as a multiple of the function's


class TooLateError(Exception):
    """The time limit has passed."""


@dataclass(frozen=True, eq=False)
class Program:
    """A function as a jaxpr, with everything that was compiled from it.

    Attributes:
        jaxpr: the jaxpr, of the flattened arguments.
        consts: the arrays that the function closes over. They are operands of every compiled execution, since XLA may
            spend minutes folding arrays that a program contains.
        outputs: path and aval of each output leaf.
        compiled: the compiled executions. `compare` and `sweep` keep theirs here, too.
        seconds: how long the first call of each execution of `execute` took.
    """

    jaxpr: Jaxpr
    consts: tuple[ArrayValue, ...]
    outputs: tuple[tuple[str, Shaped], ...]
    compiled: dict[Hashable, Callable[..., PyTree]] = field(default_factory=dict[Hashable, Callable[..., PyTree]])
    seconds: dict[Hashable, float] = field(default_factory=dict[Hashable, float])

    @functools.cached_property
    def depths(self) -> list[error_bounds.Depth]:
        """The rounding depth of each output: see `error_bounds.depths`."""
        return error_bounds.depths(self.jaxpr)

    @functools.cached_property
    def epsilon(self) -> float:
        """The eps of the coarsest float dtype."""
        return coarsest(self.jaxpr)

    @functools.cached_property
    def work(self) -> tuple[int, int]:
        """Number of cells of all intermediate values, and of the largest."""
        return work(self.jaxpr)

    @functools.cached_property
    def largest(self) -> int:
        """Number of bytes of the largest equation's results, inner jaxprs included."""
        results = (sum(map(_bytes, equation.outvars)) for equation, _ in equations(self.jaxpr))
        return max(0, *results, *(leaf.size * 4 for _, leaf in self.outputs), 1)

    def __call__(self, consts: Sequence[ArrayValue], leaves: Sequence[ArrayValue]) -> list[ArrayValue]:
        """The leaves of the output."""
        return jax.core.eval_jaxpr(self.jaxpr, consts, *leaves)

    def execute(
        self,
        numbers: Sequence[int],
        leaves: Sequence[ArrayValue],
        stacks: Mapping[int, np.ndarray],
        *,
        size: int | None = None,
        noise: np.ndarray | None = None,
        until: float = math.inf,
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Execute the function on every row of the stacks, many rows in one call.

        Args:
            numbers: the output leaves to compute.
            leaves: the flattened arguments. Those of stacked leaves are not read.
            stacks: for some leaves, an array with one row for each execution. Random keys are given as their data.
            size: number of rows of one call, which may be more than there are; None for all of them. Rows that cannot
                be batched run one by one.
            noise: one of `NOISES`, to round every operation more coarsely (`perturbed.py`).
            until: the time limit, in seconds of `time.monotonic`, checked before each call.

        Returns:
            For each output leaf, its rows, as float64 or complex128; random keys as their data. And for each row,
            whether it overflowed or a `while` loop was stopped, so that its outputs are unknown.

        Raises:
            TooLateError: the time limit has passed, or will have when the perturbed function is compiled.
        """
        key = tuple(numbers), tuple(sorted(stacks)), noise is not None
        if key not in self.compiled:
            self.compiled[key] = self._batched(*key)
        expected = LONGER * self.seconds.get((*key[:2], False), 0.0)  # to compile the perturbed function
        others = [None if number in stacks else leaf for number, leaf in enumerate(leaves)]
        count = len(next(iter(stacks.values())))
        size = size or count
        parts: list[list[np.ndarray]] = []
        for first in range(0, count, size):
            started = time.monotonic()
            if started + (expected if noise is not None and key not in self.seconds else 0) > until:
                raise TooLateError
            rows = range(first, first + size)  # beyond the last row, it is repeated: all calls have the same shape
            stacked = {number: stack.take(rows, 0, mode="clip") for number, stack in stacks.items()}
            results = self.compiled[key](self.consts, others, stacked, noise)
            outputs, unknown = cast("tuple[list[Array], Array]", jax.block_until_ready(results))
            self.seconds.setdefault(key, time.monotonic() - started)
            parts.append([*map(array_json.wide, outputs), np.asarray(unknown)])
        *outputs, unknown = (np.concatenate(column)[:count] for column in zip(*parts, strict=True))
        return outputs, unknown

    def rounding_bounds(
        self,
        number: int,
        leaves: Sequence[ArrayValue],
        stacks: Mapping[int, np.ndarray],
        exact: np.ndarray,
        *,
        size: int | None = None,
        until: float = math.inf,
    ) -> np.ndarray:
        """How far rounding may move each cell of one output leaf: the largest distance of perturbed outputs.

        `exact` has the outputs of `execute` for the same rows.
        """
        bounds = np.zeros(exact.shape)
        for noise in NOISES:
            (y,), unknown = self.execute((number,), leaves, stacks, size=size, noise=noise, until=until)
            bounds = np.maximum(bounds, rounding_distance(y, unknown, exact))
        return bounds

    def _batched(self, numbers: tuple[int, ...], stacked: tuple[int, ...], perturbed: bool) -> Callable[..., PyTree]:
        """The compiled function of `execute`: `(consts, other leaves, stacks, noise) -> (outputs, unknown)`."""
        avals: list[ArrayValue] = [variable.aval for variable in self.jaxpr.invars]

        def rows(
            consts: Sequence[ArrayValue], leaves: list[ArrayValue], stacks: Mapping[int, Array], noise: Array | None
        ) -> PyTree:
            def row(values: Mapping[int, Array]) -> PyTree:
                inputs = [
                    array_json.as_keys(values[i], avals[i]) if i in values else leaf for i, leaf in enumerate(leaves)
                ]
                outputs, unknown = (
                    perturbed_outputs(self.jaxpr, consts, inputs, noise)
                    if perturbed
                    else bounded(self.jaxpr, consts, inputs)
                )
                return [array_json.as_numbers(outputs[number]) for number in numbers], unknown

            one_by_one = over_rows(row, vectorised=False)
            # Some generators make other numbers for a batch of keys than for each key.
            if any(array_json.is_key(avals[i]) for i in stacked):
                return one_by_one(stacks)
            try:
                return over_rows(row, vectorised=True)(stacks)
            except NotImplementedError:
                return one_by_one(stacks)

        return jax.jit(rows, compiler_options=compiler_options(sum(1 for _ in equations(self.jaxpr))))


def _bytes(atom: Atom) -> int:
    """Number of bytes of a value; 0 if it is not an array, and 4 for each cell of an unknown dtype."""
    return getattr(atom.aval, "size", 0) * getattr(getattr(atom.aval, "dtype", None), "itemsize", 4)


def program_of(jaxpr: Jaxpr, consts: Sequence[ArrayValue], shapes: PyTree) -> Program:
    """The program of a traced function; the arguments are what `jaxconv.jaxprs.layout.trace` returns."""
    leaves = leaves_with_paths(shapes)
    return Program(jaxpr, tuple(consts), tuple((jax.tree_util.keystr(path), leaf) for path, leaf in leaves))


def traced(fn: Callable[..., object], arguments: tuple[PyTree, ...]) -> Program:
    """The program of a function at these arguments, arrays or shapes.

    The last 16 are cached, so that a second check compiles nothing.
    """
    leaves, structure = cast("tuple[list[ArrayValue], Hashable]", jax.tree.flatten(arguments))
    key = (structure, *map(_spec, leaves))
    settings = (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        return _traced(fn, key, settings)
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        return _traced.__wrapped__(fn, key, settings)


@functools.lru_cache(maxsize=16)
def _traced(fn: Callable[..., object], key: tuple[Hashable, ...], settings: tuple[object, ...]) -> Program:
    del settings  # part of the key: a trace depends on it
    structure, *specs = key
    return program_of(*trace(fn, jax.tree.unflatten(structure, specs)))


def _spec(leaf: ArrayValue) -> jax.ShapeDtypeStruct:
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf
    aval = jax.typeof(leaf)
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)
