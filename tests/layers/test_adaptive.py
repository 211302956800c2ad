"""Adaptive pooling: windows, layouts, dtypes and errors. tests/laws covers the gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy

import jaxconv as jc
from jaxconv import reference

X = np.random.default_rng(0).integers(-50, 50, (2, 6, 7, 3)).astype(np.float32)
POOLS = [by_numpy.adaptive_max_pool, by_numpy.adaptive_avg_pool]
every_pool = pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.__name__)
ORDINARY = {by_numpy.adaptive_max_pool: by_numpy.max_pool, by_numpy.adaptive_avg_pool: by_numpy.avg_pool}


@pytest.mark.parametrize(
    ("length", "count", "expected"),
    [
        (7, 3, ["012", "234", "456"]),
        (5, 2, ["012", "234"]),
        (5, 3, ["01", "123", "34"]),
        (10, 4, ["012", "234", "567", "789"]),
        (3, 5, ["0", "01", "1", "12", "2"]),
        (2, 4, ["0", "0", "1", "1"]),
        (4, 4, ["0", "1", "2", "3"]),
        (9, 1, ["012345678"]),
    ],
)
def test_windows_by_hand(length, count, expected):
    """floor(j*n/m) to ceil((j + 1)*n/m). Cell i is 2^i, so that a mean identifies its cells, rounded or not."""
    x = 2.0 ** np.arange(length, dtype=np.float32).reshape(1, length, 1)
    cells = [[int(cell) for cell in window] for window in expected]
    means = [sum(2**cell for cell in window) / len(window) for window in cells]
    np.testing.assert_allclose(by_numpy.adaptive_avg_pool(x, (count,)).ravel(), means, rtol=1e-6)
    assert by_numpy.adaptive_max_pool(x, (count,)).ravel().tolist() == [2 ** max(window) for window in cells]
    assert (-by_numpy.adaptive_max_pool(-x, (count,))).ravel().tolist() == [2 ** min(window) for window in cells]


@pytest.mark.parametrize(("length", "count"), [(38, 34), (60, 51), (20, 19)])
def test_many_windows_by_their_formula(length, count):
    """More than 16 distinct windows, repeated or not: they are selected from windows at every cell."""
    x = np.random.default_rng(length).permutation(length).astype(np.float32).reshape(1, length, 1)
    ends = [(j * length // count, -(-(j + 1) * length // count)) for j in range(count)]
    expected = [x[0, lo:hi, 0].max() for lo, hi in ends]
    assert by_numpy.adaptive_max_pool(x, (count,)).ravel().tolist() == expected


@every_pool
def test_where_the_counts_divide_the_lengths_it_is_ordinary_pooling(pool):
    x = np.concatenate([X, X[:, :, :1]], axis=2)
    ordinary = lambda x: ORDINARY[pool](x, (2, 4))
    np.testing.assert_array_equal(pool(x, (3, 2)), ordinary(x))
    names = lambda fn: [equation.primitive.name for equation in jax.make_jaxpr(fn)(x).eqns]
    assert names(lambda x: pool(x, (3, 2))) == names(ordinary)


@every_pool
def test_one_window_is_a_global_pool(pool):
    layer = {
        by_numpy.adaptive_max_pool: by_numpy.global_max_pool,
        by_numpy.adaptive_avg_pool: by_numpy.global_avg_pool,
    }[pool]
    np.testing.assert_array_equal(pool(X, (1, 1))[:, 0, 0], layer(X))


def test_ties_go_to_the_first_in_row_major_order():
    """Equal cells on the diagonal of a window, with counts that divide the axis and counts that do not."""
    x = np.zeros((1, 5, 6, 1), np.float32)
    x[0, 1, 2] = x[0, 2, 1] = 1
    for counts in ((2, 2), (2, 4), (1, 3)):
        dy = np.ones((1, *counts, 1), np.float32)
        _, dx = by_numpy.pulled(lambda x, counts=counts: jc.adaptive_max_pool(x, counts), x, dy)
        np.testing.assert_array_equal(dx, reference.adaptive_max_pool_deltas(x, dy))


@every_pool
def test_the_number_of_slices_is_that_of_the_phases(pool):
    """1000 windows over 1500 cells take two slices."""
    jaxpr = jax.make_jaxpr(lambda x: pool(x, (1000,)))(jax.ShapeDtypeStruct((1, 1500, 2), np.float32))
    assert [equation.primitive.name for equation in jaxpr.eqns].count("slice") == 2
    assert max((np.size(constant) for constant in jaxpr.consts), default=0) <= 1000


@every_pool
@pytest.mark.parametrize(("length", "count"), [(77, 45), (45, 77), (80, 70), (83, 41)])
def test_many_phases_are_picked_out_of_windows_at_every_cell(pool, length, count):
    """The program for 45 windows is as small as for 1000; values and deltas equal the reference."""
    x, dy = (np.random.default_rng(0).integers(-4, 5, (2, n, 3, 2)).astype(np.float32) for n in (length, count))
    y, dx = by_numpy.pulled(lambda x: pool(x, (count, 3)), x, dy)
    name = pool.__name__
    np.testing.assert_allclose(y, getattr(reference, name)(x, (count, 3)), rtol=1e-6)
    deltas = getattr(reference, f"{name}_deltas")(x, dy)
    np.testing.assert_allclose(dx, deltas, rtol=1e-6, atol=1e-6)
    size = lambda n, m: len(jax.make_jaxpr(lambda x: pool(x, (m,)))(jax.ShapeDtypeStruct((1, n, 2), np.float32)).eqns)
    if length != 80:  # 80 cells and 70 windows take seven slices
        assert size(length, count) <= size(1501, 1000) < 20


@every_pool
def test_layouts_and_batches(pool):
    y = pool(X, (4, 3))
    assert y.shape == (2, 4, 3, 3)
    np.testing.assert_array_equal(pool(X[1], (4, 3), batched=False), y[1])
    first = pool(np.moveaxis(X, -1, 1), (4, 3), layout="channels_first")
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), y)


@every_pool
@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.int8, np.int32, np.uint8])
def test_dtype_is_kept(pool, dtype):
    x = np.abs(X).astype(dtype)
    y = pool(x, (4, 3))
    assert y.dtype == dtype
    if jnp.issubdtype(dtype, jnp.integer):
        exact = getattr(reference, pool.__name__)(x, (4, 3))
        np.testing.assert_array_equal(y, np.floor(exact + 1e-9))


def test_short_numbers_keep_their_digits():
    assert by_numpy.adaptive_avg_pool(np.full((1, 63, 1), 255, np.uint8), (2,)).ravel().tolist() == [255, 255]
    assert by_numpy.adaptive_avg_pool(np.ones((1, 4097, 1), jnp.bfloat16), (2,)).ravel().tolist() == [1, 1]


@every_pool
@pytest.mark.parametrize(
    ("x", "shape", "message"),
    [
        (X, 3, r"output_shape is 3, but should be one integer per spatial axis\. .* \(2, 2\) for images"),
        (X, (2, 2, 2), r"x is \(2, 6, 7, 3\), 4 axes, but should be \[n, d, h, w, c\], 5 axes"),
        (X[0], (2, 2), r"x is \(6, 7, 3\), 3 axes, .* pass batched=False"),
        (X, (2, 0), "output_shape is 0, but should be 1 or more"),
        (X[:, :0], (2, 2), r"x is \(2, 0, 7, 3\) \[n, \*spatial, c\], but should be 1 or more cells"),
    ],
)
def test_errors_name_the_argument_and_the_cure(pool, x, shape, message):
    with pytest.raises(ValueError, match=f"{pool.__name__}: {message}"):
        getattr(jc, pool.__name__)(x, shape)


def test_numbers_without_order_or_average():
    with pytest.raises(TypeError, match="adaptive_max_pool: x is complex64, but should be real"):
        jc.adaptive_max_pool(X.astype(np.complex64), (2, 2))
    with pytest.raises(TypeError, match="adaptive_avg_pool: x is bool, but should be numbers"):
        jc.adaptive_avg_pool(X > 0, (2, 2))


def test_other_windows_would_be_seen():
    """Equinox uses other windows, in which the first few take the remaining cells."""
    x = np.arange(7.0, dtype=np.float32)
    theirs = [part.mean() for part in np.array_split(x, 3)]
    assert theirs == [1, 3.5, 5.5]
    assert by_numpy.adaptive_avg_pool(x.reshape(1, 7, 1), (3,)).ravel().tolist() == [1, 3, 5]
