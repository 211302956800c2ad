"""Functions shared by all normalisations: centring, division by the spread, and a scale and bias for each channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, NotRequired, TypedDict

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxconv.checks import positive_number, shown
from jaxconv.errors import explain
from jaxconv.layers.arithmetic import at_least_float32
from jaxconv.layers.images import Layout, enter_any, read
from jaxconv.layers.operands import array
from jaxconv.layers.params import named
from jaxconv.lowering.compiled import compiled


class NormParams(TypedDict):
    """A scale and a bias for each channel, [c]. A missing scale means 1, a missing bias means 0."""

    scale: NotRequired[Array]
    bias: NotRequired[Array]


class Entered(NamedTuple):
    """An input in the dtype of the statistics, and the function that finishes the layer.

    `x` is [n, *spatial, c] in at least 32 bits. `from_nhwc` applies scale and bias to a standardised x, and restores
    the caller's layout and dtype.
    """

    x: Array
    from_nhwc: Callable[[Array], Array]


def enter_norm(params: NormParams, x: ArrayLike, *, batched: bool, layout: Layout, spatial: int = 0) -> Entered:
    """Checks the input of a normalisation and its parameters. `spatial` is the minimum number of spatial axes."""
    x, batched = read(x, batched)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(explain("x", x.dtype, "real floating-point numbers", "Cast it: x.astype(jnp.float32)"))
    entered, from_nhwc = enter_any(x, batched=batched, layout=layout, least=spatial)
    affine = _unpack(params, entered)

    def scale_and_restore(y: Array) -> Array:
        """Applies scale and bias, and rounds once, at the end."""
        if "scale" in affine:
            y = y * along_channels(affine["scale"], y)
        if "bias" in affine:
            y = y + along_channels(affine["bias"], y)
        return from_nhwc(y.astype(x.dtype))

    return Entered(entered.astype(at_least_float32(x.dtype)), scale_and_restore)


def _unpack(params: NormParams, x: Array) -> dict[str, Array]:
    """Returns the scale and the bias that are present, checked against x [n, *spatial, c]."""
    entries = named("params", params, optional=("scale", "bias"))
    arrays = {name: array(name, each, "an array [c]") for name, each in entries.items()}
    for name, each in arrays.items():
        check_channels(name, each, x)
        if each.dtype != x.dtype:
            cure = f"Cast one of them, {name}.astype(x.dtype) for example"
            raise TypeError(explain(name, each.dtype, f"{x.dtype}, as x is", cure))
    return arrays


def checked_epsilon(epsilon: object, x: Array) -> float:
    """Returns a positive number that is a normal number in the dtype of x: not 0, infinite or denormal.

    Processors may treat denormal numbers as 0. The result is a float, because a large integer could overflow the dtype.
    """
    cure = "Leave it out for 1e-5"
    value, limits = positive_number("epsilon", epsilon, cure=cure), jnp.finfo(x.dtype)
    smallest, largest = float(limits.tiny), float(limits.max)
    if not smallest <= value <= largest:
        expected = f"from {smallest:.3g} to {largest:.3g}, which {x.dtype} holds"
        raise ValueError(explain("epsilon", shown(value), expected, cure))
    return float(value)


def check_channels(argument: str, array: Array, x: Array) -> None:
    """Refuses an array that does not have one number for each channel of x [n, *spatial, c]."""
    if array.shape != x.shape[-1:]:
        cure = "Create it with the init function for that many channels, or check the layout of x"
        expected = f"{x.shape[-1:]} [c], for x's {x.shape[-1]} channels"
        raise ValueError(explain(argument, array.shape, expected, cure))


def along_channels(array: Array, like: Array) -> Array:
    """Returns numbers [c] in the dtype of `like`, with axes added so that they broadcast along its last axis."""
    return jnp.expand_dims(array.astype(like.dtype), tuple(range(like.ndim - 1)))


class Moments(NamedTuple):
    """`centred` is x - mean without the rounding of the mean; `mean` and `variance` keep reduced axes of length 1."""

    centred: Array
    mean: Array
    variance: Array


@partial(compiled, static_argnames=("axes", "axis_name"))
def moments(x: Array, axes: Sequence[int], axis_name: str | tuple[str, ...] | None = None) -> Moments:
    """Returns the centred cells, the mean and the biased variance over some axes. With p a rounded mean,

        r = x - p,  d = mean(r),  centred = r - d,  mean = p + d,  variance = mean(r^2) - d^2.

    A computed mean of n numbers is wrong in several of its last digits, which matters if the mean is large compared
    with the spread. The residual r loses no digits. Its mean d is the error of p, and is small enough that the
    variance does not cancel, unlike E[x^2] - E[x]^2. A mean lies between the smallest and the largest cell;
    p is clipped to that range, so that r and all results are exactly 0 if the cells are equal. The results depend on p
    only through rounding, so their derivatives do not depend on it.

    Law: every reduction is over all positions of `axes`, so moments do not change when x is rolled along one of them.
    (A pivot that is one of the cells, for example the first, would depend on the position.)

    Args:
        x: in at least 32 bits.
        axes: axes to reduce.
        axis_name: mapped axis (of `jax.vmap` or `jax.shard_map`) to reduce as well.

    Source: Chan, Golub and LeVeque, Algorithms for computing the sample variance, The American Statistician 37 (1983),
    on shifting data by an approximate mean and on correcting the two-pass algorithm.
    """
    pivot = _pivot(lax.stop_gradient(x), tuple(axes), axis_name)
    residual = x - pivot
    mean = lambda part: jnp.mean(part, axis=tuple(axes), keepdims=True)
    offset, square = mean(residual), mean(jnp.square(residual))
    if axis_name is not None:
        offset, square = lax.pmean((offset, square), axis_name)
    variance = lax.max(square - jnp.square(offset), jnp.zeros_like(square))  # rounding may give a negative number
    return Moments(residual - offset, pivot + offset, variance)


@partial(compiled, static_argnames="epsilon")
def divided(x: Array, square: Array, epsilon: float) -> Array:
    """x / sqrt(square + epsilon)."""
    return x * lax.rsqrt(square + epsilon)


def _pivot(x: Array, axes: tuple[int, ...], axis_name: str | tuple[str, ...] | None) -> Array:
    """The mean as computed, clipped to the range from the smallest to the largest cell."""
    mean = jnp.mean(x, axis=axes, keepdims=True)
    least, largest = (jnp.expand_dims(reduced(x, axes), axes) for reduced in (lax.reduce_min, lax.reduce_max))
    if axis_name is not None:
        mean, least, largest = lax.pmean(mean, axis_name), lax.pmin(least, axis_name), lax.pmax(largest, axis_name)
    return lax.max(lax.min(mean, largest), least)
