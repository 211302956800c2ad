"""Layers without a window: dense, activations, and the loss."""

from __future__ import annotations

import numpy as np

from jaxconv.reference.conv import Deltas


def dense(kernel: np.ndarray, bias: np.ndarray | float, x: np.ndarray) -> np.ndarray:
    """Multiplies x [n, i] by the kernel [i, o] and adds the bias: y [n, o]."""
    return np.asarray(x, np.float64) @ kernel + bias


def dense_deltas(kernel: np.ndarray, x: np.ndarray, dy: np.ndarray) -> Deltas:
    """Returns the deltas: a weight's delta is its input times its output's delta, summed over the examples only.

    >>> deltas = dense_deltas(np.array([[2.0], [3.0]]), np.array([[5.0, 7.0]]), np.array([[10.0]]))
    >>> [delta.ravel().tolist() for delta in deltas]
    [[50.0, 70.0], [10.0], [20.0, 30.0]]
    """
    dy = np.asarray(dy, np.float64)
    return Deltas(x.T @ dy, dy.sum(axis=0), dy @ kernel.T)


def relu(x: np.ndarray) -> np.ndarray:
    """Returns max(x, 0)."""
    return np.maximum(x, 0.0)


def relu_deltas(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Passes the deltas where x is positive."""
    return np.where(x > 0, dy, 0.0)


AMPLITUDE, SLOPE = 1.7159, 2 / 3


def scaled_tanh(x: np.ndarray) -> np.ndarray:
    """LeCun's squashing function, 1.7159 tanh(2x/3), which maps 1 to 1 and -1 to -1."""
    return AMPLITUDE * np.tanh(SLOPE * x)


def scaled_tanh_deltas(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Multiplies the deltas by the derivative at x."""
    return dy * AMPLITUDE * SLOPE * (1 - np.tanh(SLOPE * x) ** 2)


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean over the examples of the negative log softmax probability of the correct label."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def cross_entropy_deltas(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns (softmax probabilities - one-hot labels) / number of examples."""
    predicted = np.exp(logits - logits.max(axis=1, keepdims=True))
    predicted /= predicted.sum(axis=1, keepdims=True)
    predicted[np.arange(len(labels)), labels] -= 1.0
    return predicted / len(labels)
