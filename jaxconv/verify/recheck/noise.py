"""The rounding error of a result: its change when its operands change by units in the last place.

A sum of large terms may be small, but has the rounding error of its terms. So the size of a result does not bound its
error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs.typing import Array, eps_of
from jaxconv.verify.recheck.named_cells import is_key, mixed, plain

TIMES = 4  # changes to try: a single one may cancel out by chance


def noise(run: Callable[[list[Array]], Sequence[Array]], operands: Sequence[Array], number: int) -> float:
    """Return the largest change of a finite cell of one result if all operands change by units in the last place.

    >>> terms = np.float32([1e6, 1, -1e6])
    >>> noise(lambda operands: [operands[0]], [terms], 0) < 1e6 * 4 * 2**-23
    True
    >>> 0 < noise(lambda operands: [operands[0].sum()], [terms], 0) < 1e6 * 4 * 2**-23
    True
    """
    before = plain(run(list(operands))[number])
    if not jnp.issubdtype(before.dtype, jnp.inexact):
        return 0.0
    largest = 0.0
    with np.errstate(all="ignore"):
        for turn in range(TIMES):
            after = plain(run([_changed(array, turn, place) for place, array in enumerate(operands)])[number])
            change = np.abs(_wide(after) - _wide(before))
            largest = max(largest, float(change[np.isfinite(change)].max(initial=0)))
    return largest


def _changed(array: Array, turn: int, place: int) -> Array:
    """Return an array of floats with each cell changed by -1, 0 or 1 units in the last place."""
    if is_key(array) or not jnp.issubdtype(array.dtype, jnp.inexact):
        return array
    steps = mixed(turn, place, np.arange(array.size)).reshape(array.shape) % np.uint64(3)
    factor = 1 + (steps.astype(np.float64) - 1) * eps_of(array.dtype)
    return (_wide(plain(array)) * factor).astype(array.dtype)


def _wide(array: np.ndarray) -> np.ndarray:
    return array.astype(np.complex128 if jnp.issubdtype(array.dtype, jnp.complexfloating) else np.float64)
