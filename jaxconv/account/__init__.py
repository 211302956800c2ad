"""Parameter counts, multiply-adds and receptive fields of a function's layers, and what weight sharing saves."""
