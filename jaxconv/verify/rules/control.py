"""Rules for loops and branches. The walk itself follows calls, such as jit and checkpoint.

Operands and results may be spectra. If a state describes a value before each iteration, it describes the value after
the last, by induction. A spectrum is such a state: one mode for each position, the same in all iterations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

import numpy as np

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.layout import scan_sizes
from jaxconv.jaxprs.typing import AnyJaxpr, Params
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
    with_motions,
)
from jaxconv.verify.factors import also_on, invariant_axis, join
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules.iterations import independent
from jaxconv.verify.rules.spectral import agreeing

T = TypeVar("T")
State: TypeAlias = Plain | Spectrum
ROUNDS = 64  # the most iterations of a loop's body that are followed
REPEATED = 2**8  # rows of a counted loop after which a repeated state ends it


def either(eqn: Equation[State], values: Sequence[State]) -> State:
    """The motion of a value that may be any of `values`: the motion that they have in common."""
    broken = next((value for value in values if isinstance(value, Broken)), None)
    if broken is not None:
        return broken
    if any(isinstance(value, Spectrum) for value in values):
        return _any_spectrum(eqn, values)
    moving = [value for value in values if isinstance(value, Moving)]
    if all(value == moving[0] for value in moving):
        return moving[0]
    return join(moving, eqn.walk.new_signal())


def _any_spectrum(eqn: Equation[State], values: Sequence[State]) -> Spectrum:
    """A spectrum that may be any of `values`, whose modes must agree: see `spectral.agreeing`."""
    spectra = [value for value in values if isinstance(value, Spectrum)]
    if len(spectra) < len(values) or len({spectrum.axis for spectrum in spectra}) > 1:
        raise CannotProve(f"a {eqn.name} returns a spectrum or another value", "Return a spectrum in every case")
    value = join([spectrum.value for spectrum in spectra], eqn.walk.new_signal())
    return agreeing(value, spectra[0].axis, [spectrum.modes for spectrum in spectra])


def follow(
    eqn: Equation[State], jaxpr: AnyJaxpr, inputs: Sequence[State], known: Sequence[np.ndarray | None] | None = None
) -> tuple[list[State], list[np.ndarray | None]]:
    """The motion of each result of a body or a branch, and its numbers where they are known."""
    results, numbers = eqn.walk.follow(jaxpr, inputs, [None] * len(inputs) if known is None else known)
    return list(map(main_state, results)), numbers


def without_names(value: State) -> object:
    """A value without signals' names, starts and records of losses, to test whether a loop's state repeats."""
    if isinstance(value, Broken):
        return "broken"
    if isinstance(value, Spectrum):
        return value
    return with_motions(value, lambda motion: replace(motion.without_notes, signal=0, start=0))


def with_new_names(eqn: Equation[State], values: Sequence[State]) -> list[State]:
    """The same values under new signal names, since one name would denote different cells in each iteration."""
    return [renamed(v, eqn.walk.new_signal()) if isinstance(v, Moving) else v for v in values]


def with_any_field(value: State) -> State:
    """The same value, with the whole input as receptive field."""
    return everywhere(value) if isinstance(value, Moving) else value


@rule("cond", of=Spectrum)
@rule("cond", takes_broken=True)
def cond(eqn: Equation[State]) -> list[State]:
    """out = branches[index](operands): the motion that the results of all branches have in common.

    A known index selects one branch, and only that one is followed. An index can depend on the input only
    through invariant values. The result then depends on the whole input.

    Example: lax.cond(jnp.sum(x) > 0, jnp.sin, jnp.cos, x) moves with x under cyclic shifts.
    Theorem: `CertifierRules.map_sound` in proofs/coq.
    Jaxpr: the index, then the operands of all branches; `branches`.
    """
    index, *operands = eqn.inputs
    if isinstance(index, Broken):
        return [index] * len(eqn.shapes)
    if eqn.operand_shapes[0]:
        raise CannotProve("the index of a cond is an array, not a number")
    known = eqn.known[0]
    branches = eqn.params["branches"]
    if known is not None and not 0 <= int(known) < len(branches):
        raise CannotProve("the index of a cond is out of range")  # JAX clamps it before, in lax.switch
    if known is not None:
        taken = [branches[int(known)]]
    else:
        platforms: Sequence[object] = eqn.params.get("branches_platforms") or [None] * len(branches)
        # Only kernels of Pallas are compiled for mosaic, and these have no rule.
        taken = [branch for branch, names in zip(branches, platforms, strict=True) if names != ("mosaic",)]
    results = [follow(eqn, branch, operands, eqn.known[1:])[0] for branch in taken]
    return [_also_on(either(eqn, values), moving(index)) for values in zip(*results, strict=True)]


def _also_on(value: State, chosen: Moving) -> State:
    """`value` for the shifts that also suit `chosen`. It depends on the whole input if `chosen` does."""
    if isinstance(value, Broken):
        return value
    if isinstance(value, Spectrum):
        shared, chosen = common_shift([value.value, chosen])
        return replace(value, value=replace(shared, depends=shared.depends or chosen.depends))
    return also_on(value, [chosen])


@rule("while", of=Spectrum)
@rule("while", takes_broken=True)
def while_(eqn: Equation[State]) -> list[State]:
    """A loop: while condition(state): state = body(state).

    If the condition's numbers are known in every iteration, as for a counter, the iterations are followed one by one.
    Otherwise the state must have the same motion in all iterations, and so must the condition.

    - A condition of rank 0 stops all cells at once. It can depend on the input only through invariant values.
    - Under `vmap` the condition has one cell for each index of the state's first axes: state = select(condition,
      body(state), state). Each cell stops by itself, since a stopped cell does not change any more. The state then has
      the motion that the condition and both cases have in common.

    Theorems: `Loops.one_condition` and `Loops.cells_stop_by_themselves` in proofs/coq. They assume that body and
    condition are functions of their operands. Dtypes do not matter.
    Jaxpr: the condition's constants, the body's, the state; `cond_nconsts`, `body_nconsts`, `cond_jaxpr`, `body_jaxpr`.
    """
    counted = _counted(eqn)
    if counted is not None:
        return counted
    _, _, state = _parts(eqn.params, eqn.inputs)
    for iteration in range(ROUNDS):
        state = with_new_names(eqn, state)
        merged = _any_round(eqn, state)
        if same_state(merged, state):
            break
        # Receptive fields may grow in every iteration, without a bound. Without them the state may still repeat.
        state = [with_any_field(value) if iteration else value for value in merged]
    else:
        raise CannotProve("the state of a while loop moves differently in every iteration")
    return with_new_names(eqn, state)


def _any_round(eqn: Equation[State], state: Sequence[State]) -> list[State]:
    """The state after an iteration, or after none: the motion that both have in common, whatever the numbers are."""
    p = eqn.params
    condition_constants, body_constants, _ = _parts(p, eqn.inputs)
    next_state, _ = follow(eqn, p["body_jaxpr"], [*body_constants, *state])
    (predicate,), _ = follow(eqn, p["cond_jaxpr"], [*condition_constants, *state])
    if isinstance(predicate, Broken):
        return [predicate] * len(state)
    return [
        _selected(eqn, moving(predicate), [before, after], shape)
        for before, after, shape in zip(state, next_state, eqn.shapes, strict=True)
    ]


def same_state(some: Sequence[State], others: Sequence[State]) -> bool:
    """Whether a loop's state repeats: see `without_names`."""
    return list(map(without_names, some)) == list(map(without_names, others))


def _selected(eqn: Equation[State], predicate: Moving, values: Sequence[State], shape: tuple[int, ...]) -> State:
    """The motion of a value that is any of `values`, cell by cell of the predicate, whose axes are its first ones."""
    broken = next((value for value in values if isinstance(value, Broken)), None)
    if broken is not None:
        return broken
    if not predicate.axes:
        return _also_on(either(eqn, values), predicate)
    remaining = tuple(invariant_axis(length, 1) for length in shape[len(predicate.axes) :])
    predicate = replace(predicate, axes=(*predicate.axes, *remaining))
    if any(isinstance(value, Spectrum) for value in values):
        if predicate.moving_axes:
            raise CannotProve("the cells of a spectrum stop by a condition that moves")
        spectrum = _any_spectrum(eqn, values)
        return replace(spectrum, value=join([predicate, spectrum.value], eqn.walk.new_signal()))
    return join([predicate, *map(moving, values)], eqn.walk.new_signal())


def moving(value: State) -> Moving:
    """`value`, which must be neither broken nor a spectrum. Raises CannotProve if it is."""
    if isinstance(value, Broken):
        raise CannotProve("the motion of an operand is unknown", origin=value.culprit)
    if isinstance(value, Spectrum):
        raise CannotProve("a spectrum instead of a value that moves or stays")
    return value


def _parts(params: Params, operands: Sequence[T]) -> tuple[Sequence[T], Sequence[T], Sequence[T]]:
    """The operands of a while loop: the condition's constants, the body's constants, the state."""
    first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    return operands[:first], operands[first:second], operands[second:]


def _counted(eqn: Equation[State]) -> list[State] | None:
    """The state after all iterations of a loop whose condition is known in each.

    Returns None if the condition is unknown in an iteration, or if there are `ROUNDS` iterations or more; also if the
    derivation becomes long. If an iteration that takes more than `REPEATED` rows of it repeats the state, and any other
    iteration would repeat it as well, whatever the counter is, no more are followed.

    Theorems: `Loops.followed_rounds` and `Loops.one_condition` in proofs/coq.
    """
    condition_constants, body_constants, state = _parts(eqn.params, eqn.inputs)
    condition_known, body_known, known = _parts(eqn.params, eqn.known)
    start, may_repeat = eqn.walk.length, True
    for _ in range(ROUNDS):
        if eqn.walk.is_long:
            return None
        condition = eqn.params["cond_jaxpr"]
        _, (predicate,) = follow(eqn, condition, [*condition_constants, *state], [*condition_known, *known])
        if predicate is None or predicate.ndim:
            return None
        if not predicate:
            return list(state)
        before, body = state, eqn.params["body_jaxpr"]
        state, known = follow(eqn, body, [*body_constants, *state], [*body_known, *known])
        if may_repeat and eqn.walk.length - start > REPEATED and same_state(state, before):
            renewed = with_new_names(eqn, state)
            may_repeat = False
            if same_state(_any_round(eqn, renewed), renewed):
                return renewed
    return None


@rule("scan", of=Spectrum)
@rule("scan", takes_broken=True)
def scan(eqn: Equation[State]) -> list[State]:
    """A loop over slices: carry, ys[i] = body(constants, carry, xs[i]) for i < length.

    The scanned operands xs are sliced along their first axis, which must not move. Without a carry every slice is
    treated alike, as in `jax.lax.map`, so the first axis may move too. In a scan of more than `ROUNDS` iterations not
    all are followed. A carry that reads more of the input in each has an unbounded receptive field, so the fields are
    dropped.

    If a result has no motion that is the same for all numbers of a carry or of a slice, such as a counter, but some of
    these numbers are known, at most `ROUNDS` iterations are followed once more with their numbers. Carries that
    collect a term of each iteration are followed at once: see `iterations.independent`.

    Example: lax.fori_loop(0, 3, lambda i, y: y + jnp.roll(x, i), x) moves with x in the interior, too.
    Theorems: those of the body's equations.
    Jaxpr: the constants, the carry, the scanned operands; `jaxpr`, `length`, and the operand counts (`scan_sizes`).
    """
    num_constants, num_carry = scan_sizes(eqn.params)
    constants, state, scanned = (
        eqn.inputs[:num_constants],
        eqn.inputs[num_constants : num_constants + num_carry],
        eqn.inputs[num_constants + num_carry :],
    )
    if any(isinstance(value, Moving) and is_moving(value.axes[0]) for value in scanned):
        ways = [_mapped, _independent]
    else:
        ways = [_any_numbers, _independent, _each_round]
    results: list[State] = []
    reasons: list[CannotProve] = []
    for way in ways:
        try:
            found = way(eqn, constants, state, scanned) or results
        except CannotProve as reason:
            reasons.append(reason)
            continue
        results = [b if isinstance(a, Broken) else a for a, b in zip(results or found, found, strict=True)]
        if not any(isinstance(result, Broken) for result in results):
            break
    if reasons and all(isinstance(result, Broken) for result in results):
        raise reasons[0]
    return results


def _independent(
    eqn: Equation[State], constants: Sequence[State], state: Sequence[State], scanned: Sequence[State]
) -> list[State] | None:
    """See `iterations.independent`. Returns None also if an operand is broken."""
    if any(isinstance(value, Broken) for value in eqn.inputs):
        return None
    results = independent(eqn)
    return None if results is None else list(map(main_state, results))


def _any_numbers(
    eqn: Equation[State], constants: Sequence[State], state: Sequence[State], scanned: Sequence[State]
) -> list[State]:
    """The results of a scan, whatever the numbers of the carry and of the slices are."""
    num_constants, num_carry = len(constants), len(state)
    slices = [_slice_of(value) for value in scanned]
    if eqn.params["length"] > ROUNDS:
        state = list(map(with_any_field, state))
    collected: list[State] | None = None
    for _ in range(min(eqn.params["length"], ROUNDS)):
        operands = [*constants, *with_new_names(eqn, state), *with_new_names(eqn, slices)]
        results, _ = follow(
            eqn, eqn.params["jaxpr"], operands, [*eqn.known[:num_constants], *[None] * (num_carry + len(slices))]
        )
        next_state, outs = results[:num_carry], results[num_carry:]
        collected = outs if collected is None else [either(eqn, pair) for pair in zip(collected, outs, strict=True)]
        if list(map(without_names, next_state)) == list(map(without_names, state)):
            break
        state = next_state
    else:
        if eqn.params["length"] > ROUNDS:
            raise CannotProve(f"the carry of a scan of {eqn.params['length']} iterations moves differently in each")
    if collected is None:
        raise CannotProve("a scan of length 0")
    return with_new_names(eqn, [*state, *(_stacked(value, eqn.params["length"]) for value in collected)])


def _each_round(
    eqn: Equation[State], constants: Sequence[State], state: Sequence[State], scanned: Sequence[State]
) -> list[State] | None:
    """The results of a scan whose iterations are followed one by one, with the known numbers of carry and slices.

    Returns None if no such number is known, if an operand is broken, or if there are too many iterations.
    """
    length, first = eqn.params["length"], len(constants)
    last = first + len(state)
    fixed, known, stacks = eqn.known[:first], list(eqn.known[first:last]), eqn.known[last:]
    is_unknown = all(numbers is None for numbers in (*known, *stacks))
    if is_unknown or length > ROUNDS or any(isinstance(value, Broken) for value in eqn.inputs):
        return None
    slices, outs = [_slice_of(value) for value in scanned], list[list[State]]()
    for n in reversed(range(length)) if eqn.params["reverse"] else range(length):
        if eqn.walk.is_long:
            return None
        numbers = [stack if stack is None else stack[n] for stack in stacks]
        operands = [*constants, *state, *with_new_names(eqn, slices)]
        results, found = follow(eqn, eqn.params["jaxpr"], operands, [*fixed, *known, *numbers])
        state, known = results[: len(state)], found[: len(state)]
        outs.append(results[len(state) :])
    collected = [_stacked(either(eqn, values), length) for values in zip(*outs, strict=True)]
    return with_new_names(eqn, [*state, *collected])


def _slice_of(value: State) -> State:
    """The motion of each slice of a scanned operand along its first axis."""
    if isinstance(value, Broken):
        return value
    if not isinstance(value, Spectrum):
        return value.without_axis(0)
    if value.axis == 0:
        raise CannotProve("scans over the modes of a spectrum, which rotate at different rates", "Scan another axis")
    return replace(value, value=value.value.without_axis(0), axis=value.axis - 1)


def _mapped(
    eqn: Equation[State], constants: Sequence[State], state: Sequence[State], scanned: Sequence[State]
) -> list[State]:
    """A body applied to each slice independently, with constants that do not move: the first axis keeps its motion."""
    if state:
        raise CannotProve(
            "scans along the shifted axis with a carry, so the result depends on where the axis starts",
            "Use a convolution",
        )
    impurity = guard.impurity_of(eqn.params["jaxpr"])
    if impurity:
        raise CannotProve(f"maps over the shifted axis, and {impurity}")
    broken = next((value for value in (*constants, *scanned) if isinstance(value, Broken)), None)
    if broken is not None:
        return [broken] * len(eqn.shapes)
    first_axis = (invariant_axis(eqn.params["length"], 1),)
    shared = [replace(v, axes=first_axis) for v in constants if isinstance(v, Moving) and not v.moving_axes]
    sliced = [replace(v, axes=v.axes[:1]) for v in scanned if isinstance(v, Moving) and v.moving_axes in ([], [0])]
    if len(shared) + len(sliced) < len(constants) + len(scanned):
        raise CannotProve("maps over the shifted axis with an operand that moves along another axis")
    joined = join([*shared, *sliced], eqn.walk.new_signal())
    other_axes = [tuple(invariant_axis(length) for length in shape[1:]) for shape in eqn.shapes]
    return with_new_names(eqn, [replace(joined, axes=(*joined.axes, *others)) for others in other_axes])


def _stacked(value: State, length: int) -> State:
    """The results of all iterations, stacked along a new first axis."""
    if isinstance(value, Broken):
        return value
    if not isinstance(value, Spectrum):
        return value.with_new_axis(0, invariant_axis(length))
    return replace(value, value=value.value.with_new_axis(0, invariant_axis(length)), axis=value.axis + 1)
