"""Check the equivariance of a function under the elements of an action: run all moved inputs, and compare."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs.typing import Array, ArrayValue, PyTree
from jaxconv.verify import array_json
from jaxconv.verify.execution import compare, exactness
from jaxconv.verify.execution.acting import Acting, changed_leaves, rounding_bound
from jaxconv.verify.execution.check_report import WORST_FIRST, ElementCheck, Finding, LeafCheck, Tolerance, Worst
from jaxconv.verify.execution.judge import leaf_tolerance, unresponsive
from jaxconv.verify.execution.program import Program
from jaxconv.verify.execution.rearrangement import predicts
from jaxconv.verify.execution.run import over_rows
from jaxconv.verify.execution.tolerance import gap, is_kind

MEASURED = "measured, not judged: the action does more than to move values, as an interpolation does"
EQUAL = "the two sides are not equal"
BEYOND = "the error is larger than rounding explains"
ROUNDING = "rounding alone moves the output as far (a tie or a cancellation): try integers=True or float64"


@dataclass(frozen=True, eq=False)
class ActionTrial:
    """A function, its input, the input after each element, and all outputs.

    Attributes:
        program: the function at the shapes of the input.
        actings: the elements of the action.
        integers: whether the input consists of small whole numbers.
        leaves: the input.
        moved: the input after each element.
        before: the outputs for the input, one array for each leaf.
        other: the outputs for another input.
        after: the outputs for the input after each element.
        inexact: in integer mode, the first operation that is not exact; empty if all are.
    """

    program: Program
    actings: tuple[Acting, ...]
    integers: bool
    leaves: list[ArrayValue]
    moved: list[list[ArrayValue]]
    before: list[np.ndarray]
    other: list[np.ndarray]
    after: list[list[np.ndarray]]
    inexact: str


def executed(
    program: Program,
    actings: tuple[Acting, ...],
    leaves: list[ArrayValue],
    fill: Sequence[ArrayValue],
    *,
    integers: bool,
    batch: int | None,
) -> ActionTrial:
    """Execute the function on the input, on another input (the fill), and on the input after each element.

    All inputs of the same shapes run in one compiled program, and as many in one call as `compare.rows_per_call` says.
    """
    live = changed_leaves(actings)
    actings = tuple(
        acting
        if acting.on_input is not None and predicts(acting.on_input, acting.element.on_input, leaves)
        else replace(acting, on_input=None)
        for acting in actings
    )
    other = [fill[i] if i in live else x for i, x in enumerate(leaves)]
    moved = [acting.moved(leaves) for acting in actings]
    after: dict[int, list[np.ndarray]] = {}
    blame: list[str] = []
    programs = dict.fromkeys([program, *(acting.program for acting in actings)])
    for one in programs:
        numbers = [number for number, acting in enumerate(actings) if acting.program is one]
        inputs = [*([leaves, other] if one is program else ()), *(moved[number] for number in numbers)]
        outputs, excess = _rows(one, inputs, live, integers=integers, batch=batch)
        blame += [exactness.blame(one.jaxpr, excess)] if integers else []
        if one is program:
            before, response, *outputs = outputs
            after |= {-2: before, -1: response}
        after |= dict(zip(numbers, outputs, strict=True))
    outcomes = [after[number] for number in range(len(actings))]
    inexact = next(filter(None, blame), "")
    actings = tuple(
        acting
        if acting.on_output is not None and predicts(acting.on_output, acting.element.on_output, after[-2])
        else replace(acting, on_output=None)
        for acting in actings
    )
    return ActionTrial(program, actings, integers, leaves, moved, after[-2], after[-1], outcomes, inexact)


def _rows(
    program: Program, inputs: Sequence[Sequence[ArrayValue]], live: set[int], *, integers: bool, batch: int | None
) -> tuple[list[list[np.ndarray]], np.ndarray]:
    """The outputs for each input, and the excess of each equation (see `exactness.with_excess`), over all inputs."""
    vectorised = batch is None or operator.index(batch) != 1
    flags = tuple(i in live for i in range(len(inputs[0])))
    key = ("action", flags, integers, vectorised)

    def rows(consts: Sequence[ArrayValue], shared: Sequence[ArrayValue], stacks: Mapping[int, Array]) -> PyTree:
        def row(values: Mapping[int, Array]) -> tuple[list[ArrayValue], jax.Array]:
            leaves = [values.get(i, leaf) for i, leaf in enumerate(shared)]
            if integers:
                return exactness.with_excess(program.jaxpr, consts, leaves, flags)
            return program(consts, leaves), jnp.zeros(0, jnp.int32)

        return over_rows(row, vectorised=vectorised)(stacks)

    run = program.compiled.setdefault(key, jax.jit(rows))
    size = min(compare.rows_per_call(program, len(inputs), batch), len(inputs))
    shared = [None if i in live else leaf for i, leaf in enumerate(inputs[0])]
    outputs: list[list[np.ndarray]] = []
    excess: list[np.ndarray] = []
    for first in range(0, len(inputs), size):
        part = [inputs[min(row, len(inputs) - 1)] for row in range(first, first + size)]
        stacks = {i: np.stack([np.asarray(row[i]) for row in part]) for i in live}
        results, bits = run(program.consts, shared, stacks)
        columns = [np.asarray(column) for column in results]
        outputs += [[column[row] for column in columns] for row in range(len(part))]
        excess.append(np.asarray(bits).max(axis=0))
    return outputs[: len(inputs)], np.max(excess, axis=0)


def judged(trial: ActionTrial) -> tuple[LeafCheck, ...]:
    """A finding for each output leaf, and for each element on it."""
    expected = [acting.expected(trial.before) for acting in trial.actings]
    return tuple(_leaf(trial, number, [sides[number] for sides in expected]) for number in range(len(trial.before)))


def _leaf(trial: ActionTrial, number: int, expected: Sequence[np.ndarray]) -> LeafCheck:
    path, leaf = trial.program.outputs[number]
    before, shape = array_json.wide(trial.before[number]), tuple(leaf.shape)
    programs = [trial.program, *(acting.program for acting in trial.actings)]
    exactly = trial.integers and not trial.inexact
    sources = {number}.union(*(a.on_output.origins(number) for a in trial.actings if a.on_output is not None))
    bounds = [
        leaf_tolerance(program, source, array_json.wide(trial.before[source]), exactly=exactly)
        for program in dict.fromkeys(programs)
        for source in sources
    ]
    tolerance = max(bounds, key=lambda bound: bound.absolute)
    differences = [_differences(a, after[number]) for a, after in zip(expected, trial.after, strict=True)]
    elements = tuple(
        _element(trial, number, at, expected[at], errors, tolerance) for at, errors in enumerate(differences)
    )
    alike = [errors for errors in differences if errors.shape == shape]
    first = min(elements, key=lambda element: WORST_FIRST.index(element.finding))
    errors = np.array([element.worst.error for element in elements])
    pairs = [(array_json.wide(a), array_json.wide(y[number])) for a, y in zip(expected, trial.after, strict=True)]
    return LeafCheck(
        path=path,
        shape=shape,
        dtype=leaf.dtype,
        finding=first.finding,
        reason=first.reason,
        axes=(),
        shifts=np.zeros((len(elements), 0), np.int32),
        errors=errors,
        nans=np.array([int((np.isnan(a) | np.isnan(y)).sum()) for a, y in pairs]),
        infinities=np.array([int((np.isinf(a) & (a == y)).sum()) for a, y in pairs]),
        positions=np.max(alike, axis=0) if alike else np.full(shape, -1.0),
        means=np.mean(alike, axis=0) if alike else np.full(shape, -1.0),
        worst=elements[int(errors.argmax())].worst,
        tolerance=tolerance,
        response=float(gap(array_json.wide(trial.other[number]), before).max(initial=0)),
        elements=elements,
    )


def _element(
    trial: ActionTrial, number: int, at: int, expected: np.ndarray, errors: np.ndarray, tolerance: Tolerance
) -> ElementCheck:
    """The finding of one element on one output leaf."""
    acting, found = trial.actings[at], trial.after[at][number]
    cell = tuple(map(int, np.unravel_index(int(errors.argmax()), errors.shape)))
    error = float(errors[cell])
    worst = Worst((), cell, array_json.wide(expected)[cell].item(), array_json.wide(found)[cell].item(), error)
    if not acting.moves_only:
        return ElementCheck(acting.name, Finding.UNDECIDED, MEASURED, worst, measured=True)
    finding, reason = Finding.HELD, ""
    if error > tolerance.absolute:
        finding, reason = Finding.VIOLATED, EQUAL if tolerance.units == 0 else BEYOND
        if tolerance.units > 0 and _explained(trial, number, at, errors, tolerance):
            finding, reason = Finding.UNDECIDED, ROUNDING
    elif trial.inexact:
        finding, reason = Finding.UNDECIDED, trial.inexact
    return ElementCheck(acting.name, finding, reason, worst, measured=False)


def _differences(expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    """|found - expected| of each cell: infinite at a NaN, and at least 1 for integers that differ."""
    a, b = array_json.wide(expected), array_json.wide(found)
    errors = np.where(np.isnan(a) | np.isnan(b), np.inf, gap(a, b))
    return errors if is_kind(found, np.inexact) else np.where(expected == found, 0.0, np.maximum(errors, 1))


def _explained(trial: ActionTrial, number: int, at: int, errors: np.ndarray, tolerance: Tolerance) -> bool:
    """Whether the perturbed outputs differ from the exact ones by as much as the errors of this element."""
    acting = trial.actings[at]
    live = changed_leaves(trial.actings)
    expected = acting.expected_bound(trial.program, number, trial.leaves, live)
    found = rounding_bound(acting.program, number, trial.moved[at], live)
    return bool((errors <= tolerance.absolute + expected + found).all())


def insensitive(trial: ActionTrial, leaves: Sequence[LeafCheck]) -> list[str]:
    """Notes on insensitivity: an input that the action does not change, or an output that hardly depends on it."""
    notes: list[str] = []
    live = changed_leaves(trial.actings)
    if all(_alike(trial.leaves[i], moved[i]) for moved in trial.moved for i in live):
        notes.append("the input is the same after every element of the action, so the action does not change it")
    for number, leaf in enumerate(leaves):
        name = f"output{leaf.path}" if len(leaves) > 1 else "the output"
        if hardly := unresponsive(name, leaf):
            notes.append(hardly)
        elif not notes and _fixed(trial, trial.before, number) and not _fixed(trial, trial.other, number):
            notes.append(f"{name} is the same after every element at this input, but not at a random one")
    return notes


def _fixed(trial: ActionTrial, outputs: Sequence[np.ndarray], number: int) -> bool:
    """Whether no element changes an output."""
    return all(_alike(outputs[number], acting.expected(outputs)[number]) for acting in trial.actings)


def _alike(a: ArrayValue, b: ArrayValue) -> bool:
    return np.shape(a) == np.shape(b) and np.array_equal(np.asarray(a), np.asarray(b))
