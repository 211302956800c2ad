"""The law of a layer: its output and gradients equal those of the reference."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Law(NamedTuple):
    """A layer with operands, and its output and gradients by the reference."""

    layer: Callable[[Any, Any], Any]
    params: dict[str, np.ndarray]
    x: np.ndarray
    dy: np.ndarray
    y: np.ndarray
    gradients: dict[str, np.ndarray]
    dx: np.ndarray
    same: Callable[[Any, Any], None] = np.testing.assert_array_equal


def outputs_and_gradients(layer, params, x, dy):
    """The output of `layer(params, x)`, and the gradient of its product with dy by params and x."""

    def loss(params, x):
        y = layer(params, x)
        return jnp.sum(y * dy), y

    gradients, y = jax.grad(loss, argnums=(0, 1), has_aux=True)(params, x)
    return y, *gradients


def check(actual, law):
    """Compares shapes and numbers, exactly unless the law defines a tolerance."""
    y, gradients, dx = actual
    law.same(y, law.y)
    assert gradients.keys() == law.gradients.keys()
    jax.tree.map(law.same, gradients, law.gradients)
    law.same(dx, law.dx)


def hold(compute, *laws):
    """Checks all laws on the results of one program: `evaluated` with NumPy, or compiled by `jax.jit`."""
    program = lambda *operands: [
        outputs_and_gradients(law.layer, *arguments) for law, arguments in zip(laws, operands, strict=True)
    ]
    actual = compute(program)(*((law.params, law.x, law.dy) for law in laws))
    for result, law in zip(actual, laws, strict=True):
        check(result, law)
