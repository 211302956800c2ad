"""The layers without a window, by hand: dense, activations, and the loss at the end."""

from __future__ import annotations

import numpy as np

from jaxconv.reference.conv import Deltas


def dense(kernel: np.ndarray, bias: np.ndarray | float, x: np.ndarray) -> np.ndarray:
    """A matrix product: kernel [i, o] on x [n, i] gives y [n, o]."""
    return np.asarray(x, np.float64) @ kernel + bias


def dense_deltas(kernel: np.ndarray, x: np.ndarray, dy: np.ndarray) -> Deltas:
    """A weight's delta is its input times its output's delta, summed over the examples only: nothing is shared.

    >>> deltas = dense_deltas(np.array([[2.0], [3.0]]), np.array([[5.0, 7.0]]), np.array([[10.0]]))
    >>> [delta.ravel().tolist() for delta in deltas]
    [[50.0, 70.0], [10.0], [20.0, 30.0]]
    """
    dy = np.asarray(dy, np.float64)
    return Deltas(x.T @ dy, dy.sum(axis=0), dy @ kernel.T)


def relu(x: np.ndarray) -> np.ndarray:
    """The larger of x and 0."""
    return np.maximum(x, 0.0)


def relu_deltas(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Deltas pass where x was positive."""
    return np.where(x > 0, dy, 0.0)


AMPLITUDE, SLOPE = 1.7159, 2 / 3


def scaled_tanh(x: np.ndarray) -> np.ndarray:
    """LeCun's squashing function, 1.7159 tanh(2x/3): it maps 1 to 1 and -1 to -1."""
    return AMPLITUDE * np.tanh(SLOPE * x)


def scaled_tanh_deltas(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Deltas times the slope at x."""
    return dy * AMPLITUDE * SLOPE * (1 - np.tanh(SLOPE * x) ** 2)


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean over the examples of minus the log of the probability (soft-max) given to the right label."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def cross_entropy_deltas(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What was predicted minus what was right, over the number of examples."""
    predicted = np.exp(logits - logits.max(axis=1, keepdims=True))
    predicted /= predicted.sum(axis=1, keepdims=True)
    predicted[np.arange(len(labels)), labels] -= 1.0
    return predicted / len(labels)
