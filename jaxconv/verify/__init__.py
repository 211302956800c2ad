"""The certifier: reads the jaxpr of any JAX function and proves by which shifts it is equivariant, and where."""
