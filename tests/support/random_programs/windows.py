"""Steps that slide a window: convolutions and pools, by `lax`, by hand, and by jaxconv."""

from __future__ import annotations

from support.random_programs.builder import Builder, Step


def layer_conv(b: Builder) -> str:
    """jaxconv's convolution: strides, dilation, groups, and every padding that the world allows."""
    r = b.random
    groups = r.choice([g for g in (1, 2, 3) if b.channels % g == 0])
    window = tuple(r.randint(1, 3) for _ in b.spatial)
    dilation = tuple(r.choice([1, 1, 2]) for _ in b.spatial)
    stride = tuple(r.choice([1, 1, 2, 3]) for _ in b.spatial)
    paddings = ["CIRCULAR"] if b.world == "cyclic" else ["SAME", "VALID", "REFLECT", "SYMMETRIC", "EDGE", "CAUSAL"]
    padding = tuple(r.choice(paddings) for _ in b.spatial)
    for axis, taps, apart, length in zip(b.spatial, window, dilation, b.lengths, strict=True):
        b.need(apart * (taps - 1) + 1 <= length - (2 if b.world == "interior" else 0))
        b.strided(axis, stride[axis - 1])
    kernel = b.parameter(*window, b.channels // groups, groups * r.randint(1, 2))
    bias = b.parameter(b.arguments[-1].shape[-1])
    settings = f"stride={stride}, padding={padding}, dilation={dilation}, groups={groups}"
    return f'x = jc.conv({{"kernel": {kernel}, "bias": {bias}}}, x, {settings})'


def plain_conv(b: Builder, value: str, kernel: str, settings: str = "") -> str:
    """A `lax` convolution without padding."""
    dimensions = [(), ("NWC", "WIO", "NWC"), ("NHWC", "HWIO", "NHWC")][len(b.spatial)]
    ones, none = (1,) * len(b.spatial), ((0, 0),) * len(b.spatial)
    return f"lax.conv_general_dilated({value}, {kernel}, {ones}, {none}, dimension_numbers={dimensions}{settings})"


def window_along(b: Builder, axis: int, taps: int) -> tuple[int, ...]:
    """A window of several taps along one spatial axis only."""
    return tuple(taps if a == axis else 1 for a in b.spatial)


def wrap_conv(b: Builder) -> str:
    """Pad by wrapping around, then convolve without padding."""
    axis, taps = b.axis(), b.random.choice([2, 3])
    b.need(b.shape[axis] >= taps)
    kernel = b.parameter(*window_along(b, axis, taps), b.channels, b.random.randint(1, 3))
    lo = b.random.randint(0, taps - 1)
    padded = f'x = jnp.pad(x, {b.pads(axis, lo, taps - 1 - lo)}, mode="wrap")'
    return f"{padded}\nx = {plain_conv(b, 'x', kernel)}"


def roll_conv(b: Builder) -> str:
    """Two taps by hand: rolled copies, each times its weight."""
    axis, by = b.axis(), b.random.randint(1, 3)
    kernel = b.parameter(2, b.channels)
    taps = [f"{kernel}[{i}].reshape({b.along(len(b.shape) - 1, b.channels)})" for i in range(2)]
    return f"x = x * {taps[0]} + jnp.roll(x, {by}, axis={axis}) * {taps[1]}"


def im2col(b: Builder) -> str:
    """Gather every window at known indices, then contract its taps."""
    axis = b.axis()
    length = b.shape[axis]
    b.need(length >= 4)
    kernel = b.parameter(3, b.channels, b.random.randint(1, 3))
    numpy = b.random.choice(["np", "jnp"])
    taps = f"{numpy}.arange(3)[None, :]"
    if b.world == "cyclic":
        indices = f"({numpy}.arange({length})[:, None] + {taps}) % {length}"
    else:
        indices = f"{numpy}.arange({length - 2})[:, None] + {taps}"
    left = "nhkwc" if axis == 1 else "nhwkc"
    left, right = (left, "nhwd") if len(b.spatial) == 2 else ("nhkc", "nhd")
    return f'x = jnp.einsum("{left},kcd->{right}", jnp.take(x, {indices}, axis={axis}), {kernel})'


def transposed_conv(b: Builder) -> str:
    """Up-sample by a convolution over the input with holes."""
    axis, taps = b.axis(), b.random.choice([2, 3])
    b.need(b.shape[axis] >= 2)
    length = b.shape[axis]
    b.scaled(axis, 2)
    kernel = b.parameter(*window_along(b, axis, taps), b.channels, b.random.randint(1, 2))
    holes = f", lhs_dilation={window_along(b, axis, 2)}"
    if b.world == "interior":
        return f"x = {plain_conv(b, 'x', kernel, holes)}"
    kept = ", ".join(f":{2 * length}" if a == axis else ":" for a in range(axis + 1))
    padded = f'x = jnp.pad(x, {b.pads(axis, 1, 1)}, mode="wrap")'
    return f"{padded}\nx = {plain_conv(b, 'x', kernel, holes)}[{kept}]"


def window_reduction(b: Builder) -> str:
    """The maximum or the sum of every window."""
    axis, stride = b.axis(), b.random.choice([1, 2])
    b.need(b.shape[axis] >= 4)
    b.strided(axis, stride)
    operation = b.random.choice(["-jnp.inf, lax.max", "0.0, lax.add"])
    windows = f"{b.along(axis, 3)}, {b.along(axis, stride)}"
    if b.world == "interior":
        return f'x = lax.reduce_window(x, {operation}, {windows}, "{b.random.choice(["SAME", "VALID"])}")'
    padded = f'x = jnp.pad(x, {b.pads(axis, 1, 1)}, mode="wrap")'
    return f'{padded}\nx = lax.reduce_window(x, {operation}, {windows}, "VALID")'


def layer_pool(b: Builder) -> str:
    """jaxconv's pooling, in windows that may overlap."""
    pool = b.random.choice(["jc.max_pool", "jc.avg_pool"])
    b.need(min(b.lengths) >= 4)
    stride = tuple(b.random.choice([1, 2]) for _ in b.spatial)
    for axis in b.spatial:
        b.strided(axis, stride[axis - 1])
    padding = "CIRCULAR" if b.world == "cyclic" else "VALID"
    return f'x = {pool}(x, {(2,) * len(b.spatial)}, stride={stride}, padding="{padding}")'


def fourier_conv(b: Builder) -> str:
    """Multiply the spectrum of one axis by parameters."""
    axis = b.axis()
    length = b.shape[axis]
    real = b.random.random() < 0.5
    shape = b.along(axis, length // 2 + 1 if real else length)
    spectrum = f"lax.complex({b.parameter(*shape)}, {b.parameter(*shape)})"
    if real:
        return f"x = jnp.fft.irfft(jnp.fft.rfft(x, axis={axis}) * {spectrum}, n={length}, axis={axis})"
    return f"x = jnp.fft.ifft(jnp.fft.fft(x, axis={axis}) * {spectrum}, axis={axis}).real"


def truncated_spectrum(b: Builder) -> str:
    """Keep the low modes of one axis, weigh them, and put zeros in the place of the others."""
    axis = b.axis()
    length = b.shape[axis]
    b.need(length >= 4)
    modes = b.random.randint(1, length // 2)
    low = f"jnp.fft.rfft(x, axis={axis})[{', '.join([':'] * axis + [f':{modes}'])}]"
    low += f" * lax.complex({b.parameter(*b.along(axis, modes))}, {b.parameter(*b.along(axis, modes))})"
    rest = length // 2 + 1 - modes
    if b.random.random() < 0.5:
        spectrum = f"jnp.pad({low}, {b.pads(axis, 0, rest)})"
    else:
        zeros = f"jnp.zeros({b.resized(axis, length // 2 + 1)}, jnp.complex64)"
        spectrum = f"{zeros}.at[{', '.join([':'] * axis + [f':{modes}'])}].set({low})"
    return f"x = jnp.fft.irfft({spectrum}, n={length}, axis={axis})"


def kernel_gradient(b: Builder) -> str:
    """Scaled by the gradient with respect to a shared kernel, which is a sum over all positions."""
    window = b.random.choice([1, 2, 3])
    b.need(min(b.lengths) >= window)
    kernel = b.parameter(*(window for _ in b.spatial), b.channels, 1)
    layer = 'jc.conv({"kernel": k}, x, padding="CIRCULAR")'
    return f"x = x * jnp.tanh(jnp.sum(jax.grad(lambda k: jnp.sum(jnp.square({layer})))({kernel})))"


def circulant(b: Builder) -> str:
    """A matrix product with a circulant matrix that is computed from nothing: each cell and some neighbours."""
    axis, taps = b.axis(), b.random.randint(1, 3)
    length = b.shape[axis]
    b.need(length > taps)
    matrix = f"((jnp.arange({length})[:, None] - jnp.arange({length})[None, :]) % {length} < {taps})"
    return f"x = jnp.moveaxis(jnp.tensordot(x, {matrix}.astype(jnp.float32), axes=(({axis},), (0,))), -1, {axis})"


def resize(b: Builder) -> str:
    """Twice as long by interpolation, whose weights are exact at this scale."""
    axis, method = b.axis(), b.random.choice(["bilinear", "cubic"])
    b.need(b.shape[axis] >= 6)
    b.scaled(axis, 2)
    return f'x = jax.image.resize(x, {b.resized(axis, 2 * b.shape[axis])}, "{method}")'


def sliding_windows(b: Builder) -> str:
    """Windows cut out by a mapped dynamic slice, and the largest of each."""
    axis = b.axis()
    length = b.shape[axis]
    b.need(length >= 5)
    cut = f"jax.vmap(lambda i: lax.dynamic_slice_in_dim(x, i, 3, axis={axis}))(jnp.arange({length - 2}))"
    return f"x = jnp.moveaxis(jnp.max({cut}, axis={axis + 1}), 0, {axis})"


def strided_gradient(b: Builder) -> str:
    """The gradient of a loss on a layer that strides: every stride-th position has its own rule."""
    b.need(min(b.lengths) >= 4)
    for axis in b.spatial:
        b.periodic(axis, 2)
    window = (2,) * len(b.spatial)
    padding = "CIRCULAR" if b.world == "cyclic" else "VALID"
    kernel = b.parameter(*window, b.channels, 2)
    layer = b.random.choice(
        [
            f'jc.conv({{"kernel": {kernel}}}, u, stride=2, padding="{padding}")',
            f'jc.max_pool(u * jnp.sum({kernel}), {window}, padding="{padding}")',
        ]
    )
    return f"x = jax.grad(lambda u: jnp.sum(jnp.square({layer})))(x)"


EVERYWHERE: dict[str, Step] = {
    "layer conv": layer_conv,
    "layer pool": layer_pool,
    "im2col": im2col,
    "transposed conv": transposed_conv,
    "window reduction": window_reduction,
    "gradient of strides": strided_gradient,
}
CYCLIC: dict[str, Step] = {
    "wrap conv": wrap_conv,
    "roll conv": roll_conv,
    "fourier conv": fourier_conv,
    "truncated spectrum": truncated_spectrum,
    "kernel gradient": kernel_gradient,
    "circulant": circulant,
}
INTERIOR: dict[str, Step] = {"resize": resize, "sliding windows": sliding_windows}
