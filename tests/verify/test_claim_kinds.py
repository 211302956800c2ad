"""Test what each kind of claims asks for: which shifts a refutation needs, and which it covers."""

from typing import get_args

import pytest

from jaxconv.verify.claim_kinds import KINDS
from jaxconv.verify.claims import Claim, KindName, Verdict

LENGTHS = range(2, 40)


def test_every_kind_has_its_word():
    assert tuple(KINDS) == get_args(KindName)
    assert all(kind.name == name for name, kind in KINDS.items())


@pytest.mark.parametrize("length", LENGTHS)
def test_every_cyclic_shift_generates_one_that_is_needed(length):
    """If the law holds for a shift, then for its multiples modulo n, and one of these is needed."""
    needed = KINDS["cyclic"].needed(length)
    for shift in range(1, length):
        assert {shift * k % length for k in range(length)} & set(needed)


@pytest.mark.parametrize("length", LENGTHS)
def test_no_needed_cyclic_shift_could_be_left_out(length):
    """The multiples of n/p contain no other needed shift."""
    needed = KINDS["cyclic"].needed(length)
    for shift in needed:
        assert {shift * k % length for k in range(length)} & set(needed) == {shift}


@pytest.mark.parametrize("length", LENGTHS)
def test_interior_shifts_are_needed_one_by_one(length):
    assert KINDS["interior"].needed(length) == tuple(range(1, length // 2 + 1))
    assert KINDS["interior"].covered(length) == length // 2
    assert KINDS["cyclic"].covered(length) == length - 1


def test_a_cyclic_search_also_tries_the_shift_of_the_interior():
    interior = lambda shift: {"interior": Claim(Verdict.PROVED, shift, ((0, 1),)), "cyclic": Claim(Verdict.UNDECIDED)}
    assert KINDS["cyclic"].tried(12, interior(3)) == (3, 4, 6)
    assert KINDS["cyclic"].tried(12, interior(None)) == (1, 4, 6)
    assert KINDS["cyclic"].tried(12, interior(12)) == (1, 4, 6)
    assert all(0 < shift < 12 for shift in KINDS["cyclic"].tried(12, interior(24)))


@pytest.mark.parametrize("length", [6, 12])
def test_walks_differ_in_their_cycle(length):
    assert (KINDS["cyclic"].cycle(length), KINDS["interior"].cycle(length)) == (length, None)
