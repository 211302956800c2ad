"""A dense convolution in the one layout for which XLA has fast code on CPUs: [n, *spatial, c] by [*window, c, o].

lax's gradients are convolutions in other layouts. XLA turns them into this one, but not inside of loops and branches:
there it computes them by scalar loops, up to a hundred times slower. So they are turned before XLA sees them.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxconv.lowering.form import Face, Form
from jaxconv.lowering.ways.way import Compute, Way


def _run(face: Face, form: Form, one: Array, other: Array, _: Compute) -> Array:
    rank = len(form.axes)
    one, other = form.lax_operands(face, one, other)
    if face == "conv_dx":
        other = jnp.swapaxes(other, -1, -2)
    elif face == "conv_dkernel":  # examples are summed over as channels are, and x's channels are examples
        one, other = jnp.swapaxes(one, 0, -1), jnp.moveaxis(other, 0, -2)
    image, weights = (0, rank + 1, *range(1, rank + 1)), (rank + 1, rank, *range(rank))
    layout: dict[str, Any] = {"dimension_numbers": lax.ConvDimensionNumbers(image, weights, image)}
    found = lax.conv_general_dilated(one, other, **(form.as_lax(face) | layout))
    return jnp.moveaxis(found, 0, -2) if face == "conv_dkernel" else found


CANONICAL = Way(lambda form, c, o: form.groups == 1, _run)
