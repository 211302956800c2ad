"""The walk that finds the layers: which equations apply parameters to data, and which parameters each of them takes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from jaxconv.account.boxes import whole
from jaxconv.account.geometry import Geometry, geometry, lookup
from jaxconv.account.loops import loop
from jaxconv.account.provenance import CONSTANT, MOVEMENT, POINTWISE, Origin, Part, mixed, moved, permutes, seen, views
from jaxconv.account.records import Found, Leaf, Meeting, Where
from jaxconv.jaxprs import guard
from jaxconv.jaxprs.evaluate import evaluate
from jaxconv.jaxprs.layout import entered, opened
from jaxconv.jaxprs.primitives import family
from jaxconv.jaxprs.traverse import within
from jaxconv.verify.domain import Moving
from jaxconv.verify.execution.tolerance import is_kind
from jaxconv.verify.rules import RULES


@dataclass
class Flow:
    """One walk through a function. `closed_over`: which of its constants are parameters, by `identity`.

    `held`: the NumPy arrays that the function refers to. A constant that JAX converted from one of them is that one.
    """

    leaves: list[Leaf]
    held: Sequence[np.ndarray] = ()
    closed_over: frozenset[Hashable] = frozenset()
    layers: list[Found] = field(default_factory=list)
    constants: dict[Hashable, tuple[Any, Origin]] = field(default_factory=dict)  # floating-point ones, by identity
    names: Any = field(default_factory=itertools.count)

    def anew(self, origin: Origin, shape: Sequence[int], numbers: int | None = None) -> Origin:
        """A value that is its own beginning, whatever it came from."""
        return replace(origin, trail=((next(self.names), math.prod(shape) if numbers is None else numbers),))

    def leaf(self, number: int) -> Origin:
        """A parameter. What is no number at all, as a random key, is a constant."""
        leaf = self.leaves[number]
        if not is_kind(leaf, np.number):
            return CONSTANT
        part = Part(number, whole(leaf.shape))
        return self.anew(Origin(parts=(part,), axes=tuple(range(len(leaf.shape)))), leaf.shape)

    def constant(self, array: Any) -> Origin:
        """An array that the jaxpr holds, closed over or made while it was traced."""
        if not is_kind(array, np.inexact):
            return CONSTANT
        source = next((one for one in self.held if converts(one, array)), None)
        key = identity(array if source is None else source)
        if key not in self.constants:
            origin = CONSTANT
            if source is not None or key in self.closed_over:
                self.leaves.append(Leaf(f"closed-over array {len(self.leaves)}", "", tuple(array.shape), array.dtype))
                origin = self.leaf(len(self.leaves) - 1)
            self.constants[key] = array, origin
        return self.constants[key][1]

    def literal(self, value: Any) -> Origin:
        """What is written into an equation: a number, or under `jax_use_simplified_jaxpr_constants` any constant."""
        return self.constant(value) if np.ndim(value) else CONSTANT

    def run(self, jaxpr: Any, constants: Sequence[Any], inputs: Sequence[Origin], where: Where) -> list[Origin]:
        """Where the outputs of a jaxpr come from; the layers on the way are noted."""
        step = lambda equation, operands, path: self._step(equation, path[-1], operands, where)
        constant, literal = lambda value, aval: self.constant(value), lambda value, aval: self.literal(value)
        return evaluate(jaxpr, constants, inputs, step, constant=constant, literal=literal, calls=False)

    def follow(self, closed: Any, inputs: Sequence[Origin], where: Where) -> list[Origin]:
        """The same of the body of a call, loop or branch."""
        return self.run(*opened(closed), inputs, where)

    def _step(self, equation: Any, number: int, operands: list[Origin], where: Where) -> list[Origin]:
        name = equation.primitive.name
        body = entered(equation, operands)
        if body is not None:
            return self.run(*body, where.inside(equation, number, 0))
        if name in loop:
            return loop[name](self, equation, number, operands, where)
        if name in family("identity"):
            return operands
        is_movement = name in MOVEMENT and not guard.objection(equation)
        found = moved(operands) if is_movement else mixed(operands)
        results = [found] * len(equation.outvars)
        if found.data:
            after = self._meeting(equation, number, operands, found.after, where)
            results = [replace(found, after=after)] * len(equation.outvars)
        elif name in family("random"):
            return [CONSTANT] * len(equation.outvars)  # whatever the key was
        elif (seen_as := views(equation)) is not None:
            results = [seen(replace(operands[0], trail=found.trail), view) for view in seen_as]
        made = [self._extended(one, _shape(variable)) for one, variable in zip(results, equation.outvars, strict=True)]
        if found.data and where.recording:
            self._name_result(equation, operands, made[0])
        return made

    def _name_result(self, equation: Any, operands: list[Origin], made: Origin) -> None:
        """A layer's result, also with its axes in another order: products end so, since theirs is fixed."""
        if made.after < 0:
            return
        layer = self.layers[made.after]
        behind = permutes(equation) and operands[0].trail[-1][0] == layer.result
        if layer.equation is equation or behind:
            layer.output, layer.result = _shape(equation.outvars[0]), made.trail[-1][0]

    def _extended(self, origin: Origin, shape: Sequence[int]) -> Origin:
        """A value with itself at the end of its trail."""
        if origin.fixed:
            return CONSTANT
        return replace(origin, trail=(*origin.trail, (next(self.names), math.prod(shape))))

    def _meeting(self, equation: Any, number: int, operands: list[Origin], after: int, where: Where) -> int:
        """Note what an equation with data among its operands is; the last layer that its result has passed."""
        name, parameters = equation.primitive.name, [one for one in operands if one.parts]
        data = next(one.numbers for one in operands if one.data)
        if guard.objection(equation):  # its parameters are not understood, so neither is what it computes
            found = Geometry(name, None)
        elif (measure := geometry.get(name) or geometry.get(guard.lax_name(equation))) is not None:
            weights = "" if parameters else "fixed " if any(one.fixed for one in operands[:2]) else "dynamic "
            found = measure(equation, weights)
        elif name in family("gather") and operands[0].parts:
            found, data = lookup(equation)
        elif (parameters and name not in POINTWISE | MOVEMENT) or (
            name not in RULES[Moving] and _holds_a_jaxpr(equation)
        ):
            found = Geometry(name, None)
        else:
            result = _shape(equation.outvars[0])
            shapes = [result if name in POINTWISE else _shape(atom) for atom in equation.invars]
            return self.apply(equation, number, list(zip(operands, shapes, strict=True)), after, where)
        if not where.recording:
            return after
        uses = found.multiply_adds if found.uses is None else found.uses
        met = [
            Meeting(parts, numbers, uses, where)
            for parts, numbers in {one.parts: one.numbers for one in parameters}.items()
        ]
        output = _shape(equation.outvars[0])
        self.layers.append(Found((*where.place, number), equation, where, found, data, output, weights=met))
        return len(self.layers) - 1

    def apply(
        self, equation: Any, number: int, operands: Sequence[tuple[Origin, Sequence[int]]], after: int, where: Where
    ) -> int:
        """Note parameters that meet data position by position, each spread over a shape.

        They belong to the layer that the data has passed last; before any layer they are one by themselves.
        """
        parameters = [(one, shape) for one, shape in operands if one.parts]
        if not parameters or not where.recording:
            return after
        output = _shape(equation.outvars[0])
        if after < 0:
            data = next((one.numbers for one, _ in operands if one.data), 0)
            found = Geometry(equation.primitive.name)
            self.layers.append(Found((*where.place, number), equation, where, found, data, output))
            after = len(self.layers) - 1
        layer = self.layers[after]
        if math.prod(output) == math.prod(layer.output):
            layer.output = output
        layer.others += [Meeting(one.parts, one.numbers, math.prod(shape), where) for one, shape in parameters]
        return after


def identity(array: Any) -> Hashable:
    """The same for the same array. NumPy's are wrapped anew in each trace, and known by where their numbers are."""
    if isinstance(array, jax.Array):
        return id(array)
    inside = np.asarray(array)
    return inside.ctypes.data, inside.shape, inside.strides, str(inside.dtype)


def converts(held: np.ndarray, constant: Any) -> bool:
    """Whether a constant is what JAX makes of a NumPy array of another dtype."""
    if held.dtype == constant.dtype or held.shape != constant.shape or not is_kind(held, np.inexact):
        return False
    with jax.transfer_guard("allow"), np.errstate(all="ignore"):
        return np.array_equal(held.astype(constant.dtype), np.asarray(constant), equal_nan=True)


def _shape(atom: Any) -> tuple[int, ...]:
    return tuple(getattr(atom.aval, "shape", ()))


def _holds_a_jaxpr(equation: Any) -> bool:
    """Whether a primitive does what a jaxpr says, as kernels and solvers do: there may be layers in it."""
    return any(True for _ in within(equation))
