"""`rolls_of`: the rolls that agree with several pairs of outputs."""

from dataclasses import replace

import numpy as np
import pytest

from jaxconv.verify.recheck.moves import Pair, rolls_of

BEFORE = np.arange(64.0)
SURE = np.zeros(64)  # no rounding error in any cell
ROLLED = Pair(BEFORE, np.roll(BEFORE, 3), 0.1, SURE, SURE)
ANYTHING = Pair(np.zeros(64), np.zeros(64), 0.1, SURE, SURE)


def altered():
    """Return a pair that is rolled except for one cell in the middle, which is none of the peaks compared first."""
    after = np.roll(BEFORE, 3)
    after[35] += 0.4
    return Pair(BEFORE, after, 0.1, SURE, SURE)


def test_a_roll_that_every_pair_shows_stands():
    assert rolls_of([ROLLED, ANYTHING]) == "is rolled by [3]"


def test_a_roll_that_one_pair_forbids_does_not_stand():
    for pairs in ([altered()], [altered(), ANYTHING], [ANYTHING, ROLLED, altered()]):
        assert rolls_of(pairs) == ""


@pytest.mark.parametrize("side", ["before_error", "after_error"])
def test_a_cell_in_doubt_forbids_no_roll(side):
    """The rounding error is that of the changed cell of f(y), or of the cell of f(x) that moves there."""
    after = np.roll(BEFORE, 3)
    after[10] += 5
    error = np.zeros(64)
    error[7 if side == "before_error" else 10] = 5
    pair = Pair(BEFORE, after, 0.1, SURE, SURE)
    assert rolls_of([pair]) == ""
    assert rolls_of([replace(pair, **{side: error})]) == "is rolled by [3]"
