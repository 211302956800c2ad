"""Pooling: dtypes, identities, divisors, and what it refuses. Values and gradients stand in tests/laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv as jc

X = jnp.asarray(np.random.default_rng(0).integers(0, 100, (2, 6, 7, 3)).astype(np.float32))
POOLS = [jc.max_pool, jc.avg_pool]
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
    first = pool(jnp.moveaxis(X, -1, 1), (2, 3), padding="circular", layout="channels_first")
    np.testing.assert_array_equal(jnp.moveaxis(first, 1, -1), y)


@pytest.mark.parametrize("layer", [jc.global_max_pool, jc.global_avg_pool])
def test_layouts_and_batches_of_global_pools(layer):
    y = layer(X)
    assert y.shape == (2, 3)
    np.testing.assert_array_equal(layer(X[1], batched=False), y[1])
    np.testing.assert_array_equal(layer(jnp.moveaxis(X, -1, 1), layout="channels_first"), y)
    np.testing.assert_array_equal(layer(jnp.moveaxis(X[0], -1, 0), layout="channels_first", batched=False), y[0])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.int8, jnp.uint8, jnp.int16, jnp.int32, jnp.uint32])
def test_dtype_is_kept(dtype):
    x = X.astype(dtype)
    for y in (jc.max_pool(x, (2, 2)), jc.avg_pool(x, (2, 2)), jc.global_max_pool(x), jc.global_avg_pool(x)):
        assert y.dtype == dtype
    np.testing.assert_array_equal(jc.max_pool(x, (2, 2)).astype(jnp.float32), jc.max_pool(X, (2, 2)))


def test_integers_average_by_floor_division():
    x = jnp.array([-3, 2, 127, 127, -128, -127], jnp.int8).reshape(1, 6, 1)
    assert jc.avg_pool(x, (2,)).ravel().tolist() == [-1, 127, -128]
    assert jc.global_avg_pool(x).item() == (-3 + 2 + 127 + 127 - 128 - 127) // 6


def test_short_integers_do_not_wrap_while_they_are_summed():
    x = jnp.full((1, 64, 64, 1), 255, jnp.uint8)
    assert jc.avg_pool(x, (64, 64)).item() == 255
    assert jc.global_avg_pool(x).item() == 255


def test_half_precision_is_summed_in_single():
    """4096 ones in bfloat16 would add up to 256, where adding one more changes nothing."""
    x = jnp.ones((1, 4096, 1), jnp.bfloat16)
    assert jc.avg_pool(x, (4096,)).item() == 1.0
    assert jc.global_avg_pool(x).item() == 1.0


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.int8, jnp.uint8, jnp.bfloat16])
def test_padding_never_wins_a_maximum(dtype):
    """Not even over the least values that there are."""
    info = jnp.finfo(dtype) if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype)
    x = jnp.full((1, 3, 1), info.min, dtype)
    assert (jc.max_pool(x, (3,), stride=1, padding="SAME") == x).all()


def test_a_maximum_of_booleans_is_any():
    x = jnp.array([[False, True, False, False]])[..., None]
    assert jc.max_pool(x, (2,)).ravel().tolist() == [True, False]


def test_two_answers_to_one_question():
    """The average of [1, 2, 3, 4] over three cells with a zero on either side: both answers, each by its name."""
    x = jnp.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)
    pool = lambda divisor: jc.avg_pool(x, (3,), stride=1, padding=((1, 1),), divisor=divisor).ravel()
    np.testing.assert_allclose(pool("inside"), [1.5, 2, 3, 3.5], rtol=1e-6)
    np.testing.assert_allclose(pool("window"), [1, 2, 3, 7 / 3], rtol=1e-6)
    np.testing.assert_array_equal(pool(1), [3, 6, 9, 7])


@pytest.mark.parametrize("padding", ["VALID", "CIRCULAR", "EDGE", "REFLECT", "SYMMETRIC"])
def test_without_zeros_the_divisors_agree_and_none_is_needed(padding):
    pool = lambda **divisor: jc.avg_pool(X, (2, 3), stride=1, padding=padding, **divisor)
    np.testing.assert_array_equal(pool(), pool(divisor="inside"))
    np.testing.assert_array_equal(pool(), pool(divisor="window"))


def test_counts_are_not_folded_into_an_image_sized_constant():
    """The divisors of a 4096x4096 image are two vectors in the compiled program, not 16 million numbers."""
    pool = lambda x: jc.avg_pool(x, (3, 3), stride=1, padding="SAME", divisor="inside")
    text = jax.jit(pool).lower(jax.ShapeDtypeStruct((1, 4096, 4096, 1), jnp.float32)).as_text()
    assert len(text) < 200_000
    jaxpr = jax.make_jaxpr(pool)(jax.ShapeDtypeStruct((1, 4096, 4096, 1), jnp.float32))
    assert max(np.size(constant) for constant in jaxpr.consts) <= 4096


def test_more_cells_than_32_bits_count():
    x = jax.ShapeDtypeStruct((1, 2**16, 2**16, 2), jnp.float32)
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
        (X, (2, 2), {"padding": ((0, 0), (2, 0))}, ValueError, r"padding is \(2, 0\) along axis w, but should be less than "
         "the window's 2 taps, so that every window sees a cell of x"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_cure(pool, x, window, settings, error, message):
    with pytest.raises(error, match=f"{pool.__name__}: {message}"):
        pool(x, window, **settings)


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
    """A window that saw no cell would be 0 / 0, which integers have no NaN for; it is refused beforehand."""
    x = jnp.ones((1, 3, 1), jnp.int32)
    with pytest.raises(ValueError, match=r"avg_pool: padding is \(0, 2\) along axis w"):
        jc.avg_pool(x, (2,), stride=1, padding=((0, 2),), divisor="inside")


@pytest.mark.parametrize("layer", [lambda x: jc.max_pool(x, (2, 2)), jc.global_max_pool], ids=["max", "global_max"])
def test_complex_numbers_have_no_maximum(layer):
    with pytest.raises(
        TypeError, match="max_pool: x is complex64, but should be real: complex numbers have no largest"
    ):
        layer(X.astype(jnp.complex64))


@pytest.mark.parametrize("layer", [lambda x: jc.avg_pool(x, (2, 2)), jc.global_avg_pool], ids=["avg", "global_avg"])
def test_booleans_have_no_average(layer):
    with pytest.raises(TypeError, match=r"avg_pool: x is bool, but should be numbers\. Cast it first"):
        layer(X > 50)


@pytest.mark.parametrize("layer", [jc.global_max_pool, jc.global_avg_pool])
def test_global_pools_need_something_to_pool(layer):
    with pytest.raises(ValueError, match=r"x is \(2, 3\), 2 axes, but should be \[n, w, c\]"):
        layer(X[:, 0, 0])
    with pytest.raises(ValueError, match=r"x is \(2, 0, 7, 3\) \[n, \*spatial, c\], but should be 1 or more cells"):
        layer(X[:, :0])
