"""Conversion between libraries: their kernels, biases and settings as ours, and back. Imports none of them."""
