"""A convolution as a form that is linear in its input, its kernel and its output's deltas; and its three faces.

    T(x, kernel, y) = sum_{n,j,u,c,o} x[n, j*stride + u*dilation - lo, c] kernel[u,c,o] y[n,j,o]

Give two of the three and ask how T changes with the third: that is the convolution (y), the delta of its input (x), or
the delta of its kernel. So each face's derivatives are the other two, and a way to compute it is a way to compute T.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding
from jax.typing import DTypeLike
from jaxtyping import Array

from jaxconv.window import Axis

Face: TypeAlias = Literal["conv", "conv_dx", "conv_dkernel"]
# face -> its two operands, and its result.
FACES: dict[Face, tuple[str, str, str]] = {
    "conv": ("x", "kernel", "y"),
    "conv_dx": ("y", "kernel", "x"),
    "conv_dkernel": ("x", "y", "kernel"),
}


def as_laxs(precision: lax.PrecisionLike) -> Any:
    """A precision as a parameter: `jax.default_matmul_precision` is read where the convolution is traced, as by lax."""
    if precision is None:
        return jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]  made at run time
    return tuple(precision) if isinstance(precision, list) else precision


@dataclass(frozen=True)
class Form:
    """The geometry of one convolution of x [n, *spatial, c] by a kernel [*window, c/groups, o] to y [n, *out, o].

    `axes` pad with zeros only: copies are made before. `precision` and `preferred` as lax takes them.
    """

    axes: tuple[Axis, ...]
    groups: int
    precision: Any = None
    preferred: DTypeLike | None = None

    @property
    def cells(self) -> int:
        """Of one channel of one example of x."""
        return math.prod(axis.length for axis in self.axes)

    @property
    def positions(self) -> int:
        """Of the window: cells of one channel of one example of y."""
        return math.prod(axis.out for axis in self.axes)

    @property
    def taps(self) -> int:
        """Of the window."""
        return math.prod(axis.taps for axis in self.axes)

    def shape_of(self, role: str, one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of x, kernel or y, from those of the other two in the order of the face that computes it."""
        if role == "y":
            return (one[0], *(axis.out for axis in self.axes), other[-1])
        if role == "x":
            return (one[0], *(axis.length for axis in self.axes), other[-2] * self.groups)
        return (*(axis.taps for axis in self.axes), one[-1] // self.groups, other[-1])

    def channels(self, face: Face, one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, int]:
        """How many channels x and y have, from the shapes of a face's operands."""
        shapes = dict(zip(FACES[face], (one, other), strict=False))
        c = shapes["x"][-1] if "x" in shapes else shapes["kernel"][-2] * self.groups
        return c, (shapes["y"] if "y" in shapes else shapes["kernel"])[-1]

    def as_lax(self, face: Face) -> dict[str, Any]:
        """The parameters of the `lax.conv_general_dilated` that is this face, of operands as `lax_operands` gives them.

        The delta of x is a convolution of y, its cells apart, by the kernel reversed; the delta of the kernel one of x
        by y, the batch being summed over as channels are. lax's own gradients are these very calls.
        """
        image = (0, len(self.axes) + 1, *range(1, len(self.axes) + 1))
        weights = (len(self.axes) + 1, len(self.axes), *range(len(self.axes)))  # (o, c, *window)
        swap = lambda spec: (spec[1], spec[0], *spec[2:])
        strides, dilations = ([getattr(a, name) for a in self.axes] for name in ("stride", "dilation"))
        ones, groups = [1] * len(self.axes), self.groups
        window_strides, apart, dilation, padding, specs, batch_groups = {
            "conv": (strides, ones, dilations, _padding, (image, weights, image), 1),
            "conv_dx": (ones, strides, dilations, deltas_padding, (image, swap(weights), image), 1),
            "conv_dkernel": (dilations, ones, strides, _padding_of_dkernel, map(swap, (image, image, weights)), groups),
        }[face]
        return {
            "window_strides": tuple(window_strides),
            "padding": tuple(map(padding, self.axes)),
            "lhs_dilation": tuple(apart),
            "rhs_dilation": tuple(dilation),
            "dimension_numbers": lax.ConvDimensionNumbers(*specs),
            "feature_group_count": self.groups if batch_groups == 1 else 1,
            "batch_group_count": batch_groups,
            "precision": self.precision,
            "preferred_element_type": self.preferred,
        }

    def lax_operands(self, face: Face, one: Array, other: Array) -> tuple[Array, Array]:
        """The operands of `as_lax`'s call: for the delta of x the kernel is reversed, and its groups change sides."""
        if face != "conv_dx":
            return one, other
        if self.groups > 1:  # [*window, c/groups, o] to [*window, c, o/groups]
            *window, c, o = other.shape
            other = other.reshape(*window, c, self.groups, o // self.groups)
            other = jnp.swapaxes(other, -2, -3).reshape(*window, self.groups * c, o // self.groups)
        return one, lax.rev(other, tuple(range(len(self.axes))))


def _padding(axis: Axis) -> tuple[int, int]:
    return axis.pad.lo, axis.pad.hi


def deltas_padding(axis: Axis) -> tuple[int, int]:
    """The padding of y, its cells a stride apart, under a window that slides over it to make the delta of x.

    So that every tap of every window lands on its cell, and no cell is made beyond x's ends: negative cuts off.
    """
    return axis.span - 1 - axis.pad.lo, axis.length + axis.pad.lo - ((axis.out - 1) * axis.stride + 1)


def _padding_of_dkernel(axis: Axis) -> tuple[int, int]:
    """So that y, laid over x as a kernel is, fits once for each tap."""
    reach = (axis.out - 1) * axis.stride + axis.span
    return axis.pad.lo, reach - axis.pad.lo - axis.length


def by_lax(face: Face, form: Form, one: Array, other: Array, out_sharding: NamedSharding | None = None) -> Array:
    """Any face as lax computes it, in the operands' dtype or the preferred one."""
    if one.size == 0 or other.size == 0:  # lax would slide an empty kernel
        shape = form.shape_of(FACES[face][2], one.shape, other.shape)
        return jnp.zeros(shape, form.preferred or one.dtype, device=out_sharding)
    return lax.conv_general_dilated(
        *form.lax_operands(face, one, other), **form.as_lax(face), out_sharding=out_sharding
    )
