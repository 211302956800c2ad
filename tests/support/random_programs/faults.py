"""Steps that break the law along one spatial axis or several, and say along which."""

from __future__ import annotations

from support.random_programs.builder import Builder, Step, index
from support.random_programs.windows import plain_conv, window_along


def broken_axis(b: Builder, shortest: int = 3) -> int:
    """A spatial axis of so many cells or more, along which nothing moves any more."""
    axis = b.axis()
    b.need(b.shape[axis] >= shortest)
    b.broken(axis)
    return axis


def zero_padded(b: Builder, value: str) -> str:
    """The text of a convolution of a value, with zeros around one axis, which they break, and wrapped along others."""
    axis = broken_axis(b)
    padding = tuple("SAME" if a == axis else "CIRCULAR" for a in b.spatial)
    kernel = b.parameter(*window_along(b, axis, 3), b.channels, b.random.randint(1, 3))
    return f'jc.conv({{"kernel": {kernel}}}, {value}, padding={padding})'


def fault_zero_padding(b: Builder) -> str:
    """A convolution that pads one axis with zeros and the others around."""
    return f"x = {zero_padded(b, 'x')}"


def fault_short_wrap(b: Builder) -> str:
    """A wrap pad that is one cell too short, made up for with a zero."""
    axis = broken_axis(b)
    kernel = b.parameter(*window_along(b, axis, 3), b.channels, b.random.randint(1, 3))
    padded = f'jnp.pad(jnp.pad(x, {b.pads(axis, 1, 0)}, mode="wrap"), {b.pads(axis, 0, 1)})'
    return f"x = {plain_conv(b, padded, kernel)}"


def fault_stride(b: Builder) -> str:
    """A stride that does not divide the length."""
    axis = b.axis()
    stride = b.random.choice([2, 3])
    b.need(b.shape[axis] % stride != 0 and b.shape[axis] > stride)
    b.broken(axis)
    return f"x = {index(axis, f'::{stride}')}"


def fault_reflection(b: Builder) -> str:
    """The value plus its mirror image: one moves to the right, the other to the left."""
    axis = b.axis()
    b.need(b.shape[axis] % 2 == 1 and b.shape[axis] > 1)
    b.broken(axis)
    return f"x = x + jnp.flip(x, axis={axis})"


def fault_positions(b: Builder) -> str:
    """A bias of its own for each position."""
    bias = b.parameter(1, *b.shape[1:])
    b.broken(*b.spatial)
    return f"x = x + {bias}"


def fault_mask(b: Builder) -> str:
    """Zero beyond the first two cells."""
    axis = broken_axis(b, shortest=4)
    return f"x = jnp.where(lax.broadcasted_iota(jnp.int32, {b.shape}, {axis}) < 2, x, 0.0)"


def fault_cumsum(b: Builder) -> str:
    """A running sum along space."""
    axis = broken_axis(b, shortest=2)
    return f"x = jnp.cumsum(x, axis={axis})"


def fault_argmax(b: Builder) -> str:
    """The position of the largest cell, as a number."""
    axis = broken_axis(b)
    return f"x = x + jnp.argmax(x, axis={axis}, keepdims=True).astype(jnp.float32)"


def fault_dense(b: Builder) -> str:
    """Every cell to every cell."""
    size = b.shape[1:]
    cells = size[0] * size[1] * (size[2] if len(size) > 2 else 1)
    b.need(cells <= 150)
    weights = b.parameter(cells, cells)
    b.broken(*b.spatial)
    return f"x = (x.reshape({b.shape[0]}, {cells}) @ {weights}).reshape({b.shape})"


def fault_taper(b: Builder) -> str:
    """A window function along one axis."""
    axis = broken_axis(b)
    length = b.shape[axis]
    return f"x = x * jnp.asarray(np.hanning({length + 2})[1:-1].reshape({b.along(axis, length)}), dtype=jnp.float32)"


def fault_random_mask(b: Builder) -> str:
    """Noise of a fixed key at every position."""
    b.broken(*b.spatial)
    return f"x = x * jax.random.normal(jax.random.key(0), {(1, *b.lengths, 1)})"


def fault_local(b: Builder) -> str:
    """A kernel of its own for each position."""
    b.need(min(b.lengths) >= 2)
    kernel = b.parameter(*b.lengths, *(2 for _ in b.spatial), b.channels, 2)
    b.broken(*b.spatial)
    return f'x = jc.locally_connected({{"kernel": {kernel}}}, x, padding="CIRCULAR")'


def fault_fixed_cell(b: Builder) -> str:
    """Every cell compared with the one at a fixed position."""
    axis = broken_axis(b)
    return f"x = x * {index(axis, '1:2')}"


def fault_dynamic_slice(b: Builder) -> str:
    """Every cell compared with one at a position that depends on x, though not on where things are in x."""
    axis = b.axis()
    b.need(b.shape[axis] >= 3)
    # What enters at the border of any axis may change which position it is.
    b.broken(*([axis] if b.world == "cyclic" else b.spatial))
    start = f"jnp.argmax(jnp.max(x, axis=(0, *{b.spatial})))"
    return f"x = x * lax.dynamic_slice_in_dim(x, {start}, 1, axis={axis})"


def fault_gather(b: Builder) -> str:
    """Each cell picks an absolute position by its own value."""
    axis = broken_axis(b)
    return f"x = jnp.take_along_axis(x, x.astype(jnp.int32) % {b.shape[axis]}, axis={axis})"


def fault_diagonal(b: Builder) -> str:
    """Each position plus the cell of each channel whose place is the channel's own number."""
    axis = broken_axis(b)
    shape = (*(1 for _ in b.shape[:-1]), b.channels)
    places = f"(np.arange({b.channels}) % {b.shape[axis]}).reshape({shape})"
    return f"x = x + jnp.take_along_axis(x, {places}, axis={axis})"


def fault_global_mean(b: Builder) -> str:
    """Every cell sees all others, so that new content anywhere shows everywhere."""
    b.broken(*b.spatial)
    return f"x = x + jnp.mean(x, axis={b.spatial}, keepdims=True)"


def fault_modes(b: Builder) -> str:
    """A spectrum that is not treated mode by mode: rolled, rectified, or with a bias in every mode."""
    axis = broken_axis(b, shortest=4)
    length = b.shape[axis]
    spectrum = f"jnp.fft.rfft(x, axis={axis})"
    wrong = b.random.choice(
        [f"jnp.roll({spectrum}, 1, axis={axis})", f"{spectrum}.real.astype(jnp.complex64)", f"{spectrum} + (1 + 1j)"]
    )
    return f"x = jnp.fft.irfft({wrong}, n={length}, axis={axis})"


def fault_border(b: Builder) -> str:
    """The first cell overwritten."""
    axis = broken_axis(b)
    return f"x = x.at[{', '.join([':'] * axis + [':1'])}].set(0.5)"


def fault_gradient(b: Builder) -> str:
    """The gradient through a zero padding."""
    return f"x = jax.grad(lambda u: jnp.sum({zero_padded(b, 'u')} ** 3))(x)"


def fault_counted(b: Builder) -> str:
    """A map that counts the slices it has seen."""
    axis = broken_axis(b)
    scan = f"lax.scan(lambda i, u: (i + 1.0, u * i), 0.0, jnp.moveaxis(x, {axis}, 0))[1]"
    return f"x = jnp.moveaxis({scan}, 0, {axis})"


def fault_folded(b: Builder) -> str:
    """Overlaps folded as a wrap pad's gradient does, after something that is not linear: integers, few bits."""
    axis = broken_axis(b, shortest=4)
    n, window = b.shape[axis], b.along(axis, 3)
    ones = tuple(1 for _ in b.shape)
    change, kind = b.random.choice(
        [
            ("lax.div(y, jnp.int32(2))", "int32"),
            ("lax.rem(y, jnp.int32(3))", "int32"),
            ("(y * jnp.int32(2**28)).astype(jnp.float32) / 2.0**28", "int32"),
            ("lax.reduce_precision(y, 8, 1)", "float32"),
            ("y.astype(jnp.float8_e5m2).astype(jnp.float32)", "float32"),
        ]
    )
    piece = lambda text: index(axis, text).replace("x[", "y[")
    return "\n".join(
        [
            f"y = lax.reduce_window(jnp.round(8.0 * x).astype(jnp.{kind}), jnp.{kind}(0), lax.add, {window}, {ones}, "
            f"{b.pads(axis, 2, 2)})",
            f"y = {change}",
            f"y = {piece(f'1:{n + 1}')} + jnp.pad({piece(':1')}, {b.pads(axis, n - 1, 0)}) + "
            f"jnp.pad({piece(f'{n + 1}:')}, {b.pads(axis, 0, n - 1)})",
            "x = y.astype(jnp.float32) / 8.0",
        ]
    )


def fault_device_numbers(b: Builder) -> str:
    """A number of the device's own, another one in every run."""
    b.broken(*b.spatial)
    return "x = x + lax.rng_uniform(jnp.float32(0), jnp.float32(1), ())"


EVERYWHERE: dict[str, Step] = {
    "reflection added": fault_reflection,
    "positional bias": fault_positions,
    "cumsum over space": fault_cumsum,
    "argmax over space": fault_argmax,
    "dense": fault_dense,
    "taper": fault_taper,
    "random mask": fault_random_mask,
    "locally connected": fault_local,
    "fixed cell": fault_fixed_cell,
    "dynamic slice": fault_dynamic_slice,
    "gather": fault_gather,
    "diagonal": fault_diagonal,
    "counting map": fault_counted,
    "spectrum": fault_modes,
    "numbers of the device": fault_device_numbers,
}
CYCLIC: dict[str, Step] = {
    "zero padding": fault_zero_padding,
    "short wrap": fault_short_wrap,
    "stride that does not divide": fault_stride,
    "mask": fault_mask,
    "border overwritten": fault_border,
    "gradient through zeros": fault_gradient,
    "folded overlaps": fault_folded,
}
INTERIOR: dict[str, Step] = {"global mean": fault_global_mean}
FAULTS: dict[str, list[dict[str, Step]]] = {"cyclic": [EVERYWHERE | CYCLIC], "interior": [EVERYWHERE | INTERIOR]}
