"""Depthwise separable convolution: equality with the product kernel, initialisation and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import by_numpy
from support.geometries import examples
from support.numpy_evaluation import evaluated
from support.whole_parameters import whole_like

import jaxconv as jc
from jaxconv.testing.strategies import conv_configurations

X = np.random.default_rng(0).integers(-4, 5, (2, 5, 6, 3)).astype(np.float32)
PARAMS = whole_like(jc.init_separable_conv, (3, 2), 3, 4, multiplier=2)


@examples(16)
@given(case=conv_configurations(max_rank=2), multiplier=st.integers(1, 2))
def test_it_is_the_convolution_by_the_product_of_its_kernels(case, multiplier):
    """In every geometry; the gradients follow from the chain rule through the product."""
    rank, (c, o) = len(case.window), case.channels
    depthwise = case.integers((*case.window, 1, c * multiplier), 2)
    pointwise = case.integers((*[1] * rank, c * multiplier, o), 3)
    bias, geometry = case.integers((o,), 5), {name: case.geometry[name] for name in ("stride", "padding", "dilation")}

    def product(depthwise, pointwise):
        parts = depthwise.reshape(*case.window, c, multiplier)
        return jnp.einsum("...cm,cmo->...co", parts, pointwise.reshape(c, multiplier, o))

    def dense(depthwise, pointwise, x):
        return jc.conv({"kernel": product(depthwise, pointwise), "bias": bias}, x, **geometry)

    def separable(depthwise, pointwise, x):
        params = {"depthwise": {"kernel": depthwise}, "pointwise": {"kernel": pointwise, "bias": bias}}
        return jc.separable_conv(params, x, **geometry)

    def run(fn, dy):
        y, pull_back = jax.vjp(fn, depthwise, pointwise, case.x())
        return y, *pull_back(dy)

    actual = evaluated(lambda dy: (run(dense, dy), run(separable, dy)))(case.dy())
    jax.tree.map(np.testing.assert_array_equal, *actual)


def test_the_channels_of_one_input_lie_side_by_side():
    """With the other channel order (multiplier first), the product kernel gives another result."""
    turned = PARAMS["depthwise"]["kernel"].reshape(3, 2, 2, 3).swapaxes(-1, -2).reshape(3, 2, 1, 6)
    other = PARAMS | {"depthwise": {"kernel": turned}}
    assert not np.array_equal(by_numpy.separable_conv(PARAMS, X), by_numpy.separable_conv(other, X))


def test_layouts_batches_and_biases():
    y = by_numpy.separable_conv(PARAMS, X, stride=2, padding="reflect")
    np.testing.assert_array_equal(
        by_numpy.separable_conv(PARAMS, X[1], batched=False, stride=2, padding="reflect"), y[1]
    )
    first = by_numpy.separable_conv(PARAMS, np.moveaxis(X, -1, 1), layout="channels_first", stride=2, padding="reflect")
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), y)
    between = {
        "depthwise": PARAMS["depthwise"] | {"bias": np.arange(6.0, dtype=np.float32)},
        "pointwise": PARAMS["pointwise"],
    }
    added = np.arange(6.0, dtype=np.float32) @ PARAMS["pointwise"]["kernel"][0, 0]
    with_both = by_numpy.separable_conv(between, X, stride=2, padding="reflect")
    np.testing.assert_array_equal(with_both, y + added.reshape(1, 1, 1, 4))


def test_dtypes():
    half, x = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), PARAMS), X.astype(jnp.bfloat16)
    assert by_numpy.separable_conv(half, x).dtype == jnp.bfloat16
    assert by_numpy.separable_conv(half, x, preferred_element_type=np.float32).dtype == np.float32


def test_a_certificate_and_the_counts_of_it():
    image = jax.ShapeDtypeStruct((1, 8, 6, 3), "float32")
    layer = lambda params, x: jc.separable_conv(params, x, stride=2, padding="circular")
    (axis,) = jc.certify(layer, PARAMS, image, axes={1: (1,)}, search=False).leaves[0].axes
    assert (axis.cyclic.verdict.value, axis.cyclic.shift, axis.cyclic.moves) == ("PROVED", 2, ((1, 1),))
    actual = jc.summary(layer, PARAMS, image).layers
    assert [(one.name, one.parameters, one.groups) for one in actual] == [("depthwise", 36, 3), ("pointwise", 28, 1)]


def test_init_keeps_the_variance_of_the_input():
    """Noise of unit variance gives outputs of unit variance."""
    params = by_numpy.init_separable_conv(jax.random.key(1), (3, 3), 32, 64, multiplier=2)
    assert jax.tree.map(jnp.shape, params) == {
        "depthwise": {"kernel": (3, 3, 1, 64)},
        "pointwise": {"kernel": (1, 1, 64, 64), "bias": (64,)},
    }
    y = by_numpy.separable_conv(params, np.random.default_rng(0).normal(size=(4, 40, 40, 32)).astype(np.float32))
    assert 0.8 < y.std() < 1.2
    assert "bias" not in by_numpy.init_separable_conv(jax.random.key(0), (3,), 1, 1, bias=False)["pointwise"]


KERNEL = np.ones((3, 2, 1, 6), np.float32)


@pytest.mark.parametrize(
    ("params", "x", "error", "message"),
    [
        ({"depthwise": PARAMS["depthwise"]}, X, ValueError, r"""separable_conv: params is a dict of \['depthwise'\], but should be a dict of "depthwise" and "pointwise"."""),
        (KERNEL, X, TypeError, "separable_conv: params is an array of shape .*, but should be a dict"),
        (PARAMS | {"depthwise": KERNEL}, X, TypeError, "separable_conv, depthwise: params is an array of shape .*, but should be a dict"),
        (PARAMS | {"depthwise": {"kernel": np.ones((3, 2, 3, 6), np.float32)}}, X, ValueError, r"the depthwise kernel is \(3, 2, 3, 6\), but should be \[\*window, 1, c\*m\]"),
        (PARAMS | {"pointwise": {"kernel": np.ones((1, 1, 3, 4), np.float32)}}, X, ValueError, r"the pointwise kernel is \(1, 1, 3, 4\), but should be \(1, 1, 6, o\), after"),
        (PARAMS | {"pointwise": {"kernel": np.ones((3, 1, 6, 4), np.float32)}}, X, ValueError, r"the pointwise kernel is \(3, 1, 6, 4\)"),
        (PARAMS, X[0], ValueError, r"separable_conv: x is \(5, 6, 3\), 3 axes, but should be \[n, h, w, c\].* pass batched=False"),
        (PARAMS, np.ones((2, 5, 6, 4), np.float32), ValueError, "x's number of channels is 4, but should be a divisor of 6, the depthwise kernel's"),
        (PARAMS, X.astype(np.float16), TypeError, "x is float16, but should be float32"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_cure(params, x, error, message):
    with pytest.raises(error, match=message):
        jc.separable_conv(params, x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, 1, 1), "init_separable_conv: window is 3, but should be one integer per spatial axis"),
        (((3, 3), 0, 1), "init_separable_conv: channels_in is 0, but should be 1 or more"),
        (((3, 3), 1, 0), "init_separable_conv: channels_out is 0, but should be 1 or more"),
        (((3, 3), 1, 1, 0), "init_separable_conv: multiplier is 0, but should be 1 or more"),
    ],
)
def test_init_errors(arguments, message):
    window, channels_in, channels_out, *multiplier = arguments
    settings = {"multiplier": multiplier[0]} if multiplier else {}
    with pytest.raises(ValueError, match=message):
        jc.init_separable_conv(jax.random.key(0), window, channels_in, channels_out, **settings)
