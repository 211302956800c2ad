"""Factors of axes: `split`, `cut`, `normalise`, `join`, and shifts that must divide the length."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxconv.verify.domain import CannotProve, Factor, Motion, Moving, fit, length_of
from jaxconv.verify.factors import cut, invariant_axis, join, normalise, split


def moving(length, rate=1, lo=0, hi=None, first=0, last=0):
    """Return an axis that carries the shift."""
    motion = Motion(Fraction(rate), lo, length if hi is None else hi, ((Fraction(first), Fraction(last)),), "signal")
    return (Factor(length, motion=motion),)


def value(*axes, shift=1, cycle=None):
    return Moving(shift, cycle, axes)


@given(parts=st.integers(1, 5), minor=st.integers(1, 5), lo=st.integers(0, 3), first=st.integers(-3, 0))
def test_what_is_split_and_joined_shows_no_more_than_before(parts, minor, lo, first):
    """The length and the rate are the same. The region never grows, and the receptive field never shrinks."""
    (factor,) = moving(parts * minor, lo=min(lo, parts * minor), first=first)
    (back,) = normalise(split(factor, minor))
    before, after = factor.motion, back.motion
    assert (back.length, after.rate) == (factor.length, before.rate)
    assert before.lo <= after.lo
    assert after.hi <= before.hi
    assert all(first <= 1 * before.field[0][0] and before.field[0][1] <= last for first, last in after.field)


@given(length=st.integers(1, 12), period=st.integers(1, 12), minor=st.integers(1, 12))
def test_a_split_pattern_still_repeats_as_its_parts_say(length, period, minor):
    """The periods of both factors, against the numbers of a periodic pattern; position a*minor + b is (a, b)."""
    pattern = [n % period for n in range(length * minor)]
    major, low = split(Factor(length * minor, period), minor)
    grid = [pattern[a * minor : (a + 1) * minor] for a in range(length)]
    if major.period is not None:
        assert all(grid[a] == grid[a + major.period] for a in range(length - major.period))
    if low.period is not None:
        assert all(row[b] == row[b + low.period] for row in grid for b in range(minor - low.period))


def test_a_cut_keeps_the_length_and_refuses_what_does_not_fit():
    axis = (Factor(4, 1), Factor(6))
    assert [factor.length for factor in cut(axis, [2, 6, 12])] == [2, 2, 3, 2]
    assert length_of(cut(axis, [3])) == 24
    with pytest.raises(CannotProve, match="into incompatible factors"):
        cut((Factor(12),), [4, 6])


def test_what_moves_meets_what_is_uniform_and_nothing_else():
    x = value(moving(6))
    assert join([x, value(invariant_axis(6, 1))], "new").moving_axes == [0]
    with pytest.raises(
        CannotProve,
        match="adds or multiplies a value that shifts with the input and one that is fixed and position-dependent",
    ):
        join([x, value(invariant_axis(6))], "new")
    with pytest.raises(CannotProve, match="move along the axis at different rates: 1, 2"):
        join([x, value(moving(6, rate=2), shift=2)], "new")


def test_a_pattern_makes_the_shift_a_multiple_of_its_period():
    joined = join([value(moving(12)), value(invariant_axis(12, 3))], "new")
    assert (joined.shift, joined.step(joined.axes[0][0].motion)) == (3, 3)
    with pytest.raises(CannotProve, match="only shifts by multiples of 5 fit, and 5 does not divide the length 12"):
        join([value(moving(12), cycle=12), value(invariant_axis(12, 5), cycle=12)], "new")


def test_a_meeting_shows_what_all_show_and_sees_what_any_sees():
    joined = join(
        [value(moving(9, lo=1, hi=8, first=-1, last=1)), value(moving(9, lo=2, hi=9, first=0, last=3))], "new"
    )
    motion = joined.axes[0][0].motion
    assert (motion.lo, motion.hi, motion.field) == (2, 8, ((-1, 3),))


def test_two_values_meet_across_differently_cut_axes():
    """A merged axis of 3*4 whose first factor moves joins an axis of 12 cells if that is uniform, otherwise not."""
    merged = (*moving(3), Factor(4))
    assert join([value(normalise(merged)), value(invariant_axis(12, 1))], "new").moving_axes == [0]
    with pytest.raises(CannotProve, match="fixed and position-dependent"):
        join([value(normalise(merged)), value(invariant_axis(12))], "new")
    assert join([value((Factor(3), *moving(4))), value((Factor(3), Factor(4, 1)))], "new").moving_axes == [0]


def test_what_varies_within_a_cut_axis_makes_the_shift_a_multiple_of_the_cut():
    """Twelve weights repeat three; if all are equal, they are uniform however the axis is split."""
    repeated, same = ((Factor(4, 1), Factor(3, minor)) for minor in (None, 1))
    assert join([value(moving(12)), value(repeated)], "new").shift == 3
    assert join([value(moving(12)), value(same)], "new").shift == 1
    assert join([value(moving(12, rate=2), shift=2), value(repeated)], "new").shift == 6
    assert join([value(moving(12)), value((Factor(4, 2), Factor(3)))], "new").shift == 6


def test_a_fractional_rate_needs_a_shift_that_moves_by_whole_cells():
    assert fit(value(moving(6, rate=Fraction(3, 2)))).shift == 3
    assert fit(value(moving(6, rate=Fraction(1, 2)))).shift == 1


def test_an_axis_without_cells_does_not_move():
    """The slices of an `associative_scan` may be empty, and move at different rates."""
    empty = value(moving(0, rate=2, hi=0)), value(moving(0, rate=4, hi=0)), value(invariant_axis(0))
    for others in empty:
        assert join([empty[0], others], "new").moving_axes == []
