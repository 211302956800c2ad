"""Hypothesis strategies for geometries and small-integer arrays, on which every comparison is exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from jaxconv.window import BOUNDARIES, PADDINGS, Axis, Pad, slide


@dataclass(frozen=True)
class Case:
    """One layer's geometry with data for it: integers from -4 to 4, so that sums in float32 are exact."""

    lengths: tuple[int, ...]
    window: tuple[int, ...]
    geometry: dict[str, Any]
    channels: tuple[int, int]
    batch: int
    seed: int

    @property
    def groups(self) -> int:
        """Groups of channels, 1 where the layer has none."""
        return self.geometry.get("groups", 1)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The window along each axis."""
        g = self.geometry
        return slide("test", self.lengths, self.window, g["stride"], g["padding"], g.get("dilation", 1))

    @property
    def out(self) -> tuple[int, ...]:
        """Positions along each axis."""
        return tuple(axis.out for axis in self.axes)

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        """[*window, c/groups, o]."""
        return (*self.window, self.channels[0] // self.groups, self.channels[1])

    def integers(self, shape: tuple[int, ...], salt: int = 0) -> np.ndarray:
        """Small integers of both signs as float32, the same for the same case and salt."""
        return np.random.default_rng((self.seed, salt)).integers(-4, 5, shape).astype(np.float32)

    def x(self) -> np.ndarray:
        """An input [n, *spatial, c]."""
        return self.integers((self.batch, *self.lengths, self.channels[0]), 1)

    def params(self) -> dict[str, np.ndarray]:
        """A shared kernel and bias."""
        return {"kernel": self.integers(self.kernel_shape, 2), "bias": self.integers(self.channels[1:], 3)}

    def local_params(self) -> dict[str, np.ndarray]:
        """A kernel and a bias for each position."""
        kernel = self.integers((*self.out, *self.kernel_shape), 2)
        return {"kernel": kernel, "bias": self.integers((*self.out, self.channels[1]), 3)}

    def dy(self, channels: int | None = None) -> np.ndarray:
        """Deltas of an output [n, *out, o]."""
        return self.integers((self.batch, *self.out, channels or self.channels[1]), 4)


def any_case(name: str) -> st.SearchStrategy[str]:
    """A name in upper, lower or mixed case."""
    return st.sampled_from([name, name.lower(), name.title()])


names = st.sampled_from(sorted(PADDINGS)).flatmap(any_case)
pairs = st.tuples(st.integers(0, 3), st.integers(0, 3))
pads = st.builds(Pad, st.integers(0, 4), st.integers(0, 4), st.sampled_from(sorted(BOUNDARIES)))
paddings = names | pairs | pads


@st.composite
def conv_cases(draw: st.DrawFn, max_rank: int = 3, padding: st.SearchStrategy = paddings) -> Case:
    """Convolutions of 1 to `max_rank` axes with any stride, dilation, groups and mix of paddings."""
    rank = draw(st.integers(1, max_rank))
    axes = []
    for _ in range(rank):
        taps, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        length = max(draw(st.integers(1, 6)), dilation * (taps - 1) + 1)
        axes.append((length, taps, draw(st.integers(1, 3)), dilation, draw(padding)))
    lengths, window, stride, dilation, padding_each = zip(*axes, strict=True)
    groups = draw(st.integers(1, 3))
    channels = (groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2)))
    geometry = {"stride": stride, "dilation": dilation, "padding": padding_each, "groups": groups}
    return Case(lengths, window, geometry, channels, draw(st.integers(1, 2)), draw(st.integers(0, 2**16)))


@st.composite
def pool_cases(draw: st.DrawFn, max_rank: int = 3) -> Case:
    """Pooling windows of 1 to `max_rank` axes, overlapping or not, none of which sees nothing but padding."""
    rank = draw(st.integers(1, max_rank))
    axes = []
    for _ in range(rank):
        taps = draw(st.integers(1, 3))
        length = draw(st.integers(taps, 6))
        less = st.integers(0, taps - 1)
        padding = names | st.tuples(less, less) | st.builds(Pad, less, less, st.sampled_from(sorted(BOUNDARIES)))
        axes.append((length, taps, draw(st.integers(1, 3)), draw(padding)))
    lengths, window, stride, padding_each = zip(*axes, strict=True)
    channels = draw(st.integers(1, 2))
    geometry = {"stride": stride, "padding": padding_each}
    return Case(lengths, window, geometry, (channels, channels), draw(st.integers(1, 2)), draw(st.integers(0, 2**16)))


@st.composite
def circular_cases(draw: st.DrawFn, boundary: str = "CIRCULAR", *, divides: bool = True) -> tuple[Case, int]:
    """A convolution that wraps around, whose stride divides the length of its axis (or does not); and that axis."""
    case = draw(conv_cases(max_rank=2, padding=st.just(boundary)))
    shifted = draw(st.integers(0, len(case.lengths) - 1))
    strides = case.geometry["stride"]
    lengths = list(case.lengths)
    if divides:
        lengths[shifted] += -lengths[shifted] % strides[shifted]
    elif lengths[shifted] % strides[shifted] == 0:
        lengths[shifted] += 1
    return Case(tuple(lengths), case.window, case.geometry, case.channels, case.batch, case.seed), shifted
