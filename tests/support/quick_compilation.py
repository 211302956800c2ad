"""XLA without most of its optimisations: compiles in half the time or less, for scripts that only run for a moment."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax


@contextmanager
def unoptimised() -> Iterator[None]:
    """While it lasts, what is compiled is optimised little; what has been compiled before stays as it is."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)
