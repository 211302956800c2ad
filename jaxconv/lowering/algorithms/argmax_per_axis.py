"""The gradient of max pooling, one axis at a time: the argmax within rows, then among the maxima of the rows.

It takes as many passes as the sum of the window's sides, not their product. No loop stores the argmax; where XLA drops
the barrier too (JAX 0.10 on the CPU) it computes the argmax along one axis again for each tap, not along all axes.
"""

from __future__ import annotations

from jax import lax
from jaxtyping import Array

from jaxconv.lowering.algorithms.algorithm import Algorithm, Conv
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.window_argmax import argmax_along_axis, scatter_along_axis


def _run(operation: str, spec: ConvSpec, x: Array, y: Array, *, inner_conv: Conv) -> Array:
    stages = []
    for number in reversed(range(len(spec.axes))):
        argmax, x, axes = argmax_along_axis(spec.axes, x, number)
        argmax, x = lax.optimization_barrier((argmax, x))
        stages.append((axes, argmax))
    for axes, argmax in reversed(stages):
        y = lax.optimization_barrier(scatter_along_axis(axes, y, argmax))
    return y


ARGMAX_PER_AXIS = Algorithm(("max_pool_scatter",), lambda spec, c, o: True, _run)
