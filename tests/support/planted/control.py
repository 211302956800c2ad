"""Functions with one line inside a loop, a branch, a map or a gradient that breaks equivariance, marked by a comment."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from support.planted.helpers import smooth

TABLE = jnp.arange(24.0).reshape(12, 2) ** 2


def recurrent(x):
    """A recurrent network along the positions."""
    x = jnp.moveaxis(smooth(x), 1, 0)
    step = lambda state, cell: (jnp.tanh(state + cell), state)
    _, y = lax.scan(step, jnp.zeros(x.shape[1:]), x)  # culprit: recurrence along the positions
    return jnp.moveaxis(y, 0, 1)


def in_a_loop(x):
    """An embedding in each of three rounds."""

    def body(_, x):
        x = smooth(x)
        x = x + TABLE  # culprit: embedding in a loop
        return jnp.tanh(x)

    return lax.fori_loop(0, 3, body, x)


def in_a_scan(x):
    """Layers with stacked parameters, one of whose lines is a sum along the positions."""

    def layer(x, weights):
        x = smooth(x @ weights)
        x = jnp.cumsum(x, axis=1)  # culprit: cumulative sum in scanned layers
        return jnp.tanh(x), None

    return lax.scan(layer, x, jnp.ones((4, 2, 2)))[0]


def branch_on_a_cell(x):
    """A branch that depends on the first cell."""
    first = x[0, 0, 0] > 0  # culprit: branch on the first cell
    return lax.cond(first, jnp.sin, jnp.cos, smooth(x))


def in_a_branch(x):
    """A branch whose condition is invariant; one of its bodies is not equivariant."""

    def one(x):
        x = smooth(x)
        return x * TABLE  # culprit: weights in a branch

    return lax.cond(x.sum() > 0, one, smooth, x)


def mapped_over_places(x):
    """A function of the cell and of its place, by vmap."""
    scale = lambda cell, place: cell / (1.0 + place)  # culprit: place as an argument of vmap
    return jax.vmap(scale, in_axes=(1, 0), out_axes=1)(smooth(x), jnp.arange(12.0))


def in_a_checkpoint(x):
    """A block that is computed again for its gradient."""

    @jax.checkpoint
    def block(x):
        x = jnp.sin(smooth(x))
        x = x * TABLE  # culprit: weights in a checkpoint
        return x + 1.0

    return smooth(block(x))


def gradient_of_an_energy(x):
    """The gradient of an energy whose weights depend on the place."""

    def energy(x):
        y = jnp.sin(x)
        y = y * TABLE  # culprit: energy with weights
        return y.sum()

    return smooth(jax.grad(energy)(x))


def with_a_rule_of_its_own(x):
    """A function with its own derivative."""

    @jax.custom_jvp
    def scaled(x):
        return x * TABLE  # culprit: custom derivative

    scaled.defjvp(lambda primals, tangents: (scaled(*primals), tangents[0] * TABLE))
    return smooth(scaled(jnp.tanh(x)))
