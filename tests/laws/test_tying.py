"""A shared kernel equals a locally connected layer with tied kernels: same outputs, gradients summed over positions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from hypothesis import given
from support.broken_twins import caught
from support.geometries import compiled_examples, convolutions, examples
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv.testing.strategies import conv_configurations


def untied(params, out):
    """Parameters of a locally connected layer that repeat the shared ones at every position."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (*out, *leaf.shape)), params)


def copies(params, out):
    """The same as writable NumPy arrays."""
    return jax.tree.map(lambda leaf: np.array(np.broadcast_to(leaf, (*out, *leaf.shape))), params)


def both_gradients(compute, case, params, local_params):
    """Outputs and gradients of the shared and the unshared layer, for the same input and output deltas."""
    x, dy = case.x(), case.dy()

    def run(params, local_params, x, dy):
        def run_layer(layer, params):
            y, pull_back = jax.vjp(lambda params: layer(params, x, **case.geometry), params)
            return y, pull_back(dy)[0]

        return run_layer(jc.conv, params), run_layer(jc.locally_connected, local_params)

    return compute(run)(params, local_params, x, dy)


def check(compute, case):
    """Tied kernels give the output of the shared layer, and their gradients sum to its gradient."""
    params = case.params()
    (y, gradient), (local_y, local_gradient) = both_gradients(compute, case, params, copies(params, case.out))
    np.testing.assert_array_equal(y, local_y)
    positions = tuple(range(len(case.window)))
    jax.tree.map(
        lambda shared, each: np.testing.assert_array_equal(shared, np.asarray(each).sum(axis=positions)),
        gradient,
        local_gradient,
    )


@examples(16)
@given(case=conv_configurations())
def test_tying_gives_the_shared_layer(case):
    check(evaluated, case)


@compiled_examples(4)
@given(case=convolutions())
def test_compiled_tying_gives_the_shared_layer(case):
    check(jax.jit, case)


def test_kernels_that_differ_at_one_position_are_not_the_shared_layer():
    """The comparison above detects a single changed weight."""

    def differs(case):
        params = case.params()
        local_params = copies(params, case.out)
        local_params["kernel"][(0,) * len(case.out)] += 1.0
        (y, _), (local_y, _) = both_gradients(evaluated, case, params, local_params)
        return not np.array_equal(y, local_y)

    assert caught(conv_configurations(max_rank=1), differs)


def trained(layer, params, steps=3):
    """Parameters after gradient descent towards a fixed target."""
    x = np.float32([[1, 2, 3, 5], [0, -1, 2, 1]])[..., None]
    target = np.float32([[1, -1, 2], [0, 3, 1]])[..., None]
    optimiser = optax.sgd(1 / 64)

    @jax.jit
    def descend(params):
        state = optimiser.init(params)
        for _ in range(steps):
            gradient = jax.grad(lambda params: optax.l2_loss(layer(params, x), target).sum())(params)
            updates, state = optimiser.update(gradient, state, params)
            params = optax.apply_updates(params, updates)
        return params

    return descend(params)


def test_weights_that_start_equal_drift_apart_without_tying():
    """The first of the seed's two wrong explanations: that equal initialisation keeps shared weights equal."""
    shared = {"kernel": np.float32([0.5, -0.25]).reshape(2, 1, 1), "bias": np.zeros(1, np.float32)}
    start = copies(shared, (3,))
    kernel = np.asarray(trained(jc.locally_connected, start)["kernel"])
    assert not np.array_equal(kernel[0], kernel[1])
    assert not np.array_equal(kernel[1], kernel[2])


def test_tied_weights_stay_equal_and_move_by_the_sum():
    """Summing the deltas over positions before the update keeps the copies equal, as in the shared layer."""
    shared = {"kernel": np.float32([0.5, -0.25]).reshape(2, 1, 1), "bias": np.zeros(1, np.float32)}
    tied = lambda params, x: jc.locally_connected(untied(params, (3,)), x)
    after, expected = trained(tied, shared), trained(jc.conv, shared)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), after, expected)
    assert not np.allclose(after["kernel"], shared["kernel"])
