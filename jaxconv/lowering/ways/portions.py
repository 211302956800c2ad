"""A dense convolution of many examples, a few at a time.

For the kernel's delta XLA lays x and y out anew, examples innermost. Where they are far larger than the processor's
caches, that takes longer than the products; so they are laid out, multiplied and added up portion by portion.
"""

from __future__ import annotations

import math

from jax import lax
from jaxtyping import Array

from jaxconv.lowering.form import FACES, Face, Form
from jaxconv.lowering.ways.canonical import CANONICAL
from jaxconv.lowering.ways.way import Compute, Way, zeros_like

PORTION = 2**19  # numbers of x or of y, whichever has more, about


def _run(face: Face, form: Form, one: Array, other: Array, smaller: Compute) -> Array:
    n, channels = one.shape[0], max(form.channels(face, one.shape, other.shape))
    few = few_of(n, math.prod(axis.length for axis in form.axes) * channels)
    if few == n:
        return CANONICAL.run(face, form, one, other, smaller)
    portions = lambda a: a.reshape(n // few, few, *a.shape[1:])
    if face != "conv_dkernel":  # of x or y and the kernel
        found = lax.map(lambda part: CANONICAL.run(face, form, part, other, smaller), portions(one))
        return found.reshape(n, *found.shape[2:])
    nothing = zeros_like(one, form.shape_of(FACES[face][2], one.shape, other.shape))
    add = lambda total, parts: (total + CANONICAL.run(face, form, parts[0], parts[1], smaller), None)
    return lax.scan(add, nothing, (portions(one), portions(other)))[0]


def few_of(n: int, size: int) -> int:
    """How many of n examples of so many numbers: a divisor of n, or all where none is near, or n is not known yet.

    >>> few_of(32, 2**16), few_of(31, 2**16), few_of(31, 2**18)
    (8, 31, 1)
    """
    if not isinstance(n, int):
        return n
    few = max(count for count in range(1, n + 1) if n % count == 0 and (count == 1 or count * size <= PORTION))
    return few if 4 * few * size >= PORTION else n


PORTIONS = Way(lambda form, c, o: form.groups == 1, _run)
