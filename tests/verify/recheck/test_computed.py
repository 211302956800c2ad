"""Operands that are computed from parameters: drawn once, in both runs and by all readers."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

import jaxconv as jc
from jaxconv.verify.certificate import Verdict
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


def test_a_matrix_that_is_constant_along_diagonals_is_computed_through_functions_of_its_cells():
    """No state tells that sin of a parameter read at (i - j) % 6 is constant along diagonals."""
    difference = (np.arange(6)[:, None] - np.arange(6)) % 6

    def circulant(parameter, x):
        return jnp.sin(jnp.sin(parameter[difference]) + 1) @ x

    arguments = jax.ShapeDtypeStruct((6,), "float32"), jax.ShapeDtypeStruct((6, 3), "float32")
    certificate = jc.certify(circulant, *arguments, axes={1: (0,)})
    assert certificate.leaves[0].axes[0].cyclic.verdict is Verdict.PROVED
    assert jc.recheck(certificate, circulant, *arguments) == ()
