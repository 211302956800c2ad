"""Lp pooling: norms, derivatives at zero, dtypes, layouts and errors. tests/laws covers the other gradients."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy
from support.numpy_evaluation import evaluated

import jaxconv as jc

X = np.random.default_rng(0).integers(-8, 8, (2, 6, 7, 3)).astype(np.float32)
NORMS = [0.5, 1, 1.5, 2, 3, 4.0]


@pytest.mark.parametrize("norm", NORMS)
def test_the_norm_is_numpys(norm):
    """Compared with `np.linalg.norm` of each window of six, and of whole channels."""
    windows = np.asarray(X).reshape(2, 3, 2, 7, 3)[:, :, :, :6].reshape(2, 3, 2, 2, 3, 3)
    cells = windows.transpose(0, 1, 3, 5, 2, 4).reshape(2, 3, 2, 3, 6)
    expected = np.linalg.norm(cells.astype(float), norm, axis=-1)
    np.testing.assert_allclose(by_numpy.lp_pool(X, (2, 3), norm=norm), expected, rtol=3e-6)
    whole = np.linalg.norm(np.asarray(X, float).reshape(2, 42, 3), norm, axis=1)
    np.testing.assert_allclose(by_numpy.global_lp_pool(X, norm=norm), whole, rtol=3e-6)


def test_large_norms_come_close_to_the_maximum():
    np.testing.assert_allclose(by_numpy.lp_pool(X, (2, 2), norm=40), by_numpy.max_pool(np.abs(X), (2, 2)), rtol=0.04)


def test_the_norm_of_ones_is_the_sum_of_magnitudes():
    np.testing.assert_array_equal(by_numpy.lp_pool(X, (2, 3), norm=1), by_numpy.avg_pool(np.abs(X), (2, 3), divisor=1))


@pytest.mark.parametrize("zero", [0.0, -0.0])
@pytest.mark.parametrize("norm", NORMS)
def test_the_derivative_at_zero_is_zero(norm, zero):
    """For a window of zeros, and for a zero beside another cell; in both modes, and for second derivatives."""
    x = np.float32([zero, zero, zero, -3.0]).reshape(1, 4, 1)
    for pool in (partial(jc.lp_pool, window=(2,), norm=norm), partial(jc.global_lp_pool, norm=norm)):
        total = lambda x, pool=pool: pool(x).sum()
        gradient = evaluated(jax.grad(total))(x).ravel()
        assert gradient[:3].tolist() == [0, 0, 0]
        np.testing.assert_allclose(gradient[3], -1, rtol=1e-6)
        way = np.float32([1, 1, 1, 0]).reshape(x.shape)
        assert evaluated(lambda x, way, total=total: jax.jvp(total, (x,), (way,))[1])(x, way) == 0
        assert np.isfinite(evaluated(jax.hessian(total))(x)).all()


def test_powers_that_vanish_leave_no_nan():
    """1e-30 squared underflows in float32: the window and its derivative count as zeros."""
    x = np.full((1, 2, 1), 1e-30, np.float32)
    y, dx = by_numpy.pulled(lambda x: jc.lp_pool(x, (2,), norm=2), x, np.ones((1, 1, 1), np.float32))
    assert y.item() == 0
    assert dx.ravel().tolist() == [0, 0]


def test_a_nan_is_not_lost():
    assert np.isnan(by_numpy.lp_pool(np.float32([np.nan, 0.0]).reshape(1, 2, 1), (2,), norm=1.5)).all()


def test_the_least_subgradient_is_what_descent_needs():
    """The norm is minimal at zeros. 0 is a subgradient there; JAX's derivative of the formula is not."""
    naive = lambda x: jnp.sqrt(jnp.sum(x * x))
    assert np.isnan(evaluated(jax.grad(naive))(np.zeros(2, np.float32))).all()


def test_padding_adds_nothing_whatever_the_window_overhangs():
    """In ceil mode PyTorch would scale the last window, of one cell, by the square root of two."""
    x = np.float32([3.0, 4.0, 5.0]).reshape(1, 3, 1)
    assert by_numpy.lp_pool(x, (2,), norm=2, ceil_mode=True).ravel().tolist() == [5, 5]
    assert by_numpy.lp_pool(x, (2,), norm=2, padding=((1, 0),)).ravel().tolist() == [3, pytest.approx(math.sqrt(41))]


def test_layouts_and_batches():
    pool = partial(by_numpy.lp_pool, window=(3, 2), norm=3, padding="circular")
    y = pool(X)
    assert y.shape == (2, 2, 4, 3)
    np.testing.assert_array_equal(pool(X[1], batched=False), y[1])
    first = pool(np.moveaxis(X, -1, 1), layout="channels_first")
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), y)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16])
def test_dtype_is_kept_and_half_precision_is_summed_in_single(dtype):
    """300 squared overflows in float16."""
    x = np.full((1, 4, 1), 300, dtype)
    for y in (by_numpy.lp_pool(x, (4,), norm=2), by_numpy.global_lp_pool(x, norm=2)):
        assert y.dtype == dtype
        assert y.item() == 600


@pytest.mark.parametrize("name", ["lp_pool", "global_lp_pool"])
@pytest.mark.parametrize(
    ("x", "norm", "error", "message"),
    [
        (X, 0, ValueError, "norm is 0, but should be positive and finite"),
        (X, -2.0, ValueError, r"norm is -2\.0, but should be positive and finite"),
        (X, math.nan, ValueError, "norm is nan, but should be positive and finite"),
        (X, math.inf, ValueError, "norm is inf, but should be positive and finite"),
        (X, "2", TypeError, "norm is '2', but should be a number"),
        (X, True, TypeError, "norm is True, but should be a number"),
        (X.astype(np.int32), 2, TypeError, "x is int32, but should be real floats"),
        (X.astype(np.complex64), 2, TypeError, r"x is complex64, but should be real floats\. .* abs\(x\) of complex"),
        (X[:, 0, 0], 2, ValueError, r"x is \(2, 3\), 2 axes, but should be"),
    ],
)
def test_errors_name_the_argument_and_the_cure(name, x, norm, error, message):
    pool = {"lp_pool": partial(jc.lp_pool, window=(2, 2)), "global_lp_pool": jc.global_lp_pool}[name]
    with pytest.raises(error, match=f"{name}: {message}"):
        pool(x, norm=norm)
