"""Tying and untying: from the parameters of a layer that shares its weights to those of one that does not, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxconv.checks import is_one, several, shown
from jaxconv.errors import explain, spatial_names
from jaxconv.layers.params import LayerParams, check_bias, unpack
from jaxconv.layers.placement import Positions, Regions, regional, tiled
from jaxconv.lowering.compiled import compiled
from jaxconv.lowering.interleave import merge_periods
from jaxconv.sizes import check_weights
from jaxconv.window import positive


class Tied(NamedTuple):
    """Tied parameters, and how far from them the untied ones were: from 0, for none at all, to 1.

    `distance` is that of the layer, `distances` are those of its kernel and its bias: see `tie`.
    """

    params: LayerParams
    distance: Array
    distances: dict[str, Array]


def untie(params: LayerParams, out: Sequence[int], *, regions: Regions | None = None) -> LayerParams:
    """Give every position a copy of its kernel and bias: the locally connected layer that does what the tied one does.

        shared    w[j] = w          tiled    w[j] = w[j mod p]          by regions    w[j] = w[region of j]

    Law: `locally_connected(untie(params, out), x) == conv(params, x)`, or the other layer whose parameters they are,
    with all the same settings; and `tie(untie(params, out))` is `params`, at a distance of 0.

    Args:
        params: those of `conv`, `tiled_conv` or, with `regions`, `regional_conv`: the kernel's axes tell which.
        out: positions of the output along each spatial axis: `conv(params, x).shape[1:-1]`.
        regions: as for `regional_conv`, for its parameters only.

    Returns:
        `{"kernel": [*out, *window, c/groups, o], "bias": [*out, o]}`; no bias if there was none.

    Raises:
        ValueError: a kernel without as many axes as `out` says, or for other regions.

    >>> params = untie({"kernel": jnp.array([[1.0, 2.0], [3.0, 4.0]]).reshape(2, 2, 1, 1)}, (3,))        # period 2
    >>> params["kernel"].reshape(3, 2).tolist()
    [[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]
    """
    where = "untie"
    kernel, bias = unpack(where, params)
    lengths = several(out)
    if not lengths:
        expected, cure = "one length for each spatial axis, (8, 8) for example", "It is conv(params, x).shape[1:-1]"
        error = ValueError if is_one(out) or lengths == () else TypeError
        raise error(explain(where, "out", shown(out), expected, cure))
    out, rank = positive(where, "out", lengths, len(lengths)), len(lengths)
    shared = regions is None and kernel.ndim == rank + 2
    if not shared and kernel.ndim != 2 * rank + 2:
        many = "[*period or *regions, *window, c/groups, o]"
        expected = many if regions is not None else f"[*window, c/groups, o] or {many}"
        found = f"{kernel.shape}, {kernel.ndim} axes"
        cure = "Pass one length for each of the window's axes as out"
        raise ValueError(explain(where, "kernel", found, f"{expected}, for an output of {rank} spatial axes", cure))
    alone = (1,) * rank if shared else ()
    count = alone or kernel.shape[:rank]
    if regions is not None and count != (expected := tuple(map(len, regional(where, out, regions)))):
        cure = "Pass the regions that the parameters were drawn for"
        expected = f"{expected}, as many as there are in regions"
        raise ValueError(explain(where, "kernel's *regions", count, expected, cure))
    check_bias(where, bias, (*(() if shared else count), kernel.shape[-1]), "[o]" if shared else "[*count, o]")
    check_weights(where, "the untied kernel", (*out, *kernel.shape[-rank - 2 :]), "Use a smaller out")
    lengths = None if regions is None else tuple(map(tuple, regions))
    return _each(lambda leaf: _spread(leaf.reshape(*alone, *leaf.shape), out=out, regions=lengths), kernel, bias)


def tie(params: LayerParams, *, period: int | Sequence[int] | None = None, regions: Regions | None = None) -> Tied:
    """Make the kernels of a locally connected layer equal that are to be shared, by their mean; and say how far off.

    The mean is the nearest there is, in the least squares: no other tied layer's weights differ less from these. (It is
    for weights. Their gradients, and so any update of them, are summed: see `tie_gradient`.) The distance is

        |w - untie(tie(w))| / |w|,    |w|^2 = sum of all squares of kernel and bias,

    0 if the layer is tied already, at most 1, which it is if the means are all 0.

    Law: `tie(untie(params, out)).params == params`, bit for bit, and its distance is 0. With padding "CIRCULAR", unless
    a window reads a cell twice, a locally connected layer commutes with the shifts that `conv` commutes with if its
    distance is 0, and only then.

    Args:
        params: those of `locally_connected`, floats.
        period: for `tiled_conv`'s parameters: positions until the same kernel comes again, at most all of them.
        regions: for `regional_conv`'s. Without either, for `conv`'s.

    Returns:
        `Tied(params, distance, distances)`: parameters of the dtype that there was; numbers for the layer as a whole,
        and in a dict for its kernel and its bias. All can be differentiated, to be a penalty for example.

    Raises:
        ValueError: a kernel of another kind of layer; a period longer than the output; both a period and regions.
        TypeError: parameters that are not floats.

    >>> untied = {"kernel": jnp.array([[1.0, 2.0], [3.0, 2.0]]).reshape(2, 2, 1, 1)}
    >>> tied = tie(untied)
    >>> tied.params["kernel"].ravel().tolist(), round(float(tied.distance) ** 2, 6)          # 2 / (1 + 4 + 9 + 4)
    ([2.0, 2.0], 0.111111)
    """
    where = "tie"
    kernel, bias, positions = _untied(where, params, period, regions)
    lengths = _lengths(positions, regions)
    for name, each, length in zip(spatial_names(len(positions)), positions, kernel.shape, strict=False):
        if not all(each):
            expected = f"at most {length}, the positions that there are"
            cure = f"Pass {length} for a kernel at each of them"
            raise ValueError(explain(where, f"period along axis {name}", len(each), expected, cure))
    wide = _each(_widened, kernel, bias)
    means = jax.tree.map(lambda leaf: _mean(leaf, positions, lengths), wide)
    everywhere = jax.tree.map(partial(_spread, out=kernel.shape[: len(positions)], regions=lengths), means)
    apart, kept = jax.tree.map(lambda a, b: _squares(a - b), wide, everywhere), jax.tree.map(_squares, everywhere)
    tied = jax.tree.map(lambda leaf: _without_count(leaf, period, regions, len(positions)).astype(kernel.dtype), means)
    total = lambda squares: jnp.sum(jnp.array(jax.tree.leaves(squares)))
    return Tied(tied, _distance(total(apart), total(kept)), jax.tree.map(_distance, apart, kept))


def tie_gradient(
    gradient: LayerParams, *, period: int | Sequence[int] | None = None, regions: Regions | None = None
) -> LayerParams:
    """Add up the gradients of the positions that share a kernel: the adjoint of `untie`.

        shared    g = sum_j g[j]          tiled    g[k] = sum over j mod p = k of g[j]          by regions    likewise

    A kernel that is used at many positions changes the loss at each of them, and these changes add up. Their mean would
    be too small by the number of positions.

    Law: with `local = untie(params, out)`, the gradient of the layer that shares, by `params`, is `tie_gradient` of the
    gradient of `locally_connected` by `local`; and `<untie(p), g> = <p, tie_gradient(g)>` for all p and g.

    Args:
        gradient: `{"kernel": [*out, *window, c/groups, o], "bias": [*out, o]}`, as `jax.grad` gives it; floats.
        period: for the gradient of `tiled_conv`: its period.
        regions: for that of `regional_conv`. Without either, for that of `conv`.

    Returns:
        The gradient by the parameters of the layer that shares, of the same dtype.

    Raises:
        ValueError: a kernel of another kind of layer; both a period and regions.
        TypeError: gradients that are not floats.

    >>> each = {"kernel": jnp.array([[-0.1, -0.2], [0.4, 0.6]]).reshape(2, 2, 1, 1)}
    >>> tie_gradient(each)["kernel"].ravel().round(6)
    Array([0.3, 0.4], dtype=float32)

    Source: Rumelhart, Hinton and Williams, Learning internal representations by error propagation, 1986, where weights
    that are to stay equal change by the sum of what each of them is asked for.
    """
    kernel, bias, positions = _untied("tie_gradient", gradient, period, regions, "gradient")
    lengths = _lengths(positions, regions)
    summed = lambda leaf: _sum(_widened(leaf), positions, lengths).astype(leaf.dtype)
    return _each(lambda leaf: _without_count(summed(leaf), period, regions, len(positions)), kernel, bias)


def _untied(
    where: str,
    params: LayerParams,
    period: int | Sequence[int] | None,
    regions: Regions | None,
    argument: str = "params",
) -> tuple[Array, Array | None, Positions]:
    """The kernel and the bias of a locally connected layer, and where each of the tied kernels is to stand."""
    kernel, bias = unpack(where, params, argument)
    rank, odd = divmod(kernel.ndim - 2, 2)
    if rank < 1 or odd:
        expected = "[*out, *window, c/groups, o], an even number of axes, 4 or more"
        cure = "Pass the parameters of locally_connected, or what untie returns"
        raise ValueError(explain(where, "kernel", f"{kernel.shape}, {kernel.ndim} axes", expected, cure))
    check_bias(where, bias, (*kernel.shape[:rank], kernel.shape[-1]), "[*out, o]")
    if not jnp.issubdtype(kernel.dtype, jnp.inexact):
        cure = "Cast them first: jax.tree.map(lambda a: a.astype(jnp.float32), params)"
        raise TypeError(explain(where, "kernel", kernel.dtype, "floating-point numbers", cure))
    out = kernel.shape[:rank]
    if regions is None:
        return kernel, bias, tiled(out, positive(where, "period", 1 if period is None else period, rank))
    if period is not None:
        cure = "Pass one of the two"
        raise ValueError(explain(where, "period", shown(period), "left out where regions are given", cure))
    return kernel, bias, regional(where, out, regions)


def _lengths(positions: Positions, regions: Regions | None) -> Regions | None:
    """The lengths of the regions, as something that hashes."""
    return None if regions is None else tuple(tuple(map(len, each)) for each in positions)


def _each(change: Callable[[Array], Array], kernel: Array, bias: Array | None) -> LayerParams:
    """The same done to the kernel and, if there is one, to the bias."""
    return {"kernel": change(kernel)} if bias is None else {"kernel": change(kernel), "bias": change(bias)}


def _widened(leaf: Array) -> Array:
    """In single precision at least: sums over positions are long."""
    return leaf.astype(jnp.float32) if jnp.finfo(leaf.dtype).bits < 32 else leaf


@partial(compiled, static_argnames=("out", "regions"))
def _spread(leaf: Array, *, out: Sequence[int], regions: Regions | None) -> Array:
    """[*count, ...] to [*out, ...]: what stands at each position."""
    for axis, length in enumerate(out):
        if regions is not None:
            leaf = jnp.repeat(leaf, np.array(regions[axis]), axis, total_repeat_length=length)
        else:
            turns = -(-length // leaf.shape[axis])
            again = jnp.broadcast_to(jnp.expand_dims(leaf, axis), (*leaf.shape[:axis], turns, *leaf.shape[axis:]))
            leaf = merge_periods(again, axis, length)
    return leaf


@partial(compiled, static_argnames=("positions", "regions"))
def _sum(leaf: Array, positions: Positions, regions: Regions | None) -> Array:
    """The adjoint of `_spread`: [*out, ...] to [*count, ...]."""
    rank = len(positions)
    one = jax.ShapeDtypeStruct((*map(len, positions), *leaf.shape[rank:]), leaf.dtype)
    (total,) = jax.linear_transpose(partial(_spread, out=leaf.shape[:rank], regions=regions), one)(leaf)
    return total


@partial(compiled, static_argnames=("positions", "regions"))
def _mean(leaf: Array, positions: Positions, regions: Regions | None) -> Array:
    """The mean over the positions that share: [*out, ...] to [*count, ...].

    Taken of the differences from the first of them, so that the mean of equal numbers is that number, bit for bit.
    """
    rank, first = len(positions), leaf
    for axis, each in enumerate(positions):
        first = jnp.take(first, np.array([its.start for its in each]), axis)
    times = reduce(np.multiply.outer, [np.array(list(map(len, each))) for each in positions])
    # Behind a barrier, since XLA multiplies by the reciprocal of a constant, and -9 * (1/3) is not -3 in float32.
    times = jax.lax.optimization_barrier(
        jnp.asarray(times.reshape(*times.shape, *[1] * (leaf.ndim - rank)), leaf.dtype)
    )
    rest = leaf - _spread(first, out=leaf.shape[:rank], regions=regions)
    return first + _sum(rest, positions, regions) / times


def _without_count(leaf: Array, period: int | Sequence[int] | None, regions: Regions | None, rank: int) -> Array:
    """What is the only one of its kind, for a layer that shares, has no axes that tell which."""
    return leaf.reshape(leaf.shape[rank:]) if period is None and regions is None else leaf


def _squares(leaf: Array) -> Array:
    return jnp.sum(jnp.square(jnp.abs(leaf)))


@compiled
def _distance(apart: Array, kept: Array) -> Array:
    """sqrt(apart / (apart + kept)): by Pythagoras the sum is what there was. At 0 its derivative is taken to be 0."""
    share = apart / jnp.where(apart > 0, apart + kept, 1)
    return jnp.where(apart > 0, jnp.sqrt(jnp.where(apart > 0, share, 1)), 0)
