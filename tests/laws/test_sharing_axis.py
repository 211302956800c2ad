"""One sharing axis: shared, partly shared and unshared layers are one family; each end of it is the layer next to it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from support.broken_twins import caught

import jaxconv as jc
from jaxconv.testing.strategies import conv_configurations


def outputs_and_deltas(case, layer, params):
    """The output of a layer, and its gradients by the parameters and x, as arrays whose shapes do not matter."""

    @jax.jit
    def run(params, x, dy):
        y, pull_back = jax.vjp(lambda params, x: layer(params, x, **case.geometry), params, x)
        gradient, dx = pull_back(dy)
        return y, gradient["kernel"].ravel(), gradient["bias"].ravel(), dx

    return run(params, case.x(), case.dy())


def same(found, expected):
    """No tolerance."""
    return all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def alone(params, rank):
    """A shared kernel as the only one of a period."""
    return jax.tree.map(lambda leaf: jnp.expand_dims(leaf, tuple(range(rank))), params)


@given(case=conv_configurations(max_rank=2))
def test_a_period_of_one_is_conv(case):
    params = case.params()
    found = outputs_and_deltas(case, jc.tiled_conv, alone(params, len(case.window)))
    assert same(found, outputs_and_deltas(case, jc.conv, params))


@given(case=conv_configurations(max_rank=2))
def test_a_period_as_long_as_the_output_is_locally_connected(case):
    params = case.local_params()
    found = outputs_and_deltas(case, jc.tiled_conv, params)
    assert same(found, outputs_and_deltas(case, jc.locally_connected, params))


@given(case=conv_configurations(max_rank=1))
def test_one_region_is_conv(case):
    params = case.params()
    layer = partial(jc.regional_conv, regions=[(n,) for n in case.out])
    found = outputs_and_deltas(case, layer, alone(params, len(case.window)))
    assert same(found, outputs_and_deltas(case, jc.conv, params))


@given(case=conv_configurations(max_rank=1))
def test_regions_of_one_position_each_are_locally_connected(case):
    params = case.local_params()
    layer = partial(jc.regional_conv, regions=[(1,) * n for n in case.out])
    assert same(outputs_and_deltas(case, layer, params), outputs_and_deltas(case, jc.locally_connected, params))


def test_a_period_of_two_is_neither():
    """The broken twin: the comparisons above tell the members of the family apart."""

    def neither(case):
        params = case.local_params((2,))
        found = outputs_and_deltas(case, jc.tiled_conv, params)[0]
        first = jax.tree.map(lambda leaf: leaf[0], params)
        return not np.array_equal(found, outputs_and_deltas(case, jc.conv, first)[0])

    assert caught(conv_configurations(max_rank=1), neither)
