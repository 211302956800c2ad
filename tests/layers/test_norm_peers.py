"""Normalisation and dropout compared with other libraries, if installed: values, running averages, rates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv as jc

GENERATOR = np.random.default_rng(0)
X = jnp.asarray(GENERATOR.normal(1, 2, size=(3, 6, 5, 4)).astype(np.float32))
SCALE, BIAS, MEAN = (jnp.asarray(GENERATOR.normal(size=4).astype(np.float32)) for _ in range(3))
VAR = jnp.array([1.0, 4.0, 0.25, 2.0])
PARAMS, STATE = {"scale": SCALE, "bias": BIAS}, {"mean": MEAN, "var": VAR}
pytestmark = pytest.mark.peers
# These libraries compute variances in one pass, E[x^2] - E[x]^2, which loses a digit or two.
close = lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.fixture(autouse=True)
def _lenient():
    """Allows promotion of dtypes and ranks, which these libraries need."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def test_flax():
    linen = pytest.importorskip("flax.linen")
    apply = lambda module: module.apply({"params": PARAMS}, X)
    close(jc.layer_norm(PARAMS, X, epsilon=1e-6), apply(linen.LayerNorm()))
    close(jc.group_norm(PARAMS, X, groups=2, epsilon=1e-6), apply(linen.GroupNorm(num_groups=2)))
    close(jc.instance_norm(PARAMS, X, epsilon=1e-6), apply(linen.InstanceNorm()))
    rms = linen.RMSNorm().apply({"params": {"scale": SCALE}}, X)
    close(jc.rms_norm({"scale": SCALE}, X, epsilon=1e-6), rms)


@pytest.mark.parametrize("training", [True, False])
def test_flax_batch_norm(training):
    """With the same momentum and the same (biased) running variance."""
    linen = pytest.importorskip("flax.linen")
    module = linen.BatchNorm(use_running_average=not training, momentum=0.9)
    variables = {"params": PARAMS, "batch_stats": STATE}
    y, updated = module.apply(variables, X, mutable=["batch_stats"])
    actual, state = jc.batch_norm(PARAMS, STATE, X, training=training, momentum=0.9)
    close(actual, y)
    for name in ("mean", "var"):
        close(state[name], updated["batch_stats"][name])


def test_equinox():
    """Equinox uses channels first and single examples; its layer norm normalises a whole example."""
    eqx = pytest.importorskip("equinox")
    channels_first = jnp.moveaxis(X, -1, 1)
    for groups in (1, 2, 4):
        module = eqx.nn.GroupNorm(groups, 4)
        module = eqx.tree_at(lambda m: (m.weight, m.bias), module, (SCALE, BIAS))
        actual = jc.group_norm(PARAMS, channels_first, groups=groups, layout="channels_first")
        close(actual, jax.vmap(module)(channels_first))
    close(jc.group_norm({}, X, groups=1), jax.vmap(eqx.nn.LayerNorm(X.shape[1:]))(X))
    pointwise = eqx.tree_at(lambda m: (m.weight, m.bias), eqx.nn.LayerNorm(4), (SCALE, BIAS))
    close(jc.layer_norm(PARAMS, X), jax.vmap(jax.vmap(jax.vmap(pointwise)))(X))
    rms = eqx.tree_at(lambda m: (m.weight, m.bias), eqx.nn.RMSNorm(4), (SCALE, BIAS))
    close(jc.rms_norm(PARAMS, X), jax.vmap(jax.vmap(jax.vmap(rms)))(X))


def test_haiku():
    hk = pytest.importorskip("haiku")

    def apply(make):
        """Applies their layer with our parameters, reshaped to its shapes."""

        def forward(x):
            return make()(x)

        model = hk.without_apply_rng(hk.transform(forward))
        params = model.init(jax.random.key(0), X)
        ours = {"scale": SCALE, "offset": BIAS}
        ((module, leaves),) = params.items()
        return model.apply({module: {name: ours[name].reshape(leaf.shape) for name, leaf in leaves.items()}}, X)

    close(jc.layer_norm(PARAMS, X), apply(lambda: hk.LayerNorm(axis=-1, create_scale=True, create_offset=True)))
    close(jc.group_norm(PARAMS, X, groups=2), apply(lambda: hk.GroupNorm(groups=2)))
    close(jc.instance_norm(PARAMS, X), apply(lambda: hk.InstanceNorm(create_scale=True, create_offset=True)))
    close(jc.rms_norm({"scale": SCALE}, X), apply(lambda: hk.RMSNorm(axis=-1)))


def test_dropout_drops_the_share_that_others_drop():
    """Flax and Haiku also define the rate as the fraction dropped; stax defines it as the fraction kept."""
    hk = pytest.importorskip("haiku")
    x, key = jnp.ones((1, 400, 400, 1)), jax.random.key(0)
    shares = [(y == 0).mean() for y in (jc.dropout(key, x, 0.2, training=True), hk.dropout(key, 0.2, x))]
    assert abs(shares[0] - shares[1]) < 0.01
    with_maps = hk.dropout(key, 0.2, jnp.ones((40, 2, 2, 100)), broadcast_dims=(1, 2))
    ours = jc.channel_dropout(key, jnp.ones((40, 2, 2, 100)), 0.2, training=True)
    assert abs((with_maps == 0).mean() - (ours == 0).mean()) < 0.05
