"""Test when two outputs differ by more than their tolerances."""

import numpy as np

from jaxconv.verify.execution.outcome import outcome

EPSILON = float(np.finfo(np.float32).eps)
EVERYWHERE = (slice(None),)


def differing(outputs, unknown=None, bounds=None):
    rows = np.asarray(outputs, float)
    found = outcome(rows, np.zeros(len(rows), bool) if unknown is None else np.asarray(unknown), EPSILON)
    found = found if bounds is None else found.widened(np.asarray(bounds, float))
    return [found.row(n).differ(EVERYWHERE, EVERYWHERE).tolist() for n in range(len(rows) - 1)]


def test_whole_numbers_differ_by_one():
    assert differing([[1, 2, 3], [1, 3, 3], [1, 2, 3]]) == [[False, True, False], [False] * 3]


def test_reals_differ_beyond_the_root_of_eps():
    assert differing([[0.5, 1.0], [0.5 + 1e-4, 1.1]]) == [[False, True]]


def test_unknown_rows_differ_from_nothing():
    assert differing([[1, 2], [5, 6], [5, 6]], unknown=[False, True, False]) == [[False, False], [True, True]]
    assert differing([[1, 2], [5, 6]], unknown=[True, False]) == [[False, False]]


def test_bounds_of_both_sides_count():
    rows = [[0.0, 0.0, 0.0], [4.0, 4.0, 4.0]]
    assert differing(rows, bounds=[[4, 0, 2], [0, 4, 1]]) == [[False, False, True]]
