"""Judges tables of functions that must be proved, and of false twins that must not: by execution, and by `recheck`."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxconv as jc
from jaxconv.verify.certificate import Verdict
from support.bare_proofs import bare
from support.claim_oracle import violation


def certificate_of(fn, *arrays, axis=0):
    """The certificate of a function for shifts of its first argument."""
    shapes = [jax.ShapeDtypeStruct(np.shape(a), np.asarray(a).dtype) for a in arrays]
    with bare():
        return jc.certify(fn, *shapes, axes={0: (axis,)}, search=False)


def law(fn, *arrays, kind="cyclic", axis=0):
    """The shift, the moves and the region that are proved, after execution and `recheck` found no fault; else None."""
    certificate = certificate_of(fn, *arrays, axis=axis)
    claim = certificate.leaves[0].axes[0].claims[kind]
    assert jc.recheck(certificate, fn, *arrays) == ()
    if claim.verdict is not Verdict.PROVED:
        return None
    at_least_one_axis = lambda *arguments: jnp.atleast_1d(fn(*arguments))  # the oracle compares cells along axes
    assert violation(at_least_one_axis, arrays, 0, axis, 0, claim, kind) is None
    return claim.shift, claim.moves, claim.region


def culprit(fn, *arrays, kind="cyclic", axis=0):
    """The primitive of the culprit of a claim that is not proved."""
    claim = certificate_of(fn, *arrays, axis=axis).leaves[0].axes[0].claims[kind]
    assert claim.verdict is not Verdict.PROVED
    return claim.culprit.primitive
