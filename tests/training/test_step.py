"""The training step, accuracy and shifted images."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.numpy_evaluation import evaluated

from jaxconv.training.lenet import init_lenet, lenet
from jaxconv.training.step import accuracy, accuracy_when_shifted, cross_entropy, make_step, shifted

IMAGES = np.random.default_rng(0).random((8, 32, 32, 1)).astype(np.float32)
LABELS = np.arange(8, dtype=np.int32)


@cache
def init(seed):
    return jax.tree.map(np.asarray, jax.jit(init_lenet)(jax.random.key(seed)))


def run(seed, optimiser, step, steps=5):
    params = init(seed)
    opt_state, losses = jax.jit(optimiser.init)(params), []
    for _ in range(steps):
        params, opt_state, loss = step(params, opt_state, IMAGES, LABELS)
        losses.append(float(loss))
    return params, losses


def test_plain_gradient_descent_is_the_rule_by_hand():
    """One step of `optax.sgd` subtracts the rate times the gradient from each parameter."""
    before = init(0)
    optimiser = optax.sgd(0.1)
    after, _ = run(0, optimiser, make_step(lenet, optimiser), steps=1)
    gradients = evaluated(jax.grad(partial(cross_entropy, lenet)))(before, IMAGES, LABELS)
    expected = jax.tree.map(lambda param, gradient: param - 0.1 * gradient, before, gradients)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), after, expected)


def test_the_optimisers_state_is_handed_on():
    """Momentum computed by hand for one weight: v = 0.9 v + g and w = w - 0.1 v, in two steps with different gradients."""
    model = lambda params, x: jnp.stack([params["w"] * x[:, 0, 0, 0], 0 * x[:, 0, 0, 0]], axis=-1)
    images, labels = np.ones((1, 1, 1, 1), np.float32), np.array([1], np.int32)
    optimiser = optax.sgd(0.1, momentum=0.9)
    params = {"w": jnp.float32(2)}
    opt_state, step = optimiser.init(params), make_step(model, optimiser)
    w, v = 2.0, 0.0
    for _ in range(3):
        params, opt_state, _ = step(params, opt_state, images, labels)
        v = 0.9 * v + 1 / (1 + np.exp(-w))  # the derivative of log(1 + exp(w))
        w = w - 0.1 * v
        assert float(params["w"]) == pytest.approx(w, rel=1e-5)


@pytest.mark.parametrize("optimiser", [optax.sgd(0.05), optax.adam(1e-3)], ids=["sgd", "adam"])
def test_training_lowers_the_loss_and_is_deterministic(optimiser):
    step = make_step(lenet, optimiser)
    with jax.numpy_dtype_promotion("standard"):  # optax's Adam raises a float to an integer power
        params, losses = run(0, optimiser, step)
        again, same_losses = run(0, optimiser, step)
    assert losses[-1] < losses[0]
    assert losses == same_losses
    jax.tree.map(np.testing.assert_array_equal, params, again)


def test_accuracy_counts_right_answers_in_batches_of_any_size():
    """A model that reads the label from the first pixel, which is wrong for one image in eight."""
    images = np.zeros((8, 4, 4, 1), np.float32)
    images[:, 0, 0, 0] = [0, 1, 2, 3, 4, 5, 6, 6]
    model = lambda params, x: jax.nn.one_hot(x[:, 0, 0, 0].astype(jnp.int32), 10)
    for batch in (1, 3, 8, 100):
        assert accuracy(model, {}, images, LABELS, batch=batch) == 7 / 8


def test_a_score_that_is_nan_is_a_wrong_answer():
    """NumPy's argmax treats a NaN as the maximum: class 0 here, which is the label."""
    scores = np.array([[np.nan, 1, 0], [0, np.nan, 2], [0, 1, 5]], np.float32)
    assert accuracy(lambda params, x: params, scores, np.zeros((3, 2, 2, 1)), np.array([0, 1, 2])) == 1 / 3


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float16", "bfloat16"])
def test_scores_and_labels_of_any_real_dtype_count(dtype):
    scores = jnp.array([[0, 1], [3, 1], [0, 2]], dtype)
    for labels in (np.array([1, 0, 0]), np.array([1, 0, 0], np.uint8), jnp.array([1, 0, 0]), [1, 0, 0]):
        assert accuracy(lambda params, x: params, scores, np.zeros((3, 2, 2, 1)), labels) == 2 / 3


def test_shifts_are_those_of_a_camera():
    """Cells that move out of view are lost, zeros are filled in, and shifting back does not restore the cells."""
    image = np.arange(1.0, 13).reshape(1, 3, 4, 1)
    assert shifted(image, (1, 0))[0, :, :, 0].tolist() == [[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8]]
    assert shifted(image, (0, -3))[0, :, :, 0].tolist() == [[4, 0, 0, 0], [8, 0, 0, 0], [12, 0, 0, 0]]
    assert not shifted(image, (5, 0)).any()
    np.testing.assert_array_equal(shifted(image, (0, 0)), image)
    assert shifted(shifted(image, (1, 0)), (-1, 0))[0, -1].sum() == 0


def test_accuracy_when_shifted_looks_in_all_four_directions():
    """A model that tests whether the middle pixel is set. For each neighbouring pixel, one of four shifts by 1 sets it."""
    model = lambda params, x: jnp.stack([1 - x[:, 2, 2, 0], x[:, 2, 2, 0]], axis=-1)
    for row, column in ((1, 2), (3, 2), (2, 1), (2, 3)):
        image = np.zeros((1, 5, 5, 1), np.float32)
        image[0, row, column] = 1
        found = accuracy_when_shifted(model, {}, image, np.array([1], np.int32), (0, 1, 2))
        assert found == {0: 0.0, 1: 0.25, 2: 0.0}
