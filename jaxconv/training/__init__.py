"""Training: LeNet-5 as plain functions, the step over optax, and data from files; everything explicit."""
