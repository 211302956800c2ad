"""The rounding error of a result: sums of large terms that cancel cause no objection, other sums do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.certificates_to_recheck import certify, with_row
from support.profiles import NIGHTLY

from jaxconv.verify.domain import Moving
from jaxconv.verify.recheck import recheck
from jaxconv.verify.recheck.noise import noise

X = jax.ShapeDtypeStruct((2, 12, 5), "float32")
TERMS = np.float32([3e6, 1, -3e6])
UNIT = 3e6 * 2**-23


@pytest.mark.parametrize(
    ("run", "least", "most"),
    [
        (lambda x: x, 0.5 * UNIT, 2 * UNIT),
        (lambda x: x.sum(), 0.5 * UNIT, 4 * UNIT),
        (lambda x: (x * x).sum() - 2 * x[0] ** 2, 1e6 * UNIT, 1e7 * UNIT),
        (lambda x: np.max(np.abs(x)), 0.5 * UNIT, 2 * UNIT),
        (lambda x: x[1], 0, 2 * 2**-23),
        (lambda x: np.concatenate([x, [np.inf, np.nan]]), 0.5 * UNIT, 2 * UNIT),
        (lambda x: x > 0, 0, 0),
        (lambda x: x.astype(np.int32), 0, 0),
    ],
)
def test_noise_is_a_unit_in_the_last_place_of_what_a_result_is_made_of(run, least, most):
    assert least <= noise(lambda operands: [None, np.asarray(run(*operands))], [TERMS], 1) <= most


def test_the_last_places_of_every_operand_change():
    assert noise(lambda operands: [operands[1]], [np.float32([1]), TERMS], 0) >= 0.5 * UNIT


def test_whole_numbers_and_keys_have_no_last_place():
    run = lambda operands: [operands[0] * 1.5]
    assert noise(run, [np.int32([7, 8])], 0) == 0
    draw = lambda operands: [jax.random.normal(operands[0], (3,))]
    assert noise(draw, [jax.random.key(0)], 0) == 0


SUMS = {
    "sum": jnp.sum,
    "product": lambda x: jnp.einsum("nac,nac->", x, 1 + x),
    "mean of a difference": lambda x: jnp.mean(x - jnp.roll(x, 1, axis=1)),
}


@pytest.mark.parametrize("name", SUMS)
def test_sums_of_terms_that_cancel_are_no_objection(name):
    certificate = certify(SUMS[name], X)
    assert certificate.leaves[0].axes[0].cyclic.moves == ()
    for seed in range(20 if NIGHTLY else 6):
        assert recheck(certificate, SUMS[name], X, seed=seed) == ()


def test_a_sum_that_is_no_invariant_is_one():
    """The weights differ by 0.001."""
    fn = lambda x: jnp.einsum("nac,a->", x, 1 + jnp.arange(12.0) / 1000)
    certificate = certify(fn, X)
    last = len(certificate.derivations[0]["cyclic"]) - 1
    for kind, cycle in {"cyclic": 12, "interior": None}.items():
        forged = with_row(certificate, kind, last, lambda state, cycle=cycle: Moving(1, cycle, ()))
        assert any("shifting the input by 1" in objection for objection in recheck(forged, fn, X))
