"""What is true of a network under shifts: receptive fields, and the laws that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax

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
    """The equation that breaks a shift: its primitive, and code on its line of one of these files."""

    primitive: str
    code: str


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
