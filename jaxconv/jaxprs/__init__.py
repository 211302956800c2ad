"""What JAX's primitives mean: the one place that states it."""
