"""Rules that move the modes of spectra about: transposes, reshapes, slices, pads, concatenations, windows written.

What stays of a value does as `layout` and `indexing` say; the modes are told one by one which is where. Zeros turn by
any angle, so that they may stand anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jaxconv.verify.domain import CannotProve, Moving, Spectrum
from jaxconv.verify.rule_table import Equation, Rule, rule
from jaxconv.verify.rules import indexing, layout
from jaxconv.verify.rules.spectral import Modes, agreeing, is_zero, repeated, spectra, staying


@rule("transpose", of=Spectrum)
def transpose(eqn: Equation) -> list[Spectrum]:
    """The axes in another order. Jaxpr: `permutation`."""
    (spectrum,) = eqn.inputs
    (value,) = staying(eqn, layout.transpose, [spectrum.value])
    return [replace(spectrum, value=value, axis=eqn.params["permutation"].index(spectrum.axis))]


@rule("broadcast_in_dim", of=Spectrum)
def broadcast_in_dim(eqn: Equation) -> list[Spectrum]:
    """New axes; the spectrum's keeps its length. Jaxpr: `broadcast_dimensions`."""
    spectrum = eqn.inputs[0]
    (value,) = staying(eqn, layout.broadcast_in_dim, [spectrum.value])
    place = eqn.params["broadcast_dimensions"][spectrum.axis]
    (modes,) = repeated([spectrum], eqn.shapes[0][place])
    return [replace(spectrum, value=value, axis=place, modes=modes)]


@rule("reshape", of=Spectrum)
def reshape(eqn: Equation) -> list[Spectrum]:
    """Other axes cut elsewhere; the spectrum's must come through whole, with as many cells before it."""
    return [_cut_elsewhere(eqn, layout.reshape)]


@rule("squeeze", of=Spectrum)
def squeeze(eqn: Equation) -> list[Spectrum]:
    """Other axes of one cell dropped."""
    return [_cut_elsewhere(eqn, layout.squeeze)]


def _cut_elsewhere(eqn: Equation, rule_of: Rule) -> Spectrum:
    spectrum = eqn.inputs[0]
    length, before = len(spectrum.modes), int(np.prod(eqn.operand_shapes[0][: spectrum.axis]))
    (shape,) = eqn.shapes
    found = [n for n, cells in enumerate(shape) if cells == length and int(np.prod(shape[:n])) == before]
    if not found:
        raise CannotProve("cuts a spectrum into pieces, or joins it with other axes", "Keep each mode in its place")
    (value,) = staying(eqn, rule_of, [spectrum.value])
    return replace(spectrum, value=value, axis=found[0])


@rule("rev", of=Spectrum)
def rev(eqn: Equation) -> list[Spectrum]:
    """Modes in the other order. Jaxpr: `dimensions`."""
    (spectrum,) = eqn.inputs
    (value,) = staying(eqn, layout.rev, [spectrum.value])
    modes = spectrum.modes[::-1] if spectrum.axis in eqn.params["dimensions"] else spectrum.modes
    return [replace(spectrum, value=value, modes=modes)]


@rule("slice", of=Spectrum)
def slice_(eqn: Equation) -> list[Spectrum]:
    """Some of the modes: truncation. Jaxpr: `start_indices`, `limit_indices`, `strides`."""
    (spectrum,) = eqn.inputs
    (value,) = staying(eqn, layout.slice_, [spectrum.value])
    start, stop = (eqn.params[name][spectrum.axis] for name in ("start_indices", "limit_indices"))
    step = (eqn.params["strides"] or {spectrum.axis: 1})[spectrum.axis]
    return [replace(spectrum, value=value, modes=spectrum.modes[start:stop:step])]


@rule("pad", of=Spectrum)
def pad(eqn: Equation) -> list[Spectrum]:
    """Zeros before, between and after the modes: they turn by any angle. Another number would stay, as mode 0 does.

    Jaxpr: operands the spectrum and a number; `padding_config`: (before, after, between) for each axis.
    """
    spectrum, filling = eqn.inputs
    if isinstance(filling, Spectrum):
        raise CannotProve("pads with a spectrum")
    (value,) = staying(eqn, layout.pad, [spectrum.value, filling])
    number = None if is_zero(eqn.known[1]) else 0
    before, after, between = eqn.params["padding_config"][spectrum.axis]
    wide = [number] * max(before, 0)
    for mode in spectrum.modes:
        wide += [mode, *[number] * between]
    wide = wide[: len(wide) - between] + [number] * max(after, 0)
    cut = wide[max(-before, 0) : len(wide) - max(-after, 0)]
    for k, (lo, hi, inside) in enumerate(eqn.params["padding_config"]):
        if k != spectrum.axis and (max(lo, hi) > 0 or inside) and number is not None:
            raise CannotProve("joins modes that turn with numbers that stay", "Pad with zeros")
    return [replace(spectrum, value=value, modes=tuple(cut))]


@rule("concatenate", of=Spectrum)
def concatenate(eqn: Equation) -> list[Spectrum]:
    """Modes side by side; along another axis, spectra that agree. Jaxpr: `dimension`."""
    operands, _ = spectra(eqn)
    number = eqn.params["dimension"]
    return [side_by_side(operands, [shape[number] for shape in eqn.operand_shapes], number, eqn)]


def side_by_side(operands: Sequence[Spectrum], lengths: Sequence[int], number: int, eqn: Equation) -> Spectrum:
    """Spectra one after another along an axis."""
    value = layout.side_by_side([one.value for one in operands], lengths, number, eqn.walk.new_signal())
    axis = operands[0].axis
    if not isinstance(value, Moving):
        raise CannotProve("joins a spectrum with what is not known")
    if number == axis:
        modes: Modes = tuple(mode for one in operands for mode in one.modes)
    else:
        modes = agreeing([one.modes for one, cells in zip(operands, lengths, strict=True) if cells], value.cycle)
    return Spectrum(value, axis, modes)


@rule("dynamic_update_slice", "scatter", of=Spectrum)
def write(eqn: Equation) -> list[Spectrum]:
    """Modes written into zeros, or over other ones: y.at[:, :12].set(low). See `indexing.write`."""
    update, starts = indexing.written(eqn)
    mine, its = eqn.operand_shapes[0], eqn.operand_shapes[update]
    if len(mine) != len(its):
        raise CannotProve("writes one mode at an index", "Write a slice of them")
    kept = (0, update)
    (x, new), _ = spectra(replace(eqn, inputs=[eqn.inputs[n] for n in kept], known=[eqn.known[n] for n in kept]))
    joined = lambda parts, lengths, number: side_by_side(parts, lengths, number, eqn)
    return [indexing.overwritten(x, new, starts, list(zip(mine, its, strict=True)), part, joined, None)]


def part(spectrum: Spectrum, number: int, start: int, count: int) -> Spectrum:
    """Some positions of one axis of a spectrum."""
    modes = spectrum.modes[start : start + count] if number == spectrum.axis else spectrum.modes
    return replace(spectrum, value=layout.part(spectrum.value, number, start, count), modes=modes)


@rule("split", of=Spectrum)
def split(eqn: Equation) -> list[Spectrum]:
    """Consecutive slices along one axis. Jaxpr: `sizes`, `axis`."""
    (spectrum,) = eqn.inputs
    pieces = staying(eqn, layout.split_, [spectrum.value])
    if eqn.params["axis"] != spectrum.axis:
        return [replace(spectrum, value=piece) for piece in pieces]
    stops = np.cumsum(eqn.params["sizes"]).tolist()
    ranges = zip([0, *stops], stops, strict=False)
    modes = [spectrum.modes[start:stop] for start, stop in ranges]
    return [replace(spectrum, value=piece, modes=some) for piece, some in zip(pieces, modes, strict=True)]
