"""How many programs XLA compiles, counted by JAX's own events."""

import contextlib

import jax


@contextlib.contextmanager
def compilations():
    """The programs that XLA compiles meanwhile, counted by JAX: `jit`'s own cache loses its entries in a long run."""
    durations = []
    listen = lambda event, duration, **_: durations.append(duration) if event.endswith("compile_duration") else None
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield durations
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
