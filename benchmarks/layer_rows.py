"""The sizes of the single layers that are timed. Every library computes them on the same numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

Kind: TypeAlias = Literal["conv", "transposed", "max", "min", "average", "adaptive", "blur", "tiled", "local"]
Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One layer: x is [n, *spatial, c], the kernel [*window, c/groups, o], and `pad` zeros are on every side of x.

    A transposed layer is the adjoint of the convolution with these settings, from its output to its input. Its kernel
    is [*window, o, c], and `spatial` are the axes of its x. The kernel of a local layer has leading axes for the
    positions, and that of a tiled layer leading axes of the lengths in `period`. For an adaptive average, `window` is
    the number of windows.
    """

    kind: Kind
    window: Shape
    spatial: Shape
    channels: tuple[int, int]
    stride: int = 1
    pad: int = 0
    dilation: int = 1
    groups: int = 1
    period: Shape = ()
    largest_batch: int = 128

    @property
    def out(self) -> Shape:
        """The spatial axes of the output."""
        if self.kind == "adaptive":
            return self.window
        reach = [self.dilation * (taps - 1) + 1 - 2 * self.pad for taps in self.window]
        if self.kind == "transposed":
            return tuple((n - 1) * self.stride + span for n, span in zip(self.spatial, reach, strict=True))
        return tuple((n - span) // self.stride + 1 for n, span in zip(self.spatial, reach, strict=True))

    @property
    def kernel(self) -> Shape | None:
        """The kernel's shape, or None for a pool."""
        c, o = self.channels
        shapes: dict[Kind, Shape] = {
            "conv": (*self.window, c // self.groups, o),
            "transposed": (*self.window, o, c),
            "tiled": (*self.period, *self.window, c, o),
            "local": (*self.out, *self.window, c, o),
        }
        return shapes.get(self.kind)

    def arguments(self, batch: int, dtype: Any = np.float32) -> list[Any]:
        """Normally distributed x, deltas of the output, and kernel if there is one."""
        c, o = self.channels
        shapes = [(batch, *self.spatial, c), (batch, *self.out, o), *([self.kernel] if self.kernel else [])]
        generator = np.random.default_rng(0)
        return [generator.normal(size=shape).astype(dtype) for shape in shapes]

    def flops(self, batch: int) -> int:
        """Multiplications and additions of a convolution's output. Each of its two deltas takes as many."""
        c, o = self.channels
        positions = math.prod(self.spatial if self.kind == "transposed" else self.out)
        return 2 * batch * positions * math.prod(self.window) * c * o // self.groups


def convolution(window: int, side: int, c: int, o: int, *, rank: int = 2, **settings: Any) -> Layer:
    """A convolution with a square kernel, padded to keep the size of x."""
    chosen = {"pad": settings.get("dilation", 1) * (window - 1) // 2} | settings
    return Layer("conv", (window,) * rank, (side,) * rank, (c, o), **chosen)


def depthwise(window: int, side: int, c: int, *, rank: int = 2, **settings: Any) -> Layer:
    """A depthwise convolution."""
    return convolution(window, side, c, c, rank=rank, groups=c, **settings)


def pool(kind: Kind, window: int, side: int, c: int, **settings: Any) -> Layer:
    """A pooling layer of stride 2."""
    return Layer(kind, (window,) * 2, (side,) * 2, (c, c), stride=2, **settings)


SMALL: dict[str, Any] = {"largest_batch": 32}  # lax takes minutes for larger batches

ROWS: dict[str, Layer] = {
    "3x3 1->16 32px": convolution(3, 32, 1, 16),
    "3x3 1->16 56px": convolution(3, 56, 1, 16),
    "3x3 3->16 32px": convolution(3, 32, 3, 16),
    "3x3 3->16 56px": convolution(3, 56, 3, 16),
    "3x3 16->16 32px": convolution(3, 32, 16, 16),
    "3x3 16->16 56px": convolution(3, 56, 16, 16),
    "3x3 64->64 32px": convolution(3, 32, 64, 64, **SMALL),
    "3x3 64->64 56px": convolution(3, 56, 64, 64, **SMALL),
    "3x3 128->128 32px": convolution(3, 32, 128, 128, **SMALL),
    "3x3 128->128 56px": convolution(3, 56, 128, 128, largest_batch=1),
    "1x1 c16 32px": convolution(1, 32, 16, 16),
    "1x1 c64 32px": convolution(1, 32, 64, 64, **SMALL),
    "1x1 c128 32px": convolution(1, 32, 128, 128, **SMALL),
    "5x5 1->6 28px": convolution(5, 28, 1, 6),
    "5x5 6->16 14px valid": convolution(5, 14, 6, 16, pad=0),
    "5x5 c32 32px": convolution(5, 32, 32, 32),
    "7x7 s2 3->64 56px": convolution(7, 56, 3, 64, stride=2, **SMALL),
    "3x3 s2 c64 32px": convolution(3, 32, 64, 64, stride=2, **SMALL),
    "11x11 c8 56px": convolution(11, 56, 8, 8, **SMALL),
    "31x31 c4 64px": convolution(31, 64, 4, 4, **SMALL),
    "depthwise 3x3 c64 32px": depthwise(3, 32, 64, **SMALL),
    "depthwise 3x3 s2 c64 32px": depthwise(3, 32, 64, stride=2, **SMALL),
    "depthwise 7x7 c64 32px": depthwise(7, 32, 64, **SMALL),
    "grouped g4 c64 32px": convolution(3, 32, 64, 64, groups=4, **SMALL),
    "grouped g32 c64 32px": convolution(3, 32, 64, 64, groups=32, **SMALL),
    "dilated 3x3 d2 c32 32px": convolution(3, 32, 32, 32, dilation=2, **SMALL),
    "transposed 4x4 s2 c32 16px": Layer("transposed", (4, 4), (16, 16), (32, 32), stride=2, pad=1, **SMALL),
    "transposed 3x3 c32 32px": Layer("transposed", (3, 3), (32, 32), (32, 32), pad=1, **SMALL),
    "conv1d k5 c32 L1000": convolution(5, 1000, 32, 32, rank=1),
    "conv1d k9 1->16 L1000": convolution(9, 1000, 1, 16, rank=1, **SMALL),
    "depthwise conv1d k5 c32 L1000": depthwise(5, 1000, 32, rank=1, **SMALL),
    "conv3d k3 8->8 16^3": convolution(3, 16, 8, 8, rank=3, **SMALL),
    "conv3d k3 1->8 16^3": convolution(3, 16, 1, 8, rank=3, **SMALL),
    "max pool 2x2 s2 c16 28px": pool("max", 2, 28, 16),
    "max pool 2x2 s2 c64 32px": pool("max", 2, 32, 64),
    "max pool 3x3 s2 c64 56px": pool("max", 3, 56, 64, **SMALL),
    "average pool 2x2 s2 c64 32px": pool("average", 2, 32, 64),
    "average pool 3x3 s2 c64 56px": pool("average", 3, 56, 64, **SMALL),
    "max pool 3x3 d2 s2 c64 32px": pool("max", 3, 32, 64, dilation=2, pad=1, **SMALL),
    "min pool 3x3 s2 c64 32px": pool("min", 3, 32, 64, **SMALL),
    "adaptive average pool 7x7 c64 32px": pool("adaptive", 7, 32, 64, **SMALL),
    "blur pool 3x3 s2 c64 32px": pool("blur", 3, 32, 64, pad=1, **SMALL),
    "tiled 2x2 3x3 c16 32px": Layer("tiled", (3, 3), (32, 32), (16, 16), pad=1, period=(2, 2), **SMALL),
    "tiled 4x4 3x3 c16 32px": Layer("tiled", (3, 3), (32, 32), (16, 16), pad=1, period=(4, 4), **SMALL),
    "locally connected 3x3 14px c16": Layer("local", (3, 3), (14, 14), (16, 16), pad=1, **SMALL),
}
