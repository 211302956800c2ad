"""The shift laws of normalisation and dropout: certificates, rechecked by execution, and the culprit if a law breaks."""

import linecache
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.bare_proofs import bare
from support.claim_oracle import judged

import jaxconv as jc
from jaxconv.verify.certificate import Verdict

PARAMS = {"scale": np.float32([2, -1, 0.5, 3]), "bias": np.float32([1, 0, -2, 0.25])}
STATE = {"mean": np.float32([0.5, -1, 0, 2]), "var": np.float32([1, 4, 0.25, 2])}
X = jax.ShapeDtypeStruct((2, 6, 5, 4), "float32")
KEY = jax.random.key(3)

POINTWISE = {
    "layer_norm": partial(jc.layer_norm, PARAMS),
    "rms_norm": partial(jc.rms_norm, PARAMS),
    "batch_norm in evaluation": lambda x: jc.batch_norm(PARAMS, STATE, x, training=False)[0],
    "channel_dropout": lambda x: jc.channel_dropout(KEY, x, 0.5, training=True),
    "dropout in evaluation": lambda x: jc.dropout(KEY, x, 0.5, training=False),
}
OVER_POSITIONS = {
    "group_norm": partial(jc.group_norm, PARAMS, groups=2),
    "instance_norm": partial(jc.instance_norm, PARAMS),
    "batch_norm in training": lambda x: jc.batch_norm(PARAMS, STATE, x, training=True)[0],
}


@pytest.mark.parametrize("name", POINTWISE)
def test_what_looks_at_one_position_moves_with_it_up_to_the_border(name):
    report = judged(POINTWISE[name], X)
    for claim in (report.cyclic, report.interior):
        assert (claim.verdict, claim.shift, claim.moves) == (Verdict.PROVED, 1, ((1, 1),))
        assert claim.receptive_field.size == 1
    assert report.interior.region == ((1, 0, 6),)


@pytest.mark.parametrize("name", OVER_POSITIONS)
def test_statistics_over_positions_leave_cyclic_shifts_alone(name):
    report = judged(OVER_POSITIONS[name], X)
    assert (report.cyclic.verdict, report.cyclic.shift, report.cyclic.moves) == (Verdict.PROVED, 1, ((1, 1),))
    assert report.cyclic.receptive_field is None


@pytest.mark.parametrize("name", [*POINTWISE, *OVER_POSITIONS])
def test_every_step_of_the_proofs_stands(name):
    layer = (POINTWISE | OVER_POSITIONS)[name]
    with bare():
        assert jc.recheck(jc.certify(layer, X, axes=(1,), search=False), layer, X) == ()


@pytest.mark.parametrize("name", OVER_POSITIONS)
def test_but_not_the_interior(name):
    """New content at the border changes the mean, and so every cell. Executed samples refute the claim."""
    claim = jc.certify(OVER_POSITIONS[name], X, axes=(1,)).leaves[0].axes[0].interior
    assert (claim.verdict, claim.culprit.primitive) == (Verdict.REFUTED, "reduce_sum")
    assert "reduces over the whole shifted axis" in claim.culprit.reason


def test_the_new_state_does_not_change():
    step = lambda x: jc.batch_norm(PARAMS, STATE, x, training=True)[1]
    for leaf in jc.certify(step, X, axes=(1, 2)).leaves:
        for report in leaf.axes:
            assert (report.cyclic.verdict, report.cyclic.shift, report.cyclic.moves) == (Verdict.PROVED, 1, ())


def test_the_gradients_of_a_network_in_training():
    """The input gradient moves with x; the parameter gradients and the new state are invariant."""

    def loss(params, state, x):
        x = jc.conv(params["conv"], x, padding="circular")
        x, state = jc.batch_norm(params["batch_norm"], state, x, training=True)
        x = jc.channel_dropout(KEY, jax.nn.relu(x), 0.25, training=True)
        return jnp.sum(jnp.sin(jc.layer_norm(params["layer_norm"], x))), state

    params = {"conv": {"kernel": np.ones((3, 3, 4, 4), np.float32)}, "batch_norm": PARAMS, "layer_norm": PARAMS}
    step = jax.grad(loss, argnums=(0, 2), has_aux=True)
    certificate = jc.certify(step, params, STATE, X, axes={2: (1,)}, search=False)
    assert certificate.cyclic == Verdict.PROVED
    moves = {leaf.path: leaf.axes[0].cyclic.moves for leaf in certificate.leaves}
    assert moves.pop("[0][1]") == ((1, 1),)
    assert len(moves) == 7
    assert set(moves.values()) == {()}


def test_dropped_cells_stay_behind():
    """Plain dropout instead of channel dropout is refuted, with the culprit named by primitive and line."""

    def net(x):
        x = jax.nn.relu(x)
        return jc.dropout(KEY, x, 0.5, training=True)

    for kind in ("cyclic", "interior"):
        claim = jc.certify(net, X, axes=(1,)).leaves[0].axes[0].claims[kind]
        assert (claim.verdict, claim.culprit.primitive) == (Verdict.REFUTED, "select_n")
        assert "one that is fixed and position-dependent" in claim.culprit.reason
        file, line = claim.culprit.source.split(" ")[0].rsplit(":", 1)
        assert linecache.getline(file, int(line)).strip() == "return jc.dropout(KEY, x, 0.5, training=True)"


@pytest.mark.parametrize("key", [jax.random.key(3), jax.random.PRNGKey(3)], ids=["typed", "raw"])
def test_the_key_may_be_an_argument(key):
    """A value computed from a key that no shift changes is invariant."""
    net = lambda key, x: jc.channel_dropout(key, x, 0.5, training=True)
    with bare():
        certificate = jc.certify(net, key, X, axes={1: (1,)})
        assert jc.recheck(certificate, net, key, X) == ()
    assert certificate.cyclic == certificate.interior == Verdict.PROVED


def test_a_key_made_from_the_input_is_none():
    """A key that depends on the input moves the mask in no way that is related to the shift."""

    def net(x):
        key = jax.random.key(jnp.argmax(x.sum((0, 2, 3))))
        return jc.channel_dropout(key, x, 0.5, training=True)

    claim = jc.certify(net, X, axes=(1,)).leaves[0].axes[0].cyclic
    assert (claim.verdict, claim.culprit.primitive) == (Verdict.REFUTED, "argmax")
