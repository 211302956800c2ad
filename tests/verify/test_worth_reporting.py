"""Which proofs are reported as laws: small shifts, regions of several positions, and patterns that repeat in earnest."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv as jc
from jaxconv.verify.claims import Verdict

certify = partial(jc.certify, search=False)  # the proofs alone


def signal(length):
    return jax.ShapeDtypeStruct((length,), "float32")


def report(fn, length=16, **options):
    return certify(fn, signal(length), axes=(0,), **options).leaves[0].axes[0]


def lattice(claim):
    return (claim.shift, claim.moves) if claim.verdict == Verdict.PROVED else None


CELLS = np.arange(16)
BY_CHANCE = {
    "a mask with two alike ends": lambda x: jnp.where((CELLS > 2) & (CELLS < 14), x, 0),
    "divided by how many cells a window sees": lambda x: x / jnp.convolve(jnp.ones(16), jnp.ones(3), mode="same"),
    "a pattern that begins anew in the last three cells": lambda x: x * (CELLS % 13).astype(np.float32),
    "one cell more than half": lambda x: x + jnp.asarray(np.where(CELLS % 9 == 0, 5, CELLS % 9)),
}
IN_EARNEST = {
    "a checkerboard": (lambda x: x * jnp.asarray(CELLS % 2), 2),
    "a sine": (lambda x: x * jnp.asarray(np.round(4 * np.sin(CELLS * np.pi / 4)).astype(np.int32)), 8),
    "twice three and a rest": (lambda x: x + jnp.asarray(CELLS % 3), 3),
}


@pytest.mark.parametrize("name", BY_CHANCE)
def test_a_period_that_is_not_seen_twice_is_chance(name):
    """Each of them once gave a law, as "by 14 -> 14"."""
    with jax.numpy_dtype_promotion("standard"):
        found = report(BY_CHANCE[name])
    assert (found.cyclic.verdict, found.interior.verdict) == (Verdict.UNDECIDED, Verdict.UNDECIDED)
    assert "varies along it" in found.interior.broken.reason


@pytest.mark.parametrize("name", IN_EARNEST)
def test_a_period_that_is_seen_twice_makes_a_law(name):
    fn, period = IN_EARNEST[name]
    with jax.numpy_dtype_promotion("standard"):
        assert lattice(report(fn).interior) == (period, ((0, period),))
