"""Steps that bring constants of their own, as one compiled call where nothing else compiles them.

An operation that JAX executes by itself sends a Python number to the device as its operand, which
`jax.transfer_guard("disallow")` refuses; in a compiled call the number is part of the program. In a jaxpr the step is
spelt out, as if it were not compiled. What `lowering.forced` decides must stay outside: the cache does not know it.
"""

from __future__ import annotations

from functools import partial

import jax

from jaxconv.lowering.version import INLINE

compiled = partial(jax.jit, inline=INLINE)
