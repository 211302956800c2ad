"""A published architecture as data: its network, the size of its input, and its published receptive field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import jax

from zoo.layers import Layer, Params, floats

Network: TypeAlias = Callable[[Params, jax.Array], jax.Array]


@dataclass(frozen=True)
class Published:
    """A receptive field as it was published, and where."""

    cells: int
    source: str


ARAUJO = "Araujo et al., 2019"  # https://distill.pub/2019/computing-receptive-fields, its table of models
LONG = "Long et al., 2015, table 1"  # Fully Convolutional Networks for Semantic Segmentation


@dataclass(frozen=True)
class Architecture:
    """An architecture with few channels, which change neither its lattice nor its receptive field.

    Attributes:
        name: as it was published.
        source: authors and year.
        network: a layer, or a function of parameters and an input.
        shape: of the input, [n, h, w, c], [n, d, h, w, c] for a volume, or [n, t, c] for a signal. Everything is
            studied along the second axis: rows.
        init: returns the parameters of a function, as shapes.
        published: its receptive field, if it was published.
        chunk: number of rows of a chunk of a stream.
    """

    name: str
    source: str
    network: Layer | Network
    shape: tuple[int, ...]
    init: Callable[[], Params] | None = None
    published: Published | None = None
    chunk: int = 32

    @property
    def apply(self) -> Network:
        """The network, `apply(params, x)`."""
        return self.network.apply if isinstance(self.network, Layer) else self.network

    @cached_property
    def params(self) -> Params:
        """The parameters, as shapes."""
        if isinstance(self.network, Layer):
            return self.network.init(self.shape[-1])[0]
        return self.init() if self.init else None

    @property
    def image(self) -> jax.ShapeDtypeStruct:
        """The input, as a shape."""
        return floats(*self.shape)

    @property
    def tile(self) -> int:
        """Number of rows of a tile: those of the image."""
        return self.shape[1]

    @property
    def whole(self) -> jax.ShapeDtypeStruct:
        """An input with twice as many rows, from which tiles are cut, as a shape."""
        n, rows, *others = self.shape
        return floats(n, 2 * rows, *others)


def photo(rows: int, columns: int = 32) -> tuple[int, ...]:
    """The shape of a colour image."""
    return (1, rows, columns, 3)
