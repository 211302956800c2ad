"""Strictness for every test: no silent promotion of dtypes or ranks; two CPU devices to shard over; no deadlines."""

import gc
import os

# Tracing makes many objects that stay: looking for garbage among them less often saves a twentieth of the time.
gc.set_threshold(100_000, 20, 50)

# One thread for each program that XLA compiles: tests run on all cores, so more threads would wait for one another.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_parallel_codegen_split_count=1"

import jax
from support import profiles

from jaxconv.verify import interpret

pytest_plugins = ["support.selection", "support.compiled_programs", "support.quick_compilation"]

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 2)
profiles.load()
interpret.RAISE_FAILURES = True  # else an error in a rule would pass for a break
