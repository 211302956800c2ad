"""Reference layers without a window, compared with finite differences and closed forms."""

import numpy as np
import pytest

from jaxconv import reference

GENERATOR = np.random.default_rng(0)


def test_dense_deltas_are_the_adjoint_of_dense():
    kernel, x, dy = (GENERATOR.integers(-4, 5, shape).astype(float) for shape in ((3, 2), (5, 3), (5, 2)))
    deltas = reference.dense_deltas(kernel, x, dy)
    product = (reference.dense(kernel, 0.0, x) * dy).sum()
    assert (deltas.kernel * kernel).sum() == product
    assert (deltas.x * x).sum() == product
    assert deltas.bias.tolist() == dy.sum(axis=0).tolist()


@pytest.mark.parametrize(
    ("f", "deltas"),
    [(reference.relu, reference.relu_deltas), (reference.scaled_tanh, reference.scaled_tanh_deltas)],
    ids=["relu", "scaled_tanh"],
)
def test_activation_deltas_are_slopes(f, deltas):
    x, step = GENERATOR.normal(size=50), 1e-6
    slopes = (f(x + step) - f(x - step)) / (2 * step)
    np.testing.assert_allclose(deltas(x, np.full(50, 3.0)), 3.0 * slopes, rtol=1e-8, atol=1e-8)


def test_scaled_tanh_maps_one_to_one():
    np.testing.assert_allclose(reference.scaled_tanh(np.array([-1.0, 0.0, 1.0])), [-1.0, 0.0, 1.0], atol=1e-5)


def test_cross_entropy_of_a_certain_guess_and_of_none():
    assert reference.cross_entropy(np.zeros((3, 10)), np.array([0, 5, 9])) == pytest.approx(np.log(10), rel=1e-15)
    certain = np.array([[1000.0, 0.0], [0.0, 1000.0]])
    assert reference.cross_entropy(certain, np.array([0, 1])) == 0.0
    assert reference.cross_entropy(certain, np.array([1, 0])) == 1000.0


def test_cross_entropy_deltas_are_slopes():
    logits, labels, step = GENERATOR.normal(size=(4, 3)), np.array([2, 0, 1, 1]), 1e-6
    slopes = np.zeros(logits.shape)
    for index in np.ndindex(logits.shape):
        up, down = logits.copy(), logits.copy()
        up[index] += step
        down[index] -= step
        slopes[index] = (reference.cross_entropy(up, labels) - reference.cross_entropy(down, labels)) / (2 * step)
    np.testing.assert_allclose(reference.cross_entropy_deltas(logits, labels), slopes, atol=1e-9)
