"""The pool of geometries has what it promises: every pair of settings of two kinds, all ranks, and few rows."""

from itertools import combinations, product

import hypothesis
import pytest

import jaxconv as jc
from jaxconv.window import BOUNDARIES, PADDINGS, Pad
from support.geometries import CONVOLUTIONS, POOLINGS, convolutions, covering, examples, poolings
from support.profiles import NIGHTLY


def settings_of(case, axis):
    """What one axis of a configuration is set to, by kind."""
    geometry = case.geometry
    padding = geometry["padding"][axis]
    return {
        "taps": case.window[axis],
        "stride": geometry["stride"][axis],
        "dilation": geometry["dilation"][axis],
        "padding": padding if isinstance(padding, str) else getattr(padding, "boundary", "numbers"),
        "groups": case.groups,
    }


def pairs(pool):
    """The pairs of settings of two kinds that some axis has."""
    each = [settings_of(case, axis) for case in pool for axis in range(len(case.window))]
    return {pair for settings in each for pair in combinations(settings.items(), 2)}


KINDS = {
    "taps": (1, 2, 3),
    "stride": (1, 2, 3),
    "dilation": (1, 2),
    "padding": (*PADDINGS, "numbers"),
    "groups": (1, 2, 3),
}


@pytest.mark.parametrize(("one", "other"), [*combinations(KINDS, 2)])
def test_convolutions_have_every_pair_of_settings(one, other):
    assert {((one, a), (other, b)) for a, b in product(KINDS[one], KINDS[other])} <= pairs(CONVOLUTIONS)


@pytest.mark.parametrize(("one", "other"), [*combinations(list(KINDS)[:-1], 2)])
def test_poolings_have_every_pair_of_settings(one, other):
    assert {((one, a), (other, b)) for a, b in product(KINDS[one], KINDS[other])} <= pairs(POOLINGS)


def test_the_pools_are_small_and_have_all_ranks():
    for pool in (CONVOLUTIONS, POOLINGS):
        assert {len(case.window) for case in pool} == {1, 2, 3}
        assert len(pool) <= 30
    assert any(case.geometry["ceil_mode"] for case in POOLINGS)
    assert {pad.boundary for case in POOLINGS for pad in case.geometry["padding"] if isinstance(pad, Pad)} == set(
        BOUNDARIES
    )


@pytest.mark.parametrize("case", CONVOLUTIONS + POOLINGS, ids=str)
def test_every_geometry_is_accepted(case):
    assert min(case.out) >= 1
    if "groups" not in case.geometry:
        jc.max_pool(case.x(), case.window, **case.geometry)


def test_a_missing_pair_is_seen():
    """The twin: without the rows of one padding the pool does not have every pair."""
    rest = [case for case in CONVOLUTIONS if "SAME_LOWER" not in case.geometry["padding"]]
    assert (("stride", 2), ("padding", "SAME_LOWER")) not in pairs(rest)


def test_a_covering_of_three_kinds_is_no_larger_than_two_of_them_need():
    assert len(covering("abc", (1, 2, 3), (True, False))) == 9


@pytest.mark.parametrize(("drawn", "pool"), [(convolutions, CONVOLUTIONS), (poolings, POOLINGS)])
def test_values_are_drawn_and_geometries_are_the_pools_except_at_night(drawn, pool):
    case = hypothesis.find(drawn(max_rank=2), lambda case: case.seed > 100)
    assert any((row.lengths, row.geometry) == (case.lengths, case.geometry) for row in pool) != NIGHTLY
    assert len(case.window) <= 2


def test_the_number_of_examples_follows_the_profile():
    """So a test that draws fewer than others draws more of them in the nightly run."""
    usual = hypothesis.settings.default.max_examples
    expected = [usual] * 3 if NIGHTLY else [usual, usual // 2, usual // 5]
    assert [examples(number).max_examples for number in (40, 20, 8)] == expected
