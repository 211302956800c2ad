"""The summary as text, as HTML for notebooks and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

from jaxconv.account.geometry import described
from jaxconv.verify import report


def text(summary: Any) -> str:
    """A table with a row for each layer and a row of totals, followed by notes."""
    title = ["", "layer", "name", "output", "parameters", "unshared", "dense", "reuse", "multiply-adds"]
    shifted = bool(summary.shifted)
    rows = [title + ["stride", "field"] * shifted + ["line"]]
    rows += [_row(number, layer, shifted) for number, layer in enumerate(summary.layers)]
    totals = [summary.parameters - summary.idle, summary.unshared, summary.dense]
    total = ["", "total", "", "", *map(_count, totals), "", _count(summary.multiply_adds)]
    rows.append(total + ["", ""] * shifted + [""])
    return "\n".join([*_head(summary), *_columns(rows), *_notes(summary)])


def _head(summary: Any) -> list[str]:
    each = f"each of {summary.examples} examples" if summary.examples > 1 else "one call"
    lines = [
        f"{summary.function}: {summary.parameters:,} parameters, {summary.multiply_adds:,} multiply-adds for {each}"
    ]
    if summary.shifted:
        lines.append(f"  stride and receptive field along {', '.join(summary.shifted)}")
    return lines


def _row(number: int, layer: Any, shifted: bool) -> list[str]:
    kind = described(layer.kind, layer.window, layer.stride, layer.dilation, layer.groups)
    times = "" if layer.times == 1 else f" x{'?' if layer.times is None else layer.times}"
    parameters = f"{layer.parameters:,}" + (f" ({layer.tied:,})" if layer.tied else "")
    reuse = _count(layer.reuse) if layer.uses else "-"
    row = [str(number), kind + times, layer.name, "x".join(map(str, layer.output)), parameters]
    row += [_count(layer.unshared), _count(layer.dense), reuse, _count(layer.multiply_adds)]
    if shifted:
        strides = [reach.stride for reach in layer.reaches]
        fields = [field and field.size for field in (reach.receptive_field for reach in layer.reaches)]
        row += [_along(strides), _along(fields)]
    return [*row, layer.source]


def _along(sizes: Sequence[Any]) -> str:
    """The sizes along each axis, as "2x2"."""
    return "-" if set(sizes) == {None} else "x".join("-" if size is None else str(size) for size in sizes)


def _count(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines: text left-aligned, numbers right-aligned. Empty columns are left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    titles = [column[0] for column in columns]
    left = {"", "layer", "name", "output", "line"}
    widths = [max(map(len, column)) for column in columns]
    align: Callable[[str, int, str], str] = lambda cell, width, title: (
        cell.ljust(width) if title in left else cell.rjust(width)
    )
    lines = zip(*columns, strict=True)
    return ["  ".join(map(align, line, widths, titles)).rstrip() for line in lines]


def _notes(summary: Any) -> list[str]:
    """Notes: parameters that are tied or idle, multiply-adds and receptive fields that are unknown, constants."""
    notes = []
    if any(layer.tied for layer in summary.layers):
        notes.append("(n): n of the parameters were counted in a layer above")
    tied = [weight for weight in summary.weights if len(weight.layers) > 1]
    notes += [f"{weight.path} is used in layers {', '.join(map(str, weight.layers))}" for weight in tied]
    notes += _uncounted(summary)
    notes += _ends(summary)
    idle = [weight for weight in summary.weights if weight.idle]
    notes += [f"{weight.idle:,} of the {weight.numbers:,} numbers of {weight.path} are not used" for weight in idle]
    if summary.constants:
        notes.append(f"{summary.constants:,} floating-point numbers are constants, not parameters")
    if summary.whole_call:
        notes.append(f"counts are for the whole call, not for one example: {summary.whole_call}")
    return notes


def _uncounted(summary: Any) -> list[str]:
    """The layers whose multiply-adds are not in the total, and the reasons."""
    reasons: dict[str, list[str]] = {}
    for number, layer in enumerate(summary.layers):
        if layer.condition:
            reasons.setdefault(f"may not run: {layer.condition}", []).append(str(number))
        if layer.times is None:
            reasons.setdefault("in a while loop, whose number of rounds is unknown", []).append(str(number))
        elif layer.multiply_adds is None:
            reasons.setdefault(f"the multiply-adds of {layer.primitive} are unknown", []).append(str(number))
    return [
        f"multiply-adds not in the total, layer {', '.join(numbers)}: {reason}" for reason, numbers in reasons.items()
    ]


def _ends(summary: Any) -> list[str]:
    """For each axis the first layer without a stride or a receptive field, and the reason."""
    notes: dict[str, list[str]] = {}
    for axis, name in enumerate(summary.shifted):
        for number, layer in enumerate(summary.layers):
            if layer.reaches[axis].reason:
                notes.setdefault(f"layer {number}: {layer.reaches[axis].reason}", []).append(name)
                break
    return [f"-: first along {' and '.join(axes)} at {reason}" for reason, axes in notes.items()]


def as_html(text: str) -> str:
    """The table for notebooks."""
    return report.as_html(text)


def as_json(summary: Any, totals: Sequence[str]) -> str:
    """All fields of a summary, and its totals. Fractions are written as "3/2"."""
    return json.dumps(dataclasses.asdict(summary) | {name: getattr(summary, name) for name in totals}, default=str)
