"""A pytest plugin: what tests compile is optimised little, which takes XLA two thirds of the time or less.

XLA rewrites programs as ever, but LLVM translates them without its optimisations. (What draws random numbers compiles in
a tenth of the time then.) Tests of how optimised code rounds and treats NaN, and nightly runs, have all.
"""

import jax
import pytest

from support.profiles import NIGHTLY

OPTIMISED = (
    "tests/lowering/test_algorithms_rounding.py",
    "tests/laws/test_nan_pools.py",
    "tests/laws/test_norm_exactness.py",
    "tests/verify/execution/test_tolerance.py",
    "tests/verify/execution/test_perturbed.py",
)


def optimise(fully: bool) -> None:
    """What has been compiled before stays as it is."""
    jax.config.update("jax_disable_most_optimizations", not (fully or NIGHTLY))


def pytest_configure():
    optimise(False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    optimise(item.nodeid.startswith(OPTIMISED))
