"""Test random arrays: their dtypes, magnitudes and signs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.verify.execution.draw import another, exact_integers, random_numbers

SHAPE = (50, 20)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.complex64, np.int8, np.uint8, np.bool_, jnp.bfloat16])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("signed", [True, False])
def test_numbers_have_the_signs_and_sizes_that_were_asked_for(dtype, whole, signed):
    x = random_numbers(np.random.default_rng(0), SHAPE, dtype, whole=whole, signed=signed)
    assert (x.shape, x.dtype) == (SHAPE, np.dtype(dtype))
    if dtype is np.bool_:
        assert set(np.unique(x)) == {False, True}
        return
    parts = [x.real, x.imag] if dtype is np.complex64 else [np.asarray(x, np.float64)]
    for part in parts:
        assert (part.min() < 0) == (signed and dtype is not np.uint8)
        assert part.max() > 0
        assert (part != 0).all() or dtype not in (np.int8, np.uint8)
        if whole:
            assert set(np.unique(np.abs(part))) == {1, 2, 3, 4}


def test_reals_are_scaled_by_the_fan_in():
    draw = lambda scaled: random_numbers(
        np.random.default_rng(0), (3, 4, 7), np.float32, whole=False, signed=True, scaled=scaled
    )
    np.testing.assert_allclose(draw(True), draw(False) / np.sqrt(12), rtol=1e-6)


@pytest.mark.parametrize("kind", ["threefry2x32", "rbg"])
def test_keys_are_of_the_same_generator(kind):
    keys = jax.random.split(jax.random.key(0, impl=kind), 3)
    for drawn in (
        random_numbers(np.random.default_rng(0), (3,), keys.dtype, whole=True, signed=True),
        another(np.random.default_rng(0), keys, integers=False),
    ):
        assert (drawn.shape, drawn.dtype) == ((3,), keys.dtype)
        assert not np.array_equal(jax.random.key_data(drawn), jax.random.key_data(keys))


@pytest.mark.parametrize(
    "leaf", [np.array([True]), np.array([[1]], np.uint8), np.zeros(2, np.int32), np.ones(1, np.float32)]
)
@pytest.mark.parametrize("seed", range(8))
def test_another_array_differs(leaf, seed):
    """One boolean is drawn anew until it differs."""
    drawn = another(np.random.default_rng(seed), leaf, integers=False)
    assert (drawn.shape, drawn.dtype) == (leaf.shape, leaf.dtype)
    assert not np.array_equal(drawn, leaf)


def test_another_array_has_values_of_the_same_range():
    leaf = np.array([-3.0, np.inf, 5.0, np.nan], np.float32)
    drawn = another(np.random.default_rng(0), leaf, integers=False)
    assert ((drawn >= -3) & (drawn <= 5)).all()


def test_exact_integers_are_small_and_of_both_signs():
    rng = np.random.default_rng(0)
    x = exact_integers(rng, SHAPE, np.float32, parameter=False)
    assert set(np.unique(x)) == set(range(-4, 5))
    kernel = exact_integers(rng, (3, 3, 64, 200), np.float32, parameter=True)
    assert set(np.unique(kernel)) == {-2, -1, 0, 1, 2}
    assert np.abs(kernel).sum((0, 1, 2)).mean() == pytest.approx(6, abs=0.5)  # four nonzero weights of mean size 1.5
    assert 0 not in exact_integers(rng, (99,), np.float32, parameter=True)
