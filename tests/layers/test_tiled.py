"""Tiled convolution: errors, initialisation, algorithms and certificates. tests/laws covers its laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy
from support.equations import flat
from support.whole_parameters import whole_like

import jaxconv as jc
from jaxconv.jaxprs.layout import trace

X = np.random.default_rng(0).integers(-4, 5, (2, 5, 6, 4)).astype(np.float32)
GEOMETRY = {"stride": (2, 1), "padding": ("circular", "valid"), "groups": 2}
PARAMS = whole_like(jc.init_tiled_conv, (2, 1), (3, 2), 4, 6, groups=2)


def test_init_draws_each_kernel_as_conv_would():
    params = by_numpy.init_tiled_conv(jax.random.key(0), 20, (3, 3), 8, 8)
    kernels = np.asarray(params["kernel"]).reshape(20 * 20, -1)
    np.testing.assert_allclose(kernels.std(), (3 * 3 * 8) ** -0.5, rtol=0.02)
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels)
    assert jax.tree.map(jnp.shape, PARAMS) == {"kernel": (2, 1, 3, 2, 2, 6), "bias": (2, 1, 6)}
    assert "bias" not in by_numpy.init_tiled_conv(jax.random.key(0), 2, (3,), 1, 1, bias=False)


def test_parameters_do_not_know_the_size_of_the_image():
    """Also if the image is too small for all kernels to be used."""
    assert by_numpy.tiled_conv(PARAMS, X, **GEOMETRY).shape == (2, 3, 5, 6)
    one_row = by_numpy.tiled_conv(PARAMS, X[:, :2], **GEOMETRY)
    first = jax.tree.map(lambda leaf: leaf[0, 0], PARAMS)
    np.testing.assert_array_equal(one_row, by_numpy.conv(first, X[:, :2], **GEOMETRY))


def test_layouts_batches_and_biases():
    y = by_numpy.tiled_conv(PARAMS, X, **GEOMETRY)
    np.testing.assert_array_equal(by_numpy.tiled_conv(PARAMS, X[1], **GEOMETRY, batched=False), y[1])
    first = by_numpy.tiled_conv(PARAMS, np.moveaxis(X, -1, 1), **GEOMETRY, layout="channels_first")
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), y)
    bias = np.arange(12.0, dtype=np.float32).reshape(2, 1, 6)
    plain = by_numpy.tiled_conv({"kernel": PARAMS["kernel"]}, X, **GEOMETRY)
    turns = np.broadcast_to(bias[np.int32([0, 1, 0])], (2, 3, 5, 6))
    np.testing.assert_array_equal(by_numpy.tiled_conv(PARAMS | {"bias": bias}, X, **GEOMETRY), plain + turns)


@pytest.mark.parametrize("period", [(2, 1), (2, 3)])
@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.int32])
def test_dtype_is_kept_or_as_preferred(dtype, period):
    repeated = lambda leaf: np.tile(leaf, (1, period[1], *[1] * (leaf.ndim - 2)))
    params = jax.tree.map(lambda leaf: repeated(leaf).astype(dtype), PARAMS)
    y = by_numpy.tiled_conv(params, X.astype(dtype), **GEOMETRY)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.astype(np.float32), by_numpy.tiled_conv(PARAMS, X, **GEOMETRY))
    wide = by_numpy.tiled_conv(params, X.astype(dtype), **GEOMETRY, preferred_element_type=np.float32)
    assert wide.dtype == np.float32


def windows_computed(period):
    """Number of windows, from the multiplications of a kernel with one tap and one channel on 12 x 12 cells."""
    params = {"kernel": jax.ShapeDtypeStruct((*period, 1, 1, 1, 1), "float32")}
    actual = jc.summary(jc.tiled_conv, params, jax.ShapeDtypeStruct((1, 12, 12, 1), "float32"))
    return actual.multiply_adds, len(actual.layers)


def test_each_output_costs_one_window():
    """For any number of kernels: few kernels take one convolution each, more take one matrix product."""
    assert [windows_computed(period) for period in ((1, 1), (2, 2), (1, 4))] == [(144, 1), (144, 4), (144, 4)]
    assert [windows_computed(period) for period in ((3, 2), (4, 4), (12, 12))] == [(144, 1)] * 3


def test_few_kernels_are_convolutions_and_more_are_a_product():
    def names(period):
        equations = flat(trace(jc.tiled_conv, ({"kernel": np.ones((*period, 3, 3, 4, 1), np.float32)}, X))[0])
        return {equation.primitive.name for equation in equations} & {"jaxconv_conv", "dot_general"}

    assert (names((2, 2)), names((2, 3))) == ({"jaxconv_conv"}, {"dot_general"})


@pytest.mark.parametrize("height", [24, 6 * 4096])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("period", [(2, 1), (3, 2)])
def test_certificates_prove_the_lattice_of_stride_times_period(height, stride, period):
    """Cyclic shifts with circular padding, and the interior with any padding; for every size."""
    params = {"kernel": np.ones((*period, 3, 3, 1, 1), np.float32), "bias": np.ones((*period, 1), np.float32)}
    image = jax.ShapeDtypeStruct((1, height, 12, 1), "float32")
    lattice = (stride * period[0], ((1, period[0]),))

    def claims(padding):
        layer = lambda params, x: jc.tiled_conv(params, x, stride=stride, padding=padding)
        (axis,) = jc.certify(layer, params, image, axes={1: (1,)}, search=False).leaves[0].axes
        return axis.cyclic, axis.interior

    for claim in claims("circular"):
        assert (claim.verdict.value, claim.shift, claim.moves) == ("PROVED", *lattice)
    cyclic, interior = claims("same")
    assert cyclic.verdict.value == "UNDECIDED"
    assert (interior.verdict.value, interior.shift, interior.moves) == ("PROVED", *lattice)
    _, lo, hi = interior.region[0]
    assert lo <= period[0]
    assert hi >= height // stride - 2 * period[0]


def test_a_period_cut_short_is_refuted_cyclically_and_proved_within():
    params = {"kernel": np.float32([1.0, 2.0]).reshape(2, 1, 1, 1)}
    certificate = jc.certify(lambda x: jc.tiled_conv(params, x), jax.ShapeDtypeStruct((1, 7, 1), "float32"), axes=(1,))
    (axis,) = certificate.leaves[0].axes
    assert axis.cyclic.verdict.value == "REFUTED"
    assert (axis.interior.shift, axis.interior.moves, axis.interior.region) == (2, ((1, 2),), ((1, 0, 6),))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": X[0]}, ValueError, r"tiled_conv: x is \(5, 6, 4\), 3 axes, but should be \[n, h, w, c\], 4 axes"),
        ({"x": X[..., :3]}, ValueError, "tiled_conv: x's number of channels is 3, but should be 4: kernel"),
        ({"groups": 4}, ValueError, "tiled_conv: groups is 4, but should be a divisor of the kernel's 6 output"),
        ({"x": X[:, :, :1]}, ValueError, "tiled_conv: window along axis w is 2 cells wide"),
        ({"padding": "wrap"}, ValueError, "tiled_conv: padding is 'wrap', but should be one of"),
        ({"x": X.astype(np.float16)}, TypeError, "tiled_conv: x is float16, but should be float32"),
        ({"params": {"kernel": np.ones((3, 3, 2, 6, 1), np.float32)}}, ValueError, r"kernel is .*, 5 axes, but should be \[\*period, \*window, c/groups, o\], an even number"),
        ({"params": PARAMS | {"bias": np.zeros(6, np.float32)}}, ValueError, r"bias is \(6,\), but should be \(2, 1, 6\) \[\*period, o\]"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_cure(change, error, message):
    arguments = {"params": PARAMS, "x": X} | GEOMETRY | change
    with pytest.raises(error, match=message):
        jc.tiled_conv(arguments.pop("params"), arguments.pop("x"), **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, (3, 3), 1, 1), "init_tiled_conv: period is 0, but should be 1 or more"),
        (((2,), (3, 3), 1, 1), r"init_tiled_conv: period is \(2,\), but should be one integer, or 2 of them"),
        ((2, 3, 1, 1), "init_tiled_conv: window is 3, but should be one integer per spatial axis"),
    ],
)
def test_init_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        jc.init_tiled_conv(jax.random.key(0), *arguments)
