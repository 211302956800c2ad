"""How many parameters a layer needs if its kernel is shared, if it is not, and if every connection is a weight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from jaxconv.errors import explain
from jaxconv.window import Axis


class Sharing(NamedTuple):
    """One count under three rules, from the most to the least shared. They add up field by field."""

    shared: int
    unshared: int
    dense: int

    def plus(self, other: Sharing) -> Sharing:
        """The counts of both together."""
        return Sharing(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def window_weights(
    axes: Sequence[Axis], channels_in: int, channels_out: int, groups: int = 1, *, kernels: Sequence[int] = ()
) -> Sharing:
    """Weights of a layer whose window slides along `axes`, biases not counted.

        shared    F*F * c/groups * o                    one kernel, whatever the size of the image
        unshared  F*F * c/groups * o  for each output position
        dense     W*H * c  for each output position and channel

    Of partly shared weights there are more than one `kernels` along each axis: a period's, or one for each region. Then
    "shared" counts all of them. It is between one kernel and "unshared" as long as each of them stands somewhere.

    The seeds' example, a 2x2 kernel over a 3x3 image, needs 4, 16 and 36; two kernels in turn along each axis of a
    larger one 16 of 144:

    >>> from jaxconv.window import slide
    >>> window_weights(slide("conv", (3, 3), (2, 2)), 1, 1)
    Sharing(shared=4, unshared=16, dense=36)
    >>> window_weights(slide("conv", (7, 7), (2, 2)), 1, 1, kernels=(2, 2))
    Sharing(shared=16, unshared=144, dense=1764)
    """
    if channels_in % groups or channels_out % groups:
        expected = f"a divisor of both channels_in = {channels_in} and channels_out = {channels_out}"
        raise ValueError(explain("window_weights", "groups", groups, expected, "Use groups=1 for one group"))
    kernel = math.prod(axis.taps for axis in axes) * channels_in // groups * channels_out
    positions = math.prod(axis.out for axis in axes)
    cells = math.prod(axis.length for axis in axes)
    return Sharing(kernel * math.prod(kernels), kernel * positions, cells * channels_in * positions * channels_out)


def window_biases(axes: Sequence[Axis], channels_out: int, *, kernels: Sequence[int] = ()) -> Sharing:
    """Biases of the same layer: one for each output channel (and kernel, if there are several), or one for each output.

    >>> from jaxconv.window import slide
    >>> window_biases(slide("conv", (32, 32), (5, 5)), 6)
    Sharing(shared=6, unshared=4704, dense=4704)
    """
    outputs = math.prod(axis.out for axis in axes) * channels_out
    return Sharing(channels_out * math.prod(kernels), outputs, outputs)


def dense_parameters(features_in: int, features_out: int) -> Sharing:
    """Weights and biases of a dense layer: there is nothing to share, so the three counts are one.

    >>> dense_parameters(120, 84)
    Sharing(shared=10164, unshared=10164, dense=10164)
    """
    return Sharing(*[(features_in + 1) * features_out] * 3)


def table(rows: Sequence[tuple[str, str, Sharing]]) -> str:
    """A table of (layer, output shape, counts) with a line of totals, as text.

    >>> print(table([("C1", "28x28x6", Sharing(156, 122304, 4821600)), ("F6", "84", dense_parameters(120, 84))]))
    layer  output   shared  unshared      dense
    C1     28x28x6     156   122,304  4,821,600
    F6     84       10,164    10,164     10,164
    total           10,320   132,468  4,831,764
    """
    total = Sharing(0, 0, 0)
    for _, _, counts in rows:
        total = total.plus(counts)
    lines = [
        ("layer", "output", *Sharing._fields),
        *((name, shape, *(f"{count:,}" for count in counts)) for name, shape, counts in [*rows, ("total", "", total)]),
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
