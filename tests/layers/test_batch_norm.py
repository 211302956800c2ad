"""The state of batch normalisation: updates, evaluation and errors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy
from support.numpy_evaluation import evaluated

import jaxconv as jc

X = np.random.default_rng(0).normal(2, 3, size=(4, 5, 3, 2)).astype(np.float32)
PARAMS = {"scale": np.float32([2.0, -1.0]), "bias": np.float32([0.5, -0.5])}
STATE = {"mean": np.float32([1.0, -2.0]), "var": np.float32([4.0, 0.25])}
WIDE = np.asarray(X, np.float64)
CELLS = 4 * 5 * 3
close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)


def after(x=X, state=STATE, **settings):
    """The state after one training step."""
    return by_numpy.batch_norm(PARAMS, state, x, training=True, **settings)[1]


@pytest.mark.parametrize("momentum", [0.0, 0.75, 1.0])
@pytest.mark.parametrize("running_variance", ["biased", "unbiased"])
def test_momentum_is_the_share_that_is_kept(momentum, running_variance):
    actual = after(momentum=momentum, running_variance=running_variance)
    variance = WIDE.var(axis=(0, 1, 2), ddof=running_variance == "unbiased")
    close(actual["mean"], momentum * np.array([1.0, -2.0]) + (1 - momentum) * WIDE.mean(axis=(0, 1, 2)))
    close(actual["var"], momentum * np.array([4.0, 0.25]) + (1 - momentum) * variance)


def test_which_variance_runs_does_not_change_the_output():
    one, other = (
        by_numpy.batch_norm(PARAMS, STATE, X, training=True, running_variance=v)[0] for v in ("biased", "unbiased")
    )
    np.testing.assert_array_equal(one, other)


def test_in_evaluation_the_state_is_used_and_stays():
    y, state = jc.batch_norm(PARAMS, STATE, X, training=False, epsilon=1e-3)
    expected = (WIDE - [1.0, -2.0]) / np.sqrt(np.array([4.0, 0.25]) + 1e-3) * [2.0, -1.0] + [0.5, -0.5]
    close(y, expected)
    assert state is STATE


def test_a_state_that_is_right_stays():
    """For every momentum, the average of a number with itself does not drift."""
    right = after(momentum=0.0)
    for _ in range(3):
        np.testing.assert_array_equal(after(state=right)["mean"], right["mean"])


def test_training_towards_evaluation():
    """If the state equals the batch statistics, training and evaluation give the same result."""
    trained, state = by_numpy.batch_norm(PARAMS, STATE, X, training=True, momentum=0.0)
    close(by_numpy.batch_norm(PARAMS, state, X, training=False)[0], trained)


def test_half_precision_keeps_its_state_in_single():
    params, state = jc.init_batch_norm(2, dtype=jnp.bfloat16)
    y, state = by_numpy.batch_norm(params, state, X.astype(jnp.bfloat16), training=True, momentum=0.0)
    assert y.dtype == jnp.bfloat16
    assert state["mean"].dtype == state["var"].dtype == np.float32
    rounded = np.asarray(X.astype(jnp.bfloat16), np.float64)
    close(state["mean"], rounded.mean(axis=(0, 1, 2)))
    close(state["var"], rounded.var(axis=(0, 1, 2)))


@pytest.mark.parametrize("running_variance", ["biased", "unbiased"])
def test_a_batch_split_over_a_mapped_axis(running_variance):
    """One example per mapped index: statistics, state and gradients equal those of the whole batch."""
    settings = {"training": True, "momentum": 0.5, "running_variance": running_variance}
    split = jax.vmap(
        lambda params, x: jc.batch_norm(params, STATE, x, batched=False, axis_name="batch", **settings),
        in_axes=(None, 0), out_axes=(0, None), axis_name="batch",
    )  # fmt: skip
    whole = lambda params, x: jc.batch_norm(params, STATE, x, **settings)
    results = jax.jit(split)(PARAMS, X), evaluated(whole)(PARAMS, X)
    jax.tree.map(close, *results)
    loss = lambda layer: lambda params, x: jnp.sum(jnp.sin(layer(params, x)[0]))
    of_split, of_whole = (jax.grad(loss(layer), argnums=(0, 1)) for layer in (split, whole))
    gradients = jax.jit(of_split)(PARAMS, X), evaluated(of_whole)(PARAMS, X)
    jax.tree.map(partial(close, atol=1e-5), *gradients)


def test_without_the_name_each_part_is_a_batch_of_its_own():
    """Without `axis_name` each part has its own statistics."""
    settings = {"training": True, "batched": False}
    y = evaluated(jax.vmap(lambda x: jc.batch_norm(PARAMS, STATE, x, **settings)[0]))(X)
    assert abs(y - by_numpy.batch_norm(PARAMS, STATE, X, training=True)[0]).max() > 0.1


def test_parameters_learn_and_the_state_follows():
    """One function can update parameters and state, with the state as auxiliary output of the gradient."""

    @evaluated
    def step(params, state, x):
        def loss(params):
            y, following = jc.batch_norm(params, state, x, training=True)
            return jnp.mean(jnp.square(y - 1)), following

        gradient, state_ = jax.grad(loss, has_aux=True)(params)
        return jax.tree.map(lambda p, g: p - 0.5 * g, params, gradient), state_

    params, state = PARAMS, STATE
    for _ in range(20):
        params, state = step(params, state, X)
    close(params["scale"], np.zeros(2, np.float32), atol=1e-4)
    close(params["bias"], np.ones(2, np.float32), atol=1e-4)
    assert (abs(state["mean"] - WIDE.mean(axis=(0, 1, 2))) < abs(STATE["mean"] - WIDE.mean(axis=(0, 1, 2)))).all()


def test_init():
    params, state = jc.init_batch_norm(3, scale=False)
    assert jax.tree.map(lambda leaf: leaf.tolist(), (params, state)) == (
        {"bias": [0, 0, 0]},
        {"mean": [0, 0, 0], "var": [1, 1, 1]},
    )
    with pytest.raises(ValueError, match="init_batch_norm: channels is -1, but should be 1 or more"):
        jc.init_batch_norm(-1)


@pytest.mark.parametrize(
    ("state", "x", "settings", "error", "message"),
    [
        ({"mean": np.zeros(2, np.float32)}, X, {}, ValueError, r"""state is a dict of \['mean'\], but should be a dict of "mean" and "var"\. Pass what the init"""),
        (None, X, {}, TypeError, "state is None, but should be a dict"),
        (STATE | {"var": np.ones(3, np.float32)}, X, {}, ValueError, r"""state\["var"\] is \(3,\), but should be \(2,\) \[c\]"""),
        (STATE | {"mean": np.zeros(2, jnp.bfloat16)}, X, {}, TypeError, r"""state\["mean"\] is bfloat16, but should be float32, the dtype of the state"""),
        (STATE, X, {"training": "eval"}, TypeError, "training is 'eval', but should be True or False"),
        (STATE, X, {"training": 1}, TypeError, "training is 1, but should be True or False"),
        (STATE, X, {"training": None}, TypeError, "training is None, but should be True or False"),
        (STATE, X, {"momentum": 1.1}, ValueError, "momentum is 1.1, but should be between 0 and 1. It is the share kept"),
        (STATE, X, {"running_variance": "population"}, ValueError, """running_variance is 'population', but should be "biased" or"""),
        (STATE, X[:0], {}, ValueError, r"x is \(0, 5, 3, 2\), but should be 1 cell or more of each channel"),
        (STATE, X[:1, :1, :1], {"running_variance": "unbiased"}, ValueError, r"x is \(1, 1, 1, 2\), but should be 2 cells or more of each channel\. Pass running_variance"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_cure(state, x, settings, error, message):
    with pytest.raises(error, match=f"batch_norm: {message}"):
        jc.batch_norm({}, state, x, **{"training": True} | settings)


def test_training_is_known_when_the_function_is_traced():
    step = lambda training: jc.batch_norm({}, STATE, X, training=training)[0]
    with pytest.raises(TypeError, match=r"batch_norm: training is a traced array .* make it a static argument"):
        jax.jit(step)(True)
    close(jax.jit(step, static_argnums=0)(True), by_numpy.batch_norm({}, STATE, X, training=True)[0])
