"""A sample of the tests: the same in every process, about as large as asked for, with all that depends on JAX."""

from pathlib import Path

import pytest
from support.sampling import OF_EACH_VERSION, sampled

ROOT = Path(__file__).parents[1]
NAMES = [f"tests/laws/test_shift.py::test_layer[{n}]" for n in range(3000)]


@pytest.mark.parametrize("among", [1, 3, 10])
def test_a_sample_is_as_large_as_asked_for(among):
    found = sum(sampled(name, among) for name in NAMES)
    assert abs(found - 3000 / among) <= 100


def test_what_depends_on_the_version_of_jax_is_in_every_sample():
    assert all(sampled(f"{path}::test_it", 10**9) for path in OF_EACH_VERSION)
    assert all((ROOT / path).exists() for path in OF_EACH_VERSION)


def test_a_name_alone_decides():
    """So a test that is added or taken away moves no other one into the sample or out of it."""
    assert [sampled(name, 5) for name in NAMES[::-1]] == [sampled(name, 5) for name in NAMES][::-1]
    assert not sampled("tests/laws/test_shift.py::test_layer[1]", 10**9)
