"""`Walk` follows a jaxpr equation by equation, and calls a rule for each. It has no knowledge of primitives."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn

from jaxconv.jaxprs import evaluate, guard
from jaxconv.jaxprs.layout import entered, opened
from jaxconv.jaxprs.primitives import family
from jaxconv.jaxprs.source import all_frames, full_line, module_path, reported
from jaxconv.jaxprs.traverse import number_within
from jaxconv.jaxprs.typing import AnyJaxpr, ArrayValue, Shaped, aval_of, shape_of
from jaxconv.verify.claims import Culprit
from jaxconv.verify.constant_program import Folded
from jaxconv.verify.derivation import Row
from jaxconv.verify.domain import (
    Broken,
    CannotProve,
    Moving,
    Pieces,
    Spectrum,
    Value,
    check_periods,
    fits,
    is_whole,
    main_state,
    stronger,
    with_signals,
    without_fields,
    without_phases,
)
from jaxconv.verify.equal_cells import EqualCells
from jaxconv.verify.factors import invariant_axis
from jaxconv.verify.failures import failure
from jaxconv.verify.fold import Folder
from jaxconv.verify.losses import first_border, noted
from jaxconv.verify.modes import TooManyModesError
from jaxconv.verify.own_places import read_at_places
from jaxconv.verify.repeated_calls import Body, FollowedCalls, Read, apart
from jaxconv.verify.rule_table import TAKES_BROKEN, Equation, Places, Rule
from jaxconv.verify.value_numbers import Names

# Rows of a derivation from which on calls with the same states are not followed again, receptive fields are dropped at
# calls that are repeated often, and counted loops are not followed round by round.
LONG = 2**13


@dataclass
class Walk:
    """One walk through a function, for a shift along one axis.

    Attributes:
        cycle: length of the shifted axis for cyclic shifts; None for the interior.
        rules: the rules by type of the operands and by primitive.
        folder: folds constants. It knows whether the numbers of closed-over floating-point arrays are used.
        axis: the shifted axis of the input. If a constant could move along any axis, it is taken to move along this.
        rows: rows of the derivation so far.
        stack: equations of the calls and loops that contain the current equation.
        path: path of their innermost jaxpr, as in `Row`.
        counter: numbers for new signals.
        names: short names of signals.
        folded: results of the equations that were folded in the jaxpr that `run` follows.
        base: length of the path of that jaxpr.
        cells: names the cells of operands in that jaxpr.
        asked: how often names were read. They are not a part of the states, so calls in which they are not remembered.
        calls: the results of the calls that were followed.
        followed: the equations that were followed, with their operands.
    """

    cycle: int | None
    rules: Mapping[type, Mapping[str, Rule]]
    folder: Folder = field(default_factory=Folder)
    axis: int = 0
    rows: list[Row] = field(default_factory=list[Row])
    stack: list[JaxprEqn] = field(default_factory=list[JaxprEqn])
    path: evaluate.Path = ()
    counter: Iterator[int] = field(default_factory=itertools.count)
    names: Names = field(default_factory=Names)
    folded: Folded = field(default_factory=Folded)
    base: int = 0
    cells: EqualCells | None = None
    asked: int = 0
    calls: FollowedCalls = field(default_factory=FollowedCalls)
    followed: dict[evaluate.Path, tuple[JaxprEqn, list[Read]]] = field(
        default_factory=dict[evaluate.Path, tuple[JaxprEqn, list[Read]]]
    )

    def new_signal(self) -> Hashable:
        """Return a name that no signal has yet."""
        return next(self.counter)

    def constant(self, shape: Sequence[int]) -> Moving:
        """Return a value that does not depend on the input, and whose numbers are unknown."""
        return Moving(1, self.cycle, tuple(invariant_axis(length) for length in shape))

    def known(self, array: np.ndarray) -> Moving:
        """Return a value whose numbers are known, with their period along each axis."""
        if not array.ndim:
            return Moving(1, self.cycle, ())
        periods = self.folder.periods_of(array)
        return Moving(1, self.cycle, tuple(invariant_axis(n, p) for n, p in zip(array.shape, periods, strict=True)))

    def run(self, jaxpr: Jaxpr, constants: Sequence[ArrayValue], operands: Sequence[Read]) -> list[Read]:
        """Return how the outputs of a jaxpr move, and the numbers of those that are constants."""
        outside = self.folded, self.base, self.cells
        known = [numbers for _, numbers in operands]
        self.folded = self.folder.fold(jaxpr, constants, known)
        self.base = len(self.path)
        self.cells = EqualCells(jaxpr, constants, known, self.folded, self.folder.numbers)
        try:
            return self._evaluate(jaxpr, constants, operands)
        finally:
            self.folded, self.base, self.cells = outside

    def _evaluate(self, jaxpr: Jaxpr, constants: Sequence[ArrayValue], operands: Sequence[Read]) -> list[Read]:
        """Follow the equations of a jaxpr whose constants are folded."""

        def literal(value: ArrayValue, aval: Shaped) -> Read:
            array = np.asarray(value, aval.dtype)
            return self.known(array), array

        def constant(value: ArrayValue, aval: Shaped) -> Read:
            is_array = hasattr(aval, "dtype")  # otherwise a mutable reference, which no equation may read
            return self.array(value) if is_array else (self.constant(()), None)

        short = [(with_signals(value, self.names.short), numbers) for value, numbers in operands]
        return evaluate.evaluate(
            jaxpr, constants, short, self._step, constant=constant, literal=literal, calls=False, path=self.path
        )

    def array(self, array: ArrayValue) -> Read:
        """Return an invariant array. The numbers of integers and booleans are known; floats may be parameters."""
        numbers = self.folder.numbers(array)
        return self.constant(np.shape(array)) if numbers is None else self.known(numbers), numbers

    def _step(self, equation: JaxprEqn, operands: list[Read], path: evaluate.Path) -> list[Read]:
        """Follow one equation: read a folded constant, follow a call, or apply the rule of the primitive."""
        inputs, known = apart(operands)
        self.followed[path] = equation, operands
        shapes = list(map(shape_of, equation.outvars))
        numbers: list[np.ndarray | None] = [None] * len(shapes)
        outputs: Sequence[Value]
        constants = self.folded.get(path[self.base :])
        if constants is not None and all(number is not None for number in known):
            numbers = list(constants)
            outputs = [self.known(array) for array in constants if array is not None]
        elif (body := entered(equation, operands)) is not None and not guard.objection(equation):
            outputs, numbers = apart(self._call(equation, body, path))
        else:
            outputs = self._apply(equation, path, list(map(main_state, inputs)), known, shapes)
            outputs = self._apply_pieces(equation, path, inputs, known, outputs)
            if equation.primitive.name in family("identity") and not guard.objection(equation):
                numbers = known
            elif constants is not None:  # of some results, as of the keys that sort an operand that moves
                numbers = list(constants)
                outputs = [v if n is None else self.known(n) for v, n in zip(outputs, numbers, strict=True)]
        name = partial(self.culprit_at, equation)
        outputs = [with_signals(noted(value, inputs, name), self.names.short) for value in outputs]
        self.rows.append(Row(len(self.rows), path, equation.primitive.name, tuple(outputs)))
        return list(zip(outputs, numbers, strict=True))

    def _call(self, equation: JaxprEqn, body: Body, path: evaluate.Path) -> Sequence[Read]:
        """Follow a call. In a long derivation, one that was followed with the same states has no rows inside."""
        jaxpr, constants, operands = body
        if self.is_long:
            if self.calls.often(jaxpr):
                operands = [(without_fields(value), numbers) for value, numbers in operands]
            recalled = self.calls.recall((jaxpr, constants, operands), self.new_signal)
            if recalled is not None:
                return recalled
        asked = self.asked
        with self._inside(equation, (*path, 0)):
            results = self._evaluate(jaxpr, constants, operands)
        if self.asked == asked and 2 * self.length >= LONG:  # earlier calls are not worth the memory
            self.calls.remember((jaxpr, constants, operands), results)
        return results

    @property
    def is_long(self) -> bool:
        """Whether the derivation is so long that calls and loops are abbreviated."""
        return self.length >= LONG

    @property
    def length(self) -> int:
        """Number of rows of the derivation so far."""
        return len(self.rows)

    def _apply(
        self,
        equation: JaxprEqn,
        path: evaluate.Path,
        inputs: list[Value],
        known: list[np.ndarray | None],
        shapes: list[tuple[int, ...]],
    ) -> Sequence[Value]:
        """Apply the rule of the primitive. Results are broken if an operand is, or if no rule applies or succeeds."""
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
                # Rules of control flow follow the jaxprs of the equation; other rules take them for pure functions.
                follows = equation.primitive.name in family("control")
                objection = guard.objection(equation) if follows else guard.impurity(equation)
                if objection:
                    raise CannotProve(objection, "Use other operations, or report it")
                return self._checked(equation, self.rules[kind][name](self._for_rule(equation, path, inputs, known)))
        except CannotProve as lost:
            reason = lost
        except TooManyModesError as error:
            reason = CannotProve(str(error), "Certify it at a smaller size")
        except Exception as error:
            reason = failure(described, error)
        # A spectrum whose modes do not rotate, such as the mean of a signal, is an invariant value.
        at_rest = [without_phases(value) if isinstance(value, Spectrum) else value for value in inputs]
        if kind is Spectrum and None not in at_rest:
            return self._apply(equation, path, [value for value in at_rest if value is not None], known, shapes)
        if not all(isinstance(value, Moving) and not value.moving_axes for value in inputs):
            return [self._broken(equation, reason, inputs)] * len(shapes)
        impurity = guard.impurity(equation)
        if impurity:
            return [self._broken(equation, CannotProve(impurity, "Pass it as an argument"), inputs)] * len(shapes)
        # A pure function of invariant operands has invariant results.
        operands = [value for value in inputs if isinstance(value, Moving)]
        shift = math.lcm(*(value.shift for value in operands))
        depends = any(value.depends for value in operands)
        return [replace(self.constant(shape), shift=shift, depends=depends) for shape in shapes]

    @staticmethod
    def _checked(equation: JaxprEqn, outputs: Sequence[Value]) -> Sequence[Value]:
        """Return the outputs of a rule, if they have the shapes of the results, and spectra have a complex dtype.

        Raises:
            CannotProve: the result that holds a spectrum is real, or a signal repeats after a fraction of a cell.
            ValueError: an output does not have the shape of the result.
        """
        for variable, value in zip(equation.outvars, outputs, strict=True):
            shape = shape_of(variable)
            if isinstance(value, Spectrum) and not jnp.issubdtype(aval_of(variable).dtype, jnp.complexfloating):
                raise CannotProve(
                    "the real part of a spectrum depends on its phase", "Transform back first, or take absolute values"
                )
            if not fits(value, shape):
                raise ValueError(f"its result does not have the shape {shape}")
            if isinstance(value, Moving):
                check_periods(value)
        return outputs

    def _for_rule(
        self, equation: JaxprEqn, path: evaluate.Path, inputs: list[Value], known: list[np.ndarray | None]
    ) -> Equation[Value]:
        """Return the argument of a rule."""
        before, after = list(map(shape_of, equation.invars)), list(map(shape_of, equation.outvars))
        names, makers = partial(self._names_of, path[self.base :]), partial(self._maker_of, path)
        params, places = guard.understood(equation), partial(self._places_of, path, equation)
        behind = names, makers, places, partial(self._settled_in, path[self.base :]), path
        return Equation(equation.primitive.name, params, inputs, known, before, after, self, *behind)

    def _places_of(self, path: evaluate.Path, equation: JaxprEqn) -> Places | None:
        """Return at which places of another equation's operand an equation reads its first operand."""
        inner = path[self.base :]
        read = None if self.cells is None or self.is_long else read_at_places(self.cells, inner, equation)
        if read is None or read.source.place.made is None:
            return None
        self.asked += 1
        _, operands = self.followed[*path[: self.base], *read.source.place.made[0]]
        return Places(operands[0][0], read.source.axis, read.own)

    def _maker_of(self, path: evaluate.Path, operand: int) -> tuple[Equation[Value], int] | None:
        """Return the equation that computes an operand of the equation at a path, and the number of the result.

        None if it is unknown, or lies in a call that may not have been followed with these operands.
        """
        cells = None if self.cells is None or self.is_long else self.cells.cells(path[self.base :], operand)
        inner, number = cells.made if cells is not None and cells.made is not None else ((), 0)
        made = (*path[: self.base], *inner)
        if not inner or made not in self.followed or guard.impurity(self.followed[made][0]):
            return None
        self.asked, (equation, operands) = self.asked + 1, self.followed[made]
        inputs, known = apart(operands)
        return self._for_rule(equation, made, inputs, known), number

    def _names_of(self, path: evaluate.Path, operand: int) -> np.ndarray | None:
        """Return names of the cells of an operand of the equation at a path."""
        names = None if self.cells is None else self.cells.of(path, operand)
        self.asked += names is not None
        return names

    def _settled_in(self, path: evaluate.Path, operand: int) -> np.ndarray | None:
        """Return the numbers that cells of an operand of the equation at a path have for all inputs, NaN elsewhere."""
        numbers = None if self.cells is None or self.is_long else self.cells.settled_in(path, operand)
        self.asked += numbers is not None
        return numbers

    def _apply_pieces(
        self,
        equation: JaxprEqn,
        path: evaluate.Path,
        inputs: list[Value],
        known: list[np.ndarray | None],
        outputs: Sequence[Value],
    ) -> Sequence[Value]:
        """Improve the outputs of a linear equation by the rule for `Pieces`, if there is one and it succeeds."""
        rule = self.rules[Pieces].get(equation.primitive.name)
        if self.cycle is None or rule is None or any(isinstance(v, Spectrum | Broken) for v in inputs):
            return outputs
        if not guard.is_linear(equation):
            return outputs
        if all(map(is_whole, outputs)) and not any(isinstance(value, Pieces) for value in inputs):
            return outputs  # no part of a parent is stronger
        try:
            as_pieces = rule(self._for_rule(equation, path, inputs, known))
            return self._checked(equation, list(map(stronger, outputs, as_pieces)))
        except CannotProve:
            return outputs
        except Exception as error:
            failure(f"{equation.primitive.name} of pieces", error)
            return outputs

    @contextmanager
    def _inside(self, equation: JaxprEqn, path: evaluate.Path) -> Generator[None]:
        """Follow what an equation contains: culprits name the lines around it, and rows of its jaxprs have its path."""
        self.stack.append(equation)
        before, self.path = self.path, path
        try:
            yield
        finally:
            self.path = before
            self.stack.pop()

    @contextmanager
    def _at(self, path: evaluate.Path) -> Generator[None]:
        """Give this path to the rows of a jaxpr."""
        before, self.path = self.path, path
        try:
            yield
        finally:
            self.path = before

    def follow(
        self, closed: AnyJaxpr, inputs: Sequence[Value], known: Sequence[np.ndarray | None]
    ) -> tuple[list[Value], list[np.ndarray | None]]:
        """Follow the jaxpr of a loop body or of a branch: return how its results move, and their known numbers."""
        with self._at((*self.path, number_within(self.stack[-1], closed))):
            return apart(self.run(*opened(closed), list(zip(inputs, known, strict=True))))

    def follow_instead(
        self, closed: AnyJaxpr, inputs: Sequence[Value], known: Sequence[np.ndarray | None]
    ) -> tuple[list[Value], list[np.ndarray | None]]:
        """Follow another jaxpr that computes the same as the equation whose rule is running. It adds no rows."""
        length, calls = self.length, self.calls
        self.calls = FollowedCalls()
        try:
            return apart(self.run(*opened(closed), list(zip(inputs, known, strict=True))))
        finally:
            del self.rows[length:]
            self.calls = calls

    def _broken(self, equation: JaxprEqn, lost: CannotProve, inputs: Sequence[Value]) -> Broken:
        earlier = None if self.cycle is None else first_border(inputs)
        candidates = [culprit for culprit in (lost.origin, earlier) if culprit]
        first = min(candidates, key=lambda culprit: culprit.equation, default=None)
        return Broken(first or self.culprit_at(equation, lost.reason, lost.cure))

    def broken(self, reason: str, cure: str) -> Broken:
        """Return a broken result of the equation whose rule is running, where another of its results is not broken."""
        return Broken(self.culprit(reason, cure))

    def culprit(self, reason: str, cure: str) -> Culprit:
        """Return the equation whose rule is running as a culprit."""
        return self.culprit_at(self.stack[-1], reason, cure)

    def culprit_at(self, equation: JaxprEqn, reason: str, cure: str) -> Culprit:
        """Return an equation as a culprit, with the user's line: that of the equation or of the innermost call."""
        calls = [outer for outer in self.stack if outer is not equation]
        stack = all_frames(equation, calls)
        source = full_line(reported(stack))
        return Culprit(
            len(self.rows),
            equation.primitive.name,
            reason,
            cure,
            source,
            tuple(map(full_line, stack)),
            module_path(equation, calls),
        )
