"""Summaries of networks: compared with published counts, with other libraries' counts, and between batch sizes."""

import dataclasses
import re
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks import each_network, network, summarised
from support.summary_oracle import objections_to_parameters

import jaxconv as jc
from jaxconv.training.lenet import init_lenet, init_lenet_1998, lenet, lenet_1998, sharing


def shape(*sizes, dtype="float32"):
    return jax.ShapeDtypeStruct(sizes, dtype)


def photo(side=224, examples=1):
    return shape(examples, side, side, 3)


def conv_params(taps, channels_in, channels_out, bias=True):
    kernel = shape(taps, taps, channels_in, channels_out)
    return {"kernel": kernel, "bias": shape(channels_out)} if bias else {"kernel": kernel}


def dense_params(features_in, features_out):
    return {"kernel": shape(features_in, features_out), "bias": shape(features_out)}


VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)


def vgg16(params, x):
    """Simonyan and Zisserman's configuration D with its classifier. In VGG16, 0 is a pooling layer."""
    convolutions = iter(params["features"])
    for channels in VGG16:
        x = jax.nn.relu(jc.conv(next(convolutions), x, padding="same")) if channels else jc.max_pool(x, (2, 2))
    x = x.reshape(x.shape[0], -1)
    for layer in params["classifier"]:
        x = jc.dense(layer, x)
    return x


def vgg16_params():
    channels = [3, *filter(None, VGG16)]
    features = [conv_params(3, *pair) for pair in pairwise(channels)]
    return {"features": features, "classifier": [dense_params(*s) for s in ((25088, 4096), (4096, 4096), (4096, 1000))]}


def normalised(params, x):
    """Batch normalisation with its moments folded into scale and bias."""
    return x * params["scale"][None, None, None] + params["bias"][None, None, None]


def resnet50(params, x):
    """He et al.'s ResNet-50 with the stride in the 3x3 convolution, as in torchvision."""
    layer = lambda p, x, stride=1, pad=0: normalised(
        p["norm"], jc.conv(p["conv"], x, stride=stride, padding=(pad, pad))
    )
    pad = lambda n: (n, n)
    x = jax.nn.relu(layer(params["stem"], x, 2, pad(3)))
    x = jc.max_pool(x, (3, 3), stride=2, padding=(pad(1), pad(1)))
    for number, blocks in enumerate(params["stages"]):
        for at, block in enumerate(blocks):
            stride = 2 if number and not at else 1
            y = jax.nn.relu(layer(block["reduce"], x, 1, pad(0)))
            y = jax.nn.relu(layer(block["middle"], y, stride, pad(1)))
            y = layer(block["expand"], y, 1, pad(0))
            x = jax.nn.relu(y + (layer(block["project"], x, stride, pad(0)) if "project" in block else x))
    return jc.dense(params["head"], jc.global_avg_pool(x))


def resnet50_params():
    layer = lambda taps, a, b: {
        "conv": conv_params(taps, a, b, bias=False),
        "norm": {"scale": shape(b), "bias": shape(b)},
    }
    stages, channels = [], 64
    for number, count in enumerate((3, 4, 6, 3)):
        width, blocks = 64 * 2**number, []
        for at in range(count):
            block = {
                "reduce": layer(1, channels, width),
                "middle": layer(3, width, width),
                "expand": layer(1, width, 4 * width),
            }
            blocks.append(block if at else block | {"project": layer(1, channels, 4 * width)})
            channels = 4 * width
        stages.append(blocks)
    return {"stem": layer(7, 3, 64), "stages": stages, "head": dense_params(2048, 1000)}


def test_vgg16_has_138_million_parameters_and_15_billion_multiply_adds():
    """138,357,544 and 15.47 G, according to torchvision's documentation of its weights."""
    found = jc.summary(vgg16, vgg16_params(), photo())
    assert found.parameters == 138_357_544
    assert round(found.multiply_adds / 1e9, 2) == 15.47
    assert objections_to_parameters(found, vgg16_params()) == []


def test_resnet50_has_25_million_parameters_and_4_billion_multiply_adds():
    """25,557,032 and 4.089 G, from the same source, which does not count the normalisations' moments as parameters."""
    found = jc.summary(resnet50, resnet50_params(), photo())
    assert found.parameters == 25_557_032
    assert round(found.multiply_adds / 1e9, 3) == 4.089
    assert found.layers[-1].reaches[0].reason  # after the global mean
    assert [reach.stride for reach in found.layers[-2].reaches] == [32, 32]
    assert sum(layer.kind == "conv" for layer in found.layers) == 53


def test_the_size_of_the_image_changes_no_parameter():
    small, large = (jc.summary(resnet50, resnet50_params(), photo(side)) for side in (64, 4096))
    assert small.parameters == large.parameters
    assert small.multiply_adds < large.multiply_adds
    assert large.dense > 2**53  # Python integers are exact at any size


def test_lenets_table():
    """The 1998 paper: C1 has "156 trainable parameters, and 122,304 connections", S2 12, S4 32, C5 48,120, F6 10,164."""
    params = jax.eval_shape(init_lenet, jax.random.key(0))
    found = jc.summary(lenet, params, shape(1, 32, 32, 1))
    expected = [tuple(counts) for _, _, counts in sharing()]
    assert [(layer.parameters, layer.unshared, layer.dense) for layer in found.layers] == expected
    assert (found.layers[0].parameters, found.layers[0].unshared) == (156, 122_304)
    assert [layer.name for layer in found.layers] == ["c1", "", "c3", "", "c5", "f6", "output"]
    historical = jc.summary(lenet_1998, jax.eval_shape(init_lenet_1998, jax.random.key(0)), shape(1, 32, 32, 1))
    assert [layer.parameters for layer in historical.layers] == [156, 12, 2416, 32, 48_120, 10_164, 850]
    assert historical.constants == 6 * 16  # the table of connections


def test_the_seeds_figures():
    """2x2 over 3x3: 4, 16, 36 weights. 3x3 over 224x224: 9 and 443,556. Eight 3x3 filters: 72, and 65,536 dense."""
    count = lambda fn, params, x: [
        (layer.parameters, layer.unshared, layer.dense, layer.reuse) for layer in jc.summary(fn, params, x).layers
    ]
    assert count(jc.conv, {"kernel": shape(2, 2, 1, 1)}, shape(1, 3, 3, 1)) == [(4, 16, 36, 4)]
    assert count(jc.conv, {"kernel": shape(3, 3, 1, 1)}, shape(1, 224, 224, 1))[0][:2] == (9, 443_556)
    assert count(jc.conv, {"kernel": shape(3, 3, 1, 8)}, shape(1, 32, 32, 1))[0][0] == 72
    assert count(jc.dense, {"kernel": shape(1024, 64)}, shape(1, 1024)) == [(65_536,) * 3 + (1,)]
    assert 65_536 // 72 == 910


@each_network()
def test_networks_of_all_makers(name):
    """Each number is counted once. A batch of five has the same counts, since counts are for one example."""
    one = network(name)
    *params, image = one.arguments
    axes = {len(params): one.axes}
    found = summarised(name)
    batch = jc.summary(one.fn, *params, shape(5, *image.shape[1:], dtype=image.dtype), axes=axes)
    assert objections_to_parameters(found, params) == []
    assert found.idle == 0
    assert batch.examples == 5
    assert objections_to_batch(found, batch) == []


def objections_to_batch(found, batch):
    """The numbers of the layers whose counts differ between two batch sizes."""
    alike = lambda layer: dataclasses.replace(layer, output=())
    pairs = zip(found.layers, batch.layers, strict=True)
    return [number for number, (one, other) in enumerate(pairs) if alike(one) != alike(other)]


@pytest.mark.parametrize(
    ("fn", "params", "x", "reason"),
    [
        (
            lambda p, x: jc.conv(p, x, batched=False, layout="channels_first"),
            {"kernel": shape(3, 3, 6, 4)}, shape(6, 9, 7), "the shifted axis is summed over as channels",
        ),
        (
            lambda p, x: jc.conv(p, x, batched=False, padding="circular"),
            {"kernel": shape(3, 3, 6, 4)}, shape(9, 7, 6), "windows slide along the first axis",
        ),
        (
            lambda p, x: jc.conv(p, x, batched=False, stride=2),
            {"kernel": shape(2, 2, 6, 4)}, shape(8, 6, 6), "windows slide along the first axis",
        ),
        (lambda p, x: x[::2] @ p, shape(5, 3), shape(6, 5), "the first axis of the input is cut or strided over"),
        (lambda p, x: jnp.swapaxes(x, 0, 1) @ p, shape(5, 3), shape(5, 4), "sums over the shifted axis"),
    ],
)  # fmt: skip
def test_a_first_axis_that_counts_no_examples_divides_nothing(fn, params, x, reason):
    """Broken twins of the law above: counts divided by the axis' length would differ from those of one call."""
    found = jc.summary(fn, params, x, axes={1: ()})
    assert found.examples == 1
    assert reason in found.whole_call
    assert "counts are for the whole call" in str(found)
    (layer,) = found.layers
    assert layer.multiply_adds == np.prod(layer.output) * np.prod(layer.window or (5,)) * (6 if layer.window else 1)
    wrong = dataclasses.replace(layer, multiply_adds=layer.multiply_adds // x.shape[0])
    assert objections_to_batch(found, dataclasses.replace(found, layers=(wrong,))) == [0]


def test_moments_over_the_batch_keep_examples_apart():
    """Batch normalisation in training takes moments over all examples. Each layer still runs once per example."""

    def fn(params, x):
        y = jc.conv(params, x)
        return jc.conv(params, y - jnp.mean(y, axis=(0, 1, 2), keepdims=True))

    one, many = (jc.summary(fn, {"kernel": shape(3, 3, 2, 2)}, shape(n, 9, 7, 2)) for n in (1, 6))
    assert (many.examples, objections_to_batch(one, many)) == (6, [])


def test_what_all_examples_share_counts_whole():
    """A product with the maximum over all examples is computed once for all of them."""
    fn = lambda p, x: (x @ p["each"]) * (jnp.max(x, axis=0, keepdims=True) @ p["once"])
    found = jc.summary(fn, {"each": shape(4, 3), "once": shape(4, 3)}, shape(6, 4))
    assert [(layer.name, layer.multiply_adds) for layer in found.layers] == [("each", 12), ("once", 12)]
    assert found.examples == 6


def test_layers_with_masks_and_normalised_parameters_count_as_their_convolution():
    """The kernel and the bias of 4 channels over 3 by 2 taps; a state that is closed over is of constants."""
    params, x = {"kernel": shape(3, 2, 2, 4), "bias": shape(4)}, shape(5, 12, 8, 2)
    plain = jc.summary(jc.conv, params, x)
    partly = jc.summary(lambda params, x: jc.partial_conv(params, x, x != 0)[0], params, x)
    scaled = jc.summary(lambda params, x: jc.conv(jc.weight_norm(params), x), params | {"scale": shape(4)}, x)
    state = {"u": jnp.ones(4), "v": jnp.ones((3, 2, 2))}
    normed = lambda params, x: jc.conv(jc.spectral_norm(params, state, training=False)[0], x)
    counted = jc.summary(normed, params, x)
    assert plain.parameters == partly.parameters == 52
    assert scaled.parameters == 56
    assert (counted.parameters, counted.constants) == (52, 16)
    assert plain.multiply_adds == partly.multiply_adds == scaled.multiply_adds == counted.multiply_adds


def test_layers_that_move_or_weigh_cells_have_no_parameters():
    """The weights of `resize` are constants of the program, and indices are no parameters."""
    x = shape(5, 12, 8, 2)
    for fn in (
        lambda x: jc.resize(x, (24, 6), method="cubic", antialias=True),
        lambda x: jc.unfold(x, (3, 2)),
        lambda x: jc.max_unpool(*jc.max_pool_with_indices(x, (2, 2)), (12, 8)),
    ):
        assert jc.summary(fn, x).parameters == 0


def test_lookups_scans_and_several_inputs():
    tokens = shape(3, 7, dtype="int32")
    fn = lambda p, tokens, mask: (p["table"][tokens] @ p["kernel"]) * mask[..., None]
    found = jc.summary(fn, {"table": shape(50, 8), "kernel": shape(8, 2)}, tokens, shape(3, 7), axes={1: (1,), 2: (1,)})
    assert found.examples == 3
    assert [layer.reuse for layer in found.layers] == [7, 7]
    assert [layer.reaches[0].receptive_field.size for layer in found.layers] == [1, 1]


@pytest.mark.peers
def test_haikus_own_count():
    hk = pytest.importorskip("haiku")
    one = network("haiku_cnn", channels=7)
    (params, image) = one.arguments
    assert jc.summary(one.fn, params, image).parameters == hk.data_structures.tree_size(params)


@pytest.mark.peers
def test_flaxs_own_count():
    linen = pytest.importorskip("flax.linen")
    model = linen.Sequential([linen.Conv(5, (3, 3)), linen.relu, linen.BatchNorm(True), linen.Dense(7)])
    x = shape(2, 9, 8, 3)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        variables = jax.eval_shape(model.init, jax.random.key(0), x)
        table = linen.tabulate(model, jax.random.key(0))(jnp.zeros(x.shape))
        found = jc.summary(model.apply, variables, x)
    total = int(re.search(r"Total Parameters: ([\d,]+)", table).group(1).replace(",", ""))
    assert found.parameters == total
    assert [layer.name for layer in found.layers] == ["params.layers_0", "params.layers_3"]


@pytest.mark.peers
def test_equinoxs_own_count():
    eqx = pytest.importorskip("equinox")
    model = eqx.filter_eval_shape(eqx.nn.MLP, 4, 3, 8, 2, key=jax.random.key(0))
    params, static = eqx.partition(model, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    found = jc.summary(lambda params, x: jax.vmap(eqx.combine(params, static))(x), params, shape(5, 4))
    assert found.parameters == sum(leaf.size for leaf in jax.tree.leaves(params)) == 4 * 8 + 8 + 8 * 8 + 8 + 8 * 3 + 3
    assert [layer.multiply_adds for layer in found.layers] == [32, 64, 24]


def test_lines_are_the_users():
    def fn(params, x):
        return jc.conv(params, x)  # this one

    (layer,) = jc.summary(fn, conv_params(3, 2, 4), shape(1, 8, 6, 2)).layers
    line = next(n for n, text in enumerate(Path(__file__).read_text().splitlines(), 1) if text.endswith("# this one"))
    assert layer.source == f"test_summary.py:{line} (fn)"


@pytest.mark.parametrize(
    ("arguments", "axes", "error", "message"),
    [
        ((), None, ValueError, r"summary: arguments is \(\), but should be the arguments of fn, including the input"),
        ((shape(4, 3), shape(2, 4)), (1,), ValueError, "summary: axes is .* a dict, since there are several arguments"),
        (
            (shape(4, 3), shape(2, 4)),
            {2: ()},
            ValueError,
            "summary: the argument's number in axes is 2, .* from 0 to 1",
        ),
        ((shape(4, 3), shape(2, 4)), {1: (2,)}, ValueError, "summary: an axis is 2, but should be from -2 to 1"),
        (
            ({"a": shape(4, 3)}, shape(2, 4)),
            {0: (1,)},
            TypeError,
            "summary: argument 0 is dict, but should be an array",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, axes, error, message):
    with pytest.raises(error, match=message):
        jc.summary(jnp.matmul, *arguments, axes=axes)


def test_an_input_may_be_a_tree():
    found = jc.summary(lambda p, batch: batch["x"] @ p + batch["y"], shape(4, 3), {"x": shape(2, 4), "y": shape(2, 3)})
    assert [(layer.parameters, layer.multiply_adds) for layer in found.layers] == [(12, 24)]


def test_nothing_is_run():
    """10**13 parameters, counted with Python integers."""
    (layer,) = jc.summary(lambda params, x: x @ params, shape(10**7, 10**6), shape(10**3, 10**7)).layers
    assert (layer.parameters, layer.multiply_adds, layer.reuse) == (10**13, 10**13, 1)
