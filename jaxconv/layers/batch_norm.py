"""Batch normalisation: the one layer with a state, which is passed in and handed back."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal, TypedDict

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float

from jaxconv.checks import choice, flag, number, shown
from jaxconv.errors import explain
from jaxconv.layers.arithmetic import at_least_float32
from jaxconv.layers.images import Layout
from jaxconv.layers.norm import norm_params
from jaxconv.layers.norm_common import (
    NormParams,
    along_channels,
    check_channels,
    checked_epsilon,
    divided,
    enter_norm,
    moments,
)
from jaxconv.layers.operands import array, real_dtype
from jaxconv.layers.params import named
from jaxconv.lowering.compiled import compiled


class BatchNormState(TypedDict):
    """Running mean and variance of each channel, [c], in 32 bits at least. Not trained: keep it out of the gradient."""

    mean: Array
    var: Array


def batch_norm(
    params: NormParams,
    state: BatchNormState,
    x: Float[ArrayLike, "n *spatial c"],
    *,
    training: bool,
    momentum: float = 0.99,
    running_variance: Literal["biased", "unbiased"] = "biased",
    epsilon: float = 1e-5,
    axis_name: str | tuple[str, ...] | None = None,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> tuple[Float[Array, "n *spatial c"], BatchNormState]:
    """Standardise each channel over the batch and all positions, or by running averages of what that came to:

        y[n,i,j,c] = scale[c] (x[n,i,j,c] - mean[c]) / sqrt(var[c] + epsilon) + bias[c]

    In training mean and (biased) variance are those of x[*, *, *, c], gradients flow through them, and the state that
    is returned is `momentum * state + (1 - momentum) * statistics of x`. In evaluation they are the state's, which is
    returned as it came.

    Law: in evaluation every shift of x is the same shift of y, up to the border. In training cyclic shifts are, which
    leave statistics and new state as they are; but each cell of y sees all cells of the batch, so that new content at
    the border changes every one of them: no part of the interior keeps the law.

    Args:
        params: `{"scale": [c], "bias": [c]}`; one or both may be left out. Their dtype is x's.
        state: `{"mean": [c], "var": [c]}`, of x's dtype, or float32 if x is of half precision.
        x: [n, *spatial, c], floats, with any number of spatial axes, none among them; see `batched` and `layout`.
        training: whether to use and take in the statistics of x. A Python bool: under `jax.jit` a static argument.
        momentum: the share of the old state that is *kept*, as in Flax, Keras and Haiku (there `decay_rate`).
            PyTorch's `momentum` is the share taken, 1 - this.
        running_variance: which variance of x the state takes in: "biased" (over the number of cells, as Flax, Haiku,
            Keras have it) or "unbiased" (over one less, as PyTorch has it). y never depends on it in training.
        epsilon: added to the variance.
        axis_name: of `jax.vmap` or `jax.shard_map`, over which the batch is split; its parts are averaged over. A tuple
            names several axes.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        y [n, *spatial, c], of x's dtype, and the state. Half precision is computed in float32 and rounded at the end.

    Raises:
        ValueError: shapes that do not fit together, a `momentum` outside [0, 1], an `epsilon` that is not positive, no
            cells to take the statistics of, or in training an `axis_name` of no mapped axis.
        TypeError: `training` is no Python bool, x is not of floats, or the parameters or the state are of the wrong
            dtype.

    >>> params, state = init_batch_norm(1)
    >>> y, state = batch_norm(params, state, jnp.array([[1.0], [3.0]]), training=True, momentum=0.5)
    >>> y.round(3).ravel(), state
    (Array([-1.,  1.], dtype=float32), {'mean': Array([1.], dtype=float32), 'var': Array([1.], dtype=float32)})

    Source: Ioffe and Szegedy, Batch normalization, ICML 2015.
    """
    where = "batch_norm"
    training = flag(where, "training", training)
    momentum, variance_kept = _checked_settings(momentum, running_variance)
    axis_name = _checked_axis_name(axis_name, training)
    x, leave = enter_norm(where, params, x, batched=batched, layout=layout)
    epsilon = checked_epsilon(where, epsilon, x)
    kept = _checked_state(state, x)
    if not training:
        centred, variance = x - along_channels(kept["mean"], x), along_channels(kept["var"], x)
    else:
        axes = range(x.ndim - 1)
        correction = _correction(x, variance_kept, axis_name)
        centred, mean, variance = moments(x, axes, axis_name)
        taken: BatchNormState = {
            "mean": jnp.squeeze(mean, axes),
            "var": _corrected(jnp.squeeze(variance, axes), correction),
        }
        state = _updated(kept, taken, momentum)
    return leave(divided(centred, variance, epsilon)), state


@partial(compiled, static_argnames="momentum")
def _updated(kept: BatchNormState, taken: BatchNormState, momentum: float) -> BatchNormState:
    """The old state enters by what it differs from the new, so that a state that is right stays as it is."""
    return {
        "mean": taken["mean"] + momentum * (kept["mean"] - taken["mean"]),
        "var": taken["var"] + momentum * (kept["var"] - taken["var"]),
    }


@partial(compiled, static_argnames="correction")
def _corrected(variance: Array, correction: float) -> Array:
    """The variance that the state takes in."""
    return variance * correction


def _checked_settings(momentum: float, running_variance: str) -> tuple[float, str]:
    """How a state takes in the statistics of x."""
    cure = "It is the share kept: for PyTorch's, pass 1 minus it"
    momentum = number("batch_norm", "momentum", momentum, cure=cure)
    if not 0 <= momentum <= 1:
        raise ValueError(explain("batch_norm", "momentum", momentum, "between 0 and 1", cure))
    return momentum, choice("batch_norm", "running_variance", running_variance, ("biased", "unbiased"))


def _checked_axis_name(axis_name: str | tuple[str, ...] | None, training: bool) -> str | tuple[str, ...] | None:
    """The name of one or several mapped axes; in training they have to be there."""
    expected = "the axis_name of a jax.vmap or a jax.shard_map around the call, or None"
    cure = 'Write jax.vmap(f, axis_name="batch"), or leave it out where the batch is in one piece'
    names = axis_name if isinstance(axis_name, tuple) else (axis_name,)
    if axis_name is not None and not (names and all(isinstance(name, str) for name in names)):
        raise TypeError(explain("batch_norm", "axis_name", shown(axis_name), expected, cure))
    if axis_name is not None and training:
        try:
            lax.axis_size(axis_name)
        except NameError as error:
            raise ValueError(explain("batch_norm", "axis_name", shown(axis_name), expected, cure)) from error
    return axis_name


def _checked_state(state: BatchNormState, x: Array) -> BatchNormState:
    """A mean and a variance for each channel of x [n, *spatial, c], in x's dtype."""
    where = "batch_norm"
    given = named(where, "state", state, required=("mean", "var"))
    found = {name: array(where, f'state["{name}"]', each, "an array [c]") for name, each in given.items()}
    for name, each in found.items():
        check_channels(where, f'state["{name}"]', each, x)
        if each.dtype != x.dtype:
            expected = f"{x.dtype}, in which statistics of such an x are kept"
            cure = "Make it by init_batch_norm for x's dtype"
            raise TypeError(explain(where, f'state["{name}"]', each.dtype, expected, cure))
    return {"mean": found["mean"], "var": found["var"]}


def _correction(x: Array, running_variance: str, axis_name: str | tuple[str, ...] | None) -> float:
    """What to multiply the biased variance by before the state takes it in."""
    cells = math.prod(x.shape[:-1]) * (1 if axis_name is None else lax.axis_size(axis_name))
    if cells == 0:
        cure = "Leave the layer out for a batch without cells, or pass training=False"
        raise ValueError(explain("batch_norm", "x", x.shape, "1 cell or more of each channel", cure))
    if running_variance == "biased":
        return 1.0
    if cells == 1:
        cure = 'Pass running_variance="biased"'
        raise ValueError(explain("batch_norm", "x", x.shape, "2 cells or more of each channel", cure))
    return cells / (cells - 1)


def init_batch_norm(
    channels: int, *, scale: bool = True, bias: bool = True, dtype: DTypeLike | None = None
) -> tuple[NormParams, BatchNormState]:
    """Parameters and state for `batch_norm`: scales of 1 and biases of 0; means of 0 and variances of 1; all [c].

    Args:
        channels: c.
        scale: False for a layer without one.
        bias: likewise.
        dtype: of x and the parameters. By default JAX's: float32, or float64 under `jax_enable_x64`. The state is in
            float32 if that is of half precision.

    Raises:
        ValueError: a number of channels that is not positive.

    >>> init_batch_norm(1, bias=False, dtype=jnp.bfloat16)
    ({'scale': Array([1], dtype=bfloat16)}, {'mean': Array([0.], dtype=float32), 'var': Array([1.], dtype=float32)})
    """
    params = norm_params("init_batch_norm", channels, scale=scale, bias=bias, dtype=dtype)
    wide = at_least_float32(real_dtype("init_batch_norm", dtype))
    return params, {"mean": jnp.zeros(channels, wide), "var": jnp.ones(channels, wide)}
