"""Which rolls several pairs of outputs leave standing."""

import numpy as np

from jaxconv.verify.checker.answers import Pair, rolls_of

BEFORE = np.arange(64.0)
ROLLED = Pair(BEFORE, np.roll(BEFORE, 3), 0.1)
ANYTHING = Pair(np.zeros(64), np.zeros(64), 0.1)


def altered():
    """A pair that is rolled but for one cell in the middle, which is none of the peaks that are looked at first."""
    after = np.roll(BEFORE, 3)
    after[35] += 0.4
    return Pair(BEFORE, after, 0.1)


def test_a_roll_that_every_pair_shows_stands():
    assert rolls_of([ROLLED, ANYTHING]) == "is rolled by [3]"


def test_a_roll_that_one_pair_forbids_does_not_stand():
    for pairs in ([altered()], [altered(), ANYTHING], [ANYTHING, ROLLED, altered()]):
        assert rolls_of(pairs) == ""
