"""Which layer of a pytree is which entry of a state dict, by order and shapes.

A state dict is in the order in which its modules were created. A pytree of dicts has lost that order: JAX sorts keys.
So the keys of a dict may come in any order, with two exceptions: indices of a list or tuple count, and so do numbers in
keys, `conv1` before `conv2`. The layers below one key follow each other. Exactly one such order must have the shapes of
the state dict. If there are several, two layers of equal shapes could be exchanged, and the result would be wrong
without a word.

The structure of the state dict decides first: the entries of a node of the pytree and those below a name of the state
dict contain each other, or have nothing in common. If no order is like this, all others are tried.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from jaxconv.convert.layers_of import Path

Order = tuple[int, ...]  # the number of the layer at each place of the state dict
MOST_STEPS = 20_000  # states of the search; beyond them two of the many orders could be equal
ENOUGH = 2  # orders that show that there is not exactly one


@dataclass(frozen=True)
class Node:
    """A layer, or the layers below one key.

    Attributes:
        layer: the number of the layer; None for a node with children.
        chains: the children. Those of one chain are in order.
    """

    layer: int | None
    chains: tuple[tuple[Node, ...], ...] = ()

    @cached_property
    def size(self) -> int:
        """Number of layers."""
        return 1 if self.layer is not None else sum(child.size for chain in self.chains for child in chain)


def tree_of(paths: Sequence[Path]) -> Node:
    """The tree of the layers at these paths.

    >>> tree_of([("b2",), ("b10",), ("a",)]).chains
    ((Node(layer=0, chains=()), Node(layer=1, chains=())), (Node(layer=2, chains=()),))
    """
    return _node([(path, number) for number, path in enumerate(paths)])


def _node(layers: Sequence[tuple[Path, int]]) -> Node:
    """The node of layers, whose paths begin below it."""
    if len(layers) == 1:
        return Node(layers[0][1])
    below: dict[str | int | None, list[tuple[Path, int]]] = {}
    for path, number in layers:  # a layer may be at the node itself, beside others below it
        below.setdefault(path[0] if path else None, []).append((path[1:], number))
    chains: dict[object, list[str | int | None]] = {}
    for key in below:
        chains.setdefault(without_numbers(key), []).append(key)
    return Node(
        None, tuple(tuple(_node(below[key]) for key in sorted(chain, key=numbers_in)) for chain in chains.values())
    )


def without_numbers(key: str | int | None) -> object:
    """What the keys of a chain have in common."""
    return re.sub(r"\d+", "#", key) if isinstance(key, str) else type(key)


def natural(path: Path) -> list[tuple[object, Order]]:
    """The key of the natural order of paths, in which "layer2" comes before "layer10".

    >>> sorted([("layer10",), ("layer2",), ("bn", 1)], key=natural)
    [('bn', 1), ('layer2',), ('layer10',)]
    """
    return [(str(without_numbers(key)), numbers_in(key)) for key in path]


def numbers_in(key: str | int | None) -> tuple[int, ...]:
    """The numbers in a key, by which a chain is sorted."""
    return tuple(map(int, re.findall(r"\d+", str(key))))


class _Undecided(Exception):  # noqa: N818  no error: the search ends
    """The search takes too many steps."""


@dataclass
class _Search:
    """The search for orders, with what it found so far."""

    fits: Callable[[int, int], bool]
    blocks: Sequence[tuple[int, int]]
    steps: int = 0
    furthest: int = 0

    def orders(self, node: Node, start: int) -> list[Order]:
        """Orders of a node's layers that fit the entries from `start` on; at most `ENOUGH`."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise _Undecided
        if node.layer is not None:
            fits = self.fits(node.layer, start)
            self.furthest = max(self.furthest, start + fits)
            return [(node.layer,)] if fits else []
        end = start + node.size
        if any(lo < start < hi < end or start < lo < end < hi for lo, hi in self.blocks):
            return []
        return self._rest(node, (0,) * len(node.chains), start, {})

    def _rest(self, node: Node, done: Order, start: int, known: dict[Order, list[Order]]) -> list[Order]:
        """Orders of the children that are left, after `done` children of each chain."""
        if all(count == len(chain) for count, chain in zip(done, node.chains, strict=True)):
            return [()]
        if done not in known:
            found: list[Order] = []
            for order in self._orders_from(node, done, start, known):
                if order not in found:
                    found.append(order)
                if len(found) == ENOUGH:
                    break
            known[done] = found
        return known[done]

    def _orders_from(self, node: Node, done: Order, start: int, known: dict[Order, list[Order]]) -> Iterator[Order]:
        for number, (count, chain) in enumerate(zip(done, node.chains, strict=True)):
            if count == len(chain):
                continue
            after = (*done[:number], count + 1, *done[number + 1 :])
            for first in self.orders(chain[count], start):
                for rest in self._rest(node, after, start + chain[count].size, known):
                    yield first + rest


def blocks_of(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """The entries below each name of a state dict, as the first and the one after the last.

    >>> blocks_of([("conv1",), ("layer1", 0), ("layer1", 1)])
    [(1, 3)]
    """
    below: dict[Path, list[int]] = {}
    for number, path in enumerate(paths):
        for end in range(1, len(path)):
            below.setdefault(path[:end], []).append(number)
    return sorted({(min(numbers), max(numbers) + 1) for numbers in below.values() if len(numbers) > 1})


def orders(paths: Sequence[Path], entries: Sequence[Path], fits: Callable[[int, int], bool]) -> tuple[list[Order], int]:
    """Orders of the layers at `paths` in which layer `order[e]` fits entry e; at most two.

    Args:
        paths: the path of each layer.
        entries: the path of each entry.
        fits: whether a layer can be an entry. Both have numbers from 0; there are as many entries as layers.

    Returns:
        The orders, and up to which entry one was followed. Two or more orders, or a search that was given up, give two.

    >>> stem_first = lambda layer, entry: (layer == 0) == (entry == 0)
    >>> orders([("stem",), ("blocks", 0), ("blocks", 1)], [("a",), ("b",), ("c",)], stem_first)
    ([(0, 1, 2)], 3)
    >>> orders([("a",), ("b",)], [("c",), ("d",)], lambda layer, entry: True)
    ([(0, 1), (1, 0)], 2)
    """
    if not paths:
        return [()], 0
    furthest = 0
    for blocks in (blocks_of(entries), []):
        search = _Search(fits, blocks)
        try:
            found = search.orders(tree_of(paths), 0)
        except _Undecided:
            found = [(), ()]
        furthest = max(furthest, search.furthest)
        if found:
            return found, furthest
    return [], furthest
