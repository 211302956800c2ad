"""`Walk` follows a function, traced at two lengths, through one segment of a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from jaxconv.apply.streaming import windows
from jaxconv.apply.streaming.derivatives import has_own_derivative, with_derivative
from jaxconv.apply.streaming.rules import RULES, Pair, array_of, spans_of
from jaxconv.apply.streaming.segment import Segment
from jaxconv.apply.streaming.values import Constant, Part, Signal, Value, checked, constant_of, moved
from jaxconv.jaxprs import guard
from jaxconv.jaxprs.evaluate import executed
from jaxconv.jaxprs.layout import entered, opened, repeated, scan_sizes
from jaxconv.jaxprs.source import all_frames, full_line, reported
from jaxconv.jaxprs.typing import Array, ArrayValue, Atom, aval_of, shape_of
from jaxconv.verify.domain import CannotProve

__all__ = ["RefusedError", "Walk", "windows"]

Traced: TypeAlias = tuple[Jaxpr, Sequence[ArrayValue]]  # a jaxpr and its constants


class RefusedError(Exception):
    """A function cannot be streamed: the primitive, its line, the reason and the cure."""

    def __init__(self, primitive: str, source: str, reason: str, cure: str):
        super().__init__(reason)
        self.primitive, self.source, self.reason, self.cure = primitive, source, reason, cure


@dataclass
class Walk:
    """One walk through a function, for one segment.

    Attributes:
        segment: the segment.
        stack: the equations of the calls that contain the current equation.
    """

    segment: Segment
    stack: list[JaxprEqn] = field(default_factory=list[JaxprEqn])

    def run(self, traced: Traced, other: Traced, operands: Sequence[Value]) -> list[Value]:
        """The outputs of a function that was traced at two lengths."""
        (jaxpr, constants), (twin, twin_constants) = traced, other
        if len(jaxpr.eqns) != len(twin.eqns):
            raise CannotProve("the function does other operations at another length", "Do not branch on x.shape")
        env: dict[object, Value] = dict(zip(jaxpr.invars, operands, strict=True))
        for variable, value, other_value in zip(jaxpr.constvars, constants, twin_constants, strict=True):
            env[variable] = self._closed_over(value, other_value)

        def read(atom: Atom) -> Value:
            return array_of(atom.val, aval_of(atom).dtype) if isinstance(atom, Literal) else env[atom]

        live = _live(jaxpr)
        for equation, twin_equation in zip(jaxpr.eqns, twin.eqns, strict=True):
            if live.isdisjoint(equation.outvars):
                continue
            try:
                results = self._step(equation, twin_equation, [read(atom) for atom in equation.invars])
            except CannotProve as lost:
                line = full_line(reported(all_frames(equation, self.stack)))
                raise RefusedError(equation.primitive.name, line, str(lost), lost.cure) from lost
            env |= zip(equation.outvars, results, strict=True)
        return [read(atom) for atom in jaxpr.outvars]

    def _closed_over(self, value: ArrayValue, other: ArrayValue) -> Value:
        shape, twin = tuple(getattr(value, "shape", ())), tuple(getattr(other, "shape", ()))
        if shape == twin:
            return value
        return constant_of(np.asarray(value), np.asarray(other), self.segment.lengths)

    def _step(self, equation: JaxprEqn, other: JaxprEqn, inputs: list[Value]) -> Sequence[Value]:
        """The results of one equation."""
        if equation.primitive is not other.primitive:
            raise CannotProve("the function does other operations at another length", "Do not branch on x.shape")
        body, twin = entered(equation, inputs), entered(other, inputs)
        if body is not None and twin is not None and not guard.objection(equation):
            follow = lambda traces, operands: self._called(equation, traces[0], traces[1], operands)
            if has_own_derivative(equation, inputs):
                return with_derivative(equation, other, inputs, self.segment, follow)
            return follow((body[:2], twin[:2]), body[2])
        shapes = [(shape_of(one), shape_of(two)) for one, two in zip(equation.outvars, other.outvars, strict=True)]
        if repeated(equation):
            results = self._scan(equation, other, inputs)
        elif not spans_of(inputs) and all(one == two for one, two in shapes):
            return executed(equation, inputs)
        else:
            impurity = guard.impurity(equation)
            if impurity:
                raise CannotProve(impurity, "Pass it as an argument")
            rule = RULES.get(equation.primitive.name)
            if rule is None:
                raise CannotProve(f"there is no rule for {equation.primitive.name} of a stream", "Use other operations")
            results = rule(Pair(equation, other, self.segment), inputs)
        return [checked(value, *own, self.segment.lengths) for value, own in zip(results, shapes, strict=True)]

    def _called(self, equation: JaxprEqn, body: Traced, twin: Traced, operands: Sequence[Value]) -> list[Value]:
        self.stack.append(equation)
        try:
            return self.run(body, twin, operands)
        finally:
            self.stack.pop()

    def _scan(self, equation: JaxprEqn, other: JaxprEqn, inputs: Sequence[Value]) -> list[Value]:
        """A loop, one iteration after the other: each has caches of its own."""
        params = equation.params
        if params["length"] != other.params["length"] or params["length"] < 1:
            raise CannotProve("a loop over the streamed axis", "Loop over another axis, or use a convolution")
        constants, carries = scan_sizes(params)
        bodies = opened(params["jaxpr"]), opened(other.params["jaxpr"])
        carry, rows = list(inputs[constants : constants + carries]), inputs[constants + carries :]
        gathered: list[list[Value]] = []
        order = range(params["length"])
        for number in reversed(order) if params["reverse"] else order:
            operands = [*inputs[:constants], *carry, *(_row(value, number) for value in rows)]
            results = self._called(equation, *bodies, operands)
            carry = results[:carries]
            gathered.append(results[carries:])
        gathered = gathered[::-1] if params["reverse"] else gathered
        return [*carry, *(self._stacked(list(values)) for values in zip(*gathered, strict=True))]

    def _stacked(self, values: list[Value]) -> Value:
        """The results of all iterations along a new first axis."""
        if not spans_of(values):
            return jnp.stack(cast("list[Array]", values))
        if not all(isinstance(value, Signal | Constant) for value in values):
            raise CannotProve("the results of a loop vary along the signal in some iterations only")
        signals = self.segment.aligned(values)
        return moved(signals[0], jnp.stack([signal.array for signal in signals]), signals[0].axis + 1)


def _live(jaxpr: Jaxpr) -> set[object]:
    """The variables on which the outputs of a jaxpr depend."""
    live: set[object] = {atom for atom in jaxpr.outvars if not isinstance(atom, Literal)}
    for equation in reversed(jaxpr.eqns):
        if not live.isdisjoint(equation.outvars):
            live |= {atom for atom in equation.invars if not isinstance(atom, Literal)}
    return live


def _row(value: Value, number: int) -> Value:
    """One iteration's part of what a loop runs over."""
    pick = lambda array: lax.index_in_dim(jnp.asarray(array), number, 0, keepdims=False)
    if isinstance(value, Signal):
        if value.axis == 0:
            raise CannotProve("a loop over the streamed axis", "Loop over another axis, or use a convolution")
        return moved(value, pick(value.array), value.axis - 1)
    if isinstance(value, Constant):
        parts = (pick(value.first), pick(value.middle), pick(value.last))
        return Constant(*parts, value.axis - 1, value.rate, value.end)
    if isinstance(value, Part):
        raise CannotProve("a loop over a fixed part of the signal")
    return pick(value)
