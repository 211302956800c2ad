"""The equations that made the shift of a law coarser, each with its factor; the product of the factors is the shift.

The rows of a derivation state the shift of every value. A value's factors are those of its operands, as far as they
divide its shift, and a remaining factor is that of its own equation. So nothing here needs to be trusted: the shifts
are proved, and the product is right by construction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from jax.extend.core import Jaxpr, JaxprEqn

from jaxconv.jaxprs.evaluate import Path, evaluate
from jaxconv.jaxprs.layout import entered, opened
from jaxconv.jaxprs.source import full_line, source_frame
from jaxconv.jaxprs.traverse import within
from jaxconv.jaxprs.typing import ArrayValue, Stack
from jaxconv.verify.claims import Claim, Coarsening, Verdict
from jaxconv.verify.derivation import Row
from jaxconv.verify.domain import Broken, Pieces, Spectrum, Value

Factors: TypeAlias = dict[int, int]  # number of a row -> its factor; the product is the shift of a value


def coarsenings(jaxpr: Jaxpr, constants: Sequence[ArrayValue], rows: Sequence[Row]) -> list[tuple[Coarsening, ...]]:
    """Return for each output of a function the equations whose factors have the output's shift as their product.

    Args:
        jaxpr: the function.
        constants: its closed-over arrays.
        rows: the derivation of one walk.
    """
    if all(shift_of(state) == 1 for row in rows for state in row.outputs):
        return [() for _ in jaxpr.outvars]
    walk = _Walk(rows, {row.path: row for row in rows}, {})
    outputs = walk.follow(jaxpr, constants, [{} for _ in jaxpr.invars], (), ())
    return [tuple(walk.coarsening(row, factor) for row, factor in sorted(factors.items())) for factors in outputs]


def with_factors(claim: Claim, factors: tuple[Coarsening, ...]) -> Claim:
    """Return a claim with the equations that made its shift coarser, if it is proved."""
    return replace(claim, coarsened=factors) if claim.verdict == Verdict.PROVED else claim


def shift_of(state: Value) -> int:
    """Return the shift for which a state describes its value."""
    if isinstance(state, Broken):
        return 1
    if isinstance(state, Pieces):
        return math.lcm(shift_of(state.value), state.folded.shift)
    return state.value.shift if isinstance(state, Spectrum) else state.shift


def combined(operands: Sequence[Factors]) -> Factors:
    """Return factors whose product is the least common multiple of the operands' products.

    A row that several operands share counts once.

    >>> combined([{1: 2, 3: 3}, {1: 2, 4: 2}])
    {1: 2, 3: 3, 4: 2}
    """
    result: Factors = {}
    if all(factors == operands[0] for factors in operands):
        return operands[0] if operands else result
    for factors in sorted(operands, key=_product, reverse=True):
        missing = math.lcm(_product(result), _product(factors)) // _product(result)
        for row, factor in factors.items():
            more = math.gcd(missing, factor // math.gcd(factor, result.get(row, 1)))
            missing //= more
            if more > 1:
                result[row] = result.get(row, 1) * more
    return result


def explained(factors: Factors, shift: int, row: int) -> Factors:
    """Return factors whose product is `shift`: the given ones as far as they divide it, and the rest for `row`.

    >>> explained({1: 2, 4: 2}, 4, 7), explained({1: 2, 4: 2}, 6, 7)
    ({1: 2, 4: 2}, {1: 2, 7: 3})
    """
    result: Factors = {}
    for number, factor in [*factors.items(), (row, shift)]:
        share = math.gcd(factor, shift // _product(result))
        if share > 1:
            result[number] = result.get(number, 1) * share
    return result


def _product(factors: Factors) -> int:
    return math.prod(factors.values())


@dataclass
class _Walk:
    """Follows the factors of each value through a function.

    Attributes:
        rows: the rows of the derivation.
        by_path: the last row of each path.
        places: for each row with a shift, an outer equation with the calls around it, innermost first, and the path of
            the row's equation within the outer one.
    """

    rows: Sequence[Row]
    by_path: dict[Path, Row]
    places: dict[int, tuple[Stack, Path]]

    def follow(
        self, jaxpr: Jaxpr, constants: Sequence[ArrayValue], operands: Sequence[Factors], stack: Stack, inside: Path
    ) -> list[Factors]:
        """Return the factors of the outputs of a jaxpr. `stack`: the calls around it; `inside`: its path."""

        def step(equation: JaxprEqn, inputs: list[Factors], path: Path) -> list[Factors]:
            row, body, calls = self.by_path.get(path), entered(equation, inputs), (equation, *stack)
            if row is None:
                return [{} for _ in equation.outvars]
            if body is None:
                before, rows = [combined(inputs)] * len(equation.outvars), [*self._within(row), row]
            else:
                before, rows = self.follow(*body, calls, (*path, 0)), [row]
            self.places |= {inner.number: (calls, inner.path[len(path) :]) for inner in rows}
            pairs = zip(before, row.outputs, strict=True)
            return [_reached(factors, shift_of(state), rows) for factors, state in pairs]

        return evaluate(jaxpr, constants, operands, step, constant=lambda value, aval: {}, calls=False, path=inside)

    def _within(self, row: Row) -> Sequence[Row]:
        """Return the rows of the loop bodies and branches of a row's equation, which precede it."""
        first = row.number
        while first and self.rows[first - 1].path[: len(row.path)] == row.path:
            first -= 1
        return self.rows[first : row.number]

    def coarsening(self, row: int, factor: int) -> Coarsening:
        """Return a row with its factor and its source line."""
        return Coarsening(row, self.rows[row].primitive, factor, _line(*self.places[row]))


def _reached(factors: Factors, shift: int, rows: Sequence[Row]) -> Factors:
    """Return factors whose product is `shift`: the given ones, then those of each row in order."""
    for row in rows:
        if _product(factors) == shift:
            return factors
        coarser = math.gcd(shift, math.lcm(_product(factors), *map(shift_of, row.outputs)))
        factors = explained(factors, coarser, row.number)
    return factors


def _line(calls: Stack, path: Path) -> str:
    """Return the source line of an equation: that at `path` within the first of `calls`, with the others around it."""
    for body, number in zip(path[::2], path[1::2], strict=True):
        jaxprs = list(within(calls[0]))
        if body >= len(jaxprs):  # a call whose jaxpr is none of its parameters
            break
        calls = (opened(jaxprs[body])[0].eqns[number], *calls)
    return full_line(source_frame(calls[0], tuple(reversed(calls[1:]))))
