"""Which JAX it is, and what differs: before 0.12 XLA's code for CPUs was another one, and so is what is fast there."""

import jax

OLD = jax.__version_info__ < (0, 12)  # 0.10.2 was measured, and 0.12.0.1
# The `inline` of `jax.jit` with which a jaxpr has the function's equations, and no call. (Since 0.12 True is late: it
# leaves a call in the jaxpr.)
INLINE = jax.Inline.JAX_EARLY if hasattr(jax, "Inline") else True
