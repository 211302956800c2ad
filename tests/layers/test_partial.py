"""Partial convolution: holes, borders, masks of all and of each channel, dtypes, layouts, errors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy

import jaxconv as jc
from jaxconv import reference

GENERATOR = np.random.default_rng(0)
X = GENERATOR.integers(-4, 5, (2, 6, 7, 4)).astype(np.float32)
MASK = GENERATOR.integers(0, 2, X.shape).astype(bool)
ONE = MASK[..., :1]
PARAMS = {
    "kernel": GENERATOR.integers(-4, 5, (3, 2, 4, 6)).astype(np.float32),
    "bias": GENERATOR.integers(-4, 5, 6).astype(np.float32),
}
GROUPED = PARAMS | {"kernel": PARAMS["kernel"][:, :, :2]}
SETTINGS = {"stride": (2, 1), "padding": ("same", "circular")}


@pytest.mark.parametrize("padding", ["valid", "circular", "reflect", "edge"])
def test_without_holes_it_is_the_convolution(padding):
    """Bit for bit: a scale of one rounds nothing."""
    x = GENERATOR.normal(size=X.shape).astype(np.float32)
    for mask in (np.ones_like(MASK), np.ones_like(ONE)):
        y, seen = by_numpy.partial_conv(PARAMS, x, mask, padding=padding)
        np.testing.assert_array_equal(y, by_numpy.conv(PARAMS, x, padding=padding))
        assert seen.all()


def test_zeros_of_the_padding_are_holes():
    """A constant image stays constant up to the border, where a convolution darkens it."""
    params = {"kernel": np.ones((3, 3, 1, 1), np.float32)}
    x = np.full((1, 5, 4, 1), 2, np.float32)
    y, seen = by_numpy.partial_conv(params, x, np.ones_like(x), padding="same")
    np.testing.assert_array_equal(y, np.full(x.shape, 18, np.float32))
    assert seen.all()
    assert by_numpy.conv(params, x, padding="same")[0, 0, 0, 0] == 8


def test_outputs_that_see_no_valid_cell_are_zero_without_bias_and_are_holes():
    x, mask = np.ones((1, 5, 1), np.float32), np.int8([1, 0, 0, 0, 1]).reshape(1, 5, 1)
    params = {"kernel": np.ones((2, 1, 1), np.float32), "bias": np.float32([7])}
    y, seen = by_numpy.partial_conv(params, x, mask)
    assert y.ravel().tolist() == [9, 0, 0, 9]
    assert (seen.ravel().tolist(), seen.dtype) == ([1, 0, 0, 1], np.int8)


def test_holes_are_never_read():
    """Neither forwards nor backwards."""
    x = np.where(ONE, X, np.nan)
    layer = lambda x: jc.partial_conv(PARAMS, x, ONE, **SETTINGS)[0]
    dy = GENERATOR.integers(-4, 5, jax.eval_shape(layer, X).shape).astype(np.float32)
    (y, dx), (expected, without) = (by_numpy.pulled(layer, array, dy) for array in (x, X))
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(dx, without)
    assert (dx[~np.broadcast_to(ONE, X.shape)] == 0).all()
    assert np.count_nonzero(dx) > 0


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("settings", [{}, SETTINGS, {"dilation": 2, "padding": "reflect"}])
def test_masks_of_each_channel(groups, settings):
    """Each group counts its own channels."""
    params = PARAMS if groups == 1 else GROUPED
    y, seen = by_numpy.partial_conv(params, X, MASK, groups=groups, **settings)
    expected, marked = reference.partial_conv(params["kernel"], params["bias"], X, MASK, groups=groups, **settings)
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(seen, marked)


def test_a_mask_of_all_channels_is_that_mask_for_each():
    y, seen = by_numpy.partial_conv(GROUPED, X, ONE, groups=2, **SETTINGS)
    each, marked = by_numpy.partial_conv(GROUPED, X, np.broadcast_to(ONE, X.shape), groups=2, **SETTINGS)
    np.testing.assert_allclose(y, each, rtol=1e-6)
    assert seen.shape == (*y.shape[:-1], 1)
    np.testing.assert_array_equal(np.broadcast_to(seen, marked.shape), marked)


def test_the_new_mask_is_the_mask_of_the_next_layer():
    """Holes shrink layer by layer, and vanish."""
    params = {"kernel": np.ones((3, 3, 1, 1), np.float32)}
    x, mask = np.ones((1, 9, 8, 1), np.float32), np.zeros((1, 9, 8, 1), bool)
    mask[0, 0, 0] = True
    holes = []
    for _ in range(8):
        x, mask = by_numpy.partial_conv(params, x / 9, mask, padding="same")
        holes.append(int((~mask).sum()))
    assert holes == [72 - (k + 2) * min(k + 2, 8) for k in range(7)] + [0]


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.complex64])
def test_dtype_is_kept(dtype):
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), PARAMS)
    y, seen = by_numpy.partial_conv(params, X.astype(dtype), ONE, **SETTINGS)
    assert (y.dtype, seen.dtype) == (dtype, bool)
    np.testing.assert_allclose(
        y.astype(np.complex64).real, by_numpy.partial_conv(PARAMS, X, ONE, **SETTINGS)[0], rtol=1e-2, atol=1e-5
    )


def test_layouts_and_batches():
    layer = partial(by_numpy.partial_conv, PARAMS, **SETTINGS)
    y, seen = layer(X, ONE)
    one, marked = layer(X[1], ONE[1], batched=False)
    np.testing.assert_array_equal(one, y[1])
    np.testing.assert_array_equal(marked, seen[1])
    first, marked = layer(np.moveaxis(X, -1, 1), np.moveaxis(ONE, -1, 1), layout="channels_first")
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), y)
    np.testing.assert_array_equal(np.moveaxis(marked, 1, -1), seen)


@pytest.mark.parametrize(
    ("x", "mask", "error", "message"),
    [
        (X, MASK[..., :2], ValueError, r"mask is \(2, 6, 7, 2\) in that layout, but should be \(2, 6, 7, 1\) for all"),
        (X, MASK[:1], ValueError, r"mask is \(1, 6, 7, 4\) .*Broadcast it to the examples of x"),
        (X, MASK[0], ValueError, r"mask is \(6, 7, 4\), 3 axes, but should be \[n, h, w, c\]"),
        (X.astype(np.int32), MASK, TypeError, "x is int32, but should be float32, as the kernel is"),
    ],
)
def test_errors_name_the_argument_and_the_cure(x, mask, error, message):
    with pytest.raises(error, match=f"partial_conv: {message}"):
        jc.partial_conv(PARAMS, x, mask)


def test_integers_are_refused():
    params = jax.tree.map(lambda leaf: leaf.astype(np.int32), PARAMS)
    with pytest.raises(TypeError, match=r"partial_conv: x is int32, but should be floats. Cast it first"):
        jc.partial_conv(params, X.astype(np.int32), MASK)
