"""`layerwise`: the equivariance error of every intermediate value of a function, to find the layer that breaks it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import jax
import numpy as np

from jaxconv.checks import choice
from jaxconv.errors import public
from jaxconv.jaxprs.evaluate import first_results
from jaxconv.jaxprs.primitives import named
from jaxconv.jaxprs.source import source_line
from jaxconv.jaxprs.traverse import steps
from jaxconv.jaxprs.typing import ArrayValue, PyTree, aval_of
from jaxconv.verify.certify import certify
from jaxconv.verify.execution import compare, exactness, law
from jaxconv.verify.execution.law import Law, Shifts
from jaxconv.verify.execution.metrics import lie_derivative, relative
from jaxconv.verify.execution.program import Program
from jaxconv.verify.execution.run import executing
from jaxconv.verify.execution.sweep import Each, Shifted, Subject, subject, sweep
from jaxconv.verify.execution.tolerance import is_kind
from jaxconv.verify.shifted_axes import Along, Axes

MEASURES = ("relative", "lie")
# Primitives that only move, create or name values: their results have no information that their operands lack.
MOVEMENT = named(lambda row: row.moves and row.family != "scatter")


@dataclass(frozen=True)
class LayerError:
    """One intermediate value: the primitive that computes it, the user's line and its equivariance error."""

    primitive: str
    source: str  # "file.py:12 (function)"
    shape: tuple[int, ...]
    value: float  # the mean error, over the shifts ("relative") or the axes ("lie"); NaN if no law is known
    worst: float  # the largest error, over the same

    def __str__(self) -> str:
        return f"{self.primitive} at {self.source}"


@executing()
@public
def layerwise(
    fn: Callable[..., object],
    *arguments: PyTree,
    axes: Axes,
    measure: Literal["relative", "lie"] = "relative",
    shifts: Shifts = None,
    batch: int | None = None,
) -> tuple[LayerError, ...]:
    """Measure every intermediate value in the order of computation. The error rises at the culprit.

    Each intermediate value h(x) is a function of the input. It is compared with a law by `equivariance_error`
    ("relative"), or by `lie_derivative_error` divided by the mean square of h(x) ("lie"). The law is the one that
    `certify` proves for h, cyclic or else in the interior. If it proves none, the law is the one that the shape
    suggests (see `check`). The values are those of the jaxpr, so any function can be measured, without hooks or module
    classes. Values that do not depend on the shifted input, values that are not floats, and data movement are left out.
    Each loop or branch is one layer.

    Args:
        fn: any JAX function of arrays.
        arguments: its positional arguments, arrays or pytrees of them.
        axes: the axes along which the input is rolled, jointly: see `check`.
        measure: "relative" or "lie".
        shifts: shifts of the relative measure: None for all of them, an integer or one for each axis for its multiples,
            or rows for a sample. All layers are measured at the same shifts, which move each of them by whole cells.
        batch: number of evaluations in one call: see `check`.

    Returns:
        A `LayerError` for each value, in the order of computation: its primitive, the user's line, its shape and error.

    Raises:
        ValueError: axes or shifts that do not fit, or another measure.
        TypeError: an argument with axes is not an array.

    Law: the relative error of the last layer is that of the function, if its last operation is not data movement.

    Source: Gruver et al., "The Lie Derivative for Measuring Learned Equivariance", ICLR 2023, section 4. They attribute
    the error to layers by hooks and propagate each contribution to the output. Here each intermediate value is measured
    directly.

    >>> import jax.numpy as jnp
    >>> from jaxconv.verify.execution.layerwise import layerwise
    >>> ramp = jnp.arange(6.0)
    >>> net = lambda x: jnp.tanh(x) * ramp + jnp.roll(x, 1)
    >>> [(layer.primitive, layer.value > 1e-3) for layer in layerwise(net, jnp.cos(ramp), axes=(0,))]
    [('tanh', False), ('mul', True), ('add', True)]
    """
    choice("measure", measure, MEASURES)
    prepared = subject(fn, arguments, axes, batch=batch, invariant=True)
    prepared.rows(shifts)  # raises for invalid shifts, even if there is no value to measure
    measured = _places(prepared)
    if not measured:
        return ()
    laws = _laws(prepared, arguments, measured)
    if measure == "lie":
        numbers = [place.number for place in measured]
        outputs = functools.partial(_values, prepared.function, numbers, prepared.function.consts)
        columns = [
            lie_derivative(
                prepared, outputs, axis, [value_laws[axis] if value_laws else None for value_laws in laws], scaled=True
            )
            for axis in range(len(prepared.plan.along))
        ]
        values = [np.asarray(column) for column in zip(*columns, strict=True)]
    else:
        values = _relative(prepared, measured, laws, shifts, batch)
    return tuple(
        LayerError(place.primitive, place.source, place.shape, float(errors.mean()), float(errors.max()))
        for place, errors in zip(measured, values, strict=True)
    )


@dataclass(frozen=True)
class _Place:
    """An equation whose first result is measured."""

    number: int  # among the steps of `evaluate`
    primitive: str
    source: str
    shape: tuple[int, ...]


def _places(prepared: Subject) -> list[_Place]:
    jaxpr = prepared.function.jaxpr
    places: list[_Place] = []
    depends = exactness.depends(jaxpr, prepared.plan.live)
    for number, ((equation, stack), live) in enumerate(zip(steps(jaxpr), depends, strict=True)):
        first, name = aval_of(equation.outvars[0]), equation.primitive.name
        if live and name not in MOVEMENT and is_kind(first, np.inexact):
            places.append(_Place(number, name, source_line(equation, stack), tuple(first.shape)))
    return places


def _laws(prepared: Subject, arguments: Sequence[PyTree], places: Sequence[_Place]) -> list[list[Law] | None]:
    """For each place, the law for each axis, proved or suggested by its shape; None if an axis has neither."""
    function, along = prepared.function, prepared.plan.along
    renumbered = [
        Along(
            tuple((prepared.plan.offsets[argument], axis) for argument, axis in direction.arguments), direction.length
        )
        for direction in along
    ]
    axes: dict[int, list[int]] = {}
    for direction in renumbered:
        for argument, axis in direction.arguments:
            axes.setdefault(argument, []).append(axis)

    def values(*leaves: ArrayValue) -> list[ArrayValue]:
        return _values(function, [place.number for place in places], function.consts, leaves)

    certificate = certify(values, *prepared.leaves, axes=axes, search=False)
    laws: list[list[Law] | None] = []
    for number, place in enumerate(places):
        proved = [
            law.certified(certificate, number, direction, "cyclic")
            or law.certified(certificate, number, direction, "interior")
            for direction in renumbered
        ]
        try:
            (suggested,) = law.chosen(arguments, [place.shape], along, "cyclic")
        except ValueError:
            suggested = None  # the shape is ambiguous
        by_axis = proved if suggested is None else [a or b for a, b in zip(proved, suggested, strict=True)]
        laws.append([law for law in by_axis if law is not None] if all(by_axis) else None)
    return laws


def _values(
    function: Program, numbers: Sequence[int], consts: Sequence[ArrayValue], inputs: Sequence[ArrayValue]
) -> list[ArrayValue]:
    """The intermediate values of these numbers."""
    results = first_results(function.jaxpr, consts, inputs)
    return [results[number] for number in numbers]


def _relative(
    prepared: Subject, places: Sequence[_Place], laws: Sequence[list[Law] | None], shifts: Shifts, batch: int | None
) -> list[np.ndarray]:
    """The relative errors of each place, for all shifts that move every place by whole cells; NaN without a law."""
    with_law = [(place, place_laws) for place, place_laws in zip(places, laws, strict=True) if place_laws is not None]
    if not with_law:
        return [np.asarray([np.nan]) for _ in places]
    rows = law.grid(
        prepared.plan.along,
        [place_laws for _, place_laws in with_law],
        [place.shape for place, _ in with_law],
        shifts,
        "cyclic",
    )
    numbers = tuple(place.number for place, _ in with_law)
    laws_of_layers = tuple(tuple(place_laws) for _, place_laws in with_law)
    with executing():
        values = jax.jit(functools.partial(_values, prepared.function, numbers))
        before = cast("list[ArrayValue]", values(prepared.function.consts, prepared.leaves))
    errors = iter(sweep(prepared, rows, _layer_errors(numbers, laws_of_layers), before, batch))
    return [np.asarray([np.nan]) if place_laws is None else next(errors) for place_laws in laws]


@functools.lru_cache(maxsize=64)  # returns the same function object each time, so that it is compiled once
def _layer_errors(numbers: tuple[int, ...], laws_of_layers: tuple[tuple[Law, ...], ...]) -> Each:
    def each(shifted: Shifted, before: list[jax.Array]) -> list[jax.Array]:
        after = _values(shifted.function, numbers, shifted.consts, shifted.inputs)
        expected = [
            compare.rolled(value, compare.moves_of(laws, shifted.shift))
            for value, laws in zip(before, laws_of_layers, strict=True)
        ]
        return [relative(*pair) for pair in zip(expected, after, strict=True)]

    return each
