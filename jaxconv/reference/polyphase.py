"""Adaptive polyphase sampling and its deltas: computes all phases of an example and keeps one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np


def polyphase_down(x: np.ndarray, stride: Sequence[int], norm: float = 2) -> tuple[np.ndarray, np.ndarray]:
    """Returns the phase of each example of x [n, *spatial, c] with the largest norm, the first if equal, and its index.

    >>> y, phase = polyphase_down(np.array([1.0, 5.0, 2.0, 6.0]).reshape(1, 4, 1), (2,))
    >>> y.ravel(), phase
    (array([5., 6.]), array([[1]]))
    """
    found, phases = [], []
    for example in np.asarray(x, np.float64):
        all_phases = [*product(*map(range, stride))]
        candidates = [
            example[tuple(slice(p, None, s) for p, s in zip(phase, stride, strict=True))] for phase in all_phases
        ]
        norms = [(np.abs(y) ** norm).sum() for y in candidates]
        best = norms.index(max(norms))
        found.append(candidates[best])
        phases.append(all_phases[best])
    return np.stack(found), np.array(phases)


def polyphase_up(y: np.ndarray, phase: np.ndarray, stride: Sequence[int]) -> np.ndarray:
    """Places the cells of each example at its phase, with zeros between. These are also the deltas of `polyphase_down`.

    >>> polyphase_up(np.array([5.0, 6.0]).reshape(1, 2, 1), np.array([[1]]), (2,)).ravel()
    array([0., 5., 0., 6.])
    """
    n, *lengths, c = y.shape
    x = np.zeros((n, *(length * s for length, s in zip(lengths, stride, strict=True)), c))
    for number, offsets in enumerate(phase):
        x[(number, *(slice(p, None, s) for p, s in zip(offsets, stride, strict=True)))] = y[number]
    return x
