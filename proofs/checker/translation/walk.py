"""The walk through a traced function: each equation as instructions, and which values are its results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.evaluate import Path, evaluate
from jaxconv.jaxprs.layout import entered, opened, scan_sizes, trace
from translation import indexed, layout, sums, windowed
from translation.program import Program
from translation.table import TRANSLATIONS, opaque

FILLED_BY = (indexed, layout, sums, windowed)  # the modules whose import enters translations into the table
FOLD = 2**16  # constants of at most so many numbers are computed
ROUNDS = 64  # of a loop that are written out
LOOPS = ("scan", "while", "cond")  # of whose bodies the derivation has rows, which stand deeper
Read = tuple[int, np.ndarray | None]  # a value, and its numbers where they are known


@dataclass
class Translated:
    """A program, the values of the function's outputs, and of each equation's results in the order of the rows."""

    program: Program
    equations: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """What the checker reads."""
        return {
            "inputs": [{"argument": argument, "lengths": list(shape)} for argument, shape in self.program.inputs],
            "instructions": self.program.instructions,
            "equations": self.equations,
            "outputs": self.outputs,
        }


def translate(fn: Callable[..., Any], *arguments: Any) -> Translated:
    """A function as a program of the checker.

    Whole numbers and booleans that are closed over are read for what they are, as `jc.certify` reads them; floats are
    parameters, of which nothing is known. A primitive without a translation becomes an instruction that says its name.

    Raises:
        ValueError: an equation whose parameters are not all understood, or whose result is not a function of its
            operands: no instruction says that.
    """
    jaxpr, constants, _ = trace(fn, arguments)
    found = Translated(Program())
    inputs: list[Read] = [
        (found.program.input(number, tuple(np.shape(leaf))), None)
        for number, argument in enumerate(arguments)
        for leaf in jax.tree.leaves(argument)
    ]
    found.outputs = [value for value, _ in _Walk(found.program, found.equations).follow(jaxpr, constants, inputs, 0)]
    return found


@dataclass
class _Walk:
    """A walk through the equations of a jaxpr; `equations` says which values the results of each are."""

    program: Program
    equations: list[dict[str, Any]]

    def follow(self, jaxpr: Any, constants: Sequence[Any], inputs: Sequence[Read], depth: int) -> list[Read]:
        """The equations of a jaxpr, and those of the calls among them; what its outputs are."""

        def literal(value: Any, aval: Any) -> Read:
            number = np.asarray(value, aval.dtype)
            return self.program.constant(number, known=True), number

        def step(equation: Any, operands: list[Read], _: Path) -> list[Read]:
            name, body = equation.primitive.name, entered(equation, operands)
            results = self._equation(equation, operands) if body is None else self.follow(*body, depth + 1)
            self.equations.append({
                "primitive": name,
                "depth": depth,
                "inner": name in LOOPS,
                "values": [value for value, _ in results],
            })  # fmt: skip
            return results

        constant = lambda value, aval: self._closed_over(value)
        return evaluate(jaxpr, constants, inputs, step, constant=constant, literal=literal, calls=False)

    def _closed_over(self, array: Any) -> Read:
        """An array that the function closes over."""
        dtype = jnp.result_type(array)
        extended = jnp.issubdtype(dtype, jax.dtypes.extended)
        if extended or jnp.issubdtype(dtype, jnp.inexact) or np.size(array) > FOLD:
            return self.program.constant(array, known=False), None
        numbers = np.asarray(array)
        return self.program.constant(numbers, known=True), numbers

    def _equation(self, equation: Any, operands: Sequence[Read]) -> list[Read]:
        """One equation: its numbers if it is a small constant, a loop's rounds one by one, else its translation."""
        if not equation.outvars and all(hasattr(atom.aval, "dtype") for atom in equation.invars):
            return []  # a print: no operand is a reference that it could change
        folded = _folded(equation, [number for _, number in operands])
        if folded is not None:
            return [(self.program.constant(array, known=True), array) for array in folded]
        if equation.primitive.name == "scan" and scan_sizes(equation.params)[1] == 0:
            return self._map(equation, operands)
        if equation.primitive.name == "scan" and equation.params["length"] <= ROUNDS:
            return self._scan(equation, operands)
        if equation.primitive.name == "cond":
            return self._cond(equation, operands)
        impurity = guard.impurity(equation)
        if impurity:
            raise ValueError(f"translate: {impurity}")
        values, known = [value for value, _ in operands], [number for _, number in operands]
        translation = TRANSLATIONS.get(equation.primitive.name)
        results = None if translation is None else translation(self.program, equation, values, known)
        return [(value, None) for value in (opaque(self.program, equation, values) if results is None else results)]

    def _inside(self, closed: Any, inputs: Sequence[Read]) -> list[Read]:
        """The body of a loop, or a branch; its rows are passed over."""
        return _Walk(self.program, []).follow(*opened(closed), inputs, 0)

    def _map(self, equation: Any, operands: Sequence[Read]) -> list[Read]:
        """A loop that hands nothing on: its body, of all slices at once."""
        constants, body = scan_sizes(equation.params)[0], jaxpr_as_fun(equation.params["jaxpr"])
        axes = [None if n < constants else 0 for n in range(len(operands))]
        given = [jax.ShapeDtypeStruct(atom.aval.shape, atom.aval.dtype) for atom in equation.invars]
        at_once = jax.make_jaxpr(jax.vmap(body, in_axes=axes, axis_size=equation.params["length"]))(*given)
        return self._inside(at_once, operands)

    def _scan(self, equation: Any, operands: Sequence[Read]) -> list[Read]:
        """The rounds of a loop one after another, over slices of some operands; the slices of results side by side."""
        program, params, length = self.program, equation.params, equation.params["length"]
        constants, carry = scan_sizes(params)
        fixed, state = list(operands[:constants]), list(operands[constants : constants + carry])
        over = [value for value, _ in operands[constants + carry :]]
        collected: list[list[int]] = []
        for n in reversed(range(length)) if params["reverse"] else range(length):
            slices: list[Read] = [(program.drop(program.slice(x, 0, n, 1, 1), [0]), None) for x in over]
            results = self._inside(params["jaxpr"], [*fixed, *state, *slices])
            state = results[:carry]
            collected.append([program.insert(value, 0) for value, _ in results[carry:]])
        if params["reverse"]:
            collected.reverse()
        stacked = [(program.cat_all(rounds, 0), None) for rounds in zip(*collected, strict=True)]
        return [*[(value, None) for value, _ in state], *stacked]

    def _cond(self, equation: Any, operands: Sequence[Read]) -> list[Read]:
        """The branch that a known number chooses; else all of them, and at each place the cell of the chosen one."""
        (chosen, number), *others = operands
        branches = equation.params["branches"]
        if number is not None:
            return self._inside(branches[min(max(int(number), 0), len(branches) - 1)], others)
        results = zip(*(self._inside(branch, others) for branch in branches), strict=True)
        return [(self._choice(chosen, [value for value, _ in values]), None) for values in results]

    def _choice(self, chosen: int, values: Sequence[int]) -> int:
        choose = lambda which, *cells: np.choose(np.clip(which, 0, len(cells) - 1), list(map(np.asarray, cells)))
        return self.program.map(choose, [self.program.spread(chosen, self.program.shapes[values[0]]), *values])


def _folded(equation: Any, known: Sequence[np.ndarray | None]) -> list[np.ndarray] | None:
    """The results' numbers, if all operands' are known and there are few."""
    name = equation.primitive.name
    if any(number is None for number in known) or guard.impurity(equation) or (not known and name != "iota"):
        return None
    sizes = [np.size(number) for number in known] + [int(np.prod(v.aval.shape)) for v in equation.outvars]
    extended = any(jnp.issubdtype(v.aval.dtype, jax.dtypes.extended) for v in equation.outvars)
    if max(sizes) > FOLD or extended or name in LOOPS or "random" in name:
        return None
    try:
        with jax.ensure_compile_time_eval():
            found = equation.primitive.bind(*map(jnp.asarray, known), **equation.params)
        return [np.asarray(array) for array in (found if equation.primitive.multiple_results else [found])]
    except Exception:  # as in the certifier's own walk: what cannot be computed is not known
        return None
