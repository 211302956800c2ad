"""Unfolding and folding: the order of features, convolution by a product, dtypes, layouts, errors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from support import by_numpy
from support.broken_twins import caught
from support.geometries import compiled_examples, convolutions, examples
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv import reference
from jaxconv.testing.strategies import conv_configurations

X = np.random.default_rng(0).integers(-4, 5, (2, 6, 7, 3)).astype(np.float32)


def geometry_of(case):
    """Stride, padding and dilation of a case; unfolding has no groups."""
    return {name: case.geometry[name] for name in ("stride", "padding", "dilation")}


def check(compute, case):
    """Both layers equal the reference, and `<unfold(x), y> = <x, fold(y)>`."""
    x, settings = case.x(), geometry_of(case)
    expected = reference.unfold(x, case.window, **settings)
    y = case.integers(expected.shape, 9)

    def both(x, y):
        return jc.unfold(x, case.window, **settings), jc.fold(y, case.window, case.lengths, **settings)

    unfolded, folded = compute(both)(x, y)
    np.testing.assert_array_equal(unfolded, expected)
    np.testing.assert_array_equal(folded, reference.fold(y, case.window, case.lengths, **settings))
    assert np.vdot(unfolded, y) == np.vdot(x, folded)


@examples(20)
@given(case=conv_configurations())
def test_values_are_those_of_the_reference_and_each_is_the_others_adjoint(case):
    check(evaluated, case)


@compiled_examples(3)
@given(case=convolutions())
def test_compiled(case):
    check(jax.jit, case)


@examples(10)
@given(case=conv_configurations())
def test_each_is_the_others_derivative(case):
    x, settings = case.x(), geometry_of(case)
    forward = partial(jc.unfold, window=case.window, **settings)
    y, dx = by_numpy.pulled(forward, x, case.integers(jax.eval_shape(forward, x).shape, 9))
    dy = case.integers(y.shape, 9)
    np.testing.assert_array_equal(dx, reference.fold(dy, case.window, case.lengths, **settings))
    back = partial(jc.fold, window=case.window, output_shape=case.lengths, **settings)
    np.testing.assert_array_equal(by_numpy.pulled(back, dy, x)[1], y)


def product(case, order=lambda y, taps: y):
    """A convolution without groups as a product with the unfolded x, whose features `order` may reorder."""
    kernel = case.integers((*case.window, case.channels[0], 5), 7)
    y = by_numpy.unfold(case.x(), case.window, **geometry_of(case))
    taps = int(np.prod(case.window))
    return kernel, order(np.asarray(y), taps) @ kernel.reshape(-1, 5)


def by_channel(y, taps):
    """Incorrect: PyTorch's order of features, by channel and within it by tap."""
    return y.reshape(*y.shape[:-1], taps, -1).swapaxes(-1, -2).reshape(y.shape)


def reversed_taps(y, taps):
    """Incorrect: the last tap first, as for a convolution that flips its kernel."""
    return y.reshape(*y.shape[:-1], taps, -1)[..., ::-1, :].reshape(y.shape)


@examples(16)
@given(case=conv_configurations())
def test_a_product_with_the_kernel_is_the_convolution(case):
    kernel, actual = product(case)
    np.testing.assert_array_equal(actual, reference.conv(kernel, 0.0, case.x(), **geometry_of(case)))


@pytest.mark.parametrize("order", [by_channel, reversed_taps])
def test_broken_twins_are_caught(order):
    def is_detected(case):
        kernel, actual = product(case, order)
        return not np.array_equal(actual, reference.conv(kernel, 0.0, case.x(), **geometry_of(case)))

    assert caught(conv_configurations(max_rank=2), is_detected)


def test_folding_what_is_unfolded_counts_the_taps():
    """Each cell times the number of taps that read it; the average of overlapping patches is x."""
    there, back = (
        partial(by_numpy.unfold, window=(3, 2), stride=2, padding="same"),
        partial(by_numpy.fold, window=(3, 2), output_shape=(6, 7), stride=2, padding="same"),
    )
    counts = back(there(np.ones_like(X)))
    assert sorted(set(counts.ravel())) == [1, 2]
    np.testing.assert_array_equal(back(there(X)) / counts, X)


def test_infinite_cells_stay_where_they_are():
    """They are moved, not multiplied."""
    x = np.float32([np.inf, 1, np.nan]).reshape(1, 3, 1)
    np.testing.assert_array_equal(by_numpy.unfold(x, (2,))[0], np.float32([[np.inf, 1], [1, np.nan]]))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.int8, np.uint8, np.int32, np.complex64])
def test_dtype_is_kept(dtype):
    x = np.abs(X).astype(dtype)
    y = by_numpy.unfold(x, (2, 2))
    assert y.dtype == by_numpy.fold(y, (2, 2), (6, 7)).dtype == dtype
    assert by_numpy.unfold(X > 0, (2, 2)).dtype == bool


def test_half_precision_is_summed_in_single():
    """In bfloat16, 512 ones would sum to 256, where adding one has no effect."""
    y = np.ones((1, 512, 512), jnp.bfloat16)
    assert by_numpy.fold(y, (512,), (1,), padding=((511, 511),)).item() == 512


def test_layouts_and_batches():
    settings = {"stride": (2, 1), "padding": ("same", "circular")}
    there, back = (
        partial(by_numpy.unfold, window=(3, 2), **settings),
        partial(by_numpy.fold, window=(3, 2), output_shape=(6, 7), **settings),
    )
    y = there(X)
    np.testing.assert_array_equal(there(X[1], batched=False), y[1])
    first = there(np.moveaxis(X, -1, 1), layout="channels_first")
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), y)
    x = back(y)
    np.testing.assert_array_equal(back(y[1], batched=False), x[1])
    np.testing.assert_array_equal(np.moveaxis(back(first, layout="channels_first"), 1, -1), x)


Y = np.ones((2, 5, 6, 12), np.float32)


@pytest.mark.parametrize(
    ("y", "window", "shape", "error", "message"),
    [
        (Y, (2, 2), (6, 8), ValueError, r"y's spatial shape is \(5, 6\), but should be \(5, 7\), the positions"),
        (Y, (2, 2), (6,), ValueError, r"output_shape is \(6,\), but should be 2 integers"),
        (Y[..., :6], (2, 2), (6, 7), ValueError, "y's number of features is 6, but should be a multiple of 4 taps"),
        (Y[..., :0], (2, 2), (6, 7), ValueError, "y's number of features is 0, but should be a multiple of 4 taps"),
        (Y > 0, (2, 2), (6, 7), TypeError, "y is bool, but should be numbers"),
        (Y[0], (2, 2), (6, 7), ValueError, r"y is \(5, 6, 12\), 3 axes, but should be \[n, h, w, c\]"),
    ],
)
def test_errors_of_folding(y, window, shape, error, message):
    with pytest.raises(error, match=f"fold: {message}"):
        jc.fold(y, window, shape)
