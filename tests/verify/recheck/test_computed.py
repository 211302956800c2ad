"""Operands that are computed from parameters: drawn once, in both runs and by all readers."""

from dataclasses import replace

import jax
import numpy as np

from jaxconv.verify.domain import Factor, Moving
from jaxconv.verify.recheck.computed import Computation, computed, drawn, is_still
from jaxconv.verify.recheck.named_cells import DRAWS, EXTREMES
from jaxconv.verify.recheck.relation import Held, RunPair

FOUR = jax.ShapeDtypeStruct((4,), np.float32)
STILL = Moving(1, 8, ((Factor(4),),))


def held(number, state=STILL, **settings):
    return Held(number, number, state, FOUR, **settings)


def test_a_computed_value_is_computed_from_the_parameters_that_others_read():
    parameter = held(0)
    doubled = held(1, computation=Computation(lambda arrays: [2 * arrays[0]], [parameter], 0).draw)
    for draw in range(DRAWS):
        for turn in (0, 1):
            raw, twice = drawn([parameter, computed(doubled)], RunPair(1, None, draw), turn)
            assert np.array_equal(2 * raw, twice) or draw >= EXTREMES
            assert np.isfinite(twice).all()
    raw, twice = drawn([parameter, doubled], RunPair(1, None, 0), 0)  # from the state, unless it is asked for
    assert not np.array_equal(2 * raw, twice)


def test_a_value_is_still_if_it_does_not_depend_on_the_input():
    assert is_still(held(0))
    assert not is_still(held(0, replace(STILL, depends=True)))
    assert not is_still(held(0, replace(STILL, shift=2)))
    assert is_still(held(0, replace(STILL, depends=True), constant=np.zeros(4, np.float32)))
