"""Convolutions and pooling of a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jax import lax

from jaxconv import window
from jaxconv.apply.streaming.rules import RULES, Pair, as_signal, by_position
from jaxconv.apply.streaming.segment import Window
from jaxconv.apply.streaming.values import Constant, Part, Signal, Value
from jaxconv.jaxprs.guard import lax_name
from jaxconv.jaxprs.typing import Array, aval_of, shape_of
from jaxconv.lowering import convolution, pooling
from jaxconv.lowering.window_extrema import greatest, least
from jaxconv.verify.domain import CannotProve


@RULES("conv_general_dilated", "jaxconv_conv", "jaxconv_conv_input_grad")
def convolve(pair: Pair, inputs: Sequence[Value]) -> Sequence[Value]:
    """A convolution: along its batch axis, or along a spatial one."""
    (x, kernel), params = inputs, pair.params
    if isinstance(kernel, Signal | Constant | Part) or isinstance(x, Part):
        raise CannotProve("its kernel depends on the signal", "Use the same kernel at every position")
    (lhs, rhs, out) = params["dimension_numbers"]
    if x.axis == lhs[0] and params["batch_group_count"] == 1:
        return by_position(pair, inputs, lambda operands, length: [_convolved(pair, operands[0], kernel, None, (0, 0))])
    if x.axis in lhs[:2]:
        raise CannotProve("the streamed axis is summed over", "Keep it a spatial axis")
    number = lhs.index(x.axis) - 2
    geometry = Window(
        shape_of(pair.equation.invars[1])[rhs[number + 2]],
        params["window_strides"][number],
        params["rhs_dilation"][number],
        params["lhs_dilation"][number],
        *padding_of(params["padding"][number]),
    )
    apply = lambda array, before, after: _convolved(pair, array, kernel, number, (before, after))
    x = x if isinstance(x, Signal) else as_signal(pair, x)
    return [pair.segment.slid(x, geometry, np.zeros((), x.array.dtype), apply, out[number + 2])]


def padding_of(counts: Sequence[int]) -> tuple[int, int]:
    """The padding along one axis, in integers."""
    before, after = counts
    return int(before), int(after)


def _convolved(pair: Pair, x: Array, kernel: Array, number: int | None, padding: tuple[int, int]) -> Array:
    """The convolution of other cells, with other padding along a spatial axis."""
    params = pair.params
    pads = list(map(padding_of, params["padding"]))
    if number is not None:
        pads[number] = padding
    if pair.name == "jaxconv_conv":
        spec = params["spec"]
        axes = list(spec.axes)
        if number is not None:
            axes[number] = replace(axes[number], length=x.shape[number + 1], pad=window.Pad(*padding))
        own = replace(spec, axes=tuple(axes))
        return convolution.bind("conv", own, x, kernel, params["dtype"], algorithm=params["algorithm"])
    given = {name: value for name, value in params.items() if name not in ("dtype", "spec", "algorithm")}
    if pair.name == "jaxconv_conv_input_grad":
        x, kernel = params["spec"].lax_operands("conv_input_grad", x, kernel)
    result = lax.conv_general_dilated_p.bind(x, kernel, **given | {"padding": tuple(pads)})
    return lax.convert_element_type(result, aval_of(pair.equation.outvars[0]).dtype)


FILLS: dict[str, Callable[[np.dtype], Any]] = {
    "reduce_window_sum": lambda dtype: 0,
    "reduce_window_max": least,
    "reduce_window_min": greatest,
}


@RULES(
    "reduce_window_sum",
    "reduce_window_max",
    "reduce_window_min",
    "jaxconv_sum_pool",
    "jaxconv_max_pool",
    "jaxconv_min_pool",
)
def pool(pair: Pair, inputs: Sequence[Value]) -> Sequence[Value]:
    """A sum or an extremum over windows."""
    params, value = pair.params, inputs[0]
    if not isinstance(value, Signal | Constant):
        raise CannotProve("it uses a fixed part of the signal", "Use the part only to pad the signal")
    x, n = value if isinstance(value, Signal) else as_signal(pair, value), value.axis
    geometry = Window(
        params["window_dimensions"][n],
        params["window_strides"][n],
        params["window_dilation"][n],
        params["base_dilation"][n],
        *padding_of(params["padding"][n]),
    )
    fill = np.asarray(FILLS[lax_name(pair.equation)](x.array.dtype), x.array.dtype)
    apply = lambda array, before, after: _pooled(pair, array, n, (before, after))
    return [pair.segment.slid(x, geometry, fill, apply, n)]


def _pooled(pair: Pair, x: Array, n: int, padding: tuple[int, int]) -> Array:
    """The pooling of other cells, with other padding along one axis."""
    params = pair.params
    if pair.name.startswith("jaxconv_"):
        axes = list(params["axes"])
        axes[n - 1] = replace(axes[n - 1], length=x.shape[n], pad=window.Pad(*padding))
        operation = pair.name.removeprefix("jaxconv_")
        return pooling.bind(operation, x, axes=tuple(axes), algorithm=params["algorithm"])
    pads = list(map(padding_of, params["padding"]))
    pads[n] = padding
    return pair.bound([x], padding=tuple(pads))[0]
