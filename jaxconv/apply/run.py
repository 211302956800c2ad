"""Runs a function on tiles: several of one size in one call, and one call at a time on each of some devices."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.apply.placement import Placed
from jaxconv.jaxprs.typing import PyTree

Cut = Mapping[int, PyTree]  # the tiled arguments, by number


def grouped(tiles: Iterable[Placed], batch: int) -> Iterator[list[Placed]]:
    """Groups of at most `batch` tiles of one size, which one program computes."""
    of_size: dict[tuple[int, ...], list[Placed]] = {}
    for tile in tiles:
        of_size.setdefault(tile.sizes if batch > 1 else (), []).append(tile)
    for own in of_size.values():
        for start in range(0, len(own), batch):
            yield own[start : start + batch]


def together(fn: Callable[..., object], batch: int) -> Callable[[Cut, Cut], PyTree]:
    """The function of the tiled arguments, and of the others; for a batch, tiled arguments have it as first axis."""

    def of_parts(tiled: Cut, fixed: Cut) -> PyTree:
        parts = {**tiled, **fixed}
        return fn(*(parts[number] for number in range(len(parts))))

    return of_parts if batch == 1 else jax.vmap(of_parts, in_axes=(0, None))


def computed(
    fn: Callable[..., object],
    arguments: Sequence[PyTree],
    cut: Callable[[Placed], Cut],
    groups: Iterable[Sequence[Placed]],
    *,
    batch: int,
    devices: Sequence[Any],
) -> Iterator[tuple[Placed, Cut, list[np.ndarray]]]:
    """Yield each tile, its arguments, and its outputs.

    Args:
        fn: the function.
        arguments: the whole's arguments.
        cut: returns the tiled arguments, cut to a tile.
        groups: groups of tiles of one size.
        batch: number of tiles of a group. A shorter group is filled with copies of its last tile, if there are longer
            ones of its size, so that there is one program for a size.
        devices: the devices, or None for the default one. Each has one group at a time.
    """
    on_device: dict[Any, Cut] = {}
    alone, several = (jax.jit(together(fn, count)) for count in (1, batch))
    full: set[tuple[int, ...]] = set()
    running: deque[tuple[Sequence[Placed], list[Cut], PyTree]] = deque()
    for group, device in zip(groups, itertools.cycle(devices), strict=False):
        own = list(map(cut, group))
        if batch > 1:
            full |= {group[0].sizes} if len(group) == batch else set()
            filled = [*own, *[own[-1]] * (batch - len(own))] if group[0].sizes in full else own
            inputs = {number: _stacked([parts[number] for parts in filled]) for number in own[0]}
        else:
            inputs = own[0]
        if device not in on_device:
            fixed = {number: argument for number, argument in enumerate(arguments) if number not in own[0]}
            on_device[device] = jax.device_put(fixed, device)
        if len(running) == len(devices):
            yield from _finished(*running.popleft(), batch)
        program = several if batch > 1 else alone
        running.append((group, own, program(jax.device_put(inputs, device), on_device[device])))
    while running:
        yield from _finished(*running.popleft(), batch)


def _stacked(parts: Sequence[PyTree]) -> PyTree:
    return (jnp.stack if isinstance(parts[0], jax.Array) else np.stack)(parts)


def _finished(
    group: Sequence[Placed], own: Sequence[Cut], outputs: PyTree, batch: int
) -> Iterator[tuple[Placed, Cut, list[np.ndarray]]]:
    leaves = list(map(np.asarray, jax.tree.leaves(jax.device_get(outputs))))
    for number, (tile, inputs) in enumerate(zip(group, own, strict=True)):
        yield tile, inputs, [leaf[number] for leaf in leaves] if batch > 1 else leaves
