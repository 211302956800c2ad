"""Modes as runs: every operation is that of the list of modes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jaxconv.verify import modes as module
from jaxconv.verify.modes import Modes, TooManyModesError, aligned, summed

runs = st.tuples(st.none() | st.integers(-3, 3), st.integers(-2, 2), st.integers(0, 4))
lists = st.lists(runs, max_size=5).map(
    lambda runs: [None if first is None else first + step * n for first, step, count in runs for n in range(count)]
)
places = st.none() | st.integers(-12, 12)


@given(modes=lists)
def test_modes_are_those_of_the_list(modes):
    found = Modes.of(modes)
    assert list(found) == modes
    assert len(found) == len(modes)
    assert [found[n] for n in range(-len(modes), len(modes))] == modes + modes
    assert [mode in found for mode in (None, *range(-15, 16))] == [mode in modes for mode in (None, *range(-15, 16))]
    assert found.rotate == any(modes)
    with pytest.raises(IndexError, match="out of range"):
        found[len(modes)]


@given(pieces=st.lists(lists, max_size=3))
def test_equal_modes_have_equal_runs_however_they_are_put_together(pieces):
    """Runs are as long as they can be, so that equality and hashes are those of the lists."""
    whole = Modes.of(mode for piece in pieces for mode in piece)
    joined = Modes.joined(run for piece in pieces for run in Modes.of(piece).runs)
    assert joined == whole
    assert hash(joined) == hash(whole)


@example(modes=[0, 1, 2, 3, 4, 7], start=1, stop=None, step=2)
@example(modes=[None, 0, 2, 4, 6, 6], start=None, stop=1, step=-2)
@given(modes=lists, start=places, stop=places, step=st.integers(-3, 3).filter(bool))
def test_a_slice_is_that_of_the_list(modes, start, stop, step):
    assert Modes.of(modes)[start:stop:step] == Modes.of(modes[start:stop:step])


@given(modes=lists, times=st.integers(0, 3))
def test_repetition_is_that_of_the_list(modes, times):
    assert Modes.of(modes) * times == Modes.of(modes * times)


@given(modes=lists, factor=st.integers(-2, 2), zero=st.none() | st.integers(0, 1))
def test_multiples_are_those_of_each_mode(modes, factor, zero):
    expected = [zero if mode is None else factor * mode for mode in modes]
    assert Modes.of(modes).times(factor, zero) == Modes.of(expected)


@given(modes=lists, turns=st.integers(-2, 2), divisor=st.integers(1, 5))
def test_the_generators_have_the_divisors_of_all_differences(modes, turns, divisor):
    differences = [mode - turns * k for k, mode in enumerate(modes) if mode is not None]
    of_each = all(difference % divisor == 0 for difference in differences)
    assert all(number % divisor == 0 for number in Modes.of(modes).generators(turns)) == of_each


@given(columns=st.lists(st.tuples(st.none() | st.integers(-2, 2), st.none() | st.integers(-2, 2)), max_size=12))
def test_a_product_has_the_sum_of_the_modes(columns):
    several = [Modes.of(row) for row in ([a for a, _ in columns], [b for _, b in columns])]
    expected = [None if None in pair else sum(pair) for pair in columns]
    assert summed(several) == Modes.of(expected)
    pieces = [
        tuple(None if first is None else first + step * n for first, step in piece)
        for piece, count in aligned(several)
        for n in range(count)
    ]
    assert pieces == columns


def test_too_many_modes_are_not_listed():
    modes = Modes.joined([(0, 1, module.LISTED + 1)])
    assert modes[-1] == module.LISTED
    with pytest.raises(TooManyModesError, match="more than 4194304 modes"):
        list(modes)
    assert len(list(modes[1:])) == module.LISTED
