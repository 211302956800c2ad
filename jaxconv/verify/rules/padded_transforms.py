"""Convolutions by Fourier transforms in the interior: irfft(rfft(x) * rfft(kernel)), where both are padded with zeros.

A transform depends on the whole signal, border included, so nothing is known of it in the interior. But the inverse
transform of a product of two transforms of one length is the convolution around the circle of that length. Where the
kernel is zero, it reads no cell. So behind a padded kernel, each position reads as many cells as the kernel has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jax.lax import FftType

from jaxconv.jaxprs.registry import Registry
from jaxconv.verify.domain import (
    CannotProve,
    FactoredAxis,
    Moving,
    Value,
    common_shift,
    everywhere,
    fit,
    motion_of,
    scaled,
    with_motions,
)
from jaxconv.verify.factors import invariant_axis, join
from jaxconv.verify.rule_table import Equation
from jaxconv.verify.rules.advancing_rows import by_rows
from jaxconv.verify.rules.pointwise import widened

FORWARD = {FftType.IRFFT: FftType.RFFT, FftType.IFFT: FftType.FFT}
LARGEST = 2**20  # most cells that the positions of a convolution read, all together

# Equations between transforms that keep each mode at its index: by primitive, from the equation, whether it returns the
# complex conjugates of its operand. None if it does something else.
between: Registry[Callable[[Equation[Value]], bool | None]] = Registry()


@between("pad")
def _pads_nothing(eqn: Equation[Value]) -> bool | None:
    return None if any(lo or hi or inside for lo, hi, inside in eqn.params["padding_config"]) else False


@between("convert_element_type", "copy")
def _copies(eqn: Equation[Value]) -> bool | None:
    return False if eqn.shapes == eqn.operand_shapes else None


@between("broadcast_in_dim")
def _adds_major_axes(eqn: Equation[Value]) -> bool | None:
    last = range(len(eqn.shapes[0]) - len(eqn.operand_shapes[0]), len(eqn.shapes[0]))
    return False if tuple(eqn.params["broadcast_dimensions"]) == tuple(last) else None


@between("conj")
def _conjugates(eqn: Equation[Value]) -> bool | None:
    return True


class Transform(NamedTuple):
    """A transform forwards, and whether its complex conjugates are taken."""

    eqn: Equation[Value]
    conjugate: bool


# The factors of a product of spectra, and the transforms, by primitive: from the equation and whether it is conjugated.
ends: Registry[Callable[[Equation[Value], bool], list[Transform]]] = Registry()


@ends("fft")
def _transform(eqn: Equation[Value], conjugate: bool) -> list[Transform]:
    return [Transform(eqn, conjugate)]


@ends("mul")
def _factors(eqn: Equation[Value], conjugate: bool) -> list[Transform]:
    return [transform for operand in (0, 1) for transform in _behind(eqn, operand, conjugate)]


def _behind(eqn: Equation[Value], operand: int, conjugate: bool = False) -> Iterator[Transform]:
    """The transforms of which an operand is the product; none if it is no product of transforms.

    A factor of another kind, or of which nothing is known, raises CannotProve.
    """
    made = eqn.makers(operand)
    while made is not None and made[0].name in between:
        swaps = between[made[0].name](made[0])
        if swaps is None:
            break
        conjugate ^= swaps
        made = made[0].makers(0)
    if made is None or made[0].name not in ends:
        raise CannotProve("it is no product of transforms")
    yield from ends[made[0].name](made[0], conjugate)


def convolved(eqn: Equation[Value]) -> Moving:
    """y[j] = sum_k kernel[k] x[(j - k) mod n], for the inverse transform of a product of the transforms of both.

    If the complex conjugates of the kernel's transform are taken, y[j] = sum_k conj(kernel[k]) x[(j + k) mod n].
    Exactly one factor moves, along one of the transformed axes.

    Raises:
        CannotProve: the operand is no such product, or no position is clear of the border.
    """
    kind, lengths = eqn.params["fft_type"], eqn.params["fft_lengths"]
    if eqn.walk.cycle is not None or kind not in FORWARD:
        raise CannotProve("it is no inverse transform in the interior")
    factors = list(_behind(eqn, 0))
    if any((f.eqn.params["fft_type"], f.eqn.params["fft_lengths"]) != (FORWARD[kind], lengths) for f in factors):
        raise CannotProve("its factors are transforms of another kind or length")
    states = [factor.eqn.inputs[0] for factor in factors]
    values = [state for state in states if isinstance(state, Moving)]
    moving = [n for n, value in enumerate(values) if value.moving_axes]
    if len(values) != 2 or len(factors) != 2 or len(moving) != 1:
        raise CannotProve("it is no product of the transforms of a signal and of a kernel")
    signal, of_kernel = factors[moving[0]], factors[1 - moving[0]]
    if signal.conjugate:
        raise CannotProve("the complex conjugates of a transform belong to the reversed signal")
    shape, count = eqn.shapes[0], len(lengths)
    if any(factor.eqn.operand_shapes[0][-count:] != shape[-count:] for factor in factors):
        raise CannotProve("its factors have other lengths")
    value, weights = common_shift([values[moving[0]], values[1 - moving[0]]])
    number, *others = [n - len(value.axes) for n in value.moving_axes]  # from the last axis, as operands differ in rank
    cells = of_kernel.eqn.weights(0)
    if others or number < -count or motion_of(value.axes[number]) is None or cells is None:
        raise CannotProve("the signal moves along another axis, or nothing is known of the kernel")
    support = np.flatnonzero((cells != 0).any(axis=tuple(n for n in range(cells.ndim) if n != number % cells.ndim)))
    if not support.size or support.size * shape[number] > LARGEST:
        raise CannotProve("the kernel is zero, or too large")
    places = np.arange(shape[number])[:, None] + support * (1 if of_kernel.conjugate else -1)
    value = with_motions(value, lambda motion: motion.without_notes)  # the pad in front of it is no border here
    rows = {number % len(value.axes): places % shape[number]}
    found = by_rows(eqn, value, rows, np.ones(shape[number], bool))
    if found is None:
        raise CannotProve("no position is clear of the border")
    advance, factor = found
    mixed = [invariant_axis(length) for length in shape[-count:]]
    mixed[number] = (factor,)
    uniform = [invariant_axis(length, 1) for length in shape[-count:]]
    moved = _of_rank(scaled(value, advance.numerator), mixed, shape)
    result = fit(join([moved, _of_rank(weights, uniform, shape)], eqn.walk.new_signal()))
    return everywhere(result) if result.depends else result


def _of_rank(value: Moving, last: Sequence[FactoredAxis], shape: tuple[int, ...]) -> Moving:
    """The value with these last axes, broadcast to a shape that may have further first axes."""
    axes = (*value.axes[: -len(last)], *last)
    first = [invariant_axis(1, 1) for _ in range(len(shape) - len(axes))]
    return widened(replace(value, axes=(*first, *axes)), shape)
