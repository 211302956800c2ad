"""Accounting: what weight sharing saves, counted in weights."""
