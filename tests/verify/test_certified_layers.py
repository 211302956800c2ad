"""What is proved of layers with a mask or a state, with the exact shifts, moves and regions."""

import jax
import numpy as np
import pytest
from support.bare_proofs import bare

import jaxconv as jc
from jaxconv.verify.claims import Verdict

X = jax.ShapeDtypeStruct((2, 12, 8, 2), "float32")
PARAMS = {"kernel": np.ones((3, 2, 2, 4), np.float32), "bias": np.ones(4, np.float32)}


@pytest.fixture(autouse=True)
def executes_by_numpy():
    """Constant folding and rechecks execute by NumPy and compile nothing."""
    with bare():
        yield


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("padding", "first"), [("circular", 1), ("same", 0)])
def test_a_partial_conv_moves_with_its_mask(channels, padding, first):
    """Both outputs, y and the new mask, move by one where x and mask move by the stride."""
    mask = jax.ShapeDtypeStruct((*X.shape[:-1], channels), "bool")
    fn = lambda x, mask: jc.partial_conv(PARAMS, x, mask, stride=2, padding=padding)
    certificate = jc.certify(fn, X, mask, axes={0: (1,), 1: (1,)}, search=False)
    assert len(certificate.leaves) == 2
    for leaf in certificate.leaves:
        report = leaf.axes[0]
        assert (report.cyclic.verdict is Verdict.PROVED) is (padding == "circular")
        assert (report.interior.shift, report.interior.moves) == (2, ((1, 1),))
        assert report.interior.region == ((1, first, first + 5),)
    assert jc.recheck(certificate, fn, X, mask) == ()


@pytest.mark.parametrize("training", [False, True])
def test_normalised_parameters_change_no_proof(training):
    """Exactly as for `conv`: kernel and state are proved for all values, and the new state is invariant."""
    state = {"u": np.ones(4, np.float32), "v": np.ones(12, np.float32)}
    scaled = PARAMS | {"scale": np.ones(4, np.float32)}
    for fn in (
        lambda x: jc.conv(jc.spectral_norm(PARAMS, state, training=training)[0], x, padding="circular"),
        lambda x: jc.conv(jc.weight_norm(scaled), x, padding="circular"),
    ):
        report = jc.certify(fn, X, axes=(1,), search=False).leaves[0].axes[0]
        assert (report.cyclic.shift, report.cyclic.moves, report.interior.region) == (1, ((1, 1),), ((1, 1, 11),))


def test_a_partial_conv_is_not_proved_under_a_mask_that_stays():
    mask = np.random.default_rng(0).integers(0, 2, X.shape).astype(bool)
    fn = lambda x: jc.partial_conv(PARAMS, x, mask, padding="circular")[0]
    report = jc.certify(fn, X, axes=(1,)).leaves[0].axes[0]
    assert (report.cyclic.verdict, report.interior.verdict) == (Verdict.REFUTED,) * 2
