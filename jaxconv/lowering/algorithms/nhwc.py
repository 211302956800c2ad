"""A dense convolution in the one layout for which XLA has fast code on CPUs: [n, *spatial, c] by [*window, c, o].

lax's gradients are convolutions in other layouts. XLA rewrites them to this layout, but not inside loops and branches,
where it computes them by scalar loops, up to a hundred times slower. So they are transposed before XLA sees them.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.algorithms.algorithm import Algorithm, Conv
from jaxconv.lowering.conv_spec import CONV_OPERANDS, ConvSpec


def conv_nhwc(operation: str, spec: ConvSpec, lhs: Array, rhs: Array) -> Array:
    """One operation by one `lax.conv_general_dilated` in that layout, with transposes around it."""
    rank = len(spec.axes)
    lhs, rhs = spec.lax_operands(operation, lhs, rhs)
    if operation == "conv_input_grad":
        rhs = jnp.swapaxes(rhs, -1, -2)
    elif operation == "conv_kernel_grad":  # the sum runs over examples, so the batch takes the place of the channels
        lhs, rhs = jnp.swapaxes(lhs, 0, -1), jnp.moveaxis(rhs, 0, -2)
    image, weights = (0, rank + 1, *range(1, rank + 1)), (rank + 1, rank, *range(rank))
    layout: dict[str, Any] = {"dimension_numbers": lax.ConvDimensionNumbers(image, weights, image)}
    result = lax.conv_general_dilated(lhs, rhs, **(spec.lax_params(operation) | layout))
    return jnp.moveaxis(result, 0, -2) if operation == "conv_kernel_grad" else result


def _run(operation: str, spec: ConvSpec, lhs: Array, rhs: Array, *, inner_conv: Conv) -> Array:
    return conv_nhwc(operation, spec, lhs, rhs)


NHWC = Algorithm(tuple(CONV_OPERANDS), lambda spec, c, o: spec.groups == 1, _run)
