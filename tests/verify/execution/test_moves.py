"""Test which moves of an output remain possible after one shift of the input."""

import numpy as np
import pytest

from jaxconv.verify.execution.moves import Outcome, moves_left


def moved_at(cells, step):
    """An outcome in which f(y) is f(x) moved by `step` at these positions of f(x), and differs at all others."""
    before = np.arange(1.0, 13.0)
    after = -before
    after[np.add(cells, step)] = before[cells]
    return Outcome(before, after[None], np.zeros(12), np.zeros((1, 12)))


@pytest.mark.parametrize(
    ("cells", "step", "possible"),
    [
        ([4, 5, 6], 3, True),
        ([4, 5], 3, False),
        ([3, 4, 6, 7], 3, False),
        ([5, 6, 7], -3, True),
        ([5, 6], -3, False),
        ([4, 5], 1, True),
        ([4], 1, False),
    ],
)
def test_a_move_stands_on_as_many_positions_in_a_row_as_it_is_long(cells, step, possible):
    """At least two positions are required, since a single cell may agree by chance."""
    (moves,) = moves_left(moved_at(cells, step), [None])
    assert (((0, step),) in moves) == possible
