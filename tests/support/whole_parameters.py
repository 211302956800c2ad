"""Parameters in whole numbers, in the shapes that an initialisation draws: made without compiling its programs."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def whole_like(init: Callable[..., Any], *sizes: Any, seed: int = 0, **settings: Any) -> Any:
    """Numbers from -3 to 3, none of them 0, so that each weight counts; `init` is only traced, for its shapes.

    >>> import jaxconv as jc
    >>> params = whole_like(jc.init_conv, (3, 3), 1, 2)
    >>> params["kernel"].shape, params["bias"].dtype
    ((3, 3, 1, 2), dtype('float32'))
    """
    generator = np.random.default_rng(seed)
    draw = lambda leaf: generator.integers(1, 4, leaf.shape) * generator.choice([-1, 1], leaf.shape)
    shapes = jax.eval_shape(lambda key: init(key, *sizes, **settings), jax.ShapeDtypeStruct((2,), "uint32"))
    return jax.tree.map(lambda leaf: draw(leaf).astype(leaf.dtype), shapes)
