"""Rules for loops and branches. (Calls, such as jit and checkpoint, are followed by the walk itself.)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.layout import scan_sizes
from jaxconv.verify.domain import (
    Broken,
    CannotProve,
    Moving,
    Plain,
    Spectrum,
    common_shift,
    everywhere,
    is_moving,
    main_state,
    renamed,
)
from jaxconv.verify.factors import invariant_axis, join
from jaxconv.verify.rule_table import Equation, rule

ROUNDS = 64  # of a loop's body that are followed before giving up on a state that repeats


def either(eqn: Equation, values: Sequence[Plain]) -> Plain:
    """How a value moves that may be any of these: as all of them do."""
    broken = next((value for value in values if isinstance(value, Broken)), None)
    if broken is not None:
        return broken
    moving = [value for value in values if isinstance(value, Moving)]
    if all(value == moving[0] for value in moving):
        return moving[0]
    return join(moving, eqn.walk.new_signal())


def follow(
    eqn: Equation, jaxpr: Any, inputs: Sequence[Plain], known: Sequence[np.ndarray | None] | None = None
) -> tuple[list[Plain], list[np.ndarray | None]]:
    """How the results of a body or a branch move, and their numbers where they are known. Spectra stay inside."""
    results, numbers = eqn.walk.follow(jaxpr, inputs, [None] * len(inputs) if known is None else known)
    plain = []
    for value in map(main_state, results):
        if isinstance(value, Spectrum):
            raise CannotProve(f"a spectrum is handed on by a {eqn.name}", "Transform back within it")
        plain.append(value)
    return plain, numbers


def steady(value: Plain) -> object:
    """A value without the names of its signals, to see whether a loop's state repeats."""
    if isinstance(value, Broken):
        return "broken"
    bare = lambda f: (
        f if f.motion is None else replace(f, motion=replace(f.motion, signal=0, start=0, edge=None, lost=None))
    )
    return replace(value, axes=tuple(tuple(map(bare, axis)) for axis in value.axes))


def anew(eqn: Equation, values: Sequence[Plain]) -> list[Plain]:
    """The same values under signals of their own: one name would stand for other cells in every round."""
    return [v if isinstance(v, Broken) else renamed(v, eqn.walk.new_signal()) for v in values]


@rule("cond", takes_broken=True)
def cond(eqn: Equation) -> list[Plain]:
    """One of several branches, chosen by a number that no shift changes; the result moves as all of them do.

    If the number is known, as that one does.

    Jaxpr: the number, then the branches' operands; `branches`.
    """
    chosen, *operands = eqn.inputs
    if isinstance(chosen, Broken):
        return [chosen] * len(eqn.shapes)
    if eqn.operand_shapes[0]:
        raise CannotProve("a choice by an array")
    known = eqn.known[0]
    branches = eqn.params["branches"]
    taken = branches if known is None else [branches[min(max(int(known), 0), len(branches) - 1)]]
    results = [follow(eqn, branch, operands, eqn.known[1:])[0] for branch in taken]
    return [_also_on(either(eqn, values), chosen) for values in zip(*results, strict=True)]


def _also_on(value: Plain, chosen: Moving) -> Plain:
    """A value that also depends on what chose it: on the shifts that leave that unchanged, and on its inputs."""
    if isinstance(value, Broken):
        return value
    value, chosen = common_shift([value, chosen])
    return everywhere(replace(value, depends=True)) if chosen.depends else value


@rule("while", takes_broken=True)
def while_(eqn: Equation) -> list[Plain]:
    """A body repeated while a condition holds.

    Where the condition's numbers are known, as those of a counter are, the rounds are followed one by one. Else the
    state must move alike in all rounds, and the condition with it.
    A condition of rank 0 stops all cells at once; it can depend on the shift only through what no shift changes. Under
    `vmap` it has one cell for each of the state's first axes: state = select(condition, body(state), state), and each
    cell stops by itself, since what has stopped is not changed any more. Such a state moves as all three do.
    Theorems: `Loops.one_condition` and `Loops.cells_stop_by_themselves` in proofs/coq. They assume that body and
    condition are functions of their operands; dtypes do not matter.
    Jaxpr: the condition's constants, the body's, the state; `cond_nconsts`, `body_nconsts`, `cond_jaxpr`, `body_jaxpr`.
    """
    counted = _counted(eqn)
    if counted is not None:
        return counted
    p = eqn.params
    of_condition, of_body, state = _parts(p, eqn.inputs)
    for round_ in range(ROUNDS):
        state = anew(eqn, state)
        following, _ = follow(eqn, p["body_jaxpr"], [*of_body, *state])
        (goes_on,), _ = follow(eqn, p["cond_jaxpr"], [*of_condition, *state])
        if isinstance(goes_on, Broken):
            return [goes_on] * len(state)
        merged = [
            _where(eqn, goes_on, [one, other], shape)
            for one, other, shape in zip(state, following, eqn.shapes, strict=True)
        ]
        if list(map(steady, merged)) == list(map(steady, state)):
            break
        # A receptive field that grows in every round has no bound here; what else is known may still settle.
        state = [value if isinstance(value, Broken) or not round_ else everywhere(value) for value in merged]
    else:
        raise CannotProve("the state of a while loop moves differently in every round")
    return anew(eqn, state)


def _where(eqn: Equation, chosen: Moving, values: Sequence[Plain], shape: tuple[int, ...]) -> Plain:
    """How a value moves that is any of these, cell by cell of the choice, whose axes are the value's first ones."""
    broken = next((value for value in values if isinstance(value, Broken)), None)
    if broken is not None:
        return broken
    if not chosen.axes:
        return _also_on(either(eqn, values), chosen)
    others = tuple(invariant_axis(length, 1) for length in shape[len(chosen.axes) :])
    return join([replace(chosen, axes=(*chosen.axes, *others)), *map(moving, values)], eqn.walk.new_signal())


def moving(value: Plain) -> Moving:
    """A value that is not broken."""
    if isinstance(value, Broken):
        raise CannotProve("nothing is known of an operand", origin=value.broken)
    return value


def _parts(params: dict[str, Any], operands: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    """A while loop's operands: the condition's constants, the body's, the state."""
    first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    return operands[:first], operands[first:second], operands[second:]


def _counted(eqn: Equation) -> list[Plain] | None:
    """The state after all rounds of a loop, if the condition is known in each and there are not too many.

    Theorem: `Loops.followed_rounds` in proofs/coq.
    """
    of_condition, of_body, state = _parts(eqn.params, eqn.inputs)
    condition_knows, body_knows, known = _parts(eqn.params, eqn.known)
    for _ in range(ROUNDS):
        condition = eqn.params["cond_jaxpr"]
        _, (goes_on,) = follow(eqn, condition, [*of_condition, *state], [*condition_knows, *known])
        if goes_on is None or goes_on.ndim:
            return None
        if not goes_on:
            return list(state)
        body = eqn.params["body_jaxpr"]
        state, known = follow(eqn, body, [*of_body, *state], [*body_knows, *known])
    return None


@rule("scan", takes_broken=True)
def scan(eqn: Equation) -> list[Plain]:
    """A body repeated a known number of times, over slices of some operands along their first axis, which stands still.

    Without a carry every slice is treated alike (`jax.lax.map`), so that the first axis may move, too. A carry that
    depends on more of the input in each round has no bound after so many that they are not followed one by one.
    Jaxpr: the constants, the carry, what is scanned over; `jaxpr`, `length`, and their numbers (`scan_sizes`).
    """
    constants, carry = scan_sizes(eqn.params)
    fixed, state, over = (
        eqn.inputs[:constants],
        eqn.inputs[constants : constants + carry],
        eqn.inputs[constants + carry :],
    )
    if any(isinstance(value, Moving) and is_moving(value.axes[0]) for value in over):
        return _mapped(eqn, fixed, state, over)
    slices = [_one_of(value) for value in over]
    if eqn.params["length"] > ROUNDS:
        state = [value if isinstance(value, Broken) else everywhere(value) for value in state]
    collected: list[Plain] | None = None
    for _ in range(min(eqn.params["length"], ROUNDS)):
        operands = [*fixed, *anew(eqn, state), *anew(eqn, slices)]
        results, _ = follow(
            eqn, eqn.params["jaxpr"], operands, [*eqn.known[:constants], *[None] * (carry + len(slices))]
        )
        following, outs = results[:carry], results[carry:]
        collected = outs if collected is None else [either(eqn, pair) for pair in zip(collected, outs, strict=True)]
        if list(map(steady, following)) == list(map(steady, state)):
            break
        state = following
    else:
        if eqn.params["length"] > ROUNDS:
            raise CannotProve(f"the carry of a scan of {eqn.params['length']} rounds moves differently in each")
    if collected is None:
        raise CannotProve("a scan of no rounds")
    return anew(eqn, [*state, *(_stacked(value, eqn.params["length"]) for value in collected)])


def _one_of(value: Plain) -> Plain:
    """A slice of what is scanned over, whichever."""
    if isinstance(value, Broken):
        return value
    return replace(value, axes=value.axes[1:])


def _mapped(eqn: Equation, fixed: Sequence[Plain], state: Sequence[Plain], over: Sequence[Plain]) -> list[Plain]:
    """A body applied to each slice by itself, while what it shares among them stays: the first axis moves as it did."""
    if state:
        raise CannotProve(
            "scans along the shifted axis: what comes out depends on where it begins", "Use a convolution"
        )
    impurity = guard.impurity_of(eqn.params["jaxpr"])
    if impurity:
        raise CannotProve(f"maps over the shifted axis, and {impurity}")
    broken = next((value for value in (*fixed, *over) if isinstance(value, Broken)), None)
    if broken is not None:
        return [broken] * len(eqn.shapes)
    one = (invariant_axis(eqn.params["length"], 1),)
    shared = [replace(v, axes=one) for v in fixed if isinstance(v, Moving) and not v.moving_axes]
    sliced = [replace(v, axes=v.axes[:1]) for v in over if isinstance(v, Moving) and v.moving_axes in ([], [0])]
    if len(shared) + len(sliced) < len(fixed) + len(over):
        raise CannotProve("maps over the shifted axis with what moves along another")
    found = join([*shared, *sliced], eqn.walk.new_signal())
    rests = [tuple(invariant_axis(length) for length in shape[1:]) for shape in eqn.shapes]
    return anew(eqn, [replace(found, axes=(*found.axes, *rest)) for rest in rests])


def _stacked(value: Plain, length: int) -> Plain:
    """The results of all rounds, along a new first axis."""
    return value if isinstance(value, Broken) else replace(value, axes=(invariant_axis(length), *value.axes))
