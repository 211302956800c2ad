"""The parameters with which a row computes a stack: operands and results have one more axis, before their own.

An element-wise row computes stacks with its own parameters. The numbers of axes in the others are larger by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from jaxconv.jaxprs.functions import Functions
from jaxconv.jaxprs.typing import Params

# The parameters for a stack, from those for one array and the length of the stack.
OfStack: TypeAlias = Callable[[Params, int], Params]
of_stack: Functions[OfStack] = Functions()


def _behind(name: str) -> OfStack:
    """Count one more axis in a parameter, an axis or a sequence of axes."""

    def behind(params: Params, count: int) -> Params:
        axes: int | Sequence[int] = params[name]
        return {**params, name: tuple(axis + 1 for axis in axes) if isinstance(axes, Sequence) else axes + 1}

    return behind


of_stack("concatenate")(_behind("dimension"))
of_stack("squeeze", "rev")(_behind("dimensions"))
of_stack("stack", "unstack", "split", "cumsum")(_behind("axis"))
of_stack("reduce_sum", "reduce_max", "reduce_min", "reduce_and", "reduce_or", "argmax", "argmin")(_behind("axes"))


@of_stack("transpose")
def _transpose(params: Params, count: int) -> Params:
    return {"permutation": (0, *(axis + 1 for axis in params["permutation"]))}


@of_stack("slice")
def _slice(params: Params, count: int) -> Params:
    starts, limits, strides = (params[name] for name in ("start_indices", "limit_indices", "strides"))
    return {
        "start_indices": (0, *starts),
        "limit_indices": (count, *limits),
        "strides": None if strides is None else (1, *strides),
    }


@of_stack("broadcast_in_dim")
def _broadcast(params: Params, count: int) -> Params:
    places = (0, *(axis + 1 for axis in params["broadcast_dimensions"]))
    return {"shape": (count, *params["shape"]), "broadcast_dimensions": places}


@of_stack("reshape")
def _reshape(params: Params, count: int) -> Params:
    order: Sequence[int] | None = params["dimensions"]
    behind = None if order is None else (0, *(axis + 1 for axis in order))
    return {"new_sizes": (count, *params["new_sizes"]), "dimensions": behind}
