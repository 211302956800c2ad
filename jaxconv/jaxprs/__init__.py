"""Jaxprs: layout, evaluation, traversal, and the table that states the meaning of each primitive."""
