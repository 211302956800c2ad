"""Boundary conditions: what is written, added or multiplied at the border costs the positions there, and no others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.proved_and_twins import law

N = 12
X = np.zeros((N, 2), np.float32)


def smooth(u):
    return jnp.tanh(u)


def energy(u, mode, width):
    padded = jnp.pad(u, ((width, width), (0, 0)), mode=mode)
    return (padded[2:] * padded[:-2]).sum()


def last_of_all(u):
    """Two rows that depend on every cell."""
    return jnp.cumsum(u, 0)[-2:]


PROVED = {  # function, and the region
    "an insulated end": (lambda u: smooth(u).at[0].set(u[1]), (1, N)),
    "two ends by extrapolation": (lambda u: smooth(u).at[0].set(2 * u[1] - u[2]).at[-1].set(u[-2]), (1, N - 1)),
    "an end added": (lambda u: smooth(u).at[-1].add(u[0]), (0, N - 1)),
    "an end scaled": (lambda u: smooth(u).at[-1].multiply(u[0]), (0, N - 1)),
    "the largest at an end": (lambda u: smooth(u).at[0].max(u[3]), (1, N)),
    "a mean at an end": (lambda u: smooth(u).at[0].set(u.mean(0)), (1, N)),
    "a window in the middle": (lambda u: smooth(u).at[3:5].set(last_of_all(u)), (5, N)),
    "an update in reverse": (lambda u: smooth(u).at[:3].set(u[:3][::-1]), (3, N)),
    "added by a pad": (lambda u: smooth(u) + jnp.pad(last_of_all(u), ((0, N - 2), (0, 0))), (2, N)),
    "subtracted by a pad": (lambda u: smooth(u) - jnp.pad(last_of_all(u), ((N - 2, 0), (0, 0))), (0, N - 2)),
    "the signal's own cells": (lambda u: smooth(u) + jnp.pad(u[-2:], ((0, N - 2), (0, 0))), (2, N)),
    "reversed cells": (lambda u: smooth(u) + jnp.pad(u[:2][::-1], ((0, N - 2), (0, 0))), (2, N)),
    "multiplied at the border": (
        lambda u: smooth(u) * jnp.pad(last_of_all(u), ((0, N - 2), (0, 0)), constant_values=1), (2, N)),
    "the larger at the border": (
        lambda u: jnp.maximum(smooth(u), jnp.pad(last_of_all(u), ((0, N - 2), (0, 0)), constant_values=-np.inf)), (2, N)),
    "the gradient through an edge pad": (lambda u: jax.grad(energy)(u, "edge", 1), (2, N - 2)),
    "the gradient through a reflection": (lambda u: jax.grad(energy)(u, "reflect", 2), (3, N - 3)),
    "the gradient through a symmetric pad": (lambda u: jax.grad(energy)(u, "symmetric", 2), (2, N - 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", PROVED)
def test_the_border_costs_the_positions_that_it_reaches(name):
    fn, region = PROVED[name]
    assert law(fn, X, kind="interior") == (1, ((0, 1),), ((0, *region),))


CYCLIC = {name: fn for name, (fn, _) in PROVED.items()}


@pytest.mark.parametrize("name", CYCLIC)
def test_around_the_circle_it_is_no_law(name):
    assert law(CYCLIC[name], X) is None


TWINS = {
    "at unknown places": lambda u: smooth(u).at[(u[0, 0] > 0).astype(int)].set(u[1]),
    "at every place": lambda u: smooth(u).at[:].set(jnp.cumsum(u, 0)),
    "in one column": lambda u: smooth(u).at[:, 0].set(jnp.cumsum(u, 0)[:, 1]),
    "half of the cells": lambda u: smooth(u) + jnp.pad(jnp.cumsum(u, 0)[1:-1], ((1, 1), (0, 0))),
    "beside an unknown number": lambda u: smooth(u) + jnp.pad(u[:1], ((0, N - 1), (0, 0)), mode="edge"),
    "beside two numbers in turn": lambda u: jnp.cumsum(u, 0) * jnp.zeros((), u.dtype) + jnp.cumsum(u, 0),
    "both operands unknown": lambda u: jnp.pad(last_of_all(u), ((0, N - 2), (0, 0))) + jnp.cumsum(u, 0),
}


@pytest.mark.parametrize("name", TWINS)
def test_what_is_not_only_at_the_border_is_not_proved(name):
    assert law(TWINS[name], X, kind="interior") is None


def test_a_window_across_channels_may_leave_no_trace_of_their_equality():
    """Channels that are equal in u differ in the row that is written."""
    fn = lambda u: smooth(jnp.broadcast_to(u[:, :1], u.shape)).at[0].set(u[1])
    assert law(fn, X, kind="interior") == (1, ((0, 1),), ((0, 1, N),))


def test_reductions_over_no_cells_are_constants():
    fn = lambda u: smooth(u) + u[:, :0].sum(1, keepdims=True)
    assert law(fn, X, kind="interior") == (1, ((0, 1),), ((0, 0, N),))
    assert law(fn, X) == (1, ((0, 1),), ())
