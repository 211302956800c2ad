"""Other libraries rely on dtype and rank promotion, which our tests forbid. Their tests run with both allowed."""

import jax
import pytest


@pytest.fixture(autouse=True)
def _lenient():
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
