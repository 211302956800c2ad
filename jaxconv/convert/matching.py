"""Which layer of a pytree is which entry of a state dict: by given names, by equal names, or by order and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from jaxconv.convert.layers_of import ROWS, Found, Path, Shapes, dotted, names_of, our_shapes
from jaxconv.convert.order import natural, numbers_in, orders, without_numbers
from jaxconv.errors import explain

COLLECTIONS = frozenset({"params", "batch_stats", "state", 0, 1})  # first keys of parameters and of running averages
Pairs = dict[int, int]  # number of a layer of the tree -> number of its entry


@dataclass
class Matching:
    """The pairs found so far, and everything that is wrong."""

    layers: Sequence[Found]
    entries: Sequence[Found]
    libraries: tuple[str, str]
    sides: tuple[str, str]
    pairs: Pairs = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _known: dict[tuple[int, int, str, int], Shapes | None] = field(default_factory=dict)

    def fits(self, layer: int, entry: int) -> bool:
        """Whether the entry has the layer's arrays, with the same shapes in our layouts."""
        one, other = self.layers[layer], self.entries[entry]
        if one.row is None or other.row is None:
            return False
        ours = self._shapes(0, layer, one.row, one.groups)
        return ours is not None and ours == self._shapes(1, entry, one.row, one.groups)

    def _shapes(self, side: int, number: int, row: str, groups: int) -> Shapes | None:
        """The shapes of a layer or an entry in our layouts, computed once."""
        key = side, number, row, groups
        if key not in self._known:
            found = (self.layers, self.entries)[side]
            self._known[key] = our_shapes(self.libraries[side], row, found[number].arrays, groups)
        return self._known[key]

    def pair(self, layers: Sequence[int], entries: Sequence[int]) -> None:
        """Match some layers with some entries, by equal names if all are equal, or else by order and shapes."""
        named = dict(zip(_relative(self.layers, layers), layers, strict=True))
        others = dict(zip(_relative(self.entries, entries), entries, strict=True))
        if named.keys() == others.keys() and len(named) == len(layers) and len(others) == len(entries):
            for name, layer in named.items():
                self._pair(layer, others[name])
            return
        followed = bool(self.problems) and any(self.layers[layer].is_state for layer in layers)
        if self._lists_what_is_alone(layers, entries) or followed:
            return  # running averages follow normalisations, whose problems are listed
        paths = [self.layers[layer].path for layer in layers]
        theirs = [self.entries[entry].path for entry in entries]
        found, furthest = orders(paths, theirs, lambda layer, entry: self.fits(layers[layer], entries[entry]))
        if not found:
            entry = self.entries[entries[min(furthest, len(entries) - 1)]]
            self.problems.append(
                f"no order of the keys of {self.sides[0]} has the shapes of {self.sides[1]} in its order: "
                f"none goes on with {entry.describe()}"
            )
        elif len(found) > 1:
            self.problems.append(self._ambiguity(layers, entries, *found[:2]))
        else:
            pairs = {layers[layer]: entry for layer, entry in zip(found[0], entries, strict=True)}
            self.problems += self._only_sorted(pairs) + self._against_numbers(pairs)
            self.pairs |= pairs

    def _only_sorted(self, pairs: Pairs) -> list[str]:
        """Pairs that rest on the order of a state dict that is sorted by name, as safetensors writes it.

        There, `conv1` and `conv2` of the tree can be `main` and `alt`: only numbers in both say which is first.
        """
        paths = [self.entries[entry].path for entry in sorted(pairs.values())]
        if paths not in (sorted(paths, key=dotted), sorted(paths, key=natural)):
            return []
        problems, last = [], dict[object, int]()
        for layer in sorted(pairs, key=lambda layer: natural(self.layers[layer].path)):
            role = [without_numbers(key) for key in self.layers[layer].path], self._shapes_in_order(layer)
            before, last[str(role)] = last.get(str(role)), layer
            if before is not None:
                one, other = (self.entries[pairs[number]] for number in (before, layer))
                different = ((a, b) for a, b in zip(one.path, other.path, strict=False) if a != b)
                a, b = next(different, ("", 0))  # one may be below the other
                if without_numbers(a) != without_numbers(b):
                    ours = f"{self.layers[before].name()} and {self.layers[layer].name()} of {self.sides[0]}"
                    theirs = f"{one.name()} and {other.name()} of {self.sides[1]}"
                    problems.append(f"{ours} could be {theirs} in either order: {self.sides[1]} is sorted by name")
        return problems

    def _against_numbers(self, pairs: Pairs) -> list[str]:
        """Pairs that give layers of equal shapes entries whose numbers are in the other order.

        Either the numbers of one side do not count, or the state dict is not in the order of its modules: names sorted
        as text have `10` before `2`.
        """
        problems, last = [], dict[str, tuple[tuple[int, ...], int]]()
        for layer in sorted(pairs, key=lambda layer: natural(self.layers[layer].path)):
            role = [without_numbers(key) for key in self.layers[layer].path], self._shapes_in_order(layer)
            path = self.entries[pairs[layer]].path
            for place, key in enumerate(path):
                known = str((role, path[:place], without_numbers(key)))
                most, before = last.get(known, ((), layer))
                if numbers_in(key) < most:
                    ours = f"{self.layers[before].name()} and {self.layers[layer].name()} of {self.sides[0]}"
                    theirs = f"{self.entries[pairs[before]].name()} and {dotted(path)} of {self.sides[1]}"
                    problems.append(f"{ours} would be {theirs}, whose numbers are in the other order")
                    break
                last[known] = numbers_in(key), layer
        return problems

    def _shapes_in_order(self, layer: int) -> object:
        one = self.layers[layer]
        return sorted((self._shapes(0, layer, one.row or "", one.groups) or {}).items())

    def _pair(self, layer: int, entry: int) -> None:
        if self.fits(layer, entry):
            self.pairs[layer] = entry
        else:
            self.problems.append(f"{self.layers[layer].describe()} does not fit {self.entries[entry].describe()}")

    def _lists_what_is_alone(self, layers: Sequence[int], entries: Sequence[int]) -> bool:
        """Note the layers and entries that are left when each layer takes an entry of its shapes, in any order."""
        left = list(entries)
        alone = []
        for layer in layers:
            entry = next((entry for entry in left if self.fits(layer, entry)), None)
            if entry is None:
                alone.append(layer)
            else:
                left.remove(entry)
        for number in alone:
            one = self.layers[number]
            why = _unknown(one, self.libraries[0])
            self.problems.append(f"{one.describe()} of {self.sides[0]} has no entry of its shapes{why}")
        for number in left:
            one = self.entries[number]
            why = _unknown(one, self.libraries[1])
            self.problems.append(f"{one.describe()} of {self.sides[1]} has no layer of its shapes{why}")
        return bool(alone or left)

    def _ambiguity(
        self, layers: Sequence[int], entries: Sequence[int], one: Sequence[int], other: Sequence[int]
    ) -> str:
        """Two layers that could both be one entry."""
        if one == other:
            return f"the keys of {self.sides[0]} have too many orders to try"
        place = next(place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
        a, b = (self.layers[layers[order[place]]].name() for order in (one, other))
        return f"both {a} and {b} of {self.sides[0]} could be {self.entries[entries[place]].describe()}"

    def pair_state(self, places: Mapping[int, str], regions: Mapping[int, str]) -> None:
        """Match running averages with those of the entry that the normalisation beside them is matched with.

        Args:
            places: the part of the state dict in which each layer may be; empty for one that no name is about.
            regions: the part of the state dict in which each entry is.
        """
        at = {entry.path: number for number, entry in enumerate(self.entries) if entry.is_state}
        norms = {self.layers[layer].path: self.entries[entry].path for layer, entry in self.pairs.items()}
        for layer, place in places.items():
            path = self.layers[layer].path
            beside = [path] if path in norms else [other for other in norms if beside_each_other(path, other)]
            entry = at.get(norms[beside[0]]) if len(beside) == 1 else None
            if entry is not None and place in ("", regions[entry]) and self.fits(layer, entry):
                self.pairs[layer] = entry


def beside_each_other(path: Path, other: Path) -> bool:
    """Whether two paths differ in one key, such as a collection.

    >>> beside_each_other(("batch_stats", "stem"), ("params", "stem")), beside_each_other(("stem", 1), ("last", 0))
    (True, False)
    """
    if len(path) != len(other):
        return False
    return sum(a != b for a, b in zip(path, other, strict=True)) == 1


def _relative(found: Sequence[Found], numbers: Sequence[int]) -> list[str]:
    """The names of some layers, without what all of them begin with."""
    paths = [found[number].path for number in numbers]
    common = 0
    while paths and all(len(path) > common + 1 and path[common] == paths[0][common] for path in paths):
        common += 1
    return [dotted(path[common:]) for path in paths]


def matched(
    layers: Sequence[Found],
    entries: Sequence[Found],
    libraries: tuple[str, str],
    names: Mapping[str, str | None],
    sides: tuple[str, str],
) -> Pairs:
    """The entry of each layer.

    Args:
        layers: the layers of the tree.
        entries: those of the state dict.
        libraries: those of the tree and of the state dict.
        names: path in the tree -> path in the state dict, of a layer or of everything below. None leaves a part of the
            tree as it is.
        sides: the arguments that messages name: the tree, and the state dict.

    Raises:
        ValueError: everything that is wrong, in one message.
    """
    matching = Matching(layers, entries, libraries, sides)
    of_layer = {number: _longest(names, layer.path, below=True) for number, layer in enumerate(layers)}
    targets = [name for name in names.values() if name is not None]
    of_entry = {number: _longest(targets, entry.path, below=False) for number, entry in enumerate(entries)}
    _refuse_unused(names, set(of_layer.values()), set(of_entry.values()), layers, entries, sides)
    places = {number: names.get(name, "") for number, name in of_layer.items()}
    wanted = {number: place for number, place in places.items() if place is not None}
    for of_state in (False, True):
        ours = {number: place for number, place in wanted.items() if layers[number].is_state == of_state}
        if of_state:
            matching.pair_state(ours, of_entry)
        for region in dict.fromkeys([*wanted.values(), *of_entry.values()]):
            matching.pair(
                [number for number, place in ours.items() if place == region and number not in matching.pairs],
                [
                    number
                    for number, place in of_entry.items()
                    if place == region
                    and entries[number].is_state == of_state
                    and number not in matching.pairs.values()
                ],
            )
    problems = matching.problems
    if problems:
        cure = (
            f"Name the layers, names={{'path in {sides[0]}': 'path in {sides[1]}'}}; a value of None leaves out a "
            f"part of {sides[0]}, and ignore=('path in {sides[1]}',) a part of {sides[1]}"
        )
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise ValueError(explain(sides[1], f"different from {sides[0]}:{listed}\n", "of the same layers", cure))
    return matching.pairs


def _unknown(one: Found, library: str) -> str:
    """Why a layer without a row fits nothing."""
    names = ", ".join(sorted({name for row in ROWS for name in names_of(library, row)}))
    return "" if one.row is not None else f"; the arrays of {library} that are converted are {names}"


def is_below(path: Path, name: str) -> bool:
    """Whether a path is a name, or below it. The empty name is the root.

    >>> is_below(("stages", 0, "conv"), "stages.0"), is_below(("stages", 10), "stages.1")
    (True, False)
    """
    return not name or f"{dotted(path)}.".startswith(f"{name}.")


def _longest(names: Mapping[str, str | None] | Sequence[str], path: Path, *, below: bool) -> str:
    """The longest of the names that a path is below; the empty name if there is none.

    With `below`, names may leave out the first key of a path if it is a collection or the place in a tuple.
    """
    fitting = [name for name in names if is_below(path, name)]
    if not fitting and below and path and path[0] in COLLECTIONS:
        fitting = [name for name in names if is_below(path[1:], name)]
    return max(fitting, key=len, default="")


def _refuse_unused(
    names: Mapping[str, str | None],
    used: set[str],
    found: set[str],
    layers: Sequence[Found],
    entries: Sequence[Found],
    sides: tuple[str, str],
) -> None:
    """Refuse a name that stands for nothing: it is misspelt, and its layers would be matched otherwise."""
    for argument, name, known, of in [
        *(("names", name, used, layers) for name in names),
        *((f"names['{key}']", name, found, entries) for key, name in names.items() if name is not None),
    ]:
        if name not in known:
            paths = {dotted(one.path[:end]) for one in of for end in range(1, len(one.path) + 1)}
            near = get_close_matches(name, sorted(paths), 1)
            cure = (
                f'Perhaps you mean "{near[0]}"'
                if near
                else f"The first layer is {of[0].name()}"
                if of
                else "Leave it out"
            )
            raise ValueError(explain(argument, repr(name), f"a path in {sides[of is entries]}", cure))
