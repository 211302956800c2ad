"""Blur pooling: filter, anti-aliasing, dtypes, layouts and errors. tests/laws covers the gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy

import jaxconv as jc
from jaxconv import reference

X = np.random.default_rng(0).integers(-8, 8, (2, 6, 7, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("taps", "expected"), [(1, [1]), (2, [1, 1]), (3, [1, 2, 1]), (4, [1, 3, 3, 1]), (5, [1, 4, 6, 4, 1])]
)
def test_the_filter_is_a_row_of_pascals_triangle(taps, expected):
    """The response to a single cell is the reversed filter; Zhang names these filters Rect-2 to Binomial-5."""
    cell = np.zeros((1, 2 * taps - 1, 1), np.float32)
    cell[0, taps - 1] = 2.0 ** (taps - 1)
    assert by_numpy.blur_pool(cell, (taps,), stride=1).ravel().tolist() == expected


def test_two_axes_are_blurred_one_after_the_other():
    y = by_numpy.blur_pool(X, (3, 2), stride=(2, 1), padding=("reflect", "circular"))
    rows = by_numpy.blur_pool(X, (3, 1), stride=(2, 1), padding=("reflect", "valid"))
    np.testing.assert_array_equal(y, by_numpy.blur_pool(rows, (1, 2), stride=1, padding=("valid", "circular")))
    np.testing.assert_array_equal(y, reference.blur_pool(X, (3, 2), stride=(2, 1), padding=("reflect", "circular")))


def test_a_checkerboard_is_grey():
    """A checkerboard has the finest detail; a stride alone would give all black or all white, depending on its phase."""
    x = np.float32(np.indices((6, 8)).sum(axis=0) % 2).reshape(1, 6, 8, 1)
    for shift in (0, 1):
        moved = np.roll(x, shift, axis=1)
        assert (moved[:, ::2, ::2] == shift).all()
        assert (by_numpy.blur_pool(moved, (2, 2), padding="circular") == 0.5).all()
        assert (by_numpy.blur_pool(moved, (3, 3), padding="circular") == 0.5).all()


@pytest.mark.parametrize("padding", ["CIRCULAR", "REFLECT", "SYMMETRIC", "EDGE", "VALID"])
def test_constant_images_stay_constant(padding):
    assert (by_numpy.blur_pool(np.full((1, 6, 7, 2), 3.0, np.float32), (4, 3), padding=padding) == 3).all()


def test_zeros_darken_the_border():
    y = by_numpy.blur_pool(np.ones((1, 5, 1), np.float32), (3,), padding="same")
    assert y.ravel().tolist() == [0.75, 1, 0.75]


def test_layouts_and_batches():
    pool = lambda x, **layout: by_numpy.blur_pool(x, (3, 2), padding="circular", **layout)
    y = pool(X)
    assert y.shape == (2, 3, 4, 3)
    np.testing.assert_array_equal(pool(X[1], batched=False), y[1])
    np.testing.assert_array_equal(np.moveaxis(pool(np.moveaxis(X, -1, 1), layout="channels_first"), 1, -1), y)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.complex64])
def test_dtype_is_kept(dtype):
    y = by_numpy.blur_pool(X.astype(dtype), (3, 2))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, by_numpy.blur_pool(X, (3, 2)).astype(dtype))


def test_half_precision_is_summed_in_single():
    """256 + 0.875 + 0.875 = 257.75 is rounded once, to 258; sequential sums in bfloat16 stay at 256."""
    x = np.array([1024, 1.75, 3.5], jnp.bfloat16).reshape(1, 3, 1)
    assert by_numpy.blur_pool(x, (3,)).item() == by_numpy.blur_pool(x[:, ::-1], (3,)).item() == 258


def test_no_platform_multiplies_in_less_than_single():
    """With default precision a TPU would round x to bfloat16, a GPU to TF32."""
    for platform in ("cuda", "tpu"):
        exported = jax.export.export(jax.jit(lambda x: jc.blur_pool(x, (3, 3))), platforms=(platform,))(X)
        module = exported.mlir_module()
        assert module.count("stablehlo.convolution") == 2
        assert module.count("#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>") == 2


@pytest.mark.parametrize(
    ("x", "window", "settings", "error", "message"),
    [
        (X, 3, {}, ValueError, r"window is 3, but should be one integer per spatial axis\. .* \(2, 2\) for images"),
        (X[0], (3, 3), {}, ValueError, r"x is \(6, 7, 3\), 3 axes, .* pass batched=False"),
        (X, (7, 2), {}, ValueError, "window along axis h is 7 cells wide"),
        (X, (3, 3), {"stride": 0}, ValueError, "stride is 0, but should be 1 or more"),
        (X, (3, 3), {"padding": "full"}, ValueError, "padding is 'full', but should be one of VALID, SAME"),
        (
            X,
            (2, 2),
            {"padding": ((0, 2), (0, 0)), "stride": 1},
            ValueError,
            r"padding is \(0, 2\) along axis h, but sh",
        ),
        (X.astype(np.int32), (3, 3), {}, TypeError, r"x is int32, but should be floats\. Cast it first"),
        (X > 0, (3, 3), {}, TypeError, "x is bool, but should be floats"),
    ],
)
def test_errors_name_the_argument_and_the_cure(x, window, settings, error, message):
    with pytest.raises(error, match=f"blur_pool: {message}"):
        jc.blur_pool(x, window, **settings)
