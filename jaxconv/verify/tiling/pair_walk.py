"""`PairWalk` follows the jaxprs of the whole and of the tile together, and finds where their values agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.evaluate import Path
from jaxconv.jaxprs.layout import entered, opened
from jaxconv.jaxprs.primitives import family
from jaxconv.jaxprs.source import all_frames, full_line, module_path, reported
from jaxconv.jaxprs.traverse import within
from jaxconv.jaxprs.typing import AnyJaxpr, ArrayValue, Atom, aval_of, shape_of
from jaxconv.verify.claims import Culprit
from jaxconv.verify.constant_program import Folded
from jaxconv.verify.domain import CannotProve
from jaxconv.verify.failures import failure
from jaxconv.verify.fold import Folder
from jaxconv.verify.tiling.agreement import OTHER_OPERATIONS, TOO_SMALL, of_numbers
from jaxconv.verify.tiling.control import follower
from jaxconv.verify.tiling.rules import RULES, Pair, Side, State
from jaxconv.verify.tiling.states import EQUAL, NONE, Agreement, Different, Equal, PairRow, Window

Numbers: TypeAlias = tuple[np.ndarray, np.ndarray] | None  # of a value that is a constant in both executions
Read: TypeAlias = tuple[Agreement, Numbers]
Traced: TypeAlias = tuple[Jaxpr, Sequence[ArrayValue]]  # a jaxpr and its constants


@dataclass
class PairWalk:
    """One walk through a function that was traced at two sizes.

    Attributes:
        more: number of cells that the whole input has more than the tile.
        folders: fold constants of the whole, and of the tile.
        stack: equations of the calls that contain the current equation.
        count: number of equations so far.
        rows: the derivation. A call that is followed has the rows of its equations; a loop and a constant have one.
        rounds: number of loops and branches whose jaxprs are being followed.
    """

    more: int
    folders: tuple[Folder, Folder] = field(default_factory=lambda: (Folder(), Folder()))
    stack: list[JaxprEqn] = field(default_factory=list[JaxprEqn])
    count: int = 0
    rows: list[PairRow] = field(default_factory=list[PairRow])
    rounds: int = 0

    def run(self, whole: Traced, tile: Traced, operands: Sequence[Read]) -> list[Read]:
        """Return how the outputs of two jaxprs agree."""
        folded = tuple(
            folder.fold(*traced, [None if numbers is None else numbers[n] for _, numbers in operands])
            for n, (folder, traced) in enumerate(zip(self.folders, (whole, tile), strict=True))
        )
        return self._evaluate(whole, tile, operands, folded, ())

    def _evaluate(
        self, whole: Traced, tile: Traced, operands: Sequence[Read], folded: Sequence[Folded], path: Path
    ) -> list[Read]:
        """Follow the equations of two jaxprs whose constants are folded; `path` is theirs in those that were folded."""
        (jaxpr, constants), (tile_jaxpr, tile_constants) = whole, tile
        lengths = [(len(j.eqns), len(j.constvars), len(j.invars)) for j in (jaxpr, tile_jaxpr)]
        if lengths[0] != lengths[1]:
            return [(self._other_operations(jaxpr.eqns, tile_jaxpr.eqns), None)] * len(jaxpr.outvars)
        env: dict[object, Read] = dict(zip(jaxpr.invars, operands, strict=True))
        names: dict[object, object] = dict(zip(tile_jaxpr.invars, jaxpr.invars, strict=True))
        for variable, other, value, tile_value in zip(
            jaxpr.constvars, tile_jaxpr.constvars, constants, tile_constants, strict=True
        ):
            env[variable], names[other] = self._constant(value, tile_value), variable

        def read(atom: Atom, other: Atom) -> Read | None:
            if isinstance(atom, Literal) or isinstance(other, Literal):
                if not (isinstance(atom, Literal) and isinstance(other, Literal)):
                    return None
                pair = np.asarray(atom.val, aval_of(atom).dtype), np.asarray(other.val, aval_of(other).dtype)
                state = of_numbers(*pair, self.more)
                return None if state is None else (state, pair)
            return env[atom] if names.get(other) is atom else None

        for number, (equation, other) in enumerate(zip(jaxpr.eqns, tile_jaxpr.eqns, strict=True)):
            inputs = [read(*atoms) for atoms in zip(equation.invars, other.invars, strict=False)]
            same = equation.primitive is other.primitive and len(equation.invars) == len(other.invars)
            if not same:
                results = [(self._other_operations([equation], [other]), None)] * len(equation.outvars)
                self._noted_row(equation, (*path, number), results)
            else:
                results = self._step(equation, other, inputs, folded, (*path, number))
            for variable, tile_variable, result in zip(equation.outvars, other.outvars, results, strict=False):
                env[variable], names[tile_variable] = result, variable
        outputs = [read(*atoms) for atoms in zip(jaxpr.outvars, tile_jaxpr.outvars, strict=True)]
        last = jaxpr.eqns[-1] if jaxpr.eqns else None
        return [output or (self._number_differs(last), None) for output in outputs]

    def _constant(self, whole: ArrayValue, tile: ArrayValue) -> Read:
        """How two closed-over arrays agree."""
        if whole is tile:
            numbers = self.folders[0].numbers(whole)
            return EQUAL, None if numbers is None else (numbers, numbers)
        if not (hasattr(whole, "shape") and hasattr(tile, "shape")):
            return self._different(None, CannotProve("it is closed over something that is no array")), None
        pair = np.asarray(whole), np.asarray(tile)
        state = of_numbers(*pair, self.more)
        if state is None:
            return self._different(None, CannotProve("a closed-over array depends on the size of the input")), None
        return state, pair

    def _step(
        self, equation: JaxprEqn, other: JaxprEqn, inputs: Sequence[Read | None], folded: Sequence[Folded], path: Path
    ) -> Sequence[Read]:
        """Follow one pair of equations: compare folded constants, follow a call, or apply the rule of the primitive."""
        self.count += 1
        constants = [own.get(path, ()) for own in folded]
        pairs = [(n, m) for n, m in zip(*constants, strict=False) if n is not None and m is not None]
        operands = [read for read in inputs if read is not None]
        if pairs and len(pairs) == len(equation.outvars):  # otherwise some depend on operands that are no constants
            results: Sequence[Read] = [self._folded(equation, pair) for pair in pairs]
        else:
            if len(operands) == len(inputs):
                called = self._called(equation, other, operands, folded, path)
                if called is not None:
                    return called
            results = self._of_operands(equation, other, inputs, operands)
        self._noted_row(equation, path, results)
        return results

    def _of_operands(
        self, equation: JaxprEqn, other: JaxprEqn, inputs: Sequence[Read | None], operands: Sequence[Read]
    ) -> Sequence[Read]:
        """The results of a pair of equations, from how their operands agree. `inputs` has None for other numbers."""
        different = next((state for state, _ in operands if isinstance(state, Different)), None)
        if different is None and len(operands) < len(inputs):
            different = self._number_differs(equation)
        if different is not None:
            return [(different, None)] * len(equation.outvars)
        states = [state for state, _ in operands if isinstance(state, Equal | Window)]
        known = [numbers for _, numbers in operands]
        try:
            results = self._applied(equation, other, states, known)
        except CannotProve as lost:
            return [(self._different(equation, lost), None)] * len(equation.outvars)
        except Exception as error:
            lost = failure(f"{equation.primitive.name} of tiles", error)
            return [(self._different(equation, lost), None)] * len(equation.outvars)
        kept = known if equation.primitive.name in family("identity") else [None] * len(results)
        return [(self._noted(equation, states, state), own) for state, own in zip(results, kept, strict=True)]

    def _noted_row(self, equation: JaxprEqn, path: Path, results: Sequence[Read]) -> None:
        """Add a row to the derivation."""
        if not self.rounds:
            self.rows.append(PairRow(path, equation.primitive.name, tuple(state for state, _ in results)))

    def _folded(self, equation: JaxprEqn, pair: tuple[np.ndarray, np.ndarray]) -> Read:
        """How a constant of the one trace agrees with that of the other."""
        state = of_numbers(*pair, self.more)
        if state is None:
            return self._different(equation, CannotProve("a constant depends on the size of the input")), None
        return state, pair

    def _called(
        self, equation: JaxprEqn, other: JaxprEqn, operands: Sequence[Read], folded: Sequence[Folded], path: Path
    ) -> Sequence[Read] | None:
        """The results of a call; None if the equation is none."""
        body, tile_body = entered(equation, operands), entered(other, operands)
        if body is None or tile_body is None or guard.objection(equation) or guard.objection(other):
            return None
        self.stack.append(equation)
        try:
            return self._evaluate(body[:2], tile_body[:2], body[2], folded, (*path, 0))
        finally:
            self.stack.pop()

    def _noted(self, equation: JaxprEqn, operands: Sequence[State], result: Agreement) -> Agreement:
        """A result that no tile inside the whole shows, with the first equation after which this is so."""
        if not isinstance(result, Window) or result.rate is None or result.inner != NONE or result.lost:
            return result
        lost = CannotProve(TOO_SMALL, "Use larger tiles")
        if any(isinstance(state, Window) and state.rate is None and state.inner == NONE for state in operands):
            cure = "Make the constant the same at every position"
            lost = CannotProve("it uses a constant that depends on the position", cure)
        return replace(result, lost=self._different(equation, lost).culprit)

    def _applied(
        self, equation: JaxprEqn, other: JaxprEqn, states: Sequence[State], known: Sequence[Numbers]
    ) -> Sequence[Agreement]:
        """Apply the rule of the primitive. A function of values that are equal is equal, if its parameters are."""
        follow = follower(equation)
        if follow is not None:
            return follow(equation, other, states, partial(self._followed, equation))
        impurity = guard.impurity(equation) or guard.impurity(other)
        if impurity:
            raise CannotProve(impurity, "Pass it as an argument")
        name = equation.primitive.name
        pair = Pair(name, _side(equation), _side(other), states, known, self.more)
        if name in RULES:
            return RULES[name](pair)
        # The jaxprs of branches and loops may hold constants that differ.
        if any(isinstance(state, Window) for state in states) or any(within(equation)):
            raise CannotProve(f"there is no rule for {name} of tiles", "Use other operations")
        pair.same()
        if pair.whole.results != pair.tile.results:
            raise CannotProve("the shape of its result depends on the size of the input")
        return [EQUAL] * len(equation.outvars)

    def _followed(
        self, equation: JaxprEqn, bodies: tuple[AnyJaxpr, AnyJaxpr], operands: Sequence[Agreement]
    ) -> list[Agreement]:
        """How the results of the two jaxprs of a loop or branch agree. They add no rows to the derivation."""
        self.stack.append(equation)
        self.rounds += 1
        try:
            reads: list[Read] = [(state, None) for state in operands]
            return [state for state, _ in self.run(opened(bodies[0]), opened(bodies[1]), reads)]
        finally:
            self.stack.pop()
            self.rounds -= 1

    def _other_operations(self, equations: Sequence[JaxprEqn], others: Sequence[JaxprEqn]) -> Different:
        """The function traces other operations at the two sizes; the first of them is the culprit."""
        pairs = zip(equations, others, strict=False)
        found = next((equation for equation, other in pairs if equation.primitive is not other.primitive), None)
        return self._different(found, CannotProve(OTHER_OPERATIONS, "Do not branch on the size of the input"))

    def _number_differs(self, equation: JaxprEqn | None) -> Different:
        reason = "a number in it depends on the size of the input"
        return self._different(equation, CannotProve(reason, "Do not compute with x.shape"))

    def _different(self, equation: JaxprEqn | None, lost: CannotProve) -> Different:
        """The equation as a culprit, with the user's line; for None, the call that is followed, or the function."""
        equation = equation or (self.stack[-1] if self.stack else None)
        if equation is None:
            return Different(Culprit(-1, "", str(lost), lost.cure, "", ()))
        calls = [outer for outer in self.stack if outer is not equation]
        stack = all_frames(equation, calls)
        return Different(
            Culprit(
                self.count,
                equation.primitive.name,
                str(lost),
                lost.cure,
                full_line(reported(stack)),
                tuple(map(full_line, stack)),
                module_path(equation, calls),
            )
        )


def _side(equation: JaxprEqn) -> Side:
    """What a rule may read of an equation."""
    return Side(guard.understood(equation), list(map(shape_of, equation.invars)), list(map(shape_of, equation.outvars)))
