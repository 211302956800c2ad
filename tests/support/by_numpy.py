"""Public functions of jaxconv, computed by NumPy: `by_numpy.conv(params, x, stride=2)` is `jc.conv` without compiling.

What XLA makes of the layers is tested by the laws (`tests/laws`), by the examples of the docstrings, and wherever a test
here calls `jc` itself.
"""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import jax
import numpy as np

import jaxconv as jc
from support.numpy_evaluation import evaluated


@cache
def __getattr__(name: str) -> Callable[..., Any]:
    return computed(getattr(jc, name))


def computed(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, evaluated: it is traced for the arrays among its arguments, all else is a setting.

    Within a function that JAX is tracing it is the function itself.

    >>> computed(jc.max_pool)(np.float32([1, 5, 2, 3]).reshape(1, 4, 1), (2,)).ravel().tolist()
    [5.0, 3.0]
    """

    @wraps(fn)
    def call(*arguments: Any, **settings: Any) -> Any:
        leaves, structure = jax.tree.flatten((arguments, settings))
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return fn(*arguments, **settings)
        arrays = [leaf for leaf in leaves if is_array(leaf)]

        def traced(*arrays: Any) -> Any:
            left = iter(arrays)
            given, named = structure.unflatten([next(left) if is_array(leaf) else leaf for leaf in leaves])
            return fn(*given, **named)

        return evaluated(traced)(*arrays)

    return call


def is_array(value: Any) -> bool:
    """Whether a function may be traced for this argument."""
    return isinstance(value, np.ndarray | jax.Array)


def pulled(fn: Callable[..., Any], x: Any, dy: Any) -> Any:
    """`fn(x)`, and the derivative by x of its product with dy.

    >>> pulled(lambda x: x**3, np.float32(2), np.float32(1))
    (array(8., dtype=float32), array(12., dtype=float32))
    """

    def both(x: Any, dy: Any) -> Any:
        y, pull = jax.vjp(fn, x)
        return y, pull(dy)[0]

    return evaluated(both)(x, dy)
