"""Strictness for every test: no silent promotion of dtypes or ranks; two CPU devices to shard over; no deadlines."""

import jax
from support import profiles

pytest_plugins = ["support.selection", "support.compiled_programs", "support.quick_compilation"]

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 2)
profiles.load()
