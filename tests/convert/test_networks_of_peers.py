"""State dicts of PyTorch in networks of Flax and Equinox: they compute what ours do with the same state dict."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.state_dicts import batch_norm

import jaxconv as jc

pytestmark = pytest.mark.peers
SHAPES = {
    "stem.weight": (4, 3, 3, 5), **batch_norm("bn1", 4), "mid.weight": (4, 4, 3, 3), "mid.bias": (4,),
    **batch_norm("bn2", 4), "up.weight": (4, 4, 2, 3), "up.bias": (4,), "fc.weight": (5, 4), "fc.bias": (5,),
}  # fmt: skip
draw = np.random.default_rng(0)
FLAT = {
    name: draw.uniform(0.5, 2, shape).astype(np.float32) if name.endswith("var") else
    draw.normal(0, 0.5, shape).astype(np.float32) for name, shape in SHAPES.items()
}  # fmt: skip
X = draw.normal(size=(2, 7, 9, 3)).astype(np.float32)
NAMES = {"mid": "mid", "up": "up"}


def ours():
    """The network of our layers."""
    conv = lambda *shape: {"kernel": np.zeros(shape), "bias": np.zeros(shape[-1])}
    norm, averages = {"scale": np.zeros(4), "bias": np.zeros(4)}, {"mean": np.zeros(4), "var": np.zeros(4)}
    params = {"stem": {"kernel": np.zeros((3, 5, 3, 4))}, "norm1": norm, "mid": conv(3, 3, 4, 4), "norm2": norm,
              "up": conv(2, 3, 4, 4), "out": {"kernel": np.zeros((4, 5)), "bias": np.zeros(5)}}  # fmt: skip
    like = params, {"norm1": averages, "norm2": averages}
    params, state = jc.from_state_dict(FLAT, like, library="torch", names=NAMES)
    x = jc.conv(params["stem"], X)
    x = jax.nn.relu(jc.batch_norm(params["norm1"], state["norm1"], x, training=False)[0])
    x = jc.conv(params["mid"], x)
    x = jax.nn.relu(jc.batch_norm(params["norm2"], state["norm2"], x, training=False)[0])
    x = jc.conv_transpose(params["up"], x, stride=1)
    return jc.dense(params["out"], x.mean((1, 2)))


def assert_same_network(y):
    np.testing.assert_allclose(y, ours(), rtol=0, atol=1e-5)


def test_flax_linen():
    nn = pytest.importorskip("flax.linen")

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.Conv(4, (3, 5), padding="VALID", use_bias=False)(x)
            x = nn.relu(nn.BatchNorm(use_running_average=True)(x))
            x = nn.Conv(4, (3, 3), padding="VALID")(x)
            x = nn.relu(nn.BatchNorm(use_running_average=True)(x))
            x = nn.ConvTranspose(4, (2, 3), padding="VALID")(x)
            return nn.Dense(5)(x.mean((1, 2)))

    like = jax.eval_shape(Net().init, jax.random.key(0), X)
    how = {"library": "torch", "into": "flax", "names": {"Conv_1": "mid"}}
    variables = jc.from_state_dict(FLAT, like, **how)
    assert_same_network(Net().apply(variables, X))
    back = jc.to_state_dict(variables, FLAT, **how)
    assert all((back[name] == array).all() for name, array in FLAT.items())


def test_equinox():
    eqx = pytest.importorskip("equinox")

    class Net(eqx.Module):
        stem: eqx.nn.Conv2d
        norms: list
        mid: eqx.nn.Conv2d
        up: eqx.nn.ConvTranspose2d
        out: eqx.nn.Linear

        def __init__(self, key):
            self.stem = eqx.nn.Conv2d(3, 4, (3, 5), use_bias=False, key=key)
            self.norms = [eqx.nn.BatchNorm(4, "batch", mode="ema") for _ in range(2)]
            self.mid = eqx.nn.Conv2d(4, 4, 3, key=key)
            self.up = eqx.nn.ConvTranspose2d(4, 4, (2, 3), key=key)
            self.out = eqx.nn.Linear(4, 5, key=key)

        def __call__(self, x, state):
            x, state = self.norms[0](self.stem(x), state)
            x, state = self.norms[1](self.mid(jax.nn.relu(x)), state)
            return self.out(self.up(jax.nn.relu(x)).mean((1, 2))), state

    like = eqx.nn.make_with_state(Net)(jax.random.key(0))
    how = {"library": "torch", "into": "equinox"}
    names = {"mid": "mid", "up": "up", "norms.0": "bn1", "norms.1": "bn2"}
    net, state = jc.from_state_dict(FLAT, like, names=names, **how)
    run = jax.vmap(eqx.nn.inference_mode(net), in_axes=(0, None), axis_name="batch")
    assert_same_network(run(jnp.moveaxis(X, -1, 1), state)[0])
    back = jc.to_state_dict((net, state), FLAT, names=names, **how)
    assert all((np.asarray(back[name]) == array).all() for name, array in FLAT.items())
    found = jc.settings_from_modules("equinox", {"stem": net.stem, "bn1": net.norms[0]})
    assert found["bn1"] == {"epsilon": 1e-5, "momentum": 0.99}
    assert found["stem"]["stride"] == (1, 1)

    debiased = eqx.nn.make_with_state(lambda: eqx.nn.BatchNorm(4, "batch", mode="batch"))()
    with pytest.raises(ValueError, match="the mode of the root is 'batch', but should be 'ema'"):
        jc.from_state_dict({k[4:]: a for k, a in FLAT.items() if k.startswith("bn1")}, debiased, **how)
