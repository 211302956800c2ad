"""Bare proofs are the proofs that the certifier finds by itself, and nothing is compiled for them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv as jc
from jaxconv.verify.claims import Verdict
from support.bare_proofs import bare
from support.compilations import compilations
from support.numpy_evaluation import ROWS

X = jax.ShapeDtypeStruct((1, 7, 11), "float32")  # lengths that no other test has, so that all is compiled anew
FOLDED = {
    "a matrix": lambda x: jnp.einsum("nhc,hk->nkc", x, jnp.eye(7, k=1) + jnp.eye(7)),
    "indices": lambda x: x[:, (2 * jnp.arange(9) + 3) % 7],
    "a mask": lambda x: jnp.where(jnp.arange(7)[None, :, None] > 3, x, 0),
    "weights of a resampling": lambda x: jax.image.resize(x, (1, 14, 11), "cubic"),
    "without a row": lambda x: x * jax.lax.cbrt(jnp.arange(7.0))[None, :, None],
}


def proofs(fn):
    (report,) = jc.certify(fn, X, axes=(1,), search=False).leaves[0].axes
    return [(c.verdict, c.shift, c.moves, c.region, c.receptive_field) for c in (report.cyclic, report.interior)]


@pytest.mark.parametrize("name", FOLDED)
def test_constants_by_numpy_prove_the_same(name):
    with bare(), compilations() as compiled:
        found = proofs(FOLDED[name])
    assert len(compiled) == (name == "without a row")
    assert found == proofs(FOLDED[name])


def test_other_constants_would_prove_something_else(monkeypatch):
    """The broken twin: a sine that is always 1 leaves no weights."""
    weighted = lambda x: x * jnp.sin(jnp.arange(7.0))[None, :, None]
    monkeypatch.setitem(ROWS, "sin", lambda x, **_: np.ones_like(x))
    with bare():
        ((verdict, *_), _) = proofs(weighted)
    assert verdict == Verdict.PROVED
    assert proofs(weighted)[0][0] == Verdict.UNDECIDED


def test_no_size_is_looked_for():
    """Nine cells see more than the image has; only a whole certificate says which size would do."""
    fn = lambda x: jc.max_pool(x, (7,), stride=1, padding="same")
    (report,) = jc.certify(fn, X, axes=(1,), search=False).leaves[0].axes
    assert "smallest size" in report.interior.culprit.cure
    with bare():
        (report,) = jc.certify(fn, X, axes=(1,), search=False).leaves[0].axes
    assert "smallest size" not in report.interior.culprit.cure
