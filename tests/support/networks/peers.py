"""Networks of other libraries, each imported where it is used since none of them needs to be installed."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.example_libraries import stax

from support.networks.arguments import abstract, lenient, picture
from support.networks.expectation import Culprit, H, W, field_of, unbounded, windowed


def flax_resnet(height=48, width=48, channels=4, padding="CIRCULAR", norm="batch"):
    """A stem and two residual blocks in Flax linen. Group norm averages over all positions: no interior law is left.

    CIRCULAR centres each window: [4j - 11, 4j + 11]. SAME puts the one zero that a strided window of an even length
    needs behind it, so nothing stands before: [4j - 8, 4j + 14].
    """
    from flax import linen

    normalise = {
        "batch": lambda: linen.BatchNorm(use_running_average=True),
        "group": lambda: linen.GroupNorm(num_groups=2),
    }[norm]

    class Block(linen.Module):
        features: int
        stride: int

        @linen.compact
        def __call__(self, x):
            y = linen.Conv(self.features, (3, 3), strides=self.stride, padding=padding, use_bias=False)(x)
            y = linen.relu(normalise()(y))
            y = normalise()(linen.Conv(self.features, (3, 3), padding=padding, use_bias=False)(y))
            if y.shape != x.shape:
                x = linen.Conv(self.features, (1, 1), strides=self.stride, use_bias=False)(x)
            return linen.relu(x + y)

    class ResNet(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = linen.Conv(channels, (3, 3), strides=2, padding=padding, name="stem")(x)
            x = linen.relu(normalise()(x))
            return Block(2 * channels, 2)(Block(channels, 1)(x))

    image = picture(height, width)
    variables = lenient(abstract)(ResNet().init, image_like(image))
    before = 1 if padding == "CIRCULAR" else 0
    field = field_of((3, 2, before), (3, 1, 1), (3, 1, 1), (3, 2, before), (3, 1, 1))
    culprit = None if padding == "CIRCULAR" else Culprit("conv_general_dilated", 'padding=padding, name="stem")(x)')
    expect = windowed(image, field, cyclic=padding == "CIRCULAR", culprit=culprit)
    if norm == "group":
        expect = unbounded(shift=4, cyclic=padding == "CIRCULAR", culprit=culprit)
    return lenient(ResNet().apply), (variables, image), (H, W), expect


def image_like(image: jax.ShapeDtypeStruct) -> jax.Array:
    """Zeros to initialise with; traced under `abstract`, never made."""
    return jnp.zeros(image.shape, image.dtype)


def nnx_cnn(height=16, width=16, channels=4):
    """Two circular convolutions in Flax nnx, the second strided, and the mean over positions: invariant to shifts by 2."""
    from flax import nnx

    class Classifier(nnx.Module):
        def __init__(self, rngs):
            self.conv0 = nnx.Conv(3, channels, (3, 3), padding="CIRCULAR", rngs=rngs)
            self.conv1 = nnx.Conv(channels, channels, (3, 3), strides=2, padding="CIRCULAR", rngs=rngs)
            self.head = nnx.Linear(channels, 10, rngs=rngs)

        def __call__(self, x):
            x = nnx.relu(self.conv0(x))
            return self.head(nnx.relu(self.conv1(x)).mean(axis=(H, W)))

    graph, state = nnx.split(nnx.eval_shape(lambda: Classifier(nnx.Rngs(0))))
    fn = lenient(lambda state, x: nnx.merge(graph, state)(x))
    return fn, (state, picture(height, width)), (H, W), unbounded(shift=2, cyclic=True, moves=False)


def equinox_cnn(height=24, width=24, channels=4):
    """Circular convolutions around a pooling in Equinox: channels first, one image at a time, batched by vmap."""
    import equinox as eqx

    class Features(eqx.Module):
        conv0: eqx.nn.Conv2d
        pool: eqx.nn.MaxPool2d
        conv1: eqx.nn.Conv2d

        def __init__(self, key):
            self.conv0 = eqx.nn.Conv2d(3, channels, 3, padding=1, padding_mode="CIRCULAR", key=key)
            self.pool = eqx.nn.MaxPool2d(2, 2)
            self.conv1 = eqx.nn.Conv2d(channels, channels, 3, padding="SAME", padding_mode="CIRCULAR", key=key)

        def __call__(self, x):
            return jax.nn.relu(self.conv1(self.pool(jax.nn.relu(self.conv0(x)))))

    model = eqx.filter_eval_shape(Features, jax.random.key(0))
    params, static = eqx.partition(model, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    fn = lenient(lambda params, images: jax.vmap(eqx.combine(params, static))(images))
    image = jax.ShapeDtypeStruct((1, 3, height, width), jnp.float32)
    field = field_of((3, 1, 1), (2, 2), (3, 1, 1))  # [2j - 3, 2j + 4]
    return fn, (params, image), (2, 3), windowed(image, field, cyclic=True, axes=(2, 3))


def haiku_cnn(height=24, width=24, channels=4):
    """Zero-padded convolutions around a pooling in Haiku."""
    import haiku as hk

    def forward(x):
        x = jax.nn.relu(hk.Conv2D(channels, 3, padding="SAME", name="first")(x))
        x = hk.MaxPool((2, 2, 1), (2, 2, 1), padding="SAME")(x)
        return jax.nn.relu(hk.Conv2D(channels, 3, padding="SAME", name="second")(x))

    model = hk.without_apply_rng(hk.transform(forward))
    image = picture(height, width)
    params = lenient(abstract)(model.init, image_like(image))
    field = field_of((3, 1, 1), (2, 2), (3, 1, 1))  # [2j - 3, 2j + 4]
    culprit = Culprit("conv_general_dilated", 'name="first")(x)')
    return lenient(model.apply), (params, image), (H, W), windowed(image, field, cyclic=False, culprit=culprit)


def stax_cnn(height=24, width=24, channels=4):
    """VALID convolutions around a pooling in stax: the interior law at every output, and none around the torus."""
    layers = [stax.Conv(channels, (3, 3)), stax.Relu, stax.MaxPool((2, 2), strides=(2, 2)), stax.Conv(channels, (3, 3))]
    init, apply = stax.serial(*layers)
    image = picture(height, width)
    params = abstract(lambda key: init(key, image.shape)[1])
    field = field_of((3,), (2, 2), (3,))  # [2j, 2j + 7]
    return lenient(apply), (params, image), (H, W), windowed(image, field, cyclic=False)
