"""Adaptive polyphase sampling: down-sampling that chooses by content where its grid begins, and the way back up."""

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
from jaxconv.errors import explain, spatial_names
from jaxconv.layers.arithmetic import accumulator, checked_norm, power
from jaxconv.layers.images import Layout, check_cells, enter
from jaxconv.layers.operands import array
from jaxconv.lowering.compiled import compiled
from jaxconv.lowering.explicit_sharding import gathered
from jaxconv.lowering.interleave import split_periods
from jaxconv.sizes import UPSAMPLED
from jaxconv.window import window_sizes

MOST_PHASES = 2**10  # along an axis: each has an equation of its own, and takes its time to compile


def polyphase_down(
    x: Shaped[ArrayLike, "n *spatial c"],
    stride: Sequence[int],
    *,
    norm: float = 2,
    phase: Int[ArrayLike, "n d"] | None = None,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> tuple[Shaped[Array, "n *out c"], Int[Array, "n d"]]:
    """Of each example every s-th cell, beginning where the norm of what is kept is largest:

        y[n,i,j,c] = x[n, i*s + p, j*t + q, c],     (p, q) the first with the largest  sum_{i,j,c} |y[n,i,j,c]|^norm.

    A stride that always begins at cell 0 keeps other cells of a shifted image than of the image. Here the grid moves
    with the content. The derivative is that of the cells that are kept; the choice itself has none.

    Law: if one phase's norm is larger than every other's, then for every shift k along an axis,

        polyphase_down(roll(x, k)) == roll(y, (p + k) // s), (p + k) % s,

    exactly: y by whole cells, while x moves by any number. So a global pool behind it does not change with any shift,
    and `polyphase_up` puts all back in place. Where two phases tie the first is taken, whatever the shift, and the law
    fails but for shifts by multiples of s; also where they differ by no more than their sums are rounded. What holds
    for all x is what `jc.certify` proves, shifts by s; that other shifts move y depends on the values of x, and
    `jc.check` shows it.

    Args:
        x: [n, *spatial, c], numbers; see `batched` and `layout`.
        stride: s, t, ..., along each spatial axis, (2, 2) for images, which divide its length; its length is the number
            d of spatial axes.
        norm: the p of the Lp norm that is compared, a positive number.
        phase: [n, d], or [d] without a batch: phases to take instead of choosing, as of another branch of a network
            whose y this one's is added to. From 0 to s - 1; inside `jax.jit`, where its values cannot be checked, one
            that is out of this range counts as 0.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        y: [n, *out, c], of x's dtype.
        phase: [n, d], or [d] without a batch, int32: where each example's grid begins along each spatial axis.

    Raises:
        ValueError: a length that the stride does not divide, shapes that do not fit together, or a phase that is not
            from 0 to s - 1.
        TypeError: the norm is not a number, or the phases are not integers.

    >>> y, phase = polyphase_down(jnp.array([1.0, 5.0, 2.0, 6.0]).reshape(1, 4, 1), (2,))
    >>> y.ravel(), phase
    (Array([5., 6.], dtype=float32), Array([[1]], dtype=int32))

    Source: Chaman and Dokmanic, Truly shift-invariant convolutional neural networks, CVPR 2021.
    """
    stride = _steps("polyphase_down", stride)
    norm = checked_norm("polyphase_down", norm)
    x, leave = enter("polyphase_down", x, len(stride), batched=batched, layout=layout)
    check_cells("polyphase_down", x)
    for name, length, step in zip(spatial_names(len(stride)), x.shape[1:-1], stride, strict=True):
        if length % step:
            found = f"{length} cells long, and the stride there {step}"
            cure = "Pad or crop it: of other lengths a shift around the border has no answer"
            raise ValueError(explain("polyphase_down", f"x along axis {name}", found, "a multiple of it", cure))
    x, back = gathered(x)
    found = _strongest(x, stride, norm) if phase is None else _entered("polyphase_down", phase, x, stride, batched)
    y = reduce(lambda y, number: _taken(y, number, stride[number], _along(found, number)), range(len(stride)), x)
    return leave(back(y)), found if batched else lax.squeeze(found, (0,))


def polyphase_up(
    y: Shaped[ArrayLike, "n *spatial c"],
    phase: Int[ArrayLike, "n d"],
    stride: Sequence[int],
    *,
    batched: bool = True,
    layout: Layout = "channels_last",
) -> Shaped[Array, "n *out c"]:
    """The cells of each example s apart, from its phase on, zeros between:  x[n, i*s + p, j*t + q, c] = y[n,i,j,c].

    The adjoint of `polyphase_down` with the same phases, whose grid it restores.

    Law: where `polyphase_down` keeps its law, `polyphase_up(*polyphase_down(x, s), s)` moves with x, by every shift:
    `up(*down(roll(x, k))) == roll(up(*down(x)), k)`.

    Args:
        y: [n, *spatial, c]; see `batched` and `layout`.
        phase: [n, d], or [d] without a batch, integers from 0 to s - 1: those that `polyphase_down` returns. Inside
            `jax.jit`, where its values cannot be checked, one that is out of this range leaves nothing but zeros.
        stride: s, t, ..., along each spatial axis; its length is the number d of spatial axes.
        batched: as for `conv`.
        layout: as for `conv`.

    Returns:
        [n, *out, c], s times as long along each axis, of y's dtype.

    Raises:
        ValueError: shapes that do not fit together, or a phase that is not from 0 to s - 1.
        TypeError: phases that are not integers.

    >>> polyphase_up(jnp.array([5.0, 6.0]).reshape(1, 2, 1), jnp.array([[1]]), (2,)).ravel()
    Array([0., 5., 0., 6.], dtype=float32)

    Source: Chaman and Dokmanic, Truly shift-equivariant convolutional neural networks with adaptive polyphase
    upsampling, Asilomar 2021.
    """
    stride = _steps("polyphase_up", stride)
    y, leave = enter("polyphase_up", y, len(stride), batched=batched, layout=layout, argument="y")
    lengths = [length * step for length, step in zip(y.shape[1:-1], stride, strict=True)]
    UPSAMPLED.check("polyphase_up", "the result", lengths, y.shape[1:-1], "Use a smaller stride")
    phase = _entered("polyphase_up", phase, y, stride, batched)
    y, back = gathered(y)
    x = reduce(lambda x, number: _spread(x, number, stride[number], _along(phase, number)), range(len(stride)), y)
    return leave(back(x))


def _steps(where: str, stride: Sequence[int]) -> tuple[int, ...]:
    """The stride along each spatial axis."""
    found = window_sizes(where, stride, "stride")
    if max(found) > MOST_PHASES:
        raise ValueError(explain(where, "stride", found, f"at most {MOST_PHASES} along each axis", "Use a smaller one"))
    return found


def _entered(where: str, phase: ArrayLike, x: Array, stride: tuple[int, ...], batched: bool) -> Array:
    """The phases as [n, d]."""
    cure = "Take the phase that polyphase_down returns with this stride"
    phase = array(where, "phase", phase, "an array of integers")
    if not jnp.issubdtype(phase.dtype, jnp.integer):
        raise TypeError(explain(where, "phase", phase.dtype, "integers, as polyphase_down returns them", cure))
    expected = (x.shape[0], x.ndim - 2) if batched else (x.ndim - 2,)
    if phase.shape != expected:
        names = "[n, d], one for each example and spatial axis" if batched else "[d], one for each spatial axis"
        raise ValueError(explain(where, "phase", phase.shape, f"{expected}: {names}", cure))
    if not is_traced(phase) and phase.is_fully_addressable:
        _check_phases(where, jax.device_get(phase), stride, cure)
    return phase if batched else phase[None]


def _check_phases(where: str, phases: np.ndarray, stride: tuple[int, ...], cure: str) -> None:
    """Refuse a phase along some axis that is not one of 0 to s - 1."""
    for name, found, step in zip(spatial_names(len(stride)), np.moveaxis(phases, -1, 0), stride, strict=True):
        wrong = found[(found < 0) | (found >= step)]
        if wrong.size:
            raise ValueError(explain(where, f"phase along axis {name}", wrong.flat[0], f"0 to {step - 1}", cure))


@partial(compiled, static_argnames=("stride", "norm"))
def _strongest(x: Array, stride: tuple[int, ...], norm: float) -> Array:
    """Along each spatial axis where the phase begins that has the largest norm, [n, d]."""
    x = lax.stop_gradient(x)
    x = x.astype(accumulator("polyphase_down", x) if jnp.issubdtype(x.dtype, jnp.inexact) else jnp.float32)
    powers = power(jnp.abs(x) if jnp.iscomplexobj(x) else x, norm)
    for number in reversed(range(len(stride))):  # one by one, as arrays that are split over devices need it
        powers = split_periods(powers, number + 1, stride[number])
    along = (*range(1, 2 * len(stride), 2), 2 * len(stride) + 1)
    strengths = jnp.sum(powers, axis=along)
    first = jnp.argmax(strengths.reshape(x.shape[0], math.prod(stride)), axis=1)
    return jnp.stack(jnp.unravel_index(first, stride), axis=1).astype(jnp.int32)


def _along(phase: Array, number: int) -> Array:
    """The phases of all examples along one axis, [n]."""
    return lax.index_in_dim(phase, number, 1, keepdims=False)


def _here(phase: Array, rank: int, at: int) -> Array:
    """For which examples, [n, 1, ...], a phase is this one."""
    return (phase == at).reshape(phase.shape[0], *[1] * (rank - 1))


@partial(compiled, static_argnames=("number", "step"))
def _taken(x: Array, number: int, step: int, phase: Array) -> Array:
    """Every step-th cell along one spatial axis, beginning at each example's phase."""
    kept = [lax.slice_in_dim(x, at, None, step, axis=number + 1) for at in range(step)]
    return reduce(lambda y, at: jnp.where(_here(phase, x.ndim, at), kept[at], y), range(1, step), kept[0])


@partial(compiled, static_argnames=("number", "step"))
def _spread(y: Array, number: int, step: int, phase: Array) -> Array:
    """Cells that many apart along one spatial axis, beginning at each example's phase."""
    nothing = jnp.zeros((), y.dtype)
    parts = [jnp.where(_here(phase, y.ndim, at), y, nothing) for at in range(step)]
    shape = (*y.shape[: number + 1], step * y.shape[number + 1], *y.shape[number + 2 :])
    return jnp.stack(parts, axis=number + 2).reshape(shape)
