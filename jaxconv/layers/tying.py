"""Tying and untying: converts between the parameters of layers with shared weights and of locally connected layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxconv.checks import is_one, several, shown
from jaxconv.errors import explain, public, spatial_names
from jaxconv.layers.params import LayerParams, check_bias, unpack
from jaxconv.layers.placement import Positions, Regions, regional, tiled
from jaxconv.lowering.compiled import compiled
from jaxconv.lowering.interleave import merge_periods
from jaxconv.sizes import check_weights
from jaxconv.window import positive


class Tied(NamedTuple):
    """Tied parameters, and their relative distance from the untied ones, from 0 (already tied) to 1.

    `distance` is that of the whole layer, `distances` those of its kernel and its bias: see `tie`.
    """

    params: LayerParams
    distance: Array
    distances: dict[str, Array]


@public
def untie(params: LayerParams, out: Sequence[int], *, regions: Regions | None = None) -> LayerParams:
    """Copies the kernel and bias to every position: returns parameters of the equivalent locally connected layer.

        shared    w[j] = w          tiled    w[j] = w[j mod p]          by regions    w[j] = w[region of j]

    Law: `locally_connected(untie(params, out), x) == conv(params, x)`, or the layer that `params` belongs to, with the
    same settings; and `tie(untie(params, out))` is `params`, with a distance of 0.

    Args:
        params: parameters of `conv`, `tiled_conv` or, with `regions`, `regional_conv`; the number of the kernel's axes
            distinguishes the first two.
        out: number of output positions along each spatial axis: `conv(params, x).shape[1:-1]`.
        regions: as for `regional_conv`, only with its parameters.

    Returns:
        `{"kernel": [*out, *window, c/groups, o], "bias": [*out, o]}`, without a bias if `params` has none.

    Raises:
        ValueError: the kernel's number of axes does not match `out`, or the kernel belongs to other regions.

    >>> params = untie({"kernel": jnp.array([[1.0, 2.0], [3.0, 4.0]]).reshape(2, 2, 1, 1)}, (3,))        # period 2
    >>> params["kernel"].reshape(3, 2).tolist()
    [[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]
    """
    kernel, bias = unpack(params)
    lengths = several(out)
    if not lengths:
        expected, cure = "one length for each spatial axis, (8, 8) for example", "It is conv(params, x).shape[1:-1]"
        error = ValueError if is_one(out) or lengths == () else TypeError
        raise error(explain("out", shown(out), expected, cure))
    out, rank = positive("out", lengths, len(lengths)), len(lengths)
    shared = regions is None and kernel.ndim == rank + 2
    if not shared and kernel.ndim != 2 * rank + 2:
        several_kernels = "[*period or *regions, *window, c/groups, o]"
        expected = several_kernels if regions is not None else f"[*window, c/groups, o] or {several_kernels}"
        actual = f"{kernel.shape}, {kernel.ndim} axes"
        cure = "Pass one length for each of the window's axes as out"
        raise ValueError(explain("kernel", actual, f"{expected}, for an output of {rank} spatial axes", cure))
    ones = (1,) * rank if shared else ()
    count = ones or kernel.shape[:rank]
    if regions is not None and count != (expected := tuple(map(len, regional(out, regions)))):
        cure = "Pass the regions that the parameters were drawn for"
        expected = f"{expected}, the numbers of regions"
        raise ValueError(explain("kernel's *regions", count, expected, cure))
    check_bias(bias, (*(() if shared else count), kernel.shape[-1]), "[o]" if shared else "[*count, o]")
    check_weights("the untied kernel", (*out, *kernel.shape[-rank - 2 :]), "Use a smaller out")
    lengths = None if regions is None else tuple(map(tuple, regions))
    return _each(lambda leaf: _spread(leaf.reshape(*ones, *leaf.shape), out=out, regions=lengths), kernel, bias)


@public
def tie(params: LayerParams, *, period: int | Sequence[int] | None = None, regions: Regions | None = None) -> Tied:
    """Replaces kernels that are to be shared by their mean, and measures how much they differed.

    The mean is the best approximation in least squares: no other tied layer has weights that differ less from these.
    (This is for weights. Gradients, and so updates, are summed: see `tie_gradient`.) The distance is

        |w - untie(tie(w))| / |w|,    |w|^2 = sum of all squares of kernel and bias,

    0 if the layer is already tied, and at most 1, which it reaches if all means are 0.

    Law: `tie(untie(params, out)).params == params`, bit for bit, and its distance is 0. With padding "CIRCULAR", a
    locally connected layer commutes with the shifts that `conv` commutes with if and only if its distance is 0. This
    does not hold if a window reads a cell twice.

    Args:
        params: parameters of `locally_connected`, floats.
        period: for `tiled_conv`: number of positions after which the kernels repeat, at most the output's length.
        regions: for `regional_conv`: as for `regional_conv`. With neither, the result is for `conv`.

    Returns:
        `Tied(params, distance, distances)`: parameters of the given dtype; the distance of the whole layer; and a dict
        with those of its kernel and its bias. All are differentiable, so a distance can serve as a penalty.

    Raises:
        ValueError: the kernel belongs to another kind of layer; the period is longer than the output; or both `period`
            and `regions` are given.
        TypeError: the parameters are not floats.

    >>> untied = {"kernel": jnp.array([[1.0, 2.0], [3.0, 2.0]]).reshape(2, 2, 1, 1)}
    >>> tied = tie(untied)
    >>> tied.params["kernel"].ravel().tolist(), round(float(tied.distance) ** 2, 6)          # 2 / (1 + 4 + 9 + 4)
    ([2.0, 2.0], 0.111111)
    """
    kernel, bias, positions = _untied(params, period, regions)
    lengths = _lengths(positions, regions)
    for name, each, length in zip(spatial_names(len(positions)), positions, kernel.shape, strict=False):
        if not all(each):
            expected = f"at most {length}, the number of positions"
            cure = f"Pass {length} for a kernel at each position"
            raise ValueError(explain(f"period along axis {name}", len(each), expected, cure))
    wide = _each(_widened, kernel, bias)
    means = jax.tree.map(lambda leaf: _mean(leaf, positions, lengths), wide)
    tied_everywhere = jax.tree.map(partial(_spread, out=kernel.shape[: len(positions)], regions=lengths), means)
    difference, remainder = (
        jax.tree.map(lambda a, b: _squares(a - b), wide, tied_everywhere),
        jax.tree.map(_squares, tied_everywhere),
    )
    tied = jax.tree.map(lambda leaf: _without_count(leaf, period, regions, len(positions)).astype(kernel.dtype), means)
    total = lambda squares: jnp.sum(jnp.array(jax.tree.leaves(squares)))
    return Tied(tied, _distance(total(difference), total(remainder)), jax.tree.map(_distance, difference, remainder))


@public
def tie_gradient(
    gradient: LayerParams, *, period: int | Sequence[int] | None = None, regions: Regions | None = None
) -> LayerParams:
    """Sums the gradients of the positions that share a kernel: the adjoint of `untie`.

        shared    g = sum_j g[j]          tiled    g[k] = sum over j mod p = k of g[j]          by regions    likewise

    A kernel that is used at many positions changes the loss at each of them, and these changes add up. Their mean would
    be too small by a factor of the number of positions.

    Law: with `local = untie(params, out)`, the gradient of the layer with shared weights with respect to `params` is
    `tie_gradient` of the gradient of `locally_connected` with respect to `local`. Also
    `<untie(p), g> = <p, tie_gradient(g)>` for all p and g.

    Args:
        gradient: `{"kernel": [*out, *window, c/groups, o], "bias": [*out, o]}`, as `jax.grad` returns it; floats.
        period: for `tiled_conv`: its period.
        regions: for `regional_conv`: its regions. With neither, the result is for `conv`.

    Returns:
        The gradient with respect to the parameters of the layer with shared weights, of the same dtype.

    Raises:
        ValueError: the kernel belongs to another kind of layer; or both `period` and `regions` are given.
        TypeError: the gradients are not floats.

    >>> each = {"kernel": jnp.array([[-0.1, -0.2], [0.4, 0.6]]).reshape(2, 2, 1, 1)}
    >>> tie_gradient(each)["kernel"].ravel().round(6)
    Array([0.3, 0.4], dtype=float32)

    Source: Rumelhart, Hinton and Williams, Learning internal representations by error propagation, 1986, where weights
    that must stay equal change by the sum of their individual changes.
    """
    kernel, bias, positions = _untied(gradient, period, regions, "gradient")
    lengths = _lengths(positions, regions)
    summed = lambda leaf: _sum(_widened(leaf), positions, lengths).astype(leaf.dtype)
    return _each(lambda leaf: _without_count(summed(leaf), period, regions, len(positions)), kernel, bias)


def _untied(
    params: LayerParams, period: int | Sequence[int] | None, regions: Regions | None, argument: str = "params"
) -> tuple[Array, Array | None, Positions]:
    """Returns the kernel and bias of a locally connected layer, and the positions of each tied kernel."""
    kernel, bias = unpack(params, argument)
    rank, odd = divmod(kernel.ndim - 2, 2)
    if rank < 1 or odd:
        expected = "[*out, *window, c/groups, o], an even number of axes, 4 or more"
        cure = "Pass the parameters of locally_connected, or what untie returns"
        raise ValueError(explain("kernel", f"{kernel.shape}, {kernel.ndim} axes", expected, cure))
    check_bias(bias, (*kernel.shape[:rank], kernel.shape[-1]), "[*out, o]")
    if not jnp.issubdtype(kernel.dtype, jnp.inexact):
        cure = "Cast them first: jax.tree.map(lambda a: a.astype(jnp.float32), params)"
        raise TypeError(explain("kernel", kernel.dtype, "floating-point numbers", cure))
    out = kernel.shape[:rank]
    if regions is None:
        return kernel, bias, tiled(out, positive("period", 1 if period is None else period, rank))
    if period is not None:
        cure = "Pass one of the two"
        raise ValueError(explain("period", shown(period), "left out if regions are given", cure))
    return kernel, bias, regional(out, regions)


def _lengths(positions: Positions, regions: Regions | None) -> Regions | None:
    """The lengths of the regions as hashable tuples."""
    return None if regions is None else tuple(tuple(map(len, each)) for each in positions)


def _each(change: Callable[[Array], Array], kernel: Array, bias: Array | None) -> LayerParams:
    """Applies a function to the kernel and, if present, to the bias."""
    return {"kernel": change(kernel)} if bias is None else {"kernel": change(kernel), "bias": change(bias)}


def _widened(leaf: Array) -> Array:
    """Converts to at least float32, because sums over positions are long."""
    return leaf.astype(jnp.float32) if jnp.finfo(leaf.dtype).bits < 32 else leaf


@partial(compiled, static_argnames=("out", "regions"))
def _spread(leaf: Array, *, out: Sequence[int], regions: Regions | None) -> Array:
    """[*count, ...] to [*out, ...]: copies each entry to its positions."""
    for axis, length in enumerate(out):
        if regions is not None:
            leaf = jnp.repeat(leaf, np.array(regions[axis]), axis, total_repeat_length=length)
        else:
            repeats = -(-length // leaf.shape[axis])
            repeated = jnp.broadcast_to(jnp.expand_dims(leaf, axis), (*leaf.shape[:axis], repeats, *leaf.shape[axis:]))
            leaf = merge_periods(repeated, axis, length)
    return leaf


@partial(compiled, static_argnames=("positions", "regions"))
def _sum(leaf: Array, positions: Positions, regions: Regions | None) -> Array:
    """The adjoint of `_spread`: [*out, ...] to [*count, ...]."""
    rank = len(positions)
    struct = jax.ShapeDtypeStruct((*map(len, positions), *leaf.shape[rank:]), leaf.dtype)
    (total,) = jax.linear_transpose(partial(_spread, out=leaf.shape[:rank], regions=regions), struct)(leaf)
    return total


@partial(compiled, static_argnames=("positions", "regions"))
def _mean(leaf: Array, positions: Positions, regions: Regions | None) -> Array:
    """The mean over the positions that share a kernel: [*out, ...] to [*count, ...].

    It averages the differences from the first of them, so that the mean of equal numbers is exactly that number.
    """
    rank, first = len(positions), leaf
    for axis, each in enumerate(positions):
        first = jnp.take(first, np.array([indices.start for indices in each]), axis)
    counts = reduce(np.multiply.outer, [np.array(list(map(len, each))) for each in positions])
    # The barrier stops XLA from multiplying by the reciprocal of a constant: -9 * (1/3) is not -3 in float32.
    counts = jax.lax.optimization_barrier(
        jnp.asarray(counts.reshape(*counts.shape, *[1] * (leaf.ndim - rank)), leaf.dtype)
    )
    residual = leaf - _spread(first, out=leaf.shape[:rank], regions=regions)
    return first + _sum(residual, positions, regions) / counts


def _without_count(leaf: Array, period: int | Sequence[int] | None, regions: Regions | None, rank: int) -> Array:
    """Removes the axes of length 1 that count kernels, if all positions share one kernel."""
    return leaf.reshape(leaf.shape[rank:]) if period is None and regions is None else leaf


def _squares(leaf: Array) -> Array:
    return jnp.sum(jnp.square(jnp.abs(leaf)))


@compiled
def _distance(difference: Array, remainder: Array) -> Array:
    """sqrt(difference / (difference + remainder)), whose derivative at 0 is defined as 0.

    By Pythagoras, difference + remainder is |w|^2.
    """
    share = difference / jnp.where(difference > 0, difference + remainder, 1)
    return jnp.where(difference > 0, jnp.sqrt(jnp.where(difference > 0, share, 1)), 0)
