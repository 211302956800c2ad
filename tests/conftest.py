"""Strictness for every test: no silent promotion of dtypes or ranks; two CPU devices to shard over; no deadlines."""

import os

import jax
from hypothesis import HealthCheck, settings
from support.sampling import sampled

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 2)

# Each new geometry compiles, so an example takes a tenth of a second and a deadline would only measure the machine.
settings.register_profile("quick", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("brief", settings.get_profile("quick"), max_examples=15)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_addoption(parser):
    text = "run one in N of the tests, chosen by their names; all that depend on the version of JAX"
    parser.addoption("--sample", type=int, default=1, metavar="N", help=text)


def pytest_collection_modifyitems(config, items):
    """Names and not numbers choose, so that every worker leaves out the same tests, and a new test moves no other."""
    left_out = [one for one in items if not sampled(one.nodeid, config.getoption("sample"))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [one for one in items if one not in set(left_out)]
