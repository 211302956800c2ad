"""Loops and branches in the walk: how often their layers run, and which layers may not run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from jaxconv.account.provenance import Origin, either, loop_slice, mixed
from jaxconv.account.records import Location
from jaxconv.jaxprs.layout import scan_sizes
from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.traverse import number_within


class Dataflow(Protocol):
    """The methods of the walk that loops and branches call."""

    def renamed(self, origin: Origin, shape: Sequence[int], numbers: int | None = None) -> Origin:
        """The origin with a new trail that contains only a new name."""
        ...

    def follow(self, closed: Any, inputs: Sequence[Origin], location: Location) -> list[Origin]:
        """The origins of a body's results."""
        ...

    def apply(
        self,
        equation: Any,
        number: int,
        operands: Sequence[tuple[Origin, Sequence[int]]],
        after: int,
        location: Location,
    ) -> int:
        """Record parameters that are combined with data element by element."""
        ...


loop: Registry[Callable[[Any, Any, int, list[Origin], Location], list[Origin]]] = Registry()


@loop("scan")
def scan(walk: Dataflow, equation: Any, number: int, operands: list[Origin], location: Location) -> list[Origin]:
    """A body repeated a known number of times. Its layers count once per round, slices of parameters once each."""
    constants, carry = scan_sizes(equation.params)
    length, body = int(equation.params["length"]), equation.params["jaxpr"]
    fixed, state, over = operands[:constants], operands[constants : constants + carry], operands[constants + carry :]
    slices = []
    for origin, atom in zip(over, equation.invars[constants + carry :], strict=True):
        sliced, numbers = loop_slice(origin, (*location.place, number), length, atom.aval.shape)
        slices.append(walk.renamed(sliced, (), numbers))
    inside = location.looping(equation, number, number_within(equation, body), length)
    step = lambda state, location: walk.follow(body, [*fixed, *state, *slices], location)
    shapes = [atom.aval.shape for atom in equation.invars[constants : constants + carry]]
    settled = _fixed_point(walk, step, state, shapes, inside)
    _apply_initial_state(walk, equation, number, state, settled, shapes, location)
    results = step(settled, inside)
    return [
        walk.renamed(origin if at < carry else replace(origin, axes=None), variable.aval.shape)
        for at, (origin, variable) in enumerate(zip(results, equation.outvars, strict=True))
    ]


@loop("while")
def while_(walk: Dataflow, equation: Any, number: int, operands: list[Origin], location: Location) -> list[Origin]:
    """A body repeated until a condition fails. The number of rounds is unknown."""
    p = equation.params
    first, second = p["cond_nconsts"], p["cond_nconsts"] + p["body_nconsts"]
    of_condition, of_body, state = operands[:first], operands[first:second], operands[second:]
    shapes = [atom.aval.shape for atom in equation.invars[second:]]
    inside = location.looping(equation, number, number_within(equation, p["body_jaxpr"]), None)
    step = lambda state, location: walk.follow(p["body_jaxpr"], [*of_body, *state], location)
    settled = _fixed_point(walk, step, state, shapes, inside)
    _apply_initial_state(walk, equation, number, state, settled, shapes, location)
    tested = location.looping(equation, number, number_within(equation, p["cond_jaxpr"]), None)
    walk.follow(p["cond_jaxpr"], [*of_condition, *settled], tested)
    results = [mixed([before, after]) for before, after in zip(settled, step(settled, inside), strict=True)]
    return [walk.renamed(origin, shape) for origin, shape in zip(results, shapes, strict=True)]


@loop("cond")
def cond(walk: Dataflow, equation: Any, number: int, operands: list[Origin], location: Location) -> list[Origin]:
    """One of several branches. Each layer of a branch runs conditionally."""
    index, *others = operands
    branches = equation.params["branches"]
    branch_results = []
    for at, branch in enumerate(branches):
        condition = ", ".join(filter(None, [location.condition, f"branch {at} of {len(branches)}"]))
        inside = replace(location.inside(equation, number, at), condition=condition)
        branch_results.append(walk.follow(branch, others, inside))
    results = []
    for origins, variable in zip(zip(*branch_results, strict=True), equation.outvars, strict=True):
        result = mixed([*origins, index])
        if result.data:
            pairs = [(origin, variable.aval.shape) for origin in origins if not origin.data]
            result = replace(result, after=walk.apply(equation, number, pairs, result.after, location))
        results.append(walk.renamed(result, variable.aval.shape))
    return results


def _fixed_point(
    walk: Dataflow,
    step: Callable[[list[Origin], Location], list[Origin]],
    state: list[Origin],
    shapes: Sequence[Sequence[int]],
    location: Location,
) -> list[Origin]:
    """The origins of a loop's state in every round: the walk repeats the body, without recording, until they agree."""
    while True:
        state = [walk.renamed(origin, shape) for origin, shape in zip(state, shapes, strict=True)]
        after = step(state, replace(location, recording=False))
        merged = [either(*pair) for pair in zip(state, after, strict=False)]
        if merged == state:
            return state
        state = merged


def _apply_initial_state(
    walk: Dataflow,
    equation: Any,
    number: int,
    initial: Sequence[Origin],
    settled: Sequence[Origin],
    shapes: Sequence[Sequence[int]],
    location: Location,
) -> None:
    """Record parameters that initialise a loop's state, such as a learned initial state, if the state becomes data."""
    for before, after, shape in zip(initial, settled, shapes, strict=True):
        if after.data and not before.data:
            walk.apply(equation, number, [(before, shape)], after.after, location)
