"""A dense convolution of many examples, a few at a time.

For the kernel's delta XLA lays x and y out anew, examples innermost, and copies every window. Where that is larger than
the processor's caches, it takes longer than the products; so x and y are laid out, multiplied and added up portion by
portion.
"""

from __future__ import annotations

from jax import lax
from jaxtyping import Array

from jaxconv.lowering.form import FACES, Face, Form
from jaxconv.lowering.ways.canonical import CANONICAL
from jaxconv.lowering.ways.way import Compute, Way, zeros_like

LEAST = 8  # examples in a portion: as they are innermost, as many numbers are multiplied at a time
FEW_CHANNELS = 8  # of x: windows are small then, and so are the portions that caches hold
MOST = 2**22  # numbers of x and y in a portion: of larger images there may be fewer than 8


def _run(face: Face, form: Form, one: Array, other: Array, smaller: Compute) -> Array:
    n, (c, o) = one.shape[0], form.channels(face, one.shape, other.shape)
    few = few_of(n, form.cells * c + form.positions * o, 2**16 if c <= FEW_CHANNELS else 2**19)
    if few == n:
        return CANONICAL.run(face, form, one, other, smaller)
    portions = lambda a: a.reshape(n // few, few, *a.shape[1:])
    if face != "conv_dkernel":  # of x or y and the kernel
        found = lax.map(lambda part: CANONICAL.run(face, form, part, other, smaller), portions(one))
        return found.reshape(n, *found.shape[2:])
    nothing = zeros_like(one, form.shape_of(FACES[face][2], one.shape, other.shape))
    add = lambda total, parts: (total + CANONICAL.run(face, form, parts[0], parts[1], smaller), None)
    return lax.scan(add, nothing, (portions(one), portions(other)))[0]


def few_of(n: int, size: int, enough: int) -> int:
    """How many of n examples are a portion: a divisor of n, or all where n is not known yet.

    Args:
        n: examples.
        size: numbers of x and y of one example.
        enough: numbers in a portion that are worth a turn of the loop.

    >>> few_of(128, 2**14, 2**16), few_of(128, 2**14, 2**19), few_of(128, 2**20, 2**19), few_of(31, 2**14, 2**16)
    (8, 32, 4, 31)
    """
    if not isinstance(n, int):
        return n
    divisors = [count for count in range(1, n + 1) if n % count == 0]
    if LEAST * size > MOST:
        return max(count for count in divisors if count == 1 or count * size <= MOST)
    return min(count for count in divisors if count == n or (count >= LEAST and count * size >= enough))


PORTIONS = Way(lambda form, c, o: form.groups == 1, _run)
