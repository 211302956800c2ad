"""Transposed convolution: shapes, layouts, bias and errors. tests/laws/test_adjoint.py covers its law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy

import jaxconv as jc

integers = lambda *shape: np.random.default_rng(0).integers(-4, 5, shape).astype(np.float32)
Y = integers(2, 3, 4, 5)
PARAMS = {"kernel": integers(3, 2, 6, 5), "bias": np.arange(6.0, dtype=np.float32)}


def test_every_length_that_conv_would_shrink_to_y_can_be_asked_for():
    for shape in ((7, 8), (8, 9)):
        x = by_numpy.conv_transpose(PARAMS, Y, stride=2, output_shape=shape)
        assert x.shape == (2, *shape, 6)
        assert by_numpy.conv({"kernel": PARAMS["kernel"]}, x, stride=2).shape == Y.shape


@pytest.mark.parametrize("padding", ["SAME", "CAUSAL", "CIRCULAR", "EDGE", "REFLECT", "SYMMETRIC", "SAME_LOWER"])
def test_without_a_stride_there_is_one_answer(padding):
    assert by_numpy.conv_transpose(PARAMS, Y, padding=padding).shape == (2, 3, 4, 6)


def test_layouts_batches_and_the_bias():
    settings = {"stride": (1, 2), "padding": "circular", "output_shape": (3, 8)}
    x = by_numpy.conv_transpose(PARAMS, Y, **settings)
    np.testing.assert_array_equal(by_numpy.conv_transpose(PARAMS, Y[1], batched=False, **settings), x[1])
    first = by_numpy.conv_transpose(PARAMS, np.moveaxis(Y, -1, 1), layout="channels_first", **settings)
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), x)
    plain = by_numpy.conv_transpose({"kernel": PARAMS["kernel"]}, Y, **settings)
    np.testing.assert_array_equal(x - plain, np.broadcast_to(np.arange(6.0, dtype=np.float32), x.shape))


def test_a_certificate_of_it():
    """Shifting y by one shifts the result by the stride."""
    layer = lambda y: jc.conv_transpose(PARAMS, y, stride=(2, 1), padding="circular", output_shape=(8, 6))
    certificate = jc.certify(layer, jax.ShapeDtypeStruct((1, 4, 6, 5), "float32"), axes=(1,))
    claim = certificate.leaves[0].axes[0].cyclic
    assert (claim.verdict.value, claim.shift, claim.moves) == ("PROVED", 1, ((1, 2),))


def test_parameters_are_drawn_for_the_channels_that_come_in():
    params = by_numpy.init_conv_transpose(jax.random.key(0), (3, 3), 64, 8)
    assert jax.tree.map(jnp.shape, params) == {"kernel": (3, 3, 8, 64), "bias": (8,)}
    assert abs(params["kernel"].std() * (9 * 64) ** 0.5 - 1) < 0.05
    assert "bias" not in by_numpy.init_conv_transpose(jax.random.key(0), (3,), 4, 2, bias=False)
    assert by_numpy.init_conv_transpose(jax.random.key(0), (3,), 4, 6, groups=2)["kernel"].shape == (3, 3, 4)


@pytest.mark.parametrize(
    ("params", "y", "settings", "error", "message"),
    [
        (PARAMS, Y, {"stride": 2}, ValueError, r"output_shape is None, but should be given, because several input lengths give y's lengths under conv: 7 to 8 along axis h and 8 to 9 along axis w\. Pass output_shape=\(7, 8\), or padding=.SAME. and output_shape=\(6, 8\) for"),
        (PARAMS, Y, {"output_shape": (5, 6)}, ValueError, r"output_shape is \(5, 6\), but should be input lengths that give y's lengths under conv: 5 along axis h and 5 along axis w"),
        (PARAMS, Y, {"output_shape": (5, 5, 5)}, ValueError, r"output_shape is \(5, 5, 5\), but should be one integer, or 2"),
        (PARAMS, Y, {"padding": ((4, 4), (0, 0))}, ValueError, "y along axis h is 3 positions long, but should be the number of positions of a window of 3 taps"),
        (PARAMS, Y[0], {}, ValueError, r"y is \(3, 4, 5\), 3 axes, but should be \[n, h, w, c\].* pass batched=False"),
        (PARAMS, Y[..., :4], {}, ValueError, "y's number of channels is 4, but should be 5: kernel"),
        (PARAMS, Y, {"groups": 2}, ValueError, "groups is 2, but should be a divisor of the kernel's 5 channels of y"),
        (PARAMS | {"bias": np.zeros(5, np.float32)}, Y, {}, ValueError, r"bias is \(5,\), but should be \(6,\) \[c\]"),
        (PARAMS, Y.astype(jnp.bfloat16), {}, TypeError, "y is bfloat16, but should be float32, as the kernel is"),
        ({"kernel": np.ones((3, 1, 1), np.int32)}, np.ones((1, 2, 1), np.int32), {}, TypeError, "y is int32, but should be floating-point numbers. Cast"),
        ({"kernel": np.ones((3, 1), np.float32)}, Y, {}, ValueError, r"kernel is \(3, 1\), 2 axes, but should be \[\*window, c/groups, o\]"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_cure(params, y, settings, error, message):
    with pytest.raises(error, match=f"conv_transpose: {message}"):
        jc.conv_transpose(params, y, **settings)
