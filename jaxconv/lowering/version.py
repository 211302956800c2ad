"""JAX versions that differ in what is fast: before 0.12 XLA generated other code for CPUs."""

import jax

OLD = jax.__version_info__ < (0, 12)  # measured: 0.10.2 and 0.12.0.1
# `jax.jit(inline=...)` that puts the function's equations into the jaxpr instead of a call. (Since 0.12 True inlines
# later and leaves a call in the jaxpr.)
INLINE = jax.Inline.JAX_EARLY if hasattr(jax, "Inline") else True
