"""Which kernel stands where: along each axis, the positions of the output at which each of the kernels is used.

All sharing of weights is this: one kernel at all positions, some that take turns, one for each region, or one for each
position. It is arithmetic in plain integers, which the layers and their tying read.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TypeAlias

from jaxconv.checks import several, shown
from jaxconv.errors import explain, spatial_names
from jaxconv.window import positive

Positions: TypeAlias = tuple[tuple[range, ...], ...]  # along each axis, for each kernel, where it stands
Regions: TypeAlias = Sequence[Sequence[int]]


def tiled(out: Sequence[int], period: Sequence[int]) -> Positions:
    """Kernel k at the positions k, k + p, k + 2p, ...; nowhere if there are not so many positions.

    >>> [list(its) for its in tiled((5,), (2,))[0]]
    [[0, 2, 4], [1, 3]]
    """
    return tuple(tuple(range(min(k, n), n, p) for k in range(p)) for n, p in zip(out, period, strict=True))


def regional(where: str, out: Sequence[int], regions: Regions) -> Positions:
    """Kernel k at the positions of region k, the regions having these lengths along each axis, one after another.

    Raises:
        ValueError: lengths that do not add up to the positions that there are.
        TypeError: something other than integers.

    >>> regional("doctest", (5,), ((2, 3),))
    ((range(0, 2), range(2, 5)),)
    """
    found = checked_regions(where, regions, len(out))
    for name, lengths, n in zip(spatial_names(len(out)), found, out, strict=True):
        if sum(lengths) != n:
            expected = f"lengths that add up to {n}, the positions of the window"
            found, last = f"{lengths}, {sum(lengths)} long", n - sum(lengths[:-1])
            cure = f"Make the last one {last} long" if last > 0 else f"Shorten them to {n} in all"
            raise ValueError(explain(where, f"regions along axis {name}", found, expected, cure))
    return tuple(
        tuple(range(stop - length, stop) for length, stop in zip(lengths, accumulate(lengths), strict=True))
        for lengths in found
    )


def checked_regions(where: str, regions: Regions, rank: int) -> list[tuple[int, ...]]:
    """The lengths of the regions along each of `rank` axes, one region at least, as tuples."""
    each = several(regions) or ()
    inner = [several(one) for one in each]
    if len(each) != rank or not all(inner):
        example = f"({'(8,), ' * (rank - 1)}{'(8,)' if rank > 1 else '(8,),'})"
        expected = f"the lengths of regions along each of {rank} axes"
        cure = f"For one region of 8 positions along each write {example}"
        error = ValueError if each and None not in inner else TypeError
        raise error(explain(where, "regions", shown(regions), expected, cure))
    names = [f"regions along axis {name}" for name in spatial_names(rank)]
    return [positive(where, name, lengths, len(lengths)) for name, lengths in zip(names, each, strict=True)]
