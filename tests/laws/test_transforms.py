"""Every layer works under every JAX transformation: a table of layers, and one test for each transformation.

Under a transformation a layer has other equations, which NumPy evaluates (`evaluated`) for all layers. One convolution
and one pooling layer are also compiled. `test_jit` compiles all layers and compares them with NumPy.

NumPy evaluates jitted layers and losses: JAX traces and linearises each once, and the tests transform the result.
Compiled tests use the layers themselves, whose Python code runs again under each transformation.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from support.numpy_evaluation import evaluated
from support.profiles import NIGHTLY

import jaxconv as jc
from jaxconv.lowering import use_algorithm

GENERATOR = np.random.default_rng(0)
SHAPE = (4, 6, 7, 2)
GEOMETRY = {"stride": (2, 1), "padding": ("circular", "same"), "dilation": (1, 2)}


def integers(*shape):
    return jnp.asarray(GENERATOR.integers(-4, 5, shape).astype(np.float32))


def by_lax(layer):
    """The layer computed by lax's operations."""

    def computed(params, x):
        with use_algorithm("lax"):
            return layer(params, x)

    return computed


def by_example(layer):
    """The layer applied to each example separately, for layers that couple or draw across the batch."""
    return lambda params, x: jax.vmap(lambda x: layer(params, x))(x)


def trained(params, x):
    """Batch normalisation with the statistics of one example; the new state is added to the output."""
    state = {"mean": jnp.ones(2, x.dtype), "var": jnp.full(2, 2, x.dtype)}
    y, state = jc.batch_norm(params, state, x, training=True, momentum=0.75, batched=False)
    return y + jnp.expand_dims(state["mean"] * state["var"], (0, 1))


# All numbers differ, so that every maximum has one winner and a derivative.
X = jnp.asarray(GENERATOR.permutation(np.prod(SHAPE)).reshape(SHAPE).astype(np.float32)) / 64 - 2
KERNEL, BIAS, KEY = integers(3, 2, 2, 4), integers(4), jax.random.key(1)
STATE = {"mean": integers(2), "var": jnp.array([0.5, 2.0])}
VECTORS = {"u": jnp.array([0.5, -0.5, 0.5, 0.5]), "v": jnp.linspace(-1.0, 1.0, 12).reshape(3, 2, 2) / 2}
LAYERS = {
    "conv": (partial(jc.conv, **GEOMETRY), {"kernel": KERNEL, "bias": BIAS}),
    "conv_grouped": (partial(jc.conv, groups=2, padding="reflect"), {"kernel": integers(3, 3, 1, 4)}),
    "conv_by_lax": (by_lax(partial(jc.conv, **GEOMETRY)), {"kernel": KERNEL, "bias": BIAS}),
    "pointwise": (partial(jc.conv, stride=2), {"kernel": integers(1, 1, 2, 3)}),
    "depthwise": (partial(jc.conv, groups=2, stride=(2, 1), padding="same"), {"kernel": integers(3, 2, 1, 2)}),
    "conv_transpose": (
        partial(jc.conv_transpose, stride=(2, 1), padding=("same", "circular"), output_shape=(12, 7)),
        {"kernel": integers(3, 2, 3, 2), "bias": integers(3)},
    ),
    "conv_channels_first": (
        partial(jc.conv, layout="channels_first"),
        {"kernel": integers(2, 2, 6, 3), "bias": integers(3)},
    ),
    "partial_conv": (
        lambda params, x: jc.partial_conv(params, x, jnp.abs(x) > 0.51, **GEOMETRY)[0],
        {"kernel": KERNEL, "bias": BIAS},
    ),
    "spectral_norm": (  # in evaluation: in training, its derivative treats vectors as constants that are not
        lambda params, x: jc.conv(
            jc.spectral_norm(params, jax.tree.map(lambda leaf: leaf.astype(x.dtype), VECTORS), training=False)[0], x
        ),
        {"kernel": KERNEL, "bias": BIAS},
    ),
    "weight_norm": (
        lambda params, x: jc.conv(jc.weight_norm(params), x, **GEOMETRY),
        {"kernel": KERNEL, "scale": integers(4), "bias": BIAS},
    ),
    "locally_connected": (
        partial(jc.locally_connected, **GEOMETRY),
        {"kernel": integers(3, 7, 3, 2, 2, 4), "bias": integers(3, 7, 4)},
    ),
    "tiled_conv": (
        partial(jc.tiled_conv, **GEOMETRY),
        {"kernel": integers(2, 1, 3, 2, 2, 4), "bias": integers(2, 1, 4)},
    ),
    "tiled_conv_by_product": (
        partial(jc.tiled_conv, **GEOMETRY),
        {"kernel": integers(2, 3, 3, 2, 2, 4), "bias": integers(2, 3, 4)},
    ),
    "regional_conv": (
        partial(jc.regional_conv, regions=((1, 2), (7,)), **GEOMETRY),
        {"kernel": integers(2, 1, 3, 2, 2, 4), "bias": integers(2, 1, 4)},
    ),
    "separable_conv": (
        partial(jc.separable_conv, **GEOMETRY),
        {
            "depthwise": {"kernel": integers(3, 2, 1, 4)},
            "pointwise": {"kernel": integers(1, 1, 4, 3), "bias": BIAS[:3]},
        },
    ),
    "dense": (lambda params, x: jc.dense(params, x.reshape(*x.shape[:-3], -1)), {"kernel": integers(84, 3)}),
    "max_pool": (lambda params, x: jc.max_pool(x, (3, 2), stride=2, padding="same"), {}),
    "max_pool_by_lax": (by_lax(lambda params, x: jc.max_pool(x, (3, 2), stride=2, padding="same")), {}),
    "max_pool_dilated": (lambda params, x: jc.max_pool(x, (2, 3), stride=2, dilation=(3, 2), padding="reflect"), {}),
    "min_pool": (lambda params, x: jc.min_pool(x, (3, 2), stride=2, ceil_mode=True), {}),
    "min_pool_by_lax": (by_lax(lambda params, x: jc.min_pool(x, (3, 2), stride=2, padding="same")), {}),
    "unfold": (lambda params, x: jc.unfold(x, (3, 2), **GEOMETRY), {}),
    "fold": (lambda params, x: jc.fold(x, (2, 1), (7, 6), padding=("valid", (1, 0)), dilation=(1, 2)), {}),
    "unpooled": (
        lambda params, x: jc.max_unpool(*jc.max_pool_with_indices(x, (3, 2), stride=2, padding="circular"), (6, 7)),
        {},
    ),
    "avg_pool": (lambda params, x: jc.avg_pool(x, (2, 4), stride=(2, 3), padding="edge"), {}),
    "lp_pool": (lambda params, x: jc.lp_pool(x, (3, 2), norm=3, stride=2, padding="same"), {}),
    "blur_pool": (lambda params, x: jc.blur_pool(x, (3, 4), padding=("circular", "reflect")), {}),
    "polyphase": (lambda params, x: jc.polyphase_up(*jc.polyphase_down(x, (3, 7)), (3, 7)), {}),
    "resize": (lambda params, x: jc.resize(x, (9, 4), method="cubic", antialias=True), {}),
    "resize_nearest": (lambda params, x: jc.resize(x, (9, 4), method="nearest"), {}),
    "adaptive_max_pool": (lambda params, x: jc.adaptive_max_pool(x, (4, 3)), {}),
    "adaptive_avg_pool": (lambda params, x: jc.adaptive_avg_pool(x, (9, 3)), {}),
    "layer_norm": (jc.layer_norm, {"scale": integers(2), "bias": integers(2)}),
    "rms_norm": (jc.rms_norm, {"scale": integers(2)}),
    "group_norm": (partial(jc.group_norm, groups=1), {"scale": integers(2), "bias": integers(2)}),
    "instance_norm": (jc.instance_norm, {"bias": integers(2)}),
    "batch_norm": (
        lambda params, x: jc.batch_norm(
            params, jax.tree.map(lambda leaf: leaf.astype(x.dtype), STATE), x, training=False
        )[0],
        {"scale": integers(2), "bias": integers(2)},
    ),
    "batch_norm_training": (by_example(trained), {"scale": integers(2), "bias": integers(2)}),
    "dropout": (by_example(lambda _, x: jc.dropout(KEY, x, 0.5, training=True)), {}),
    "channel_dropout": (by_example(lambda _, x: jc.channel_dropout(KEY, x, 0.5, training=True, batched=False)), {}),
    "global_max_pool": (lambda params, x: jc.global_max_pool(x), {}),
    "global_min_pool": (lambda params, x: jc.global_min_pool(x), {}),
    "global_lp_pool": (lambda params, x: jc.global_lp_pool(x, norm=2), {}),
    "global_avg_pool": (lambda params, x: jc.global_avg_pool(x), {}),
}
# Rows computed by the same code as another row, or by lax: their derivatives and batches are tested nightly.
ALIKE = ["conv_by_lax", "max_pool_by_lax", "min_pool_by_lax", "min_pool", "global_min_pool", "conv_channels_first"]
ALIKE += ["pointwise", "rms_norm", "adaptive_avg_pool", "tiled_conv_by_product", "dropout"]
TRANSFORMED = [name for name in LAYERS if NIGHTLY or name not in ALIKE]
COMPILED = ["conv", *(["max_pool"] if NIGHTLY else [])]  # in addition to the evaluation with NumPy
every_layer = pytest.mark.parametrize("name", LAYERS)
every_computation = pytest.mark.parametrize(
    ("name", "compute"),
    [(name, evaluated) for name in TRANSFORMED] + [(name, jax.jit) for name in COMPILED],
    ids=[*TRANSFORMED, *(f"{name} compiled" for name in COMPILED)],
)
close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)


@cache
def jitted(name):
    """A jitted layer, so that all tests share its equations."""
    return jax.jit(LAYERS[name][0])


def layer_of(name, compute=evaluated):
    """A layer and its parameters."""
    layer, params = LAYERS[name]
    return jitted(name) if compute is evaluated else layer, params


def loss(layer, params, x):
    """A scalar that depends on every output differently and nonlinearly."""
    y = layer(params, x)
    return jnp.sum(jnp.sin(y) * np.linspace(-1.0, 1.0, y.size, dtype=y.dtype).reshape(y.shape))


@cache
def loss_of(name, compute):
    """The loss of a layer as a function of its parameters and x."""
    of_layer = partial(loss, layer_of(name, compute)[0])
    return jax.jit(of_layer) if compute is evaluated else of_layer


def close_trees(actual, expected):
    jax.tree.map(close, actual, expected)


@cache
def output(name):
    """The output of a layer, computed once for all tests."""
    layer, params = layer_of(name)
    return evaluated(layer)(params, X)


def test_jit():
    """Compares all layers, compiled in one program, with their operations evaluated one by one."""
    every = jax.jit(lambda params, x: {name: layer(params[name], x) for name, (layer, _) in LAYERS.items()})
    for name, actual in every({name: params for name, (_, params) in LAYERS.items()}, X).items():
        close(actual, output(name), err_msg=name)


@every_layer
def test_eval_shape_needs_no_arrays(name):
    layer, params = LAYERS[name]
    abstract = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), (params, X))
    y = output(name)
    assert jax.eval_shape(layer, *abstract) == jax.ShapeDtypeStruct(y.shape, y.dtype)


@every_computation
def test_vmap_over_batches_is_one_batch(name, compute):
    """Two batches of two examples each; the merged batch must keep their order."""
    layer, params = layer_of(name, compute)
    y = output(name)
    actual = compute(jax.vmap(partial(layer, params)))(np.asarray(X).reshape(2, 2, *SHAPE[1:]))
    close(np.asarray(actual).reshape(y.shape), y)


@every_computation
def test_vmap_over_parameters(name, compute):
    """Two sets of parameters at once, as in an ensemble."""
    layer, params = layer_of(name, compute)
    params, per_example = jax.tree.map(np.asarray, params), compute(layer)
    both = jax.tree.map(lambda leaf: np.stack([leaf, -2 * leaf]), params)
    actual = compute(jax.vmap(layer, in_axes=(0, None), axis_size=2))(both, X)
    close(actual, np.stack([per_example(params, X), per_example(jax.tree.map(lambda leaf: -2 * leaf, params), X)]))


@every_computation
def test_forward_and_reverse_mode_agree(name, compute):
    """<J t, c> = <t, J' c> for the Jacobian J of the layer by its parameters and input."""
    operands = jax.tree.map(np.asarray, (LAYERS[name][1], X))
    draw = lambda leaf: GENERATOR.integers(-4, 5, leaf.shape).astype(np.float32)
    tangents, cotangent = jax.tree.map(draw, operands), draw(output(name))

    def both(operands, tangents, cotangent):
        layer, _ = layer_of(name, compute)
        return jax.jvp(layer, operands, tangents)[1], jax.vjp(layer, *operands)[1](cotangent)

    pushed, pulled = compute(both)(operands, tangents, cotangent)
    product = sum(np.vdot(a, b) for a, b in zip(jax.tree.leaves(tangents), jax.tree.leaves(pulled), strict=True))
    close(np.vdot(pushed, cotangent), product)


TWO = np.asarray(X[:2])


@cache
def per_example(name, compute):
    """The loss of each of two examples separately, with gradients by the parameters and x."""
    params, run = LAYERS[name][1], compute(jax.value_and_grad(loss_of(name, compute), argnums=(0, 1)))
    return [jax.tree.map(np.asarray, run(params, x[None])) for x in TWO]


@every_computation
def test_gradients_of_each_example(name, compute):
    params, gradient = LAYERS[name][1], jax.grad(loss_of(name, compute), argnums=(0, 1))
    each = jax.tree.map(np.asarray, compute(jax.vmap(gradient, in_axes=(None, 0)))(params, TWO[:, None]))
    for n, (_, gradients) in enumerate(per_example(name, compute)):
        close_trees(jax.tree.map(lambda leaf, n=n: leaf[n], each), gradients)


@every_computation
def test_hessian_vector_products(name, compute):
    """Forward over reverse mode, compared with a difference of gradients in double precision."""
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: np.asarray(leaf).astype(np.float64), (LAYERS[name][1], X))
        direction = jax.tree.map(lambda leaf: GENERATOR.normal(size=leaf.shape), wide)
        gradient = jax.grad(loss_of(name, compute), argnums=(0, 1))
        actual = compute(lambda operands, tangents: jax.jvp(gradient, operands, tangents)[1])(wide, direction)
        step, per_example = 1e-6, compute(gradient)
        moved = lambda by: per_example(*jax.tree.map(lambda a, b: a + by * b, wide, direction))
        up, down = moved(step), moved(-step)
        expected = jax.tree.map(lambda a, b: (np.asarray(a) - np.asarray(b)) / (2 * step), up, down)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5), actual, expected)


@every_computation
def test_checkpoint(name, compute):
    """The gradient with `jax.checkpoint` equals the gradient without it."""
    gradient = jax.grad(jax.checkpoint(loss_of(name, compute)), argnums=(0, 1))
    close_trees(compute(gradient)(LAYERS[name][1], TWO[:1]), per_example(name, compute)[0][1])


@every_computation
def test_scan(name, compute):
    """A scan over two examples, one per step, and its gradients."""
    params, of_one = LAYERS[name][1], loss_of(name, compute)

    def scanned(params, x):
        return jax.lax.scan(lambda total, x: (total + of_one(params, x[None]), None), jnp.float32(0), x)[0]

    actual, (of_params, dx) = compute(jax.value_and_grad(scanned, argnums=(0, 1)))(params, TWO)
    values, (each, dxs) = jax.tree.map(lambda *leaves: np.stack(leaves), *per_example(name, compute))
    close(actual, values.sum())
    close_trees(of_params, jax.tree.map(lambda leaf: leaf.sum(axis=0), each))
    close(dx, dxs[:, 0])


def on_two_devices(axis_type):
    """The devices, X and its sharding over them."""
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(axis_type,))
    return mesh, NamedSharding(mesh, PartitionSpec("batch")), NamedSharding(mesh, PartitionSpec())


def output_and_gradients(layer, params, x):
    """The outputs, and gradients by the parameters and x of a loss that depends on every output differently."""
    total = lambda params, x: (jnp.sum(jnp.sin(y := layer(params, x))), y)
    gradients, y = jax.grad(total, argnums=(0, 1), has_aux=True)(params, x)
    return y, gradients


@cache
def on_one_device(name):
    """Outputs and gradients of the batch on one device."""
    layer, params = layer_of(name)
    return evaluated(partial(output_and_gradients, layer))(params, X)


@every_layer
def test_sharded_batches_have_sharded_types(name):
    """A batch split explicitly over two devices: outputs and gradients are split as well, with the same values."""
    layer, params = LAYERS[name]
    mesh, split, whole = on_two_devices(AxisType.Explicit)
    run = jax.jit(partial(output_and_gradients, layer))  # the trace also provides the types
    with jax.set_mesh(mesh):
        held = jax.device_put(params, whole), jax.device_put(X, split)
        y, (of_params, dx) = jax.eval_shape(run, *held)
        assert y.sharding.spec[0] == dx.sharding.spec[0] == "batch"
        assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(of_params))
        actual = evaluated(run)(*held)
    close_trees(actual, on_one_device(name))


# `test_environments.py` runs all layers on 8 devices, with a split batch and a split height; nightly all are compiled.
@pytest.mark.parametrize(
    ("name", "axis_type"),
    [(name, AxisType.Explicit) for name in ("conv_grouped", "max_pool", "avg_pool", "locally_connected")]
    + [(name, AxisType.Auto) for name in ("conv", "depthwise", "tiled_conv_by_product")]
    + [(name, kind) for name, kind in (("conv", AxisType.Explicit), ("max_pool", AxisType.Auto)) if NIGHTLY],
    ids=lambda one: getattr(one, "name", one),
)
def test_sharded_batches(name, axis_type):
    """A batch split over two devices gives the same outputs and gradients, which stay split."""
    layer, params = LAYERS[name]
    mesh, split, whole = on_two_devices(axis_type)
    run = partial(output_and_gradients, layer)
    with jax.set_mesh(mesh):
        y, gradients = jax.jit(run)(jax.device_put(params, whole), jax.device_put(X, split))
        assert len(y.sharding.device_set) == 2
        assert not y.sharding.is_fully_replicated
    close_trees((y, gradients), on_one_device(name))


@every_layer
def test_configuration_is_static_and_hashable(name):
    """A layer with bound settings is a valid static argument, and is traced once."""
    traced = []

    @partial(jax.jit, static_argnames="layer")
    def apply(layer, params, x):
        traced.append(layer)
        return layer(params, x)

    layer, params = LAYERS[name]
    for _ in range(2):
        apply(layer, params, X) if name == "conv" else apply.trace(layer, params, X)
    assert len(traced) == 1


def test_settings_can_be_static_arguments_of_jit():
    fast = jax.jit(jc.conv, static_argnames=("stride", "padding"))
    padding = ((1, 0), jc.Pad(2, 2, "symmetric"))
    close(
        fast({"kernel": KERNEL}, X, stride=(2, 1), padding=padding),
        jc.conv({"kernel": KERNEL}, X, stride=(2, 1), padding=padding),
    )
