"""The libraries whose parameters and settings are converted, one file each. None of the libraries is imported."""

from collections.abc import Collection
from difflib import get_close_matches
from importlib import import_module
from typing import Literal, get_args

from jaxconv.checks import shown
from jaxconv.convert.library import Layer, Library
from jaxconv.errors import explain

LibraryName = Literal["flax", "equinox", "haiku", "keras", "torch"]  # of a library, and of its file
TreeLibrary = Literal["jaxconv", "flax", "equinox"]  # whose pytrees are filled and read
FlatLibrary = Literal["torch", "flax", "equinox"]  # whose arrays have the names of a state dict
ModuleLibrary = Literal["torch", "equinox"]  # whose modules have their settings as attributes
LIBRARIES: dict[str, Library] = {
    name: import_module(f"jaxconv.convert.{name}").LIBRARY for name in get_args(LibraryName)
}


def find(library: str, layer: str, part: Literal["arrays", "settings"]) -> Layer:
    """The layer of a library. It must have arrays or settings, as asked for.

    >>> find("torch", "dense", "arrays").arrays["kernel"]
    Stored(name='weight', layout='o i', flip=False)
    """
    _check_name("library", library, LIBRARIES, f"one of {', '.join(LIBRARIES)}")
    layers = {name: row for name, row in LIBRARIES[library].layers.items() if getattr(row, part)}
    separator = "; " if part == "arrays" else ", "  # some names of layers with arrays have a comma
    _check_name("layer", layer, layers, f"one of {library}'s {separator.join(layers)}")
    return layers[layer]


def _check_name(argument: str, value: object, names: Collection[str], expected: str) -> None:
    """Refuse a value that is not one of the names."""
    if isinstance(value, str) and value in names:
        return
    near = get_close_matches(value, names, 1, cutoff=0.6) if isinstance(value, str) else []
    cure = f'Perhaps you mean "{near[0]}"' if near else "The tables in docs/conversion.md list all names"
    error = ValueError if isinstance(value, str) else TypeError
    raise error(explain(argument, shown(value), expected, cure))
