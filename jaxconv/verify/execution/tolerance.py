"""What rounding can explain: a mismatch counts where it is larger than that.

- half a unit where every value is a whole number that the arithmetic holds exactly, else `3*sqrt(eps)` of the output's
  magnitude (1e-3 in float32, 5e-8 in float64), `eps` being that of the coarsest float in the jaxpr;
- on top of that, however far the two cells move when every operation rounds more coarsely, this way and that
  (`shaking.py`). It silences cancellation, where the rounding of terms is as large as what is left of them. It silences
  ties: a floor or a comparison on its very edge answers rounding with a jump (do these probabilities reach 1?), and
  such a jump refutes nothing.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np


def doubt(shaken: np.ndarray, overflow: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """How far each cell moved when everything rounded more coarsely; as far as can be where something overflowed.

    `shaken` and `exact` are stacks of outputs, and `overflow` has a flag for each of `shaken`.
    """
    flags = np.reshape(overflow, (-1, *[1] * (shaken.ndim - 1)))
    return np.where(flags, np.inf, gap(shaken, exact))


def tolerance(before: np.ndarray, after: np.ndarray, epsilon: float) -> float:
    """The mismatch beyond which a cell counts; none does where an overflow is near."""
    both = np.concatenate([before.ravel(), after.ravel()])
    both = both[np.isfinite(both)]
    scale = float(np.abs(both).max(initial=0))
    if scale > 1e15:
        return math.inf
    return 0.5 if 64 * epsilon * scale < 1 and (both == np.rint(both)).all() else 3 * math.sqrt(epsilon) * scale


def gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a - b|; 0 where both are NaN, or the same infinity; infinite where only one of them is."""
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.abs(a - b)
    if np.isfinite(gap).all():
        return gap
    return np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.where(np.isnan(gap), np.inf, gap))


def is_kind(leaf: Any, kind: Any) -> bool:
    """Whether the leaf is an array of that kind of numbers."""
    return hasattr(leaf, "dtype") and jax.numpy.issubdtype(leaf.dtype, kind)
