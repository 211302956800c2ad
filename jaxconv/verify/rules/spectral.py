"""Rules for Fourier transforms along the shifted axis, and for the spectra between a transform and its inverse.

A shift by t of n cells that repeat multiplies mode k of the spectrum by exp(-2 pi i k t/n): the shift theorem. Linear
maps that leave each mode in its place keep that, and whatever weights the modes have, transforming back gives a value
that moves: a convolution. What is nonlinear sees the phase. Rules of this file are for operands of which one or more
are spectra; an operand that stays is one, too, whose modes are all 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from jax.lax import FftType

from jaxconv.verify.domain import (
    CannotProve,
    Factor,
    Motion,
    Moving,
    Spectrum,
    bits,
    common_shift,
    fit,
    length_of,
    motion_of,
    renamed,
    scaled,
)
from jaxconv.verify.factors import invariant_axis, join
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules import contraction
from jaxconv.verify.rules.pointwise import widened

Modes = tuple[int | None, ...]

NOT_LINEAR = "sees the phase by which a spectrum turns under a shift"
TRANSFORM_BACK = "Transform back first, or take absolute values"


@rule("fft")
def fourier(eqn: Equation) -> list[Moving | Spectrum]:
    """y[k] = sum_j x[j] exp(-2 pi i jk/n) along the last axes. Along a moving axis: a spectrum, mode k at position k.

    Only of exactly one period of a signal that repeats; the other axes are mixed along themselves, or stay as they are.
    Jaxpr: `fft_type`, `fft_lengths` of the transformed axes, the last ones. RFFT keeps the modes 0 to n//2 of the last.
    """
    (value,) = eqn.moving()
    kind, first = eqn.params["fft_type"], len(value.axes) - len(eqn.params["fft_lengths"])
    mixed = (*value.axes[:first], *(invariant_axis(length) for length in eqn.shapes[0][first:]))
    moved = [number for number in value.moving_axes if number >= first]
    if not moved:
        return [renamed(replace(value, axes=mixed), eqn.walk.new_signal())]
    if len(value.moving_axes) > 1:
        raise CannotProve("a Fourier transform of a value that moves along several axes")
    (number,) = moved
    motion = value.one_period(number)
    if motion is None or kind == FftType.IRFFT:
        reason = "a Fourier transform of something else than one period of a signal that repeats"
        other = motion_of(value.axes[number]) if value.cycle is not None else None
        raise CannotProve(reason, "Transform one whole period of it", other and (other.lost or other.edge))
    turn = (1 if motion.rate > 0 else -1) * (-1 if kind == FftType.IFFT else 1)
    modes = tuple(turn * k for k in range(eqn.shapes[0][number]))
    return [Spectrum(replace(value, axes=mixed, depends=True), number, modes)]


@rule("fft", of=Spectrum)
def inverse(eqn: Equation) -> list[Moving | Spectrum]:
    """x[j] = sum_k y[k] exp(2 pi i jk/m): where the modes stand in order it moves by u cells, u/m of its circle.

    That is: exp(-2 pi i modes[k] shift/cycle) must be exp(-2 pi i k u/m) for each k that is not zero. m need not be the
    length that was transformed. The real inverse takes its operand for half of a symmetric spectrum along the last axis
    and drops what cannot be; along the other axes it is complex, and they come first.
    """
    (spectrum,) = eqn.inputs
    kind, lengths, rank = eqn.params["fft_type"], eqn.params["fft_lengths"], len(eqn.shapes[0])
    first = rank - len(lengths)
    if kind == FftType.RFFT or (kind == FftType.IRFFT and spectrum.axis < first):
        raise CannotProve(f"the real part of a spectrum {NOT_LINEAR}", TRANSFORM_BACK)
    axes = (*spectrum.value.axes[:first], *(invariant_axis(length) for length in eqn.shapes[0][first:]))
    value = replace(spectrum.value, axes=axes)
    if spectrum.axis < first:
        return [replace(spectrum, value=value)]
    cells = eqn.shapes[0][spectrum.axis]
    for turn in (1, -1):
        steps = Fraction(turn * cells * value.shift, value.cycle)
        value = scaled(value, steps.denominator)
        steps *= steps.denominator
        forward = -1 if kind == FftType.FFT else 1
        if _in_order(spectrum.modes, Fraction(value.shift, value.cycle), forward * steps / cells):
            motion = Motion(value.shift / steps, 0, cells, None, eqn.walk.new_signal())
            return [fit(value.with_axis(spectrum.axis, (Factor(cells, motion=motion),)))]
    raise CannotProve("transforms back a spectrum whose modes do not stand in order", "Keep each mode in its place")


def _in_order(modes: Modes, turn: Fraction, step: Fraction) -> bool:
    """Whether modes[k] turns of `turn` are k turns of `step`, whole turns apart, for each k that is not zero."""
    return all(mode is None or (mode * turn - k * step).denominator == 1 for k, mode in enumerate(modes))


def spectra(eqn: Equation) -> tuple[list[Spectrum], int]:
    """The operands as spectra along one axis, and that axis; zeros turn by any angle, what stays by none."""
    axes = {value.axis for value in eqn.inputs if isinstance(value, Spectrum)}
    if len(axes) > 1:
        raise CannotProve("joins spectra along different axes")
    (axis,) = axes
    moved = iter(common_shift([v.value if isinstance(v, Spectrum) else v for v in eqn.inputs]))
    found = []
    for value, other, known in zip(eqn.inputs, moved, eqn.known, strict=True):
        if isinstance(value, Spectrum):
            found.append(replace(value, value=other))
            continue
        if other.moving_axes:
            raise CannotProve("joins a spectrum with a value that moves", TRANSFORM_BACK)
        wide = length_of(other.axes[axis]) if other.axes else 1
        modes: Modes = (None if is_zero(known) else 0,) * wide
        found.append(Spectrum(other, axis, modes))
    return found, axis


def is_zero(known: np.ndarray | None) -> bool:
    """Whether an array is known to be +0 everywhere; one cell is looked at where it is a number spread out."""
    if known is None:
        return False
    return not np.any(bits(known[tuple(slice(0, 1 if step == 0 else None) for step in known.strides)]))


def agreeing(spectra: Sequence[Modes], cycle: int | None) -> Modes:
    """The modes of a sum: those of its terms, which must agree where none of them is zero."""
    modes = []
    for together in zip(*spectra, strict=True):
        some = {mode % (cycle or 1) for mode in together if mode is not None}
        if len(some) > 1:
            raise CannotProve("adds up modes that turn at different rates", "Keep each mode in its place")
        modes.append(next((mode for mode in together if mode is not None), None))
    return tuple(modes)


def repeated(spectra: Sequence[Spectrum], length: int) -> list[Modes]:
    """The modes of operands of one shape, of which some may have one cell or be a number."""
    if any(len(one.modes) != length and any(one.modes) for one in spectra):
        raise CannotProve("one mode is repeated along the spectrum", "Keep each mode in its place")
    return [one.modes * (length // max(len(one.modes), 1)) for one in spectra]


def pointwise(eqn: Equation, operands: Sequence[Spectrum], modes: Modes) -> list[Spectrum]:
    """A spectrum of those modes that was made of several, cell by cell."""
    (shape,) = eqn.shapes
    values = [widened(one.value, shape) for one in operands]
    return [Spectrum(join(values, eqn.walk.new_signal()), operands[0].axis, modes)]


@rule("add", "sub", "add_any", of=Spectrum)
def total(eqn: Equation) -> list[Spectrum]:
    """A sum of spectra turns as they do if each mode of one turns as that of the other: of two layers, a skip."""
    operands, axis = spectra(eqn)
    modes = agreeing(repeated(operands, eqn.shapes[0][axis]), operands[0].value.cycle)
    return pointwise(eqn, operands, modes)


@rule("select_n", of=Spectrum)
def select(eqn: Equation) -> list[Spectrum]:
    """Cells of one spectrum or of another, as a predicate says that stays: a mask of modes."""
    operands, axis = spectra(eqn)
    which, *cases = operands
    if isinstance(eqn.inputs[0], Spectrum):
        raise CannotProve(f"a choice {NOT_LINEAR}", TRANSFORM_BACK)
    modes = agreeing(repeated(cases, eqn.shapes[0][axis]), which.value.cycle)
    return pointwise(eqn, [*cases, which], modes)


@rule("mul", of=Spectrum)
def product(eqn: Equation) -> list[Spectrum]:
    """Modes times weights, or times the modes of another spectrum (a convolution of the two): the turns add up."""
    operands, axis = spectra(eqn)
    modes = repeated(operands, eqn.shapes[0][axis])
    return pointwise(eqn, operands, tuple(_sum(pair) for pair in zip(*modes, strict=True)))


def _sum(modes: Sequence[int | None]) -> int | None:
    """How a product of modes turns; zero times anything is zero."""
    return None if None in modes else sum(mode for mode in modes if mode is not None)


@rule("div", of=Spectrum)
def quotient(eqn: Equation) -> list[Spectrum]:
    """Modes over weights, or over those of another spectrum: the turns are subtracted."""
    (above, below), axis = spectra(eqn)
    one, other = repeated([above, below], eqn.shapes[0][axis])
    if None in other:
        raise CannotProve("divides by zero")
    modes = tuple(_sum((m, None if n is None else -n)) for m, n in zip(one, other, strict=True))
    return pointwise(eqn, [above, below], modes)


@rule("neg", "copy", "name", "stop_gradient", of=Spectrum)
def one_operand(eqn: Equation) -> list[Spectrum]:
    """A linear function of each cell: it turns as it did."""
    return list(eqn.inputs)


@rule("convert_element_type", of=Spectrum)
def convert(eqn: Equation) -> list[Spectrum]:
    """The same numbers in another dtype. (The walk refuses a real one, which would drop the imaginary part.)"""
    return list(eqn.inputs)


@rule("conj", of=Spectrum)
def conjugate(eqn: Equation) -> list[Spectrum]:
    """conj(y) turns the other way."""
    (spectrum,) = eqn.inputs
    return [replace(spectrum, modes=tuple(None if mode is None else -mode for mode in spectrum.modes))]


@rule("abs", of=Spectrum)
def magnitude(eqn: Equation) -> list[Moving]:
    """|y|: turning does not change it, so it stays."""
    (spectrum,) = eqn.inputs
    return [renamed(spectrum.value, eqn.walk.new_signal())]


@rule("real", "imag", of=Spectrum)
def component(eqn: Equation) -> list[Moving]:
    """Real and imaginary parts change as their number turns."""
    raise CannotProve(f"the {eqn.name} part of a spectrum {NOT_LINEAR}", TRANSFORM_BACK)


@rule("dot_general", of=Spectrum)
def weighted(eqn: Equation) -> list[Spectrum]:
    """out[b, i, j] = sum_k x[b, i, k] y[b, k, j], the spectrum along b, i or j: each mode has its weights.

    Jaxpr: see `contraction`.
    """
    (contract_x, contract_y), (batch_x, batch_y) = eqn.params["dimension_numbers"]
    ranks = [len(shape) for shape in eqn.operand_shapes]
    rest = [
        [n for n in range(rank) if n not in (*contract, *batch)]
        for rank, contract, batch in zip(ranks, (contract_x, contract_y), (batch_x, batch_y), strict=True)
    ]
    turning = [one for one in eqn.inputs if isinstance(one, Spectrum)]
    places: list[int] = []
    for one, batch, mine, before in zip(
        eqn.inputs, (batch_x, batch_y), rest, (len(batch_x), len(batch_x) + len(rest[0])), strict=True
    ):
        if not isinstance(one, Spectrum):
            continue
        if one.axis in batch:
            places.append(batch.index(one.axis))
        elif one.axis in mine:
            places.append(before + mine.index(one.axis))
        else:
            raise CannotProve("adds up modes that turn at different rates", "Keep each mode in its place")
    if len(set(places)) > 1:
        raise CannotProve("joins spectra along different axes")
    values = [one.value if isinstance(one, Spectrum) else one for one in eqn.inputs]
    if any(value.moving_axes for value in values):
        raise CannotProve("joins a spectrum with a value that moves", TRANSFORM_BACK)
    (value,) = staying(eqn, contraction.product, values)
    modes = tuple(_sum(together) for together in zip(*(one.modes for one in turning), strict=True))
    return [Spectrum(value, places[0], modes)]


def staying(eqn: Equation, rule_of: Any, inputs: Sequence[Any]) -> list[Moving]:
    """What the rule for values that stay says of all but the turning."""
    return rule_of(replace(eqn, inputs=list(inputs)))
