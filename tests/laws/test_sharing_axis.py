"""Shared, partly shared and unshared layers form one family: each limiting case equals the neighbouring layer."""

from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import given
from support.broken_twins import caught
from support.geometries import compiled_examples, convolutions, examples
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv.testing.strategies import conv_configurations


def outputs_and_deltas(compute, case, *layers):
    """Output of each layer, and gradients by its parameters, flattened, and by x.

    One program computes all: `evaluated` with NumPy, or compiled by `jax.jit`.
    """

    def run_layer(layer, params, x, dy):
        y, pull_back = jax.vjp(lambda params, x: layer(params, x, **case.geometry), params, x)
        gradient, dx = pull_back(dy)
        return y, gradient["kernel"].ravel(), gradient["bias"].ravel(), dx

    program = lambda each, x, dy: [
        run_layer(layer, params, x, dy) for (layer, _), params in zip(layers, each, strict=True)
    ]
    return compute(program)([params for _, params in layers], case.x(), case.dy())


def same(actual, expected):
    """Exact equality."""
    return all(
        np.array_equal(result, expected_result) for result, expected_result in zip(actual, expected, strict=True)
    )


def single_kernel(params, rank):
    """A shared kernel as the only kernel of a period of one."""
    return jax.tree.map(lambda leaf: np.expand_dims(leaf, tuple(range(rank))), params)


def period_of_one(case):
    params = case.params()
    return (jc.tiled_conv, single_kernel(params, len(case.window))), (jc.conv, params)


def period_as_long_as_the_output(case):
    return (jc.tiled_conv, case.local_params()), (jc.locally_connected, case.local_params())


def one_region(case):
    params, layer = case.params(), partial(jc.regional_conv, regions=[(n,) for n in case.out])
    return (layer, single_kernel(params, len(case.window))), (jc.conv, params)


def regions_of_one_position_each(case):
    layer = partial(jc.regional_conv, regions=[(1,) * n for n in case.out])
    return (layer, case.local_params()), (jc.locally_connected, case.local_params())


PERIODS, REGIONS = (period_of_one, period_as_long_as_the_output), (one_region, regions_of_one_position_each)


@pytest.mark.parametrize("end", PERIODS)
@examples(8)
@given(case=conv_configurations(max_rank=2))
def test_periods_of_one_are_conv_and_of_the_output_locally_connected(end, case):
    assert same(*outputs_and_deltas(evaluated, case, *end(case)))


@pytest.mark.parametrize("end", REGIONS)
@examples(8)
@given(case=conv_configurations(max_rank=1))
def test_one_region_is_conv_and_regions_of_one_position_are_locally_connected(end, case):
    assert same(*outputs_and_deltas(evaluated, case, *end(case)))


@pytest.mark.parametrize(("ends", "rank"), [(PERIODS, 2), (REGIONS, 1)], ids=["periods", "regions"])
def test_compiled(ends, rank):
    @compiled_examples(2)
    @given(case=convolutions(max_rank=rank))
    def both_ends(case):
        actual = outputs_and_deltas(jax.jit, case, *ends[0](case), *ends[1](case))
        assert same(*actual[:2])
        assert same(*actual[2:])

    both_ends()


def test_a_period_of_two_is_neither():
    """The comparisons above distinguish the members of the family."""

    def neither(case):
        params = case.local_params((2,))
        first = jax.tree.map(lambda leaf: leaf[0], params)
        (tiled, *_), (shared, *_) = outputs_and_deltas(evaluated, case, (jc.tiled_conv, params), (jc.conv, first))
        return not np.array_equal(tiled, shared)

    assert caught(conv_configurations(max_rank=1), neither)
