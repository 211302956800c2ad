"""The layers of a pytree and of a state dict: the arrays at one path, under the names that a library gives them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxconv.convert import LIBRARIES
from jaxconv.convert.library import OURS
from jaxconv.convert.params import from_library, to_library
from jaxconv.errors import explain

Path = tuple[str | int, ...]
Shapes = dict[str, tuple[int, ...]]
OWN = "jaxconv"  # in place of a library
# Their arrays have different names or numbers of axes, except those of the first two. Our arrays and PyTorch's of these
# are converted in the same way. Those of Flax and Equinox are not, and are recognised by the names of classes.
ROWS = ("conv", "conv_transpose", "dense", "norm", "batch_norm_state")
STATE = "batch_norm_state"
ANY: Any = next(iter(LIBRARIES))  # has all rows above


@dataclass(frozen=True)
class Found:
    """The arrays of one layer, and where they are.

    Attributes:
        path: the keys on the way to the arrays.
        row: the row of the table of layouts, such as "conv"; None if no row has arrays of these names and shapes.
        arrays: their name of each array -> the array, or its shape and dtype.
        groups: number of groups of a transposed convolution. Other layers are converted without it.
    """

    path: Path
    row: str | None
    arrays: Mapping[str, Any]
    groups: int = 1

    @property
    def is_state(self) -> bool:
        """Whether these are running averages."""
        return self.row == STATE

    def name(self) -> str:
        """The path as messages write it."""
        return dotted(self.path)

    def describe(self) -> str:
        """The layer's arrays and their shapes, for messages.

        >>> Found(("head", 0), "dense", {"kernel": np.ones((3, 2))}).describe()
        'head.0 (kernel (3, 2))'
        """
        arrays = ", ".join(f"{name} {shape_of(array)}" for name, array in self.arrays.items())
        return f"{self.name()} ({arrays})"


def dotted(path: Path) -> str:
    """A path as state dicts write it.

    >>> dotted(("stages", 0, "conv1")), dotted(())
    ('stages.0.conv1', 'the root')
    """
    return ".".join(map(str, path)) or "the root"


def names_of(library: str, row: str) -> dict[str, str]:
    """The library's name of each array of a row -> our name."""
    if library == OWN:
        return {name: name for name in OURS[row]}
    return {stored.name: ours for ours, stored in LIBRARIES[library].layers[row].arrays.items()}


def key_of(entry: Any) -> str | int:
    """The dict key, index or attribute name of one step of a JAX path."""
    for attribute in ("key", "idx", "name"):
        if hasattr(entry, attribute):
            return getattr(entry, attribute)
    return str(entry)


def shape_of(array: Any) -> tuple[int, ...]:
    """The shape of an array as a tuple; PyTorch's is of a class of its own."""
    return tuple(array.shape)


def _parts(library: str, arrays: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Trainable arrays and running averages apart: some libraries store both at one path."""
    state = names_of(library, STATE)
    for part in ({n: a for n, a in arrays.items() if (n in state) == wanted} for wanted in (False, True)):
        if part:
            yield part


def as_ours(library: str, row: str, arrays: Mapping[str, Any], groups: int = 1) -> dict[str, Any]:
    """Their arrays of a layer as ours."""
    return dict(arrays) if library == OWN else from_library(library, row, arrays, groups=groups)  # pyright: ignore[reportArgumentType]


def as_theirs(library: str, row: str, arrays: Mapping[str, Any], groups: int = 1) -> dict[str, Any]:
    """Our arrays of a layer as theirs."""
    return dict(arrays) if library == OWN else to_library(library, row, arrays, groups=groups)  # pyright: ignore[reportArgumentType]


def our_shapes(library: str, row: str, arrays: Mapping[str, Any], groups: int = 0) -> Shapes | None:
    """The shapes of a layer's arrays in our layouts; None if the row has no arrays of these names and shapes.

    >>> our_shapes("torch", "dense", {"weight": np.ones((3, 2))}), our_shapes("torch", "conv", {"weight": np.ones(3)})
    ({'kernel': (2, 3)}, None)
    """
    if not arrays.keys() <= names_of(library, row).keys():
        return None
    groups = groups or _groups(library, row, arrays)
    empty = {name: np.broadcast_to(np.int8(0), shape_of(array)) for name, array in arrays.items()}  # takes no memory
    try:
        ours = as_ours(library, row, empty, groups)
        to_library(ANY, row, ours, groups=groups)  # refuses arrays whose sizes do not belong together
    except ValueError:
        return None
    return {name: shape_of(array) for name, array in ours.items()}


def _groups(library: str, row: str, arrays: Mapping[str, Any]) -> int:
    """The groups of a transposed convolution whose kernel has an axis c: the bias has c cells for each group."""
    ours = {name: shape_of(arrays[theirs]) for theirs, name in names_of(library, row).items() if theirs in arrays}
    if row != "conv_transpose" or len(ours) < 2:
        return 1
    layout = OURS[row]["kernel"] if library == OWN else LIBRARIES[library].layers[row].arrays["kernel"].layout
    axes = re.findall(r"\([^)]*\)|\S+", layout)
    if "c" not in axes or len(ours["kernel"]) < len(axes):
        return 1
    place = axes.index("c") - (len(axes) if axes[0] == "*w" else 0)
    return max(math.prod(ours["bias"]) // (ours["kernel"][place] or 1), 1)


def row_of(library: str, arrays: Mapping[str, Any]) -> str | None:
    """The row of a layer, by the names and the numbers of axes of its arrays."""
    return next((row for row in ROWS if our_shapes(library, row, arrays) is not None), None)


def layers_of_state_dict(flat: Mapping[str, Any], library: str) -> list[Found]:
    """The layers of a state dict, in its order. Keys are split at dots or slashes.

    >>> [one.describe() for one in layers_of_state_dict({"fc.weight": np.ones((2, 3)), "fc.bias": np.ones(2)}, "torch")]
    ['fc (weight (2, 3), bias (2,))']
    """
    groups: dict[Path, dict[str, Any]] = {}
    for key, array in flat.items():
        *path, name = re.split(r"[./]", key)
        if name not in LIBRARIES[library].counters:
            arrays = groups.setdefault(tuple(path), {})
            if name in arrays:
                found = f"a dict with {key!r} and another name of the same keys"
                raise ValueError(
                    explain("the state dict", found, "a dict of one array for each", "Use dots or slashes")
                )
            arrays[name] = array
    return [
        Found(path, row_of(library, part), part) for path, group in groups.items() for part in _parts(library, group)
    ]


def layers_of_tree(tree: Any, library: str, layers: Mapping[str, str]) -> list[Found]:
    """The layers of a pytree, in the order of its leaves. Leaves that are no arrays are left out.

    Args:
        tree: the pytree.
        library: the library whose names and layouts the tree has.
        layers: path of a layer -> its row, where it is not `conv`, `dense` or a normalisation.

    >>> [one.describe() for one in layers_of_tree({"head": {"kernel": np.ones((2, 3))}}, "jaxconv", {})]
    ['head (kernel (2, 3))']
    """
    groups: dict[Path, dict[str, Any]] = {}
    for steps, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        *path, name = map(key_of, steps) if steps else [""]
        if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
            groups.setdefault(tuple(path), {})[str(name)] = leaf
    found = []
    for path, group in groups.items():
        module = at(tree, path)
        by = "" if library == OWN else LIBRARIES[library].named_after_class
        name = type(module).__name__ if by == "module" else str(path[-1]) if by == "key" and path else ""
        transposed = name.startswith("ConvTranspose")
        row = layers.get(dotted(path), "conv_transpose" if transposed else None)
        for part in _parts(library, group):
            which = row or row_of(library, part)
            count = getattr(module, "groups", _groups(library, which, part)) if which == "conv_transpose" else 1
            fits = which is not None and our_shapes(library, which, part, count) is not None
            found.append(Found(path, which if fits else None, part, count))
    return found


def at(tree: Any, path: Path) -> Any:
    """The node of a tree at a path; None if it cannot be reached by keys, indices and attributes."""
    for key in path:
        try:
            tree = getattr(tree, key) if isinstance(key, str) and hasattr(tree, key) else tree[key]
        except (KeyError, IndexError, TypeError):
            return None
    return tree
