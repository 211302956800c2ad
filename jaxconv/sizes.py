"""The largest sizes that can be meant. Whatever exceeds them is refused before anything is built.

A slip, `dilation=2**31` for example, would otherwise run for hours, ask for terabytes or end the process.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxconv.checks import integer
from jaxconv.errors import explain

LARGEST = 2**31 - 1  # XLA counts the cells along an axis in 32-bit integers, and ends the process on a larger padding


def size(where: str, argument: str, value: object, *, least: int = 1, cure: str) -> int:
    """An integer that counts cells, taps, channels or kernels.

    >>> size("conv", "groups", 2, cure="Leave it out for 1")
    2
    """
    return integer(where, argument, value, least=least, most=LARGEST, cure=cure)


@dataclass(frozen=True)
class Bound:
    """An array that settings ask for has at most `cells` cells in a channel, or `times` as many as the input has.

    The first allows small inputs under wide windows, the second inputs that are large themselves.
    """

    cells: int
    times: int

    def check(self, where: str, argument: str, lengths: Sequence[int], given: Sequence[int], cure: str) -> None:
        """Refuse an array of these lengths, made of an input of the lengths given.

        >>> WIDENED.check("conv", "x with its padding", (1028, 1028), (28, 28), "Use less")
        Traceback (most recent call last):
        ValueError: conv: x with its padding is (1028, 1028), but should be of at most 1048576 cells. Use less.
        """
        most = max(self.cells, self.times * math.prod(given))
        if math.prod(lengths) > most:
            raise ValueError(explain(where, argument, tuple(lengths), f"of at most {most} cells", cure))


WIDENED = Bound(2**20, 4)  # padding and adaptive windows: a million cells, or twice an image's height and width
UPSAMPLED = Bound(2**24, 2**10)  # strides between cells: 16 million cells, or a stride of 32 along two axes


def check_weights(where: str, argument: str, shape: Sequence[int], cure: str) -> None:
    """Refuse an array of parameters with more numbers than `LARGEST`."""
    if math.prod(shape) > LARGEST:
        raise ValueError(explain(where, argument, tuple(shape), f"of at most {LARGEST} numbers", cure))
