"""The largest difference of two cells that rounding explains. It is the sum of two parts.

- A tolerance: 0.5 if every value is a whole number that the arithmetic represents exactly. Otherwise it is
  `3*sqrt(eps)` times the output's magnitude (1e-3 in float32, 5e-8 in float64), where `eps` is that of the coarsest
  float in the jaxpr.
- A rounding bound: how far the two cells move when every operation is perturbed (`perturbed.py`). It covers
  cancellation, where the rounding error of the terms is as large as their sum. It also covers ties: a floor or a
  comparison at its threshold jumps because of rounding (do these probabilities sum to 1?), which refutes nothing.
"""

from __future__ import annotations

import math

import jax
import numpy as np
from jax.typing import DTypeLike

from jaxconv.jaxprs.typing import ArrayValue


def rounding_distance(shaken: np.ndarray, overflow: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """The rounding bound of each cell: how far the perturbed output is from the exact one; infinity after an overflow.

    `shaken` (perturbed) and `exact` are stacks of outputs, and `overflow` has a flag for each entry of `shaken`.
    """
    flags = np.reshape(overflow, (-1, *[1] * (shaken.ndim - 1)))
    return np.where(flags, np.inf, gap(shaken, exact))


def tolerance(before: np.ndarray, after: np.ndarray, epsilon: float) -> float:
    """The largest difference of two cells that is not a mismatch; infinity for values close to an overflow."""
    both = np.concatenate([before.ravel(), after.ravel()])
    both = both[np.isfinite(both)]
    scale = float(np.abs(both).max(initial=0))
    if scale > 1e15:
        return math.inf
    return 0.5 if 64 * epsilon * scale < 1 and (both == np.rint(both)).all() else 3 * math.sqrt(epsilon) * scale


def gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a - b|: 0 where both are NaN or the same infinity, and infinity where only one of them is."""
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.abs(a - b)
    if np.isfinite(gap).all():
        return gap
    return np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.where(np.isnan(gap), np.inf, gap))


def is_kind(leaf: ArrayValue, kind: DTypeLike) -> bool:
    """Whether the leaf is an array whose dtype is of this kind."""
    return hasattr(leaf, "dtype") and jax.numpy.issubdtype(leaf.dtype, kind)
