"""`sharded`: a function of an input that is split over devices, which fetch only halos from their neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import jax
from jax import lax
from jax.sharding import AxisType, Mesh, PartitionSpec

from jaxconv.apply.claims import outputs_that_do_not_roll, proved, shape_of_argument
from jaxconv.apply.plan import common_shift
from jaxconv.checks import function
from jaxconv.errors import explain, public, public_as
from jaxconv.jaxprs.typing import Array, PyTree
from jaxconv.verify.shifted_axes import Along, Axes, directions
from jaxconv.verify.tiling.certificate import TilingAxis

AXES = "Write axes={0: (1,)} to split axis 1 of the first argument"


@dataclass(frozen=True)
class _Split:
    """How an axis is split over devices.

    Attributes:
        along: the axis of each split argument.
        devices: number of devices.
        shard: number of cells of a device.
        before, after: number of cells that a device fetches from the device before it, and from the one after it.
        ring: whether the first device is after the last one. If not, the first and the last device fetch all cells
            from their only neighbour, so that their tile begins or ends with the whole.
        claims: the claim about each output, for a tile of `before + shard + after` cells.
    """

    along: Along
    devices: int
    shard: int
    before: int
    after: int
    ring: bool
    claims: tuple[TilingAxis, ...]

    def offset(self, device: int) -> int:
        """The first cell of a device's tile."""
        place = device * self.shard - self.before
        end = self.along.length - self.shard - self.before - self.after
        return place if self.ring else min(max(place, 0), end)

    def kept(self, claim: TilingAxis) -> int | None:
        """Number of output cells of each device; None if they do not divide the output."""
        return None if claim.output_whole % self.devices else claim.output_whole // self.devices

    def starts(self, claim: TilingAxis) -> list[int]:
        """The first cell of a tile's output that a device keeps, for each device."""
        kept = claim.output_whole // self.devices
        return [
            device * kept - claim.start - self.offset(device) * claim.step // claim.shift
            for device in range(self.devices)
        ]

    def covers(self, claim: TilingAxis) -> bool:
        """Whether each device computes the output cells that it keeps."""
        kept = self.kept(claim)
        if claim.output_axis is None:
            return True
        if kept is None or claim.step < 0:
            return False
        regions = [claim.inner] * self.devices
        if not self.ring:
            regions[0], regions[-1] = claim.first, claim.last
        pairs = zip(self.starts(claim), regions, strict=True)
        return all(lo <= start and start + kept <= hi for start, (lo, hi) in pairs)


@public
def sharded(fn: Callable[..., object], mesh: Mesh, *, axes: Axes, over: str) -> Callable[..., PyTree]:
    """Return a function that computes `fn` of an input that is split over the devices of a mesh, with the same result.

    Each device holds its part of the input, and fetches the cells next to it (halos) from its two neighbours
    (`jax.lax.ppermute` under `jax.shard_map`). It computes `fn` of these cells, and keeps the part of the output that
    belongs to it. When the function is called, it is certified for the sizes at hand (`jc.certify_tiling`), which gives
    the width of the halos. Zeros, reflections and copies at the border are those of `fn` itself; for a function that
    pads circularly, the first device is a neighbour of the last.

    Args:
        fn: any JAX function of arrays.
        mesh: the devices.
        axes: the axis that is split: `(axis,)`, or `{argument number: (axis,)}`. Other arguments are the same on all
            devices.
        over: name of the axis of the mesh.

    Returns:
        A function of the same arguments, which may be transformed by `jax.jit`, `jax.grad` and `jax.vmap`. Its outputs
        are split as the input is.

    Raises:
        ValueError: `over` is no axis of the mesh, or more than one axis is given; or, when the function is called:
            there is no proof that parts give the whole's result, the halos are wider than a part, or the devices do
            not divide the input or an output.

    Law: the result is `fn` of the whole: equal (`==`) in exact arithmetic, as for whole numbers, and otherwise up to
    rounding.

    >>> import jax, jax.numpy as jnp, jaxconv as jc
    >>> mesh = jax.make_mesh((jax.device_count(),), ("rows",))
    >>> params = jc.init_conv(jax.random.key(0), (3, 3), 1, 4)
    >>> network = lambda x: jc.conv(params, x, padding="same")
    >>> image = jax.random.normal(jax.random.key(1), (1, 32, 20, 1))
    >>> result = jc.sharded(network, mesh, axes=(1,), over="rows")(image)
    >>> result.shape, bool(jnp.allclose(result, network(image), atol=1e-5))
    ((1, 32, 20, 4), True)
    """
    if over not in mesh.shape:
        expected = f"one of the mesh's axes, {tuple(mesh.shape)}"
        raise ValueError(explain("over", repr(over), expected, "Name one of these"))
    function("fn", fn, cure="Pass the function itself")
    devices = mesh.shape[over]
    # With axes of the type Explicit, which `jax.make_mesh` makes, the caller would have to split the inputs.
    mesh = Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,) * len(mesh.axis_names))

    @public_as("sharded")
    def of_shards(*arguments: PyTree) -> PyTree:
        """The function of the whole, computed by several devices."""
        shapes = list(map(shape_of_argument, arguments))
        all_along = directions(shapes, axes, "split")
        if len(all_along) != 1:
            raise ValueError(explain("axes", axes, "one axis of each argument that is split", AXES))
        if devices == 1:
            return fn(*arguments)
        split = _split(fn, shapes, all_along[0], devices)
        split_axes = dict(split.along.arguments)
        tree = jax.tree.structure(jax.eval_shape(fn, *shapes))
        specs = [
            PartitionSpec(*[None] * split_axes[number], over) if number in split_axes else PartitionSpec()
            for number in range(len(arguments))
        ]
        outputs = [
            PartitionSpec() if claim.output_axis is None else PartitionSpec(*[None] * claim.output_axis, over)
            for claim in split.claims
        ]
        computed = jax.shard_map(
            partial(_of_one, fn, split, over),
            mesh=mesh,
            in_specs=tuple(specs),
            out_specs=jax.tree.unflatten(tree, outputs),
            check_vma=False,
        )
        return computed(*arguments)

    return of_shards


def _split(fn: Callable[..., object], shapes: Sequence[PyTree], along: Along, devices: int) -> _Split:
    """How the axis is split.

    Raises:
        ValueError: see `sharded`.
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
    if shard % shift:
        cure = f"Use a length that is a multiple of {devices * shift}"
        raise ValueError(explain("the part of a device", f"{shard} cells", f"a multiple of {shift}, the shift", cure))
    if before + after > shard or before + shard + after >= length:
        expected = f"at least {before + after} cells, the width of both halos"
        raise ValueError(explain("the part of a device", f"{shard} cells", expected, "Use fewer devices"))
    claims = tuple(proved(fn, shapes, [along], before + shard + after)[0])
    for ring in (False, True):
        split = _Split(along, devices, shard, before, after, ring, claims)
        if all(map(split.covers, claims)) and not (ring and outputs_that_do_not_roll(fn, shapes, along, claims)):
            return split
    lengths = [claim.output_whole for claim in claims if claim.output_axis is not None]
    cure = "Use padding that keeps the length a multiple of the number of devices"
    expected = f"multiples of {devices} that begin with the parts of the input"
    raise ValueError(explain("the length of an output along the split axis", f"one of {lengths}", expected, cure))


def _margin(claim: TilingAxis, end: int, shift: int) -> int:
    """Input cells that a tile discards at its start (`end` 0) or at its end (1), as a multiple of the shift."""
    if claim.output_axis is None:
        return 0
    cells = claim.discarded[end] * claim.shift
    return -(-cells // (abs(claim.step) * shift)) * shift


def _of_one(fn: Callable[..., object], split: _Split, over: str, *arguments: PyTree) -> PyTree:
    """The part of the output that belongs to one device."""
    device = lax.axis_index(over)
    tiles = list(arguments)
    for number, axis in split.along.arguments:
        tiles[number] = _with_halos(arguments[number], axis, split, over)
    leaves, tree = jax.tree.flatten(fn(*tiles))
    kept: list[Array] = []
    for leaf, claim in zip(leaves, split.claims, strict=True):
        if claim.output_axis is None:
            kept.append(leaf)
            continue
        start = jax.numpy.asarray(split.starts(claim))[device]
        kept.append(lax.dynamic_slice_in_dim(leaf, start, claim.output_whole // split.devices, claim.output_axis))
    return jax.tree.unflatten(tree, kept)


def _with_halos(x: Array, axis: int, split: _Split, over: str) -> Array:
    """A device's tile: its cells, with those before and after them.

    Without a ring, the first device has no neighbour before it, and fetches `before` more cells from the one after it.
    The last device does the same in the other direction.
    """
    last, shard, before, after = split.devices - 1, split.shard, split.before, split.after
    cells: Callable[[int, int], Array] = lambda lo, hi: lax.slice_in_dim(x, lo, hi, axis=axis)
    onwards = [(n, (n + 1) % split.devices) for n in range(last + split.ring)]
    backwards = [(target, source) for source, target in onwards]
    send: Callable[[Array, list[tuple[int, int]]], Array] = lambda part, pairs: lax.ppermute(part, over, pairs)
    parts = [send(cells(shard - before, shard), onwards), x, send(cells(0, after), backwards)]
    if split.ring:
        return lax.concatenate(parts, axis)
    further = send(cells(after, after + before), [(1, 0)])
    earlier = send(cells(shard - before - after, shard - before), [(last - 1, last)])
    around = lax.concatenate([earlier, *parts, further], axis)
    device = lax.axis_index(over)
    start = jax.numpy.where(device == 0, after + before, jax.numpy.where(device == last, 0, after))
    return lax.dynamic_slice_in_dim(around, start, before + shard + after, axis)
