"""How an input is split over devices: their parts, and the halos that each fetches from its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
from jax import lax

from jaxconv.apply.claims import outputs_that_do_not_roll, proved
from jaxconv.apply.plan import common_shift
from jaxconv.errors import explain
from jaxconv.jaxprs.typing import Array, PyTree
from jaxconv.verify.shifted_axes import Along
from jaxconv.verify.tiling.certificate import TilingAxis


@dataclass(frozen=True)
class Part:
    """The part of a device along one axis.

    Attributes:
        along: the axis of each split argument.
        over: the axis of the mesh.
        devices: number of devices along it.
        shard: number of cells of a device.
        before, after: number of cells that a device fetches from the device before it, and from the one after it.
    """

    along: Along
    over: str
    devices: int
    shard: int
    before: int
    after: int

    @property
    def tile(self) -> int:
        """Number of cells with which a device computes."""
        return self.before + self.shard + self.after


@dataclass(frozen=True)
class Split:
    """How an axis is split over devices.

    Attributes:
        part: the part of each device.
        ring: whether the first device is after the last one. If not, the first and the last device fetch all cells
            from their only neighbour, so that their tile begins or ends with the whole.
        claims: the claim about each output, for a tile of `part.tile` cells.
    """

    part: Part
    ring: bool
    claims: tuple[TilingAxis, ...]

    def offset(self, device: int) -> int:
        """The first cell of a device's tile."""
        place = device * self.part.shard - self.part.before
        end = self.part.along.length - self.part.tile
        return place if self.ring else min(max(place, 0), end)

    def kept(self, claim: TilingAxis) -> int | None:
        """Number of output cells of each device; None if they do not divide the output."""
        return None if claim.output_whole % self.part.devices else claim.output_whole // self.part.devices

    def starts(self, claim: TilingAxis) -> list[int]:
        """The first cell of a tile's output that a device keeps, for each device."""
        kept = claim.output_whole // self.part.devices
        return [
            device * kept - claim.start - self.offset(device) * claim.step // claim.shift
            for device in range(self.part.devices)
        ]

    def covers(self, claim: TilingAxis) -> bool:
        """Whether each device computes the output cells that it keeps."""
        kept = self.kept(claim)
        if claim.output_axis is None:
            return True
        if kept is None or claim.step < 0:
            return False
        regions = [claim.inner] * self.part.devices
        if not self.ring:
            regions[0], regions[-1] = claim.first, claim.last
        pairs = zip(self.starts(claim), regions, strict=True)
        return all(lo <= start and start + kept <= hi for start, (lo, hi) in pairs)


def splits(fn: Callable[..., object], shapes: Sequence[PyTree], over: Sequence[tuple[Along, str, int]]) -> list[Split]:
    """How each axis is split.

    Args:
        fn: the function.
        shapes: its arguments, as shapes.
        over: each axis that is split, with the axis of the mesh and its number of devices.

    Raises:
        ValueError: see `jc.sharded`.
    """
    parts = [_part(fn, shapes, *own) for own in over]
    all_claims = proved(fn, shapes, [part.along for part in parts], *(part.tile for part in parts))
    for claims in zip(*all_claims, strict=True):
        moved = [claim.output_axis for claim in claims if claim.output_axis is not None]
        if len(set(moved)) < len(moved):
            expected = "one output axis for each axis that is split"
            named = f"the output axes along which the parts of an output of {len(moved)} split axes lie"
            raise ValueError(explain(named, tuple(moved), expected, "Split along one of the axes"))
    return [_split(fn, shapes, part, tuple(claims)) for part, claims in zip(parts, all_claims, strict=True)]


def _part(fn: Callable[..., object], shapes: Sequence[PyTree], along: Along, over: str, devices: int) -> Part:
    """The part of a device along one axis, as wide as the other axes are.

    Raises:
        ValueError: see `jc.sharded`.
    """
    length, (argument, axis) = along.length, along.arguments[0]
    named = f"the length of argument {argument} along axis {axis}"
    if length % devices:
        cure = f"Use a length that {devices} divides, or another number of devices"
        raise ValueError(explain(named, length, f"a multiple of {devices}, the number of devices", cure))
    shard = length // devices
    wide = proved(fn, shapes, [along], length - shard)[0]
    shift = common_shift(wide)
    before, after = (max(_margin(claim, end, shift) for claim in wide) for end in (0, 1))
    named = f"the part of a device along axis {axis} of argument {argument}"
    if shard % shift:
        cure = f"Use a length that is a multiple of {devices * shift}"
        raise ValueError(explain(named, f"{shard} cells", f"a multiple of {shift}, the shift", cure))
    if before + after > shard or before + shard + after >= length:
        expected = f"at least {before + after} cells, the width of both halos"
        raise ValueError(explain(named, f"{shard} cells", expected, "Use fewer devices"))
    return Part(along, over, devices, shard, before, after)


def _split(fn: Callable[..., object], shapes: Sequence[PyTree], part: Part, claims: tuple[TilingAxis, ...]) -> Split:
    """How one axis is split: with the first device after the last one only if it has to be.

    Raises:
        ValueError: see `jc.sharded`.
    """
    for ring in (False, True):
        split = Split(part, ring, claims)
        if all(map(split.covers, claims)) and not (ring and outputs_that_do_not_roll(fn, shapes, part.along, claims)):
            return split
    lengths = [claim.output_whole for claim in claims if claim.output_axis is not None]
    cure = "Use padding that keeps the length a multiple of the number of devices"
    expected = f"multiples of {part.devices} that begin with the parts of the input"
    raise ValueError(explain("the length of an output along the split axis", f"one of {lengths}", expected, cure))


def _margin(claim: TilingAxis, end: int, shift: int) -> int:
    """Input cells that a tile discards at its start (`end` 0) or at its end (1), as a multiple of the shift."""
    if claim.output_axis is None:
        return 0
    cells = claim.discarded[end] * claim.shift
    return -(-cells // (abs(claim.step) * shift)) * shift


def of_one(fn: Callable[..., object], all_split: Sequence[Split], *arguments: PyTree) -> PyTree:
    """The part of the output that belongs to one device.

    Halos along the second axis are fetched with those along the first: so they hold the cells of diagonal neighbours.
    """
    tiles = list(arguments)
    for split in all_split:
        for number, axis in split.part.along.arguments:
            tiles[number] = _with_halos(tiles[number], axis, split)
    leaves, tree = jax.tree.flatten(fn(*tiles))
    return jax.tree.unflatten(tree, [_kept(leaf, number, all_split) for number, leaf in enumerate(leaves)])


def _kept(leaf: Array, number: int, all_split: Sequence[Split]) -> Array:
    """The cells of an output of a device's tile that the device keeps."""
    for split in all_split:
        claim = split.claims[number]
        if claim.output_axis is not None:
            start = jax.numpy.asarray(split.starts(claim))[lax.axis_index(split.part.over)]
            kept = claim.output_whole // split.part.devices
            leaf = lax.dynamic_slice_in_dim(leaf, start, kept, claim.output_axis)
    return leaf


def _with_halos(x: Array, axis: int, split: Split) -> Array:
    """A device's tile: its cells, with those before and after them.

    Without a ring, the first device has no neighbour before it, and fetches `before` more cells from the one after it.
    The last device does the same in the other direction.
    """
    part = split.part
    last, shard, before, after = part.devices - 1, part.shard, part.before, part.after
    cells: Callable[[int, int], Array] = lambda lo, hi: lax.slice_in_dim(x, lo, hi, axis=axis)
    onwards = [(n, (n + 1) % part.devices) for n in range(last + split.ring)]
    backwards = [(target, source) for source, target in onwards]
    send: Callable[[Array, list[tuple[int, int]]], Array] = lambda own, pairs: lax.ppermute(own, part.over, pairs)
    parts = [send(cells(shard - before, shard), onwards), x, send(cells(0, after), backwards)]
    if split.ring:
        return lax.concatenate(parts, axis)
    further = send(cells(after, after + before), [(1, 0)])
    earlier = send(cells(shard - before - after, shard - before), [(last - 1, last)])
    around = lax.concatenate([earlier, *parts, further], axis)
    device = lax.axis_index(part.over)
    start = jax.numpy.where(device == 0, after + before, jax.numpy.where(device == last, 0, after))
    return lax.dynamic_slice_in_dim(around, start, part.tile, axis)
