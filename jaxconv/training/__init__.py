"""Training: LeNet-5 as plain functions, a loop over optax with checkpoints and logs, and data. State is explicit."""
