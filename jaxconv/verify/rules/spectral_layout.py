"""Rules that rearrange the modes of spectra: transposes, reshapes, slices, pads, concatenations, writes.

The rules of `layout` and `scatter` give the invariant part of a value. The modes are tracked one by one. Zeros have
mode None and may be anywhere. There are no theorems for spectra in proofs/coq.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jax.lax import GatherDimensionNumbers

from jaxconv.verify.domain import CannotProve, Moving, Spectrum
from jaxconv.verify.factors import invariant_axis, join
from jaxconv.verify.modes import Modes, Run, summed
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules import concatenation, indexing, layout, scatter
from jaxconv.verify.rules.indexing import clamped
from jaxconv.verify.rules.spectral import InvariantRule, agreeing, is_zero, repeated, spectra, staying


@rule("transpose", of=Spectrum)
def transpose(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """The axes in another order. Jaxpr: `permutation`: the operand's axis for each of the result's."""
    (spectrum,) = eqn.inputs
    (value,) = staying(eqn, layout.transpose, [spectrum.value])
    return [replace(spectrum, value=value, axis=eqn.params["permutation"].index(spectrum.axis))]


@rule("broadcast_in_dim", of=Spectrum)
def broadcast_in_dim(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """New axes. The spectral axis keeps its length, unless its modes are all 0 or None.

    Jaxpr: `broadcast_dimensions`: the result's axis for each of the operand's.
    """
    spectrum = eqn.inputs[0]
    (value,) = staying(eqn, layout.broadcast_in_dim, [spectrum.value])
    result_axis: int = eqn.params["broadcast_dimensions"][spectrum.axis]
    (modes,) = repeated([spectrum], eqn.shapes[0][result_axis])
    return [replace(spectrum, value=value, axis=result_axis, modes=modes)]


@rule("reshape", of=Spectrum)
def reshape(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """The same cells with other axes. The spectral axis must keep its length and the number of cells before it.

    Jaxpr: see `layout.reshape`.
    """
    return [_reshaped(layout.row_major(eqn, transpose), layout.reshape)]


@rule("squeeze", of=Spectrum)
def squeeze(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """Axes of one cell removed, other than the spectral axis. Jaxpr: see `layout.squeeze`."""
    return [_reshaped(eqn, layout.squeeze)]


def _reshaped(eqn: Equation[Spectrum], rule_of: InvariantRule) -> Spectrum:
    """A reshape that keeps the spectral axis. Raises CannotProve if it does not."""
    spectrum = eqn.inputs[0]
    length, before = len(spectrum.modes), int(np.prod(eqn.operand_shapes[0][: spectrum.axis]))
    (shape,) = eqn.shapes
    candidates = [n for n, cells in enumerate(shape) if cells == length and int(np.prod(shape[:n])) == before]
    if not candidates:
        raise CannotProve("splits the axis of a spectrum, or merges it with others", "Keep each mode at its index")
    (value,) = staying(eqn, rule_of, [spectrum.value])
    return replace(spectrum, value=value, axis=candidates[0])


@rule("rev", of=Spectrum)
def rev(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """out[k] = y[n-1-k]: the modes in reverse order. Jaxpr: `dimensions`: the axes to reverse."""
    (spectrum,) = eqn.inputs
    (value,) = staying(eqn, layout.rev, [spectrum.value])
    modes = spectrum.modes[::-1] if spectrum.axis in eqn.params["dimensions"] else spectrum.modes
    return [replace(spectrum, value=value, modes=modes)]


@rule("slice", of=Spectrum)
def slice_(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """out[k] = y[start + k*stride]: some of the modes, as in a truncation.

    Jaxpr: `start_indices`, `limit_indices`, and `strides` (None: ones).
    """
    (spectrum,) = eqn.inputs
    (value,) = staying(eqn, layout.slice_, [spectrum.value])
    start, stop = (eqn.params[name][spectrum.axis] for name in ("start_indices", "limit_indices"))
    step = (eqn.params["strides"] or {spectrum.axis: 1})[spectrum.axis]
    return [replace(spectrum, value=value, modes=spectrum.modes[start:stop:step])]


@rule("pad", of=Spectrum)
def pad(eqn: Equation[Moving | Spectrum]) -> list[Spectrum]:
    """Cells of one value before, between and after the modes. Zeros have mode None, and any other value mode 0.

    Jaxpr: operands the spectrum and a number; `padding_config`: (before, after, between) for each axis.
    """
    spectrum, filling = eqn.inputs
    if not isinstance(spectrum, Spectrum) or isinstance(filling, Spectrum):
        raise CannotProve("the padding is a spectrum")
    (value,) = staying(eqn, layout.pad, [spectrum.value, filling])
    filling_mode = None if is_zero(eqn.known[1]) else 0
    before, after, between = eqn.params["padding_config"][spectrum.axis]
    spread: list[Run] = [(filling_mode, 0, max(before, 0))]
    if between:
        spread += [run for mode in spectrum.modes for run in ((mode, 0, 1), (filling_mode, 0, between))][:-1]
    else:
        spread += spectrum.modes.runs
    padded = Modes.joined([*spread, (filling_mode, 0, max(after, 0))])
    cropped = padded[max(-before, 0) : len(padded) - max(-after, 0)]
    for axis, (lo, hi, inside) in enumerate(eqn.params["padding_config"]):
        if axis != spectrum.axis and (max(lo, hi) > 0 or inside) and filling_mode is not None:
            raise CannotProve("combines modes that rotate with values that do not", "Pad with zeros")
    return [replace(spectrum, value=value, modes=cropped)]


@rule("concatenate", of=Spectrum)
def concatenate(eqn: Equation[Moving | Spectrum]) -> list[Spectrum]:
    """Modes one after another. Along another axis the modes of all operands must agree.

    Jaxpr: `dimension`.
    """
    operands, _ = spectra(eqn)
    number: int = eqn.params["dimension"]
    return [side_by_side(operands, [shape[number] for shape in eqn.operand_shapes], number, eqn)]


def side_by_side(
    operands: Sequence[Spectrum], lengths: Sequence[int], number: int, eqn: Equation[Moving | Spectrum]
) -> Spectrum:
    """Spectra one after another along an axis."""
    value = concatenation.side_by_side([operand.value for operand in operands], lengths, number, eqn.walk.new_signal())
    axis = operands[0].axis
    if number == axis:
        return Spectrum(value, axis, Modes.joined(run for operand in operands for run in operand.modes.runs))
    return agreeing(value, axis, [operand.modes for operand, cells in zip(operands, lengths, strict=True) if cells])


@rule("tile", of=Spectrum)
def tile(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """The operand repeated along each axis. Along the spectral axis its modes are repeated.

    Jaxpr: see `concatenation.tile`.
    """
    (spectrum,) = eqn.inputs
    (value,) = staying(eqn, concatenation.tile, [spectrum.value])
    return [replace(spectrum, value=value, modes=spectrum.modes * eqn.params["reps"][spectrum.axis])]


@rule("stack", of=Spectrum)
def stack(eqn: Equation[Moving | Spectrum]) -> list[Spectrum]:
    """Operands of one shape along a new axis. Their modes must agree.

    Jaxpr: see `concatenation.stack`.
    """
    operands, axis = spectra(eqn)
    (value,) = staying(eqn, concatenation.stack, [operand.value for operand in operands])
    places = list(range(len(eqn.operand_shapes[0])))
    places.insert(eqn.params["axis"], -1)
    return [agreeing(value, places.index(axis), [operand.modes for operand in operands])]


@rule("unstack", of=Spectrum)
def unstack(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """The slices along an axis other than the spectral one, without that axis.

    Jaxpr: see `layout.unstack`.
    """
    (spectrum,) = eqn.inputs
    number: int = eqn.params["axis"] % len(eqn.operand_shapes[0])
    if number == spectrum.axis:
        raise CannotProve("takes the modes of a spectrum apart", "Keep each mode at its index")
    axis = spectrum.axis - (number < spectrum.axis)
    return [replace(spectrum, value=value, axis=axis) for value in staying(eqn, layout.unstack, [spectrum.value])]


@rule("dynamic_update_slice", "scatter", of=Spectrum)
def write(eqn: Equation[Moving | Spectrum]) -> list[Spectrum]:
    """x with a window of modes overwritten: x[start + j] = update[j].

    Example: jnp.zeros(...).at[:, :12].set(low_modes).
    Jaxpr: see `scatter.write`.
    """
    return [_with_update(eqn, None)]


@rule("scatter-add", of=Spectrum)
def add_to(eqn: Equation[Moving | Spectrum]) -> list[Spectrum]:
    """x with a window of modes added to: x[start + j] += update[j]. There the modes of both must agree.

    Example: rfft(x, axis=1).at[:, 0].add(c): mode 0 does not change under a shift, so any c may be added to it.
    Jaxpr: see `scatter.write`.
    """

    def added(x: Spectrum, update: Spectrum) -> Spectrum:
        value = join([x.value, update.value], eqn.walk.new_signal())
        return agreeing(value, x.axis, [x.modes, update.modes])

    return [_with_update(eqn, added)]


@rule("scatter-mul", of=Spectrum)
def multiply_at(eqn: Equation[Moving | Spectrum]) -> list[Spectrum]:
    """x with a window of modes multiplied: x[start + j] *= update[j]. There the modes of both are added, as in `mul`.

    Example: rfft(x, axis=1).at[:, -1].multiply(0.5) halves the highest mode.
    Jaxpr: see `scatter.write`.
    """

    def multiplied(x: Spectrum, update: Spectrum) -> Spectrum:
        value = join([x.value, update.value], eqn.walk.new_signal())
        return Spectrum(value, x.axis, summed([x.modes, update.modes]))

    return [_with_update(eqn, multiplied)]


def _with_update(eqn: Equation[Moving | Spectrum], added: Callable[[Spectrum, Spectrum], Spectrum] | None) -> Spectrum:
    """x with the update written into it, or with `added(x, update)` there if that is given."""
    start = scatter.known_start(eqn)
    if start is None:
        raise CannotProve("writes modes at unknown indices, at an array of them, or out of bounds", "Use slices")
    update, starts = start
    new, known = eqn.inputs[update], eqn.known[update]
    sizes = scatter.inserted(eqn, eqn.operand_shapes[update], 1)
    places = scatter.inserted(eqn, list(range(len(eqn.operand_shapes[update]))), -1)
    if isinstance(new, Spectrum):
        new = replace(new, value=_inserted(eqn, new.value), axis=places.index(new.axis))
    else:
        new = _inserted(eqn, new)
    known = None if known is None else known.reshape(sizes)
    (x, window), _ = spectra(replace(eqn, inputs=[eqn.inputs[0], new], known=[eqn.known[0], known]))

    def joined(parts: Sequence[Spectrum], lengths: Sequence[int], number: int) -> Spectrum:
        return side_by_side(parts, lengths, number, eqn)

    return scatter.overwritten(
        x, window, starts, list(zip(eqn.operand_shapes[0], sizes, strict=True)), part, joined, added
    )


def _inserted(eqn: Equation[Moving | Spectrum], value: Moving) -> Moving:
    """An update with an axis of one cell for each axis of x that a scatter leaves out of it."""
    return replace(value, axes=tuple(scatter.inserted(eqn, value.axes, invariant_axis(1))))


def part(spectrum: Spectrum, number: int, start: int, count: int) -> Spectrum:
    """`count` consecutive positions of one axis of a spectrum, from `start` on."""
    modes = spectrum.modes[start : start + count] if number == spectrum.axis else spectrum.modes
    return replace(spectrum, value=layout.part(spectrum.value, number, start, count), modes=modes)


@rule("split", of=Spectrum)
def split(eqn: Equation[Spectrum]) -> list[Spectrum]:
    """Consecutive slices along one axis. Jaxpr: `sizes`, `axis`."""
    (spectrum,) = eqn.inputs
    pieces = staying(eqn, layout.split_, [spectrum.value])
    if eqn.params["axis"] != spectrum.axis:
        return [replace(spectrum, value=piece) for piece in pieces]
    stops = np.cumsum(eqn.params["sizes"]).tolist()
    ranges = zip([0, *stops], stops, strict=False)
    modes = [spectrum.modes[start:stop] for start, stop in ranges]
    return [replace(spectrum, value=piece, modes=piece_modes) for piece, piece_modes in zip(pieces, modes, strict=True)]


@rule("dynamic_slice", of=Spectrum)
def dynamic_slice(eqn: Equation[Moving | Spectrum]) -> list[Spectrum]:
    """out[j] = x[start + j] along each axis. Along the spectral axis, the start must be known, or the slice whole.

    Jaxpr: see `indexing.dynamic_slice`.
    """
    spectrum, *starts = eqn.inputs
    known_to_stay = [start for start in starts if isinstance(start, Moving)]
    if not isinstance(spectrum, Spectrum) or len(known_to_stay) < len(starts):
        raise CannotProve("a start is a spectrum")
    axis, size = spectrum.axis, eqn.params["slice_sizes"][spectrum.axis]
    (value,) = staying(eqn, indexing.sliced_at, [spectrum.value, *known_to_stay])
    start = clamped(eqn.known[1 + axis], len(spectrum.modes) - size) if size < len(spectrum.modes) else 0
    if start is None:
        raise CannotProve("takes modes of a spectrum at an unknown index", "Keep each mode at its index")
    return [replace(spectrum, value=value, modes=spectrum.modes[start : start + size])]


@rule("gather", of=Spectrum)
def gather(eqn: Equation[Moving | Spectrum]) -> list[Spectrum]:
    """out[batch, offsets] = x[indices[batch] + offsets], in two cases: the modes are read whole, or one by one.

    If they are read whole, any indices may be used along the other axes. If they are read one by one, the indices must
    be a known list of modes, and nothing else may be indexed. All indices must be known to be within bounds, since a
    gather may write a constant in place of a mode that is not there.

    Example: jnp.take(rfft(x), jnp.array([0, 2]), axis=1).
    Jaxpr: see `indexing.gather`.
    """
    spectrum, indices = eqn.inputs
    numbers: GatherDimensionNumbers = eqn.params["dimension_numbers"]
    sizes: Sequence[int] = eqn.params["slice_sizes"]
    if not isinstance(spectrum, Spectrum) or isinstance(indices, Spectrum) or numbers.operand_batching_dims:
        raise CannotProve("reads a spectrum along batches of indices", "Read it one index after the other")
    known = eqn.known[1]
    last = [eqn.operand_shapes[0][number] - sizes[number] for number in numbers.start_index_map]
    if known is None or np.any(known < 0) or np.any(known > last):
        raise CannotProve("reads a spectrum at unknown indices, or out of bounds", "Use known indices")
    (value,) = staying(eqn, indexing.gathered, [spectrum.value, indices])
    kept = [number for number in range(len(sizes)) if number not in numbers.collapsed_slice_dims]
    if spectrum.axis in kept and sizes[spectrum.axis] == len(spectrum.modes):
        return [replace(spectrum, value=value, axis=numbers.offset_dims[kept.index(spectrum.axis)])]
    batch = [number for number in range(len(eqn.shapes[0])) if number not in numbers.offset_dims]
    if numbers.start_index_map != (spectrum.axis,) or spectrum.axis in kept or len(batch) != 1:
        raise CannotProve("reads modes of a spectrum together with other axes", "Read them with jnp.take")
    modes = Modes.of(spectrum.modes[int(index)] for index in known.ravel())
    return [replace(spectrum, value=value, axis=batch[0], modes=modes)]
