"""Numbers for named cells: drawn of the dtype, and alike but for rounding."""

import jax
import numpy as np
import pytest

from jaxconv.verify.checker import cells


def test_numbers_are_alike_but_for_rounding():
    one = np.float32([1, 3, np.nan, np.inf, 0])
    with np.errstate(invalid="ignore"):
        assert cells.alike(one, one * np.float32(1 + 1e-7)).all()
        assert cells.alike(one, np.float32([1.001, -3, 0, -np.inf, 1e-7])).tolist() == [False] * 4 + [True]
    assert not cells.alike(np.int32([100_000_000]), np.int32([100_000_001])).any()
    assert cells.alike(np.complex64([1j]), np.complex64([1j + 1e-7])).all()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "bfloat16", "float16", "float32", "complex64"])
def test_draws_are_of_the_dtype_and_of_many_values(dtype):
    aval = jax.ShapeDtypeStruct((40,), dtype)
    for draw in (0, 1):
        found = cells.numbers(np.arange(40, dtype=np.uint64), aval, draw)
        assert found.dtype == aval.dtype
        assert len(np.unique(found)) >= (2 if dtype == "bool" else 5)
