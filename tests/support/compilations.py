"""How many programs XLA compiles, counted by JAX's own events."""

import contextlib

import jax

COMPILED = "/jax/core/compile/backend_compile_duration"  # the event, with its seconds, of each program


@contextlib.contextmanager
def compilations():
    """The programs that XLA compiles meanwhile, counted by JAX: `jit`'s own cache loses its entries in a long run."""
    durations = []
    listen = lambda event, duration, **_: durations.append(duration) if event == COMPILED else None
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield durations
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
