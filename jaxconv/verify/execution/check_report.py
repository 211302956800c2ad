"""The result of a numeric check: errors by shift and by position, the worst case and a finding; data, text and JSON."""

from __future__ import annotations

import dataclasses
import functools
import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import jax.numpy as jnp
import numpy as np

from jaxconv.verify.execution.law import Law
from jaxconv.verify.shifted_axes import Along
from jaxconv.verify.strict_json import Json

SHOWN = 12  # largest number of elements of an action that the report lists


class Finding(StrEnum):
    """The finding of a check. HELD covers only the shifts and inputs that were tried: it is evidence, not a proof."""

    HELD = "HELD"
    UNDECIDED = "UNDECIDED"  # integer mode: not exact; otherwise: rounding explains the mismatch
    VIOLATED = "VIOLATED"


WORST_FIRST = (Finding.VIOLATED, Finding.UNDECIDED, Finding.HELD)


@dataclass(frozen=True)
class Tolerance:
    """The largest error that rounding explains: `absolute = 2 * units * scale`. An exact comparison has no units.

    `units` is the sum of u = eps/2 over the `roundings` along the longest path to this output. `scale` is the largest
    absolute value of f(x). The factor 2 is for the two sides. See `jaxconv/verify/execution/error_bounds.py`.
    """

    absolute: float
    units: float
    roundings: float
    scale: float

    def __str__(self) -> str:
        if self.units == 0:
            return "none: the comparison is exact"
        return f"{self.absolute:.2g} = 2 sides * {self.roundings:.0f} roundings of the largest value, {self.scale:.3g}"


@dataclass(frozen=True)
class Worst:
    """The largest error: its shift, its position in f(shifted), and the two values there."""

    shift: tuple[int, ...]
    position: tuple[int, ...]
    expected: complex
    found: complex
    error: float


@dataclass(frozen=True, eq=False)
class AxisCheck:
    """The shifts along one axis alone, without shifts along the other axes."""

    along: Along
    law: Law
    shifts: np.ndarray  # [k]
    errors: np.ndarray  # [k], the largest absolute error of each shift


@dataclass(frozen=True, eq=False)
class ElementCheck:
    """The result for one element of an action, on one output leaf. An element that is `measured` is not judged."""

    name: str
    finding: Finding
    reason: str  # why the finding is not HELD; empty if it is
    worst: Worst
    measured: bool


@dataclass(frozen=True, eq=False)
class LeafCheck:
    """The result for one output leaf, over all shifts or all elements of an action that were tried.

    After an action, `shifts` has no columns, and `errors[i]` is that of `elements[i]`. `positions` and `means` then
    speak of the elements that keep the shape of the output.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype
    finding: Finding
    reason: str  # why the finding is not HELD; empty if it is
    axes: tuple[AxisCheck, ...]
    shifts: np.ndarray  # [k, axes]
    errors: np.ndarray  # [k], the largest absolute error; infinite for a NaN or an infinity on one side only
    nans: np.ndarray  # [k], number of cells with a NaN on either side: never equal
    infinities: np.ndarray  # [k], number of cells with the same infinity on both sides: equal
    positions: np.ndarray  # the largest absolute error at each position of f(shifted), -1 where nothing was compared
    means: np.ndarray  # the mean absolute error at each position over the shifts compared there, -1 likewise
    worst: Worst
    tolerance: Tolerance
    response: float  # the largest change of the output when a random input replaces the given one
    elements: tuple[ElementCheck, ...] = ()  # of an action

    @functools.cached_property
    def relative(self) -> np.ndarray:
        """The errors relative to the scale, the largest absolute value of f(x): [k]."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.errors == 0, 0, self.errors / self.tolerance.scale)

    @functools.cached_property
    def ulps(self) -> np.ndarray:
        """The errors in units in the last place of the scale: [k]. For integers and booleans, the errors themselves."""
        if not jnp.issubdtype(self.dtype, jnp.inexact):
            return self.errors
        info = cast(np.finfo, jnp.finfo(self.dtype))
        return self.errors / (float(info.eps) * 2.0 ** np.floor(np.log2(max(self.tolerance.scale, float(info.tiny)))))


@dataclass(frozen=True, eq=False)
class Check:
    """A numeric check of a function: a result for each output leaf, and warnings of what may hide a violation.

    It prints as a report.
    """

    function: str
    model: str
    integers: bool
    leaves: tuple[LeafCheck, ...]
    warnings: tuple[str, ...]
    action: str = ""  # the name of an action; `model` is then "action"

    @property
    def finding(self) -> Finding:
        """The worst finding of all leaves."""
        return min((leaf.finding for leaf in self.leaves), key=WORST_FIRST.index)

    def __str__(self) -> str:
        inputs = "small whole numbers, compared exactly" if self.integers else "the given input"
        lines = [
            f"{self.function}: {self.finding} for {self._tried}",
            f"  measured on {inputs}: evidence, not a proof",
        ]
        for leaf in self.leaves:
            lines += [f"  {line}" for line in _leaf(leaf, several=len(self.leaves) > 1)]
        return "\n".join(lines + [f"  warning: {warning}" for warning in self.warnings])

    @property
    def _tried(self) -> str:
        """What was tried: shifts, or elements of an action."""
        first = self.leaves[0]
        if self.action:
            return f"{len(first.elements)} element{'s' * (len(first.elements) > 1)} of {self.action}"
        lengths = " x ".join(str(axis.along.length) for axis in first.axes)
        return f"{len(first.shifts)} {self.model} shifts of {lengths} cells"

    def _repr_html_(self) -> str:
        colours = {"HELD": "#1a7f37", "VIOLATED": "#cf222e", "UNDECIDED": "#9a6700"}
        body = html.escape(str(self))
        for word, colour in colours.items():
            body = body.replace(word, f'<b style="color:{colour}">{word}</b>')
        return f"<pre>{body}</pre>"

    def to_json(self) -> str:
        """The check as strict JSON: arrays as nested lists, NaN and infinities as the strings "nan", "inf", "-inf"."""
        leaves = [dataclasses.asdict(leaf) | {"relative": leaf.relative, "ulps": leaf.ulps} for leaf in self.leaves]
        plain = _plain({"finding": self.finding} | dataclasses.asdict(self) | {"leaves": leaves})
        return json.dumps(plain, allow_nan=False)


def _leaf(leaf: LeafCheck, *, several: bool) -> list[str]:
    lines = [f"output{leaf.path if several else ''} {leaf.shape} {leaf.dtype}: {leaf.finding}"]
    if leaf.elements:
        return lines + [f"  {line}" for line in _elements(leaf)]
    if leaf.reason:
        lines.append(f"  {leaf.reason}")
    lines += [f"  {_law(axis)}" for axis in leaf.axes]
    worst, at = leaf.worst, int(leaf.errors.argmax())
    lines.append(f"  largest error {worst.error:.3g} (relative {leaf.relative[at]:.2g}, {leaf.ulps[at]:.3g} ULPs)")
    if worst.error > 0:
        values = f"{_value(worst.found)}, expected {_value(worst.expected)}"
        lines[-1] += f" at shift {_row(worst.shift)}, position {worst.position}: {values}"
    lines.append(f"  tolerance {leaf.tolerance}")
    exceeded = int((leaf.errors > leaf.tolerance.absolute).sum())
    if exceeded:
        lines.append(f"  tolerance exceeded after {exceeded} of {len(leaf.errors)} shifts")
    alone = [f"{axis.along}: {axis.errors.max():.3g}" for axis in leaf.axes if len(axis.errors)]
    if len(leaf.axes) > 1 and alone:
        lines.append(f"  largest error of shifts along one axis alone: {'; '.join(alone)}")
    return lines + [f"  {line}" for line in _not_finite(leaf, "shifts")]


def _elements(leaf: LeafCheck) -> list[str]:
    """One line for each element of an action, violated ones first if there are more than `SHOWN`."""
    numbers = list(range(len(leaf.elements)))
    if len(numbers) > SHOWN:
        numbers.sort(key=lambda number: WORST_FIRST.index(leaf.elements[number].finding))
    reasons = {element.reason for element in leaf.elements}
    lines = [leaf.reason] if len(reasons) == 1 and leaf.reason else []
    for number in numbers[:SHOWN]:
        element, worst = leaf.elements[number], leaf.elements[number].worst
        sizes = f"error {worst.error:.3g} (relative {leaf.relative[number]:.2g}, {leaf.ulps[number]:.3g} ULPs)"
        lines.append(f"{element.name}: {element.finding}, {sizes}")
        if worst.error > 0:
            values = f"{_value(worst.found)}, expected {_value(worst.expected)}"
            lines[-1] += f" at position {worst.position}: {values}"
        if element.reason and len(reasons) > 1:
            lines.append(f"  {element.reason}")
    if len(numbers) > SHOWN:
        lines.append(f"and {len(numbers) - SHOWN} more elements, {leaf.elements[numbers[SHOWN]].finding} at worst")
    return [*lines, f"tolerance {leaf.tolerance}", *_not_finite(leaf, "elements")]


def _not_finite(leaf: LeafCheck, tried: str) -> list[str]:
    """Lines on NaNs and infinities, if there are any."""
    lines: list[str] = []
    if leaf.nans.any():
        lines.append(f"NaN after {int((leaf.nans > 0).sum())} {tried}, in up to {leaf.nans.max()} cells: never equal")
    if leaf.infinities.any():
        lines.append(f"the same infinity on both sides in up to {leaf.infinities.max()} cells: counted as equal")
    return lines


def _law(axis: AxisCheck) -> str:
    law, along = axis.law, axis.along
    if not law.moves:
        return f"shifts along {along} do not move it (from {law.origin})"
    regions = {number: f" on [{lo}, {hi})" for number, lo, hi in law.region}
    moves = " and ".join(f"{t} along output axis {number}{regions.get(number, '')}" for number, t in law.moves)
    return f"shifts by {law.shift} along {along} -> {moves} (from {law.origin})"


def _row(shift: tuple[int, ...]) -> str:
    return str(shift[0]) if len(shift) == 1 else str(shift)


def _value(value: complex) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: object) -> Json:
    """The value as types that JSON has."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(cast(object, value.tolist()))
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, int | float | str | bool | None) else str(value)
