"""How many terms one result of an equation adds up, or multiplies."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from jaxconv.verify import jaxprs

ELEMENTARY = 4  # roundings of an elementary function: libraries are accurate to a few units in the last place


def _product(shape: Any, axes: Any) -> int:
    return math.prod(shape[axis] for axis in axes)


def _taps(equation: Any) -> int:
    """Terms of each output of a convolution: the kernel's cells for one output channel."""
    kernel, p = equation.invars[1].aval, equation.params
    groups = p["feature_group_count"] if equation.primitive.name == "jaxconv_conv_dx" else 1  # its kernel is as x's
    return kernel.size // max(1, groups * kernel.shape[p["dimension_numbers"].rhs_spec[0]])


def _contracted(equation: Any) -> int:
    return _product(equation.invars[0].aval.shape, equation.params["dimension_numbers"][0][0])


def _collected(equation: Any) -> int:
    """Terms of a scatter: as many updates as may meet in one cell."""
    return equation.invars[2].aval.size // max(1, equation.invars[0].aval.size) + 2


def _transformed(equation: Any) -> float:
    """An FFT errs by some log2(n) roundings (Higham, section 24.1), a few each."""
    return ELEMENTARY * max(1.0, math.log2(max(2, math.prod(equation.params["fft_lengths"]))))


# How many terms a result sums, by primitive.
SUMS: dict[str, Callable[[Any], float]] = {
    "conv_general_dilated": _taps,
    "dot_general": _contracted,
    "ragged_dot_general": lambda e: e.invars[0].aval.shape[-1],
    "reduce": lambda e: _product(e.invars[0].aval.shape, e.params["dimensions"]),
    "reduce_sum": lambda e: _product(e.invars[0].aval.shape, e.params["axes"]),
    "reduce_prod": lambda e: _product(e.invars[0].aval.shape, e.params["axes"]),
    "reduce_window": lambda e: math.prod(e.params["window_dimensions"]),
    "reduce_window_sum": lambda e: math.prod(e.params["window_dimensions"]),
    "select_and_scatter_add": lambda e: math.prod(e.params["window_dimensions"]),
    "scatter-add": _collected,
    "scatter-mul": _collected,
    "scatter-sub": _collected,
    "cumsum": lambda e: e.invars[0].aval.shape[e.params["axis"]],
    "cumprod": lambda e: e.invars[0].aval.shape[e.params["axis"]],
    "cumlogsumexp": lambda e: e.invars[0].aval.shape[e.params["axis"]],
    "fft": _transformed,
}


def terms(equation: Any) -> float | None:
    """The number of terms, at least 1; None of an equation that is no sum."""
    count = SUMS.get(jaxprs.laxs_name(equation))
    return None if count is None else max(1, count(equation))
