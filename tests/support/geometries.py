"""A fixed pool of geometries, for what XLA compiles: new values in each run, but seldom a new shape.

Along their axes, convolutions and poolings meet each pair of settings of two kinds: a stride of 3 with circular padding,
dilation with three groups, and so on (`test_geometries.py` counts the pairs). The profile "nightly" draws any geometry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st

from jaxconv.testing import strategies
from jaxconv.testing.configurations import Configuration
from jaxconv.window import BOUNDARIES, PADDINGS, Pad
from support.profiles import NIGHTLY


def examples(number: int) -> settings:
    """So many where the usual profile draws 40, fewer in proportion where it draws fewer; every night all that it draws."""
    most = settings.default.max_examples
    return settings(max_examples=most if NIGHTLY else max(1, number * most // 40))


def compiled_examples(number: int) -> settings:
    """The same, each of which compiles a program or more: a failing one is not made smaller, which compiles hundreds."""
    count = 5 * max(number, 8) if NIGHTLY else examples(number).max_examples
    return settings(max_examples=count, phases=[Phase.explicit, Phase.reuse, Phase.generate])


few_compiled = compiled_examples(8)

TAPS, STRIDES, DILATIONS = (3, 2, 1), (2, 3, 1), (1, 2)
RANKS = (1, 2, 2, 3)  # of one configuration after the other


def covering(*kinds: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Rows of one setting of each kind, in which each pair of settings of two kinds occurs; few, since each adds most.

    >>> covering("ab", (1, 2), (True,))
    [('a', 1, True), ('b', 2, True), ('a', 2, True), ('b', 1, True)]
    """
    pairs = {row: set(combinations(enumerate(row), 2)) for row in product(*kinds)}
    missing = set().union(*pairs.values())
    rows = []
    while missing:
        rows.append(max(pairs, key=lambda row: len(pairs[row] & missing)))
        missing -= pairs[rows[-1]]
    return rows


def _together(axes: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    """The number of each configuration and its axes, whose last setting, which is of all axes, is the same."""
    number = 0
    for setting in dict.fromkeys(axis[-1] for axis in axes):
        left = [axis for axis in axes if axis[-1] == setting]
        while left:
            rank = RANKS[number % len(RANKS)]
            yield number, left[:rank]
            left, number = left[rank:], number + 1


def _configuration(number: int, axes: Sequence[Sequence[Any]], channels: tuple[int, int], **more: Any) -> Configuration:
    """Lengths are small, different along different axes, and no less than a window."""
    taps, strides, dilations, paddings = zip(*axes, strict=True)
    spans = [dilation * (n - 1) + 1 for n, dilation in zip(taps, dilations, strict=True)]
    lengths = tuple(max(span, 3 + (number + 2 * axis) % 4) for axis, span in enumerate(spans))
    geometry = {"stride": strides, "dilation": dilations, "padding": paddings} | more
    return Configuration(lengths, taps, geometry, channels, 1 + number % 2, 0)


def _convolutions() -> Iterator[Configuration]:
    paddings = [*sorted(PADDINGS), (2, 1), Pad(1, 0, "EDGE"), Pad(0, 4, "CIRCULAR"), Pad(4, 3, "REFLECT")]
    for number, rows in _together(covering(TAPS, STRIDES, DILATIONS, paddings, (1, 2, 3))):
        groups = rows[0][-1]
        channels = groups * (1 + number % 2), groups * (1 + (number + 1) % 2)
        yield _configuration(number, [row[:-1] for row in rows], channels, groups=groups)


def _poolings() -> Iterator[Configuration]:
    """Less padding than a window has taps, and `ceil_mode` without any but zeros."""
    copies = [lambda most, name=name: Pad(most, 0, name) for name in sorted(BOUNDARIES)]
    zeros = [lambda most: (0, most), lambda most: (most, most)]
    padded = covering(TAPS, STRIDES, DILATIONS, [*sorted(PADDINGS), *zeros, *copies], (False,))
    overhanging = covering(TAPS, STRIDES, DILATIONS, ["VALID", zeros[0]], (True,))
    for number, rows in _together(padded + overhanging):
        axes = [(*row[:3], row[3](row[0] - 1) if callable(row[3]) else row[3]) for row in rows]
        channels = 1 + number % 2
        yield _configuration(number, axes, (channels, channels), ceil_mode=rows[0][-1])


CONVOLUTIONS, POOLINGS = list(_convolutions()), list(_poolings())


def convolutions(max_rank: int = 3) -> st.SearchStrategy[Configuration]:
    """Convolutions of the pool, with any values."""
    return strategies.conv_configurations(max_rank) if NIGHTLY else _of_the_pool(CONVOLUTIONS, max_rank)


def poolings(max_rank: int = 3) -> st.SearchStrategy[Configuration]:
    """Poolings of the pool, with any values."""
    return strategies.pool_configurations(max_rank) if NIGHTLY else _of_the_pool(POOLINGS, max_rank)


def _of_the_pool(pool: Sequence[Configuration], max_rank: int) -> st.SearchStrategy[Configuration]:
    rows = [row for row in pool if len(row.window) <= max_rank]
    return st.builds(lambda row, seed: replace(row, seed=seed), st.sampled_from(rows), st.integers(0, 2**16))
