"""Loops and branches: how their results agree in both executions, by following their jaxprs.

A `while` loop has no rule: `recheck` could not execute it on random numbers, with which it may never end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from jax.extend.core import JaxprEqn

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.layout import branches, repeated, scan_sizes
from jaxconv.jaxprs.typing import AnyJaxpr
from jaxconv.verify.domain import CannotProve
from jaxconv.verify.tiling.agreement import both
from jaxconv.verify.tiling.rules import State
from jaxconv.verify.tiling.states import Agreement, Different, Equal, Window

MOST_ROUNDS = 2**10  # of a loop that is followed round by round

Follow: TypeAlias = Callable[[tuple[AnyJaxpr, AnyJaxpr], Sequence[Agreement]], list[Agreement]]
Follower: TypeAlias = Callable[[JaxprEqn, JaxprEqn, Sequence[State], Follow], Sequence[Agreement]]


def scan(equation: JaxprEqn, other: JaxprEqn, states: Sequence[State], follow: Follow) -> Sequence[Agreement]:
    """Follow a loop round by round, until its carry agrees as it did a round before."""
    params = equation.params
    alike = all(params[name] == other.params[name] for name in ("length", "reverse"))
    if not alike or scan_sizes(params) != scan_sizes(other.params):
        raise CannotProve("a loop depends on the size of the input", "Loop a fixed number of times")
    if not 0 < params["length"] <= MOST_ROUNDS:
        raise CannotProve(f"a loop of {params['length']} rounds", f"Loop 1 to {MOST_ROUNDS} times")
    _understood(equation, other)
    constants, carries = scan_sizes(params)
    rows = [_without_first_axis(state) for state in states[constants + carries :]]
    carry: list[Agreement] = list(states[constants : constants + carries])
    gathered: list[Agreement] | None = None
    for _ in range(params["length"]):
        results = follow((params["jaxpr"], other.params["jaxpr"]), [*states[:constants], *carry, *rows])
        before, carry = carry, results[:carries]
        outputs = results[carries:]
        gathered = list(map(_worse, gathered or outputs, outputs))
        if before == carry:
            break
    return [*carry, *map(_with_first_axis, gathered or [])]


def cond(equation: JaxprEqn, other: JaxprEqn, states: Sequence[State], follow: Follow) -> Sequence[Agreement]:
    """Branches with an index that is the same in both executions: what holds for each of them."""
    index, *operands = states
    _understood(equation, other)
    if not isinstance(index, Equal):
        raise CannotProve("it chooses a branch by a value that depends on the place of the tile", "Use jnp.where")
    pairs = list(zip(branches(equation), branches(other), strict=False))
    if not len(branches(equation)) == len(branches(other)) == len(pairs):
        raise CannotProve("the number of its branches depends on the size of the input")
    first, *others = [follow(pair, operands) for pair in pairs]
    for results in others:
        first = list(map(_worse, first, results))
    return first


def follower(equation: JaxprEqn) -> Follower | None:
    """The function that follows the jaxprs of an equation; None if it is no loop and has no branches."""
    if repeated(equation):
        return scan
    return cond if branches(equation) else None


def _understood(equation: JaxprEqn, other: JaxprEqn) -> None:
    reason = guard.objection(equation) or guard.objection(other)
    if reason:
        raise CannotProve(reason)


def _without_first_axis(state: State) -> State:
    if isinstance(state, Equal):
        return state
    if state.axis == 0:
        raise CannotProve("a loop over the tiled axis", "Loop over another axis, or use a convolution")
    return replace(state, axis=state.axis - 1)


def _with_first_axis(state: Agreement) -> Agreement:
    return replace(state, axis=state.axis + 1) if isinstance(state, Window) else state


def _worse(one: Agreement, other: Agreement) -> Agreement:
    """What holds for two rounds of a loop, or for two branches."""
    if isinstance(one, Different) or isinstance(other, Different):
        return one if isinstance(one, Different) else other
    windows = [state for state in (one, other) if isinstance(state, Window)]
    if len(windows) == 1:
        raise CannotProve("its results agree in some rounds or branches only")
    return both(windows) if windows else one
