"""Pooling: dtypes, identities, divisors and errors. tests/laws covers values and gradients."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy

import jaxconv as jc
from jaxconv.lowering import use_algorithm

X = np.random.default_rng(0).integers(0, 100, (2, 6, 7, 3)).astype(np.float32)
POOLS = [by_numpy.max_pool, by_numpy.min_pool, by_numpy.avg_pool]
every_pool = pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.__name__)


@every_pool
def test_the_stride_is_the_window_unless_given(pool):
    np.testing.assert_array_equal(pool(X, (2, 3)), pool(X, (2, 3), stride=(2, 3)))
    assert pool(X, (2, 3)).shape == (2, 3, 2, 3)
    assert pool(X, (2, 3), stride=1).shape == (2, 5, 5, 3)


@every_pool
def test_layouts_and_batches(pool):
    y = pool(X, (2, 3), padding="circular")
    np.testing.assert_array_equal(pool(X[1], (2, 3), padding="circular", batched=False), y[1])
    first = pool(np.moveaxis(X, -1, 1), (2, 3), padding="circular", layout="channels_first")
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), y)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.int8, np.uint8, np.int16, np.int32, np.uint32])
def test_dtype_is_kept(dtype):
    x = X.astype(dtype)
    for y in (
        *(pool(x, (2, 2)) for pool in POOLS),
        by_numpy.global_max_pool(x),
        by_numpy.global_min_pool(x),
        by_numpy.global_avg_pool(x),
    ):
        assert y.dtype == dtype
    for pool in (by_numpy.max_pool, by_numpy.min_pool):
        np.testing.assert_array_equal(pool(x, (2, 2)).astype(np.float32), pool(X, (2, 2)))


def test_integers_average_by_floor_division():
    x = np.array([-3, 2, 127, 127, -128, -127], np.int8).reshape(1, 6, 1)
    assert by_numpy.avg_pool(x, (2,)).ravel().tolist() == [-1, 127, -128]
    assert by_numpy.global_avg_pool(x).item() == (-3 + 2 + 127 + 127 - 128 - 127) // 6


def test_short_integers_do_not_wrap_while_they_are_summed():
    x = np.full((1, 64, 64, 1), 255, np.uint8)
    assert by_numpy.avg_pool(x, (64, 64)).item() == 255
    assert by_numpy.global_avg_pool(x).item() == 255


def test_half_precision_is_summed_in_single():
    """In bfloat16, 4096 ones would sum to 256, where adding one has no effect."""
    x = np.ones((1, 4096, 1), jnp.bfloat16)
    assert by_numpy.avg_pool(x, (4096,)).item() == 1.0
    assert by_numpy.global_avg_pool(x).item() == 1.0


def limits(dtype):
    """The smallest and the largest number of a dtype."""
    info = jnp.finfo(dtype) if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype)
    return info.min, info.max


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint8, np.int32, np.uint32, jnp.bfloat16])
def test_padding_never_wins(dtype):
    """Not even over the smallest values of a dtype, or in a minimum over the largest."""
    for pool, limit in zip((by_numpy.max_pool, by_numpy.min_pool), limits(dtype), strict=True):
        x = np.full((1, 3, 1), limit, dtype)
        for algorithm in ("window_slices", "lax"):
            with use_algorithm(algorithm):
                assert (pool(x, (3,), stride=1, padding="SAME") == x).all()
                assert (pool(x, (2,), ceil_mode=True) == x[:, :2]).all()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32])
def test_minima_of_integers_do_not_overflow(dtype):
    """The smallest signed integer has no negative, and unsigned integers have none at all."""
    least, most = limits(dtype)
    x = np.array([most, least, most, 5, most, most], dtype).reshape(1, 6, 1)
    assert by_numpy.min_pool(x, (2,)).ravel().tolist() == [least, 5, most]


def test_a_maximum_of_booleans_is_any_and_a_minimum_all():
    x = np.array([[False, True, True, True, False, False]])[..., None]
    assert by_numpy.max_pool(x, (2,)).ravel().tolist() == [True, True, False]
    assert by_numpy.min_pool(x, (2,)).ravel().tolist() == [False, True, False]
    assert by_numpy.min_pool(x, (4,), ceil_mode=True).ravel().tolist() == [False, False]


def test_two_zeros_are_equal():
    """The first of them gets the derivative, whichever sign the result has."""
    for pool, zeros in itertools.product((jc.max_pool, jc.min_pool), ([0.0, -0.0], [-0.0, 0.0])):
        x, dy = np.float32(zeros).reshape(1, 2, 1), np.ones((1, 1, 1), np.float32)
        y, dx = by_numpy.pulled(lambda x, pool=pool: pool(x, (2,)), x, dy)
        assert y.item() == 0
        assert dx.ravel().tolist() == [1, 0]


def test_two_answers_to_one_question():
    """The average of [1, 2, 3, 4] over three cells with one zero on each side, with each of the two divisors."""
    x = np.float32([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)
    pool = lambda divisor: by_numpy.avg_pool(x, (3,), stride=1, padding=((1, 1),), divisor=divisor).ravel()
    np.testing.assert_allclose(pool("inside"), [1.5, 2, 3, 3.5], rtol=1e-6)
    np.testing.assert_allclose(pool("window"), [1, 2, 3, 7 / 3], rtol=1e-6)
    np.testing.assert_array_equal(pool(1), [3, 6, 9, 7])


def test_divisors_of_windows_that_overhang():
    """Five cells and windows of three: the last one has two cells of x. PyTorch's average uses "inside"."""
    x = np.float32([1.0, 2.0, 3.0, 4.0, 6.0]).reshape(1, 5, 1)
    pool = lambda divisor: by_numpy.avg_pool(x, (3,), ceil_mode=True, divisor=divisor).ravel()
    np.testing.assert_allclose(pool("inside"), [2, 5], rtol=1e-6)
    np.testing.assert_allclose(pool("window"), [2, 10 / 3], rtol=1e-6)
    np.testing.assert_array_equal(pool(1), [6, 10])
    with pytest.raises(ValueError, match="divisor is None, but should be given where windows reach zero padding"):
        pool(None)


@pytest.mark.parametrize("padding", ["VALID", "CIRCULAR", "EDGE", "REFLECT", "SYMMETRIC"])
def test_without_zeros_the_divisors_agree_and_none_is_needed(padding):
    pool = lambda **divisor: by_numpy.avg_pool(X, (2, 3), stride=1, padding=padding, **divisor)
    np.testing.assert_array_equal(pool(), pool(divisor="inside"))
    np.testing.assert_array_equal(pool(), pool(divisor="window"))


def test_counts_are_not_folded_into_an_image_sized_constant():
    """The compiled program for a 4096x4096 image holds two vectors of divisors, not 16 million numbers."""
    pool = lambda x: jc.avg_pool(x, (3, 3), stride=1, padding="SAME", divisor="inside")
    text = jax.jit(pool).lower(jax.ShapeDtypeStruct((1, 4096, 4096, 1), np.float32)).as_text()
    assert len(text) < 200_000
    jaxpr = jax.make_jaxpr(pool)(jax.ShapeDtypeStruct((1, 4096, 4096, 1), np.float32))
    assert max(np.size(constant) for constant in jaxpr.consts) <= 4096


def test_more_cells_than_32_bits_count():
    x = jax.ShapeDtypeStruct((1, 2**16, 2**16, 2), np.float32)
    assert jax.eval_shape(jc.global_avg_pool, x).shape == (1, 2)
    assert jax.eval_shape(lambda x: jc.avg_pool(x, (2**16, 2**16)), x).shape == (1, 1, 1, 2)


@every_pool
@pytest.mark.parametrize(
    ("x", "window", "settings", "error", "message"),
    [
        (X, 2, {}, ValueError, r"window is 2, but should be one integer per spatial axis\. .* \(2, 2\) for images"),
        (X, (2, 2, 2), {}, ValueError, r"x is \(2, 6, 7, 3\), 4 axes, but should be \[n, d, h, w, c\], 5 axes"),
        (X[0], (2, 2), {}, ValueError, r"x is \(6, 7, 3\), 3 axes, .* pass batched=False"),
        (X, (2, 0), {}, ValueError, "window is 0, but should be 1 or more"),
        (X, (7, 2), {}, ValueError, "window along axis h is 7 cells wide .* the padded input, which has 6 cells"),
        (X, (2, 2), {"stride": 0}, ValueError, "stride is 0, but should be 1 or more"),
        (X, (2, 2), {"padding": "full"}, ValueError, "padding is 'full', but should be one of VALID, SAME"),
        (X, (2, 2), {"padding": ((0, 0), (2, 0))}, ValueError, r"padding is \(2, 0\) along axis w, but should be small enough "
         "that no window lies entirely in the padding. Pad by at most 1 at each end"),
        (X[:, :1], (2, 2), {"padding": ((1, 1), (0, 0)), "dilation": 2, "stride": 1}, ValueError,
         r"padding is \(1, 1\) along axis h, but should be small enough that no window lies entirely in the padding"),
        (X, (2, 2), {"dilation": 0}, ValueError, "dilation is 0, but should be 1 or more"),
        (X, (2, 4), {"dilation": (1, 3)}, ValueError, r"window along axis w is 10 cells wide \(4 taps, dilation 3\), but"),
        (X, (2, 2), {"ceil_mode": 1}, TypeError, "ceil_mode is 1, but should be True or False"),
        (X, (2, 2), {"ceil_mode": True, "padding": "same"}, ValueError, "ceil_mode is True, and the padding SAME along "
         r"axis h, but should be False unless .* ceil\(length / stride\) positions without it"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_cure(pool, x, window, settings, error, message):
    with pytest.raises(error, match=f"{pool.__name__}: {message}"):
        getattr(jc, pool.__name__)(x, window, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, 'divisor is None, but should be given where windows reach zero padding. Pass divisor="inside" to count'),
        ({"divisor": "valid"}, """divisor is 'valid', but should be "inside", "window" or a positive integer"""),
        ({"divisor": 0}, "divisor is 0, but should be 1 or more"),
    ],
)
def test_the_divisor_is_asked_for_where_it_matters(settings, message):
    with pytest.raises(ValueError, match=message):
        jc.avg_pool(X, (3, 3), stride=1, padding="SAME", **settings)


def test_integers_never_divide_by_nothing():
    """A window without cells would divide 0 by 0, which integers cannot represent; it is refused before."""
    x = np.ones((1, 3, 1), np.int32)
    with pytest.raises(ValueError, match=r"avg_pool: padding is \(0, 2\) along axis w"):
        jc.avg_pool(x, (2,), stride=1, padding=((0, 2),), divisor="inside")


ORDERED = {
    "max_pool": lambda x: jc.max_pool(x, (2, 2)),
    "min_pool": lambda x: jc.min_pool(x, (2, 2)),
    "global_max_pool": jc.global_max_pool,
    "global_min_pool": jc.global_min_pool,
}


@pytest.mark.parametrize("name", ORDERED)
def test_complex_numbers_have_no_order(name):
    with pytest.raises(
        TypeError, match=f"{name}: x is complex64, but should be real, because complex numbers have no order"
    ):
        ORDERED[name](X.astype(np.complex64))


@pytest.mark.parametrize("layer", [lambda x: jc.avg_pool(x, (2, 2)), jc.global_avg_pool], ids=["avg", "global_avg"])
def test_booleans_have_no_average(layer):
    with pytest.raises(TypeError, match=r"avg_pool: x is bool, but should be numbers\. Cast it first"):
        layer(X > 50)
