"""A program in the making: its lines, the shape of its value so far, and along which lattice each axis moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from random import Random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jaxconv as jc

LONGEST, MOST_CHANNELS, MOST_CELLS = 24, 8, 1500
NAMES = {"jax": jax, "jnp": jnp, "lax": lax, "np": np, "jc": jc}

Moves = tuple[tuple[int, int], ...]


class UnfitError(Exception):
    """A step that the program's present shape does not allow."""


@dataclass(frozen=True)
class Lattice:
    """Shifting input axis `axis` by `shift` should shift the value by `step`."""

    axis: int
    shift: int
    step: int


@dataclass
class Builder:
    """A program in the making: the shape of its value so far, and along which lattice each spatial axis moves."""

    random: Random
    world: str
    data: np.random.Generator
    arguments: list[np.ndarray]
    shape: tuple[int, ...]
    tracks: list[Lattice | None]
    lines: list[str] = field(default_factory=list)
    description: list[str] = field(default_factory=list)
    moves: dict[int, tuple[int, tuple[tuple[int, int], ...]]] | None = None  # where the last step says so itself

    @property
    def lengths(self) -> tuple[int, ...]:
        """Cells along each spatial axis."""
        return self.shape[1:-1]

    @property
    def channels(self) -> int:
        """The last axis."""
        return self.shape[-1]

    @property
    def spatial(self) -> tuple[int, ...]:
        """The spatial axes' numbers."""
        return tuple(range(1, len(self.shape) - 1))

    def need(self, fits: bool) -> None:
        """Give this step up unless it fits."""
        if not fits:
            raise UnfitError

    def axis(self) -> int:
        """One of the spatial axes."""
        return self.random.choice(self.spatial)

    def parameter(self, *shape: int) -> str:
        """A new argument of multiples of 1/8, so that sums of a few products are exact; its name."""
        drawn = self.data.integers(-4, 5, shape) + (self.data.random(shape) < 0.5)
        self.arguments.append((drawn / 8).astype(np.float32))
        return f"p{len(self.arguments) - 1}"

    def along(self, axis: int, length: int) -> tuple[int, ...]:
        """A shape that is `length` long along one axis and 1 along all others."""
        return tuple(length if a == axis else 1 for a in range(len(self.shape)))

    def pads(self, axis: int, lo: int, hi: int) -> tuple[tuple[int, int], ...]:
        """Pad widths for one axis."""
        return tuple((lo, hi) if a == axis else (0, 0) for a in range(len(self.shape)))

    def resized(self, axis: int, *lengths: int) -> tuple[int, ...]:
        """The shape with one axis replaced."""
        return (*self.shape[:axis], *lengths, *self.shape[axis + 1 :])

    def strided(self, axis: int, stride: int) -> None:
        """Note that only every stride-th position is kept."""
        self.periodic(axis, stride)
        track = self.tracks[axis - 1]
        if track:
            self.tracks[axis - 1] = replace(track, step=track.step // stride)

    def periodic(self, axis: int, period: int) -> None:
        """Note that positions are told apart modulo the period: shifts must be multiples of it."""
        self.need(self.world == "interior" or self.shape[axis] % period == 0)
        track = self.tracks[axis - 1]
        if track:
            factor = period // math.gcd(period, track.step)
            length = self.arguments[0].shape[track.axis]
            shift, fewest = factor * track.shift, 2 if self.world == "cyclic" else 4
            self.need(length % shift == 0 and length >= fewest * shift)
            self.tracks[axis - 1] = replace(track, shift=shift, step=factor * track.step)

    def scaled(self, axis: int, by: int) -> None:
        """Note that every position became `by` of them, or (-1) that their order is reversed."""
        self.need(self.shape[axis] * by <= LONGEST)
        track = self.tracks[axis - 1]
        if track:
            self.tracks[axis - 1] = replace(track, step=by * track.step)

    def broken(self, *axes: int) -> None:
        """Note that nothing moves along these axes any more."""
        for axis in axes:
            self.tracks[axis - 1] = None

    def take(self, name: str, apply: Callable[[Builder], str]) -> bool:
        """Append a step if it fits; its shape is what JAX says it is."""
        tracks, arguments = list(self.tracks), len(self.arguments)
        try:
            lines = tuple(apply(self).split("\n"))
            shape = shape_after(lines, self.shape, tuple(a.shape for a in self.arguments[1:]))
            self.need(shape[-1] <= MOST_CHANNELS or len(shape) < len(self.shape))
            self.need(math.prod(shape) <= MOST_CELLS and min(shape) > 0)
        except UnfitError:
            self.tracks, self.moves = tracks, None
            del self.arguments[arguments:]
            return False
        self.shape = shape
        self.lines += lines
        self.description.append(name)
        return True

    def expected(self) -> tuple[tuple[int, Moves] | None, ...]:
        """(shift, moves) for each spatial axis of the input, None where the law is broken."""
        found = {t.axis: (t.shift, ((i + 1, t.step),)) for i, t in enumerate(self.tracks) if t}
        found |= {axis: moves for axis, moves in (self.moves or {}).items() if axis in found}
        return tuple(found.get(axis) for axis in range(1, self.arguments[0].ndim - 1))


Step = Callable[[Builder], str]


def index(axis: int, piece: str) -> str:
    """x at a piece of one axis."""
    return f"x[{', '.join([':'] * axis + [piece])}]"


def program_text(lines: Sequence[str], parameters: int) -> str:
    """A function of x and p1, p2, ...: its first line is the signature, the others are the steps."""
    names = ", ".join(["x", *(f"p{i}" for i in range(1, parameters + 1))])
    return "\n".join([f"def program({names}):", *(f"    {line}" for line in lines), "    return x", ""])


def load(source: str, filename: str) -> Callable[..., Any]:
    """The function of a program's text, whose lines tracebacks and JAX can show."""
    names = dict(NAMES)
    exec(compile(source, filename, "exec"), names)
    return names["program"]


@lru_cache(maxsize=4096)  # Hypothesis draws the same few steps again and again while it shrinks
def shape_after(
    lines: tuple[str, ...], shape: tuple[int, ...], parameters: tuple[tuple[int, ...], ...]
) -> tuple[int, ...]:
    """The shape of x after these lines, traced but not run."""
    step = load(program_text(lines, len(parameters)), "<step>")
    return jax.eval_shape(step, *(jax.ShapeDtypeStruct(s, jnp.float32) for s in (shape, *parameters))).shape
