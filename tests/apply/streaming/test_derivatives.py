"""Calls with a derivative of their own keep it in a stream, at points where that of their equations is another one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.tiling_oracle import signal

import jaxconv as jc


@jax.custom_vjp
def halved_backwards(x):
    """Twice the input, whose gradient is defined to be half of the cotangent, plus the input."""
    return 2 * x


halved_backwards.defvjp(lambda x: (2 * x, x), lambda x, cotangent: (cotangent / 2 + x,))


@jax.custom_jvp
def odd_forwards(x, scale):
    """A product whose derivative is defined to be something else, also for a factor that does not vary."""
    return x * scale


odd_forwards.defjvp(
    lambda primals, tangents: (primals[0] * primals[1], 3 * tangents[0] + tangents[1] * primals[0] ** 2)
)

ACTIVATIONS = {
    "relu, whose derivative at 0 is 0": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "softmax over channels": lambda x: jnp.round(8 * jax.nn.softmax(x)) + x,
    "a custom reverse rule": halved_backwards,
    "a custom forward rule": lambda x: odd_forwards(x, jnp.full((1, 1, 1), 2.0)),
    "one of a signal and a constant of its length": lambda x: odd_forwards(x, jnp.ones(x.shape)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_gradient_is_that_of_the_whole(name):
    """After a layer that looks ahead, so that the stream is late, and at many zeros."""
    kernel = {"kernel": jnp.asarray(signal((3, 2, 2), seed=3))}
    fn = lambda x: ACTIVATIONS[name](jc.conv(kernel, jnp.clip(x, 0, 1), padding="same"))
    x, weights = jnp.asarray(signal((1, 12, 2))), jnp.asarray(signal((1, 12, 2), seed=1))
    stream = jc.streamed(fn, x, axes=(1,), chunk=4)
    found, expected = (jax.grad(lambda x, own=own: (own(x) * weights).sum())(x) for own in (stream.run, fn))
    np.testing.assert_array_equal(found, expected)


def test_the_gradients_of_the_equations_would_differ():
    """The cases tell whether a derivative is kept."""
    zeros = jnp.zeros((1, 4, 2))
    plain = lambda x: jnp.maximum(x, 0)
    assert (jax.grad(lambda x: plain(x).sum())(zeros) != jax.grad(lambda x: jax.nn.relu(x).sum())(zeros)).all()
    assert (jax.grad(lambda x: (2 * x).sum())(zeros) != jax.grad(lambda x: halved_backwards(x).sum())(zeros)).all()


def test_a_custom_rule_for_a_parameter_adds_over_all_chunks():
    fn = lambda scale, x: odd_forwards(x, scale.reshape(1, 1, 1))
    x, scale = jnp.asarray(signal((1, 12, 2))), jnp.float32(3)
    streamed = lambda scale: jc.streamed(fn, scale, x, axes={1: (1,)}, chunk=4).run(x).sum()
    assert jax.grad(streamed)(scale) == jax.grad(lambda scale: fn(scale, x).sum())(scale)
