"""Rules for Fourier transforms along the shifted axis, and for the spectra between a transform and its inverse.

The shift theorem: a shift by t of n cells that repeat multiplies mode k of the spectrum by exp(-2 pi i k t/n). Linear
maps that keep each mode at its index preserve that. For any weights of the modes, the inverse transform then gives a
value that moves: a convolution. A nonlinear function depends on the phase.

The rules of this module are for equations with one spectrum or more among the operands. An invariant operand counts as
a spectrum whose modes are all 0. There are no theorems for spectra in proofs/coq.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from jax.lax import FftType

from jaxconv.verify.domain import (
    CannotProve,
    Factor,
    Motion,
    Moving,
    Plain,
    Spectrum,
    Value,
    bits,
    common_shift,
    fit,
    length_of,
    motion_of,
    renamed,
    scaled,
)
from jaxconv.verify.factors import invariant_axis, join
from jaxconv.verify.modes import Modes, Run, aligned
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules.padded_transforms import convolved
from jaxconv.verify.rules.pointwise import widened

InvariantRule: TypeAlias = Callable[[Equation[Moving]], Sequence[Moving]]

NOT_LINEAR = "depends on the phase, which a shift changes"
TRANSFORM_BACK = "Apply the inverse transform first, or take absolute values"


@rule("fft", takes_broken=True)
def transform(eqn: Equation[Plain]) -> list[Plain | Spectrum]:
    """A transform of a value that moves or is invariant: see `fourier`.

    In the interior, that of a product of transforms is a convolution, although nothing is known of the product: see
    `padded_transforms.py`.
    """
    (operand,) = eqn.inputs
    if isinstance(operand, Moving):
        return [*fourier(eqn.with_inputs([operand]))]
    with suppress(CannotProve):
        return [convolved(eqn)]
    return [operand]


def fourier(eqn: Equation[Moving]) -> list[Moving | Spectrum]:
    """y[k] = sum_j x[j] exp(-2 pi i jk/n) along the last axes; along a moving axis y is a spectrum, mode k at k.

    If the signal turns around c times while the scene does once, a shift multiplies y[k] as it does mode ck.

    The moving axis must show exactly one period of a periodic signal, and no other axis may move. Transformed axes that
    do not move are mixed along themselves. The remaining axes keep their state.

    Example: jnp.fft.rfft(x, axis=1) of x that moves along axis 1 is a spectrum along axis 1.
    Jaxpr: `fft_type`; `fft_lengths` of the transformed axes, which are the last ones. RFFT keeps the modes 0 to n//2 of
    the last axis.
    """
    (value,) = eqn.moving()
    kind, first = eqn.params["fft_type"], len(value.axes) - len(eqn.params["fft_lengths"])
    mixed = (*value.axes[:first], *(invariant_axis(length) for length in eqn.shapes[0][first:]))
    moving = [number for number in value.moving_axes if number >= first]
    if not moving:
        return [renamed(replace(value, axes=mixed), eqn.walk.new_signal())]
    if len(value.moving_axes) > 1:
        raise CannotProve("FFT of a value that moves along several axes")
    (number,) = moving
    motion = value.one_period(number)
    if motion is None or kind == FftType.IRFFT:
        reason = "FFT of a signal that is not one whole period here (the interior model has no wrap-around)"
        cyclic_motion = motion_of(value.axes[number]) if value.cycle is not None else None
        raise CannotProve(reason, "Transform exactly one period", cyclic_motion and cyclic_motion.without_whole_periods)
    turn = motion.turns * (1 if motion.rate > 0 else -1) * (-1 if kind == FftType.IFFT else 1)
    modes = Modes.joined([(0, turn, eqn.shapes[0][number])])
    return [Spectrum(replace(value, axes=mixed, depends=True), number, modes)]


@rule("fft", of=Spectrum)
def inverse(eqn: Equation[Spectrum]) -> list[Moving | Spectrum]:
    """x[j] = sum_k y[k] exp(2 pi i jk/m): if the modes are in FFT order, x moves.

    They are in order if a shift by s multiplies each mode k that is not zero by exp(-2 pi i c k s/cycle), for one c. If
    c s m/cycle is whole, then x moves by that many of its m cells. For a signal, c = 1; for a reversed one, -1; for a
    convolution of two, 2. The least multiple of the shift with both properties is taken. The length m may differ from
    the length that was transformed. The real inverse takes its operand for half of a symmetric spectrum along the last
    axis, and drops what such a spectrum cannot have. Along the other axes, which come first, it is complex.

    Example: jnp.fft.irfft(jnp.fft.rfft(x) * weights) moves as x does, along the last axis.
    Jaxpr: see `fourier`.
    """
    (spectrum,) = eqn.inputs
    kind: FftType = eqn.params["fft_type"]
    first = len(eqn.shapes[0]) - len(eqn.params["fft_lengths"])
    if kind == FftType.RFFT or (kind == FftType.IRFFT and spectrum.axis < first):
        raise CannotProve(f"the real part of a spectrum {NOT_LINEAR}", TRANSFORM_BACK)
    axes = (*spectrum.value.axes[:first], *(invariant_axis(length) for length in eqn.shapes[0][first:]))
    value = replace(spectrum.value, axes=axes)
    if spectrum.axis < first:
        return [replace(spectrum, value=value)]
    cells = eqn.shapes[0][spectrum.axis]
    forward = -1 if kind == FftType.FFT else 1
    multiples = {
        turns: whole_turns(value, [turns * cells, *spectrum.modes.generators(turns)])
        for turns in (forward, -forward, *_turns_of(spectrum.modes, value.cycle or 1))
    }
    turns = min(multiples, key=lambda turns: multiples[turns])
    if 1 < multiples[turns] * value.shift == value.cycle:
        raise CannotProve("the modes are not in FFT order", "Keep each mode at its index")
    rate = Fraction(value.cycle or 1, forward * turns * cells)
    motion = Motion(rate, 0, cells, None, eqn.walk.new_signal(), turns=abs(turns))
    value = scaled(value, multiples[turns])
    return [fit(value.with_axis(spectrum.axis, (Factor(cells, motion=motion),)))]


def whole_turns(value: Moving, modes: Iterable[int]) -> int:
    """The least multiple of a value's shift that multiplies each of `modes` by 1."""
    cycle = value.cycle or 1
    return cycle // math.gcd(cycle, *(mode * value.shift for mode in modes))


def _turns_of(modes: Modes, cycle: int) -> list[int]:
    """The number of turns that the first mode after index 0 shows, if it is whole and not 0; in [-cycle/2, cycle/2)."""
    k = 1
    for mode, _, count in modes[1:].runs:
        if mode is not None:
            break
        k += count
    else:
        return []
    turns = (mode // k + cycle // 2) % cycle - cycle // 2  # c and c + cycle are the same number of turns
    return [turns] if turns and mode % k == 0 else []


def spectra(eqn: Equation[Moving | Spectrum]) -> tuple[list[Spectrum], int]:
    """The operands as spectra along one axis, and that axis.

    An invariant operand has mode 0, which stays as it is, or mode None where its numbers are known to be zero.
    """
    axes = {value.axis for value in eqn.inputs if isinstance(value, Spectrum)}
    if len(axes) > 1:
        raise CannotProve("combines spectra along different axes")
    (axis,) = axes
    values = iter(common_shift([v.value if isinstance(v, Spectrum) else v for v in eqn.inputs]))
    result: list[Spectrum] = []
    for value, moving, known in zip(eqn.inputs, values, eqn.known, strict=True):
        if isinstance(value, Spectrum):
            result.append(replace(value, value=moving))
            continue
        if moving.moving_axes:
            raise CannotProve("combines a spectrum with a value that moves", TRANSFORM_BACK)
        length = length_of(moving.axes[axis]) if moving.axes else 1
        result.append(Spectrum(moving, axis, still_modes(known, axis, length)))
    return result, axis


def is_zero(known: np.ndarray | None) -> bool:
    """Whether an array is known to be +0 everywhere. Along a broadcast axis, one of stride 0, one cell is read."""
    if known is None:
        return False
    return not np.any(bits(known[tuple(slice(0, 1 if step == 0 else None) for step in known.strides)]))


def still_modes(known: np.ndarray | None, axis: int, length: int) -> Modes:
    """The modes of an invariant array along an axis: None where it is known to be zero, of either sign; 0 elsewhere.

    The sign may be ignored, because a sum does not depend on it in exact arithmetic, and products with phases do not
    keep it.
    """
    if known is None:
        return Modes.of([0]) * length
    rows = distinct_rows(known, axis)
    return Modes.of(0 if row.any() else None for row in rows) * (length // max(len(rows), 1))


def distinct_rows(known: np.ndarray, axis: int) -> list[np.ndarray]:
    """The cells at each position along an axis, at one position if it is broadcast."""
    cells = known[tuple(slice(0, 1 if step == 0 else None) for step in known.strides)]
    return list(np.moveaxis(cells, axis, 0)) if cells.ndim else [cells]


def agreeing(value: Moving, axis: int, spectra: Sequence[Modes]) -> Spectrum:
    """The spectrum of a sum, with the rest of its state in `value`: its modes are those of the terms.

    Where more than one term is not zero, their modes must agree for the shifts of the result. Modes a and b agree for
    shifts by s of n cells if (a - b) s is a multiple of n, since exp(-2 pi i a s/n) and exp(-2 pi i b s/n) are equal.

    Example: a constant at mode 4 of 16, as in a flow that is forced periodically, leaves shifts by 4.
    """
    modes: list[Run] = []
    differences: list[int] = []
    for piece, count in aligned(spectra):
        present = [(first, step) for first, step in piece if first is not None]
        first, step = present[0] if present else (None, 0)
        modes.append((first, step, count))
        for other, other_step in present[1:]:
            differences += [other - (first or 0), *[other_step - step] * (count > 1)]
    multiple = whole_turns(value, differences)
    if 1 < multiple * value.shift == value.cycle:
        raise CannotProve("adds modes that rotate at different rates", "Keep each mode at its index")
    return Spectrum(scaled(value, multiple), axis, Modes.joined(modes))


def repeated(spectra: Sequence[Spectrum], length: int) -> list[Modes]:
    """The modes of operands that broadcast to a common length along the spectral axis."""
    if any(len(spectrum.modes) != length and spectrum.modes.rotate for spectrum in spectra):
        raise CannotProve("broadcasts one mode along the spectrum", "Keep each mode at its index")
    return [spectrum.modes * (length // max(len(spectrum.modes), 1)) for spectrum in spectra]


def joined(eqn: Equation[Moving | Spectrum], operands: Sequence[Spectrum]) -> Moving:
    """The invariant part of a value that is computed cell by cell from several operands."""
    (shape,) = eqn.shapes
    return join([widened(operand.value, shape) for operand in operands], eqn.walk.new_signal())


@rule("add", "sub", "add_any", of=Spectrum)
def total(eqn: Equation[Moving | Spectrum]) -> list[Spectrum]:
    """out[k] = x[k] + y[k]: the spectrum of a sum, as in a skip connection, if the modes of x and y agree.

    Jaxpr: see `pointwise.several_operands`.
    """
    operands, axis = spectra(eqn)
    return [agreeing(joined(eqn, operands), axis, repeated(operands, eqn.shapes[0][axis]))]


@rule("select_n", of=Spectrum)
def select(eqn: Equation[Moving | Spectrum]) -> list[Spectrum]:
    """out[k] = cases[predicate[k]][k], for a predicate that does not move, such as a mask of modes.

    The modes of the cases must agree where the predicate may select more than one. A known predicate selects one case
    for each cell.

    Example: jnp.where(jnp.arange(n) == 0, mean, spectrum) replaces mode 0.
    Jaxpr: the predicate, then the cases.
    """
    operands, axis = spectra(eqn)
    if isinstance(eqn.inputs[0], Spectrum):
        raise CannotProve(f"a selection by a spectrum {NOT_LINEAR}", TRANSFORM_BACK)
    length, known = eqn.shapes[0][axis], eqn.known[0]
    candidates = repeated(operands[1:], length)
    if known is not None and known.dtype == bool:
        rows = distinct_rows(known, axis)
        candidates = [_where(modes, [bool(np.any(row == bool(case))) for row in rows])
                      for case, modes in enumerate(candidates)]  # fmt: skip
    return [agreeing(joined(eqn, operands), axis, candidates)]


def _where(modes: Modes, taken: Sequence[bool]) -> Modes:
    """The modes at the positions that are taken, and zeros elsewhere. One entry stands for all positions."""
    if len(taken) == 1:
        return modes if taken[0] else Modes.of([None]) * len(modes)
    return Modes.of(mode if kept else None for mode, kept in zip(modes, taken, strict=True))


@rule("neg", "copy", "name", "stop_gradient", "sign", of=Spectrum)
def one_operand(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """out[k] = f(x[k]) for a function with f(px) = pf(x) for every phase p: the modes do not change.

    Linear functions are such functions, and so is the sign x/|x|, which is 0 for 0.
    """
    return list(eqn.inputs)


@rule("convert_element_type", of=Spectrum)
def convert(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """The same numbers in another dtype. The walk refuses a real dtype, which would drop the imaginary part."""
    return list(eqn.inputs)


@rule("conj", of=Spectrum)
def conjugate(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """out[k] = conj(x[k]): the modes change their sign."""
    (spectrum,) = eqn.inputs
    return [replace(spectrum, modes=spectrum.modes.times(-1))]


@rule("abs", of=Spectrum)
def magnitude(eqn: Equation[Spectrum]) -> list[Moving]:
    """out[k] = |x[k]|, which does not depend on the phase: the result does not move."""
    (spectrum,) = eqn.inputs
    return [renamed(spectrum.value, eqn.walk.new_signal())]


@rule("real", "imag", of=Spectrum)
def component(eqn: Equation[Spectrum]) -> list[Moving]:
    """Real and imaginary parts depend on the phase: always raises CannotProve."""
    raise CannotProve(f"the {eqn.name} part of a spectrum {NOT_LINEAR}", TRANSFORM_BACK)


def staying(eqn: Equation[Value], rule_of: InvariantRule, inputs: Sequence[Moving]) -> Sequence[Moving]:
    """The result of a rule for invariant values, applied to everything but the phases."""
    return rule_of(eqn.with_inputs(inputs))
