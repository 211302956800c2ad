"""Accounting: what layers hold and do, counted in numbers, and what weight sharing saves."""
