"""Different kernels at different positions: one convolution per kernel, or one matrix product for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, TypeAlias

import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array

from jaxconv.lowering.boundary import copy_boundary
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.convolution import convolve
from jaxconv.lowering.window_slices import padded
from jaxconv.window import Axis, Pad

Index: TypeAlias = tuple[int, ...]  # the number of a kernel along each axis


def multi_kernel_conv(
    x: Array,
    kernels: Array,
    spec: ConvSpec,
    positions: Sequence[Sequence[range]],
    finish: Callable[[Array, Index], Array],
    combine: Callable[[list[Array], int], Array],
) -> Array:
    """One convolution per kernel, at the positions of that kernel only, so that each output costs one window.

    Args:
        x: [n, *spatial, c].
        kernels: [*count, *window, c/groups, o].
        spec: as if one kernel stood at every position; its axes may pad with any boundary.
        positions: for each axis, the positions of each kernel along it, at least one.
        finish: takes a kernel's result and its index, for example to add a bias.
        combine: joins the results of the kernels along an axis; takes the list of results and the axis.

    Returns:
        [n, *out, o].
    """
    x, axes = copy_boundary(x, spec.axes)
    x = padded(axes, x)
    axes = [replace(axis, length=axis.padded, pad=Pad(0, 0)) for axis in axes]

    def made(index: Index) -> Array:
        if len(index) < len(axes):
            each = [made((*index, k)) for k in range(len(positions[len(index)]))]
            return combine(each, len(index) + 1) if len(each) > 1 else each[0]
        cells, its_axes, kernel = x, [], kernels
        for number, (axis, its, k) in enumerate(zip(axes, positions, index, strict=True), start=1):
            first = its[k].start * axis.stride
            its_axes.append(at_positions(axis, its[k]))
            cells = lax.slice_in_dim(cells, first, first + its_axes[-1].length, axis=number)
            kernel = lax.index_in_dim(kernel, k, keepdims=False)
        return finish(convolve(cells, kernel, replace(spec, axes=tuple(its_axes))), index)

    return made(())


def item(a: Array, index: Index) -> Array:
    """The item at `index` along the first axes."""
    return reduce(lambda part, k: lax.index_in_dim(part, k, keepdims=False), index, a)


def at_positions(axis: Axis, positions: range) -> Axis:
    """The window at some of its positions, over the cells from the first to the last that it reads there.

    >>> at_positions(Axis(9, 3, 2, 1, Pad(0, 0)), range(1, 4, 2))
    Axis(length=7, taps=3, stride=4, dilation=1, pad=Pad(lo=0, hi=0, boundary='ZERO'))
    """
    stride = axis.stride * positions.step
    return replace(axis, length=(len(positions) - 1) * stride + axis.span, stride=stride)


def multi_kernel_matmul(
    cells: Array,
    kernels: Array,
    own: Sequence[bool],
    groups: int,
    *,
    precision: Any,
    preferred_element_type: DTypeLike | None,
) -> Array:
    """One matrix product per kernel and group, in one equation, summed over the window and the channels.

    Args:
        cells: the cells that the window reads at each position, [n, *positions, *window, c].
        kernels: [*count, *window, c/groups, o].
        own: for each axis of the positions, whether the kernels have it too: one kernel per position along it.
        groups: as for a convolution.
        precision: as for `jax.numpy.einsum`.
        preferred_element_type: likewise.

    Returns:
        [n, *positions, o].
    """
    cells, weights = (_split(a, groups) for a in (cells, kernels))
    positions, taps = tuple(range(1, len(own) + 1)), tuple(range(len(own) + 1, cells.ndim - 2))
    of_kernels = tuple(position for position, its in zip(positions, own, strict=True) if its)
    n, g, c, o = 0, cells.ndim - 2, cells.ndim - 1, cells.ndim
    y = jnp.einsum(
        cells,
        (n, *positions, *taps, g, c),
        weights,
        (*of_kernels, *taps, c, g, o),
        (n, *positions, g, o),
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    return y.reshape(*y.shape[:-2], y.shape[-2] * y.shape[-1])


def _split(a: Array, groups: int) -> Array:
    """The last axis split into groups. No size is inferred (-1), which an empty batch does not allow."""
    return a.reshape(*a.shape[:-1], groups, a.shape[-1] // groups)
