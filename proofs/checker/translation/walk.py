"""The walk through a traced function: each equation as instructions, and which values are its results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.verify import jaxprs
from translation.primitives import TRANSLATIONS, opaque
from translation.program import Program

FOLD = 2**16  # constants of at most so many numbers are computed
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
    """
    jaxpr, constants, _ = jaxprs.trace(fn, arguments)
    found = Translated(Program())
    inputs: list[Read] = [
        (found.program.input(number, tuple(np.shape(leaf))), None)
        for number, argument in enumerate(arguments)
        for leaf in jax.tree.leaves(argument)
    ]
    found.outputs = [value for value, _ in _follow(found, jaxpr, constants, inputs, 0)]
    return found


def _follow(found: Translated, jaxpr: Any, constants: Sequence[Any], inputs: Sequence[Read], depth: int) -> list[Read]:
    """The equations of a jaxpr, and those of the calls among them; what its outputs are."""
    known: dict[Any, Read] = dict(zip(jaxpr.invars, inputs, strict=True))
    known |= {v: _closed_over(found.program, array) for v, array in zip(jaxpr.constvars, constants, strict=True)}

    def read(atom: Any) -> Read:
        if not jaxprs.is_literal(atom):
            return known[atom]
        number = np.asarray(atom.val, atom.aval.dtype)
        return found.program.constant(number, known=True), number

    for equation in jaxpr.eqns:
        operands = [read(atom) for atom in equation.invars]
        call = jaxprs.called(equation)
        if call is not None:
            body, its_constants = jaxprs.opened(call)
            results = _follow(found, body, its_constants, operands[len(operands) - len(body.invars) :], depth + 1)
        else:
            results = _equation(found.program, equation, operands)
        found.equations.append({
            "primitive": equation.primitive.name,
            "depth": depth,
            "inner": call is None and equation.primitive.name in ("scan", "while", "cond"),
            "values": [value for value, _ in results],
        })  # fmt: skip
        known |= zip(equation.outvars, results, strict=True)
    return [read(atom) for atom in jaxpr.outvars]


def _closed_over(program: Program, array: Any) -> Read:
    """An array that the function closes over."""
    dtype = jnp.result_type(array)
    extended = jnp.issubdtype(dtype, jax.dtypes.extended)
    if extended or jnp.issubdtype(dtype, jnp.inexact) or np.size(array) > FOLD:
        return program.constant(array, known=False), None
    numbers = np.asarray(array)
    return program.constant(numbers, known=True), numbers


def _equation(program: Program, equation: Any, operands: Sequence[Read]) -> list[Read]:
    """One equation: its numbers if it is a small constant, else its translation."""
    folded = _folded(equation, [number for _, number in operands])
    if folded is not None:
        return [(program.constant(array, known=True), array) for array in folded]
    values, known = [value for value, _ in operands], [number for _, number in operands]
    translation = TRANSLATIONS.get(equation.primitive.name)
    results = None if translation is None else translation(program, equation, values, known)
    return [(value, None) for value in (opaque(program, equation, values) if results is None else results)]


def _folded(equation: Any, known: Sequence[np.ndarray | None]) -> list[np.ndarray] | None:
    """The results' numbers, if all operands' are known and there are few."""
    name = equation.primitive.name
    sizes = [np.size(number) for number in known] + [int(np.prod(v.aval.shape)) for v in equation.outvars]
    if (
        any(number is None for number in known)
        or equation.effects
        or max(sizes) > FOLD
        or (not known and name != "iota")
    ):
        return None
    extended = any(jnp.issubdtype(v.aval.dtype, jax.dtypes.extended) for v in equation.outvars)
    if extended or name in ("scan", "while", "cond") or "random" in name:
        return None
    with jax.ensure_compile_time_eval():
        found = equation.primitive.bind(*map(jnp.asarray, known), **equation.params)
    return [np.asarray(array) for array in (found if equation.primitive.multiple_results else [found])]
