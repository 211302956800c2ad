"""Anybody's function, with its window operations computed by the table."""
