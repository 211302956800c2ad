"""Adaptive polyphase sampling: downsampling with a sampling phase that depends on the content, and its adjoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Int, Shaped

from jaxconv.checks import is_traced
from jaxconv.errors import explain, public, spatial_names
from jaxconv.layers.arithmetic import accumulator, checked_norm, power
from jaxconv.layers.images import Layout, check_cells, to_nhwc
from jaxconv.layers.operands import array
from jaxconv.lowering.compiled import compiled
from jaxconv.lowering.explicit_sharding import gathered
from jaxconv.lowering.interleave import split_periods
from jaxconv.sizes import UPSAMPLED
from jaxconv.window import window_sizes

MOST_PHASES = 2**10  # along an axis: each phase is a separate equation and adds compile time


@public
def polyphase_down(
    x: Shaped[ArrayLike, "n *spatial c"],
    stride: Sequence[int],
    *,
    norm: float = 2,
    phase: Int[ArrayLike, "n d"] | None = None,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> tuple[Shaped[Array, "n *out c"], Int[Array, "n d"]]:
    """Keeps every s-th cell of each example, with the phase for which the kept cells have the largest norm:

        y[n,i,j,c] = x[n, i*s + p, j*t + q, c],     (p, q) the first with the largest  sum_{i,j,c} |y[n,i,j,c]|^norm.

    A stride with a fixed phase keeps different cells of an image and of the shifted image. Here the sampling grid moves
    with the content. The derivative is that of the kept cells; the choice of the phase has no derivative.

    Law: if one phase has a larger norm than every other phase, then for every shift k along an axis,

        polyphase_down(roll(x, k)) == roll(y, (p + k) // s), (p + k) % s,

    exactly: y moves by whole cells for every k. A global pool after it is therefore invariant under every shift, and
    `polyphase_up` restores the positions. If two phases tie, or differ by less than the rounding of their sums, the
    first is chosen for every shift. The law then holds only for shifts by multiples of s. `jc.certify` proves only what
    holds for all x: shifts by s. Whether other shifts move y depends on the values of x, as `jc.check` shows.

    Args:
        x: [n, *spatial, c], numbers; see `batched` and `layout`.
        stride: s, t, ..., along each spatial axis, for example (2, 2) for images. Each divides the length of its axis.
            Its length is the number d of spatial axes.
        norm: the p of the Lp norm that is compared, a positive number.
        phase: [n, d], or [d] without a batch axis: phases to use instead of the choice, for example those of another
            branch of a network to whose output y is added. From 0 to s - 1. Inside `jax.jit`, where the values cannot
            be checked, a phase outside this range counts as 0.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        y: [n, *out, c], with the dtype of x.
        phase: [n, d], or [d] without a batch axis, int32: the first kept cell of each example along each spatial axis.

    Raises:
        ValueError: the stride does not divide a length, shapes do not match, or a phase is not from 0 to s - 1.
        TypeError: `norm` is not a number, or `phase` is not an integer array.

    >>> y, phase = polyphase_down(jnp.array([1.0, 5.0, 2.0, 6.0]).reshape(1, 4, 1), (2,))
    >>> y.ravel(), phase
    (Array([5., 6.], dtype=float32), Array([[1]], dtype=int32))

    Source: Chaman and Dokmanic, Truly shift-invariant convolutional neural networks, CVPR 2021.
    """
    stride = _steps(stride)
    norm = checked_norm(norm)
    x, from_nhwc = to_nhwc(x, len(stride), batched=batched, layout=layout)
    check_cells(x)
    for name, length, step in zip(spatial_names(len(stride)), x.shape[1:-1], stride, strict=True):
        if length % step:
            actual = f"{length} cells long, with stride {step}"
            cure = "Pad or crop it, because otherwise cyclic shifts do not permute the phases"
            raise ValueError(explain(f"x along axis {name}", actual, "a multiple of the stride", cure))
    x, back = gathered(x)
    phases = _strongest(x, stride, norm) if phase is None else _checked_phase(phase, x, stride, batched)
    y = reduce(lambda y, number: _taken(y, number, stride[number], _along(phases, number)), range(len(stride)), x)
    return from_nhwc(back(y)), phases if batched else lax.squeeze(phases, (0,))


@public
def polyphase_up(
    y: Shaped[ArrayLike, "n *spatial c"],
    phase: Int[ArrayLike, "n d"],
    stride: Sequence[int],
    *,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *out c"]:
    """Places the cells of each example s apart, starting at its phase, with zeros between:

        x[n, i*s + p, j*t + q, c] = y[n,i,j,c].

    The adjoint of `polyphase_down` with the same phases. It restores the sampling grid.

    Law: if the law of `polyphase_down` holds, `polyphase_up(*polyphase_down(x, s), s)` moves with x for every shift:
    `up(*down(roll(x, k))) == roll(up(*down(x)), k)`.

    Args:
        y: [n, *spatial, c]; see `batched` and `layout`.
        phase: [n, d], or [d] without a batch axis, integers from 0 to s - 1, as `polyphase_down` returns them. Inside
            `jax.jit`, where the values cannot be checked, a phase outside this range gives zeros only.
        stride: s, t, ..., along each spatial axis; its length is the number d of spatial axes.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *out, c], s times as long along each axis, with the dtype of y.

    Raises:
        ValueError: shapes do not match, or a phase is not from 0 to s - 1.
        TypeError: `phase` is not an integer array.

    >>> polyphase_up(jnp.array([5.0, 6.0]).reshape(1, 2, 1), jnp.array([[1]]), (2,)).ravel()
    Array([0., 5., 0., 6.], dtype=float32)

    Source: Chaman and Dokmanic, Truly shift-equivariant convolutional neural networks with adaptive polyphase
    upsampling, Asilomar 2021.
    """
    stride = _steps(stride)
    y, from_nhwc = to_nhwc(y, len(stride), batched=batched, layout=layout, argument="y")
    lengths = [length * step for length, step in zip(y.shape[1:-1], stride, strict=True)]
    UPSAMPLED.check("the result", lengths, y.shape[1:-1], "Use a smaller stride")
    phase = _checked_phase(phase, y, stride, batched)
    y, back = gathered(y)
    x = reduce(lambda x, number: _spread(x, number, stride[number], _along(phase, number)), range(len(stride)), y)
    return from_nhwc(back(x))


def _steps(stride: Sequence[int]) -> tuple[int, ...]:
    """Checks the stride along each spatial axis."""
    steps = window_sizes(stride, "stride")
    if max(steps) > MOST_PHASES:
        raise ValueError(explain("stride", steps, f"at most {MOST_PHASES} along each axis", "Use a smaller one"))
    return steps


def _checked_phase(phase: ArrayLike, x: Array, stride: tuple[int, ...], batched: bool) -> Array:
    """Checks the phases and returns them as [n, d]."""
    cure = "Take the phase that polyphase_down returns with this stride"
    phase = array("phase", phase, "an array of integers")
    if not jnp.issubdtype(phase.dtype, jnp.integer):
        raise TypeError(explain("phase", phase.dtype, "integers, as polyphase_down returns them", cure))
    expected = (x.shape[0], x.ndim - 2) if batched else (x.ndim - 2,)
    if phase.shape != expected:
        names = "[n, d], one for each example and spatial axis" if batched else "[d], one for each spatial axis"
        raise ValueError(explain("phase", phase.shape, f"{expected}: {names}", cure))
    if not is_traced(phase) and phase.is_fully_addressable:
        _check_phases(jax.device_get(phase), stride, cure)
    return phase if batched else phase[None]


def _check_phases(phases: np.ndarray, stride: tuple[int, ...], cure: str) -> None:
    """Refuses a phase outside 0 to s - 1 along an axis."""
    for name, values, step in zip(spatial_names(len(stride)), np.moveaxis(phases, -1, 0), stride, strict=True):
        wrong = values[(values < 0) | (values >= step)]
        if wrong.size:
            raise ValueError(explain(f"phase along axis {name}", wrong.flat[0], f"0 to {step - 1}", cure))


@partial(compiled, static_argnames=("stride", "norm"))
def _strongest(x: Array, stride: tuple[int, ...], norm: float) -> Array:
    """The phase with the largest norm along each spatial axis, [n, d]."""
    x = lax.stop_gradient(x)
    x = x.astype(accumulator(x) if jnp.issubdtype(x.dtype, jnp.inexact) else jnp.float32)
    powers = power(jnp.abs(x) if jnp.iscomplexobj(x) else x, norm)
    for number in reversed(range(len(stride))):  # one axis at a time, as arrays that are split over devices require
        powers = split_periods(powers, number + 1, stride[number])
    along = (*range(1, 2 * len(stride), 2), 2 * len(stride) + 1)
    strengths = jnp.sum(powers, axis=along)
    first = jnp.argmax(strengths.reshape(x.shape[0], math.prod(stride)), axis=1)
    return jnp.stack(jnp.unravel_index(first, stride), axis=1).astype(jnp.int32)


def _along(phase: Array, number: int) -> Array:
    """The phases of all examples along one axis, [n]."""
    return lax.index_in_dim(phase, number, 1, keepdims=False)


def _has_phase(phase: Array, rank: int, value: int) -> Array:
    """Whether the phase of each example, [n, 1, ...], equals `at`."""
    return (phase == value).reshape(phase.shape[0], *[1] * (rank - 1))


@partial(compiled, static_argnames=("number", "step"))
def _taken(x: Array, number: int, step: int, phase: Array) -> Array:
    """Every step-th cell along one spatial axis, from the phase of each example on."""
    candidates = [lax.slice_in_dim(x, p, None, step, axis=number + 1) for p in range(step)]
    return reduce(lambda y, p: jnp.where(_has_phase(phase, x.ndim, p), candidates[p], y), range(1, step), candidates[0])


@partial(compiled, static_argnames=("number", "step"))
def _spread(y: Array, number: int, step: int, phase: Array) -> Array:
    """Places cells `step` apart along one spatial axis, from the phase of each example on, with zeros between."""
    zero = jnp.zeros((), y.dtype)
    parts = [jnp.where(_has_phase(phase, y.ndim, p), y, zero) for p in range(step)]
    shape = (*y.shape[: number + 1], step * y.shape[number + 1], *y.shape[number + 2 :])
    return jnp.stack(parts, axis=number + 2).reshape(shape)
