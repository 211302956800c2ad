"""Adaptive pooling: its windows by hand, layouts, dtypes, and what it refuses. Gradients stand in tests/laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv as jc
from jaxconv import reference

X = jnp.asarray(np.random.default_rng(0).integers(-50, 50, (2, 6, 7, 3)).astype(np.float32))
POOLS = [jc.adaptive_max_pool, jc.adaptive_avg_pool]
every_pool = pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.__name__)
ORDINARY = {jc.adaptive_max_pool: jc.max_pool, jc.adaptive_avg_pool: jc.avg_pool}


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
    """floor(j*n/m) to ceil((j + 1)*n/m): cell i counts 2^i, so that a mean says whose it is, rounded or not."""
    x = jnp.asarray(2.0 ** np.arange(length, dtype=np.float32)).reshape(1, length, 1)
    cells = [[int(cell) for cell in window] for window in expected]
    means = [sum(2**cell for cell in window) / len(window) for window in cells]
    np.testing.assert_allclose(jc.adaptive_avg_pool(x, (count,)).ravel(), means, rtol=1e-6)
    assert jc.adaptive_max_pool(x, (count,)).ravel().tolist() == [2 ** max(window) for window in cells]
    assert (-jc.adaptive_max_pool(-x, (count,))).ravel().tolist() == [2 ** min(window) for window in cells]


@every_pool
def test_where_the_counts_divide_the_lengths_it_is_ordinary_pooling(pool):
    x = jnp.concatenate([X, X[:, :, :1]], axis=2)
    ordinary = lambda x: ORDINARY[pool](x, (2, 4))
    np.testing.assert_array_equal(pool(x, (3, 2)), ordinary(x))
    names = lambda fn: [equation.primitive.name for equation in jax.make_jaxpr(fn)(x).eqns]
    assert names(lambda x: pool(x, (3, 2))) == names(ordinary)


@every_pool
def test_one_window_is_a_global_pool(pool):
    layer = {jc.adaptive_max_pool: jc.global_max_pool, jc.adaptive_avg_pool: jc.global_avg_pool}[pool]
    np.testing.assert_array_equal(pool(X, (1, 1))[:, 0, 0], layer(X))


def test_ties_go_to_the_first_in_row_major_order():
    """Along a window's diagonal of equal cells, with axes of either kind, divided and not."""
    x = jnp.zeros((1, 5, 6, 1)).at[0, 1, 2, 0].set(1).at[0, 2, 1, 0].set(1)
    for counts in ((2, 2), (2, 4), (1, 3)):
        dy = jnp.ones((1, *counts, 1))
        dx = jax.vjp(lambda x, counts=counts: jc.adaptive_max_pool(x, counts), x)[1](dy)[0]
        np.testing.assert_array_equal(dx, reference.adaptive_max_pool_deltas(np.asarray(x), np.asarray(dy)))


@every_pool
def test_the_number_of_slices_is_that_of_the_phases(pool):
    """1000 windows over 1500 cells are two slices, not a thousand."""
    jaxpr = jax.make_jaxpr(lambda x: pool(x, (1000,)))(jax.ShapeDtypeStruct((1, 1500, 2), jnp.float32))
    assert [equation.primitive.name for equation in jaxpr.eqns].count("slice") == 2
    assert max((np.size(constant) for constant in jaxpr.consts), default=0) <= 1000


@every_pool
@pytest.mark.parametrize(("length", "count"), [(77, 45), (45, 77), (80, 70), (83, 41)])
def test_many_phases_are_picked_out_of_windows_at_every_cell(pool, length, count):
    """A program of the same size for 45 windows as for 1000; values and deltas are the reference's."""
    x, dy = (np.random.default_rng(0).integers(-4, 5, (2, n, 3, 2)).astype(np.float32) for n in (length, count))
    y, pull = jax.vjp(lambda x: pool(x, (count, 3)), x)
    name = pool.__name__
    np.testing.assert_allclose(y, getattr(reference, name)(x, (count, 3)), rtol=1e-6)
    deltas = getattr(reference, f"{name}_deltas")(x, dy)
    np.testing.assert_allclose(pull(dy)[0], deltas, rtol=1e-6, atol=1e-6)
    size = lambda n, m: len(jax.make_jaxpr(lambda x: pool(x, (m,)))(jax.ShapeDtypeStruct((1, n, 2), jnp.float32)).eqns)
    if length != 80:  # seven windows, ten times: slices
        assert size(length, count) <= size(1501, 1000) < 20


@every_pool
def test_layouts_and_batches(pool):
    y = pool(X, (4, 3))
    assert y.shape == (2, 4, 3, 3)
    np.testing.assert_array_equal(pool(X[1], (4, 3), batched=False), y[1])
    first = pool(jnp.moveaxis(X, -1, 1), (4, 3), layout="channels_first")
    np.testing.assert_array_equal(jnp.moveaxis(first, 1, -1), y)


@every_pool
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.int8, jnp.int32, jnp.uint8])
def test_dtype_is_kept(pool, dtype):
    x = jnp.abs(X).astype(dtype)
    y = pool(x, (4, 3))
    assert y.dtype == dtype
    if jnp.issubdtype(dtype, jnp.integer):
        exact = getattr(reference, pool.__name__)(np.asarray(x), (4, 3))
        np.testing.assert_array_equal(y, np.floor(exact + 1e-9))


def test_short_numbers_keep_their_digits():
    assert jc.adaptive_avg_pool(jnp.full((1, 63, 1), 255, jnp.uint8), (2,)).ravel().tolist() == [255, 255]
    assert jc.adaptive_avg_pool(jnp.ones((1, 4097, 1), jnp.bfloat16), (2,)).ravel().tolist() == [1, 1]


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
        pool(x, shape)


def test_numbers_without_order_or_average():
    with pytest.raises(TypeError, match="adaptive_max_pool: x is complex64, but should be real"):
        jc.adaptive_max_pool(X.astype(jnp.complex64), (2, 2))
    with pytest.raises(TypeError, match="adaptive_avg_pool: x is bool, but should be numbers"):
        jc.adaptive_avg_pool(X > 0, (2, 2))


def test_other_windows_would_be_seen():
    """The broken twin: Equinox's windows, of which the first few take in what is left over."""
    x = np.arange(7.0, dtype=np.float32)
    theirs = [part.mean() for part in np.array_split(x, 3)]
    assert theirs == [1, 3.5, 5.5]
    assert jc.adaptive_avg_pool(x.reshape(1, 7, 1), (3,)).ravel().tolist() == [1, 3, 5]
