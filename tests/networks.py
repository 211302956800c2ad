"""Real networks of several makers, each beside what is true of it under shifts, worked out by hand.

`NETWORKS` is the table, `network(name)` one of its rows made for a small image, `network(name, large=True)` the same at
its real size. Parameters and images are abstract, so that even ResNet-101 costs nothing to build; `concrete` fills them
in. `tests/verify/test_networks_run.py` proves every expectation by running the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, wraps
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.example_libraries import stax

import jaxconv as jc

H, W = 1, 2  # the spatial axes of [n, h, w, c]


@dataclass(frozen=True)
class Field:
    """Output `j` reads the inputs `[rate*j + first, rate*j + last]` and no others; the identity until windows slide."""

    rate: int = 1
    first: int = 0
    last: int = 0

    @property
    def size(self) -> int:
        """Cells from the first to the last."""
        return self.last - self.first + 1

    def slide(self, taps: int, stride: int = 1, before: int = 0, dilation: int = 1) -> Field:
        """The field behind one more window, which starts `before` cells ahead of cell `j*stride`."""
        after = dilation * (taps - 1) - before
        return Field(self.rate * stride, self.first - self.rate * before, self.last + self.rate * after)

    def inside(self, length: int) -> tuple[int, int] | None:
        """The range `[lo, hi)` of outputs whose field lies in `[0, length)`; None if there is none."""
        lo, hi = -(self.first // self.rate), (length - 1 - self.last) // self.rate + 1
        return (lo, hi) if lo < hi else None


def field_of(*windows: tuple[int, ...]) -> Field:
    """The field of a chain of windows, each (taps, stride, before, dilation), from the image on."""
    field = Field()
    for window in windows:
        field = field.slide(*window)
    return field


@dataclass(frozen=True)
class Culprit:
    """The equation that breaks a shift: its primitive, and code on its line of this file."""

    primitive: str
    code: str
    file: str = "networks.py"


@dataclass(frozen=True)
class Expectation:
    """What is true of one output leaf along one axis of the image. No moves is invariance.

    `shift` is the least that a law holds for; where none does, no multiple of it has one. `region` is the largest true
    one: behind up-sampling it is a little wider than what follows from `field`, which all phases share. `field` is None
    where every output sees every input.
    """

    axis: int
    shift: int
    moves: tuple[tuple[int, int], ...]  # (output axis, t)
    cyclic: bool
    region: tuple[int, int] | None = None  # along the output axis of the only move; None if no interior law holds
    field: Field | None = None
    culprit: Culprit | None = None  # of the cyclic law; None also where only the output's length is at fault
    leaf: int = 0

    @property
    def interior(self) -> bool:
        """Whether an interior law holds."""
        return self.region is not None


@dataclass(frozen=True)
class Network:
    """`fn(*arguments)` runs it; the image is the last argument and `axes` are its spatial ones."""

    name: str
    fn: Callable[..., Any]
    arguments: tuple[Any, ...]
    axes: tuple[int, ...]
    expect: tuple[Expectation, ...]

    @property
    def image(self) -> jax.ShapeDtypeStruct:
        """The image, abstract."""
        return self.arguments[-1]


def windowed(image: Any, field: Field, *, cyclic: bool, axes: Sequence[int] = (H, W), **facts: Any) -> tuple:
    """Expectations of a network of windows: a shift by the field's rate moves the output by one."""
    return tuple(
        Expectation(axis, field.rate, ((axis, 1),), cyclic, field.inside(image.shape[axis]), field, **facts)
        for axis in axes
    )


def unbounded(*, shift: int, cyclic: bool, moves: bool = True, axes: Sequence[int] = (H, W), **facts: Any) -> tuple:
    """Expectations where every output sees the whole axis: new content at the border reaches all, no interior law."""
    return tuple(Expectation(axis, shift, ((axis, 1),) if moves else (), cyclic, **facts) for axis in axes)


def picture(height: int, width: int, channels: int = 3) -> jax.ShapeDtypeStruct:
    """An abstract image [1, h, w, c]."""
    return jax.ShapeDtypeStruct((1, height, width, channels), jnp.float32)


def weights(*shape: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    """Abstract weights."""
    return jax.ShapeDtypeStruct(shape, dtype)


def kernel(taps: int, channels_in: int, channels_out: int, *, groups: int = 1, rank: int = 2) -> Any:
    """Abstract parameters of a convolution, `taps` along each axis."""
    return abstract(
        jc.init_conv, window=(taps,) * rank, channels_in=channels_in, channels_out=channels_out, groups=groups
    )


def matrix(features_in: int, features_out: int) -> Any:
    """Abstract parameters of a dense layer."""
    return abstract(jc.init_dense, features_in=features_in, features_out=features_out)


def abstract(init: Callable, *arguments: Any, **settings: Any) -> Any:
    """What `init(key, ...)` would return, without computing it."""
    return jax.eval_shape(lambda: init(jax.random.key(0), *arguments, **settings))


def concrete(network: Network, seed: int = 0) -> tuple[Any, ...]:
    """The arguments with random numbers in place of every ShapeDtypeStruct."""
    rng = np.random.default_rng(seed)

    def fill(path: Any, leaf: Any) -> Any:
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        if leaf.ndim == 1:  # biases, scales, running variances: positive, so that no ReLU is dead and no root is of -1
            return jnp.asarray(rng.uniform(0.25, 1.0, leaf.shape), leaf.dtype)
        values = rng.normal(size=leaf.shape)
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            values = values + 1j * rng.normal(size=leaf.shape)
        fan_in = leaf.size / max(leaf.shape[0], leaf.shape[-1])  # channels come last, in PyTorch's layout first
        return jnp.asarray(values / np.sqrt(fan_in), leaf.dtype)

    *parameters, image = network.arguments
    filled = jax.tree_util.tree_map_with_path(fill, tuple(parameters))
    return (*filled, jnp.asarray(rng.normal(size=image.shape), image.dtype))


def lenient(fn: Callable) -> Callable:
    """`fn` under JAX's default promotion: peers mix dtypes and ranks, which our tests forbid to us."""

    @wraps(fn)
    def run(*arguments):
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return fn(*arguments)

    return run


# ---- Convolutional networks in jaxconv ------------------------------------------------------------------------------


def small_cnn(height=48, width=48, channels=4, padding="CIRCULAR"):
    """Three times convolution, ReLU and pooling."""

    def fn(params, x):
        for layer in params:
            x = jax.nn.relu(jc.conv(layer, x, padding=padding))
            x = jc.max_pool(x, (2, 2))
        return x

    image = picture(height, width)
    params = [kernel(3, 3, channels), kernel(3, channels, channels), kernel(3, channels, channels)]
    field = field_of(*[(3, 1, 1), (2, 2)] * 3)  # 3, 4; 8, 10; 18, 22 cells: [8j - 7, 8j + 14]
    cyclic = padding == "CIRCULAR"
    culprit = None if cyclic else Culprit("conv_general_dilated", "jc.conv(layer, x, padding=padding)")
    return fn, (params, image), (H, W), windowed(image, field, cyclic=cyclic, culprit=culprit)


VGG16 = (2, 2, 3, 3, 3)  # convolutions in each block
VGG16_FIELD = field_of(*(window for count in VGG16 for window in [(3, 1, 1)] * count + [(2, 2)]))


def vgg16(height=288, width=64, base=2):
    """The features of VGG-16. Its last pooling sees [32j - 90, 32j + 121]: 212 cells, of 224 only j = 3 all inside."""

    def fn(params, x):
        for block in params:
            for layer in block:
                x = jax.nn.relu(jc.conv(layer, x, padding="SAME"))
            x = jc.max_pool(x, (2, 2), padding="SAME")
        return x

    widths = [3, base, 2 * base, 4 * base, 8 * base, 8 * base]
    params = [
        [kernel(3, channels_in if layer == 0 else channels_out, channels_out) for layer in range(count)]
        for count, channels_in, channels_out in zip(VGG16, widths, widths[1:], strict=False)
    ]
    image = picture(height, width)
    culprit = Culprit("conv_general_dilated", 'jc.conv(layer, x, padding="SAME")')
    return fn, (params, image), (H, W), windowed(image, VGG16_FIELD, cyclic=False, culprit=culprit)


RESNET50, RESNET101 = (3, 4, 6, 3), (3, 4, 23, 3)  # units in each block
RESNET_STRIDES = (2, 2, 2, 1)  # of each block, in its last unit


def resnet_field(blocks: Sequence[int]) -> Field:
    """The field of a ResNet: of each unit the 3x3 convolution counts, the shortcut sees its centre.

    The pooling's SAME padding of an even length puts its one odd cell behind, so nothing stands before.
    """
    units = [
        (3, stride, 1)
        for count, last in zip(blocks, RESNET_STRIDES, strict=True)
        for stride in [1] * (count - 1) + [last]
    ]
    return field_of((7, 2, 3), (3, 2, 0), *units)


def resnet(blocks, height, width=64, base=1):
    """ResNet-v1 as TF-Slim builds it, the stride in the last unit of a block, zeros around every strided convolution."""
    strides = [[1] * (count - 1) + [last] for count, last in zip(blocks, RESNET_STRIDES, strict=True)]

    def fn(params, image):
        x = jax.nn.relu(jc.conv(params["stem"], image, stride=2, padding=((3, 3), (3, 3))))
        x = jc.max_pool(x, (3, 3), stride=2, padding="SAME")
        for block, block_strides in zip(params["blocks"], strides, strict=True):
            for unit, stride in zip(block, block_strides, strict=True):
                x = bottleneck(unit, x, stride)
        return x

    channels, params = base, {"stem": kernel(7, 3, base), "blocks": []}
    for number, count in enumerate(blocks):
        params["blocks"].append([])
        for _ in range(count):
            params["blocks"][-1].append(bottleneck_params(channels, base * 2**number))
            channels = 4 * base * 2**number
    image = picture(height, width)
    culprit = Culprit("conv_general_dilated", 'jc.conv(params["stem"], image')
    return fn, (params, image), (H, W), windowed(image, resnet_field(blocks), cyclic=False, culprit=culprit)


def bottleneck_params(channels, depth):
    """1x1, 3x3 and 1x1 kernels, and a projection where the number of channels changes."""
    unit = {
        "reduce": kernel(1, channels, depth),
        "conv": kernel(3, depth, depth),
        "expand": kernel(1, depth, 4 * depth),
    }
    return unit if channels == 4 * depth else unit | {"project": kernel(1, channels, 4 * depth)}


def bottleneck(params, x, stride):
    """A residual unit; its shortcut keeps every `stride`-th cell."""
    y = jax.nn.relu(jc.conv(params["reduce"], x))
    y = jax.nn.relu(jc.conv(params["conv"], y, stride=stride, padding=((1, 1), (1, 1))))
    y = jc.conv(params["expand"], y)
    shortcut = (
        jc.conv(params["project"], x, stride=stride) if "project" in params else jc.max_pool(x, (1, 1), stride=stride)
    )
    return jax.nn.relu(y + shortcut)


def lenet5(height=32, width=32):
    """LeNet-5's convolutions. VALID keeps the interior law at every output; the output is shorter than a full turn."""

    def fn(params, image):
        x = jc.max_pool(jax.nn.relu(jc.conv(params["c1"], image)), (2, 2))
        return jc.max_pool(jax.nn.relu(jc.conv(params["c3"], x)), (2, 2))

    image = picture(height, width, 1)
    field = field_of((5,), (2, 2), (5,), (2, 2))  # 5, 6, 14, 16 cells: [4j, 4j + 15]
    return fn, ({"c1": kernel(5, 1, 6), "c3": kernel(5, 6, 16)}, image), (H, W), windowed(image, field, cyclic=False)


def dilated(height=24, width=24, channels=4):
    """Dilations 1, 2 and 4, with a residual sum: 1 + 2 * (1 + 2 + 4) = 15 cells, and no stride."""

    def fn(params, x):
        x = jc.conv(params["stem"], x)
        for layer, dilation in zip(params["layers"], (1, 2, 4), strict=True):
            x = x + jax.nn.silu(jc.conv(layer, x, dilation=dilation, padding="CIRCULAR"))
        return x

    params = {"stem": kernel(1, 3, channels), "layers": [kernel(3, channels, channels) for _ in range(3)]}
    image = picture(height, width)
    field = field_of(*[(3, 1, dilation, dilation) for dilation in (1, 2, 4)])
    return fn, (params, image), (H, W), windowed(image, field, cyclic=True)


def wavenet(length=40, channels=4):
    """Causal gated convolutions of two taps, dilated by 1, 2, 4, 8, over a signal: 16 cells, the last of them j."""

    def fn(params, x):
        skips = []
        for layer, dilation in zip(params, (1, 2, 4, 8), strict=True):
            filtered, gate = jnp.split(jc.conv(layer, x, dilation=dilation, padding="CAUSAL"), 2, axis=-1)
            skips.append(jnp.tanh(filtered) * jax.nn.sigmoid(gate))
            x = x + skips[-1]
        return jnp.concatenate(skips, axis=-1)

    image = jax.ShapeDtypeStruct((1, length, channels), jnp.float32)
    params = [kernel(2, channels, 2 * channels, rank=1) for _ in range(4)]
    field = field_of(*[(2, 1, dilation, dilation) for dilation in (1, 2, 4, 8)])
    culprit = Culprit("conv_general_dilated", 'jc.conv(layer, x, dilation=dilation, padding="CAUSAL")')
    return fn, (params, image), (1,), windowed(image, field, cyclic=False, axes=(1,), culprit=culprit)


def unet(height=32, width=32, channels=3):
    """Two levels down by pooling, two up by nearest neighbours, joined by concatenation; the lattice is 4 -> 4.

    With conv and pool as below, the bottom b[q] sees x[4q-7 .. 4q+10]. The output j = 4q + phase sees the bottoms
    b[((j-1)//2 - 1)//2 .. ((j+1)//2 + 1)//2]: (q-1, q), (q-1, q+1), (q-1, q+1), (q, q+1) for phases 0 to 3, that is
    x[j-11 .. j+10], x[j-12 .. j+13], x[j-13 .. j+12], x[j-10 .. j+11], in all [j-13, j+13]. The skips see less.
    So the first output that sees no border is j = 11, of phase 3, and the last is n - 12, of phase 0.
    """

    def fn(params, image):
        block = lambda name, x: jax.nn.relu(jc.conv(params[name], x, padding="CIRCULAR"))
        up = lambda x: jnp.repeat(jnp.repeat(x, 2, axis=H), 2, axis=W)
        fine = block("down0", image)
        coarse = block("down1", jc.max_pool(fine, (2, 2)))
        x = block("bottom", jc.max_pool(coarse, (2, 2)))
        x = block("up1", jnp.concatenate([up(x), coarse], axis=-1))
        return block("up0", jnp.concatenate([up(x), fine], axis=-1))

    c = channels
    sizes = {"down0": (3, c), "down1": (c, 2 * c), "bottom": (2 * c, 4 * c), "up1": (6 * c, 2 * c), "up0": (3 * c, c)}
    image = picture(height, width)
    expect = tuple(
        Expectation(axis, 4, ((axis, 4),), True, (11, image.shape[axis] - 11), Field(1, -13, 13)) for axis in (H, W)
    )
    return fn, ({name: kernel(3, *size) for name, size in sizes.items()}, image), (H, W), expect


def mobilenet(height=32, width=32, channels=4):
    """A strided stem and two depthwise separable layers, the second of them strided."""

    def fn(params, x):
        x = jax.nn.relu6(jc.conv(params["stem"], x, stride=2, padding="CIRCULAR"))
        for layer, stride in zip(params["layers"], (1, 2), strict=True):
            groups = x.shape[-1]
            x = jax.nn.relu6(jc.conv(layer["depthwise"], x, stride=stride, padding="CIRCULAR", groups=groups))
            x = jax.nn.relu6(jc.conv(layer["pointwise"], x))
        return x

    c = channels
    layers = [{"depthwise": kernel(3, i, i, groups=i), "pointwise": kernel(1, i, 2 * i)} for i in (c, 2 * c)]
    image = picture(height, width)
    field = field_of((3, 2, 1), (3, 1, 1), (3, 2, 1))  # [4j - 5, 4j + 5]
    return fn, ({"stem": kernel(3, 3, c), "layers": layers}, image), (H, W), windowed(image, field, cyclic=True)


def densenet(height=24, width=24, growth=4):
    """Three layers that each see all before them, and a transition of 1x1 convolution and average."""

    def fn(params, x):
        for layer in params["layers"]:
            x = jnp.concatenate([x, jc.conv(layer, jax.nn.relu(x), padding="CIRCULAR")], axis=-1)
        return jc.avg_pool(jc.conv(params["transition"], x), (2, 2))

    layers = [kernel(3, 3 + number * growth, growth) for number in range(3)]
    image = picture(height, width)
    field = field_of((3, 1, 1), (3, 1, 1), (3, 1, 1), (2, 2))  # [2j - 3, 2j + 4]
    params = {"layers": layers, "transition": kernel(1, 3 + 3 * growth, growth)}
    return fn, (params, image), (H, W), windowed(image, field, cyclic=True)


def squeeze_excite(height=12, width=12, channels=8):
    """Features gated by their global mean, and the gate itself, which no shift changes."""

    def fn(params, image):
        x = jax.nn.relu(jc.conv(params["conv"], image, padding="CIRCULAR"))
        hidden = jax.nn.relu(jc.dense(params["squeeze"], jc.global_avg_pool(x)))
        gate = jax.nn.sigmoid(jc.dense(params["excite"], hidden))
        return x * gate[:, None, None, :], gate

    c = channels
    params = {"conv": kernel(3, 3, c), "squeeze": matrix(c, c // 4), "excite": matrix(c // 4, c)}
    expect = unbounded(shift=1, cyclic=True) + unbounded(shift=1, cyclic=True, moves=False, leaf=1)
    return fn, (params, picture(height, width)), (H, W), expect


def convnext(height=64, width=64, channels=4):
    """A stem of 4x4 patches, a block (7x7 depthwise, layer norm over channels, GELU, layer scale), a step down by 2."""

    def fn(params, image):
        x = layer_norm(params["norm0"], jc.conv(params["stem"], image, stride=4))
        y = jc.conv(params["depthwise"], x, padding="CIRCULAR", groups=x.shape[-1])
        y = jax.nn.gelu(jc.dense(params["widen"], layer_norm(params["norm1"], y)))
        x = x + params["scale"][None, None, None] * jc.dense(params["narrow"], y)
        return jc.conv(params["down"], layer_norm(params["norm2"], x), stride=2)

    c = channels
    params = {"stem": kernel(4, 3, c), "depthwise": kernel(7, c, c, groups=c), "down": kernel(2, c, 2 * c)}
    params |= {"widen": matrix(c, 4 * c), "narrow": matrix(4 * c, c), "scale": weights(c)}
    params |= {f"norm{number}": {"scale": weights(c), "offset": weights(c)} for number in range(3)}
    image = picture(height, width)
    field = field_of((4, 4), (7, 1, 3), (2, 2))  # 4, 28, 32 cells: [8j - 12, 8j + 19]
    return fn, (params, image), (H, W), windowed(image, field, cyclic=True)


def layer_norm(params, x):
    """Each position by itself, over its channels."""
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    scale, offset = (jnp.expand_dims(params[name], range(x.ndim - 1)) for name in ("scale", "offset"))
    return (x - mean) * jax.lax.rsqrt(variance + 1e-6) * scale + offset


def flatten_head(height=8, width=8, channels=4):
    """A circular convolution under a dense layer over all positions, each with weights of its own."""

    def fn(params, image):
        x = jax.nn.relu(jc.conv(params["conv"], image, padding="CIRCULAR"))
        return jc.dense(params["head"], x.reshape(x.shape[0], -1))

    params = {"conv": kernel(3, 3, channels), "head": matrix(height * width * channels, 10)}
    culprit = Culprit("dot_general", 'jc.dense(params["head"]')
    expect = unbounded(shift=1, cyclic=False, moves=False, culprit=culprit)
    return fn, (params, picture(height, width)), (H, W), expect


def coord_conv(height=12, width=12, channels=4):
    """A circular convolution that is told where it stands, by two channels of coordinates."""

    def fn(params, image):
        n, h, w, _ = image.shape
        grid = jnp.meshgrid(jnp.linspace(-1.0, 1.0, h), jnp.linspace(-1.0, 1.0, w), indexing="ij")
        coordinates = jnp.broadcast_to(jnp.stack(grid, axis=-1)[None], (n, h, w, 2))
        x = jnp.concatenate([image, coordinates], axis=-1)
        return jc.conv(params, x, padding="CIRCULAR")

    image = picture(height, width)
    culprit = Culprit("concatenate", "jnp.concatenate([image, coordinates]")
    expect = windowed(image, field_of((3, 1, 1)), cyclic=False, culprit=culprit)
    return fn, (kernel(3, 5, channels), image), (H, W), tuple(replace(row, region=None) for row in expect)


# ---- Fourier neural operators and transformers ----------------------------------------------------------------------


def fno(height=16, width=16, channels=4, modes=4):
    """A Fourier layer: low modes times weights (low and negative ones along h), the rest zero, and a 1x1 bypass.

    A shift multiplies each mode by a phase; weights and truncation commute with it. What irfft ignores, the imaginary
    part of mode 0 along w, it ignores before the shift and after it, for there the phase is 1.
    """

    def fn(params, x):
        modes_of_x = jnp.fft.rfft2(x, axes=(H, W))[:, :, :modes]
        low, high = modes_of_x[:, :modes], modes_of_x[:, -modes:]
        low = jnp.einsum("nhwc,hwco->nhwo", low, params["low"])
        high = jnp.einsum("nhwc,hwco->nhwo", high, params["high"])
        n, h, w, _ = x.shape
        middle = jnp.zeros((n, h - 2 * modes, modes, low.shape[-1]), low.dtype)
        spectrum = jnp.concatenate([low, middle, high], axis=H)
        spectrum = jnp.pad(spectrum, ((0, 0), (0, 0), (0, w // 2 + 1 - modes), (0, 0)))
        return jax.nn.gelu(jnp.fft.irfft2(spectrum, s=(h, w), axes=(H, W)) + jc.conv(params["bypass"], x))

    c = channels
    spectral = {name: weights(modes, modes, c, c, dtype=jnp.complex64) for name in ("low", "high")}
    params = spectral | {"bypass": kernel(1, c, c)}
    return fn, (params, picture(height, width, c)), (H, W), unbounded(shift=1, cyclic=True)


def fno_1d(length=32, channels=4, modes=6):
    """The same along one axis, the low modes written into zeros as published code does it."""

    def fn(params, x):
        low = jnp.fft.rfft(x, axis=1)[:, :modes]
        spectrum = jnp.zeros((x.shape[0], x.shape[1] // 2 + 1, x.shape[2]), low.dtype)
        spectrum = spectrum.at[:, :modes].set(jnp.einsum("nkc,kco->nko", low, params))
        return jnp.fft.irfft(spectrum, n=x.shape[1], axis=1)

    image = jax.ShapeDtypeStruct((1, length, channels), jnp.float32)
    params = weights(modes, channels, channels, dtype=jnp.complex64)
    return fn, (params, image), (1,), unbounded(shift=1, cyclic=True, axes=(1,))


def vit(height=16, width=12, channels=8, patch=4, depth=2, output="grid", positions=False):
    """A transformer over patches. Attention among all tokens commutes with any permutation of them, and a shift by a
    patch is one, along h or along w: the grid of tokens moves by one and their mean stays. Position embeddings break it.
    """

    def fn(params, image):
        patches = jc.conv(params["patch"], image, stride=patch)
        tokens = patches.reshape(patches.shape[0], -1, patches.shape[-1])
        if positions:
            tokens = tokens + params["positions"][None]
        for block in params["blocks"]:
            tokens = tokens + attention(block, layer_norm(block["norm0"], tokens))
            hidden = jax.nn.gelu(jc.dense(block["widen"], layer_norm(block["norm1"], tokens)))
            tokens = tokens + jc.dense(block["narrow"], hidden)
        return tokens.reshape(patches.shape) if output == "grid" else tokens.mean(axis=1)

    c = channels
    dense = {"qkv": (c, 3 * c), "out": (c, c), "widen": (c, 4 * c), "narrow": (4 * c, c)}
    norms = {f"norm{number}": {"scale": weights(c), "offset": weights(c)} for number in range(2)}
    blocks = [{name: matrix(*size) for name, size in dense.items()} | norms for _ in range(depth)]
    params = {"patch": kernel(patch, 3, c), "blocks": blocks}
    if positions:
        params["positions"] = weights(height // patch * (width // patch), c)
    culprit = Culprit("add", 'tokens + params["positions"]') if positions else None
    expect = unbounded(shift=patch, cyclic=not positions, moves=output == "grid", culprit=culprit)
    return fn, (params, picture(height, width)), (H, W), expect


def attention(params, tokens, heads=2):
    """Multi-head self-attention over [n, t, c]."""
    n, count, channels = tokens.shape
    split = jc.dense(params["qkv"], tokens).reshape(n, count, 3, heads, channels // heads)
    query, key, value = (split[:, :, number] for number in range(3))
    scores = jnp.einsum("nqhc,nkhc->nhqk", query, key) / np.float32(np.sqrt(channels // heads))
    mixed = jnp.einsum("nhqk,nkhc->nqhc", jax.nn.softmax(scores, axis=-1), value)
    return jc.dense(params["out"], mixed.reshape(n, count, channels))


def attention_map(length=12, channels=4):
    """Who attends to whom: both axes of the map move together."""

    def fn(params, tokens):
        query, key = (
            jnp.einsum("nqc,co->nqo", tokens, params["query"]),
            jnp.einsum("nkc,co->nko", tokens, params["key"]),
        )
        return jax.nn.softmax(jnp.einsum("nqo,nko->nqk", query, key), axis=-1)

    image = jax.ShapeDtypeStruct((1, length, channels), jnp.float32)
    params = {name: weights(channels, channels) for name in ("query", "key")}
    return fn, (params, image), (1,), (Expectation(1, 1, ((1, 1), (2, 1)), True),)


# ---- Other libraries ------------------------------------------------------------------------------------------------


def flax_resnet(height=48, width=48, channels=4, padding="CIRCULAR", norm="batch"):
    """A stem and two residual blocks in Flax linen. Group norm averages over all positions: no interior law is left.

    CIRCULAR centres each window: [4j - 11, 4j + 11]. SAME puts the one zero that a strided window of an even length
    needs behind it, so nothing stands before: [4j - 8, 4j + 14].
    """
    from flax import linen  # noqa: PLC0415  an optional package, as the other peers are

    normalise = {
        "batch": lambda: linen.BatchNorm(use_running_average=True),
        "group": lambda: linen.GroupNorm(num_groups=2),
    }[norm]

    class Block(linen.Module):
        features: int
        stride: int

        @linen.compact
        def __call__(self, x):
            y = linen.Conv(self.features, (3, 3), strides=self.stride, padding=padding, use_bias=False)(x)
            y = linen.relu(normalise()(y))
            y = normalise()(linen.Conv(self.features, (3, 3), padding=padding, use_bias=False)(y))
            if y.shape != x.shape:
                x = linen.Conv(self.features, (1, 1), strides=self.stride, use_bias=False)(x)
            return linen.relu(x + y)

    class ResNet(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = linen.Conv(channels, (3, 3), strides=2, padding=padding, name="stem")(x)
            x = linen.relu(normalise()(x))
            return Block(2 * channels, 2)(Block(channels, 1)(x))

    image = picture(height, width)
    variables = lenient(abstract)(ResNet().init, image_like(image))
    before = 1 if padding == "CIRCULAR" else 0
    field = field_of((3, 2, before), (3, 1, 1), (3, 1, 1), (3, 2, before), (3, 1, 1))
    culprit = None if padding == "CIRCULAR" else Culprit("conv_general_dilated", 'padding=padding, name="stem")(x)')
    expect = windowed(image, field, cyclic=padding == "CIRCULAR", culprit=culprit)
    if norm == "group":
        expect = unbounded(shift=4, cyclic=padding == "CIRCULAR", culprit=culprit)
    return lenient(ResNet().apply), (variables, image), (H, W), expect


def image_like(image: jax.ShapeDtypeStruct) -> jax.Array:
    """Zeros to initialise with; traced under `abstract`, never made."""
    return jnp.zeros(image.shape, image.dtype)


def nnx_cnn(height=16, width=16, channels=4):
    """Two circular convolutions in Flax nnx, the second strided, and the mean over positions: invariant to shifts by 2."""
    from flax import nnx  # noqa: PLC0415  an optional package

    class Classifier(nnx.Module):
        def __init__(self, rngs):
            self.conv0 = nnx.Conv(3, channels, (3, 3), padding="CIRCULAR", rngs=rngs)
            self.conv1 = nnx.Conv(channels, channels, (3, 3), strides=2, padding="CIRCULAR", rngs=rngs)
            self.head = nnx.Linear(channels, 10, rngs=rngs)

        def __call__(self, x):
            x = nnx.relu(self.conv0(x))
            return self.head(nnx.relu(self.conv1(x)).mean(axis=(H, W)))

    graph, state = nnx.split(nnx.eval_shape(lambda: Classifier(nnx.Rngs(0))))
    fn = lenient(lambda state, x: nnx.merge(graph, state)(x))
    return fn, (state, picture(height, width)), (H, W), unbounded(shift=2, cyclic=True, moves=False)


def equinox_cnn(height=24, width=24, channels=4):
    """Circular convolutions around a pooling in Equinox: channels first, one image at a time, batched by vmap."""
    import equinox as eqx  # noqa: PLC0415  an optional package

    class Features(eqx.Module):
        conv0: eqx.nn.Conv2d
        pool: eqx.nn.MaxPool2d
        conv1: eqx.nn.Conv2d

        def __init__(self, key):
            self.conv0 = eqx.nn.Conv2d(3, channels, 3, padding=1, padding_mode="CIRCULAR", key=key)
            self.pool = eqx.nn.MaxPool2d(2, 2)
            self.conv1 = eqx.nn.Conv2d(channels, channels, 3, padding="SAME", padding_mode="CIRCULAR", key=key)

        def __call__(self, x):
            return jax.nn.relu(self.conv1(self.pool(jax.nn.relu(self.conv0(x)))))

    model = eqx.filter_eval_shape(Features, jax.random.key(0))
    params, static = eqx.partition(model, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    fn = lenient(lambda params, images: jax.vmap(eqx.combine(params, static))(images))
    image = jax.ShapeDtypeStruct((1, 3, height, width), jnp.float32)
    field = field_of((3, 1, 1), (2, 2), (3, 1, 1))  # [2j - 3, 2j + 4]
    return fn, (params, image), (2, 3), windowed(image, field, cyclic=True, axes=(2, 3))


def haiku_cnn(height=24, width=24, channels=4):
    """Zero-padded convolutions around a pooling in Haiku."""
    import haiku as hk  # noqa: PLC0415  an optional package

    def forward(x):
        x = jax.nn.relu(hk.Conv2D(channels, 3, padding="SAME", name="first")(x))
        x = hk.MaxPool((2, 2, 1), (2, 2, 1), padding="SAME")(x)
        return jax.nn.relu(hk.Conv2D(channels, 3, padding="SAME", name="second")(x))

    model = hk.without_apply_rng(hk.transform(forward))
    image = picture(height, width)
    params = lenient(abstract)(model.init, image_like(image))
    field = field_of((3, 1, 1), (2, 2), (3, 1, 1))  # [2j - 3, 2j + 4]
    culprit = Culprit("conv_general_dilated", 'name="first")(x)')
    return lenient(model.apply), (params, image), (H, W), windowed(image, field, cyclic=False, culprit=culprit)


def stax_cnn(height=24, width=24, channels=4):
    """VALID convolutions around a pooling in stax: the interior law at every output, and none around the torus."""
    layers = [stax.Conv(channels, (3, 3)), stax.Relu, stax.MaxPool((2, 2), strides=(2, 2)), stax.Conv(channels, (3, 3))]
    init, apply = stax.serial(*layers)
    image = picture(height, width)
    params = abstract(lambda key: init(key, image.shape)[1])
    field = field_of((3,), (2, 2), (3,))  # [2j, 2j + 7]
    return lenient(apply), (params, image), (H, W), windowed(image, field, cyclic=False)


# ---- The table ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """How to build a network: at its default, small size; with `large` at its real one; if `needs` is installed."""

    build: Callable[..., tuple]
    large: dict[str, Any] | None = None
    needs: str = "jax"


PHOTO = {"height": 224, "width": 224}
SCENE = {"height": 512, "width": 512}
VIT_LARGE = PHOTO | {"patch": 16, "channels": 768, "depth": 12}

NETWORKS: dict[str, Row] = {
    "small_cnn": Row(small_cnn, SCENE | {"channels": 64}),
    "small_cnn_zeros": Row(partial(small_cnn, padding="SAME"), SCENE | {"channels": 64}),
    "vgg16": Row(vgg16, PHOTO | {"base": 64}),
    "resnet50": Row(partial(resnet, RESNET50, height=576), PHOTO | {"base": 64}),
    "resnet101": Row(partial(resnet, RESNET101, height=1152), PHOTO | {"base": 64}),
    "lenet5": Row(lenet5),
    "dilated": Row(dilated, SCENE | {"channels": 32}),
    "wavenet": Row(wavenet, {"length": 16_000, "channels": 32}),
    "unet": Row(unet, SCENE | {"channels": 64}),
    "mobilenet": Row(mobilenet, PHOTO | {"channels": 32}),
    "densenet": Row(densenet, PHOTO | {"growth": 32}),
    "squeeze_excite": Row(squeeze_excite, PHOTO | {"channels": 64}),
    "convnext": Row(convnext, PHOTO | {"channels": 96}),
    "flatten_head": Row(flatten_head),
    "coord_conv": Row(coord_conv),
    "fno": Row(fno, SCENE | {"channels": 32, "modes": 12}),
    "fno_1d": Row(fno_1d, {"length": 8192, "channels": 64, "modes": 16}),
    "vit": Row(vit, VIT_LARGE),
    "vit_pooled": Row(partial(vit, output="mean"), VIT_LARGE),
    "vit_positions": Row(partial(vit, positions=True), VIT_LARGE),
    "attention_map": Row(attention_map, {"length": 1024, "channels": 64}),
    "flax_resnet": Row(flax_resnet, PHOTO | {"channels": 64}, needs="flax"),
    "flax_resnet_same": Row(partial(flax_resnet, padding="SAME"), PHOTO | {"channels": 64}, needs="flax"),
    "flax_resnet_group_norm": Row(partial(flax_resnet, norm="group"), PHOTO | {"channels": 64}, needs="flax"),
    "nnx_cnn": Row(nnx_cnn, PHOTO | {"channels": 64}, needs="flax"),
    "equinox_cnn": Row(equinox_cnn, PHOTO | {"channels": 64}, needs="equinox"),
    "haiku_cnn": Row(haiku_cnn, PHOTO | {"channels": 64}, needs="haiku"),
    "stax_cnn": Row(stax_cnn, PHOTO | {"channels": 64}),
}


def available(*, large: bool = False) -> list[str]:
    """The names of the networks whose library is installed; with `large`, of those that have a large size."""
    return [name for name, row in NETWORKS.items() if find_spec(row.needs) and (row.large or not large)]


def network(name: str, *, large: bool = False, **settings: Any) -> Network:
    """One row of the table, built; `settings` override its size, `height=1024` for example."""
    row = NETWORKS[name]
    size = (row.large or {}) if large else {}
    return Network(name, *row.build(**{**size, **settings}))
