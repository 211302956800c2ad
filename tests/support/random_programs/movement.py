"""Steps that only move cells about: slices, phases, shuffles, up-sampling, flips; and masks that repeat."""

from __future__ import annotations

from support.random_programs.builder import Builder, Step, index


def reshape_pool(b: Builder) -> str:
    """Pooling as a reduction over an axis split off by a reshape."""
    axis = b.axis()
    b.need(b.shape[axis] % 2 == 0 and b.shape[axis] >= 4)
    b.strided(axis, 2)
    reduction = b.random.choice(["max", "mean", "sum"])
    return f"x = x.reshape({b.resized(axis, b.shape[axis] // 2, 2)}).{reduction}(axis={axis + 1})"


def strided_slice(b: Builder) -> str:
    """Every second or third cell."""
    axis, stride = b.axis(), b.random.choice([2, 3])
    b.need(b.shape[axis] >= 2 * stride)
    b.strided(axis, stride)
    return f"x = {index(axis, f'{b.random.randint(0, stride - 1)}::{stride}')}"


def polyphase(b: Builder) -> str:
    """Even and odd cells as channels."""
    axis = b.axis()
    b.need(b.shape[axis] % 2 == 0 and b.shape[axis] >= 4)
    b.strided(axis, 2)
    return f"x = jnp.concatenate([{index(axis, '0::2')}, {index(axis, '1::2')}], axis=-1)"


def interleave(b: Builder) -> str:
    """The value and its opposite, cell by cell in turn: the inverse of a polyphase split."""
    axis = b.axis()
    b.scaled(axis, 2)
    return f"x = jnp.stack([x, -x], axis={axis + 1}).reshape({b.resized(axis, 2 * b.shape[axis])})"


def space_to_depth(b: Builder) -> str:
    """Pairs of cells become channels."""
    axis = b.axis()
    b.need(b.shape[axis] % 2 == 0 and b.shape[axis] >= 4)
    b.strided(axis, 2)
    split, merged = b.resized(axis, b.shape[axis] // 2, 2), (*b.resized(axis, b.shape[axis] // 2)[:-1], 2 * b.channels)
    return f"x = jnp.moveaxis(x.reshape({split}), {axis + 1}, -2).reshape({merged})"


def pixel_shuffle(b: Builder) -> str:
    """Pairs of channels become cells."""
    axis = b.axis()
    b.need(b.channels % 2 == 0)
    b.scaled(axis, 2)
    split = (*b.shape[:-1], 2, b.channels // 2)
    merged = (*b.resized(axis, 2 * b.shape[axis])[:-1], b.channels // 2)
    return f"x = jnp.moveaxis(x.reshape({split}), -2, {axis + 1}).reshape({merged})"


def nearest(b: Builder) -> str:
    """Every cell twice."""
    axis = b.axis()
    b.scaled(axis, 2)
    wide, merged = b.resized(axis, b.shape[axis], 2), b.resized(axis, 2 * b.shape[axis])
    return b.random.choice(
        [
            f"x = jnp.repeat(x, 2, axis={axis})",
            f"x = jnp.broadcast_to(jnp.expand_dims(x, {axis + 1}), {wide}).reshape({merged})",
        ]
    )


def flip(b: Builder) -> str:
    """One axis backwards."""
    axis = b.axis()
    b.scaled(axis, -1)
    return f"x = jnp.flip(x, axis={axis})"


def swap_axes(b: Builder) -> str:
    """Height and width change places."""
    b.need(len(b.spatial) == 2)
    b.tracks.reverse()
    return "x = jnp.swapaxes(x, 1, 2)"


def checkerboard(b: Builder) -> str:
    """Zero at every second cell, or where the indices add up to an odd number."""
    axes = b.random.choice([b.spatial, (b.axis(),)])
    for axis in axes:
        b.periodic(axis, 2)
    parity = " + ".join(f"lax.broadcasted_iota(jnp.int32, {b.shape}, {axis})" for axis in axes)
    return f"x = jnp.where(({parity}) % 2 == 0, x, 0.0)"


def roll(b: Builder) -> str:
    """A shift by a fixed number of cells."""
    return f"x = jnp.roll(x, {b.random.randint(-3, 3)}, axis={b.axis()})"


def mapped(b: Builder) -> str:
    """A function of each slice along one axis, one slice after the other."""
    axis = b.axis()
    return f"x = jnp.moveaxis(lax.map(lambda u: jnp.tanh(u) - u, jnp.moveaxis(x, {axis}, 0)), 0, {axis})"


def written(b: Builder) -> str:
    """A frame of zeros into which x is written; and, where x goes around, its own ends."""
    axis = b.axis()
    length = b.shape[axis]
    place = lambda piece: f"at[{', '.join([':'] * axis + [piece])}]"
    line = f"u = jnp.zeros({b.resized(axis, length + 2)}, x.dtype).{place('1:-1')}.set(x)"
    if b.world == "cyclic":
        line += f".{place(':1')}.set({index(axis, '-1:')}).{place('-1:')}.set({index(axis, ':1')})"
    slices = [f"u[{', '.join([':'] * axis + [piece])}]" for piece in (":-2", "1:-1", "2:")]
    return f"{line}\nx = {' + '.join(slices)}"


def crop(b: Builder) -> str:
    """One cell less on either side."""
    axis = b.axis()
    b.need(b.shape[axis] >= 6)
    return f"x = {index(axis, '1:-1')}"


def roll_by_channel(b: Builder) -> str:
    """Each channel rolled by its own number."""
    axis = b.axis()
    length, channels = b.shape[axis], b.channels
    shape = (*b.along(axis, length)[:-1], channels)
    places = f"((np.arange({length})[:, None] + np.arange({channels})) % {length}).reshape({shape})"
    return f"x = jnp.take_along_axis(x, {places}, axis={axis})"


EVERYWHERE: dict[str, Step] = {
    "reshape pool": reshape_pool,
    "strided slice": strided_slice,
    "polyphase": polyphase,
    "interleave": interleave,
    "space to depth": space_to_depth,
    "pixel shuffle": pixel_shuffle,
    "nearest": nearest,
    "flip": flip,
    "swap axes": swap_axes,
    "checkerboard": checkerboard,
    "mapped": mapped,
    "written": written,
}
CYCLIC: dict[str, Step] = {"roll": roll, "roll by channel": roll_by_channel}
INTERIOR: dict[str, Step] = {"crop": crop}
