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


RESIZED = {  # 12 cells: settings, length, shift, move, region
    "nearest": ({"method": "nearest"}, 24, 1, 2, (0, 24)),
    "linear": ({}, 24, 1, 2, (1, 23)),
    "linear, down": ({"antialias": False}, 8, 3, 2, (0, 8)),
    "linear, antialiased": ({"antialias": True}, 6, 2, 1, (1, 5)),
    "cubic": ({"method": "cubic"}, 18, 2, 3, (2, 16)),
    "cubic of PyTorch": ({"method": "cubic", "coefficient": -0.75, "border": "edge"}, 18, 2, 3, (2, 16)),
    "area": ({"method": "area"}, 8, 3, 2, (0, 8)),
    "asymmetric": ({"corners": "asymmetric"}, 24, 1, 2, (0, 23)),
    "aligned": ({"corners": "align"}, 23, 1, 2, (0, 23)),
}


@pytest.mark.parametrize("name", RESIZED)
def test_resizing_moves_by_q_where_x_moves_by_p_away_from_the_border(name):
    """For n/m = p/q; the region has the outputs that read no cell beyond the border."""
    settings, length, shift, move, region = RESIZED[name]
    fn = lambda x: jc.resize(x, (length, 8), **settings)
    certificate = jc.certify(fn, X, axes=(1,), search=False)
    claim = certificate.leaves[0].axes[0].interior
    assert (claim.shift, claim.moves, claim.region) == (shift, ((1, move),), ((1, *region),))
    assert jc.recheck(certificate, fn, X) == ()


def test_aligned_corners_rarely_have_a_law():
    """From 12 to 24 cells, 11/23 is in lowest terms."""
    report = jc.certify(lambda x: jc.resize(x, (24, 8), corners="align"), X, axes=(1,)).leaves[0].axes[0]
    assert Verdict.PROVED not in (report.cyclic.verdict, report.interior.verdict)


@pytest.mark.parametrize("training", [False, True])
def test_normalised_parameters_change_no_proof(training):
    """Exactly as for `conv`: kernel and state are proved for all values, and the new state is invariant."""
    state = {"u": np.ones(4, np.float32), "v": np.ones((3, 2, 2), np.float32)}
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
