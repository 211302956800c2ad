"""The gradient of max pooling, with the argmax of each window stored image by image.

Before JAX 0.12 XLA would compute the argmax of all windows again for every tap; a loop over images makes it store them.
"""

from __future__ import annotations

from jax import lax
from jaxtyping import Array

from jaxconv.lowering.algorithms.algorithm import Algorithm, Conv
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.window_argmax import argmax_taps, scatter_to_argmax


def _run(operation: str, spec: ConvSpec, x: Array, y: Array, *, inner_conv: Conv) -> Array:
    argmax = lax.map(lambda image: argmax_taps(spec.axes, image[None])[0], x)
    return scatter_to_argmax(spec.axes, y, argmax)


ARGMAX_PER_IMAGE = Algorithm(("max_pool_scatter",), lambda spec, c, o: True, _run)
