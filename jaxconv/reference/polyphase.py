"""Adaptive polyphase sampling and its deltas by hand: all phases of an example are written out, and one is kept."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np


def polyphase_down(x: np.ndarray, stride: Sequence[int], norm: float = 2) -> tuple[np.ndarray, np.ndarray]:
    """Of each example of x [n, *spatial, c] the phase with the largest norm, the first of equals; and which.

    >>> y, phase = polyphase_down(np.array([1.0, 5.0, 2.0, 6.0]).reshape(1, 4, 1), (2,))
    >>> y.ravel(), phase
    (array([5., 6.]), array([[1]]))
    """
    found, phases = [], []
    for example in np.asarray(x, np.float64):
        every = [*product(*map(range, stride))]
        kept = [example[tuple(slice(p, None, s) for p, s in zip(phase, stride, strict=True))] for phase in every]
        norms = [(np.abs(y) ** norm).sum() for y in kept]
        best = norms.index(max(norms))
        found.append(kept[best])
        phases.append(every[best])
    return np.stack(found), np.array(phases)


def polyphase_up(y: np.ndarray, phase: np.ndarray, stride: Sequence[int]) -> np.ndarray:
    """The cells of each example at its phase, with zeros between; these are also the deltas of `polyphase_down`.

    >>> polyphase_up(np.array([5.0, 6.0]).reshape(1, 2, 1), np.array([[1]]), (2,)).ravel()
    array([0., 5., 0., 6.])
    """
    n, *lengths, c = y.shape
    x = np.zeros((n, *(length * s for length, s in zip(lengths, stride, strict=True)), c))
    for number, begins in enumerate(phase):
        x[(number, *(slice(p, None, s) for p, s in zip(begins, stride, strict=True)))] = y[number]
    return x
