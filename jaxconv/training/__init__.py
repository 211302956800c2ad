"""Training: LeNet-5 as plain functions, the training step over optax, and data from files. State is explicit."""
