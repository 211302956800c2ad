"""Loops and branches on the walk: what runs how often, and what may not run at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from jaxconv.account.provenance import Origin, either, mixed, one_round
from jaxconv.account.records import Where
from jaxconv.jaxprs.layout import scan_sizes
from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.traverse import number_within


class Dataflow(Protocol):
    """What loops and branches ask of the walk."""

    def anew(self, origin: Origin, shape: Sequence[int], numbers: int | None = None) -> Origin:
        """A value that is its own beginning, whatever it came from."""
        ...

    def follow(self, closed: Any, inputs: Sequence[Origin], where: Where) -> list[Origin]:
        """Where the outputs of a body come from."""
        ...

    def apply(
        self, equation: Any, number: int, operands: Sequence[tuple[Origin, Sequence[int]]], after: int, where: Where
    ) -> int:
        """Note parameters that become data."""
        ...


loop: Registry[Callable[[Any, Any, int, list[Origin], Where], list[Origin]]] = Registry()


@loop("scan")
def scan(walk: Dataflow, equation: Any, number: int, operands: list[Origin], where: Where) -> list[Origin]:
    """A body repeated a known number of times: its layers count that often, slices of parameters once each."""
    constants, carry = scan_sizes(equation.params)
    length, body = int(equation.params["length"]), equation.params["jaxpr"]
    fixed, state, over = operands[:constants], operands[constants : constants + carry], operands[constants + carry :]
    slices = []
    for one, atom in zip(over, equation.invars[constants + carry :], strict=True):
        one, numbers = one_round(one, (*where.place, number), length, atom.aval.shape)
        slices.append(walk.anew(one, (), numbers))
    inside = where.looping(equation, number, number_within(equation, body), length)
    step = lambda state, here: walk.follow(body, [*fixed, *state, *slices], here)
    shapes = [atom.aval.shape for atom in equation.invars[constants : constants + carry]]
    settled = _settled(walk, step, state, shapes, inside)
    _turned(walk, equation, number, state, settled, shapes, where)
    results = step(settled, inside)
    ends = zip(results, equation.outvars, strict=True)
    return [walk.anew(one if at < carry else replace(one, axes=None), v.aval.shape) for at, (one, v) in enumerate(ends)]


@loop("while")
def while_(walk: Dataflow, equation: Any, number: int, operands: list[Origin], where: Where) -> list[Origin]:
    """A body repeated until a condition fails: nobody knows how often."""
    p = equation.params
    first, second = p["cond_nconsts"], p["cond_nconsts"] + p["body_nconsts"]
    of_condition, of_body, state = operands[:first], operands[first:second], operands[second:]
    shapes = [atom.aval.shape for atom in equation.invars[second:]]
    inside = where.looping(equation, number, number_within(equation, p["body_jaxpr"]), None)
    step = lambda state, here: walk.follow(p["body_jaxpr"], [*of_body, *state], here)
    settled = _settled(walk, step, state, shapes, inside)
    _turned(walk, equation, number, state, settled, shapes, where)
    walk.follow(
        p["cond_jaxpr"],
        [*of_condition, *settled],
        where.looping(equation, number, number_within(equation, p["cond_jaxpr"]), None),
    )
    results = [mixed([one, other]) for one, other in zip(settled, step(settled, inside), strict=True)]
    return [walk.anew(one, shape) for one, shape in zip(results, shapes, strict=True)]


@loop("cond")
def cond(walk: Dataflow, equation: Any, number: int, operands: list[Origin], where: Where) -> list[Origin]:
    """One of several branches: each of their layers runs on condition."""
    chosen, *others = operands
    branches = equation.params["branches"]
    found = []
    for at, branch in enumerate(branches):
        condition = ", ".join(filter(None, [where.condition, f"branch {at} of {len(branches)}"]))
        found.append(walk.follow(branch, others, replace(where.inside(equation, number, at), condition=condition)))
    results = []
    for each, variable in zip(zip(*found, strict=True), equation.outvars, strict=True):
        result = mixed([*each, chosen])
        if result.data:
            pairs = [(one, variable.aval.shape) for one in each if not one.data]
            result = replace(result, after=walk.apply(equation, number, pairs, result.after, where))
        results.append(walk.anew(result, variable.aval.shape))
    return results


def _settled(
    walk: Dataflow,
    step: Callable[[list[Origin], Where], list[Origin]],
    state: list[Origin],
    shapes: Sequence[Sequence[int]],
    where: Where,
) -> list[Origin]:
    """A loop's state as it is in any round: rounds are walked through, without noting, until it does not change."""
    while True:
        state = [walk.anew(one, shape) for one, shape in zip(state, shapes, strict=True)]
        after = step(state, replace(where, recording=False))
        merged = [either(*pair) for pair in zip(state, after, strict=False)]
        if merged == state:
            return state
        state = merged


def _turned(
    walk: Dataflow,
    equation: Any,
    number: int,
    before: Sequence[Origin],
    settled: Sequence[Origin],
    shapes: Sequence[Sequence[int]],
    where: Where,
) -> None:
    """Parameters that a loop's state begins with, as a learned first state does, meet data in it."""
    for one, other, shape in zip(before, settled, shapes, strict=True):
        if other.data and not one.data:
            walk.apply(equation, number, [(one, shape)], other.after, where)
