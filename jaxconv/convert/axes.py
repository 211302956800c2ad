"""Changes of layout: split the axes of an array, transpose them, merge them, and flip some kernels.

A layout lists its axes in order, `"*w i o"`: `*w` is one axis `w` for each spatial dimension, `(g o)` is one axis that
runs over g and, within it, over o, `1` is an axis of length 1, and `*1` is one such axis for each spatial dimension.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

Atoms = tuple[str, ...]  # the names that one axis runs over, slowest first; empty for an axis of length 1


def axes_of(layout: str, rank: int) -> list[Atoms]:
    """The axes of a layout in `rank` spatial dimensions.

    >>> axes_of("*p (i *w) o", 2)
    [('p0',), ('p1',), ('i', 'w0', 'w1'), ('o',)]
    >>> axes_of("o *1", 2)
    [('o',), (), ()]
    """
    axes: list[Atoms] = []
    for group in re.findall(r"\([^)]*\)|\S+", layout):
        atoms = [atom for name in group.strip("()").split() for atom in _repeated(name, rank)]
        axes += [tuple(a for a in atoms if a)] if group.startswith("(") else [(a,) if a else () for a in atoms]
    return axes


def _repeated(name: str, rank: int) -> list[str]:
    """The axes of a name. The empty name is an axis of length 1."""
    plain = name.removeprefix("*").replace("1", "")
    if not name.startswith("*"):
        return [plain]
    return [f"{plain}{n}" if plain else "" for n in range(rank)]


def rank_of(layout: str, axes: int) -> int | None:
    """The number of spatial dimensions in which a layout has `axes` axes; None if there is none or it is not unique.

    >>> rank_of("*w i o", 4), rank_of("*p (i *w) o", 6), rank_of("o", 1)
    (2, 4, None)
    """
    without_spatial, with_one = (len(axes_of(layout, rank)) for rank in (0, 1))
    per_dimension = with_one - without_spatial
    if per_dimension == 0 or (axes - without_spatial) % per_dimension or axes < without_spatial:
        return None
    return (axes - without_spatial) // per_dimension


def sizes_of(shape: tuple[int, ...], axes: list[Atoms], sizes: Mapping[str, int]) -> dict[str, int]:
    """The length of each atom in an array of a shape. `sizes`: the lengths known beforehand.

    Raises:
        ValueError: the array does not have these axes, or the split of an axis is ambiguous.

    >>> sizes_of((6, 5), [("g", "o"), ("w0",)], {"g": 2})
    {'g': 2, 'o': 3, 'w0': 5}
    """
    if len(shape) != len(axes):
        raise ValueError(f"{len(axes)} axes")
    lengths = dict(sizes)
    for length, atoms in zip(shape, axes, strict=True):
        unknown = [atom for atom in atoms if atom not in lengths]
        known = math.prod(lengths[atom] for atom in atoms if atom in lengths)
        if length == 0 or len(unknown) > 1 or length % known or (not unknown and length != known):
            raise ValueError(f"{length} cells along ({' '.join(atoms) or '1'})")
        lengths |= dict.fromkeys(unknown, length // known)
    return lengths


def rearranged(array: Any, before: list[Atoms], after: list[Atoms], sizes: Mapping[str, int], *, flip: bool) -> Any:
    """The same numbers along other axes. With `flip`, the axes `w0, w1, ...` of the window are reversed.

    >>> import numpy as np
    >>> rearranged(np.arange(6).reshape(2, 3), [("o",), ("w0",)], [("w0",), ("o",)], {"o": 2, "w0": 3}, flip=True)
    array([[2, 5],
           [1, 4],
           [0, 3]])
    """
    atoms = [atom for axis in before for atom in axis]
    array = array.reshape([sizes[atom] for atom in atoms])
    if flip:
        array = array[tuple(slice(None, None, -1 if re.fullmatch(r"w\d+", atom) else None) for atom in atoms)]
    array = array.transpose([atoms.index(atom) for axis in after for atom in axis])
    return array.reshape([math.prod(sizes[atom] for atom in axis) for axis in after])
