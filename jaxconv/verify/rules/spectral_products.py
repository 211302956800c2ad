"""Rules that multiply modes of spectra: products, quotients, powers and sums of products.

A shift multiplies a product of modes a and b by the phase of mode a + b. There are no theorems for spectra in
proofs/coq.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jaxconv.verify.domain import CannotProve, Moving, Spectrum, scaled, without_phases
from jaxconv.verify.modes import Modes, Run, aligned, summed
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules import contraction
from jaxconv.verify.rules.spectral import TRANSFORM_BACK, joined, repeated, spectra, staying, whole_turns


@rule("mul", of=Spectrum)
def product(eqn: Equation[Moving | Spectrum]) -> list[Moving | Spectrum]:
    """out[k] = x[k] y[k]: modes times weights, or the spectrum of a convolution of two signals. The modes are added.

    If x and y rotate and the modes of all products are 0, the phases cancel, and the result is invariant.

    Example: rfft(x) * conj(rfft(y)), the spectrum of a correlation, if x and y move together.
    Jaxpr: see `pointwise.several_operands`.
    """
    operands, axis = spectra(eqn)
    modes = repeated(operands, eqn.shapes[0][axis])
    spectrum = Spectrum(joined(eqn, operands), axis, summed(modes))
    if None in spectrum.modes or all(map(without_phases, operands)):
        return [spectrum]
    return [without_phases(spectrum) or spectrum]


@rule("div", of=Spectrum)
def quotient(eqn: Equation[Moving | Spectrum]) -> list[Spectrum]:
    """out[k] = x[k] / y[k]: modes over weights, or over another spectrum. The modes are subtracted.

    A weight may be zero where the mode does not rotate, as for the inverse of a Laplacian: whatever the quotient is, a
    shift does not change it.

    Jaxpr: see `pointwise.several_operands`.
    """
    (lhs, rhs), axis = spectra(eqn)
    lhs_modes, rhs_modes = repeated([lhs, rhs], eqn.shapes[0][axis])
    runs: list[Run] = []
    for ((m, step), (n, other)), count in aligned([lhs_modes, rhs_modes]):
        if n is None and m is not None and any(x % (lhs.value.cycle or 1) for x in (m, step * (count > 1))):
            raise CannotProve("divides by a mode that is zero")
        if m is None:
            runs.append((0 if n is None else None, 0, count))
        else:
            runs.append((m - (n or 0), step - other, count))
    return [Spectrum(joined(eqn, [lhs, rhs]), axis, Modes.joined(runs))]


@rule("square", of=Spectrum)
def square(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """out[k] = x[k]^2: see `power`."""
    return [_power(eqn, 2)]


@rule("integer_pow", of=Spectrum)
def power(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """out[k] = x[k]^y for an integer y: the modes times y, since (p x)^y = p^y x^y for a phase p.

    Jaxpr: `y`.
    """
    return [_power(eqn, eqn.params["y"])]


def _power(eqn: Equation[Spectrum], exponent: int) -> Spectrum:
    """A spectrum to an integer power. Zero to a power that is not positive is a constant."""
    (spectrum,) = eqn.inputs
    modes = spectrum.modes.times(exponent, zero=None if exponent > 0 else 0)
    return replace(spectrum, value=joined(eqn, [spectrum]), modes=modes)


@rule("dot_general", of=Spectrum)
def weighted(eqn: Equation[Moving | Spectrum]) -> list[Moving | Spectrum]:
    """out[b, i, j] = sum_k x[b, i, k] y[b, k, j], where the spectrum is along b, i or j: each mode has its weights.

    If both are spectra along k, all products have to be of mode 0, as those of a spectrum and a conjugate. Then the sum
    is invariant, as in Parseval's theorem.

    Jaxpr: see `contraction.product`.
    """
    numbers: contraction.DimensionNumbers = eqn.params["dimension_numbers"]
    (contract_x, contract_y), (batch_x, batch_y) = numbers
    ranks = [len(shape) for shape in eqn.operand_shapes]
    remaining = [
        [n for n in range(rank) if n not in (*contract, *batch)]
        for rank, contract, batch in zip(ranks, (contract_x, contract_y), (batch_x, batch_y), strict=True)
    ]
    firsts = (len(batch_x), len(batch_x) + len(remaining[0]))
    axes_of = zip(eqn.inputs, (batch_x, batch_y), remaining, (contract_x, contract_y), firsts, strict=True)
    places = {
        _place(operand.axis, batch, others, contracted, first)
        for operand, batch, others, contracted, first in axes_of
        if isinstance(operand, Spectrum)
    }
    if len(places) > 1:
        raise CannotProve("combines spectra along different axes")
    (place,) = places
    values = [operand.value if isinstance(operand, Spectrum) else operand for operand in eqn.inputs]
    if any(value.moving_axes for value in values):
        raise CannotProve("combines a spectrum with a value that moves", TRANSFORM_BACK)
    (value,) = staying(eqn, contraction.product, values)
    rotating = [operand.modes for operand in eqn.inputs if isinstance(operand, Spectrum)]
    modes = summed(rotating)
    if place >= 0:
        return [Spectrum(value, place, modes)]
    multiple = whole_turns(value, modes.generators())
    if 1 < multiple * value.shift == value.cycle:
        raise CannotProve("adds modes that rotate at different rates", "Keep each mode at its index")
    return [scaled(value, multiple)]


def _place(axis: int, batch: Sequence[int], others: Sequence[int], contracted: Sequence[int], first: int) -> int:
    """The axis of the result for one of an operand, whose `others` start at axis `first`; negative if it is summed."""
    if axis in batch:
        return list(batch).index(axis)
    return first + list(others).index(axis) if axis in others else -1 - list(contracted).index(axis)
