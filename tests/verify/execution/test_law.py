"""Test laws: inferred from shapes, given by hand, from a certificate, and within a region."""

import jax.numpy as jnp
import numpy as np
import pytest
from support.numeric_subjects import C, H, X, circular, pooled, reversed_rows, strided, zero_padded

import jaxconv as jc
from jaxconv.verify.claims import Verdict
from jaxconv.verify.execution.check import check
from jaxconv.verify.execution.check_report import Finding


def test_a_stride_that_does_not_divide_is_found():
    """A stride of 2 over nine columns gives five, so the rolled output is wrong at the wrap."""
    x = np.random.default_rng(2).normal(size=(1, H, 9, C)).astype(np.float32)
    (leaf,) = check(strided, x, axes=(2,)).leaves
    assert leaf.finding == Finding.VIOLATED
    assert leaf.axes[0].law.shift == 2
    assert len(leaf.shifts) == 9
    assert check(strided, x[:, :, :8], axes=(2,)).finding == Finding.HELD


def test_moves_are_inferred_from_the_shapes():
    upsampled = lambda x: jnp.repeat(x, 3, axis=1)
    resampled = lambda x: jnp.repeat(x, 3, axis=2)[:, :, ::2]
    kept = lambda x: x.mean(2, keepdims=True)
    cases = [(upsampled, 1, (1, ((1, 3),))), (resampled, 2, (2, ((2, 3),))), (kept, 2, (1, ())), (pooled, 1, (1, ()))]
    for fn, axis, expected in cases:
        found = check(fn, X, axes=(axis,))
        law = found.leaves[0].axes[0].law
        assert (law.shift, law.moves) == expected
        assert found.finding == Finding.HELD


def test_moves_by_hand_and_from_a_certificate():
    """A reversed axis moves against the shift, which shapes do not show; a transposed output moves along another axis."""
    assert check(reversed_rows, X, axes=(1,), moves=[(1, {1: -1})]).finding == Finding.HELD
    assert check(reversed_rows, X, axes=(1,), moves=[(1, {-3: -1})]).finding == Finding.HELD
    certificate = jc.certify(reversed_rows, X, axes=(1, 2), search=False)
    found = check(reversed_rows, X, axes=(1, 2), certificate=certificate)
    assert found.finding == Finding.HELD
    assert found.leaves[0].axes[0].law.origin == "the certificate"
    swapped = lambda x: jnp.swapaxes(circular(x), 1, 2)
    assert check(swapped, X, axes=(1,), moves=[(1, {2: 1})]).finding == Finding.HELD
    gram = lambda x: jnp.einsum("nhwc,ngwc->hg", x, x)
    assert check(gram, X, axes=(1,), moves=[(1, {0: 1, 1: 1})]).finding == Finding.HELD
    assert check(gram, X, axes=(1,), moves=[(1, {0: 1})]).finding == Finding.VIOLATED


def test_invariance_is_checked_where_it_is_asked_for():
    assert check(pooled, X, axes=(1, 2), invariant=True).finding == Finding.HELD
    assert check(circular, X, axes=(1, 2), invariant=True).finding == Finding.VIOLATED


def test_a_refuted_certificate_leaves_the_shapes():
    certificate = jc.certify(zero_padded, X, axes=(1,), search=False)
    found = check(zero_padded, X, axes=(1,), certificate=certificate)
    assert certificate.cyclic != Verdict.PROVED
    assert found.finding == Finding.VIOLATED
    assert found.leaves[0].axes[0].law.origin == "the shapes"


@pytest.mark.parametrize("model", ["interior", "zero"])
def test_the_interior_of_a_zero_padded_network(model):
    """The law holds on the certificate's region [1, h - 1), for shifts of both signs, and on no larger region."""
    certificate = jc.certify(zero_padded, X, axes=(1, 2), search=False)
    (leaf,) = check(zero_padded, X, axes=(1, 2), model=model, certificate=certificate).leaves
    assert leaf.finding == Finding.HELD
    assert leaf.axes[0].law.region == ((1, 1, H - 1),)
    assert set(leaf.shifts[:, 0]) == {-3, -2, -1, 0, 1, 2, 3}
    assert (leaf.positions[:, [0, -1]] == -1).all()
    assert (leaf.positions[:, 1:-1, 1:-1] >= 0).all()
    assert ((leaf.means == -1) == (leaf.positions == -1)).all()
    by_hand = check(zero_padded, X, axes=(1,), model=model, region={1: (1, H - 1)})
    assert by_hand.finding == Finding.HELD
    for region in ({1: (0, H - 1)}, {1: (1, H)}):
        assert check(zero_padded, X, axes=(1,), model=model, region=region).finding == Finding.VIOLATED
