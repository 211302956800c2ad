"""Strictness for every test: no silent promotion of dtypes or ranks; two CPU devices to shard over; no deadlines."""

import os

import jax
from hypothesis import HealthCheck, settings

pytest_plugins = ["support.selection", "support.compiled_programs"]

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 2)

# An example may compile, which takes a tenth of a second, so a deadline would only measure the machine.
settings.register_profile("quick", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("brief", settings.get_profile("quick"), max_examples=15)
settings.register_profile("nightly", settings.get_profile("quick"), max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
