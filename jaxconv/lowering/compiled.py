"""`compiled` jits a function with Python numbers as constants, so that it runs under a transfer guard.

Executed eagerly, an operation sends a Python number to the device, which `jax.transfer_guard("disallow")` forbids. In a
compiled call the number is part of the program. In a jaxpr the function is inlined. A function that depends on
`use_algorithm` must not be compiled this way, because the cache does not see that context.
"""

from __future__ import annotations

from functools import partial

import jax

from jaxconv.lowering.version import INLINE

compiled = partial(jax.jit, inline=INLINE)
