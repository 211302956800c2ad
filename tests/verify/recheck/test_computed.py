"""Operands that are computed from parameters: drawn once, in both runs and by all readers."""

from dataclasses import replace

import jax
import numpy as np

from jaxconv.verify.domain import Factor, Moving
from jaxconv.verify.recheck.computed import Computation, computed, drawn, is_still
from jaxconv.verify.recheck.named_cells import DRAWS, EXTREMES
from jaxconv.verify.recheck.values import Held, Trials

FOUR = jax.ShapeDtypeStruct((4,), np.float32)
STILL = Moving(1, 8, ((Factor(4),),))


def held(number, state=STILL, **settings):
    return Held(number, number, state, FOUR, **settings)


def test_a_computed_value_is_computed_from_the_parameters_that_others_read():
    parameter = held(0)
    doubled = held(1, computation=Computation(lambda arrays: [2 * arrays[0]], [parameter], 0).draw)
    for turn in (0, 1):
        (raw, twice), _ = drawn([parameter, computed(doubled)], Trials(tuple(range(DRAWS)), 1), turn)
        assert np.array_equal(2 * raw[:EXTREMES], twice[:EXTREMES])
        assert np.isfinite(twice).all()
    (raw, twice), is_stack = drawn([parameter, doubled], Trials((0,), 1), 0)  # from the state, unless it is asked for
    assert is_stack == [True, True]
    assert not np.array_equal(2 * raw, twice)


def test_a_computed_value_has_the_same_numbers_in_trials_of_any_draws():
    doubled = computed(held(1, computation=Computation(lambda arrays: [2 * arrays[0]], [held(0)], 0).draw))
    (every,), _ = drawn([doubled], Trials(tuple(range(DRAWS))), 0)
    assert len({row.tobytes() for row in every[:EXTREMES]}) == EXTREMES
    (some,), _ = drawn([doubled], Trials((2, 0, 2), changed=(1, 2, 3), pushes=(0, 0, 0)), 1)
    assert np.array_equal(some, every[[2, 0, 2]])


def test_a_value_is_still_if_it_does_not_depend_on_the_input():
    assert is_still(held(0))
    assert not is_still(held(0, replace(STILL, depends=True)))
    assert not is_still(held(0, replace(STILL, shift=2)))
    assert is_still(held(0, replace(STILL, depends=True), constant=np.zeros(4, np.float32)))
