"""Tests of claims by execution: run a function on shifted inputs to refute, check, measure and plot equivariance."""
