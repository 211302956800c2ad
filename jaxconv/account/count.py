"""Counts from the records of the walk: per example, with each number of each parameter counted once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from jaxconv.account.boxes import Box, remaining, volume
from jaxconv.account.records import LayerRecord, Leaf
from jaxconv.account.report import Layer, Reach, Use, Weight
from jaxconv.jaxprs.source import source_line
from jaxconv.verify.execution.tolerance import is_kind


def count_layers(
    records: Sequence[LayerRecord],
    leaves: Sequence[Leaf],
    reaches: Callable[[LayerRecord], tuple[Reach, ...]],
    examples: Callable[[LayerRecord], int],
) -> tuple[tuple[Layer, ...], tuple[Weight, ...]]:
    """The layers and the parameters. The counts of a layer are divided by its number of `examples`.

    Floating-point arrays are parameters. Integer arrays are (quantised) parameters if a layer contracts them with data;
    otherwise they are indices, counters or keys.
    """
    contracted = {part.leaf for record in records for applied in record.weights for part in applied.parts}
    counted = [is_kind(leaf, np.inexact) or number in contracted for number, leaf in enumerate(leaves)]
    taken: list[list[Box]] = [[] for _ in leaves]
    users: list[dict[int, None]] = [{} for _ in leaves]
    layers = []
    for number, record in enumerate(records):
        uses = []
        for applied, contracted in [*((a, True) for a in record.weights), *((a, False) for a in record.others)]:
            for part in applied.parts:
                if counted[part.leaf]:
                    new = remaining(part.box, taken[part.leaf])
                    taken[part.leaf] += new
                    users[part.leaf][number] = None
                    tied = volume(part.box) - sum(map(volume, new))
                    reuse = applied.reuse(part)
                    reuse_per_example = None if reuse is None else reuse // examples(record)
                    uses.append(Use(leaves[part.leaf].path, volume(part.box), tied, reuse_per_example, contracted))
        layers.append(_layer(record, _name(record, leaves), tuple(uses), reaches(record), examples(record)))
    weights = tuple(
        Weight(leaf.path, leaf.shape, size, tuple(layer_numbers), size - sum(map(volume, boxes)))
        for leaf, layer_numbers, boxes, is_parameter in zip(leaves, users, taken, counted, strict=True)
        if is_parameter
        for size in [math.prod(leaf.shape)]
    )
    return tuple(layers), weights


def _layer(record: LayerRecord, name: str, uses: tuple[Use, ...], reaches: tuple[Reach, ...], examples: int) -> Layer:
    geometry, times = record.geometry, record.location.times
    kernels, others = [use for use in uses if use.contracted], [use for use in uses if not use.contracted]
    connections = (record.inputs // examples) * (math.prod(record.output) // examples) if kernels else 0
    unshared, spread = _unshared(uses), _unshared(others)
    reuses = [use.reuse for use in kernels or others]
    count = geometry.multiply_adds
    return Layer(
        name=name,
        kind=geometry.kind,
        primitive=record.equation.primitive.name,
        source=source_line(record.equation, record.location.stack),
        output=record.output,
        window=geometry.window,
        stride=geometry.stride,
        dilation=geometry.dilation,
        groups=geometry.groups,
        uses=uses,
        parameters=sum(use.numbers - use.tied for use in uses),
        tied=sum(use.tied for use in uses),
        unshared=unshared,
        dense=None if times is None or spread is None else connections * times + spread,
        reuse=max((use for use in reuses if use is not None), default=None) if None not in reuses else None,
        multiply_adds=None if count is None or times is None else count * times // examples,
        times=times,
        condition=record.location.condition,
        reaches=reaches,
    )


def _unshared(uses: Sequence[Use]) -> int | None:
    """Number of weights if nothing is shared: one for each use of a number. None if the number of uses is unknown."""
    counts = [use.numbers * use.reuse for use in uses if use.reuse is not None]
    return sum(counts) if len(counts) == len(uses) else None


def _name(record: LayerRecord, leaves: Sequence[Leaf]) -> str:
    """Name of the container of the layer's first parameter."""
    applications = (*record.weights, *record.others)
    return next((leaves[part.leaf].name for applied in applications for part in applied.parts), "")
