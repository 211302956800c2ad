"""Multiply-adds are compared with the loops of the NumPy reference, which visits each window position."""

import math
from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax import lax
from support.geometries import examples
from support.summary_oracle import uses

import jaxconv as jc
from jaxconv.account.geometry import described
from jaxconv.account.sharing import dense_parameters, window_biases, window_weights
from jaxconv.layers.tiled import MOST_CONVOLUTIONS
from jaxconv.reference.overlays import overlays, with_border
from jaxconv.testing.strategies import conv_configurations


def shape(*sizes, dtype="float32"):
    return jax.ShapeDtypeStruct(sizes, dtype)


def counted(case):
    """Number of products of kernel and cells over all window positions, padding included."""
    x = with_border(case.x()[:1])
    return sum(x[cells].size for _, cells in overlays(case.axes)) * case.channels[1] // case.groups


@examples(16)
@given(case=conv_configurations())
def test_convolutions_count_as_the_reference_loops(case):
    layer = _only(lambda params, x: jc.conv(params, x, **case.geometry), case.params(), case.x())
    expected = window_weights(case.axes, *case.channels, case.groups).plus(window_biases(case.axes, case.channels[1]))
    assert layer.multiply_adds == counted(case)
    assert (layer.parameters, layer.unshared, layer.dense) == tuple(expected)
    assert layer.window == case.window
    assert layer.groups == case.groups


@examples(16)
@given(case=conv_configurations())
def test_locally_connected_layers_share_nothing(case):
    layer = _only(lambda params, x: jc.locally_connected(params, x, **case.geometry), case.local_params(), case.x())
    expected = window_weights(case.axes, *case.channels, case.groups).plus(window_biases(case.axes, case.channels[1]))
    assert layer.multiply_adds == counted(case)
    assert (layer.parameters, layer.unshared) == (expected.unshared, expected.unshared)
    assert layer.reuse == 1
    assert layer.output == (case.batch, *case.out, case.channels[1])


@examples(16)
@given(case=conv_configurations(max_rank=2), periods=st.tuples(*[st.integers(1, 3)] * 2))
def test_the_rows_of_a_tiled_convolution_add_up_to_it(case, periods):
    """Each kernel has a row. The rows add up to the parameters, and to those of an unshared layer.

    Many kernels have one row together. Then the last period is computed as a whole one.
    """
    period, (_, outputs) = tuple(map(min, periods, case.out)), case.channels
    layer = lambda params, x: jc.tiled_conv(params, x, **case.geometry)
    found = jc.summary(layer, case.local_params(period), case.x()[:1])
    expected = window_weights(case.axes, *case.channels, case.groups, kernels=period)
    expected = expected.plus(window_biases(case.axes, outputs, kernels=period))
    together = math.prod(period) > MOST_CONVOLUTIONS
    periods = [Fraction(-(-n // p) * p, n) if together else 1 for n, p in zip(case.out, period, strict=True)]
    shared, unshared, multiply_adds = *expected[:2], counted(case)
    more = math.prod(periods)
    assert (found.parameters, found.unshared, found.multiply_adds) == (shared, unshared * more, multiply_adds * more)
    assert len(found.layers) == (1 if together else math.prod(period))


def test_a_product_has_the_shape_that_it_is_handed_on_in():
    """`dot_general` puts shared axes first. The output of the layer is the result of the transpose after it."""
    kernel = {"kernel": shape(6, 4, 3, 3, 2, 5)}
    layer = _only(jc.locally_connected, kernel, shape(7, 8, 6, 2))
    assert layer.output[:3] == (7, 6, 4)


@examples(16)
@given(case=conv_configurations())
def test_the_counts_are_the_sizes_of_real_layers(case):
    """The counts are the sizes of the parameters that the `init_*` functions return for such layers."""
    layer = _only(lambda params, x: jc.conv(params, x, **case.geometry), case.params(), case.x())
    size = lambda init: sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(init, jax.random.key(0))))
    geometry = {name: value for name, value in case.geometry.items() if name != "groups"}
    channels = case.channels
    local = lambda key: jc.init_locally_connected(
        key, case.lengths, case.window, *channels, groups=case.groups, **geometry
    )
    inputs, outputs = case.x()[0].size, channels[1] * math.prod(case.out)
    assert layer.parameters == size(lambda key: jc.init_conv(key, case.window, *channels, groups=case.groups))
    assert layer.unshared == size(local)
    assert layer.dense == size(lambda key: jc.init_dense(key, inputs, outputs)) == dense_parameters(inputs, outputs)[0]


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_transposed_convolution_uses_each_weight_at_each_input_cell(stride):
    """VALID does not crop, so each cell is multiplied by each tap. The derivative counts the same uses."""
    fn = lambda kernel, x: lax.conv_transpose(x, kernel, (stride, stride), "VALID")
    kernel, x = shape(3, 2, 2, 5), shape(1, 6, 4, 2)
    layer = _only(fn, kernel, x)
    assert layer.kind == ("conv" if stride == 1 else "transposed conv")
    assert layer.multiply_adds == kernel.size * (6 * 4 if stride > 1 else 8 * 5)
    if stride > 1:
        assert (uses(fn, kernel, x)[0] == layer.reuse).all()


@examples(16)
@given(case=conv_configurations())
def test_our_transposed_convolution_counts_as_the_convolution_that_it_transposes(case):
    """This holds for every stride, including 1, and for the input gradient of the convolution."""
    kernel, y = {"kernel": case.params()["kernel"]}, case.dy(case.channels[1])[:1]
    fn = lambda p, y: jc.conv_transpose(p, y, output_shape=case.lengths, **case.geometry)
    found = jc.summary(fn, kernel, y, axes={1: ()})
    assert [(layer.kind, layer.multiply_adds) for layer in found.layers] == [("transposed conv", counted(case))]
    gradient = jax.grad(lambda x, p: jnp.sum(jc.conv(p, x, **case.geometry) ** 2))
    both = jc.summary(gradient, case.x()[:1], kernel, axes={0: ()})
    assert [(layer.kind, layer.multiply_adds) for layer in both.layers] == [
        ("conv", counted(case)),
        ("transposed conv", counted(case)),
    ]


def test_one_cell_meets_each_tap_once():
    """3x3 taps and 32 channels on 1x1 cells are 9 * 32 products, although the result has 9 cells."""
    layer = _only(jc.conv_transpose, {"kernel": shape(3, 3, 1, 32)}, shape(1, 1, 1, 32))
    assert (layer.kind, layer.multiply_adds, layer.parameters, layer.reuse) == ("transposed conv", 288, 288, 1)


def test_a_stride_along_one_axis_is_a_transposed_convolution_along_both():
    """VALID does not crop: each of 6x4 cells is multiplied by each tap, as the derivative counts."""
    fn = lambda kernel, x: lax.conv_transpose(x, kernel, (1, 2), "VALID")
    kernel, x = shape(3, 2, 2, 5), shape(1, 6, 4, 2)
    layer = _only(fn, kernel, x)
    assert (layer.kind, layer.multiply_adds) == ("transposed conv", kernel.size * 6 * 4)
    assert (uses(fn, kernel, x)[0] == layer.reuse).all()


@pytest.mark.parametrize("dimensions", [("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW"), ("NWHC", "IOHW", "CNHW")])
def test_any_layout(dimensions):
    sizes = {"N": 1, "C": 4, "H": 9, "W": 7} | {"I": 2, "O": 6}
    of = lambda names, window=(9, 7): shape(*({**sizes, "H": window[0], "W": window[1]}[name] for name in names))
    fn = lambda kernel, x: lax.conv_general_dilated(
        x, kernel, (2, 1), "VALID", feature_group_count=2, dimension_numbers=dimensions
    )
    layer = _only(fn, of(dimensions[1], (3, 2)), of(dimensions[0]), axes={1: ()})
    assert (layer.window, layer.stride, layer.groups) == ((3, 2), (2, 1), 2)
    assert layer.multiply_adds == (4 * 6) * 6 * (3 * 2) * 2


def test_products_multiply_every_pair():
    """Attention scores of 5 tokens: 5 * 5 pairs of 3 features, after the query and key matrices."""
    fn = lambda params, x: jnp.einsum("nqf,nkf->nqk", x @ params["q"], x @ params["k"])
    found = jc.summary(fn, {"q": shape(4, 3), "k": shape(4, 3)}, shape(2, 5, 4), axes={1: ()})
    assert [(layer.kind, layer.multiply_adds, layer.parameters) for layer in found.layers] == [
        ("dense", 5 * 4 * 3, 12),
        ("dense", 5 * 4 * 3, 12),
        ("product", 5 * 5 * 3, 0),
    ]


@pytest.mark.parametrize(
    ("pool", "kind"),
    [(jc.max_pool, "max pool"), (jc.min_pool, "min pool"), (partial(jc.avg_pool, divisor="window"), "sum pool")],
)
def test_pooling_multiplies_nothing(pool, kind):
    layer = _only(lambda x: pool(x, (3, 2), stride=(2, 1), padding="same"), None, shape(2, 9, 7, 4))
    assert (layer.kind, layer.window, layer.stride) == (kind, (3, 2), (2, 1))
    assert (layer.multiply_adds, layer.parameters, layer.unshared, layer.dense) == (0, 0, 0, 0)
    layer = _only(lambda x: pool(x, (3, 2), dilation=(1, 3)), None, shape(2, 9, 7, 4))
    assert (layer.kind, layer.window, layer.stride, layer.dilation) == (kind, (3, 2), (3, 2), (1, 3))


def test_a_blur_has_no_parameters():
    """Two fixed convolutions, one for each blurred axis: cells times taps."""
    found = jc.summary(lambda x: jc.blur_pool(x, (3, 2), padding="circular"), shape(2, 8, 6, 4))
    assert [(layer.kind, layer.window, layer.groups) for layer in found.layers] == [
        ("fixed conv", (3, 1), 4),
        ("fixed conv", (1, 2), 4),
    ]
    assert found.parameters == 0
    assert found.multiply_adds == 4 * 7 * 3 * 4 + 4 * 3 * 2 * 4


def test_words():
    assert described("max pool", (), (), (), 1) == "max pool"
    assert described("conv", (3, 5), (2, 1), (2, 2), 1) == "conv 3x5, stride 2x1, dilation 2"


def _only(fn, params, x, axes=None):
    """The single layer. The first axis of x is the batch axis."""
    arguments = (x,) if params is None else (params, x)
    found = jc.summary(fn, *arguments, axes=axes)
    (layer,) = found.layers
    assert found.examples == x.shape[0]
    return layer
