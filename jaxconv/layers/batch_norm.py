"""Batch normalisation, the only layer with a state: the state is an argument and a result."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal, TypedDict

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float

from jaxconv.checks import choice, flag, fraction, shown
from jaxconv.errors import explain, public
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
    """Running mean and variance of each channel, [c], in at least 32 bits. The state is not trained."""

    mean: Array
    var: Array


@public
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
    """Standardises each channel over the batch and all positions, or with running averages of these statistics:

        y[n,i,j,c] = scale[c] (x[n,i,j,c] - mean[c]) / sqrt(var[c] + epsilon) + bias[c]

    In training, `mean` and the biased `var` are the statistics of x[*, *, *, c], and gradients flow through them. The
    returned state is `momentum * state + (1 - momentum) * statistics of x`. In evaluation, `mean` and `var` are those
    of the state, which is returned unchanged.

    Law: in evaluation every shift of x shifts y equally, except at the border. In training this holds for cyclic shifts
    only, which change neither the statistics nor the new state. Each output depends on all cells of the batch. New
    content at the border therefore changes every output, and the law holds on no part of the interior.

    Args:
        params: `{"scale": [c], "bias": [c]}`; both are optional. Their dtype is that of x.
        state: `{"mean": [c], "var": [c]}`, with the dtype of x, or float32 if x has half precision.
        x: [n, *spatial, c], floats, with zero or more spatial axes; see `batched` and `layout`.
        training: whether to use the statistics of x and update the state. A Python bool; under `jax.jit` a static
            argument.
        momentum: the fraction of the old state that is *kept*, as in Flax, Keras and Haiku (there `decay_rate`).
            PyTorch's `momentum` is 1 minus this.
        running_variance: the variance that enters the state: "biased" (divided by the number of cells, as in Flax,
            Haiku and Keras) or "unbiased" (divided by one less, as in PyTorch). In training y does not depend on it.
        epsilon: added to the variance.
        axis_name: axis of `jax.vmap` or `jax.shard_map` over which the batch is split; the statistics are averaged over
            it. A tuple names several axes.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        y [n, *spatial, c], with the dtype of x; and the state. Half precision is computed in float32 and rounded once.

    Raises:
        ValueError: shapes do not match, `momentum` is outside [0, 1], `epsilon` is not positive, x has no cells for the
            statistics (or one, for "unbiased"), or in training `axis_name` is not a mapped axis.
        TypeError: `training` is not a Python bool, x is not floating-point, or the parameters or the state have another
            dtype.

    >>> params, state = init_batch_norm(1)
    >>> y, state = batch_norm(params, state, jnp.array([[1.0], [3.0]]), training=True, momentum=0.5)
    >>> y.round(3).ravel(), state
    (Array([-1.,  1.], dtype=float32), {'mean': Array([1.], dtype=float32), 'var': Array([1.], dtype=float32)})

    Source: Ioffe and Szegedy, Batch normalization, ICML 2015.
    """
    training = flag("training", training)
    momentum, variance_kept = _checked_settings(momentum, running_variance)
    axis_name = _checked_axis_name(axis_name, training)
    x, from_nhwc = enter_norm(params, x, batched=batched, layout=layout)
    epsilon = checked_epsilon(epsilon, x)
    old = _checked_state(state, x)
    if not training:
        centred, variance = x - along_channels(old["mean"], x), along_channels(old["var"], x)
    else:
        axes = range(x.ndim - 1)
        correction = _correction(x, variance_kept, axis_name)
        centred, mean, variance = moments(x, axes, axis_name)
        statistics: BatchNormState = {
            "mean": jnp.squeeze(mean, axes),
            "var": _corrected(jnp.squeeze(variance, axes), correction),
        }
        state = _updated(old, statistics, momentum)
    return from_nhwc(divided(centred, variance, epsilon)), state


@partial(compiled, static_argnames="momentum")
def _updated(old: BatchNormState, statistics: BatchNormState, momentum: float) -> BatchNormState:
    """Interpolates from the statistics to the old state, so that a state that equals the statistics is unchanged."""
    return {
        "mean": statistics["mean"] + momentum * (old["mean"] - statistics["mean"]),
        "var": statistics["var"] + momentum * (old["var"] - statistics["var"]),
    }


@partial(compiled, static_argnames="correction")
def _corrected(variance: Array, correction: float) -> Array:
    """The variance for the state, from the biased variance and `_correction`."""
    return variance * correction


def _checked_settings(momentum: float, running_variance: str) -> tuple[float, str]:
    """Checks `momentum` and `running_variance`."""
    cure = "It is the share kept: for PyTorch's, pass 1 minus it"
    momentum = fraction("momentum", momentum, cure=cure)
    return momentum, choice("running_variance", running_variance, ("biased", "unbiased"))


def _checked_axis_name(axis_name: str | tuple[str, ...] | None, training: bool) -> str | tuple[str, ...] | None:
    """Checks the names of mapped axes. In training the axes must exist."""
    expected = "the axis_name of a jax.vmap or a jax.shard_map around the call, or None"
    cure = 'Write jax.vmap(f, axis_name="batch"), or leave it out if the batch is not split'
    names = axis_name if isinstance(axis_name, tuple) else (axis_name,)
    if axis_name is not None and not (names and all(isinstance(name, str) for name in names)):
        raise TypeError(explain("axis_name", shown(axis_name), expected, cure))
    if axis_name is not None and training:
        try:
            lax.axis_size(axis_name)
        except NameError as error:
            raise ValueError(explain("axis_name", shown(axis_name), expected, cure)) from error
    return axis_name


def _checked_state(state: BatchNormState, x: Array) -> BatchNormState:
    """Checks that the state has a mean and a variance for each channel of x [n, *spatial, c], in the dtype of x."""
    entries = named("state", state, required=("mean", "var"))
    arrays = {name: array(f'state["{name}"]', each, "an array [c]") for name, each in entries.items()}
    for name, each in arrays.items():
        check_channels(f'state["{name}"]', each, x)
        if each.dtype != x.dtype:
            expected = f"{x.dtype}, the dtype of the state for this x"
            cure = "Create it with init_batch_norm for x's dtype"
            raise TypeError(explain(f'state["{name}"]', each.dtype, expected, cure))
    return {"mean": arrays["mean"], "var": arrays["var"]}


def _correction(x: Array, running_variance: str, axis_name: str | tuple[str, ...] | None) -> float:
    """The factor from the biased variance to the variance that enters the state."""
    cells = math.prod(x.shape[:-1]) * (1 if axis_name is None else lax.axis_size(axis_name))
    if cells == 0:
        cure = "Leave the layer out for a batch without cells, or pass training=False"
        raise ValueError(explain("x", x.shape, "1 cell or more of each channel", cure))
    if running_variance == "biased":
        return 1.0
    if cells == 1:
        cure = 'Pass running_variance="biased"'
        raise ValueError(explain("x", x.shape, "2 cells or more of each channel", cure))
    return cells / (cells - 1)


@public
def init_batch_norm(
    channels: int, *, scale: bool = True, bias: bool = True, dtype: DTypeLike | None = None
) -> tuple[NormParams, BatchNormState]:
    """Returns parameters and state for `batch_norm`: scale 1 and bias 0; mean 0 and variance 1; all [c].

    Args:
        channels: c.
        scale: False for a layer without scale.
        bias: False for a layer without bias.
        dtype: dtype of x and the parameters. The default is JAX's: float32, or float64 under `jax_enable_x64`. The
            state is float32 if this is half precision.

    Raises:
        ValueError: `channels` is not positive.
        TypeError: `dtype` is not a floating-point dtype.

    >>> init_batch_norm(1, bias=False, dtype=jnp.bfloat16)
    ({'scale': Array([1], dtype=bfloat16)}, {'mean': Array([0.], dtype=float32), 'var': Array([1.], dtype=float32)})
    """
    params = norm_params(channels, scale=scale, bias=bias, dtype=dtype)
    wide = at_least_float32(real_dtype(dtype))
    return params, {"mean": jnp.zeros(channels, wide), "var": jnp.ones(channels, wide)}
