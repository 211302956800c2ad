"""The gradient of max pooling, with the argmax of all windows stored at once, where XLA keeps the barrier."""

from __future__ import annotations

from jax import lax
from jaxtyping import Array

from jaxconv.lowering.algorithms.algorithm import Algorithm, Conv
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.window_argmax import argmax_taps, scatter_to_argmax


def _run(operation: str, spec: ConvSpec, x: Array, y: Array, *, inner_conv: Conv) -> Array:
    return scatter_to_argmax(spec.axes, y, lax.optimization_barrier(argmax_taps(spec.axes, x)))


ARGMAX_AT_ONCE = Algorithm(("max_pool_scatter",), lambda spec, c, o: True, _run)
