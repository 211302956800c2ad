"""Which tests have all of XLA's optimisations."""

from pathlib import Path

import jax
import pytest

from support.profiles import NIGHTLY
from support.quick_compilation import OPTIMISED, optimise

ROOT = Path(__file__).parents[2]


def optimises():
    return not jax.config.read("jax_disable_most_optimizations")


def test_only_nightly_runs_optimise_all():
    assert optimises() == NIGHTLY
    optimise(True)
    assert optimises()
    optimise(False)
    assert optimises() == NIGHTLY


@pytest.mark.parametrize("name", OPTIMISED)
def test_what_is_optimised_is_there(name):
    assert (ROOT / name).exists()
