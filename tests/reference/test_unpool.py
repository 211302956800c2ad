"""Reference indices and unpooling, compared with the reference's pools and their deltas."""

import numpy as np
from hypothesis import given

from jaxconv import reference
from jaxconv.testing.strategies import pool_configurations


@given(case=pool_configurations(max_rank=2))
def test_the_cells_at_the_indices_are_the_maxima_and_get_their_deltas(case):
    """Unpooled without duplicates, dy is the delta of the pool."""
    x, dy = case.x(), case.dy()
    indices = reference.max_pool_indices(x, case.window, **case.geometry)
    flat, numbers = x.reshape(len(x), -1, x.shape[-1]), indices.reshape(len(x), -1, x.shape[-1])
    y = reference.max_pool(x, case.window, **case.geometry)
    np.testing.assert_array_equal(np.take_along_axis(flat, numbers, axis=1).reshape(y.shape), y)
    expected = np.zeros(flat.shape)
    for n, j, c in np.ndindex(numbers.shape):
        expected[n, numbers[n, j, c], c] += dy.reshape(numbers.shape)[n, j, c]
    dx = reference.max_pool_deltas(x, dy, case.window, **case.geometry)
    np.testing.assert_array_equal(expected.reshape(x.shape), dx)


@given(case=pool_configurations(max_rank=2))
def test_the_deltas_of_unpooling_are_its_adjoint(case):
    """<unpool(y), dx> = <y, deltas(dx)>: it is linear in y."""
    y, dx = case.dy(), case.x()
    indices = reference.max_pool_indices(dx, case.window, **case.geometry)
    x = reference.max_unpool(y, indices, case.lengths)
    assert np.vdot(x, dx) == np.vdot(y, reference.max_unpool_deltas(indices, dx))
