"""From what the walk found to what is counted: for one example, every number of every parameter once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from jaxconv.account.boxes import Box, remaining, volume
from jaxconv.account.records import Found, Leaf
from jaxconv.account.report import Layer, Reach, Use, Weight
from jaxconv.jaxprs.source import source_line
from jaxconv.verify.execution.tolerance import is_kind


def tally(
    found: Sequence[Found],
    leaves: Sequence[Leaf],
    reaches: Callable[[Found], tuple[Reach, ...]],
    examples: Callable[[Found], int],
) -> tuple[tuple[Layer, ...], tuple[Weight, ...]]:
    """The layers and the parameters. `examples` says how many of them a layer's counts are to be divided by.

    Floating-point arrays are parameters; integers are (quantised ones) if some layer contracts them with data, and
    otherwise indices, counters or keys.
    """
    contracted = {part.leaf for one in found for met in one.weights for part in met.parts}
    counted = [is_kind(leaf, np.inexact) or number in contracted for number, leaf in enumerate(leaves)]
    taken: list[list[Box]] = [[] for _ in leaves]
    users: list[dict[int, None]] = [{} for _ in leaves]
    layers = []
    for number, one in enumerate(found):
        uses = []
        for met, contracted in [*((met, True) for met in one.weights), *((met, False) for met in one.others)]:
            for part in met.parts:
                if counted[part.leaf]:
                    left = remaining(part.box, taken[part.leaf])
                    taken[part.leaf] += left
                    users[part.leaf][number] = None
                    tied = volume(part.box) - sum(map(volume, left))
                    reuse = met.reuse(part)
                    each = None if reuse is None else reuse // examples(one)
                    uses.append(Use(leaves[part.leaf].path, volume(part.box), tied, each, contracted))
        layers.append(_layer(one, _name(one, leaves), tuple(uses), reaches(one), examples(one)))
    weights = tuple(
        Weight(leaf.path, leaf.shape, size, tuple(its_users), size - sum(map(volume, boxes)))
        for leaf, its_users, boxes, its in zip(leaves, users, taken, counted, strict=True)
        if its
        for size in [math.prod(leaf.shape)]
    )
    return tuple(layers), weights


def _layer(one: Found, name: str, uses: tuple[Use, ...], reaches: tuple[Reach, ...], examples: int) -> Layer:
    geometry, times = one.geometry, one.where.times
    kernels, others = [use for use in uses if use.contracted], [use for use in uses if not use.contracted]
    connections = (one.inputs // examples) * (math.prod(one.output) // examples) if kernels else 0
    unshared, spread = _unshared(uses), _unshared(others)
    reuses = [use.reuse for use in kernels or others]
    count = geometry.multiply_adds
    return Layer(
        name=name,
        kind=geometry.kind,
        primitive=one.equation.primitive.name,
        source=source_line(one.equation, one.where.stack),
        output=one.output,
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
        condition=one.where.condition,
        reaches=reaches,
    )


def _unshared(uses: Sequence[Use]) -> int | None:
    """A number for each use of a number: what is needed if nothing is shared. None if that is not known."""
    counts = [use.numbers * use.reuse for use in uses if use.reuse is not None]
    return sum(counts) if len(counts) == len(uses) else None


def _name(one: Found, leaves: Sequence[Leaf]) -> str:
    """What a layer's first parameters are a part of."""
    return next((leaves[part.leaf].name for met in (*one.weights, *one.others) for part in met.parts), "")
