"""Upper limits for sizes. Larger sizes are refused before an array is built.

A typing error such as `dilation=2**31` would otherwise run for hours, allocate terabytes or end the process.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxconv.checks import integer
from jaxconv.errors import explain

LARGEST = 2**31 - 1  # XLA indexes an axis with 32-bit integers, and a larger padding ends the process


def size(argument: str, value: object, *, least: int = 1, cure: str) -> int:
    """Returns an integer that counts cells, taps, channels or kernels: at least `least`, at most `LARGEST`.

    >>> size("groups", 2, cure="Leave it out for 1")
    2
    """
    return integer(argument, value, least=least, most=LARGEST, cure=cure)


@dataclass(frozen=True)
class Bound:
    """The size limit of an array that settings request: `cells` per channel, or `times` the size of the input.

    The larger of the two applies. The first allows small inputs under wide windows, the second allows large inputs.
    """

    cells: int
    times: int

    def check(self, argument: str, lengths: Sequence[int], given: Sequence[int], cure: str) -> None:
        """Refuses an array of shape `lengths` that is computed from an input of shape `given`.

        >>> WIDENED.check("x with its padding", (1028, 1028), (28, 28), "Use less")
        Traceback (most recent call last):
        ValueError: jaxconv: x with its padding is (1028, 1028), but should be of at most 1048576 cells. Use less.
        """
        most = max(self.cells, self.times * math.prod(given))
        if math.prod(lengths) > most:
            raise ValueError(explain(argument, tuple(lengths), f"of at most {most} cells", cure))


WIDENED = Bound(2**20, 4)  # padding and adaptive windows: 2**20 cells, or twice an image's height and width
UPSAMPLED = Bound(2**24, 2**10)  # strides of upsampling: 2**24 cells, or a stride of 32 along two axes


def check_weights(argument: str, shape: Sequence[int], cure: str) -> None:
    """Refuses an array of parameters with more than `LARGEST` elements."""
    if math.prod(shape) > LARGEST:
        raise ValueError(explain(argument, tuple(shape), f"of at most {LARGEST} numbers", cure))
