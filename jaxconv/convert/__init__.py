"""Conversion of kernels, biases and settings from and to other libraries. None of them is imported."""
