"""The number of parameters of a layer with a shared kernel, with an unshared kernel, and with full connections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from jaxconv.errors import explain, public
from jaxconv.window import Axis


class Sharing(NamedTuple):
    """A count for the shared, the unshared and the dense layer. `plus` adds counts field by field."""

    shared: int
    unshared: int
    dense: int

    def plus(self, other: Sharing) -> Sharing:
        """The sums of the counts."""
        return Sharing(*(lhs + rhs for lhs, rhs in zip(self, other, strict=True)))


@public
def window_weights(
    axes: Sequence[Axis], channels_in: int, channels_out: int, groups: int = 1, *, kernels: Sequence[int] = ()
) -> Sharing:
    """The number of weights, without biases, of a layer whose window slides along `axes`.

        shared    F*F * c/groups * o                    one kernel for all positions
        unshared  F*F * c/groups * o  for each output position
        dense     W*H * c  for each output position and channel

    A partly shared layer has several `kernels` along each axis, one for each phase of a period or for each region. Then
    "shared" counts all of them. It lies between one kernel's count and "unshared" if each kernel is used somewhere.

    In the seeds' example, a 2x2 kernel over a 3x3 image, the counts are 4, 16 and 36. Two kernels that alternate along
    each axis of a larger image have 16 weights, of 144 unshared:

    >>> from jaxconv.window import slide
    >>> window_weights(slide((3, 3), (2, 2)), 1, 1)
    Sharing(shared=4, unshared=16, dense=36)
    >>> window_weights(slide((7, 7), (2, 2)), 1, 1, kernels=(2, 2))
    Sharing(shared=16, unshared=144, dense=1764)
    """
    if channels_in % groups or channels_out % groups:
        expected = f"a divisor of both channels_in = {channels_in} and channels_out = {channels_out}"
        raise ValueError(explain("groups", groups, expected, "Use groups=1 for one group"))
    kernel = math.prod(axis.taps for axis in axes) * channels_in // groups * channels_out
    positions = math.prod(axis.out for axis in axes)
    cells = math.prod(axis.length for axis in axes)
    return Sharing(kernel * math.prod(kernels), kernel * positions, cells * channels_in * positions * channels_out)


def window_biases(axes: Sequence[Axis], channels_out: int, *, kernels: Sequence[int] = ()) -> Sharing:
    """The number of biases of the same layer: one for each output channel and kernel, or one for each output.

    >>> from jaxconv.window import slide
    >>> window_biases(slide((32, 32), (5, 5)), 6)
    Sharing(shared=6, unshared=4704, dense=4704)
    """
    outputs = math.prod(axis.out for axis in axes) * channels_out
    return Sharing(channels_out * math.prod(kernels), outputs, outputs)


def dense_parameters(features_in: int, features_out: int) -> Sharing:
    """The number of weights and biases of a dense layer. It shares nothing, so the three counts are equal.

    >>> dense_parameters(120, 84)
    Sharing(shared=10164, unshared=10164, dense=10164)
    """
    return Sharing(*[(features_in + 1) * features_out] * 3)


def table(rows: Sequence[tuple[str, str, Sharing]]) -> str:
    """A text table of (layer, output shape, counts) with a row of totals.

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
