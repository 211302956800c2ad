"""`ConvSpec`, the geometry of a convolution; and the three operations that it describes.

All three come from one form, which is linear in the input, in the kernel and in the output's cotangent:

    T(x, kernel, y) = sum_{n,j,u,c,o} x[n, j*stride + u*dilation - lo, c] kernel[u,c,o] y[n,j,o]

The derivative of T with respect to y is the convolution, with respect to x the input gradient, and with respect to the
kernel the kernel gradient. So the derivatives of each operation are the other two, and an algorithm that computes T
computes all three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding
from jax.typing import DTypeLike
from jaxtyping import Array

from jaxconv.window import Axis

# Operation -> its two operands and its result.
CONV_OPERANDS: dict[str, tuple[str, str, str]] = {
    "conv": ("x", "kernel", "y"),
    "conv_input_grad": ("y", "kernel", "x"),
    "conv_kernel_grad": ("x", "y", "kernel"),
}


def lax_precision(precision: lax.PrecisionLike) -> Any:
    """A precision as a parameter of an equation. `jax.default_matmul_precision` is read at trace time, as lax does."""
    if precision is None:
        return jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]  made at run time
    return tuple(precision) if isinstance(precision, list) else precision


@dataclass(frozen=True)
class ConvSpec:
    """The geometry of a convolution of x [n, *spatial, c] with a kernel [*window, c/groups, o] to y [n, *out, o].

    Attributes:
        axes: the window along each spatial axis. They pad with zeros only; other boundaries are copied before.
        groups: number of channel groups.
        precision: as for lax.
        preferred: lax's `preferred_element_type`.
    """

    axes: tuple[Axis, ...]
    groups: int
    precision: Any = None
    preferred: DTypeLike | None = None

    @property
    def input_size(self) -> int:
        """Number of cells of x in one channel of one example."""
        return math.prod(axis.length for axis in self.axes)

    @property
    def output_size(self) -> int:
        """Number of window positions: the cells of y in one channel of one example."""
        return math.prod(axis.out for axis in self.axes)

    @property
    def taps(self) -> int:
        """Number of taps of the window."""
        return math.prod(axis.taps for axis in self.axes)

    def shape_of(self, role: str, lhs: tuple[int, ...], rhs: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of "x", "kernel" or "y", from the shapes of the operands of the operation that computes it."""
        if role == "y":
            return (lhs[0], *(axis.out for axis in self.axes), rhs[-1])
        if role == "x":
            return (lhs[0], *(axis.length for axis in self.axes), rhs[-2] * self.groups)
        return (*(axis.taps for axis in self.axes), lhs[-1] // self.groups, rhs[-1])

    def channels(self, operation: str, lhs: tuple[int, ...], rhs: tuple[int, ...]) -> tuple[int, int]:
        """Numbers of input and output channels, from the shapes of an operation's operands."""
        shapes = dict(zip(CONV_OPERANDS[operation], (lhs, rhs), strict=False))
        c = shapes["x"][-1] if "x" in shapes else shapes["kernel"][-2] * self.groups
        return c, (shapes["y"] if "y" in shapes else shapes["kernel"])[-1]

    def lax_params(self, operation: str) -> dict[str, Any]:
        """The parameters of the `lax.conv_general_dilated` that computes an operation on `lax_operands`.

        The input gradient is a convolution of the dilated y with the reversed kernel. The kernel gradient is a
        convolution of x with y that sums over the batch as over channels. lax's own gradients are the same calls.
        """
        image = (0, len(self.axes) + 1, *range(1, len(self.axes) + 1))
        weights = (len(self.axes) + 1, len(self.axes), *range(len(self.axes)))  # (o, c, *window)
        swap = lambda spec: (spec[1], spec[0], *spec[2:])
        strides, dilations = ([getattr(a, name) for a in self.axes] for name in ("stride", "dilation"))
        ones, groups = [1] * len(self.axes), self.groups
        window_strides, lhs_dilation, rhs_dilation, padding, specs, batch_groups = {
            "conv": (strides, ones, dilations, _padding, (image, weights, image), 1),
            "conv_input_grad": (ones, strides, dilations, input_grad_padding, (image, swap(weights), image), 1),
            "conv_kernel_grad": (
                dilations,
                ones,
                strides,
                _kernel_grad_padding,
                map(swap, (image, image, weights)),
                groups,
            ),
        }[operation]
        return {
            "window_strides": tuple(window_strides),
            "padding": tuple(map(padding, self.axes)),
            "lhs_dilation": tuple(lhs_dilation),
            "rhs_dilation": tuple(rhs_dilation),
            "dimension_numbers": lax.ConvDimensionNumbers(*specs),
            "feature_group_count": self.groups if batch_groups == 1 else 1,
            "batch_group_count": batch_groups,
            "precision": self.precision,
            "preferred_element_type": self.preferred,
        }

    def lax_operands(self, operation: str, lhs: Array, rhs: Array) -> tuple[Array, Array]:
        """The operands for `lax_params`. For the input gradient the kernel is reversed and its groups are moved."""
        if operation != "conv_input_grad":
            return lhs, rhs
        if self.groups > 1:  # [*window, c/groups, o] to [*window, c, o/groups]
            *window, c, o = rhs.shape
            rhs = rhs.reshape(*window, c, self.groups, o // self.groups)
            rhs = jnp.swapaxes(rhs, -2, -3).reshape(*window, self.groups * c, o // self.groups)
        return lhs, lax.rev(rhs, tuple(range(len(self.axes))))


def _padding(axis: Axis) -> tuple[int, int]:
    return axis.pad.lo, axis.pad.hi


def input_grad_padding(axis: Axis) -> tuple[int, int]:
    """The padding of the dilated y for the input gradient: one result per cell of x. Negative padding crops."""
    return axis.span - 1 - axis.pad.lo, axis.length + axis.pad.lo - ((axis.out - 1) * axis.stride + 1)


def _kernel_grad_padding(axis: Axis) -> tuple[int, int]:
    """The padding of x for the kernel gradient: one position of y over x per tap of the kernel."""
    reach = (axis.out - 1) * axis.stride + axis.span
    return axis.pad.lo, reach - axis.pad.lo - axis.length


def lax_conv(
    operation: str, spec: ConvSpec, lhs: Array, rhs: Array, out_sharding: NamedSharding | None = None
) -> Array:
    """An operation as lax computes it, in the operands' dtype or the preferred one."""
    if lhs.size == 0 or rhs.size == 0:  # lax fails for an empty kernel
        shape = spec.shape_of(CONV_OPERANDS[operation][2], lhs.shape, rhs.shape)
        return jnp.zeros(shape, spec.preferred or lhs.dtype, device=out_sharding)
    return lax.conv_general_dilated(
        *spec.lax_operands(operation, lhs, rhs), **spec.lax_params(operation), out_sharding=out_sharding
    )
