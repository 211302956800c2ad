"""A published architecture as data: how its parameters are made, what it computes, and sizes at which it is studied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax

import jaxconv as jc

Params: TypeAlias = Any
Network: TypeAlias = Callable[[Params, jax.Array], jax.Array]


@dataclass(frozen=True)
class Architecture:
    """An architecture with few channels, which change neither its lattice nor its receptive field.

    Attributes:
        name: as it was published.
        source: authors and year.
        init: returns parameters from a random key.
        apply: the network, `apply(params, x)`.
        shape: of the input, [n, h, w, c], or [n, t, c] for a signal. Tiles and shards are cut, and chunks arrive,
            along its second axis.
        tile: number of rows of a tile.
        chunk: number of rows of a chunk.
    """

    name: str
    source: str
    init: Callable[[jax.Array], Params]
    apply: Network
    shape: tuple[int, ...]
    tile: int
    chunk: int = 32

    @property
    def params(self) -> Params:
        """The parameters, as shapes."""
        return jax.eval_shape(self.init, jax.random.key(0))

    @property
    def image(self) -> jax.ShapeDtypeStruct:
        """The input, as a shape."""
        return jax.ShapeDtypeStruct(self.shape, "float32")


def convolutions(key: jax.Array, *sizes: tuple[int, int, int], rank: int = 2, groups: int = 1) -> list[Params]:
    """Parameters of convolutions of (taps along each axis, channels in, channels out)."""
    keys = jax.random.split(key, len(sizes))
    return [
        jc.init_conv(own, (taps,) * rank, channels_in, channels_out, groups=groups)
        for own, (taps, channels_in, channels_out) in zip(keys, sizes, strict=True)
    ]
