"""`assert_gradient_is_summed_delta`: the layers pass, and each of the usual mistakes fails with its diagnosis."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from support.geometries import examples
from support.profiles import NIGHTLY

import jaxconv as jc
from jaxconv.testing import assert_gradient_is_summed_delta
from jaxconv.testing.strategies import conv_configurations

PARAMS = {"kernel": jax.ShapeDtypeStruct((3, 2, 2, 3), "float32"), "bias": jax.ShapeDtypeStruct((3,), "float32")}
X = jax.ShapeDtypeStruct((2, 6, 5, 2), "float32")


def shapes(tree):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)


@examples(4)
@given(case=conv_configurations(max_rank=2))
def test_convolutions_of_every_kind_pass(case):
    assert_gradient_is_summed_delta(partial(jc.conv, **case.geometry), shapes(case.params()), shapes(case.x()))


@pytest.mark.parametrize(
    "layer",
    [
        lambda params, x: jax.nn.relu(jc.conv(params, x, stride=2, padding="same")),
        lambda params, x: jnp.tanh(jc.conv(params, x) / 16),
        lambda params, x: jc.max_pool(jc.conv(params, x), (2, 2)),
        lambda params, x: jc.conv({"kernel": params["kernel"] ** 2}, x) + params["bias"][None, None, None] ** 3,
        lambda params, x: jax.nn.standardize(jc.conv(params, x), axis=(1, 2)),
    ],
    ids=["relu", "tanh", "max pool", "squares", "normalised"],
)
def test_layers_that_are_not_affine_pass_too(layer):
    assert_gradient_is_summed_delta(layer, PARAMS, X)


def test_what_is_not_affine_is_judged_where_there_are_no_kinks():
    """At integers the input of a ReLU is often exactly 0, where it has no derivative."""
    for seed in range(3 if NIGHTLY else 1):
        assert_gradient_is_summed_delta(
            lambda params, x: jax.nn.relu(jc.conv(params, x, padding="same")), PARAMS, X, seed=seed
        )


def test_layers_without_positions_and_of_one_position_pass():
    params = {"kernel": jax.ShapeDtypeStruct((4, 3), "float32")}
    assert_gradient_is_summed_delta(jc.dense, params, jax.ShapeDtypeStruct((2, 4), "float32"))
    assert_gradient_is_summed_delta(jc.conv, PARAMS, jax.ShapeDtypeStruct((2, 3, 2, 2), "float32"))


def test_a_gradient_that_is_nan_fails():
    """A NaN is neither larger nor smaller than the sum."""

    @jax.custom_vjp
    def layer(params, x):
        return jc.conv(params, x)

    layer.defvjp(
        lambda params, x: (layer(params, x), (params, x)),
        lambda kept, dy: jax.tree.map(lambda leaf: leaf * jnp.nan, kept),
    )
    with pytest.raises(AssertionError, match=r"jax\.grad is nan, the sum over"):
        assert_gradient_is_summed_delta(layer, PARAMS, X)


def test_channels_first_and_other_arguments():
    layer = lambda tree, pair: jc.conv(tree["conv"], pair["x"], layout="channels_first") * pair["scale"]
    x = {"x": jax.ShapeDtypeStruct((2, 2, 6, 5), "float32"), "scale": jax.ShapeDtypeStruct((1, 1, 1, 1), "float32")}
    assert_gradient_is_summed_delta(layer, {"conv": PARAMS, "steps": np.int32(3)}, x, positions=(2, -1))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_short_floats_are_exact_where_they_hold_the_numbers(dtype):
    params = {"kernel": jax.ShapeDtypeStruct((2, 1, 1), dtype)}
    assert_gradient_is_summed_delta(jc.conv, params, jax.ShapeDtypeStruct((1, 4, 1), dtype))


def broken(backward, forward=jc.conv):
    """A layer whose backward pass is `backward(gradients, dy) -> gradients` of the correct gradients."""
    layer = jax.custom_vjp(forward)

    def bwd(residuals, dy):
        gradients, dx = jax.vjp(forward, *residuals)[1](dy)
        return backward(gradients, dy, residuals), dx

    layer.defvjp(lambda params, x: (forward(params, x), (params, x)), bwd)
    return layer


def scaled(by):
    return lambda gradients, dy, _: jax.tree.map(lambda g: g * by, gradients)


def mean(gradients, dy, _):
    return jax.tree.map(lambda g: g / (dy.shape[1] * dy.shape[2]), gradients)


def without_the_last(gradients, dy, residuals):
    return jax.vjp(jc.conv, *residuals)[1](dy.at[:, -1, -1].set(0.0))[0]


def flipped(gradients, dy, _):
    return gradients | {"kernel": gradients["kernel"][::-1, ::-1]}


def first_example_only(gradients, dy, residuals):
    return jax.vjp(jc.conv, *residuals)[1](dy.at[1:].set(0.0))[0]


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (
            mean,
            r"is not the sum over positions .*bit for bit(?s:.*)it is the mean over positions\n  cure: add the deltas",
        ),
        (without_the_last, r"the sum over 16 positions(?s:.*)it is the sum without position \[3, 3\]"),
        (flipped, r"params\['kernel'\](?s:.*)it is the sum, flipped"),
        (scaled(-1.0), "it is the negated sum"),
        (scaled(0.5), "it is half the sum"),
        (scaled(0.0), "it is zero\n  cure: look for stop_gradient"),
        (first_example_only, "cure: compare the backward pass with sum_p"),
    ],
    ids=["mean", "without the last", "flipped", "sign", "half", "zero", "first example"],
)
def test_broken_twins_fail_under_their_own_name(backward, message):
    with pytest.raises(AssertionError, match=message):
        assert_gradient_is_summed_delta(broken(backward), PARAMS, X)


def test_the_mean_is_seen_behind_an_activation():
    layer = broken(mean)
    with pytest.raises(AssertionError, match=r"to within 0\.\d+(?s:.*)it is the mean over positions"):
        assert_gradient_is_summed_delta(lambda params, x: jnp.tanh(layer(params, x) / 16), PARAMS, X)


def test_stopped_gradients_are_seen():
    with pytest.raises(AssertionError, match="it is zero"):
        assert_gradient_is_summed_delta(lambda params, x: jc.conv(jax.lax.stop_gradient(params), x), PARAMS, X)


@pytest.mark.parametrize(
    ("layer", "params", "message"),
    [
        (
            jc.conv,
            {"kernel": jax.ShapeDtypeStruct((3, 2), "int32")},
            r"params is .*, but should be a tree with floating",
        ),
        (lambda params, x: (x, x), PARAMS, "the layer's output is tuple, but should be one array"),
    ],
)
def test_bad_requests_are_refused_by_name(layer, params, message):
    with pytest.raises(ValueError, match=message):
        assert_gradient_is_summed_delta(layer, params, X)


def test_rounding_that_hides_the_gradient_is_refused():
    layer = lambda params, x: jnp.sin(jc.conv(params, x) * 1e4)
    with pytest.raises((ValueError, AssertionError), match=r"the tolerance for|to within"):
        assert_gradient_is_summed_delta(layer, PARAMS, X)
