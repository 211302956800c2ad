"""lax's convolutions read as ours: the convolution and its two gradients, in any layout.

lax has one primitive for all of them. With zeros elsewhere, along each axis

    out[j] = sum_i lhs[(j*window_stride + i*rhs_dilation - lo) / lhs_dilation] * rhs[i]    where the division is exact.

- Without lhs_dilation this is a convolution. If the axis of its channels comes first, as in no layout of images, or if
  the batch has groups, then it is the kernel gradient that lax derives: lhs is x and rhs is the cotangent of y.
- With lhs_dilation, or with a kernel that the equation before reverses, it is an input gradient, of a layer or as a
  transposed convolution: lhs is the cotangent of y.
- With lhs_dilation, and the axis of its channels first, it is the kernel gradient of a transposed convolution: rhs is x
  and lhs is the cotangent of y.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jax import lax
from jax.extend.core import JaxprEqn, Literal
from jaxtyping import Array

from jaxconv.jaxprs.rewrite import KeptError, Makers
from jaxconv.jaxprs.typing import Atom, Params, aval_of
from jaxconv.lowering.accelerate.reading import (
    READERS,
    Cropped,
    Reading,
    axis_of_windows,
    check_types,
    cut,
    known,
    padded_axis,
    shape_in,
    transposed,
    untransposed,
)
from jaxconv.lowering.conv_spec import CONV_OPERANDS, ConvSpec
from jaxconv.lowering.convolution import bind
from jaxconv.lowering.table import forced_algorithm

Order = tuple[int, ...]


@dataclass(frozen=True)
class _Equation:
    """A convolution of lax, and its operands with their axes in our order.

    Attributes:
        params: parameters of the equation.
        lhs, rhs, out: the atoms.
        dtype: of the result.
        reversed_rhs: the kernel before the equation that reverses it, or None.
    """

    params: Params
    lhs: Atom
    rhs: Atom
    out: Atom
    dtype: Any
    reversed_rhs: Atom | None

    @property
    def rank(self) -> int:
        return len(self.params["window_strides"])

    def order(self, operand: str, last: tuple[int, int], *, first: bool) -> Order:
        """The axes of "lhs", "rhs" or "out": the two that are not spatial (by their numbers in lax's dimension numbers)
        around the spatial ones if `first`, and else behind them.
        """
        numbers = getattr(self.params["dimension_numbers"], f"{operand}_spec")
        one, other = (numbers[number] for number in last)
        return (one, *numbers[2:], other) if first else (*numbers[2:], one, other)

    def lengths(self, operand: str) -> tuple[int, ...]:
        """The lengths of the spatial axes."""
        spec = getattr(self.params["dimension_numbers"], f"{operand}_spec")
        return known(shape_in(getattr(self, operand), spec[2:]), "the length of a spatial axis")


@READERS("conv_general_dilated")
def convolution(equation: JaxprEqn, makers: Makers) -> Reading:
    """Read one of lax's convolutions."""
    check_types(equation, real=False)
    p = equation.params
    lhs, rhs = equation.invars
    (out,) = equation.outvars
    one = _Equation(p, lhs, rhs, out, aval_of(out).dtype, _before_reversal(rhs, p, makers))
    if one.rank == 0:
        raise KeptError("it has no spatial axis")
    dilated = any(step > 1 for step in p["lhs_dilation"])
    strided = any(step > 1 for step in p["window_strides"])
    channels_first = p["dimension_numbers"].lhs_spec[1] == 0
    if not dilated and (p["batch_group_count"] > 1 or (channels_first and p["feature_group_count"] == 1)):
        return _kernel_gradient(one)
    if p["batch_group_count"] > 1:
        raise KeptError("it has groups of the batch and lhs_dilation")
    if dilated and channels_first and p["feature_group_count"] == 1:
        return _kernel_gradient_of_transposed(one)
    if dilated and strided:
        raise KeptError("it has window_strides and lhs_dilation")
    return _input_gradient(one) if dilated or (one.reversed_rhs and not strided) else _convolution(one)


def _before_reversal(rhs: Atom, p: Params, makers: Makers) -> Atom | None:
    """The operand of the equation that reverses a kernel along all spatial axes, if there is one."""
    maker = None if isinstance(rhs, Literal) else makers.get(rhs)
    if maker is None or maker.primitive is not lax.rev_p:
        return None
    return maker.invars[0] if {*maker.params["dimensions"]} == {*p["dimension_numbers"].rhs_spec[2:]} else None


def _convolution(one: _Equation) -> Reading:
    x_order, k_order = one.order("lhs", (0, 1), first=True), one.order("rhs", (1, 0), first=False)
    y_order = one.order("out", (0, 1), first=True)
    p = one.params
    paddings = zip(*p["padding"], strict=True)
    cropped = _each_axis(padded_axis, one.lengths("lhs"), one.lengths("rhs"), p["window_strides"], p["rhs_dilation"],
                         *paddings)  # fmt: skip

    def compute(bind: Callable[..., Array], x: Array, kernel: Array) -> Array:
        y = bind(cut(transposed(x, x_order), cropped), transposed(kernel, k_order))
        return untransposed(y, y_order)

    return _reading("conv", one, cropped, p["feature_group_count"], (x_order, k_order), (one.lhs, one.rhs), compute)


def _kernel_gradient(one: _Equation) -> Reading:
    x_order, y_order = one.order("lhs", (1, 0), first=True), one.order("rhs", (1, 0), first=True)
    k_order = one.order("out", (0, 1), first=False)
    p = one.params
    cropped = _each_axis(axis_of_windows, one.lengths("lhs"), one.lengths("out"), p["rhs_dilation"],
                         p["window_strides"], [lo for lo, _ in p["padding"]], one.lengths("rhs"))  # fmt: skip

    def compute(bind: Callable[..., Array], x: Array, y: Array) -> Array:
        kernel = bind(cut(transposed(x, x_order), cropped), transposed(y, y_order))
        return untransposed(kernel, k_order)

    groups = p["batch_group_count"]
    return _reading("conv_kernel_grad", one, cropped, groups, (x_order, y_order), (one.lhs, one.rhs), compute)


def _kernel_gradient_of_transposed(one: _Equation) -> Reading:
    """The kernel is reversed: `out[u]` pairs y[j] with `x[j*lhs_dilation - u*window_stride + lo]`."""
    p = one.params
    if any(step > 1 for step in p["rhs_dilation"]):
        raise KeptError("it is a kernel gradient with lhs_dilation and rhs_dilation")
    x_order, y_order = one.order("rhs", (1, 0), first=True), one.order("lhs", (1, 0), first=True)
    k_order = one.order("out", (1, 0), first=False)
    taps, dilations = one.lengths("out"), p["window_strides"]
    firsts = [(n - 1) * d - lo for n, d, (lo, _) in zip(taps, dilations, p["padding"], strict=True)]
    cropped = _each_axis(
        axis_of_windows, one.lengths("rhs"), taps, p["lhs_dilation"], dilations, firsts, one.lengths("lhs")
    )

    def compute(bind: Callable[..., Array], x: Array, y: Array) -> Array:
        kernel = bind(cut(transposed(x, x_order), cropped), transposed(y, y_order))
        return untransposed(lax.rev(kernel, tuple(range(one.rank))), k_order)

    operands = (one.rhs, one.lhs)
    return _reading("conv_kernel_grad", one, cropped, 1, (x_order, y_order), operands, compute, swapped=True)


def _input_gradient(one: _Equation) -> Reading:
    y_order, k_order = one.order("lhs", (0, 1), first=True), one.order("rhs", (0, 1), first=False)
    x_order = one.order("out", (0, 1), first=True)
    p, groups, taps = one.params, one.params["feature_group_count"], one.lengths("rhs")
    spans = [d * (n - 1) for n, d in zip(taps, p["rhs_dilation"], strict=True)]
    firsts = [span - lo for span, (lo, _) in zip(spans, p["padding"], strict=True)]
    cropped = _each_axis(
        axis_of_windows, one.lengths("out"), taps, p["lhs_dilation"], p["rhs_dilation"], firsts, one.lengths("lhs")
    )
    if any(each.axis.length != length for each, length in zip(cropped, one.lengths("out"), strict=True)):
        raise KeptError("its result has cells that no window of a convolution reads")

    def compute(bind: Callable[..., Array], y: Array, kernel: Array) -> Array:
        kernel = transposed(kernel, k_order)
        if one.reversed_rhs is None:
            kernel = lax.rev(kernel, tuple(range(one.rank)))
        return untransposed(bind(transposed(y, y_order), _groups_of_outputs(kernel, groups)), x_order)

    rhs = one.rhs if one.reversed_rhs is None else one.reversed_rhs
    shapes = shape_in(one.lhs, y_order), _kernel_shape(shape_in(one.rhs, k_order), groups)
    return _reading("conv_input_grad", one, cropped, groups, (y_order, k_order), (one.lhs, rhs), compute, shapes=shapes)


def _groups_of_outputs(kernel: Array, groups: int) -> Array:
    """lax's kernel of an input gradient, [*window, c, o/groups], as a convolution has it: [*window, c/groups, o]."""
    *window, c, o = kernel.shape
    if groups == 1:
        return kernel
    rank = len(window)
    split = kernel.reshape(*window, groups, c // groups, o)
    return transposed(split, (*range(rank), rank + 1, rank, rank + 2)).reshape(_kernel_shape(kernel.shape, groups))


def _kernel_shape(shape: tuple[int, ...], groups: int) -> tuple[int, ...]:
    *window, c, o = shape
    return (*window, c // groups, o * groups)


def _each_axis(make: Callable[..., Cropped], *settings: Sequence[int]) -> list[Cropped]:
    return [make(*each) for each in zip(*settings, strict=True)]


def _reading(
    operation: str,
    one: _Equation,
    cropped: Sequence[Cropped],
    groups: int,
    orders: tuple[Order, Order],
    operands: tuple[Atom, Atom],
    compute: Callable[..., Array],
    *,
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None,
    swapped: bool = False,
) -> Reading:
    """The reading; `compute(bind, *operands)` computes the equation's result by our operation `bind`."""
    precision = one.params["precision"]
    if swapped and isinstance(precision, tuple):
        precision = precision[::-1]
    spec = ConvSpec(tuple(each.axis for each in cropped), groups, precision, one.params["preferred_element_type"])
    lhs, rhs = shapes or tuple(map(shape_in, operands, orders))
    c, o = known(spec.channels(operation, lhs, rhs), "a number of channels")
    roles = dict(zip(CONV_OPERANDS[operation], (lhs, rhs), strict=False))
    x, kernel = (roles.get(role) or spec.shape_of(role, lhs, rhs) for role in ("x", "kernel"))
    algorithm = forced_algorithm(spec, x, kernel)
    if algorithm == "lax":
        raise KeptError('use_algorithm("lax") keeps it')
    bound = partial(bind, operation, spec, dtype=one.dtype, algorithm=algorithm)
    return Reading(operation, spec, (lhs[0], c, o), operands, partial(compute, bound), tuple(CONV_OPERANDS), algorithm)
