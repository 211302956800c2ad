"""Where in the network does it get lost? A measure of every intermediate value of any function."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np

from jaxconv.checks import choice
from jaxconv.jaxprs.evaluate import first_results
from jaxconv.jaxprs.primitives import named
from jaxconv.jaxprs.source import source_line
from jaxconv.jaxprs.traverse import steps
from jaxconv.verify.certify import certify
from jaxconv.verify.execution import compare, exactness, law
from jaxconv.verify.execution.compare import Plan, Traced
from jaxconv.verify.execution.law import Law
from jaxconv.verify.execution.metrics import lie_derivative, relative
from jaxconv.verify.execution.run import executing
from jaxconv.verify.execution.sweep import Subject, subject, sweep
from jaxconv.verify.execution.tolerance import is_kind
from jaxconv.verify.shifted_axes import Along, Axes

MEASURES = ("relative", "lie")
# What only moves values, makes them or names them: its result says nothing that its operands do not.
MOVEMENT = named(lambda row: row.moves and row.family != "scatter")


@dataclass(frozen=True)
class LayerError:
    """One intermediate value: what computed it, on which of the user's lines, and how far it is from equivariant."""

    primitive: str
    source: str  # "file.py:12 (function)"
    shape: tuple[int, ...]
    value: float  # relative: the mean over the shifts; lie: over the axes; NaN where no law is known
    worst: float  # the largest of them

    def __str__(self) -> str:
        return f"{self.primitive} at {self.source}"


@executing()
def layerwise(
    fn: Callable[..., Any],
    *arguments: Any,
    axes: Axes,
    measure: Literal["relative", "lie"] = "relative",
    shifts: Any = None,
    batch: int | None = None,
) -> tuple[LayerError, ...]:
    """Measure every intermediate value, from the input on: the layer at which the error rises is the one to blame.

    Each value h(x) that fn computes on its way is taken for a function of the input and held to a law, by
    `equivariance_error` ("relative") or by `lie_derivative_error` over the mean square of h(x) ("lie"). The law is the
    one that `certify` proves of h, cyclic or at least in the interior, and where it proves none, the one that the shape
    suggests (see `check`). The values are read off the jaxpr, so any function will do: there are no hooks and no module
    classes. Left out is what does not depend on the shifted input, what is not a float, and data movement; loops and
    branches are one layer each.

    Args:
        fn: any JAX function of arrays.
        arguments: its positional arguments, arrays or pytrees of them.
        axes: the axes along which the input is rolled, jointly: see `check`.
        measure: "relative" or "lie".
        shifts: of the relative measure: None for all of them, an integer or one for each axis for its multiples, or
            rows, a sample. Values that a shift does not move by whole cells are held to those that it does.
        batch: evaluations at once: see `check`.

    Returns:
        A `Layer` for each value in the order of computation: its primitive, the user's line, its shape, the error.

    Raises:
        ValueError: axes or shifts that do not fit, or another measure.
        TypeError: an argument with axes that is no array.

    Law: the relative error of the last layer is the function's own, where its last operation is no movement.

    Source: Gruver et al., "The Lie Derivative for Measuring Learned Equivariance", ICLR 2023, section 4, who blame
    layers by hooks: they push each share through to the output, here each value is measured where it stands.

    >>> import jax.numpy as jnp
    >>> from jaxconv.verify.execution.layerwise import layerwise
    >>> ramp = jnp.arange(6.0)
    >>> net = lambda x: jnp.tanh(x) * ramp + jnp.roll(x, 1)
    >>> [(layer.primitive, layer.value > 1e-3) for layer in layerwise(net, jnp.cos(ramp), axes=(0,))]
    [('tanh', False), ('mul', True), ('add', True)]
    """
    choice("layerwise", "measure", measure, MEASURES)
    one = subject("layerwise", fn, arguments, axes, batch=batch, invariant=True)
    one.rows(shifts)  # refuses what are none, whether or not there is a value to measure
    places = _places(one)
    if not places:
        return ()
    chosen = _laws(one, arguments, places)
    if measure == "lie":
        at = lambda inputs: _values(one.function, [place.number for place in places], one.function.consts, inputs)
        columns = [
            lie_derivative(one, at, axis, [its[axis] if its else None for its in chosen], scaled=True)
            for axis in range(len(one.plan.along))
        ]
        values = [np.asarray(column) for column in zip(*columns, strict=True)]
    else:
        values = _relative(one, places, chosen, shifts, batch)
    return tuple(
        LayerError(place.primitive, place.source, place.shape, float(found.mean()), float(found.max()))
        for place, found in zip(places, values, strict=True)
    )


@dataclass(frozen=True)
class _Place:
    """An equation whose first result is measured."""

    number: int  # among those the steps of `evaluate`
    primitive: str
    source: str
    shape: tuple[int, ...]


def _places(one: Subject) -> list[_Place]:
    jaxpr = one.function.jaxpr
    found = []
    depends = exactness.depends(jaxpr, one.plan.live)
    for number, ((equation, stack), live) in enumerate(zip(steps(jaxpr), depends, strict=True)):
        first, name = equation.outvars[0].aval, equation.primitive.name
        if live and name not in MOVEMENT and is_kind(first, np.inexact):
            found.append(_Place(number, name, source_line(equation, stack), tuple(first.shape)))
    return found


def _laws(one: Subject, arguments: Sequence[Any], places: Sequence[_Place]) -> list[list[Law] | None]:
    """Of each place the law for each axis: what is proved of it, or what its shape suggests; None if neither."""
    function, along = one.function, one.plan.along
    renumbered = [
        Along(tuple((one.plan.offsets[argument], axis) for argument, axis in direction.arguments), direction.length)
        for direction in along
    ]
    axes: dict[int, list[int]] = {}
    for direction in renumbered:
        for argument, axis in direction.arguments:
            axes.setdefault(argument, []).append(axis)
    values = lambda *leaves: _values(function, [place.number for place in places], function.consts, leaves)
    certificate = certify(values, *one.leaves, axes=axes, search=False)
    found: list[list[Law] | None] = []
    for number, place in enumerate(places):
        proved = [
            law.certified(one.where, certificate, number, direction, place.shape, "cyclic")
            or law.certified(one.where, certificate, number, direction, place.shape, "interior")
            for direction in renumbered
        ]
        try:
            (suggested,) = law.chosen(one.where, arguments, [place.shape], along, "cyclic")
        except ValueError:
            suggested = None  # the shape could mean two things
        its = proved if suggested is None else [a or b for a, b in zip(proved, suggested, strict=True)]
        found.append([law for law in its if law is not None] if all(its) else None)
    return found


def _values(function: Traced, numbers: Sequence[int], consts: Any, inputs: Any) -> list[Any]:
    """The chosen intermediate values."""
    found = first_results(function.jaxpr, consts, inputs)
    return [found[number] for number in numbers]


def _relative(
    one: Subject, places: Sequence[_Place], chosen: Sequence[list[Law] | None], shifts: Any, batch: int | None
) -> list[np.ndarray]:
    """Of each place the relative error for every shift that all of them answer by whole cells."""
    held = [(place, its) for place, its in zip(places, chosen, strict=True) if its is not None]
    if not held:
        return [np.asarray([np.nan]) for _ in places]
    rows = law.grid(
        one.where, one.plan.along, [its for _, its in held], [place.shape for place, _ in held], shifts, "cyclic"
    )
    numbers = tuple(place.number for place, _ in held)
    moves = tuple(tuple(its) for _, its in held)
    with executing():
        before = jax.jit(lambda consts, leaves: _values(one.function, numbers, consts, leaves))(
            one.function.consts, one.leaves
        )
    found = iter(sweep(one, rows, _apart(numbers, moves), before, batch))
    return [np.asarray([np.nan]) if its is None else next(found) for its in chosen]


@functools.lru_cache(maxsize=64)  # the same function each time, so that it is compiled once
def _apart(numbers: tuple[int, ...], moves: tuple[tuple[Law, ...], ...]) -> Callable[..., list[Any]]:
    def each(function: Traced, plan: Plan, consts: Any, inputs: Any, shift: Any, before: Any) -> list[Any]:
        del plan
        after = _values(function, numbers, consts, inputs)
        expected = [
            compare.rolled(value, compare.moves_of(its, shift)) for value, its in zip(before, moves, strict=True)
        ]
        return [relative(*pair) for pair in zip(expected, after, strict=True)]

    return each
