"""Rules that add modes of spectra: sums along other axes.

A sum of numbers that a shift multiplies by one and the same phase is multiplied by that phase. The rules of `reduction`
give the invariant part of a value. There are no theorems for spectra in proofs/coq.
"""

from __future__ import annotations

from dataclasses import replace

from jaxconv.verify.domain import CannotProve, Spectrum
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules import reduction
from jaxconv.verify.rules.spectral import staying


@rule("reduce_sum", of=Spectrum)
def sum_(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """out[k] = sum_c y[k, c]: a sum over axes other than the spectral one, such as channels.

    All terms of out[k] have the phase of mode k, so sum_c p[k] y[k, c] = p[k] out[k].

    Example: rfft(x, axis=1).sum(2) is the spectrum of x.sum(2).
    Jaxpr: see `reduction.reduction`.
    """
    (spectrum,) = eqn.inputs
    axes: tuple[int, ...] = eqn.params["axes"]
    if spectrum.axis in axes:
        raise CannotProve("adds modes that rotate at different rates", "Keep each mode at its index")
    (value,) = staying(eqn, reduction.reduction, [spectrum.value])
    axis = spectrum.axis - sum(number < spectrum.axis for number in axes)
    return [replace(spectrum, value=value, axis=axis)]


@rule("cumsum", of=Spectrum)
def cumulative_sum(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """out[k, c] = sum over b <= c of y[k, b]: along an axis other than the spectral one. See `sum_`.

    Jaxpr: see `reduction.cumulative`.
    """
    (spectrum,) = eqn.inputs
    if spectrum.axis == eqn.params["axis"] % len(eqn.shapes[0]):
        raise CannotProve("adds modes that rotate at different rates", "Keep each mode at its index")
    (value,) = staying(eqn, reduction.cumulative, [spectrum.value])
    return [replace(spectrum, value=value)]
