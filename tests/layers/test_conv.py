"""Convolution: arguments, errors and initialisation. tests/laws covers its laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support import by_numpy
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv import reference
from jaxconv.testing.configurations import small_integers

GENERATOR = np.random.default_rng(0)


def integers(*shape, dtype=np.float32):
    return GENERATOR.integers(-4, 5, shape).astype(dtype)


X = integers(2, 8, 9, 3)
PARAMS = {"kernel": integers(3, 2, 3, 4), "bias": integers(4)}
LAYOUT = ("NHWC", "HWIO", "NHWC")


@pytest.mark.parametrize("padding", ["VALID", "SAME", "SAME_LOWER"])
@pytest.mark.parametrize("stride", [1, 2, (3, 1)])
def test_named_zero_paddings_are_laxs(padding, stride):
    """Compared with the direct call of lax."""
    strides = (stride, stride) if isinstance(stride, int) else stride
    plain = lambda x, kernel: lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=LAYOUT)
    y = evaluated(plain)(X, PARAMS["kernel"])
    np.testing.assert_array_equal(by_numpy.conv({"kernel": PARAMS["kernel"]}, X, stride=stride, padding=padding), y)


def test_the_slides_equation():
    """Equation (1) of the slides: out(i, j) = sum_mn W(m, n) I(i+m, j+n): a cross-correlation without flip."""
    image, kernel = np.arange(12.0).reshape(3, 4), np.array([[1.0, 2.0], [4.0, 8.0]])
    y = by_numpy.conv({"kernel": np.float32(kernel)[..., None, None]}, np.float32(image)[None, ..., None])
    for i, j in np.ndindex(2, 3):
        assert y[0, i, j, 0] == (kernel * image[i : i + 2, j : j + 2]).sum()


def test_weights_are_never_shared_across_channels():
    """Each input channel has a separate slice of the kernel, so exchanging two channels changes the output."""
    kernel = np.float32([[1.0], [10.0]]).reshape(1, 2, 1)
    assert by_numpy.conv({"kernel": kernel}, np.float32([[[2.0, 3.0]]])).item() == 32.0
    assert by_numpy.conv({"kernel": kernel}, np.float32([[[3.0, 2.0]]])).item() == 23.0


def test_without_a_bias():
    without = by_numpy.conv({"kernel": PARAMS["kernel"]}, X)
    np.testing.assert_array_equal(by_numpy.conv(PARAMS, X), without + PARAMS["bias"].reshape(1, 1, 1, 4))


def test_one_example_without_a_batch():
    np.testing.assert_array_equal(by_numpy.conv(PARAMS, X[0], batched=False), by_numpy.conv(PARAMS, X)[0])


def test_an_empty_batch():
    assert by_numpy.conv(PARAMS, X[:0]).shape == (0, 6, 8, 4)


@pytest.mark.parametrize("batched", [True, False])
def test_channels_first(batched):
    x = X if batched else X[0]
    y = by_numpy.conv(PARAMS, np.moveaxis(x, -1, -3), layout="channels_first", batched=batched, padding="circular")
    np.testing.assert_array_equal(np.moveaxis(y, -3, -1), by_numpy.conv(PARAMS, x, batched=batched, padding="circular"))


def test_latitude_and_longitude():
    """Edge padding along the first axis, circular along the second: equivariant along the second only."""
    layer = lambda x: by_numpy.conv(PARAMS, x, padding=("EDGE", "CIRCULAR"))
    np.testing.assert_array_equal(layer(np.roll(X, 2, axis=2)), np.roll(layer(X), 2, axis=2))
    assert not np.array_equal(layer(np.roll(X, 2, axis=1)), np.roll(layer(X), 2, axis=1))
    padded = np.pad(np.pad(X, [(0, 0), (1, 1), (0, 0), (0, 0)], "edge"), [(0, 0), (0, 0), (0, 1), (0, 0)], "wrap")
    np.testing.assert_array_equal(layer(X), by_numpy.conv(PARAMS, padded))


def test_a_circular_kernel_wider_than_the_input_goes_round_it_more_than_once():
    x = np.float32([1.0, 10.0]).reshape(1, 2, 1)
    y = by_numpy.conv({"kernel": np.float32([1.0, 2.0, 3.0, 4.0, 5.0]).reshape(5, 1, 1)}, x, padding="circular")
    assert y.ravel().tolist() == [1 + 3 + 5 + 20 + 40, 10 + 30 + 50 + 2 + 4]


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.float32, np.int32])
def test_dtype_is_kept(dtype):
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), PARAMS)
    y = by_numpy.conv(params, X.astype(dtype), padding="reflect")
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.astype(np.float32), by_numpy.conv(PARAMS, X, padding="reflect"))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16])
def test_short_signals_strided_and_dilated(dtype):
    """XLA's autotuner for CUDA found no code for these in bfloat16 (jax#37922); on a GPU this test detects it."""
    kernel, x, dy = (small_integers(shape, 0, most=2) for shape in ((3, 4, 16), (2, 16, 4), (2, 8, 16)))
    settings = {"stride": 2, "dilation": 2, "padding": "same"}

    @jax.jit
    def layer(params, x, dy):
        y, pull = jax.vjp(lambda params, x: jc.conv(params, x, **settings), params, x)
        return y, *pull(dy)

    y, params, dx = layer({"kernel": kernel.astype(dtype)}, x.astype(dtype), dy.astype(dtype))
    deltas = reference.conv_deltas(kernel, x, dy, **settings)
    for actual, expected in (
        (y, reference.conv(kernel, 0, x, **settings)),
        (params["kernel"], deltas.kernel),
        (dx, deltas.x),
    ):
        np.testing.assert_array_equal(actual.astype(np.float32), expected)


def test_double_precision():
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: leaf.astype(np.float64) + 2.0**-40, PARAMS)
        y = by_numpy.conv(params, X.astype(np.float64))
        assert y.dtype == np.float64
        single = by_numpy.conv(PARAMS, X).astype(np.float64)
        assert 0 < np.abs(y - single).max() < 1e-9


def test_preferred_element_type_widens_the_result_and_its_gradient_flows():
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), PARAMS)
    loss = lambda params: jc.conv(params, X.astype(jnp.bfloat16), preferred_element_type=np.float32).sum()
    assert jax.eval_shape(loss, params).dtype == np.float32
    gradient = evaluated(jax.grad(loss))(params)
    assert gradient["kernel"].dtype == jnp.bfloat16
    assert gradient["bias"].astype(np.float32).tolist() == [96.0] * 4


def test_precision_reaches_lax():
    jaxpr = jax.make_jaxpr(lambda x: jc.conv(PARAMS, x, precision=lax.Precision.HIGHEST))(X)
    (equation,) = (eqn for eqn in jaxpr.eqns if eqn.primitive.name == "jaxconv_conv")
    assert equation.params["precision"] is lax.Precision.HIGHEST
    text = jax.jit(lambda x: jc.conv(PARAMS, x, precision=lax.Precision.HIGHEST)).lower(X).as_text()
    assert text.count("precision = [HIGHEST, HIGHEST]") == 1


def test_numpy_arrays_and_lists_of_settings_are_taken():
    params = jax.tree.map(np.asarray, PARAMS)
    y = by_numpy.conv(params, np.asarray(X), stride=[2, 1], padding=[[1, 0], "same"], dilation=np.int64(1))
    np.testing.assert_array_equal(y, by_numpy.conv(PARAMS, X, stride=(2, 1), padding=((1, 0), "SAME")))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": X[0]}, ValueError, r"conv: x is \(8, 9, 3\), 3 axes, but should be \[n, h, w, c\], 4 axes of which 2 spatial\. "
         "For one example without a batch axis, pass batched=False"),
        ({"batched": False}, ValueError, r"conv: x is \(2, 8, 9, 3\), 4 axes, .* \[h, w, c\].* leave out batched=False"),
        ({"x": X[0, 0]}, ValueError, r"conv: x is \(9, 3\), 2 axes, but should be \[n, h, w, c\], 4 axes"),
        ({"x": X[..., :2]}, ValueError, r"conv: x's number of channels is 2, but should be 3: kernel \(3, 2, 3, 4\)"),
        ({"x": integers(2, 8, 9, 6)}, ValueError, "is 6, but should be 3: .* For a grouped convolution pass groups=2"),
        ({"groups": 3}, ValueError, "conv: groups is 3, but should be a divisor of the kernel's 4 output channels"),
        ({"groups": 2}, ValueError, "number of channels is 3, but should be 6: .* takes 3 for each of 2 groups"),
        ({"groups": 0}, ValueError, "conv: groups is 0, but should be 1 or more"),
        ({"x": X[:, :2]}, ValueError, r"conv: window along axis h is 3 cells wide .* padded input, which has 2 cells"),
        ({"x": X[:, :0]}, ValueError, "conv: x along axis h is 0 cells long, but should be 1 or more"),
        ({"padding": "ZEROS"}, ValueError, "conv: padding is 'ZEROS', but should be one of VALID, SAME"),
        ({"padding": ((-1, 0), (0, 0))}, ValueError, "conv: padding is -1, but should be 0 or more"),
        ({"stride": -2}, ValueError, "conv: stride is -2, but should be 1 or more"),
        ({"x": X.astype(jnp.bfloat16)}, TypeError, r"conv: x is bfloat16, but should be float32, as the kernel is\. Cast"),
        ({"layout": "NCHW"}, ValueError, """conv: layout is 'NCHW', but should be "channels_last" or "channels_first"."""),
        ({"params": PARAMS | {"bias": np.zeros(3, np.float32)}}, ValueError, r"conv: bias is \(3,\), but should be \(4,\) \[o\]"),
        ({"params": PARAMS | {"bias": np.zeros(4, np.int32)}}, TypeError, "conv: bias is int32, but should be float32"),
        ({"params": PARAMS | {"scale": 1}}, ValueError, r"conv: params is a dict of \['bias', 'kernel', 'scale'\], but should be a dict"),
        ({"params": {"bias": 1}}, ValueError, r"""conv: params is a dict of \['bias'\], but should be a dict of "kernel" and"""),
        ({"params": PARAMS["kernel"]}, TypeError, "conv: params is an array of shape .*, but should be a dict"),
        ({"params": {"kernel": np.ones((3, 4), np.float32)}}, ValueError, r"conv: kernel is \(3, 4\), .* 3 axes or more\. For .* use dense"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_cure(change, error, message):
    arguments = {"params": PARAMS, "x": X} | change
    with pytest.raises(error, match=message):
        jc.conv(arguments.pop("params"), arguments.pop("x"), **arguments)


def test_channels_first_errors_name_its_axes():
    with pytest.raises(ValueError, match=r"should be \[n, c, h, w\], 4 axes"):
        jc.conv(PARAMS, X[0], layout="channels_first")


def test_init_draws_what_the_initialisers_draw():
    key = jax.random.key(1)
    params = by_numpy.init_conv(
        key, (3, 5), 4, 6, groups=2, kernel_init=jax.nn.initializers.he_normal(), dtype=jnp.bfloat16
    )
    assert params["kernel"].shape == (3, 5, 2, 6)
    assert params["kernel"].dtype == params["bias"].dtype == jnp.bfloat16
    assert not params["bias"].any()
    draw = lambda key: jax.nn.initializers.he_normal()(jax.random.split(key)[0], (3, 5, 2, 6), jnp.bfloat16)
    by_hand = evaluated(draw)(key)
    np.testing.assert_array_equal(params["kernel"], by_hand)


def test_init_keeps_the_variance_of_the_input():
    """With the default initialiser, noise of unit variance gives outputs of unit variance."""
    x = GENERATOR.normal(size=(4, 40, 40, 16)).astype(np.float32)
    y = by_numpy.conv(by_numpy.init_conv(jax.random.key(1), (3, 3), 16, 64), x)
    assert 0.9 < y.std() < 1.1


@pytest.mark.parametrize("make_key", [jax.random.key, jax.random.PRNGKey])
def test_init_takes_both_kinds_of_key_and_no_bias(make_key):
    assert set(jax.eval_shape(lambda: jc.init_conv(make_key(0), (3,), 1, 1, bias=False))) == {"kernel"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, 1, 1), "init_conv: window is 3, but should be one integer per spatial axis"),
        (((3, 0), 1, 1), "init_conv: window is 0, but should be 1 or more"),
        (((3,), 0, 1), "init_conv: channels_in is 0, but should be 1 or more"),
        (((3,), 1, -1), "init_conv: channels_out is -1, but should be 1 or more"),
        (
            ((3,), 4, 6, 4),
            "init_conv: groups is 4, but should be a divisor of both channels_in = 4 and channels_out = 6",
        ),
    ],
)
def test_init_errors(arguments, message):
    *positional, groups = arguments if len(arguments) == 4 else (*arguments, 1)
    with pytest.raises(ValueError, match=message):
        jc.init_conv(jax.random.key(0), *positional, groups=groups)


def test_a_kernel_for_other_groups_is_named_as_such():
    """Regression test: the message suggested groups=1 "for a grouped convolution"."""
    with pytest.raises(
        ValueError, match="The kernel has the shape for groups=1: pass that, or draw a kernel for groups=2"
    ):
        jc.conv({"kernel": jnp.ones((3, 3, 2, 4))}, jnp.ones((1, 8, 8, 2)), groups=2)
