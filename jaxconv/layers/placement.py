"""The placement of kernels: along each axis, the output positions at which each kernel is used.

Weight sharing is defined by this placement: one kernel at all positions, kernels with a period, one kernel per region,
or one per position. It is integer arithmetic, used by the layers and by their tying.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TypeAlias

from jaxconv.checks import several, shown
from jaxconv.errors import explain, spatial_names
from jaxconv.window import positive

Positions: TypeAlias = tuple[tuple[range, ...], ...]  # along each axis, for each kernel, its positions
Regions: TypeAlias = Sequence[Sequence[int]]


def tiled(out: Sequence[int], period: Sequence[int]) -> Positions:
    """Places kernel k at the positions k, k + p, k + 2p, ...; at none if k is not a position.

    >>> [list(its) for its in tiled((5,), (2,))[0]]
    [[0, 2, 4], [1, 3]]
    """
    return tuple(tuple(range(min(k, n), n, p) for k in range(p)) for n, p in zip(out, period, strict=True))


def regional(out: Sequence[int], regions: Regions) -> Positions:
    """Places kernel k at the positions of region k. Along each axis, consecutive regions have the given lengths.

    Raises:
        ValueError: the lengths do not sum to the number of positions.
        TypeError: a length is not an integer.

    >>> regional((5,), ((2, 3),))
    ((range(0, 2), range(2, 5)),)
    """
    checked = checked_regions(regions, len(out))
    for name, lengths, n in zip(spatial_names(len(out)), checked, out, strict=True):
        if sum(lengths) != n:
            expected = f"lengths that sum to {n}, the number of output positions"
            actual, last = f"{lengths}, {sum(lengths)} long", n - sum(lengths[:-1])
            cure = f"Make the last one {last} long" if last > 0 else f"Shorten them to {n} in total"
            raise ValueError(explain(f"regions along axis {name}", actual, expected, cure))
    return tuple(
        tuple(range(stop - length, stop) for length, stop in zip(lengths, accumulate(lengths), strict=True))
        for lengths in checked
    )


def checked_regions(regions: Regions, rank: int) -> list[tuple[int, ...]]:
    """Returns the lengths of the regions along each of `rank` axes as tuples; each axis needs at least one region."""
    each = several(regions) or ()
    inner = [several(axis_lengths) for axis_lengths in each]
    if len(each) != rank or not all(inner):
        example = f"({'(8,), ' * (rank - 1)}{'(8,)' if rank > 1 else '(8,),'})"
        expected = f"the lengths of regions along each of {rank} axes"
        cure = f"For one region of 8 positions along each axis write {example}"
        error = ValueError if each and None not in inner else TypeError
        raise error(explain("regions", shown(regions), expected, cure))
    names = [f"regions along axis {name}" for name in spatial_names(rank)]
    return [positive(name, lengths, len(lengths)) for name, lengths in zip(names, each, strict=True)]
