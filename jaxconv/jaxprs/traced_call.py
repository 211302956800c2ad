"""`TracedCall`: one call of any function as a jaxpr. Arrays are its inputs; all other arguments are passed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import jax
import numpy as np
from jax.extend.core import jaxpr_as_fun

from jaxconv.jaxprs.typing import AnyJaxpr, ArrayValue, PyTree

ARRAYS = (jax.Array, np.ndarray, np.generic, jax.ShapeDtypeStruct, jax.Ref)


class TracedCall:
    """A call that is traced, and can be evaluated by another jaxpr of the same inputs and outputs.

    Attributes:
        jaxpr: the closed jaxpr.
        arrays: its operands, the arrays among the arguments.

    >>> call = TracedCall(lambda x, *, times: {"y": x * times, "times": times}, (np.float32(2),), {"times": 3})
    >>> call.evaluated(call.jaxpr)
    {'times': 3, 'y': Array(6., dtype=float32)}
    """

    jaxpr: AnyJaxpr
    arrays: Sequence[ArrayValue]
    _tree: PyTree  # the structure of the result
    _places: Sequence[int]  # the numbers of the leaves that the jaxpr computes
    _others: Sequence[object]  # the other leaves, in their places

    def __init__(self, fn: Callable[..., PyTree], args: Sequence[PyTree], kwargs: Mapping[str, PyTree] | None = None):
        """Trace `fn(*args, **kwargs)`. Numbers of Python stay numbers, as settings are, and keep their weak types."""
        leaves, tree = _flattened((tuple(args), dict(kwargs or {})))
        places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, ARRAYS)]
        self.arrays = [leaves[place] for place in places]

        def of_arrays(*arrays: ArrayValue) -> list[ArrayValue]:
            filled = {**dict(enumerate(leaves)), **dict(zip(places, arrays, strict=True))}
            args, kwargs = jax.tree.unflatten(tree, filled.values())
            outputs, self._tree = _flattened(fn(*args, **kwargs))
            self._places = [place for place, leaf in enumerate(outputs) if isinstance(leaf, jax.Array)]
            self._others = [None if isinstance(leaf, jax.Array) else leaf for leaf in outputs]
            return [outputs[place] for place in self._places]

        self.jaxpr = jax.make_jaxpr(of_arrays)(*self.arrays)

    def evaluated(self, jaxpr: AnyJaxpr) -> PyTree:
        """Return the result of the function, computed by a jaxpr."""
        arrays = cast("list[ArrayValue]", jaxpr_as_fun(jaxpr)(*self.arrays))
        computed: dict[int, ArrayValue] = dict(zip(self._places, arrays, strict=True))
        return jax.tree.unflatten(self._tree, [computed.get(place, leaf) for place, leaf in enumerate(self._others)])


def _flattened(tree: PyTree) -> tuple[list[ArrayValue], PyTree]:
    leaves, structure = cast("tuple[list[ArrayValue], PyTree]", jax.tree.flatten(tree))
    return leaves, structure
