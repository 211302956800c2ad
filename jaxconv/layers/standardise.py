"""What all normalisations share: centre cells and divide by their spread, then a scale and a bias for each channel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, NotRequired, TypedDict

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxconv.checks import number
from jaxconv.errors import explain
from jaxconv.layers.arithmetic import at_least_single
from jaxconv.layers.images import Layout, enter_any, read
from jaxconv.layers.operands import array
from jaxconv.layers.params import named


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

    return Entered(entered.astype(at_least_single(x.dtype)), leave_scaled)


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


def checked_epsilon(where: str, epsilon: object) -> float:
    """A positive number."""
    cure = "Leave it out for 1e-5"
    found = number(where, "epsilon", epsilon, cure=cure)
    if not 0 < found < math.inf:
        raise ValueError(explain(where, "epsilon", found, "positive and finite", cure))
    return found


def check_channels(where: str, argument: str, array: Array, x: Array) -> None:
    """Refuse an array that is not one number for each channel of x [n, *spatial, c]."""
    if array.shape != x.shape[-1:]:
        cure = "Make it by the init function for that many channels, or check the layout of x"
        expected = f"{x.shape[-1:]} [c], for x's {x.shape[-1]} channels"
        raise ValueError(explain(where, argument, array.shape, expected, cure))


def along_channels(array: Array, like: Array) -> Array:
    """Numbers [c] so that they meet the last axis of `like`, in its dtype."""
    return jnp.expand_dims(array.astype(like.dtype), tuple(range(like.ndim - 1)))


def moments(x: Array, axes: Sequence[int], axis_name: str | None = None) -> tuple[Array, Array]:
    """Mean and (biased) variance over some axes, which stay with one cell: the mean first, then the mean square of what
    is left. E[x^2] - E[x]^2 in one pass cancels where the mean is large against the spread.

    `axis_name`: a mapped axis (of `jax.vmap` or `jax.shard_map`) to average over as well.
    """
    across = (lambda part: part) if axis_name is None else (lambda part: lax.pmean(part, axis_name))
    mean = across(jnp.mean(x, axis=tuple(axes), keepdims=True))
    return mean, across(jnp.mean(jnp.square(x - mean), axis=tuple(axes), keepdims=True))
