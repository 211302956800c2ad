"""The walk: follows a jaxpr equation by equation and asks the table how each value moves. It knows no primitive."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs import evaluate, guard
from jaxconv.jaxprs.layout import entered, opened
from jaxconv.jaxprs.primitives import family
from jaxconv.jaxprs.source import frames, full_line, source_frame
from jaxconv.jaxprs.traverse import number_within
from jaxconv.verify.claims import Break
from jaxconv.verify.derivation import Row
from jaxconv.verify.domain import (
    Broken,
    CannotProve,
    Factor,
    FactoredAxis,
    Motion,
    Moving,
    Pieces,
    Spectrum,
    Value,
    fits,
    main_state,
    with_signals,
)
from jaxconv.verify.factors import invariant_axis
from jaxconv.verify.fold import MOST, folded, period
from jaxconv.verify.receptive_fields import ONE_CELL
from jaxconv.verify.rule_table import TAKES_BROKEN, Equation, Rule
from jaxconv.verify.value_numbers import Names

RAISE_FAILURES = False  # the tests set it, so that no fault of a rule passes for a break
Read: TypeAlias = tuple[Value, np.ndarray | None]  # how a value moves, and its numbers where they are known


@dataclass
class Walk:
    """One walk through a function, for the shift along one axis: `cycle` is that axis's length, None for the interior.

    `values`: whether to look at the numbers of floating-point arrays that are closed over, or to prove for all of them.
    `axis`: the input's shifted axis, along which a constant is taken to move where it could be along any.
    `rows` collects the derivation; `stack` holds the equations of the calls and loops that the walk is inside of, and
    `path` says where their innermost jaxpr stands, see `Row`.
    """

    cycle: int | None
    rules: Mapping[type, Mapping[str, Rule]]
    values: bool = False
    axis: int = 0
    rows: list[Row] = field(default_factory=list)
    stack: list[Any] = field(default_factory=list)
    path: evaluate.Path = ()
    counter: Any = field(default_factory=itertools.count)
    names: Names = field(default_factory=Names)

    def new_signal(self) -> Hashable:
        """A name that no signal has yet."""
        return next(self.counter)

    def constant(self, shape: Sequence[int]) -> Moving:
        """A value that does not depend on the input; nothing is known of its numbers."""
        return Moving(1, self.cycle, tuple(invariant_axis(length) for length in shape))

    def known(self, array: np.ndarray) -> Moving:
        """A value whose numbers are known, with the periods that they have along each axis."""
        return Moving(
            1, self.cycle, tuple(invariant_axis(n, period(array, axis)) for axis, n in enumerate(array.shape))
        )

    def run(self, jaxpr: Any, constants: Sequence[Any], operands: Sequence[Read]) -> list[Read]:
        """How the outputs of a jaxpr move, and their numbers where those are constants."""

        def literal(value: Any, aval: Any) -> Read:
            array = np.asarray(value, aval.dtype)
            return self.known(array), array

        def constant(value: Any, aval: Any) -> Read:
            is_array = hasattr(aval, "dtype")  # else a mutable reference, which no equation may read
            return self.array(value) if is_array else (self.constant(()), None)

        short = [(with_signals(value, self.names.short), numbers) for value, numbers in operands]
        settings = {"constant": constant, "literal": literal, "calls": False, "path": self.path}
        return evaluate.evaluate(jaxpr, constants, short, self._step, **settings)

    def array(self, array: Any) -> Read:
        """An array that does not move: indices and masks are read for what they are, floats are parameters."""
        shape, dtype = np.shape(array), jnp.result_type(array)
        parameter = jnp.issubdtype(dtype, jnp.inexact) and not self.values
        if np.size(array) > MOST or parameter or jnp.issubdtype(dtype, jax.dtypes.extended):
            return self.constant(shape), None
        return self.known(np.asarray(array)), np.asarray(array)

    def _step(self, equation: Any, operands: list[Read], path: evaluate.Path) -> list[Read]:
        """One equation: folded if it is a small constant, else as its rule says, else broken."""
        inputs, known = apart(operands)
        shapes = [tuple(getattr(variable.aval, "shape", ())) for variable in equation.outvars]
        numbers: list[np.ndarray | None] = [None] * len(shapes)
        outputs: Sequence[Value]
        constants = folded(equation, known)
        if constants is not None:
            numbers = list(constants)
            outputs = [self.known(array) for array in constants]
        elif (body := entered(equation, operands)) is not None and not guard.objection(equation):
            with self._inside(equation, (*path, 0)):
                outputs, numbers = apart(self.run(*body))
        else:
            outputs = self._apply(equation, path, list(map(main_state, inputs)), known, shapes)
            outputs = self._pieces(equation, inputs, known, outputs)
        outputs = [with_signals(self._note_losses(equation, inputs, value), self.names.short) for value in outputs]
        self.rows.append(Row(len(self.rows), path, equation.primitive.name, tuple(outputs)))
        return list(zip(outputs, numbers, strict=True))

    def _apply(
        self,
        equation: Any,
        path: evaluate.Path,
        inputs: list[Value],
        known: list[np.ndarray | None],
        shapes: list[tuple[int, ...]],
    ) -> Sequence[Value]:
        """What the table says; broken if an operand is, if the equation is not understood, or if the rule gives up."""
        name = equation.primitive.name
        kind = Spectrum if any(isinstance(value, Spectrum) for value in inputs) else Moving
        described = f"{name} of spectra" if kind is Spectrum else name
        broken = next((value for value in inputs if isinstance(value, Broken)), None)
        if broken is not None and (kind is Spectrum or name not in TAKES_BROKEN):
            return [broken] * len(shapes)
        try:
            with self._inside(equation, path):
                if name not in self.rules[kind]:
                    raise CannotProve(f"there is no rule for {described}", "Add one to jaxconv/verify/rules")
                # A rule of control follows the jaxprs of its equation; any other takes them for functions.
                follows = equation.primitive.name in family("control")
                objection = guard.objection(equation) if follows else guard.impurity(equation)
                if objection:
                    raise CannotProve(objection, "Write it by other operations, or report it")
                return self._fitting(equation, self.rules[kind][name](self._as_seen(equation, inputs, known)))
        except CannotProve as lost:
            reason = lost
        except Exception as error:
            reason = _failure(described, error)
        if not all(isinstance(value, Moving) and not value.moving_axes for value in inputs):
            return [self._broken(equation, reason)] * len(shapes)
        impurity = guard.impurity(equation)
        if impurity:
            return [self._broken(equation, CannotProve(impurity, "Pass it as an argument"))] * len(shapes)
        # A function of operands that stay where they are has results that stay.
        operands = [value for value in inputs if isinstance(value, Moving)]
        shift = math.lcm(*(value.shift for value in operands))
        depends = any(value.depends for value in operands)
        return [replace(self.constant(shape), shift=shift, depends=depends) for shape in shapes]

    @staticmethod
    def _fitting(equation: Any, outputs: Sequence[Value]) -> Sequence[Value]:
        """The outputs, if they are of the shapes that JAX says; those that turn by a phase need an imaginary part."""
        for variable, value in zip(equation.outvars, outputs, strict=True):
            shape = tuple(getattr(variable.aval, "shape", ()))
            if isinstance(value, Spectrum) and not jnp.issubdtype(variable.aval.dtype, jnp.complexfloating):
                raise CannotProve(
                    "the real part of a spectrum sees its phase", "Transform back first, or take absolute values"
                )
            if not fits(value, shape):
                raise ValueError(f"what it says is not of shape {shape}")
        return outputs

    def _as_seen(self, equation: Any, inputs: list[Value], known: list[np.ndarray | None]) -> Equation:
        """An equation as its rule sees it."""
        before, after = ([tuple(getattr(atom.aval, "shape", ())) for atom in atoms] for atoms in
                         (equation.invars, equation.outvars))  # fmt: skip
        return Equation(equation.primitive.name, guard.understood(equation), inputs, known, before, after, self)

    def _pieces(
        self, equation: Any, inputs: list[Value], known: list[np.ndarray | None], outputs: Sequence[Value]
    ) -> Sequence[Value]:
        """What a linear equation's outputs are as pieces of what moves when they are added up, if anything."""
        rule = self.rules[Pieces].get(equation.primitive.name)
        if self.cycle is None or rule is None or any(isinstance(v, Spectrum | Broken) for v in inputs):
            return outputs
        if not guard.is_linear(equation):
            return outputs
        try:
            found = rule(self._as_seen(equation, inputs, known))
            return self._fitting(equation, list(map(self._fuller, outputs, found)))
        except CannotProve:
            return outputs
        except Exception as error:
            _failure(f"{equation.primitive.name} of pieces", error)
            return outputs

    @staticmethod
    def _fuller(plain: Value, found: Value) -> Value:
        """Of what two rules say of a value, what says more. Pieces keep both, unless all are there and move."""
        moves = isinstance(plain, Moving) and plain.moving_axes and all(map(plain.one_period, plain.moving_axes))
        if isinstance(found, Pieces) and isinstance(plain, Moving | Broken):
            all_there = len(found.spans) == 1 and found.spans[0][:2] == (0, found.total)
            return plain if moves and all_there else replace(found, value=plain)
        return plain if moves else found

    @contextmanager
    def _inside(self, equation: Any, path: evaluate.Path) -> Iterator[None]:
        """Within an equation: a break there names the lines around it, and rows of its jaxprs have its path."""
        before, self.path = self.path, path
        self.stack.append(equation)
        try:
            yield
        finally:
            self.stack.pop()
            self.path = before

    def follow(
        self, closed: Any, inputs: Sequence[Value], known: Sequence[np.ndarray | None]
    ) -> tuple[list[Value], list[np.ndarray | None]]:
        """Follow the jaxpr of a loop's body or of a branch: how its results move, and their numbers where known."""
        before, self.path = self.path, (*self.path, number_within(self.stack[-1], closed))
        try:
            return apart(self.run(*opened(closed), list(zip(inputs, known, strict=True))))
        finally:
            self.path = before

    def _note_losses(self, equation: Any, inputs: list[Value], value: Value) -> Value:
        """Record on what moves where foreign content came in at its ends, and where a full period was lost."""
        if isinstance(value, Pieces):
            return replace(value, value=self._note_losses(equation, inputs, value.value))
        if not isinstance(value, Moving) or not value.moving_axes:
            return value
        axes = tuple(tuple(self._note_factor(equation, inputs, value, f) for f in axis) for axis in value.axes)
        return replace(value, axes=axes)

    def _note_factor(self, equation: Any, inputs: list[Value], value: Moving, factor: Any) -> Any:
        motion: Motion | None = factor.motion
        if motion is None:
            return factor
        edge, lost = motion.edge, motion.lost
        whole = (motion.lo, motion.hi) == (0, factor.length)
        if whole:
            edge = None
        elif edge is None:
            reason = f"only positions {motion.lo} to {motion.hi - 1} of {factor.length} show the shifted signal"
            edge = self.break_at(equation, reason, "Pad circularly, or keep to the interior")
        if self.cycle is None or value.complete(motion):
            lost = None
        elif lost is None:
            reason = f"{motion.hi - motion.lo} positions are left of a period of {value.period(motion)}"
            lost = (edge if not whole and edge else None) or self.break_at(equation, reason, "Pad circularly before it")
        if edge is motion.edge and lost is motion.lost:
            return factor
        return replace(factor, motion=replace(motion, edge=edge, lost=lost))

    def _broken(self, equation: Any, lost: CannotProve) -> Broken:
        return Broken(lost.origin or self.break_at(equation, lost.reason, lost.cure))

    def break_at(self, equation: Any, reason: str, cure: str) -> Break:
        """What broke at an equation, with the user's own line: its, or that of the innermost call around it."""
        stack = [frame for one in (equation, *reversed(self.stack)) for frame in frames(one)]
        source = full_line(source_frame(equation, self.stack))
        return Break(len(self.rows), equation.primitive.name, reason, cure, source, tuple(map(full_line, stack)))


def _failure(rule: str, error: Exception) -> CannotProve:
    """The break for a rule that failed, as on a jaxpr layout of a JAX version that it does not know. Tests raise it."""
    if RAISE_FAILURES:
        raise error
    return CannotProve(f"the rule for {rule} failed: {error!r}", "Please report it")


def apart(values: Sequence[Read]) -> tuple[list[Value], list[np.ndarray | None]]:
    """How values move, and their numbers."""
    return [value for value, _ in values], [numbers for _, numbers in values]


def input_axis(length: int, name: Hashable) -> FactoredAxis:
    """The axis of an input that is shifted: all of it is a window of the scene."""
    return (Factor(length, motion=Motion(Fraction(1), 0, length, ONE_CELL, name)),)
