"""Reference adaptive pooling: windows compared with real intervals, and deltas with finite differences."""

from fractions import Fraction

import numpy as np
import pytest

from jaxconv import reference
from jaxconv.reference.adaptive import windows

SHAPES = [((7,), (3,)), ((5, 6), (4, 2)), ((4, 3), (6, 3)), ((3, 2, 5), (2, 3, 4))]
every_shape = pytest.mark.parametrize(("lengths", "counts"), SHAPES)


def data(lengths, counts):
    generator = np.random.default_rng(len(lengths))
    x = generator.permutation(2 * np.prod(lengths) * 3).reshape(2, *lengths, 3).astype(float)
    return x, generator.integers(-4, 5, (2, *counts, 3)).astype(float)


@pytest.mark.parametrize("length", range(1, 13))
def test_a_window_has_the_cells_that_its_share_of_the_axis_touches(length):
    """The cells [i, i + 1) that intersect the real interval [j*n/m, (j + 1)*n/m)."""
    for count in range(1, 15):
        for (j,), (_, cells) in windows([length], [count]):
            begin, end = Fraction(j * length, count), Fraction((j + 1) * length, count)
            assert [*range(length)][cells] == [i for i in range(length) if i < end and i + 1 > begin]


@every_shape
def test_average_deltas_are_the_adjoint(lengths, counts):
    x, dy = data(lengths, counts)
    product = (reference.adaptive_avg_pool(x, counts) * dy).sum()
    np.testing.assert_allclose(product, (x * reference.adaptive_avg_pool_deltas(x, dy)).sum(), rtol=1e-12)


@every_shape
def test_max_deltas_are_differences_where_no_two_cells_tie(lengths, counts):
    x, dy = data(lengths, counts)
    loss = lambda x: (dy * reference.adaptive_max_pool(x, counts)).sum()
    expected = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        moved = x.copy()
        moved[index] += 0.5
        expected[index] = 2 * (loss(moved) - loss(x))
    np.testing.assert_array_equal(reference.adaptive_max_pool_deltas(x, dy), expected)
