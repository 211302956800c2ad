"""Conversion of whole networks: a state dict into a pytree, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import jax

from jaxconv.checks import choice, mapping, several, shown
from jaxconv.convert import LIBRARIES, FlatLibrary, TreeLibrary
from jaxconv.convert.equinox_state import split, state_layers, with_state
from jaxconv.convert.layers_of import (
    Found,
    Path,
    as_ours,
    as_theirs,
    dotted,
    key_of,
    layers_of_state_dict,
    layers_of_tree,
)
from jaxconv.convert.library import OURS
from jaxconv.convert.matching import Pairs, is_below, matched
from jaxconv.convert.params import as_array
from jaxconv.errors import explain, public


@public
def from_state_dict(
    flat: Mapping[str, Any],
    like: Any,
    *,
    library: FlatLibrary,
    into: TreeLibrary = "jaxconv",
    names: Mapping[str, str | None] | None = None,
    layers: Mapping[str, str] | None = None,
    ignore: Sequence[str] = (),
) -> Any:
    """Convert the state dict of a whole network into a pytree like another one.

    Each layer of `like` gets the arrays of one entry of the state dict, by `from_library`. Which entry is decided by

    1. `names`, for the layers and the parts that it names;
    2. equal names, if all names below the common beginnings are equal;
    3. order and shapes. Dict keys may come in any order, since JAX sorts them. Lists keep their order, numbers in keys
       count (`conv1` before `conv2`), and the layers below one key follow each other. Exactly one such order must have
       the shapes of the state dict; if there are several, the error names two layers that could be exchanged.

    Running averages follow the normalisation beside them: `(params, state)` with the same keys, Flax's
    `{"params": ..., "batch_stats": ...}`, or one dict. PyTorch's `num_batches_tracked` is left out.

    Law: `to_state_dict(from_state_dict(flat, like, ...), flat, ...) == flat`, bit for bit and dtype for dtype. It fails
    for a network whose numbered keys are not in the order of its layers: name these in `names`. A state dict has no
    settings; see `settings_from_modules`.

    Args:
        flat: name of each array -> array, such as `model.state_dict()` of PyTorch or the result of `load_state_dict`.
            An entry is the arrays with one name before the last dot or slash.
        like: a pytree of arrays or `jax.ShapeDtypeStruct`: its structure and shapes count, its numbers do not. For
            Equinox a module, or `(module, state)`.
        library: whose names and layouts `flat` has: "torch", "flax" or "equinox".
        into: whose names and layouts `like` has: "jaxconv", "flax" or "equinox".
        names: path in `like` -> path in `flat`, of a layer or of everything below; keys are joined by dots. A first
            key "params", "batch_stats", "state", 0 or 1 may be left out. None keeps this part of `like`.
        layers: path in `like` -> "conv_transpose" or another layer of `from_library` that is not recognised by its
            arrays. Only transposed convolutions of Flax need it.
        ignore: paths in `flat` that are left out.

    Returns:
        A pytree of the structure of `like`, with the numbers and dtypes of `flat`.

    Raises:
        ValueError: layers without an entry, entries without a layer, different shapes or several possible orders. The
            message lists all of them. Also unknown libraries, and names and paths that stand for nothing.
        TypeError: an array that NumPy does not read, such as one of bfloat16 of PyTorch.

    >>> import numpy as np
    >>> flat = {"0.weight": np.ones((4, 1, 3, 3)), "0.bias": np.zeros(4), "3.weight": np.ones((10, 4))}
    >>> like = {"head": {"kernel": np.zeros((4, 10))}, "stem": {"kernel": np.zeros((3, 3, 1, 4)), "bias": np.zeros(4)}}
    >>> jax.tree.map(np.sum, from_state_dict(flat, like, library="torch"))
    {'head': {'kernel': np.float64(40.0)}, 'stem': {'bias': np.float64(0.0), 'kernel': np.float64(36.0)}}

    Source: the tables in docs/conversion.md. Tests run ResNet-18, MobileNetV2, VGG-11 and a U-Net in PyTorch.
    """
    flat = {name: as_array(f"flat['{name}']", array) for name, array in _state_dict("flat", flat).items()}
    found, entries, pairs, (tree, state) = _matched(
        ("flat", flat), ("like", like), library, into, names, layers, ignore
    )
    arrays: dict[tuple[Path, str], Any] = {}
    for number, layer in enumerate(found):
        if number in pairs and layer.row is not None:
            ours = as_ours(library, layer.row, entries[pairs[number]].arrays, layer.groups)
            for name, array in as_theirs(into, layer.row, ours, layer.groups).items():
                arrays[layer.path, name] = array
    return with_state(_filled(tree, arrays), state, arrays)


@public
def to_state_dict(
    tree: Any,
    like: Mapping[str, Any],
    *,
    library: FlatLibrary,
    into: TreeLibrary = "jaxconv",
    names: Mapping[str, str | None] | None = None,
    layers: Mapping[str, str] | None = None,
    ignore: Sequence[str] = (),
) -> dict[str, Any]:
    """Convert a pytree to the state dict of the same network in another library. The inverse of `from_state_dict`.

    Law: `from_state_dict(to_state_dict(tree, like, ...), tree, ...) == tree`, bit for bit and dtype for dtype. It fails
    where `from_state_dict` does.

    Args:
        tree: the pytree of arrays.
        like: a state dict of the network in that library: its names, their order and shapes count.
        library: whose names and layouts `like` has.
        into: whose names and layouts `tree` has.
        names: as for `from_state_dict`: path in `tree` -> path in `like`. None leaves a part of `tree` out.
        layers: as for `from_state_dict`.
        ignore: paths in `like` that are kept as they are.

    Returns:
        A dict with the names of `like`, in its order. What no layer of ours has, such as `num_batches_tracked`, and
        what is ignored, has the value in `like`.

    Raises:
        ValueError: as for `from_state_dict`.

    >>> import numpy as np
    >>> like = {"fc.weight": np.zeros((3, 2))}
    >>> to_state_dict({"kernel": np.array([[1, 2, 3], [4, 5, 6]])}, like, library="torch")
    {'fc.weight': array([[1, 4],
           [2, 5],
           [3, 6]])}

    Source: the tables in docs/conversion.md.
    """
    found, entries, pairs, _ = _matched(("like", like), ("tree", tree), library, into, names, layers, ignore)
    converted: dict[tuple[Path, str], Any] = {}
    for number, entry in pairs.items():
        layer = found[number]
        if layer.row is not None:
            ours = as_ours(into, layer.row, layer.arrays, layer.groups)
            for name, array in as_theirs(library, layer.row, ours, layer.groups).items():
                converted[entries[entry].path, name] = array
    return {key: converted.get(_split(key), array) for key, array in like.items()}


def _split(key: str) -> tuple[Path, str]:
    """The path and the array's name in a key of a state dict."""
    *path, name = re.split(r"[./]", key)
    return tuple(path), name


def _matched(
    flat: tuple[str, Any],
    tree: tuple[str, Any],
    library: FlatLibrary,
    into: TreeLibrary,
    names: Any,
    layers: Any,
    ignore: Any,
) -> tuple[list[Found], list[Found], Pairs, tuple[Any, Any]]:
    """The layers of both sides, which belong together, and the tree without and with Equinox's state.

    `flat` and `tree` are names of arguments and their values.
    """
    choice("library", library, get_args(FlatLibrary))
    choice("into", into, get_args(TreeLibrary))
    sides = tree[0], flat[0]
    arrays = _state_dict(*flat)
    names, layers = _names(names), _rows(layers, into)
    skipped = _ignored(ignore, arrays, sides[1])
    module, state = split(tree[1])
    found = layers_of_tree(module, into, layers) + state_layers(module, state)
    if not found:
        cure = "Pass parameters, or jax.eval_shape(init, key)"
        raise ValueError(explain(sides[0], shown(module), "a pytree with the arrays of some layers", cure))
    for path in layers:
        if path not in {dotted(one.path) for one in found}:
            cure = f"The first one is {found[0].name()}"
            raise ValueError(explain(f"layers['{path}']", "given", "the path of a layer", cure))
    kept = {key: array for key, array in arrays.items() if not any(is_below(_split(key)[0], name) for name in skipped)}
    entries = layers_of_state_dict(kept, library)
    return found, entries, matched(found, entries, (into, library), names, sides), (module, state)


def _state_dict(argument: str, flat: Any) -> Mapping[str, Any]:
    """The state dict, whose values are arrays or their shapes."""
    cure = "Pass model.state_dict(), or load_state_dict(path)"
    mapping(argument, flat, "a dict of arrays", cure=cure)
    for name, array in flat.items():
        if not isinstance(name, str):
            raise TypeError(explain(argument, f"a dict with the key {shown(name)}", "a dict of names", cure))
        if not (hasattr(array, "shape") and hasattr(array, "dtype")):
            raise TypeError(explain(f"{argument}['{name}']", shown(array), "an array", cure))
    return flat


def _names(names: Any) -> Mapping[str, str | None]:
    """Path in the tree -> path in the state dict."""
    cure = 'Write names={"stages.0": "layer1"}'
    checked = mapping("names", {} if names is None else names, "a dict of paths", cure=cure)
    for key, value in checked.items():
        if not isinstance(key, str) or not key or not (value is None or (isinstance(value, str) and value)):
            raise TypeError(explain("names", f"a dict with {shown(key)}: {shown(value)}", "a dict of paths", cure))
    return checked


def _rows(layers: Any, library: str) -> Mapping[str, str]:
    """Path in the tree -> row of the table of layouts."""
    cure = 'Write layers={"up": "conv_transpose"}'
    checked = mapping("layers", {} if layers is None else layers, "a dict of paths and layers", cure=cure)
    known = list(OURS) if library == "jaxconv" else [n for n, row in LIBRARIES[library].layers.items() if row.arrays]
    return {path: choice(f"layers[{path!r}]", row, known, cure=cure) for path, row in checked.items()}


def _ignored(ignore: Any, flat: Mapping[str, Any], side: str) -> tuple[str, ...]:
    """Paths in the state dict that are left out. Each must be there."""
    cure = 'Write ignore=("fc",)'
    paths = several(ignore)
    if paths is None or not all(isinstance(path, str) and path for path in paths):
        raise TypeError(explain("ignore", shown(ignore), f"a tuple of paths in {side}", cure))
    for path in paths:
        if not any(is_below(_split(key)[0], path) for key in flat):
            cure = f"The first entry is {next(iter(flat), None)}"
            raise ValueError(explain("ignore", shown(path), f"a path in {side}", cure))
    return paths


def _filled(tree: Any, arrays: Mapping[tuple[Path, str], Any]) -> Any:
    """The tree with these arrays."""

    def new(steps: Any, leaf: Any) -> Any:
        *path, name = map(key_of, steps) if steps else [""]
        return arrays.get((tuple(path), str(name)), leaf)

    return jax.tree_util.tree_map_with_path(new, tree)
