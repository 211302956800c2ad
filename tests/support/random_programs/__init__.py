"""Random programs over signals and images: real source text, one step a line, with the equivariance they should have.

A program lives in one of two worlds. In the cyclic one every step commutes with rolling its input, in the interior one
every step is a local rule that the border may spoil. A mutant has exactly one step that breaks its world's law along
one spatial axis or several; the line it stands on is known, and JAX's own source information points at it.
"""

from __future__ import annotations

import linecache
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from hypothesis import strategies as st

from support.random_programs import mixing, movement, windows
from support.random_programs.builder import Builder, Lattice, Moves, Step, load, program_text
from support.random_programs.faults import FAULTS

WORLDS = ("cyclic", "interior")
# By world, a family in each row; a step is drawn from a family, so that no family drowns the others.
STEPS: dict[str, list[dict[str, Step]]] = {
    "cyclic": [
        windows.EVERYWHERE | windows.CYCLIC,
        movement.EVERYWHERE | movement.CYCLIC,
        mixing.EVERYWHERE | mixing.CYCLIC,
    ],
    "interior": [windows.EVERYWHERE | windows.INTERIOR, movement.EVERYWHERE | movement.INTERIOR, mixing.EVERYWHERE],
}
ENDS: dict[str, list[dict[str, Step]]] = {
    "cyclic": [mixing.CYCLIC_ENDS | mixing.EVERYWHERE_ENDS],
    "interior": [mixing.EVERYWHERE_ENDS],
}


@dataclass(frozen=True)
class Program:
    """A function of x [n, *spatial, c] and parameters, and what should be true of it."""

    fn: Callable[..., Any]
    arguments: tuple[np.ndarray, ...]
    axes: tuple[int, ...]  # spatial axes of x
    description: tuple[str, ...]  # the names of the steps
    world: str
    expected: tuple[tuple[int, Moves] | None, ...]  # (shift, moves) for each of axes
    faulty: int | None  # the step that breaks the law, if one does
    fault_line: int | None  # and its line in the file
    filename: str
    source: str

    @property
    def is_translated(self) -> bool:
        """Whether the checker has instructions for it: for numbers of the device and updates by a function it has none."""
        return "rng_uniform" not in self.source and ".apply(" not in self.source

    def __repr__(self) -> str:
        """The source, which says everything but the parameters' values."""
        shapes = ", ".join(f"{a.dtype}{list(a.shape)}" for a in self.arguments)
        return f"<{self.world} {self.filename}, faulty line {self.fault_line}, of {shapes}\n{self.source}>"


def compose(random: Random, faulty: bool | None = None, world: str | None = None) -> Program:
    """A program of a few steps, with one fault among them or none; a coin decides what is not said."""
    world = world or random.choice(WORLDS)
    faulty = random.random() < 0.5 if faulty is None else faulty
    builder = start(random, world)
    steps = random.randint(1, 4)
    place = random.randint(0, steps - 1) if faulty else None
    fault = None
    for number in range(steps):
        if number == place:
            fault = len(builder.lines) + 2, len(builder.description)
        if not grow(builder, FAULTS[world] if number == place else STEPS[world]):
            raise AssertionError(f"no step fits {builder.shape} after {builder.lines}")
    if random.random() < 0.3:
        grow(builder, ENDS[world])
    source = program_text(builder.lines, len(builder.arguments) - 1)
    filename = f"program_{zlib.crc32(source.encode()):08x}.py"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return Program(
        fn=load(source, filename),
        arguments=tuple(builder.arguments),
        axes=tuple(range(1, builder.arguments[0].ndim - 1)),
        description=tuple(builder.description),
        world=world,
        expected=builder.expected(),
        faulty=fault[1] if fault else None,
        fault_line=fault[0] if fault else None,
        filename=filename,
        source=source,
    )


def start(random: Random, world: str) -> Builder:
    """An input of one or two spatial axes of different lengths, sometimes of integers."""
    data = np.random.default_rng(random.getrandbits(32))
    shortest = 4 if world == "cyclic" else 8
    lengths = random.sample(range(shortest, 13), random.randint(1, 2))
    x = data.integers(-4, 5, (random.randint(1, 2), *lengths, random.randint(1, 3)))
    integers = random.random() > 0.9  # the larger, so that it shrinks to none
    tracks: list[Lattice | None] = [Lattice(axis, 1, 1) for axis in range(1, x.ndim - 1)]
    builder = Builder(random, world, data, [x.astype(np.int32 if integers else np.float32)], x.shape, tracks)
    if integers:
        builder.take("float32", lambda _: "x = x.astype(jnp.float32)")
    return builder


def grow(builder: Builder, families: list[dict[str, Step]]) -> bool:
    """Take the first step that fits, of a random family in a random order, or else of the next family; if any does."""
    return any(
        builder.take(name, family[name])
        for family in builder.random.sample(families, len(families))
        for name in builder.random.sample(list(family), len(family))
    )


def random_program(seed: int, faulty: bool | None = None, world: str | None = None) -> Program:
    """The program of a seed, the same on every machine."""
    return compose(Random(seed), faulty, world)


def programs(faulty: bool | None = None, world: str | None = None) -> st.SearchStrategy[Program]:
    """Programs that Hypothesis can shrink: fewer steps, smaller inputs."""
    return st.randoms(use_true_random=False).map(lambda random: compose(random, faulty, world))
