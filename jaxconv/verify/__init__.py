"""The certifier: proves from the jaxpr of a JAX function under which shifts it is equivariant, and in which region."""
