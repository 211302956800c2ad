"""The walk that finds the layers: the equations that apply parameters to data, and the parameters of each."""

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
from jaxconv.account.provenance import (
    CONSTANT,
    MOVEMENT,
    POINTWISE,
    Origin,
    Part,
    mixed,
    moved,
    permutes,
    viewed,
    views,
)
from jaxconv.account.records import Application, LayerRecord, Leaf, Location
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
    """One walk through a function.

    Attributes:
        leaves: the arrays that may be parameters. The walk adds the closed-over arrays.
        referenced: the NumPy arrays that the function refers to. A constant converted from one of them is that array.
        closed_over: the `identity` of each constant that is a parameter.
        layers: a record of each layer.
        constants: the floating-point constants, by identity.
        names: the next name of a value.
    """

    leaves: list[Leaf]
    referenced: Sequence[np.ndarray] = ()
    closed_over: frozenset[Hashable] = frozenset()
    layers: list[LayerRecord] = field(default_factory=list)
    constants: dict[Hashable, tuple[Any, Origin]] = field(default_factory=dict)
    names: Any = field(default_factory=itertools.count)

    def renamed(self, origin: Origin, shape: Sequence[int], numbers: int | None = None) -> Origin:
        """The origin with a new trail that contains only a new name."""
        return replace(origin, trail=((next(self.names), math.prod(shape) if numbers is None else numbers),))

    def leaf(self, number: int) -> Origin:
        """The origin of a parameter. A leaf that is not numeric, such as a random key, is a constant."""
        leaf = self.leaves[number]
        if not is_kind(leaf, np.number):
            return CONSTANT
        part = Part(number, whole(leaf.shape))
        return self.renamed(Origin(parts=(part,), axes=tuple(range(len(leaf.shape)))), leaf.shape)

    def constant(self, array: Any) -> Origin:
        """The origin of a constant of the jaxpr, which is closed over or made during the trace."""
        if not is_kind(array, np.inexact):
            return CONSTANT
        source = next((held for held in self.referenced if converts(held, array)), None)
        key = identity(array if source is None else source)
        if key not in self.constants:
            origin = CONSTANT
            if source is not None or key in self.closed_over:
                self.leaves.append(Leaf(f"closed-over array {len(self.leaves)}", "", tuple(array.shape), array.dtype))
                origin = self.leaf(len(self.leaves) - 1)
            self.constants[key] = array, origin
        return self.constants[key][1]

    def literal(self, value: Any) -> Origin:
        """The origin of a literal: a number, or any constant under `jax_use_simplified_jaxpr_constants`."""
        return self.constant(value) if np.ndim(value) else CONSTANT

    def run(self, jaxpr: Any, constants: Sequence[Any], inputs: Sequence[Origin], location: Location) -> list[Origin]:
        """The origins of a jaxpr's results. The walk records the layers of the jaxpr."""
        step = lambda equation, operands, path: self._step(equation, path[-1], operands, location)
        constant, literal = lambda value, aval: self.constant(value), lambda value, aval: self.literal(value)
        return evaluate(jaxpr, constants, inputs, step, constant=constant, literal=literal, calls=False)

    def follow(self, closed: Any, inputs: Sequence[Origin], location: Location) -> list[Origin]:
        """The same for the body of a call, loop or branch."""
        return self.run(*opened(closed), inputs, location)

    def _step(self, equation: Any, number: int, operands: list[Origin], location: Location) -> list[Origin]:
        name = equation.primitive.name
        body = entered(equation, operands)
        if body is not None:
            return self.run(*body, location.inside(equation, number, 0))
        if name in loop:
            return loop[name](self, equation, number, operands, location)
        if name in family("identity"):
            return operands
        is_movement = name in MOVEMENT and not guard.objection(equation)
        origin = moved(operands) if is_movement else mixed(operands)
        results = [origin] * len(equation.outvars)
        if origin.data:
            after = self._apply_equation(equation, number, operands, origin.after, location)
            results = [replace(origin, after=after)] * len(equation.outvars)
        elif name in family("random"):
            return [CONSTANT] * len(equation.outvars)  # for any key
        elif (result_views := views(equation)) is not None:
            results = [viewed(replace(operands[0], trail=origin.trail), view) for view in result_views]
        results = [
            self._extended(result, _shape(variable)) for result, variable in zip(results, equation.outvars, strict=True)
        ]
        if origin.data and location.recording:
            self._name_result(equation, operands, results[0])
        return results

    def _name_result(self, equation: Any, operands: list[Origin], result: Origin) -> None:
        """Record the shape and name of a layer's result, or of its transpose.

        The axis order of a `dot_general` is fixed, so a transpose often follows it.
        """
        if result.after < 0:
            return
        layer = self.layers[result.after]
        is_transpose = permutes(equation) and operands[0].trail[-1][0] == layer.result
        if layer.equation is equation or is_transpose:
            layer.output, layer.result = _shape(equation.outvars[0]), result.trail[-1][0]

    def _extended(self, origin: Origin, shape: Sequence[int]) -> Origin:
        """The origin with a new name at the end of its trail."""
        if origin.fixed:
            return CONSTANT
        return replace(origin, trail=(*origin.trail, (next(self.names), math.prod(shape))))

    def _apply_equation(
        self, equation: Any, number: int, operands: list[Origin], after: int, location: Location
    ) -> int:
        """Record an equation that has data among its operands. Returns the last layer that its result has passed."""
        name, parameters = equation.primitive.name, [origin for origin in operands if origin.parts]
        inputs = next(origin.numbers for origin in operands if origin.data)
        if guard.objection(equation):  # its parameters are not understood, so its multiply-adds are unknown
            described = Geometry(name, None)
        elif (measure := geometry.get(name) or geometry.get(guard.lax_name(equation))) is not None:
            weights = "" if parameters else "fixed " if any(origin.fixed for origin in operands[:2]) else "dynamic "
            described = measure(equation, weights)
        elif name in family("gather") and operands[0].parts:
            described, inputs = lookup(equation)
        elif (parameters and name not in POINTWISE | MOVEMENT) or (
            name not in RULES[Moving] and _holds_a_jaxpr(equation)
        ):
            described = Geometry(name, None)
        else:
            result = _shape(equation.outvars[0])
            shapes = [result if name in POINTWISE else _shape(atom) for atom in equation.invars]
            return self.apply(equation, number, list(zip(operands, shapes, strict=True)), after, location)
        if not location.recording:
            return after
        uses = described.multiply_adds if described.uses is None else described.uses
        applied = [
            Application(parts, numbers, uses, location)
            for parts, numbers in {origin.parts: origin.numbers for origin in parameters}.items()
        ]
        output, place = _shape(equation.outvars[0]), (*location.place, number)
        self.layers.append(LayerRecord(place, equation, location, described, inputs, output, weights=applied))
        return len(self.layers) - 1

    def apply(
        self,
        equation: Any,
        number: int,
        operands: Sequence[tuple[Origin, Sequence[int]]],
        after: int,
        location: Location,
    ) -> int:
        """Record parameters that are combined with data element by element, each broadcast to a shape.

        They belong to the last layer that the data has passed. Before the first layer they form a layer.
        """
        parameters = [(origin, shape) for origin, shape in operands if origin.parts]
        if not parameters or not location.recording:
            return after
        output = _shape(equation.outvars[0])
        if after < 0:
            inputs = next((origin.numbers for origin, _ in operands if origin.data), 0)
            place, described = (*location.place, number), Geometry(equation.primitive.name)
            self.layers.append(LayerRecord(place, equation, location, described, inputs, output))
            after = len(self.layers) - 1
        layer = self.layers[after]
        if math.prod(output) == math.prod(layer.output):
            layer.output = output
        layer.others += [
            Application(origin.parts, origin.numbers, math.prod(shape), location) for origin, shape in parameters
        ]
        return after


def identity(array: Any) -> Hashable:
    """A key that is the same for the same array in each trace.

    JAX wraps a NumPy array in a new object in each trace, so the address of its data identifies it.
    """
    if isinstance(array, jax.Array):
        return id(array)
    data = np.asarray(array)
    return data.ctypes.data, data.shape, data.strides, str(data.dtype)


def converts(held: np.ndarray, constant: Any) -> bool:
    """Whether `constant` is the conversion of the NumPy array `held` to another dtype."""
    if held.dtype == constant.dtype or held.shape != constant.shape or not is_kind(held, np.inexact):
        return False
    with jax.transfer_guard("allow"), np.errstate(all="ignore"):
        return np.array_equal(held.astype(constant.dtype), np.asarray(constant), equal_nan=True)


def _shape(atom: Any) -> tuple[int, ...]:
    return tuple(getattr(atom.aval, "shape", ()))


def _holds_a_jaxpr(equation: Any) -> bool:
    """Whether an equation has a jaxpr among its parameters, as kernels and solvers do. It may contain layers."""
    return any(True for _ in within(equation))
