"""Models of other libraries, as they are written: their scores, training steps and states are computed alike.

Weights and images are whole numbers, so both are equal without a tolerance up to the first division.
"""

import os
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.example_libraries import stax
from support.networks.arguments import lenient

import jaxconv as jc
from jaxconv.jaxprs.traverse import equations

os.environ.setdefault("KERAS_BACKEND", "jax")  # read when Keras is first imported
GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(-2, 3, (2, 8, 6, 3)).astype(np.float32)


def whole(params):
    """Parameters of the same shapes, whole numbers."""
    return jax.tree.map(lambda a: jnp.asarray(GENERATOR.integers(-1, 2, a.shape), a.dtype), params)


def linen():
    """Convolutions, one depthwise and one transposed, pools, and batch normalisation that changes its state."""
    from flax import linen

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = linen.relu(linen.Conv(4, (3, 3), padding="CIRCULAR")(x))
            x = linen.max_pool(x, (2, 2), (2, 2))
            x = linen.Conv(4, (3, 2), feature_group_count=4, strides=(2, 1))(x)
            x = linen.ConvTranspose(3, (2, 2), strides=(2, 2))(x)
            return linen.avg_pool(x, (2, 2), (1, 1)).sum((1, 2))

    net = Net()
    params = whole(jax.eval_shape(net.init, jax.random.key(0), IMAGES))
    return net.apply, params, IMAGES


def linen_state():
    """The statistics of a batch normalisation are results as well."""
    from flax import linen

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            return linen.BatchNorm(use_running_average=False, momentum=0.5)(linen.Conv(4, (3, 3))(x))

    net = Net()
    params = net.init(jax.random.key(0), IMAGES)
    return (lambda params, x: net.apply(params, x, mutable=["batch_stats"])[1]), params, IMAGES


def nnx():
    from flax import nnx

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(3, 4, (3, 2), rngs=rngs)
            self.head = nnx.Linear(4, 5, rngs=rngs)

        def __call__(self, x):
            return self.head(nnx.max_pool(nnx.relu(self.conv(x)), (2, 2), (2, 2)).sum((1, 2)))

    graph, state = nnx.split(Net(nnx.Rngs(0)))
    return (lambda state, x: nnx.merge(graph, state)(x)), whole(state), IMAGES


def equinox():
    """The module itself is an argument, whose settings are no arrays; channels first, one example under vmap."""
    import equinox as eqx

    keys = jax.random.split(jax.random.key(0))
    net = eqx.nn.Sequential([
        eqx.nn.Conv2d(3, 4, (3, 2), padding=1, key=keys[0]), eqx.nn.Lambda(jax.nn.relu), eqx.nn.MaxPool2d(2, 2),
        eqx.nn.ConvTranspose2d(4, 2, 2, stride=2, key=keys[1]), eqx.nn.AvgPool2d(2, 1), eqx.nn.Lambda(jnp.ravel),
    ])  # fmt: skip
    arrays, settings = eqx.partition(net, eqx.is_array)
    images = np.moveaxis(IMAGES, -1, 1)
    return (lambda net, x: jax.vmap(eqx.combine(net, settings))(x)), whole(arrays), images


def haiku():
    import haiku as hk

    def forward(x):
        x = hk.max_pool(jax.nn.relu(hk.Conv2D(4, (3, 2))(x)), (2, 2, 1), (2, 2, 1), "SAME")
        return hk.avg_pool(hk.Conv2DTranspose(3, 2, stride=2)(x), (2, 2, 1), (1, 1, 1), "VALID").sum((1, 2))

    net = hk.without_apply_rng(hk.transform(forward))
    return net.apply, whole(jax.eval_shape(net.init, jax.random.key(0), IMAGES)), IMAGES


def keras():
    import keras

    net = keras.Sequential([
        keras.Input(IMAGES.shape[1:]), keras.layers.Conv2D(4, (3, 2), padding="same", activation="relu"),
        keras.layers.MaxPooling2D(2), keras.layers.DepthwiseConv2D(2), keras.layers.Flatten(),
    ])  # fmt: skip
    trained, rest = net.trainable_variables, [v.value for v in net.non_trainable_variables]
    weights = whole([v.value for v in trained])
    return (lambda weights, x: net.stateless_call(weights, rest, x)[0]), weights, IMAGES


def of_stax():
    init, apply = stax.serial(
        stax.Conv(4, (3, 2), padding="SAME"), stax.Relu, stax.MaxPool((2, 2), (2, 2)), stax.Flatten
    )
    return apply, whole(init(jax.random.key(0), IMAGES.shape)[1]), IMAGES


PEERS = {"flax": linen, "flax state": linen_state, "flax nnx": nnx, "equinox": equinox, "haiku": haiku, "keras": keras}
LIBRARIES = [pytest.param(of_stax, id="stax"), *(pytest.param(make, id=name, marks=pytest.mark.peers) for name, make in PEERS.items())]  # fmt: skip


@pytest.mark.parametrize("make", LIBRARIES)
def test_a_model_and_its_training_step(make):
    """`accelerate` before and after differentiation, under `jax.jit`; nothing that the table improves is left to lax."""
    if make is not of_stax:
        pytest.importorskip({"linen": "flax", "linen_state": "flax", "nnx": "flax"}.get(make.__name__, make.__name__))
    apply, params, x = lenient(make)()
    apply = lenient(apply)
    total = lambda params, x: sum(leaf.sum() for leaf in jax.tree.leaves(apply(params, x)))
    step = lambda fn: jax.jit(jax.value_and_grad(fn))
    expected = lenient(step(total))(params, x)
    fast = jc.accelerate(total)
    for run in (step(fast), jax.jit(jc.accelerate(jax.value_and_grad(total)))):
        found = lenient(run)(params, x)
        for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            assert one.dtype == other.dtype
            tolerance = 0 if make is not linen_state else 2e-4  # of statistics: two sums of 96 numbers, and a quotient
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    explained = lenient(fast.explain)(params, x)
    assert {"conv_general_dilated"} <= {row.primitive for row in explained.replaced}
    assert [str(row) for row in explained.kept if row.reason != "lax is as fast"] == []


def operations(step, *arguments):
    """The window operations of a step, with their geometry and shapes, in any order."""
    found = [equation for equation, _ in equations(jax.make_jaxpr(step)(*arguments))]
    settings = lambda equation: str(equation.params.get("spec") or equation.params.get("axes"))
    return Counter(
        (equation.primitive.name, settings(equation), str([atom.aval for atom in equation.invars]))
        for equation in found
        if equation.primitive.name.startswith(("jaxconv_", "conv_general", "reduce_window", "select_and"))
    )


def test_a_training_step_has_the_operations_of_our_own_layers():
    """So it is as fast: the same primitives, of the same geometry, on arrays of the same shapes."""
    apply, params, x = of_stax()
    ours = lambda kernel, bias, x: jc.max_pool(
        jax.nn.relu(jc.conv({"kernel": kernel, "bias": bias}, x, padding="same")), (2, 2)
    )
    (kernel, bias), *_ = params
    layers = jax.grad(lambda kernel, x: jnp.square(ours(kernel, bias.ravel(), x)).sum(), (0, 1))
    library = jax.grad(lambda params, x: jnp.square(apply(params, x)).sum(), (0, 1))
    expected = operations(layers, kernel, x)
    assert operations(jc.accelerate(library), params, x) == expected
    assert operations(library, params, x) != expected
    assert expected.total() == 5


@pytest.mark.peers
def test_the_statistics_of_nnx_are_returned_or_refused():
    """A model of NNX changes itself, and a traced one is a copy."""
    nnx = pytest.importorskip("flax.nnx")

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(3, 4, (3, 2), rngs=rngs)
            self.norm = nnx.BatchNorm(4, momentum=0.5, rngs=rngs)

        def __call__(self, x):
            return self.norm(self.conv(x))

    def scores(state, x):
        model = nnx.merge(graph, state)
        return model(x), nnx.state(model)

    make = lenient(lambda: Net(nnx.Rngs(0)))
    net = make()
    graph, state = nnx.split(make())
    expected, (found, statistics) = lenient(net)(IMAGES), lenient(jc.accelerate(scores))(state, IMAGES)
    # Two sums of 96 numbers, and a quotient.
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)
    for name in ("mean", "var"):
        np.testing.assert_allclose(
            statistics["norm"][name][...], getattr(net.norm, name)[...], rtol=2e-4, atol=2e-4, err_msg=name
        )
    step = nnx.jit(lambda model, x: model(x).sum())
    for call in (
        lambda: jc.accelerate(lambda model, x: model(x))(make(), IMAGES),
        lambda: jc.accelerate(step)(make(), IMAGES),
    ):
        with pytest.raises(ValueError, match=r"changes its arguments in place \(\[0\]\.norm\.mean.* and 1 more"):
            lenient(call)()
    pure = nnx.jit(lambda model, x: model.conv(x).sum())
    np.testing.assert_allclose(lenient(jc.accelerate(pure))(net, IMAGES), lenient(pure)(net, IMAGES), rtol=1e-4)
