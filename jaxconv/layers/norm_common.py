"""What all normalisations share: centre cells and divide by their spread, then a scale and a bias for each channel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, NotRequired, TypedDict

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxconv.checks import number, shown
from jaxconv.errors import explain
from jaxconv.layers.arithmetic import at_least_float32
from jaxconv.layers.images import Layout, enter_any, read
from jaxconv.layers.operands import array
from jaxconv.layers.params import named
from jaxconv.lowering.compiled import compiled


class NormParams(TypedDict):
    """One scale and one bias for each channel, [c]. Without one of them it is taken for 1, or for 0."""

    scale: NotRequired[Array]
    bias: NotRequired[Array]


class Entered(NamedTuple):
    """An input in the dtype of the statistics, and the way back.

    `x` is [n, *spatial, c] in 32 bits at least; `leave` takes a standardised x through scale and bias to the caller's
    layout and dtype.
    """

    x: Array
    leave: Callable[[Array], Array]


def enter_norm(
    where: str, params: NormParams, x: ArrayLike, *, batched: bool, layout: Layout, spatial: int = 0
) -> Entered:
    """The input of a normalisation, checked with its parameters. `spatial`: it has so many spatial axes at least."""
    x, batched = read(where, x, batched)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(explain(where, "x", x.dtype, "real floating-point numbers", "Cast it: x.astype(jnp.float32)"))
    entered, leave = enter_any(where, x, batched=batched, layout=layout, least=spatial)
    affine = _unpack(where, params, entered)

    def leave_scaled(y: Array) -> Array:
        """Times the scale, plus the bias, rounded once, at the end."""
        if "scale" in affine:
            y = y * along_channels(affine["scale"], y)
        if "bias" in affine:
            y = y + along_channels(affine["bias"], y)
        return leave(y.astype(x.dtype))

    return Entered(entered.astype(at_least_float32(x.dtype)), leave_scaled)


def _unpack(where: str, params: NormParams, x: Array) -> dict[str, Array]:
    """The scale and the bias that there are, checked against x [n, *spatial, c]."""
    given = named(where, "params", params, optional=("scale", "bias"))
    arrays = {name: array(where, name, each, "an array [c]") for name, each in given.items()}
    for name, each in arrays.items():
        check_channels(where, name, each, x)
        if each.dtype != x.dtype:
            cure = f"Cast one of them, {name}.astype(x.dtype) for example"
            raise TypeError(explain(where, name, each.dtype, f"{x.dtype}, as x is", cure))
    return arrays


def checked_epsilon(where: str, epsilon: object, x: Array) -> float:
    """A positive number that x's dtype holds: neither 0 nor infinite there, nor denormal, which processors take for 0.

    A float: an integer of more bits than the dtype's would overflow.
    """
    cure = "Leave it out for 1e-5"
    found, limits = number(where, "epsilon", epsilon, cure=cure), jnp.finfo(x.dtype)
    least, most = float(limits.tiny), float(limits.max)
    if not 0 < found < math.inf:
        raise ValueError(explain(where, "epsilon", found, "positive and finite", cure))
    if not least <= found <= most:
        expected = f"from {least:.3g} to {most:.3g}, which {x.dtype} holds"
        raise ValueError(explain(where, "epsilon", shown(found), expected, cure))
    return float(found)


def check_channels(where: str, argument: str, array: Array, x: Array) -> None:
    """Refuse an array that is not one number for each channel of x [n, *spatial, c]."""
    if array.shape != x.shape[-1:]:
        cure = "Make it by the init function for that many channels, or check the layout of x"
        expected = f"{x.shape[-1:]} [c], for x's {x.shape[-1]} channels"
        raise ValueError(explain(where, argument, array.shape, expected, cure))


def along_channels(array: Array, like: Array) -> Array:
    """Numbers [c] so that they meet the last axis of `like`, in its dtype."""
    return jnp.expand_dims(array.astype(like.dtype), tuple(range(like.ndim - 1)))


class Moments(NamedTuple):
    """`centred` is x - mean, without the rounding of the mean; the others keep one cell along each axis."""

    centred: Array
    mean: Array
    variance: Array


@partial(compiled, static_argnames=("axes", "axis_name"))
def moments(x: Array, axes: Sequence[int], axis_name: str | tuple[str, ...] | None = None) -> Moments:
    """Cells less their mean, the mean, and the (biased) variance, over some axes: with p a rounded mean,

        r = x - p,  d = mean(r),  centred = r - d,  mean = p + d,  variance = mean(r^2) - d^2.

    A mean of n numbers is off by several of their last digits, which is much where the mean is large against the
    spread. Nothing is lost in r, whose own mean d is what p is off by, and so small that the variance does not cancel
    (as E[x^2] - E[x]^2 would). A mean lies between the least and the largest cell; p is made to, so that r and all
    else is exactly 0 where the cells are equal. No result depends on p but for rounding, and so no derivative does.

    Law: every reduction is over all positions of `axes`, so moments do not change when x is rolled along one of them.
    (A pivot that is one of the cells, such as the first, would only be as good if it did not move.)

    Args:
        x: in 32 bits at least.
        axes: along which cells are taken together.
        axis_name: a mapped axis (of `jax.vmap` or `jax.shard_map`) to take together as well.

    Source: Chan, Golub and LeVeque, Algorithms for computing the sample variance, The American Statistician 37 (1983),
    on shifting data by an approximate mean and on correcting the two-pass algorithm.
    """
    pivot = _pivot(lax.stop_gradient(x), tuple(axes), axis_name)
    residual = x - pivot
    mean = lambda part: jnp.mean(part, axis=tuple(axes), keepdims=True)
    offset, square = mean(residual), mean(jnp.square(residual))
    if axis_name is not None:
        offset, square = lax.pmean((offset, square), axis_name)
    variance = lax.max(square - jnp.square(offset), jnp.zeros_like(square))  # rounding may leave less than nothing
    return Moments(residual - offset, pivot + offset, variance)


@partial(compiled, static_argnames="epsilon")
def divided(x: Array, square: Array, epsilon: float) -> Array:
    """x / sqrt(square + epsilon)."""
    return x * lax.rsqrt(square + epsilon)


def _pivot(x: Array, axes: tuple[int, ...], axis_name: str | tuple[str, ...] | None) -> Array:
    """The mean as it is rounded, but between the least and the largest cell."""
    mean = jnp.mean(x, axis=axes, keepdims=True)
    least, largest = (jnp.expand_dims(reduced(x, axes), axes) for reduced in (lax.reduce_min, lax.reduce_max))
    if axis_name is not None:
        mean, least, largest = lax.pmean(mean, axis_name), lax.pmin(least, axis_name), lax.pmax(largest, axis_name)
    return lax.max(lax.min(mean, largest), least)
