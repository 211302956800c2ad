"""Numbers for named cells: drawn from the dtype, and compared up to rounding."""

import jax
import numpy as np
import pytest

from jaxconv.verify.recheck import named_cells


def test_numbers_are_alike_but_for_rounding():
    one = np.float32([1, 3, np.nan, np.inf, 0])
    with np.errstate(invalid="ignore"):
        assert named_cells.alike(one, one * np.float32(1 + 1e-7)).all()
        assert named_cells.alike(one, one, signed=True).all()
        assert named_cells.alike(one, np.float32([1.001, -3, 0, -np.inf, 1e-7])).tolist() == [False] * 4 + [True]
    zeros = np.float32([0.0]), np.float32([-0.0])
    assert named_cells.alike(*zeros).all()
    assert not named_cells.alike(*zeros, signed=True).any()
    assert not named_cells.alike(np.float64([1e307]), np.float64([1.1e307])).any()
    assert not named_cells.alike(np.int32([100_000_000]), np.int32([100_000_001])).any()
    assert named_cells.alike(np.complex64([1j]), np.complex64([1j + 1e-7])).all()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "bfloat16", "float16", "float32", "complex64"])
def test_draws_are_of_the_dtype_and_of_many_values(dtype):
    aval = jax.ShapeDtypeStruct((40,), dtype)
    for draw in range(named_cells.DRAWS):
        drawn = named_cells.numbers(np.arange(40, dtype=np.uint64), aval, draw)
        assert drawn.dtype == aval.dtype
        assert len(np.unique(drawn)) >= (2 if dtype == "bool" else 5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64", "complex64"])
def test_large_draws_are_large_and_extreme_ones_hold_all_that_is_special(dtype):
    names = np.arange(4000, dtype=np.uint64)
    part = jax.numpy.finfo(dtype)
    for draw in range(named_cells.LARGE, 50, named_cells.DRAWS):
        large = np.abs(np.real(named_cells.numbers(names, jax.ShapeDtypeStruct((4000,), dtype), draw)).astype(float))
        assert np.isfinite(large).all()
        assert large.max() <= 4.01 * large.min()
        assert large.max() ** 2 < float(part.max)
        if dtype != "float16":
            assert large.min() >= 1e5
    drawn = np.real(named_cells.numbers(names, jax.ShapeDtypeStruct((4000,), dtype), named_cells.EXTREMES)).astype(
        float
    )
    zeros, finite = drawn == 0, np.abs(drawn[np.isfinite(drawn)])
    assert {*np.signbit(drawn[zeros])} == {True, False}
    assert {*drawn[np.isinf(drawn)]} == {np.inf, -np.inf}
    assert 0.1 < np.isnan(drawn).mean() < 0.15
    assert 0.2 < np.isinf(drawn).mean() < 0.3
    assert finite.max() > float(part.max) / 16
    assert 0 < finite[finite > 0].min() < 16 * float(part.tiny)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint32"])
def test_extreme_whole_numbers_are_of_all_sizes(dtype):
    drawn = named_cells.numbers(
        np.arange(4000, dtype=np.uint64), jax.ShapeDtypeStruct((4000,), dtype), named_cells.EXTREMES
    )
    limits = np.iinfo(dtype)
    assert drawn.max() > 0.9 * limits.max
    assert drawn.min() <= 0.9 * limits.min
    assert 0.2 < (np.abs(drawn.astype(float)) < limits.max**0.5).mean() < 0.7


@pytest.mark.parametrize("signed", [False, True])
def test_zeros_of_both_signs_differ_only_in_signed_trials(signed):
    """Trials whose numbers are the same: the first cell of each name is 0, the second -0, or both are NaN."""
    numbers = np.float32([[0, -0.0, np.nan, np.nan]] * 2)
    part = (0, numbers, np.uint64([1, 1, 2, 2]), np.ones((1, 4), bool))
    zero = "cell [1] is -0.0, but should be 0.0 as cell [0]"
    assert named_cells.differences_in([part], [False, signed]) == ["", zero if signed else ""]


def test_names_that_share_a_number_in_one_draw_do_not_in_the_next():
    names, aval = np.arange(2**11, dtype=np.uint64), jax.ShapeDtypeStruct((2**11,), "float32")
    one, other = (named_cells.numbers(names, aval, draw) for draw in (named_cells.FRACTIONS, named_cells.SIZES))
    shared = [set(zip(*np.nonzero(np.triu(row[:, None] == row, 1)), strict=True)) for row in (one, other)]
    assert min(map(len, shared)) > 100  # of 2**21 pairs, one in 2**13
    assert len(shared[0] & shared[1]) < 5
