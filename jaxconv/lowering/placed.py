"""Several kernels, each of which stands at positions of its own: a convolution for each, or one product for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, TypeAlias

import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array

from jaxconv.lowering.convolution import convolve
from jaxconv.lowering.extend import extend
from jaxconv.lowering.form import Form
from jaxconv.lowering.taps import padded
from jaxconv.window import Axis, Pad

Index: TypeAlias = tuple[int, ...]  # which of the kernels, along each axis


def convolve_each(
    x: Array,
    kernels: Array,
    form: Form,
    positions: Sequence[Sequence[range]],
    finish: Callable[[Array, Index], Array],
    combine: Callable[[list[Array], int], Array],
) -> Array:
    """A convolution for each kernel, at its own positions and nowhere else: each output costs one window.

    Args:
        x: [n, *spatial, c].
        kernels: [*count, *window, c/groups, o].
        form: of one kernel at every position; its axes may pad with any boundary.
        positions: for each axis the positions of each of the kernels along it, one at least.
        finish: of what a kernel made and its index, to add its bias for example.
        combine: puts what the kernels along an axis made together, from that list and the axis.

    Returns:
        [n, *out, o].
    """
    x, axes = extend(x, form.axes)
    x = padded(axes, x)
    axes = [replace(axis, length=axis.padded, pad=Pad(0, 0)) for axis in axes]

    def made(index: Index) -> Array:
        if len(index) < len(axes):
            each = [made((*index, k)) for k in range(len(positions[len(index)]))]
            return combine(each, len(index) + 1) if len(each) > 1 else each[0]
        cells, its_axes, kernel = x, [], kernels
        for number, (axis, its, k) in enumerate(zip(axes, positions, index, strict=True), start=1):
            first = its[k].start * axis.stride
            its_axes.append(only(axis, its[k]))
            cells = lax.slice_in_dim(cells, first, first + its_axes[-1].length, axis=number)
            kernel = lax.index_in_dim(kernel, k, keepdims=False)
        return finish(convolve(cells, kernel, replace(form, axes=tuple(its_axes))), index)

    return made(())


def picked(a: Array, index: Index) -> Array:
    """One of the items along the first axes."""
    return reduce(lambda part, k: lax.index_in_dim(part, k, keepdims=False), index, a)


def only(axis: Axis, positions: range) -> Axis:
    """The window at some of its positions, over the cells from the first that it reads there to the last.

    >>> only(Axis(9, 3, 2, 1, Pad(0, 0)), range(1, 4, 2))
    Axis(length=7, taps=3, stride=4, dilation=1, pad=Pad(lo=0, hi=0, boundary='ZERO'))
    """
    stride = axis.stride * positions.step
    return replace(axis, length=(len(positions) - 1) * stride + axis.span, stride=stride)


def product_of_each(
    cells: Array,
    kernels: Array,
    own: Sequence[bool],
    groups: int,
    *,
    precision: Any,
    preferred_element_type: DTypeLike | None,
) -> Array:
    """One matrix product for each kernel and group, in one equation; its sum runs over the window and the channels.

    Args:
        cells: the cells under the window at each position, [n, *positions, *window, c].
        kernels: [*count, *window, c/groups, o].
        own: for each axis of the positions, whether it is an axis of the kernels too, a kernel for each of its indices.
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
    """The last axis as groups of channels; no size is left to be inferred, which an empty batch does not allow."""
    return a.reshape(*a.shape[:-1], groups, a.shape[-1] // groups)
