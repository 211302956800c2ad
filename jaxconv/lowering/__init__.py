"""How a window operation is computed: the plan in integers comes from `window.py`, the arrays from JAX."""
