"""Which JAX it is: before 0.12 XLA's code for CPUs was another one, and so is what is fast there."""

import jax

OLD = jax.__version_info__ < (0, 12)  # 0.10.2 was measured, and 0.12.0.1
