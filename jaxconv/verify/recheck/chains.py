"""Several equations executed as one, from operands further back.

A state does not tell that an index is the place of the largest cell of another value, or which cells a reshape has put
into one column. So where a step does not follow from the states of its operands, the equations that computed them are
executed together with it, on operands drawn from the states of theirs. The step then follows by the same induction,
since the states of all earlier values are checked, too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from jaxconv.jaxprs.typing import Array
from jaxconv.verify.domain import Broken, Value
from jaxconv.verify.recheck.computed import computed
from jaxconv.verify.recheck.values import Held, Run

# Equations behind a step that are executed with it, other than those of which nothing is known. From the product of
# attention back to its mask there are eight, if the weights are scaled, cast and transposed. The gradient of a padding
# of two axes has nine.
DEEPEST = 12
MOST = 64  # values of one chain


@dataclass(frozen=True, eq=False)
class _Made:
    """The result of an equation: how it is computed from values that are drawn or made, and its number."""

    run: Run
    operands: Sequence[Held[Value] | _Made]
    number: int


@dataclass
class Chain:
    """A step together with equations before it.

    A value that is drawn for one equation is drawn for all, since they read the same value.

    Attributes:
        run: executes the step.
        through: whether values of which nothing is known are made, however far back. If not, they may be drawn.
        least: the number of further equations that may be executed before each value, the smallest of all ways to it.
        drawn: the values that are drawn, by their number.
        made: the values that are made, by their number.
        operands: the operands of the step, drawn or made.
    """

    run: Run
    through: bool = True
    least: dict[int, int] = field(default_factory=dict[int, int])
    drawn: dict[int, Held[Value]] = field(default_factory=dict[int, "Held[Value]"])
    made: dict[int, _Made] = field(default_factory=dict[int, _Made])
    operands: Sequence[Held[Value] | _Made] = ()

    def __call__(self, arrays: list[Array]) -> Sequence[Array]:
        """Return the results of the step for an array of each drawn value."""
        given, results = dict(zip(self.drawn, arrays, strict=True)), dict[int, Sequence[Array]]()

        def value(node: Held[Value] | _Made) -> Array:
            if isinstance(node, Held):
                return given[node.number]
            if id(node) not in results:
                results[id(node)] = node.run([value(operand) for operand in node.operands])
            return results[id(node)][node.number]

        return self.run([value(operand) for operand in self.operands])

    def visit(self, held: Held[Value], depth: int) -> None:
        """Note how many equations may be executed before a value and those before it."""
        if self.least.get(held.number, DEEPEST + 1) <= depth or len(self.least) > MOST:
            return
        self.least[held.number] = depth
        for operand in self._operands(held, depth):
            self.visit(operand, self._left(held, depth))

    def node(self, held: Held[Value]) -> Held[Value] | _Made:
        """The value as it is drawn or made."""
        if held.number in self.made:
            return self.made[held.number]
        operands = self._operands(held, self.least.get(held.number, 0))
        if not operands or held.origin is None:
            return self.drawn.setdefault(held.number, held)
        made = _Made(held.origin[0], [self.node(operand) for operand in operands], held.origin[2])
        return self.made.setdefault(held.number, made)

    def _left(self, held: Held[Value], depth: int) -> int:
        """Return how many equations may be executed before a value's operands."""
        return depth if self.through and isinstance(held.state, Broken) else depth - 1

    def _operands(self, held: Held[Value], depth: int) -> Sequence[Held[Value]]:
        """Return the operands of a value that is made, and none of one that is drawn."""
        if held.origin is None or held.constant is not None or self._left(held, depth) < 0:
            return ()
        return held.origin[1]


def readings(run: Run, operands: Sequence[Held[Value]], largest: int) -> Iterator[tuple[Run, list[Held[Value]]]]:
    """Yield a step and its operands: with their second states if they have any, with their first states, and computed.

    Then the same with equations before it, as long as the values that are drawn have at most `largest` cells together.
    """
    for by, of in itertools.chain([(run, list(operands))], _chains(run, operands)):
        if by is not run and sum(held.aval.size for held in of) > largest:
            return
        second, made = [held.second or held for held in of], list(map(computed, of))
        yield from ((by, reading) for reading in ([second] if second == of else [second, of]))
        if made != of:
            yield by, made


def _chains(run: Run, operands: Sequence[Held[Value]]) -> Iterator[tuple[Chain, list[Held[Value]]]]:
    """Yield a step with ever more equations before it, with the values that are drawn."""
    before = {held.number for held in operands}
    for through, depth in itertools.product((True, False), range(DEEPEST + 1)):
        chain = Chain(run, through)
        for held in operands:
            chain.visit(held, depth)
        if len(chain.least) > MOST:
            continue
        chain.operands = [chain.node(held) for held in operands]
        if {*chain.drawn} != before:
            before = {*chain.drawn}
            yield chain, list(chain.drawn.values())
