"""`Outcome`: the outputs of an input and of its shifts, and by how much their cells may differ because of rounding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from jaxconv.verify.execution.tolerance import gap, tolerance

Index: TypeAlias = tuple[int | slice | np.ndarray, ...]  # an index of a NumPy array


@dataclass(frozen=True)
class Outcome:
    """f(x), f(y) for each shift [shifts, ...], and a tolerance for each of their cells."""

    before: np.ndarray
    after: np.ndarray
    before_tolerance: np.ndarray
    after_tolerance: np.ndarray

    def row(self, number: int) -> Outcome:
        """The outcome of one shift; f(y) then has no axis for the shifts."""
        return Outcome(self.before, self.after[number], self.before_tolerance, self.after_tolerance[number])

    def widened(self, bounds: np.ndarray) -> Outcome:
        """The outcome with rounding bounds added to the tolerances: those of f(x), then those of f(y)."""
        before, after = bounds[0], bounds[1:].reshape(self.after.shape)
        return replace(
            self, before_tolerance=self.before_tolerance + before, after_tolerance=self.after_tolerance + after
        )

    def differ(self, j: Index, p: Index) -> np.ndarray:
        """Whether f(y)[p] and f(x)[j] differ by more than their tolerances. j and p are NumPy indices."""
        return gap(self.after[p], self.before[j]) > self.after_tolerance[p] + self.before_tolerance[j]


def outcome(outputs: np.ndarray, unknown: np.ndarray, epsilon: float) -> Outcome:
    """The outcome of rows of outputs, f(x) first, without the rounding bounds.

    `unknown` says which rows are unknown: see `Program.execute`. `epsilon` is that of the coarsest float dtype.
    """
    before, after = outputs[0], outputs[1:]
    allowed = np.array([tolerance(before, y, epsilon) for y in after])
    allowed = np.where(unknown[1:], np.inf, allowed).reshape(-1, *[1] * before.ndim)
    unknown_before = np.full(before.shape, np.inf if unknown[0] else 0.0)
    return Outcome(before, after, unknown_before, np.broadcast_to(allowed, after.shape))
