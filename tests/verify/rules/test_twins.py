"""Tests of the judge that the other tests rely on: it refutes false claims and accepts true ones."""

from dataclasses import replace
from fractions import Fraction

import jax.numpy as jnp
from support.numpy_twins import bordered, certified, longest_interior, proved, refutation

from jaxconv.verify.certificate import ReceptiveField


def test_the_judge_refutes_what_is_false_and_lets_stand_what_is_true():
    shape = (1, 6)
    twin = lambda x: bordered(x, 1, 1)[:, :-2] * 2 - bordered(x, 1, 1)[:, 2:]
    fn = lambda x: jnp.pad(x, ((0, 0), (1, 1)))[:, :-2] * 2 - jnp.pad(x, ((0, 0), (1, 1)))[:, 2:]
    claims = certified(fn, shape)
    claim = claims["interior"]
    assert proved(claims) == {"interior"}
    assert claim.region == ((1, 1, 5),)
    assert claim.receptive_field == ReceptiveField(Fraction(1), 1, ((-1, 1),))
    assert refutation(twin, shape, claims) is None
    assert longest_interior(twin, shape, 1, 1) == 4
    false = [
        ("inside ((1, 0, 5),)", {"region": ((1, 0, 5),)}),
        ("inside", {"moves": ((1, 2),)}),
        ("beyond", {"receptive_field": ReceptiveField(Fraction(1), 1, ((0, 1),))}),
    ]
    for word, change in false:
        assert word in refutation(twin, shape, {"interior": replace(claim, **change)})
    assert "does not roll" in refutation(twin, shape, {"cyclic": replace(claim, region=())})
